import io
import math
import multiprocessing
import os
import random
import signal
import sys
import time
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from d2lrnn import cells, training
from d2lrnn.batches import shuffled_batches
from d2lrnn.language_model import LanguageModel, ScratchLanguageModel
from d2lrnn.metrics import perplexity
from d2lrnn.taggers import Tagger
from d2lrnn.training import (
    CheckpointError,
    TrainingDiverged,
    detach,
    evaluate,
    evaluate_batches,
    fit,
    fit_batches,
    masked_cross_entropy,
    split,
)

torch.set_num_threads(1)

V = 6
# Not quite periodic, so that there is something to learn and something that cannot be learned.
TEXT = [(i * i // 3 + (i % 7 == 0)) % V for i in range(400)]
TRAIN, HELD_OUT = split(TEXT, (300, 100))
SETTINGS = dict(num_epochs=4, batch_size=4, num_steps=10, lr=0.01)


def make_model(hidden_size=8, **options):
    torch.manual_seed(0)
    return LanguageModel(V, hidden_size, **options)


# split


@given(st.text(min_size=1, max_size=60), st.data())
def test_parts_are_contiguous_and_in_order(text, data):
    lengths, left = [], len(text)
    while left and len(lengths) < 3:
        lengths.append(data.draw(st.integers(1, left)))
        left -= lengths[-1]
    parts = split(text, lengths)
    assert [len(part) for part in parts] == lengths
    assert text.startswith("".join(parts))


def test_fractions_that_sum_to_one_use_every_token():
    train, validation, test = split(list(range(1001)), (0.8, 0.1, 0.1))
    assert train + validation + test == list(range(1001))
    assert (len(train), len(validation)) == (801, 100)
    assert torch.equal(split(torch.arange(10), (0.5, 0.2))[1], torch.tensor([5, 6]))


@pytest.mark.parametrize(
    "sizes, error, message",
    [
        ((8, 3), ValueError, "need 11 tokens"),
        ((0.8, 0.3), ValueError, "more than 1"),
        ((0.9, 0.01), ValueError, "empty"),
        ((5, 0), ValueError, "empty"),
        ((5, -2), ValueError, "empty"),
        ((), ValueError, "empty"),
        ((5, 0.5), TypeError, "all lengths"),
    ],
)
def test_bad_sizes_are_refused(sizes, error, message):
    with pytest.raises(error, match=message):
        split("0123456789", sizes)


# evaluate


def test_evaluate_scores_all_tokens_but_the_first_with_the_state_carried():
    model = make_model(cell="lstm", num_layers=2).double()
    logits, _ = model(torch.tensor([HELD_OUT[:-1]]))
    log_probs = logits[0].log_softmax(-1).gather(1, torch.tensor(HELD_OUT[1:])[:, None])
    expected = perplexity(log_probs.detach())
    for num_steps in (1, 7, 99, 1000):
        assert evaluate(model, HELD_OUT, num_steps) == pytest.approx(expected, rel=1e-9)


def test_evaluate_switches_dropout_off_and_gives_the_mode_back():
    model = make_model(dropout=0.5)
    assert evaluate(model, HELD_OUT) == evaluate(model, HELD_OUT)
    assert model.training


def test_a_model_that_knows_nothing_has_the_perplexity_of_a_uniform_guess():
    model = make_model()
    for p in model.parameters():
        nn.init.zeros_(p)
    assert evaluate(model, HELD_OUT) == pytest.approx(V)


@pytest.mark.parametrize(
    "ids, message", [([1], "at least 2"), ([1, 2, V], f"between 0 and {V - 1}, but they go from 1 to {V}")]
)
def test_texts_that_cannot_be_scored_are_refused(ids, message):
    with pytest.raises(ValueError, match=message):
        evaluate(make_model(), ids)


# fit


@pytest.mark.parametrize("sampling", ["random", "sequential"])
def test_the_history_is_that_of_the_loop_written_out(sampling):
    """The same training in its plainest form, with torch's own clipping."""
    clip = 0.1  # below all norms: every update is clipped
    history = fit(
        make_model(), TRAIN, HELD_OUT, sampling=sampling, optimizer="sgd", clip=clip, **SETTINGS | {"lr": 1.0}
    )
    assert history.grad_norm.min() > clip
    model = make_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    generator = torch.Generator().manual_seed(0)
    for _, row in history.iterrows():
        losses, norms, state = [], [], None
        for X, Y in training.SAMPLINGS[sampling](TRAIN, 4, 10, generator):
            state = state.detach() if sampling == "sequential" and state is not None else None
            logits, state = model(X, state)
            loss = F.cross_entropy(logits.reshape(-1, V), Y.reshape(-1))
            optimizer.zero_grad()
            loss.backward()
            norms.append(nn.utils.clip_grad_norm_(model.parameters(), clip).item())
            optimizer.step()
            losses.append(loss.item())
        assert row.loss == pytest.approx(np.mean(losses), rel=1e-4)
        assert row.train_perplexity == pytest.approx(np.exp(np.mean(losses)), rel=1e-4)
        assert row.grad_norm == pytest.approx(np.mean(norms), rel=1e-3)
        assert row.max_grad_norm == pytest.approx(max(norms), rel=1e-3)
        assert row.held_out_perplexity == pytest.approx(evaluate(model, HELD_OUT), rel=1e-4)
    assert list(history.columns) == [
        "epoch", "train_perplexity", "loss", "grad_norm", "max_grad_norm", "lr", "held_out_perplexity",
    ]  # fmt: skip
    assert list(history.epoch) == [1, 2, 3, 4]
    assert len(history.attrs["seconds"]) == 4


def test_training_learns_and_without_a_held_out_text_there_is_no_such_column():
    history = fit(make_model(32), TRAIN, **SETTINGS | {"num_epochs": 30})
    assert history.train_perplexity.iloc[-1] < 0.6 * history.train_perplexity.iloc[0]
    assert "held_out_perplexity" not in history
    assert history.attrs["best_epoch"] is None


def test_a_scratch_model_is_trained_as_any_other():
    params = cells.init_rnn_params(V, 16, V, 0.1, torch.Generator().manual_seed(0))
    history = fit(ScratchLanguageModel(V, params), TRAIN, **SETTINGS | {"num_epochs": 20})
    assert history.loss.iloc[-1] < 0.8 * history.loss.iloc[0]


def test_the_same_seed_gives_the_same_history_and_global_random_numbers_are_left_alone():
    model = make_model(dropout=0.3)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = fit(model, TRAIN, HELD_OUT, **SETTINGS)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    model = make_model(dropout=0.3)
    assert first.equals(fit(model, TRAIN, HELD_OUT, **SETTINGS))
    assert not first.equals(fit(make_model(dropout=0.3), TRAIN, HELD_OUT, seed=1, **SETTINGS))


class Spy(nn.Module):
    """A model that writes down the states it is given."""

    def __init__(self):
        super().__init__()
        self.inner, self.states = make_model(), []

    def forward(self, ids, state=None):
        if self.training:
            self.states.append(state)
        return self.inner(ids, state)


def test_a_carried_state_is_detached_and_starts_anew_each_epoch():
    spy = Spy()
    fit(spy, TRAIN, sampling="sequential", **SETTINGS)
    fresh = [i for i, state in enumerate(spy.states) if state is None]
    assert len(fresh) == SETTINGS["num_epochs"] < len(spy.states)
    # No graph behind a state: neither the memory nor the backward pass grows from batch to batch.
    assert all(state.grad_fn is None and not state.requires_grad for state in spy.states if state is not None)


def test_random_batches_start_from_no_state():
    spy = Spy()
    fit(spy, TRAIN, **SETTINGS)
    assert spy.states and all(state is None for state in spy.states)


def test_detach_reaches_every_part_of_a_state():
    H = torch.ones(2, requires_grad=True) * 2
    assert detach(None) is None
    a, (b, c) = detach((H, (H, None)))
    assert a.grad_fn is None and b.grad_fn is None and c is None and torch.equal(a, H)


def test_the_schedule_multiplies_the_learning_rate():
    history = fit(make_model(), TRAIN, schedule=lambda epoch: 0.5 ** (epoch - 1), **SETTINGS)
    assert list(history.lr) == [0.01, 0.005, 0.0025, 0.00125]
    constant = fit(make_model(), TRAIN, **SETTINGS)
    assert history.loss[0] == constant.loss[0] and history.loss[3] != constant.loss[3]


def test_early_stopping_ends_with_the_best_parameters():
    model = make_model(32)
    history = fit(model, TRAIN, HELD_OUT, patience=3, **SETTINGS | {"num_epochs": 500, "lr": 0.02})
    best = history.held_out_perplexity.idxmin()
    assert len(history) == best + 1 + 3 < 500
    assert history.attrs["best_epoch"] == history.epoch[best]
    assert evaluate(model, HELD_OUT) == history.held_out_perplexity[best]


def test_without_patience_training_ends_with_the_last_parameters():
    model = make_model(32)
    noise = torch.randint(V, (50,), generator=torch.Generator().manual_seed(0))
    history = fit(model, TRAIN, noise, **SETTINGS | {"num_epochs": 10})
    assert evaluate(model, noise) == history.held_out_perplexity.iloc[-1] > history.held_out_perplexity.min()


def test_optimizers_are_names_or_functions():
    by_name = fit(make_model(), TRAIN, optimizer="sgd", **SETTINGS)
    assert by_name.equals(fit(make_model(), TRAIN, optimizer=torch.optim.SGD, **SETTINGS))
    assert not by_name.equals(fit(make_model(), TRAIN, **SETTINGS))


class Exploding(nn.Module):
    """A loss that becomes infinite at the third minibatch."""

    def __init__(self):
        super().__init__()
        self.logits, self.calls = nn.Parameter(torch.zeros(V)), 0

    def forward(self, ids, state=None):
        self.calls += 1
        logits = self.logits * (math.inf if self.calls == 3 else 1.0)
        return logits.expand(*ids.shape, V), state


def test_a_loss_that_is_not_finite_stops_with_the_step_the_norm_and_advice():
    model = Exploding()
    with pytest.raises(TrainingDiverged, match=r"epoch 1 at step 3.*gradient norm nan.*clip=1\.0.*lr than 0\.01") as e:
        fit(model, TRAIN, clip=None, **SETTINGS)
    assert (e.value.epoch, e.value.step) == (1, 3)
    assert not math.isfinite(e.value.loss) and math.isnan(e.value.grad_norm)
    assert model.logits.isfinite().all()


def test_a_relu_network_with_a_large_rate_and_no_clipping_is_caught():
    params = cells.init_rnn_params(V, 32, V, 0.5, torch.Generator().manual_seed(0))
    model = ScratchLanguageModel(V, params, partial(cells.rnn, activation=torch.relu))
    with pytest.raises(TrainingDiverged):
        fit(model, TRAIN, optimizer="sgd", clip=None, **SETTINGS | {"lr": 10.0, "num_epochs": 50})
    assert all(p.isfinite().all() for p in model.parameters())


class Steep(nn.Module):
    """Its loss and its gradient are finite; the product with a large learning rate is not."""

    def __init__(self):
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(V))

    def forward(self, ids, state=None):
        return (1e18 * self.logits).expand(*ids.shape, V), state


def test_an_update_that_makes_a_parameter_infinite_is_undone():
    """It may be the last update of all, so that no loss shows it."""
    model = Steep()
    with pytest.raises(TrainingDiverged, match="step 1: .*the update made a parameter infinite"):
        fit(model, TRAIN, clip=None, optimizer="sgd", **SETTINGS | {"lr": 1e25, "num_epochs": 1, "batch_size": 28})
    assert torch.equal(model.logits, torch.zeros(V))


def test_parameters_that_nothing_reads_are_watched_too():
    """No loss shows that the vector of a token which does not occur became infinite."""
    model = make_model(embedding_size=3)

    class Jump(torch.optim.SGD):
        def step(self):
            super().step()
            with torch.no_grad():
                model.embedding.weight[V - 1] = math.nan

    with pytest.raises(TrainingDiverged):
        fit(model, [0, 1, 2] * 40, optimizer=Jump, **SETTINGS)
    assert all(p.isfinite().all() for p in model.parameters())


def test_a_model_with_nothing_to_train_is_refused():
    frozen = make_model().requires_grad_(False)
    for model in (frozen, nn.Identity()):
        with pytest.raises(ValueError, match="nothing to train"):
            fit(model, TRAIN, **SETTINGS)


def test_frozen_parameters_stay_and_others_learn():
    model = make_model()
    model.output.requires_grad_(False)
    fit(model, TRAIN, **SETTINGS)
    learned = [not torch.equal(p, q) for p, q in zip(model.parameters(), make_model().parameters(), strict=True)]
    assert learned == [p.requires_grad for p in model.parameters()] and any(learned)


def test_a_model_of_nan_is_not_scored():
    model = make_model()
    nn.init.constant_(model.output.bias, math.nan)
    with pytest.raises(ValueError, match="NaN: the model has diverged"):
        evaluate(model, HELD_OUT)
    with pytest.raises(ValueError, match="NaN: the model has diverged"):
        evaluate_batches(model, [(torch.tensor([HELD_OUT]),)], lambda model, batch: (model(*batch)[0].mean(), 99))


def test_epochs_yield_the_rows_of_the_history_one_after_the_other():
    model, settings = make_model(), training.Settings(**{"num_epochs": 4, "lr": 0.01})
    rows = training.epochs(model, training.text_data(model, TRAIN, HELD_OUT, 4, 10), settings)
    assert torch.equal(next(model.parameters()), next(make_model().parameters()))  # nothing before it is asked for
    first = next(rows)
    assert evaluate(model, HELD_OUT) == first["held_out_perplexity"]
    torch.rand(7)  # what the reader of the rows draws does not matter
    history = fit(make_model(), TRAIN, HELD_OUT, **SETTINGS)
    assert [first["loss"], *(row["loss"] for row in rows)] == list(history.loss)


def test_a_report_comes_after_each_minibatch():
    seen = []
    history = fit(make_model(), TRAIN, report=lambda *what: seen.append(what), **SETTINGS)
    steps = [step for epoch, step, _ in seen if epoch == 2]
    assert steps == list(range(1, len(steps) + 1)) and len(steps) > 5
    losses = [loss for epoch, _, loss in seen if epoch == 2]
    assert history.loss[1] == pytest.approx(sum(losses) / len(losses))


def test_a_printed_history_shows_the_held_out_perplexity():
    printed = str(fit(make_model(), TRAIN, HELD_OUT, **SETTINGS))
    assert "held_out_perplexity" in printed and "train_perplexity" in printed


def test_ids_of_any_kind_of_integer_are_read():
    as_numpy = fit(make_model(), np.array(TRAIN, dtype=np.int32), **SETTINGS)
    assert as_numpy.equals(fit(make_model(), torch.tensor(TRAIN, dtype=torch.int32), **SETTINGS))
    assert as_numpy.equals(fit(make_model(), TRAIN, **SETTINGS))


@pytest.mark.parametrize(
    "options, error, message",
    [
        ({"num_epochs": 0}, ValueError, "num_epochs"),
        ({"lr": 0.0}, ValueError, "lr above 0"),
        ({"lr": math.nan}, ValueError, "lr above 0"),
        ({"lr": math.inf}, ValueError, "below 1e"),
        ({"lr": 1e39}, ValueError, "below 1e"),
        ({"schedule": lambda epoch: 2 - epoch}, ValueError, r"in epoch 3 it is -0\.01"),
        ({"schedule": lambda epoch: math.inf if epoch == 4 else 1}, ValueError, "in epoch 4 it is inf"),
        ({"schedule": lambda epoch: math.nan}, ValueError, "in epoch 1 it is nan"),
        ({"schedule": lambda epoch: 1e308 * 10**epoch}, ValueError, "in epoch 1 it is"),
        ({"clip": 0.0}, ValueError, "clip must be above 0"),
        ({"sampling": "shuffled"}, ValueError, "random, sequential"),
        ({"optimizer": "adamax"}, ValueError, "adam, adamw, sgd"),
        ({"patience": 0}, ValueError, "patience"),
        ({"patience": 3, "held_out_ids": None}, ValueError, "held_out_ids"),
        ({"train_ids": TEXT[:40]}, ValueError, "needs 41 tokens"),
        ({"train_ids": [V] * 100}, ValueError, "vocabulary that the model was made for"),
        ({"train_ids": [0.5] * 100}, TypeError, "integers"),
        ({"held_out_ids": [1]}, ValueError, "at least 2"),
        ({"checkpoint": "no/such/folder/run.pt"}, FileNotFoundError, "create it"),
        ({"checkpoint": "."}, IsADirectoryError, "is a folder"),
        ({"device": "gpu"}, ValueError, "cuda"),
    ],
)
def test_bad_arguments_are_refused_before_the_model_changes(options, error, message):
    model = make_model()
    with pytest.raises(error, match=message):
        fit(model, **{"train_ids": TRAIN, "held_out_ids": HELD_OUT, **SETTINGS, **options})
    for p, q in zip(model.parameters(), make_model().parameters(), strict=True):
        assert torch.equal(p, q)


# checkpoints

LONG = SETTINGS | {"num_epochs": 12, "patience": 9, "schedule": lambda epoch: 0.95**epoch}


def long_run(checkpoint=None, sampling="sequential", **options):
    model = make_model(dropout=0.3, embedding_size=4)
    history = fit(model, TRAIN, HELD_OUT, sampling=sampling, checkpoint=checkpoint, **LONG | options)
    return history, model


def assert_same_run(run, other):
    assert run[0].equals(other[0])
    for p, q in zip(run[1].parameters(), other[1].parameters(), strict=True):
        assert torch.equal(p, q)


@pytest.mark.parametrize("sampling", ["random", "sequential"])
def test_a_run_continued_after_each_epoch_is_the_same_to_the_last_digit(tmp_path, sampling):
    path = tmp_path / "run.pt"
    for num_epochs in (1, 2, 5, 5, 12):
        torch.manual_seed(num_epochs)
        resumed = long_run(path, sampling, num_epochs=num_epochs)
    assert_same_run(resumed, long_run(sampling=sampling))


def test_a_run_that_stopped_early_stays_stopped(tmp_path):
    path = tmp_path / "run.pt"
    first = long_run(path, lr=0.05, patience=1, num_epochs=200)
    assert len(first[0]) < 200
    assert_same_run(long_run(path, lr=0.05, patience=1, num_epochs=200), first)


def run_until_killed(path, moment):
    """In a process of its own: train, and kill it the hard way at a chosen moment."""

    def die(*_):
        os.kill(os.getpid(), signal.SIGKILL)

    def die_halfway(checkpoint, file):
        whole = io.BytesIO()
        save(checkpoint, whole)
        file.write(whole.getvalue()[: whole.tell() // 2])
        file.flush()
        die()

    torch.set_num_threads(1)
    save, replace, step = torch.save, os.replace, torch.optim.AdamW.step
    if moment == "while writing":
        torch.save = die_halfway
    elif moment == "before renaming":
        os.replace = die
    elif moment == "after renaming":
        os.replace = lambda *paths: (replace(*paths), die())
    elif moment == "in the middle of an epoch":
        countdown = iter([False] * 10 + [True])
        torch.optim.AdamW.step = lambda optimizer: die() if next(countdown) else step(optimizer)
    long_run(path)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither SIGKILL nor a fork server")
def test_training_killed_at_any_moment_and_resumed_is_the_same_to_the_last_digit(tmp_path):
    path = tmp_path / "run.pt"
    context = multiprocessing.get_context("forkserver")
    # Imported once; torch's optimizers import torch._dynamo when first used, which takes seconds.
    context.set_forkserver_preload(["torch._dynamo", "d2lrnn.training", "d2lrnn.language_model"])
    moments = ["while writing", "in the middle of an epoch", "before renaming", "after renaming"] * 2
    moments += ["any time"] * 4
    waits = random.Random(0)
    for moment in moments:
        process = context.Process(target=run_until_killed, args=(path, moment))
        process.start()
        if moment == "any time":
            time.sleep(waits.uniform(0.05, 0.4))
            process.kill()
        process.join()
        assert process.exitcode in (-signal.SIGKILL, 0)
        assert moment == "any time" or process.exitcode == -signal.SIGKILL
    rows = len(torch.load(path, weights_only=True)["history"])
    assert 2 <= rows  # it was resumed somewhere in between, not run anew
    assert_same_run(long_run(path), long_run())
    assert os.listdir(tmp_path) == ["run.pt"]


def test_a_save_that_fails_keeps_the_old_checkpoint(tmp_path, monkeypatch):
    path = tmp_path / "run.pt"
    long_run(path, num_epochs=2)
    before = path.read_bytes()

    def full(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        long_run(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["run.pt"]


@given(st.floats(0, 0.999))
def test_a_truncated_checkpoint_is_refused_and_the_model_unchanged(tmp_path_factory, fraction):
    path = tmp_path_factory.mktemp("truncated") / "run.pt"
    long_run(path, num_epochs=1)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(fraction * len(whole))])
    model = make_model(dropout=0.3, embedding_size=4)
    with pytest.raises(CheckpointError, match="truncated"):
        fit(model, TRAIN, HELD_OUT, sampling="sequential", checkpoint=path, **LONG)
    for p, q in zip(model.parameters(), make_model(dropout=0.3, embedding_size=4).parameters(), strict=True):
        assert torch.equal(p, q)


@pytest.mark.parametrize("content", [[1, 2], {"model": {}}, "text"])
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "run.pt")
    with pytest.raises(CheckpointError, match="not a checkpoint"):
        long_run(tmp_path / "run.pt")


class Evil:
    def __reduce__(self):
        return os.mkdir, ("evil",)


def test_a_checkpoint_cannot_run_code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"settings": Evil()}, tmp_path / "run.pt")
    with pytest.raises(CheckpointError):
        long_run(tmp_path / "run.pt")
    assert os.listdir(tmp_path) == ["run.pt"]


@pytest.mark.parametrize(
    "changed, options",
    [
        ("optimizer", {"lr": 0.02}),
        ("optimizer", {"optimizer": "sgd"}),
        ("batch_size", {"batch_size": 5}),
        ("num_steps", {"num_steps": 9}),
        ("clip", {"clip": None}),
        ("sampling", {"sampling": "random"}),
        ("seed", {"seed": 1}),
        ("schedule", {"schedule": None}),
        ("more than 2 epochs", {"num_epochs": 2}),
    ],
)
def test_a_checkpoint_of_another_run_is_refused(tmp_path, changed, options):
    long_run(tmp_path / "run.pt", num_epochs=3)
    with pytest.raises(CheckpointError, match=changed):
        long_run(tmp_path / "run.pt", **options)


def test_a_checkpoint_of_another_model_or_text_is_refused(tmp_path):
    path = tmp_path / "run.pt"
    fit(make_model(8), TRAIN, checkpoint=path, **SETTINGS)
    for model in (make_model(9), make_model(8, cell="gru"), make_model(8, dropout=0.1)):
        with pytest.raises(CheckpointError, match="model changed"):
            fit(model, TRAIN, checkpoint=path, **SETTINGS)
    with pytest.raises(CheckpointError, match="train_ids changed"):
        fit(make_model(8), TRAIN[::-1], checkpoint=path, **SETTINGS)
    with pytest.raises(CheckpointError, match="held_out_ids changed"):
        fit(make_model(8), TRAIN, HELD_OUT, checkpoint=path, **SETTINGS)


def test_a_checkpoint_of_another_recurrence_is_refused(tmp_path):
    path = tmp_path / "run.pt"

    def run(recurrence, init=cells.init_rnn_params):
        params = init(V, 8, V, 0.1, generator=torch.Generator().manual_seed(0))
        return fit(ScratchLanguageModel(V, params, recurrence), TRAIN, checkpoint=path, **SETTINGS)

    run(cells.rnn)
    run(cells.rnn)
    with pytest.raises(CheckpointError, match="model changed"):
        run(partial(cells.rnn, activation=torch.relu))
    path.unlink()
    run(cells.gru, cells.init_gru_params)
    with pytest.raises(CheckpointError, match="model changed"):
        run(partial(cells.gru, reset_after=False), cells.init_gru_params)


def test_a_checkpoint_of_a_model_with_other_frozen_parameters_or_another_type_is_refused(tmp_path):
    fit(make_model(), TRAIN, checkpoint=tmp_path / "run.pt", **SETTINGS)
    frozen = make_model()
    frozen.output.requires_grad_(False)
    for model in (frozen, make_model().double()):
        with pytest.raises(CheckpointError, match="model"):
            fit(model, TRAIN, checkpoint=tmp_path / "run.pt", **SETTINGS)


def test_a_schedule_is_compared_by_what_it_did(tmp_path):
    path = tmp_path / "run.pt"
    long_run(path, num_epochs=3)
    other = {"schedule": lambda epoch: 0.95**epoch if epoch <= 3 else 0.5}
    assert_same_run(long_run(path, **other), long_run(**other))
    path.unlink()
    long_run(path, num_epochs=3)
    with pytest.raises(CheckpointError, match="another schedule"):
        long_run(path, schedule=lambda epoch: 0.95**epoch if epoch != 3 else 0.5)


def test_a_smaller_patience_on_a_run_that_went_on_longer_is_refused(tmp_path):
    path = tmp_path / "run.pt"
    long, _ = long_run(path, lr=0.05, patience=3, num_epochs=200)
    short, _ = long_run(lr=0.05, patience=1, num_epochs=200)
    assert len(short) < len(long) < 200
    with pytest.raises(CheckpointError, match=f"stops after {len(short)}"):
        long_run(path, lr=0.05, patience=1, num_epochs=200)
    assert_same_run(long_run(path, lr=0.05, patience=5, num_epochs=200), long_run(lr=0.05, patience=5, num_epochs=200))


# fit_batches

ROWS = torch.randint(V, (30, 5), generator=torch.Generator().manual_seed(0))
LENGTHS = torch.tensor([1, 2, 3, 4, 5] * 6)
TAGS = (ROWS + ROWS.roll(1, dims=1)) % 3
BATCHED = dict(num_epochs=4, lr=0.01)


def sentences(generator):
    return shuffled_batches((ROWS, LENGTHS, TAGS), 8, generator)


def tag_loss(model, batch):
    ids, lengths, tags = batch
    return masked_cross_entropy(model(ids, lengths), tags, lengths)


def make_tagger(**options):
    torch.manual_seed(0)
    return Tagger(V, 3, 6, embedding_size=4, **options)


def test_training_on_batches_is_the_loop_written_out():
    held_out = [(ROWS[:7], LENGTHS[:7], TAGS[:7]), (ROWS[7:9], LENGTHS[7:9], TAGS[7:9])]
    history = fit_batches(make_tagger(), sentences, tag_loss, held_out, optimizer="sgd", **BATCHED | {"lr": 1.0})
    model, generator = make_tagger(), torch.Generator().manual_seed(0)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    for _, row in history.iterrows():
        total = 0.0
        for ids, lengths, tags in sentences(generator):
            logits = model(ids, lengths)
            losses = [F.cross_entropy(logits[i, :n], tags[i, :n], reduction="sum") for i, n in enumerate(lengths)]
            optimizer.zero_grad()
            (sum(losses) / lengths.sum()).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            total += sum(losses).item()
        assert row.loss == pytest.approx(total / LENGTHS.sum().item(), rel=1e-4)
        with torch.no_grad():
            loss, _ = masked_cross_entropy(model(ROWS[:9], LENGTHS[:9]), TAGS[:9], LENGTHS[:9])
        assert row.held_out_perplexity == pytest.approx(loss.exp().item(), rel=1e-4)
    assert list(history.epoch) == [1, 2, 3, 4]


def test_training_on_batches_stops_early_with_the_best_parameters():
    model, held_out = make_tagger(), [(ROWS[:6], LENGTHS[:6], 2 - TAGS[:6])]
    history = fit_batches(model, sentences, tag_loss, held_out, patience=2, **BATCHED | {"num_epochs": 100})
    best = history.held_out_perplexity.min()
    assert len(history) < 100 and evaluate_batches(model, held_out, tag_loss) == best
    with pytest.raises(ValueError, match="held_out_batches"):
        fit_batches(model, sentences, tag_loss, patience=2, **BATCHED)


def test_training_on_batches_is_resumed_to_the_last_digit(tmp_path):
    def run(checkpoint=None, **options):
        model = make_tagger(dropout=0.3)
        return fit_batches(model, sentences, tag_loss, checkpoint=checkpoint, **BATCHED | options), model

    path = tmp_path / "run.pt"
    run(path, num_epochs=2)
    assert_same_run(run(path), run())
    with pytest.raises(CheckpointError, match="batch_loss changed"):

        def other_loss(model, batch):
            loss, tokens = tag_loss(model, batch)
            return 2 * loss, tokens

        fit_batches(make_tagger(dropout=0.3), sentences, other_loss, checkpoint=path, **BATCHED)
    with pytest.raises(CheckpointError, match="batches changed"):
        fit_batches(make_tagger(dropout=0.3), lambda g: list(sentences(g))[:2], tag_loss, checkpoint=path, **BATCHED)


def test_the_dropout_of_a_model_rests_while_batches_are_scored():
    model, batch = make_tagger(dropout=0.5), (ROWS, LENGTHS, TAGS)
    assert evaluate_batches(model, [batch], tag_loss) == evaluate_batches(model, [batch], tag_loss)
    assert model.training
    with pytest.raises(ValueError, match="no minibatches"):
        evaluate_batches(model, [], tag_loss)


def test_the_masked_loss_is_the_mean_over_tokens_and_padding_gets_no_gradient():
    logits = torch.randn(3, 4, 5, requires_grad=True)
    targets = torch.randint(5, (3, 4))
    lengths = torch.tensor([2, 4, 1])
    targets[0, 2:], targets[2, 1:] = -100, 99  # in the padding anything may stand
    loss, tokens = masked_cross_entropy(logits, targets, lengths)
    kept = [(i, t) for i, n in enumerate(lengths) for t in range(n)]
    assert tokens == 7 == len(kept)
    expected = -sum(logits[i, t].log_softmax(-1)[targets[i, t]] for i, t in kept) / 7
    assert loss.item() == pytest.approx(expected.item())
    loss.backward()
    assert {(i, t) for i, t in torch.nonzero(logits.grad.abs().sum(-1)).tolist()} == {(i, int(t)) for i, t in kept}


@pytest.mark.parametrize("target", [-1, 5])
def test_a_tag_outside_the_set_is_refused(target):
    targets = torch.zeros(2, 3, dtype=torch.long)
    targets[1, 1] = target
    with pytest.raises(ValueError, match=f"between 0 and 4, but they go from .*{target}"):
        masked_cross_entropy(torch.zeros(2, 3, 5), targets, torch.tensor([3, 2]))


@pytest.mark.parametrize("targets, lengths", [((2, 4), (2,)), ((3, 3), (3,)), ((2, 3), (3,))])
def test_targets_that_do_not_fit_are_refused(targets, lengths):
    with pytest.raises(ValueError, match="do not fit"):
        masked_cross_entropy(torch.zeros(2, 3, 5), torch.zeros(targets).long(), torch.ones(lengths).long())


# Mixed precision


def test_mixed_precision_trains_nearly_as_full_precision_does(monkeypatch):
    monkeypatch.setattr("d2lrnn.training.check_bf16", lambda device: None)  # a GRU has bfloat16 on every processor
    ids = torch.arange(200) % 7
    losses = {}
    for precision in ("float32", "bf16"):
        torch.manual_seed(0)
        model = LanguageModel(7, 8, "gru")
        history = fit(model, ids, ids, batch_size=4, num_steps=8, num_epochs=3, lr=0.02, precision=precision)
        losses[precision] = history.loss.iloc[-1]
        assert all(p.dtype == torch.float32 for p in model.parameters())
    assert losses["bf16"] == pytest.approx(losses["float32"], rel=0.02) and losses["bf16"] != losses["float32"]


def test_mixed_precision_is_refused_where_a_device_has_none(monkeypatch):
    def without(*_):
        raise RuntimeError("could not create a primitive descriptor")

    monkeypatch.setattr(torch.nn.LSTM, "forward", without)
    with pytest.raises(ValueError, match="no LSTM in bf16"):
        fit(LanguageModel(3, 4), [0, 1] * 20, batch_size=2, num_steps=4, num_epochs=1, lr=0.1, precision="bf16")
    with pytest.raises(ValueError, match='must be "float32" or "bf16"'):
        fit(LanguageModel(3, 4), [0, 1] * 20, batch_size=2, num_steps=4, num_epochs=1, lr=0.1, precision="fp8")
