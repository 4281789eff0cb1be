"""The recurrent layers of torch.nn by name, and the checks of what recurrent models are given."""

import torch
from torch import nn

CELLS = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}


def check_ids(ids, vocab_size, name="ids"):
    """Raise a clear error when token ids are not those of a model's vocabulary.

    Args:
        ids: integer tensor of any shape, int32 or another kind of integer.
        vocab_size: V, the number of tokens that the model knows; math.inf where that is not known.
        name: what the ids are called in the error.

    Returns:
        ids as a long tensor, on the same device.

    Raises:
        TypeError: ids are not a tensor of integers.
        ValueError: an id is negative or not below V.
    """
    if not isinstance(ids, torch.Tensor):
        raise TypeError(f"{name} must be a tensor of integers, not a {type(ids).__name__}: use torch.tensor(ids)")
    if ids.is_floating_point() or ids.is_complex() or ids.dtype == torch.bool:
        raise TypeError(f"{name} must be integers, not {ids.dtype}: turn tokens into ids with vocab.to_ids(tokens)")
    if ids.numel() and not 0 <= ids.min() <= ids.max() < vocab_size:
        raise ValueError(
            f"{name} must be between 0 and {vocab_size - 1}, but they go from {ids.min()} to {ids.max()}: "
            "use the vocabulary that the model was made for, for the padding too"
        )
    return ids.long()


def check_numbers(values, what="the model's predictions"):
    """Raise a clear error when a model computes NaN.

    Args:
        values: tensor, such as logits or log-probabilities. Infinities are allowed: log 0 is one.
        what: what the values are, for the error.

    Raises:
        ValueError: a value is NaN.
    """
    if torch.isnan(values).any():
        raise ValueError(
            f"{what} are NaN: the model has diverged, or its parameters are damaged; train or load it again"
        )


def check_lengths(lengths, batch_size, num_steps):
    """Raise a clear error when the lengths of padded sequences do not fit the batch.

    Args:
        lengths: (B,) integer tensor or list of ints.
        batch_size: B.
        num_steps: T, the length of the longest sequence or more.

    Returns:
        (B,) long tensor.

    Raises:
        TypeError: lengths are not integers.
        ValueError: lengths are not (B,), or one is below 1 or above T.
    """
    lengths = torch.as_tensor(lengths)
    if lengths.is_floating_point() or lengths.dtype == torch.bool:
        raise TypeError(f"lengths must be integers, not {lengths.dtype}")
    if lengths.shape != (batch_size,):
        raise ValueError(f"lengths must be ({batch_size},), one for each sequence, not {tuple(lengths.shape)}")
    if lengths.min() < 1:
        raise ValueError(f"the length of sequence {lengths.argmin()} is {lengths.min()}: leave empty sequences out")
    if lengths.max() > num_steps:
        raise ValueError(
            f"the length of sequence {lengths.argmax()} is {lengths.max()}, but the batch has only {num_steps} steps"
        )
    return lengths.long()


def check_state(state, shape, device):
    """Raise a clear error when a recurrent state does not fit the inputs.

    Args:
        state: a tensor.
        shape: the shape it must have, such as (B, h).
        device: the device of the inputs.

    Raises:
        TypeError: the state is not a tensor.
        ValueError: it has another shape or is on another device.
    """
    if not isinstance(state, torch.Tensor):
        raise TypeError(f"the state must be a tensor of shape {tuple(shape)}, not {type(state).__name__}")
    if state.shape != tuple(shape):
        raise ValueError(
            f"the state has shape {tuple(state.shape)} but must have {tuple(shape)}: "
            "start a batch of another size, or another model, with state=None"
        )
    if state.device != device:
        raise ValueError(f"the state is on {state.device} and the inputs are on {device}: move one with .to(device)")
