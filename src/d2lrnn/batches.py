"""From texts and sentences to minibatches of short sequences."""

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

POOL = 50  # minibatches


def random_batches(ids, batch_size, num_steps, generator=None):
    """Cut a text into windows and draw minibatches of them in random order.

    A random number of tokens (0 … T−1) is dropped from the start, so that each epoch cuts
    elsewhere. The rest is cut into windows of T tokens that do not overlap, and they are shuffled
    into full minibatches. At most one minibatch of windows and one window's end are left out.
    The windows of a batch say nothing about those of the next: start each batch from a zero state.

    Args:
        ids: (N,) integer tensor or list of ints, N at least B·T + 1.
        batch_size: B, the number of sequences in a minibatch.
        num_steps: T, the number of tokens in a sequence.
        generator: torch.Generator on the CPU; None takes torch's global one.

    Returns:
        iterator of (X, Y), both (B, T) long; Y holds the token after each token of X.

    Raises:
        TypeError: ids, batch_size or num_steps are not integers.
        ValueError: ids is empty, not 1-D, negative somewhere, or too short for one minibatch;
            batch_size or num_steps is below 1.
    """
    ids, starts = _window_starts(ids, batch_size, num_steps, generator)
    shuffled = starts[torch.randperm(len(starts), generator=generator)]
    num_batches = len(starts) // batch_size
    return _batches(ids, shuffled[: num_batches * batch_size].view(num_batches, batch_size), num_steps)


def sequential_batches(ids, batch_size, num_steps, generator=None):
    """Cut a text into B long rows and walk along all of them at once, T tokens a step.

    A random number of tokens (0 … T−1) is dropped from the start, so that each epoch cuts
    elsewhere. Row i of each minibatch goes on where row i of the one before stopped: the
    state after a batch can be passed to the next (and its gradient cut).

    Args:
        ids: (N,) integer tensor or list of ints, N at least B·T + 1.
        batch_size: B, the number of rows.
        num_steps: T, the number of tokens of a row in one minibatch.
        generator: torch.Generator on the CPU; None takes torch's global one.

    Returns:
        iterator of (X, Y), both (B, T) long; Y holds the token after each token of X.

    Raises:
        TypeError: ids, batch_size or num_steps are not integers.
        ValueError: ids is empty, not 1-D, negative somewhere, or too short for one minibatch;
            batch_size or num_steps is below 1.
    """
    ids, starts = _window_starts(ids, batch_size, num_steps, generator)
    num_batches = len(starts) // batch_size
    rows = starts[: batch_size * num_batches].view(batch_size, num_batches)
    return _batches(ids, rows.T, num_steps)


def pad(sequences, pad_id):
    """Put sequences of different lengths into one tensor, filled up at their ends.

    Args:
        sequences: list of N sequences of ids, none of them empty.
        pad_id: the id to fill up with. Whoever reads the batch gets the lengths and leaves it out.

    Returns:
        ids (N, T), where T is the length of the longest sequence, and lengths (N,), both long.

    Raises:
        TypeError: ids are not integers.
        ValueError: there are no sequences, or one of them is empty, not 1-D, or negative somewhere; pad_id is negative.
    """
    if len(sequences) == 0:
        raise ValueError("there are no sequences: pass at least one")
    if not isinstance(pad_id, int) or pad_id < 0:
        raise ValueError(f"pad_id must be an id, a whole number of at least 0, not {pad_id!r}")
    lengths = torch.tensor([len(sequence) for sequence in sequences])
    if lengths.min() == 0:
        raise ValueError(f"sequence {lengths.argmin()} is empty: leave it out")
    rows = as_ids([i for sequence in sequences for i in sequence]).split(lengths.tolist())
    return pad_sequence(rows, batch_first=True, padding_value=pad_id), lengths


def mask(lengths, num_steps):
    """Where the tokens of padded sequences are.

    Args:
        lengths: (B,) the length of each sequence.
        num_steps: T.

    Returns:
        (B, T) bool: True for tokens, False for padding.
    """
    return torch.arange(num_steps, device=lengths.device) < lengths[:, None]


def shuffled_batches(tensors, batch_size, generator=None):
    """Draw minibatches of rows in random order; each row is used once, and the last minibatch may be smaller.

    Args:
        tensors: tensors with N rows each that belong together, such as ids (N, T), lengths (N,) and tags (N, T).
        batch_size: B, the number of rows in a minibatch.
        generator: torch.Generator on the CPU; None takes torch's global one.

    Returns:
        iterator of tuples of tensors, in the order of tensors.

    Raises:
        ValueError: batch_size is below 1, or the tensors have no rows or not equally many.
    """
    sizes = {len(tensor) for tensor in tensors}
    if len(sizes) != 1 or 0 in sizes:
        raise ValueError(f"the tensors must have the same number of rows, at least 1, not {sorted(sizes)}")
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, not {batch_size}")
    order = torch.randperm(sizes.pop(), generator=generator)
    return (tuple(tensor[rows] for tensor in tensors) for rows in order.split(batch_size))


def pair_batches(source_ids, target_ids, batch_size, pad_id, generator=None, bucket=True, shuffle=True):
    """Draw minibatches of sentence pairs in random order; each pair is used once, and one minibatch may be smaller.

    With buckets a minibatch holds pairs of similar length, so that little of it is padding: the shuffled pairs are
    sorted within pools of `POOL` minibatches, cut, and the minibatches are shuffled.

    Args:
        source_ids, target_ids: lists of N sequences of ids, none of them empty; pair i is source_ids[i], target_ids[i].
        batch_size: B, the number of pairs in a minibatch.
        pad_id: the id to fill up with, in both languages.
        generator: torch.Generator on the CPU; None takes torch's global one.
        bucket: whether to put pairs of similar length together.
        shuffle: False keeps the pairs in order, without buckets.

    Returns:
        iterator of (source (B, S), source_lengths (B,), target (B, T), target_lengths (B,)), all long; S and T are
        the lengths of the minibatch's longest sentences.

    Raises:
        TypeError: ids are not integers.
        ValueError: there are no pairs, not equally many sequences on both sides, an empty sequence, or batch_size is
            below 1.
    """
    if not len(source_ids) == len(target_ids) >= 1:
        raise ValueError(
            f"source_ids and target_ids must be equally many and at least 1, not {len(source_ids)} and "
            f"{len(target_ids)}"
        )
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, not {batch_size}")
    order = torch.randperm(len(source_ids), generator=generator).tolist() if shuffle else list(range(len(source_ids)))
    if not (shuffle and bucket):
        return _padded_pairs(source_ids, target_ids, _cut(order, batch_size), pad_id)
    rows = []
    for pool in _cut(order, POOL * batch_size):
        pool.sort(key=lambda i: (len(target_ids[i]), len(source_ids[i])))
        rows += _cut(pool, batch_size)
    rows = [rows[i] for i in torch.randperm(len(rows), generator=generator)]
    return _padded_pairs(source_ids, target_ids, rows, pad_id)


def as_ids(ids, long=True):
    """Check token ids and make them a tensor.

    Args:
        ids: 1-D integer tensor, integer array or list of ints.
        long: whether to make a tensor of another integer type long; a text on the disk stays what it is.

    Returns:
        (N,) integer tensor, on the device of ids.

    Raises:
        TypeError: ids are not integers.
        ValueError: ids is empty, not 1-D, or negative somewhere.
    """
    if len(ids) == 0:
        raise ValueError("ids is empty: pass at least one token id")
    if not isinstance(ids, torch.Tensor):
        array = np.array(ids)
        if array.dtype.kind not in "iu":
            raise TypeError("ids must be integers: turn tokens into ids with vocab.to_ids(tokens)")
        ids = torch.from_numpy(array.astype(np.int64, copy=False))
    if ids.is_floating_point() or ids.is_complex() or ids.dtype == torch.bool:
        raise TypeError(f"ids must be integers, not {ids.dtype}")
    if ids.dim() != 1:
        raise ValueError(f"ids must be 1-D, one long text, not of shape {tuple(ids.shape)}")
    if ids.min() < 0:
        raise ValueError(f"ids must not be negative, but one is {ids.min()}")
    return ids.long() if long else ids


def _window_starts(ids, batch_size, num_steps, generator):
    ids = as_ids(ids, long=False)
    for name, value in {"batch_size": batch_size, "num_steps": num_steps}.items():
        if not isinstance(value, int):
            raise TypeError(f"{name} must be an int, not {value!r}")
        if value < 1:
            raise ValueError(f"{name} must be at least 1, not {value}")
    needed = batch_size * num_steps + 1
    if len(ids) < needed:
        raise ValueError(
            f"one batch of {batch_size} sequences of {num_steps} steps needs {needed} tokens, but there are "
            f"{len(ids)}: use a longer text, a smaller batch_size or a smaller num_steps"
        )
    # A text hardly longer than one batch keeps enough tokens for it.
    largest_offset = min(num_steps - 1, len(ids) - needed)
    offset = int(torch.randint(largest_offset + 1, (), generator=generator))
    num_windows = (len(ids) - 1 - offset) // num_steps
    return ids, offset + num_steps * torch.arange(num_windows)


def _batches(ids, starts, num_steps):
    for batch in starts:
        inputs = (batch[:, None] + torch.arange(num_steps)).to(ids.device)
        yield ids[inputs].long(), ids[inputs + 1].long()


def _cut(items, size):
    return [items[start : start + size] for start in range(0, len(items), size)]


def _padded_pairs(source_ids, target_ids, rows, pad_id):
    for batch in rows:
        yield *pad([source_ids[i] for i in batch], pad_id), *pad([target_ids[i] for i in batch], pad_id)
