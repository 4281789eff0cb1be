"""The training loop: it trains, measures and saves, and returns its history. It never plots.

`fit` is for language models on one long text, called as `logits, state = model(ids, state)` with ids (B, T) and
logits (B, T, V). `fit_batches` is for everything else that comes in minibatches.
"""

import hashlib
import math
import time
from pathlib import Path

import pandas as pd
import torch
from torch.nn import functional as F

from d2lrnn.batches import as_ids, mask, random_batches, sequential_batches
from d2lrnn.gradients import clip_
from d2lrnn.metrics import perplexity
from d2lrnn.runtime import load_file, progress, save_file

OPTIMIZERS = {"adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}
SAMPLINGS = {"random": random_batches, "sequential": sequential_batches}


class TrainingDiverged(RuntimeError):
    """The loss or the gradient is infinite or NaN. The model keeps its last finite parameters.

    Attributes:
        epoch, step: when it happened: the epoch and its minibatch, both counted from 1.
        loss: nats per token.
        grad_norm: the global gradient norm before clipping.
    """

    def __init__(self, epoch, step, loss, grad_norm, lr, clip):
        advice = "clip=1.0 and, if that is not enough, " if clip is None else ""
        super().__init__(
            f"training diverged in epoch {epoch} at step {step}: the loss is {loss:.4g} nats per token and the "
            f"gradient norm {grad_norm:.4g}. Try {advice}a smaller lr than {lr:.4g}"
        )
        self.epoch, self.step, self.loss, self.grad_norm = epoch, step, loss, grad_norm


class CheckpointError(ValueError):
    """A checkpoint file is damaged, or it belongs to another model, text or setting."""


def split(tokens, sizes):
    """Cut a text into contiguous parts: training, held-out, …

    Cut before anything else: the vocabulary, the counts and the windows come from the training part only.

    Args:
        tokens: a str, a list of tokens or a tensor of ids.
        sizes: lengths such as (10_000, 5_000), or fractions such as (0.8, 0.1, 0.1). What is left over is not used.

    Returns:
        list of parts, of the type of tokens, in the order of the text.

    Raises:
        TypeError: sizes mix lengths and fractions.
        ValueError: a part would be empty, or the parts are longer than the text.
    """
    sizes = list(sizes)
    if all(isinstance(size, float) for size in sizes):
        if sum(sizes) > 1 + 1e-9:
            raise ValueError(f"the fractions {sizes} sum to more than 1")
        ends = [round(sum(sizes[: i + 1]) * len(tokens)) for i in range(len(sizes))]
    elif all(isinstance(size, int) for size in sizes):
        ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
    else:
        raise TypeError(f"sizes must be all lengths (int) or all fractions (float), not {sizes}")
    starts = [0, *ends]
    if not sizes or any(start >= end for start, end in zip(starts, ends, strict=False)):
        raise ValueError(f"sizes {sizes} of a text of {len(tokens)} tokens leave a part empty")
    if ends[-1] > len(tokens):
        raise ValueError(f"the parts {sizes} need {ends[-1]} tokens, but the text has {len(tokens)}")
    return [tokens[start:end] for start, end in zip(starts, ends, strict=False)]


def fit(
    model,
    train_ids,
    held_out_ids=None,
    *,
    num_epochs,
    batch_size,
    num_steps,
    lr,
    optimizer="adamw",
    clip=1.0,
    sampling="random",
    schedule=None,
    patience=None,
    checkpoint=None,
    seed=0,
    device=None,
    show_progress=None,
):
    """Train a language model and return its history.

    On the CPU the result depends on the model's parameters, the texts and the arguments only. With a
    checkpoint, training that is killed at any moment and started again gives the same
    history, to the last digit, as training that was left alone.

    Args:
        model: an nn.Module; trained in place.
        train_ids: (N,) ids of the training text.
        held_out_ids: (M,) ids of the held-out text, scored after each epoch; None for none.
        num_epochs: how many epochs.
        batch_size: B.
        num_steps: T, the time steps through which gradients flow.
        lr: learning rate.
        optimizer: "adamw", "sgd", or a function (parameters, lr=lr) → torch.optim.Optimizer.
        clip: the largest global gradient norm; None does not clip.
        sampling: "random" (each batch starts from a zero state) or "sequential" (the state is carried
            from batch to batch within an epoch, detached).
        schedule: function of the epoch, counted from 1, whose value multiplies lr.
        patience: stop after so many epochs without a better held-out perplexity, and end with the best parameters
            seen; None trains for num_epochs and ends with the last parameters.
        checkpoint: path of a file, written after each epoch and continued from if it exists; delete it to start
            again. A larger num_epochs trains on.
        seed: decides the batches and the dropout.
        device: where to train; None for where the model is.
        show_progress: True or False; None for when somebody watches.

    Returns:
        pandas.DataFrame with a row per epoch: epoch, loss (nats per token), train_perplexity (its
        exponential, measured while training), held_out_perplexity (if there is a held-out text), grad_norm and
        max_grad_norm (mean and largest norm before clipping), lr. Its `attrs` hold "seconds" (running time up
        to each epoch's end, which is not reproducible) and "best_epoch".

    Raises:
        TrainingDiverged: the loss or the gradient is not finite.
        CheckpointError: the checkpoint is damaged or belongs to another run.
        FileNotFoundError: the checkpoint's folder does not exist.
        ValueError: an argument is out of range, or a text is too short.
    """
    if sampling not in SAMPLINGS:
        raise ValueError(f"sampling must be one of {', '.join(SAMPLINGS)}, not {sampling!r}")
    device = torch.device(device) if device is not None else _device(model)
    train_ids = _checked_ids(train_ids, model).to(device)
    if held_out_ids is not None:
        held_out_ids = _checked_ids(held_out_ids, model)
    data = {
        "train_ids": _digest(train_ids),
        "held_out_ids": None if held_out_ids is None else _digest(held_out_ids),
        "batch_size": batch_size,
        "num_steps": num_steps,
        "sampling": sampling,
    }
    return _fit(
        model,
        lambda generator: SAMPLINGS[sampling](train_ids, batch_size, num_steps, generator),
        _next_token_loss,
        None if held_out_ids is None else lambda: evaluate(model, held_out_ids),
        data,
        sampling == "sequential",
        num_epochs,
        lr,
        optimizer,
        clip,
        schedule,
        patience,
        checkpoint,
        seed,
        device,
        show_progress,
    )


def fit_batches(
    model,
    batches,
    batch_loss,
    held_out_batches=None,
    *,
    num_epochs,
    lr,
    optimizer="adamw",
    clip=1.0,
    schedule=None,
    patience=None,
    checkpoint=None,
    seed=0,
    device=None,
    show_progress=None,
):
    """Train a model on minibatches of any kind, such as padded sentences, and return its history.

    The arguments that are not explained here, the history and the errors are those of `fit`.

    Args:
        model: an nn.Module; trained in place.
        batches: function of a torch.Generator, called once an epoch, that gives the epoch's minibatches: tuples
            of tensors. Whatever is random in them must be drawn from the generator.
        batch_loss: function (model, batch) → (the mean loss in nats, and of how many tokens it is the mean).
        held_out_batches: list of minibatches, scored with batch_loss after each epoch; None for none.

    Returns:
        pandas.DataFrame: see `fit`.
    """
    device = torch.device(device) if device is not None else _device(model)
    data = {}
    if checkpoint is not None:
        first_epoch = [tensor for batch in batches(torch.Generator().manual_seed(seed)) for tensor in batch]
        held_out = [tensor for batch in held_out_batches or () for tensor in batch]
        data = {"batches": _digest(*first_epoch), "held_out_batches": _digest(*held_out)}
    return _fit(
        model,
        lambda generator: (tuple(tensor.to(device) for tensor in batch) for batch in batches(generator)),
        lambda model, batch, state: (*batch_loss(model, batch), state),
        None if held_out_batches is None else lambda: evaluate_batches(model, held_out_batches, batch_loss),
        data,
        False,
        num_epochs,
        lr,
        optimizer,
        clip,
        schedule,
        patience,
        checkpoint,
        seed,
        device,
        show_progress,
    )


def _fit(
    model,
    draw_batches,
    batch_loss,
    held_out_perplexity,
    data,
    carry_state,
    num_epochs,
    lr,
    optimizer,
    clip,
    schedule,
    patience,
    checkpoint,
    seed,
    device,
    show_progress,
):
    """The loop of both: `data` holds what a checkpoint must have in common besides the settings below."""
    if num_epochs < 1 or not lr > 0:
        raise ValueError(f"num_epochs must be at least 1 and lr above 0, not {num_epochs} and {lr}")
    if not callable(optimizer) and optimizer not in OPTIMIZERS:
        raise ValueError(f"optimizer must be one of {', '.join(OPTIMIZERS)} or a function, not {optimizer!r}")
    if patience is not None and (patience < 1 or held_out_perplexity is None):
        raise ValueError("patience must be at least 1, and it needs held_out_ids (or held_out_batches) to judge by")
    if clip is not None and not clip > 0:
        raise ValueError(f"clip must be above 0, or None not to clip; not {clip}")
    if checkpoint is not None and not Path(checkpoint).absolute().parent.is_dir():
        raise FileNotFoundError(f"the folder of the checkpoint {checkpoint} does not exist: create it first")

    model.to(device)
    optimizer = OPTIMIZERS.get(optimizer, optimizer)(model.parameters(), lr=lr)
    generator = torch.Generator().manual_seed(seed)
    settings = {
        "model": f"{model} {[(name, tuple(tensor.shape)) for name, tensor in model.state_dict().items()]}",
        "optimizer": f"{type(optimizer).__name__} {optimizer.defaults}",
        "clip": clip,
        "seed": seed,
        **data,
    }

    # Dropout draws from torch's global random numbers: borrow them, seeded, and give them back.
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        history, best = [], None
        if checkpoint is not None and Path(checkpoint).exists():
            history, best = _load(checkpoint, settings, model, optimizer, generator, device)
        epochs = range(len(history) + 1, num_epochs + 1)
        rates = [lr * schedule(epoch) if schedule else lr for epoch in range(1, num_epochs + 1)]
        if [row["lr"] for row in history] != rates[: len(history)]:
            raise CheckpointError(
                f"the checkpoint {checkpoint} was made with another schedule, or with more than {num_epochs} epochs"
            )
        start = time.perf_counter() - (history[-1]["seconds"] if history else 0)
        for epoch in progress(epochs, "training", show_progress):
            if patience is not None and best is not None and epoch - best["epoch"] > patience:
                break
            for group in optimizer.param_groups:
                group["lr"] = rates[epoch - 1]
            row = {"epoch": epoch, "lr": rates[epoch - 1]}
            row |= _train_epoch(model, draw_batches(generator), batch_loss, optimizer, clip, carry_state, epoch)
            if held_out_perplexity is not None:
                row["held_out_perplexity"] = held_out_perplexity()
                if best is None or row["held_out_perplexity"] < best["perplexity"]:
                    parameters = {name: tensor.clone() for name, tensor in model.state_dict().items()}
                    best = {"epoch": epoch, "perplexity": row["held_out_perplexity"], "parameters": parameters}
            row["seconds"] = time.perf_counter() - start
            history.append(row)
            if checkpoint is not None:
                _save(checkpoint, settings, history, best, model, optimizer, generator, device)
    if patience is not None:
        model.load_state_dict(best["parameters"])

    columns = ["epoch", "loss", "train_perplexity", "held_out_perplexity", "grad_norm", "max_grad_norm", "lr"]
    table = pd.DataFrame(history, columns=[name for name in columns if name in history[0]])
    table.attrs = {"seconds": [row["seconds"] for row in history], "best_epoch": best and best["epoch"]}
    return table


@torch.no_grad()
def evaluate(model, ids, num_steps=1024):
    """Perplexity of a text: exp of the mean cross-entropy in nats per token.

    The text is read from its first token to its last, with the state carried all the way from a zero
    state; every token but the first is scored, given all tokens before it.

    Args:
        model: an nn.Module, used in evaluation mode.
        ids: (N,) ids of the text, N at least 2.
        num_steps: how many tokens are read at once; changes memory and speed, not the result.

    Returns:
        float.

    Raises:
        ValueError: fewer than 2 tokens, an id that the model does not know, or predictions that are NaN.
    """
    ids = _checked_ids(ids, model).to(_device(model))
    was_training = model.training
    model.eval()
    log_probs, state = [], None
    try:
        for X, Y in zip(ids[:-1].split(num_steps), ids[1:].split(num_steps), strict=True):
            logits, state = model(X[None], state)
            log_probs.append(-F.cross_entropy(logits[0], Y, reduction="none"))
    finally:
        model.train(was_training)
    return perplexity(torch.cat(log_probs))


@torch.no_grad()
def evaluate_batches(model, batches, batch_loss):
    """Perplexity of minibatches: exp of the mean loss in nats per token.

    Args:
        model: an nn.Module, used in evaluation mode.
        batches: iterable of minibatches, tuples of tensors; at least one.
        batch_loss: function (model, batch) → (the mean loss in nats, and of how many tokens it is the mean).

    Returns:
        float.

    Raises:
        ValueError: there are no minibatches, or a loss is NaN.
    """
    device, was_training = _device(model), model.training
    model.eval()
    total, num_tokens = 0.0, 0
    try:
        for batch in batches:
            loss, tokens = batch_loss(model, tuple(tensor.to(device) for tensor in batch))
            total, num_tokens = total + loss.item() * tokens, num_tokens + tokens
    finally:
        model.train(was_training)
    if num_tokens == 0:
        raise ValueError("there are no minibatches to score")
    return perplexity([-total / num_tokens])


def masked_cross_entropy(logits, targets, lengths):
    """Mean cross-entropy of the tokens of padded sequences; the padding is left out.

    Args:
        logits: (B, T, K).
        targets: (B, T) long, classes from 0 to K − 1; in the padding anything.
        lengths: (B,) the length of each sequence.

    Returns:
        the mean in nats per token, a scalar tensor, and the number of tokens, an int.

    Raises:
        ValueError: the shapes do not fit, or a target is not a class.
    """
    if logits.shape[:2] != targets.shape or lengths.shape != targets.shape[:1]:
        raise ValueError(
            f"logits (B, T, K), targets (B, T) and lengths (B,) do not fit: {tuple(logits.shape)}, "
            f"{tuple(targets.shape)}, {tuple(lengths.shape)}"
        )
    tokens = mask(lengths.to(logits.device), logits.shape[1])
    targets = targets[tokens]
    if targets.min() < 0 or targets.max() >= logits.shape[2]:
        raise ValueError(
            f"targets must be between 0 and {logits.shape[2] - 1}, but they go from {targets.min()} to {targets.max()}"
        )
    return F.cross_entropy(logits[tokens], targets), len(targets)


def detach(state):
    """Cut a state off from the graph that made it, so that gradients stop there.

    Args:
        state: None, a tensor, or a tuple of states.

    Returns:
        the same values without their history.
    """
    if state is None:
        return None
    if isinstance(state, torch.Tensor):
        return state.detach()
    return tuple(detach(part) for part in state)


def _next_token_loss(model, batch, state):
    X, Y = batch
    logits, state = model(X, state)
    return F.cross_entropy(logits.flatten(0, 1), Y.flatten()), Y.numel(), state


def _train_epoch(model, batches, batch_loss, optimizer, clip, carry_state, epoch):
    """One pass over the batches; batch_loss(model, batch, state) gives (mean loss, number of tokens, state)."""
    model.train()
    max_norm = math.inf if clip is None else clip
    total, num_tokens, norms, state = 0.0, 0, [], None
    for step, batch in enumerate(batches, start=1):
        loss, tokens, state = batch_loss(model, batch, detach(state) if carry_state else None)
        optimizer.zero_grad()
        loss.backward()
        norm = clip_(model.parameters(), max_norm)
        value = loss.item()
        if not (math.isfinite(value) and math.isfinite(norm)):
            raise TrainingDiverged(epoch, step, value, norm, optimizer.param_groups[0]["lr"], clip)
        optimizer.step()
        total, num_tokens = total + value * tokens, num_tokens + tokens
        norms.append(norm)
    mean = total / num_tokens
    return {
        "loss": mean,
        "train_perplexity": perplexity([-mean]),
        "grad_norm": sum(norms) / len(norms),
        "max_grad_norm": max(norms),
    }


def _device(model):
    return next(model.parameters()).device


def _checked_ids(ids, model):
    ids = as_ids(ids)
    if len(ids) < 2:
        raise ValueError("a text needs at least 2 tokens: the first one is only read, not scored")
    vocab_size = getattr(model, "vocab_size", math.inf)
    if ids.max() >= vocab_size:
        raise ValueError(
            f"the text has id {ids.max()}, but the model knows ids 0 … {vocab_size - 1}: "
            "use the vocabulary that the model was made for"
        )
    return ids


def _digest(*tensors):
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(tensor.cpu().numpy().tobytes())
    return digest.hexdigest()


def _save(path, settings, history, best, model, optimizer, generator, device):
    checkpoint = {
        "settings": settings,
        "history": history,
        "best": best,
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "generator": generator.get_state(),
        "random": torch.get_rng_state(),
        "cuda_random": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
    }
    save_file(checkpoint, path)


def _load(path, settings, model, optimizer, generator, device):
    try:
        checkpoint = load_file(path)
        changed = [name for name in settings if settings[name] != checkpoint["settings"][name]]
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise CheckpointError(
            f"{path} is truncated, damaged or not a checkpoint of training.fit: delete it to start again"
        ) from error
    if changed:
        raise CheckpointError(
            f"the checkpoint {path} belongs to another run: {', '.join(changed)} changed. "
            "Use the same model, text and settings, or another checkpoint file"
        )
    model.load_state_dict(checkpoint["model"])
    optimizer.load_state_dict(checkpoint["optimizer"])
    generator.set_state(checkpoint["generator"])
    torch.set_rng_state(checkpoint["random"])
    if device.type == "cuda" and checkpoint["cuda_random"] is not None:
        torch.cuda.set_rng_state(checkpoint["cuda_random"], device)
    return checkpoint["history"], checkpoint["best"]
