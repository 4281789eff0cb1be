"""Tasks that test one ability of a recurrent network, with data made on the spot."""

import math

import pandas as pd
import torch
from torch.nn import functional as F

from d2lrnn.gradients import clip_
from d2lrnn.training import TrainingDiverged


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
    model, lag, num_updates, *, num_symbols=4, batch_size=64, lr=0.003, clip=1.0, every=50, seed=0, optimizer=None
):
    """Train on the copy task, and yield a row of the history after every few updates.

    Args:
        model: as for `train`.
        lag, num_symbols: as for `first_symbol`.
        num_updates: how many mini-batches.
        batch_size: B.
        lr: learning rate.
        clip: the largest global gradient norm; None does not clip.
        every: updates per row.
        seed: decides the sequences.
        optimizer: a class such as torch.optim.SGD; None for Adam.

    Yields:
        dict of update (counted from 1), loss (nats, of this update), accuracy (on 1,000 sequences drawn for the test
        only, the same for every seed) and grad_norm (the largest norm before clipping since the last row).

    Raises:
        TrainingDiverged: the loss or the gradient is not finite.
        ValueError: an argument is out of range.
    """
    if num_updates < 1 or batch_size < 1 or every < 1 or not lr > 0:
        raise ValueError("num_updates, batch_size and every must be at least 1, and lr above 0")
    if clip is not None and not clip > 0:
        raise ValueError(f"clip must be above 0, or None not to clip; not {clip}")
    parameters = list(model.parameters())
    device = parameters[0].device
    optimizer = (optimizer or torch.optim.Adam)(parameters, lr=lr)
    generator = torch.Generator().manual_seed(seed)
    test = first_symbol(1000, lag, num_symbols, torch.Generator().manual_seed(2**32 - 1))
    largest = 0.0
    for update in range(1, num_updates + 1):
        X, y = first_symbol(batch_size, lag, num_symbols, generator)
        loss = F.cross_entropy(model(X.to(device))[0][:, -1], y.to(device))
        optimizer.zero_grad()
        loss.backward()
        norm = clip_(parameters, math.inf if clip is None else clip)
        if not (math.isfinite(norm) and math.isfinite(loss.item())):
            raise TrainingDiverged(1, update, loss.item(), norm, lr, clip)
        optimizer.step()
        largest = max(largest, norm)
        if update % every == 0 or update == num_updates:
            yield {"update": update, "loss": loss.item(), "accuracy": accuracy(model, *test), "grad_norm": largest}
            largest = 0.0


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
    device = next(model.parameters()).device
    answers = model(X.to(device))[0][:, -1].argmax(dim=1)
    return (answers.cpu() == y).double().mean().item()
