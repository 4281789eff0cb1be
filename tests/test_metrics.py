import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from d2lrnn.metrics import perplexity


@pytest.mark.parametrize("vocab_size", [1, 2, 27, 10_000])
def test_uniform_guessing_has_perplexity_of_the_vocabulary(vocab_size):
    assert perplexity([-math.log(vocab_size)] * 5) == pytest.approx(vocab_size, rel=1e-12)


def test_certain_and_right_is_one():
    assert perplexity(torch.zeros(4)) == 1.0


def test_impossible_token_is_infinite():
    assert perplexity([0.0, -math.inf]) == math.inf


def test_hand_computed():
    assert perplexity([math.log(1 / 2), math.log(1 / 8)]) == pytest.approx(4)


@settings(deadline=None)
@given(st.lists(st.floats(-50, 0), min_size=1, max_size=30))
def test_is_exp_of_the_mean_cross_entropy(log_probs):
    value = perplexity(log_probs)
    assert isinstance(value, float)
    assert value >= 1
    assert value == pytest.approx(math.exp(-sum(log_probs) / len(log_probs)), rel=1e-9)
    assert perplexity(list(reversed(log_probs))) == pytest.approx(value, rel=1e-9)


def test_equals_exp_of_torchs_cross_entropy():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(50, 7, generator=generator)
    targets = torch.randint(7, (50,), generator=generator)
    log_probs = logits.log_softmax(dim=1)[torch.arange(50), targets]
    loss = torch.nn.functional.cross_entropy(logits, targets)
    assert perplexity(log_probs) == pytest.approx(loss.exp().item(), rel=1e-5)


def test_takes_any_shape_and_a_tensor_with_gradient():
    log_probs = torch.full((2, 3), -math.log(5), requires_grad=True)
    assert perplexity(log_probs) == pytest.approx(5, rel=1e-6)


def test_sums_many_tokens_in_float64():
    # In float32 a running sum of this length would be off in the fourth digit.
    assert perplexity(torch.full((2_000_000,), -1.1)) == pytest.approx(math.exp(1.1), rel=1e-7)


def test_rounding_above_zero_is_forgiven():
    assert perplexity(torch.tensor([1e-7, 1e-7])) == 1.0


@pytest.mark.parametrize(
    ("log_probs", "message"),
    [
        ([], "at least one token"),
        ([-1.0, math.nan], "NaN"),
        ([-1.0, 0.3], "must not exceed 0"),
        ([math.inf], "must not exceed 0"),
    ],
)
def test_bad_input_is_an_error(log_probs, message):
    with pytest.raises(ValueError, match=message):
        perplexity(log_probs)
    with pytest.raises(ValueError, match=message):
        perplexity(torch.tensor(log_probs))
