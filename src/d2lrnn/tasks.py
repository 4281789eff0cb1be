"""Tasks that test one ability of a recurrent network, with data made on the spot."""

import math
from itertools import islice

import pandas as pd
import torch
from torch.nn import functional as F

from d2lrnn import training
from d2lrnn.runtime import device_of


def first_symbol(num_sequences, lag, num_symbols=4, generator=None):
    """The copy task: read a symbol, then `lag` symbols of noise, then say the first symbol.

    Noise and symbol are drawn uniformly from the same set, so nothing but its place marks the first one. Whoever sees
    only the last n ≤ lag symbols can do no better than chance, 1 / num_symbols.
    Source: a simple form of the tasks in Hochreiter and Schmidhuber (1997).

    Args:
        num_sequences: B.
        lag: steps between the symbol and the answer, at least 0; T = lag + 1.
        num_symbols: how many symbols there are, at least 2.
        generator: a CPU torch.Generator.

    Returns:
        X (B, T) long, the sequences, and y (B,) long, their first symbols.

    Raises:
        ValueError: an argument is too small.
    """
    if num_sequences < 1 or lag < 0 or num_symbols < 2:
        raise ValueError(
            "first_symbol needs num_sequences ≥ 1, lag ≥ 0 and num_symbols ≥ 2, "
            f"not {num_sequences}, {lag} and {num_symbols}"
        )
    X = torch.randint(num_symbols, (num_sequences, lag + 1), generator=generator)
    return X, X[:, 0].clone()


def train(model, lag, num_updates, **settings):
    """Train a model on the copy task, with new sequences for each update.

    Args:
        model: nn.Module, `logits, state = model(ids)` with ids (B, T) and logits (B, T, V), such as
            LanguageModel(4, 32); trained in place. The logits of the last step are its answer.
        lag, num_updates, settings: see `train_by_rows`.

    Returns:
        pandas.DataFrame with the rows of `train_by_rows`.

    Raises:
        TrainingDiverged, ValueError: as for `train_by_rows`.
    """
    return pd.DataFrame(train_by_rows(model, lag, num_updates, **settings))


def train_by_rows(
    model, lag, num_updates, *, num_symbols=4, batch_size=64, every=50, lr=0.003, optimizer="adam", clip=1.0, seed=0
):
    """Train on the copy task, and yield a row of the history after every few updates.

    To `training.epochs` the updates of a row are an epoch.

    Args:
        model: as for `train`.
        lag, num_symbols: as for `first_symbol`.
        num_updates: how many minibatches.
        batch_size: B.
        every: updates per row.
        lr, optimizer, clip: as for `training.Settings`.
        seed: decides the sequences.

    Yields:
        dict of update (counted from 1), loss (nats, the mean since the last row), accuracy (on 1,000 sequences drawn
        for the test only, the same for every seed) and grad_norm (the largest norm before clipping since then).

    Raises:
        TrainingDiverged: the loss, the gradient or a parameter is not finite; its epoch is the row.
        ValueError: an argument is out of range.
    """
    if num_updates < 1 or batch_size < 1 or every < 1:
        raise ValueError("num_updates, batch_size and every must be at least 1")
    updates = iter(range(num_updates))

    def batches(generator):
        return (first_symbol(batch_size, lag, num_symbols, generator) for _ in islice(updates, every))

    def loss(model, batch):
        X, y = batch
        return F.cross_entropy(model(X)[0][:, -1], y), len(y)

    num_rows = math.ceil(num_updates / every)
    settings = training.Settings(num_rows, lr, optimizer, clip, seed=seed, show_progress=False)
    test = first_symbol(1000, lag, num_symbols, torch.Generator().manual_seed(2**32 - 1))
    for row in training.epochs(model, training.batch_data(batches, loss), settings):
        yield {
            "update": min(row["epoch"] * every, num_updates),
            "loss": row["loss"],
            "accuracy": accuracy(model, *test),
            "grad_norm": row["max_grad_norm"],
        }


@torch.no_grad()
def accuracy(model, X, y):
    """The share of sequences whose likeliest answer at the last step is right.

    Args:
        model: as for `train`.
        X: (B, T) long.
        y: (B,) long.

    Returns:
        float from 0 to 1.
    """
    answers = model(X.to(device_of(model)))[0][:, -1].argmax(dim=1)
    return (answers.cpu() == y).double().mean().item()
