"""The training loop: it trains, measures and saves, and returns its history. It never plots.

`fit` is for language models on one long text, called as `logits, state = model(ids, state)` with ids (B, T) and
logits (B, T, V). `fit_batches` is for everything else that comes in minibatches. Both make a table of the rows that
`epochs` yields, one after each epoch.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel

from d2lrnn import processes
from d2lrnn.batches import as_ids, mask, random_batches, sequential_batches
from d2lrnn.checkpoints import CheckpointError, describe, digest, load_checkpoint, save_file
from d2lrnn.layers import check_numbers, check_range
from d2lrnn.metrics import perplexity
from d2lrnn.runtime import as_device, check_bf16, device_of, progress

OPTIMIZERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}
SAMPLINGS = {"random": random_batches, "sequential": sequential_batches}
LOGITS = 16_000_000  # of a text that is scored, at once: 64 MB
LARGEST_LR = 1e30  # torch computes with float32 numbers made of it
# pandas prints the first and the last columns of a wide table.
COLUMNS = ["epoch", "train_perplexity", "loss", "grad_norm", "max_grad_norm", "lr", "held_out_perplexity"]


class TrainingDiverged(RuntimeError):
    """The loss, the gradient or a parameter is infinite or NaN. The model keeps its last finite parameters.

    Attributes:
        epoch, step: when it happened: the epoch and its minibatch, both counted from 1.
        loss: nats per token.
        grad_norm: the global gradient norm before clipping.
    """

    def __init__(self, epoch, step, loss, grad_norm, lr, clip):
        advice = "clip=1.0 and, if that is not enough, " if clip is None else ""
        update = (
            ", and the update made a parameter infinite" if math.isfinite(loss) and math.isfinite(grad_norm) else ""
        )
        super().__init__(
            f"training diverged in epoch {epoch} at step {step}: the loss is {loss:.4g} nats per token, the "
            f"gradient norm {grad_norm:.4g}{update}. Try {advice}a smaller lr than {lr:.4g}"
        )
        self.epoch, self.step, self.loss, self.grad_norm = epoch, step, loss, grad_norm


@dataclass(frozen=True)
class Settings:
    """How to train.

    Attributes:
        num_epochs: how many epochs.
        lr: learning rate.
        optimizer: "adam", "adamw", "sgd", or a function (parameters, lr=lr) → torch.optim.Optimizer.
        clip: the largest global gradient norm; None does not clip.
        schedule: function of the epoch, counted from 1, whose value multiplies lr.
        patience: stop after so many epochs without a better held-out perplexity, and end with the best parameters
            seen; None trains for num_epochs and ends with the last parameters.
        checkpoint: path of a file, written after each epoch and continued from if it exists; delete it to start
            again. A larger num_epochs or patience trains on.
        seed: decides the batches and the dropout.
        device: where to train; None for where the model is.
        precision: "float32", or "bf16" for mixed precision: matrix products in bfloat16, everything else, and all
            scores, in float32.
        show_progress: True or False; None for when somebody watches.
        report: function (epoch, step, loss), called after each minibatch, both counted from 1; None for none.

    Raises:
        ValueError: a value is out of range, or some lr · schedule(epoch) is negative, NaN or beyond all sense.
        FileNotFoundError, IsADirectoryError: the checkpoint's folder does not exist, or the checkpoint is a folder.
    """

    num_epochs: int
    lr: float
    optimizer: str | Callable = "adamw"
    clip: float | None = 1.0
    schedule: Callable | None = None
    patience: int | None = None
    checkpoint: str | Path | None = None
    seed: int = 0
    device: str | torch.device | None = None
    precision: str = "float32"
    show_progress: bool | None = None
    report: Callable | None = None

    def __post_init__(self):
        if self.num_epochs < 1 or not 0 < self.lr < LARGEST_LR:
            raise ValueError(
                f"num_epochs must be at least 1 and lr above 0 and below {LARGEST_LR:g}, not {self.num_epochs} and "
                f"{self.lr}"
            )
        for epoch, rate in enumerate(self.rates, start=1):
            if not 0 <= rate < LARGEST_LR:
                raise ValueError(
                    f"lr · schedule(epoch) must be at least 0 and below {LARGEST_LR:g}, but in epoch {epoch} it is "
                    f"{rate:.4g}: schedule({epoch}) is {self.schedule(epoch)}"
                )
        if not callable(self.optimizer) and self.optimizer not in OPTIMIZERS:
            names = ", ".join(OPTIMIZERS)
            raise ValueError(f"optimizer must be one of {names} or a function, not {self.optimizer!r}")
        if self.precision not in ("float32", "bf16"):
            raise ValueError(f'precision must be "float32" or "bf16", not {self.precision!r}')
        if self.clip is not None and not self.clip > 0:
            raise ValueError(f"clip must be above 0, or None not to clip; not {self.clip}")
        if self.patience is not None and self.patience < 1:
            raise ValueError(f"patience must be at least 1, or None not to stop early; not {self.patience}")
        if self.checkpoint is not None:
            path = Path(self.checkpoint).absolute()
            if path.is_dir():
                raise IsADirectoryError(f"the checkpoint {self.checkpoint} is a folder: give the path of a file in it")
            if not path.parent.is_dir():
                raise FileNotFoundError(f"the folder of the checkpoint {self.checkpoint} does not exist: create it")

    @property
    def rates(self):
        """The learning rate of each epoch: a list of num_epochs floats."""
        epochs = range(1, self.num_epochs + 1)
        return [float(self.lr * self.schedule(epoch) if self.schedule else self.lr) for epoch in epochs]


@dataclass(frozen=True)
class Data:
    """What to train on: `text_data` and `batch_data` make one.

    Attributes:
        batches: function of a torch.Generator, called once an epoch, that gives the epoch's minibatches.
        batch_loss: function (model, batch, state) → (mean loss in nats, of how many tokens, state).
        held_out_perplexity: function of the model; None if nothing is held out.
        carry_state: whether the state goes on from minibatch to minibatch within an epoch, detached.
        identity: function without arguments → dict of plain values, what a checkpoint must have in common.
    """

    batches: Callable
    batch_loss: Callable
    held_out_perplexity: Callable | None = None
    carry_state: bool = False
    identity: Callable = field(default=dict)


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


def fit(model, train_ids, held_out_ids=None, *, batch_size, num_steps, sampling="random", **settings):
    """Train a language model and return its history.

    On the CPU the result depends on the model's parameters, the texts and the arguments only. With a
    checkpoint, training that is killed at any moment and started again gives the same
    history, to the last digit, as training that was left alone. A checkpoint of another run is refused. What decides
    the result is compared, but not what cannot be seen from outside: the code of functions that the model, an
    optimizer or batch_loss calls by name. A schedule is compared by its values in the epochs that are done.

    Args:
        model: an nn.Module; trained in place.
        train_ids: (N,) ids of the training text.
        held_out_ids: (M,) ids of the held-out text, scored after each epoch; None for none.
        batch_size: B.
        num_steps: T, the time steps through which gradients flow.
        sampling: "random" (each batch starts from a zero state) or "sequential" (the state is carried
            from batch to batch within an epoch, detached).
        settings: num_epochs, lr and, if wanted, optimizer, clip, schedule, patience, checkpoint, seed, device,
            precision, show_progress and report: see `Settings`.

    Returns:
        pandas.DataFrame with a row per epoch: epoch, train_perplexity (measured while training), loss (its
        logarithm, nats per token), grad_norm and max_grad_norm (mean and largest norm before clipping), lr, and
        held_out_perplexity (if there is a held-out text). Its `attrs` hold "seconds" (running time up
        to each epoch's end, which is not reproducible) and "best_epoch".

    Raises:
        TrainingDiverged: the loss, the gradient or a parameter is not finite.
        CheckpointError: the checkpoint is damaged or belongs to another run.
        ValueError: an argument is out of range, a text is too short, or the model has nothing to train.
        TypeError: there is no setting of that name.
    """
    settings = Settings(**settings)
    return _history(epochs(model, text_data(model, train_ids, held_out_ids, batch_size, num_steps, sampling), settings))


def fit_batches(model, batches, batch_loss, held_out_batches=None, **settings):
    """Train a model on minibatches of any kind, such as padded sentences, and return its history.

    Args:
        model: an nn.Module; trained in place.
        batches: function of a torch.Generator, called once an epoch, that gives the epoch's minibatches: tuples
            of tensors. Whatever is random in them must be drawn from the generator.
        batch_loss: function (model, batch) → (the mean loss in nats, and of how many tokens it is the mean).
        held_out_batches: list of minibatches, scored with batch_loss after each epoch; None for none.
        settings: see `fit`.

    Returns:
        pandas.DataFrame: see `fit`.

    Raises: see `fit`.
    """
    return _history(epochs(model, batch_data(batches, batch_loss, held_out_batches), Settings(**settings)))


def text_data(model, train_ids, held_out_ids, batch_size, num_steps, sampling="random"):
    """The Data of `fit`.

    Args:
        model, train_ids, held_out_ids, batch_size, num_steps, sampling: see `fit`.

    Returns:
        Data.

    Raises:
        ValueError: an unknown sampling, a text that is too short, or ids that the model does not know.
    """
    if sampling not in SAMPLINGS:
        raise ValueError(f"sampling must be one of {', '.join(SAMPLINGS)}, not {sampling!r}")
    train_ids = _checked_text(train_ids, model)
    if held_out_ids is not None:
        held_out_ids = _checked_text(held_out_ids, model)

    def identity():
        return {
            "train_ids": digest(train_ids),
            "held_out_ids": None if held_out_ids is None else digest(held_out_ids),
            "batch_size": batch_size,
            "num_steps": num_steps,
            "sampling": sampling,
        }

    return Data(
        lambda generator: SAMPLINGS[sampling](train_ids, batch_size, num_steps, generator),
        _next_token_loss,
        None if held_out_ids is None else lambda model: evaluate(model, held_out_ids),
        sampling == "sequential",
        identity,
    )


def batch_data(batches, batch_loss, held_out_batches=None):
    """The Data of `fit_batches`.

    Args:
        batches, batch_loss, held_out_batches: see `fit_batches`.

    Returns:
        Data.
    """

    def identity():
        first_epoch = [tensor for batch in batches(torch.Generator().manual_seed(0)) for tensor in batch]
        held_out = [tensor for batch in held_out_batches or () for tensor in batch]
        return {
            "batches": digest(*first_epoch),
            "held_out_batches": digest(*held_out),
            "batch_loss": describe(batch_loss),
        }

    return Data(
        batches,
        lambda model, batch, state: (*batch_loss(model, batch), state),
        None if held_out_batches is None else lambda model: evaluate_batches(model, held_out_batches, batch_loss),
        identity=identity,
    )


def epochs(model, data, settings):
    """Train, and yield a row of the history after each epoch, as a dict.

    Whoever reads the rows may stop early: the model is then as it was after the last one, and with a checkpoint
    training can go on from there. Rows of a checkpoint are yielded too.

    Args:
        model: an nn.Module; trained in place. With patience it has the best parameters when the rows are at their end.
        data: Data.
        settings: Settings.

    Yields:
        dict of the columns of `fit`, and "seconds".

    Raises: see `fit`.
    """
    if settings.patience is not None and data.held_out_perplexity is None:
        raise ValueError("patience needs held_out_ids (or held_out_batches) to judge by")
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not trained:
        raise ValueError("the model has nothing to train: it has no parameters, or requires_grad is False for all")
    device = as_device(settings.device, device_of(model))
    model.to(device)
    if settings.precision == "bf16":
        check_bf16(device)
    optimizer = OPTIMIZERS.get(settings.optimizer, settings.optimizer)(trained, lr=settings.lr)
    generator = torch.Generator().manual_seed(settings.seed)
    rates, history, best = settings.rates, [], None

    # Dropout draws from torch's global random numbers: borrow them, seeded, and give them back after each epoch.
    random = _Random(settings.seed + processes.rank(), device)
    if settings.checkpoint is not None:
        identity = _identity(model, optimizer, settings) | data.identity()
        exists = Path(settings.checkpoint).exists
        saved = processes.from_first(lambda: load_checkpoint(settings.checkpoint, identity) if exists() else None)
        if saved is not None:
            history, best = saved["history"], saved["best"]
            _check_history(history, settings)
            model.load_state_dict(saved["model"])
            optimizer.load_state_dict(saved["optimizer"])
            generator.set_state(saved["generator"])
            if processes.rank() < len(saved["random"]):
                random.states = saved["random"][processes.rank()]
            yield from history
    compute = _Loss(model, data.batch_loss, settings.precision)
    if processes.size() > 1:
        # Where no token of a minibatch is rare, an adaptive softmax leaves some parameters without a gradient.
        compute = DistributedDataParallel(compute, find_unused_parameters=getattr(model, "adaptive", False))
    start = time.perf_counter() - (history[-1]["seconds"] if history else 0)
    for epoch in progress(range(len(history) + 1, settings.num_epochs + 1), "epochs", settings.show_progress):
        if _has_stopped(history, settings.patience):
            break
        for group in optimizer.param_groups:
            group["lr"] = rates[epoch - 1]
        with random:
            row = _train_epoch(model, compute, data, optimizer, generator, epoch, device, settings)
        if data.held_out_perplexity is not None:
            row["held_out_perplexity"] = processes.from_first(lambda: data.held_out_perplexity(model))
            if best is None or row["held_out_perplexity"] < best["perplexity"]:
                parameters = {name: tensor.clone() for name, tensor in model.state_dict().items()}
                best = {"perplexity": row["held_out_perplexity"], "parameters": parameters}
        row["seconds"] = time.perf_counter() - start
        history.append(row)
        states = processes.gathered(random.states)
        if settings.checkpoint is not None and processes.rank() == 0:
            content = {
                "settings": identity,
                "history": history,
                "best": best,
                "model": model.state_dict(),
                "optimizer": optimizer.state_dict(),
                "generator": generator.get_state(),
                "random": states,
            }
            save_file(content, settings.checkpoint)
        yield row
    if settings.patience is not None:
        model.load_state_dict(best["parameters"])


def evaluate(model, ids, num_steps=1024):
    """Perplexity of a text: exp of the mean cross-entropy in nats per token, of the tokens that `log_probs` scores.

    Args:
        model, ids, num_steps: see `log_probs`.

    Returns:
        float.

    Raises:
        TypeError, ValueError: see `log_probs`.
    """
    total, N = 0.0, 0
    for scores in _log_probs(model, ids, num_steps):
        total, N = total + scores.cpu().double().sum().item(), N + len(scores)
    return perplexity([total / N])


def log_probs(model, ids, num_steps=1024):
    """Natural logarithms of the probabilities that a language model gives to the tokens of a text.

    The text is read from its first token to its last, with the state carried all the way from a zero
    state; every token but the first is scored, given all tokens before it.

    Args:
        model: an nn.Module, used in evaluation mode.
        ids: (N,) ids of the text, N at least 2.
        num_steps: how many tokens are read at once; changes memory and speed, not the result.

    Returns:
        (N − 1,), nats.

    Raises:
        TypeError: ids are not integers.
        ValueError: fewer than 2 tokens, an id that the model does not know, or predictions that are NaN.
    """
    return torch.cat(list(_log_probs(model, ids, num_steps)))


@torch.no_grad()
def _log_probs(model, ids, num_steps):
    """The tensors that `log_probs` puts together, one after the other: of a long text they need little memory."""
    ids, device = _checked_text(ids, model), device_of(model)
    num_steps = min(num_steps, 1 + LOGITS // getattr(model, "vocab_size", 1))
    was_training = model.training
    model.eval()
    state = None
    try:
        for X, Y in zip(ids[:-1].split(num_steps), ids[1:].split(num_steps), strict=True):
            logits, state = model(X[None].to(device), state)
            check_numbers(logits)
            yield -F.cross_entropy(logits[0], Y.long().to(device), reduction="none")
    finally:
        model.train(was_training)


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
    device, was_training = device_of(model), model.training
    model.eval()
    total, num_tokens = 0.0, 0
    try:
        for batch in batches:
            loss, tokens = batch_loss(model, tuple(tensor.to(device) for tensor in batch))
            check_numbers(loss)
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
    if getattr(model, "adaptive", False):
        loss, state = model.loss(X, Y, state)
        return loss, Y.numel(), state
    logits, state = model(X, state)
    return F.cross_entropy(logits.flatten(0, 1), Y.flatten()), Y.numel(), state


class _Loss(nn.Module):
    """The loss as a module, the whole of which DistributedDataParallel can see."""

    def __init__(self, model, batch_loss, precision):
        super().__init__()
        self.model, self.batch_loss, self.mixed = model, batch_loss, precision == "bf16"

    def forward(self, batch, state):
        with torch.autocast(batch[0].device.type, torch.bfloat16, enabled=self.mixed):
            return self.batch_loss(self.model, batch, state)


def _train_epoch(model, compute, data, optimizer, generator, epoch, device, settings):
    """One pass over the minibatches; gives the epoch's row, without what is held out."""
    model.train()
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    before = [parameter.detach().clone() for parameter in trained]
    max_norm = math.inf if settings.clip is None else settings.clip
    lr = optimizer.param_groups[0]["lr"]
    total, num_tokens, norms, state = 0.0, 0, [], None
    batches = progress(data.batches(generator), f"epoch {epoch}", settings.show_progress)
    for step, batch in enumerate(batches, start=1):
        rows, has_rows = processes.rows(len(batch[0])), processes.rank() < len(batch[0])
        batch = tuple(tensor[rows].to(device) for tensor in batch)
        loss, own_tokens, state = compute(batch, detach(state) if data.carry_state else None)
        own_tokens *= has_rows
        value, tokens = processes.mean(loss.item(), own_tokens)
        optimizer.zero_grad()
        # The gradients of all processes are averaged: weighted so, it is the gradient of the mean over all tokens.
        (loss * (own_tokens * processes.size() / tokens)).backward()
        norm = nn.utils.clip_grad_norm_(trained, max_norm).item()
        if math.isfinite(value) and math.isfinite(norm):
            _copy(trained, before)
            optimizer.step()
            if _are_finite(trained):
                total, num_tokens = total + value * tokens, num_tokens + tokens
                norms.append(norm)
                if settings.report is not None:
                    settings.report(epoch, step, value)
                continue
            _copy(before, trained)
        raise TrainingDiverged(epoch, step, value, norm, lr, settings.clip)
    if not norms:
        raise ValueError("there are no minibatches to train on")
    mean = total / num_tokens
    return {
        "epoch": epoch,
        "train_perplexity": perplexity([-mean]),
        "loss": mean,
        "grad_norm": sum(norms) / len(norms),
        "max_grad_norm": max(norms),
        "lr": lr,
    }


@torch.no_grad()
def _are_finite(tensors):
    return nn.utils.get_total_norm(tensors, math.inf).isfinite().item()


@torch.no_grad()
def _copy(tensors, into):
    for tensor, copy in zip(tensors, into, strict=True):
        copy.copy_(tensor)


class _Random:
    """Torch's global random numbers, borrowed: inside `with` they are the training's own and go on where they were."""

    def __init__(self, seed, device):
        self.cuda = [device] if device.type == "cuda" else []
        with torch.random.fork_rng(self.cuda):
            torch.manual_seed(seed)
            self.states = self._get()

    def __enter__(self):
        self.outside = self._get()
        self._set(self.states)

    def __exit__(self, *_):
        self.states = self._get()
        self._set(self.outside)

    def _get(self):
        return [torch.get_rng_state(), *map(torch.cuda.get_rng_state, self.cuda)]

    def _set(self, states):
        torch.set_rng_state(states[0])
        for state, device in zip(states[1:], self.cuda, strict=False):  # a checkpoint of the CPU has none for a GPU
            torch.cuda.set_rng_state(state, device)


def _history(rows):
    rows = list(rows)
    table = pd.DataFrame(rows, columns=[name for name in COLUMNS if name in rows[0]])
    best = table.epoch[table.held_out_perplexity.idxmin()] if "held_out_perplexity" in table else None
    table.attrs = {"seconds": [row["seconds"] for row in rows], "best_epoch": best}
    return table


def _has_stopped(history, patience):
    """Whether the last `patience` rows are no better than the best one before them."""
    if patience is None or not history:
        return False
    perplexities = [row["held_out_perplexity"] for row in history]
    return len(history) - 1 - perplexities.index(min(perplexities)) >= patience


def _check_history(history, settings):
    """Refuse the rows of a checkpoint that these settings would not have made."""
    if [row["lr"] for row in history] != settings.rates[: len(history)]:
        raise CheckpointError(
            f"the checkpoint {settings.checkpoint} was made with another schedule, or with more than "
            f"{settings.num_epochs} epochs"
        )
    for epoch in range(1, len(history)):
        if _has_stopped(history[:epoch], settings.patience):
            raise CheckpointError(
                f"the checkpoint {settings.checkpoint} has {len(history)} epochs, but with patience="
                f"{settings.patience} training stops after {epoch}: use a larger patience, or another checkpoint file"
            )


def _identity(model, optimizer, settings):
    """What a checkpoint must have in common besides the data: all that decides the result and can be seen."""
    parts = [(name, str(part.dtype), tuple(part.shape)) for name, part in model.state_dict().items()]
    frozen = [name for name, parameter in model.named_parameters() if not parameter.requires_grad]
    attributes = {name: _attributes(module) for name, module in model.named_modules()}
    return {
        "model": f"{model} {parts} {frozen} {attributes}",
        "optimizer": f"{type(optimizer).__name__} {optimizer.defaults}",
        "clip": settings.clip,
        "precision": settings.precision,
        "seed": settings.seed,
    }


def _attributes(module):
    """The numbers, texts and functions that a module keeps, such as the recurrence of a ScratchLanguageModel."""
    attributes = {}
    for name, value in vars(module).items():
        if name.startswith("_") or name == "training":
            continue
        if value is None or isinstance(value, bool | int | float | str | tuple):
            attributes[name] = str(value)
        elif callable(value):
            attributes[name] = describe(value)
    return attributes


def _checked_text(ids, model):
    ids = as_ids(ids, long=False)
    check_range(ids, getattr(model, "vocab_size", math.inf))
    if len(ids) < 2:
        raise ValueError("a text needs at least 2 tokens: the first one is only read, not scored")
    return ids
