import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from d2lrnn.forecasting import LinearModel, k_step_ahead, noisy_sine, rmse, windows


def test_a_sine_without_noise_has_the_period_and_amplitude_asked_for():
    x = noisy_sine(200, noise=0, period=40)
    torch.testing.assert_close(x[:40], x[40:80])
    assert x[10].item() == pytest.approx(1)
    assert x[30].item() == pytest.approx(-1)


def test_the_noise_has_the_standard_deviation_asked_for_and_comes_from_the_generator():
    noisy = [noisy_sine(20_000, 0.3, 50, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)]
    noise = noisy[0] - noisy_sine(20_000, 0, 50)
    assert noise.std().item() == pytest.approx(0.3, rel=0.03)
    assert abs(noise.mean().item()) < 0.01
    assert torch.equal(noisy[0], noisy[1]) and not torch.equal(noisy[0], noisy[2])


@pytest.mark.parametrize("bad", [{"num_steps": 0}, {"period": 0}, {"noise": -1}])
def test_noisy_sine_refuses_impossible_settings(bad):
    with pytest.raises(ValueError, match="noisy_sine needs"):
        noisy_sine(**bad)


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 20))
def test_windows_agree_with_a_plain_loop(tau, k, extra):
    series = torch.arange(tau + k + extra, dtype=torch.float64)
    X, y = windows(series, tau, k)
    expected = [(series[i : i + tau], series[i + tau + k - 1]) for i in range(extra + 1)]
    assert torch.equal(X, torch.stack([window for window, _ in expected]))
    assert torch.equal(y, torch.stack([label for _, label in expected]))


def test_windows_name_the_fix():
    series = torch.zeros(5)
    with pytest.raises(ValueError, match="it needs 7"):
        windows(series, 4, 3)
    with pytest.raises(ValueError, match="at least 1"):
        windows(series, 0)
    with pytest.raises(ValueError, match="1-D"):
        windows(series[:, None], 1)


def test_the_linear_model_recovers_a_line_and_leaves_residuals_orthogonal_to_its_inputs():
    generator = torch.Generator().manual_seed(0)
    X = torch.randn(50, 3, generator=generator, dtype=torch.float64)
    w = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    model = LinearModel(X, X @ w + 4)
    torch.testing.assert_close(model.w, w)
    assert model.b.item() == pytest.approx(4)
    y = torch.randn(50, generator=generator, dtype=torch.float64)
    residual = y - LinearModel(X, y)(X)
    torch.testing.assert_close(X.T @ residual, torch.zeros(3, dtype=torch.float64), atol=1e-12, rtol=0)
    assert residual.sum().item() == pytest.approx(0, abs=1e-12)


def test_the_linear_model_learns_the_law_of_a_clean_sine():
    model = LinearModel(*windows(noisy_sine(200, 0, 50), 2))
    torch.testing.assert_close(model.w, torch.tensor([-1, 2 * math.cos(2 * math.pi / 50)], dtype=torch.float64))


def test_the_linear_model_copes_with_more_inputs_than_the_series_has_dimensions():
    clean = noisy_sine(300, 0, 50)
    X, y = windows(clean, 16)
    assert rmse(LinearModel(X, y)(X), y) < 1e-9


def test_the_linear_model_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="X must be"):
        LinearModel(torch.zeros(5, 2), torch.zeros(4))


def test_k_steps_ahead_feed_predictions_back():
    X = torch.tensor([[1.0, 1.0], [2.0, 3.0]])

    def add(X):
        return X.sum(1)

    torch.testing.assert_close(k_step_ahead(add, X, 1), torch.tensor([2.0, 5.0]))
    torch.testing.assert_close(k_step_ahead(add, X, 4), torch.tensor([8.0, 21.0]))  # 1 1 2 3 5 8, 2 3 5 8 13 21
    torch.testing.assert_close(X, torch.tensor([[1.0, 1.0], [2.0, 3.0]]))
    with pytest.raises(ValueError, match="at least 1"):
        k_step_ahead(add, X, 0)


def test_the_error_is_zero_only_when_right():
    assert rmse(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.0])) == 0
    assert rmse(torch.tensor([0.0, 0.0]), torch.tensor([3.0, -4.0])) == pytest.approx(math.sqrt(12.5))
    with pytest.raises(ValueError, match="like with like"):
        rmse(torch.zeros(2), torch.zeros(2, 1))
    with pytest.raises(ValueError, match="like with like"):
        rmse(torch.zeros(0), torch.zeros(0))
