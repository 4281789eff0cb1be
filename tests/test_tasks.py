import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from d2lrnn import tasks
from d2lrnn.cells import init_rnn_params
from d2lrnn.language_model import LanguageModel, ScratchLanguageModel
from d2lrnn.ngrams import LaplaceModel
from d2lrnn.runtime import seed_everything
from d2lrnn.training import TrainingDiverged


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def small_model(num_symbols=4, hidden_size=16):
    seed_everything(0)
    return LanguageModel(num_symbols, hidden_size)


@given(st.integers(1, 5), st.integers(0, 6), st.integers(2, 5), st.integers(0, 99))
def test_the_answer_is_the_first_symbol(num_sequences, lag, num_symbols, seed):
    X, y = tasks.first_symbol(num_sequences, lag, num_symbols, seeded(seed))
    assert X.shape == (num_sequences, lag + 1) and X.dtype == y.dtype == torch.long
    assert torch.equal(X[:, 0], y)
    assert 0 <= X.min() and X.max() < num_symbols
    again, _ = tasks.first_symbol(num_sequences, lag, num_symbols, seeded(seed))
    assert torch.equal(X, again)


def test_the_answer_is_a_copy():
    X, y = tasks.first_symbol(3, 2, generator=seeded())
    before = y.clone()
    X[:, 0] = 9
    assert torch.equal(y, before)


def test_the_noise_says_nothing_about_the_answer():
    X, y = tasks.first_symbol(40_000, 3, 3, seeded())
    for t in (1, 2, 3):
        joint = torch.stack([X[:, t], y]).unique(dim=1, return_counts=True)[1] / len(y)
        torch.testing.assert_close(joint, torch.full((9,), 1 / 9), atol=0.006, rtol=0)


def test_an_ngram_shorter_than_the_lag_stays_at_chance():
    X, y = tasks.first_symbol(5_000, 3, 4, seeded())
    ids = torch.cat([X, y[:, None]], dim=1).flatten()
    model = LaplaceModel(ids, 3, 4, 1.0)
    X, y = tasks.first_symbol(500, 3, 4, seeded(1))
    answers = torch.stack([torch.as_tensor(model.probs(row[-2:].tolist())) for row in X]).argmax(dim=1)
    assert (answers == y).double().mean() == pytest.approx(0.25, abs=0.08)


@pytest.mark.parametrize("arguments", [(0, 1), (1, -1), (1, 1, 1)])
def test_first_symbol_refuses_sizes_that_make_no_task(arguments):
    with pytest.raises(ValueError, match="first_symbol needs"):
        tasks.first_symbol(*arguments)


def test_training_learns_a_short_lag_and_the_history_says_so():
    history = tasks.train(small_model(), 2, 150, lr=0.02)
    assert list(history.columns) == ["update", "loss", "accuracy", "grad_norm"]
    assert history["update"].tolist() == [50, 100, 150]
    assert history.accuracy.iloc[-1] > 0.95 and history.loss.iloc[-1] < 0.5


def test_the_same_seed_gives_the_same_history_and_the_last_update_is_reported():
    first, second = (tasks.train(small_model(), 3, 7, every=5) for _ in range(2))
    assert first.equals(second)
    assert first["update"].tolist() == [5, 7]
    assert not first.equals(tasks.train(small_model(), 3, 7, every=5, seed=1))


def test_a_row_holds_the_largest_norm_since_the_last_row():
    norms = tasks.train(small_model(), 3, 12, every=1).grad_norm
    assert tasks.train(small_model(), 3, 12, every=6).grad_norm.tolist() == [norms[:6].max(), norms[6:].max()]


def test_one_update_of_sgd_is_the_clipped_gradient():
    model, reference = small_model(), small_model()
    X, y = tasks.first_symbol(64, 3, generator=seeded())
    loss = nn.functional.cross_entropy(reference(X)[0][:, -1], y)
    loss.backward()
    norm = torch.linalg.vector_norm(torch.cat([p.grad.flatten() for p in reference.parameters()])).item()
    history = tasks.train(model, 3, 1, lr=0.5, clip=norm / 4, optimizer=torch.optim.SGD)
    assert history.loss[0] == pytest.approx(loss.item(), rel=1e-6)
    assert history.grad_norm[0] == pytest.approx(norm, rel=1e-5)
    for p, q in zip(model.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(p, q - 0.5 * q.grad / 4)


def test_accuracy_counts_the_answers_of_the_last_step():
    class Echo(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))

        def forward(self, ids, state=None):
            return self.scale * nn.functional.one_hot(ids, 4).float(), None

    X, y = tasks.first_symbol(200, 5, generator=seeded())
    assert tasks.accuracy(Echo(), X, y) == pytest.approx((X[:, -1] == y).double().mean().item())
    X[:, -1] = y
    assert tasks.accuracy(Echo(), X, y) == 1


def test_a_loss_that_is_not_finite_stops_with_advice():
    params = {name: tensor.detach() for name, tensor in init_rnn_params(4, 4, 4, generator=seeded()).items()}
    model = ScratchLanguageModel(4, params | {"b_q": torch.full((4,), math.inf)})
    with pytest.raises(TrainingDiverged, match="at step 1.*Try clip=1.0"):
        tasks.train(model, 1, 3, clip=None)


@pytest.mark.parametrize("bad", [{"num_updates": 0}, {"lr": 0}, {"batch_size": 0}, {"every": 0}, {"clip": 0}])
def test_train_refuses_settings_out_of_range(bad):
    with pytest.raises(ValueError, match="must be"):
        tasks.train(small_model(), **({"lag": 1, "num_updates": 1} | bad))
