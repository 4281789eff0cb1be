"""What the models are made of: recurrent layers of torch.nn by name, an encoder, and the checks of their input.

All model classes take their arguments in one order: the sizes; then cell, num_layers, embedding_size and dropout; then
what only this model has.
"""

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

CELLS = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}


# Layers


def recurrent_layer(cell, input_size, hidden_size, num_layers, dropout, bidirectional=False):
    """A recurrent layer of torch.nn by its name.

    Args:
        cell: "rnn" (tanh), "gru" or "lstm".
        input_size: D.
        hidden_size: h, the number of hidden units of each layer and direction.
        num_layers: how many layers are stacked.
        dropout: the probability of zeroing a feature between two layers, while training.
        bidirectional: read backwards as well.

    Returns:
        nn.RNN, nn.GRU or nn.LSTM, time-major.
    """
    between = dropout if num_layers > 1 else 0.0  # torch warns about dropout between layers when there is one
    return CELLS[cell](input_size, hidden_size, num_layers, dropout=between, bidirectional=bidirectional)


class SkipStack(nn.Module):
    """Layers of torch.nn with skip connections: from the second on each gives x + f(x), as `cells.deep` does.

    Called as a layer of torch.nn, with the states of all layers in one tensor.

    Args:
        cell: "rnn", "gru" or "lstm".
        input_size: D.
        hidden_size: h.
        num_layers: how many layers.
        dropout: the probability of zeroing a feature that a layer from the second on reads, while training.
    """

    def __init__(self, cell, input_size, hidden_size, num_layers, dropout=0.0):
        super().__init__()
        sizes = [input_size] + [hidden_size] * (num_layers - 1)
        self.layers = nn.ModuleList(CELLS[cell](size, hidden_size) for size in sizes)
        self.dropout = nn.Dropout(dropout)
        self.has_pair = cell == "lstm"

    def forward(self, X, state=None):
        """Run the layers.

        Args:
            X: (T, B, D).
            state: (num_layers, B, h), for an LSTM a pair of these; None for zeros.

        Returns:
            H of the last layer (T, B, h), and the state after the last step, shaped as the one before.
        """
        first, *others = self.layers
        states = self._by_layer(state)
        X, last = first(X, states[0])
        lasts = [last]
        for layer, layer_state in zip(others, states[1:], strict=True):
            H, last = layer(self.dropout(X), layer_state)
            X = X + H
            lasts.append(last)
        if self.has_pair:
            return X, tuple(torch.cat(parts) for parts in zip(*lasts, strict=True))
        return X, torch.cat(lasts)

    def _by_layer(self, state):
        if state is None:
            return [None] * len(self.layers)
        if self.has_pair:
            return list(zip(state[0].split(1), state[1].split(1), strict=True))
        return state.split(1)


class Encoder(nn.Module):
    """Reads padded sentences: `H, context = encoder(ids, lengths)`. The padding is never read, in neither direction.

    Args:
        vocab_size: V.
        hidden_size: h, the number of hidden units of each layer and direction.
        cell: "rnn" (tanh), "gru" or "lstm".
        num_layers: how many recurrent layers are stacked.
        embedding_size: the length of the learned vector that stands for a token.
        dropout: the probability of zeroing a feature while training: before, between and after the layers.
        bidirectional: read backwards as well.

    Raises:
        ValueError: an unknown cell, a size below 1, or a dropout outside [0, 1).
    """

    def __init__(
        self, vocab_size, hidden_size, cell="gru", num_layers=1, embedding_size=64, dropout=0.0, bidirectional=False
    ):
        super().__init__()
        sizes = dict(vocab_size=vocab_size, hidden_size=hidden_size, num_layers=num_layers)
        check_settings(cell, dropout, embedding_size=embedding_size, **sizes)
        self.embedding = nn.Embedding(vocab_size, embedding_size)
        self.recurrent = recurrent_layer(cell, embedding_size, hidden_size, num_layers, dropout, bidirectional)
        self.dropout = nn.Dropout(dropout)
        self.output_size = hidden_size * (1 + bidirectional)

    def forward(self, ids, lengths=None):
        """Read sentences.

        Args:
            ids: (B, T) integers, padded at the end with any id below V.
            lengths: (B,) the length of each sentence, from 1 to T, in any order; None: all have length T.

        Returns:
            H (T, B, d) of the last layer, where d is h or, in two directions, 2h, zeros in the padding; and the
            context (B, d), what has been read when each direction is through with the sentence.

        Raises:
            TypeError: ids or lengths are not integers.
            ValueError: ids are not (B, T) or not below V; lengths are not (B,), or one is below 1 or above T.
        """
        ids = check_batch(ids, self.embedding.num_embeddings)
        B, T = ids.shape
        lengths = check_lengths([T] * B if lengths is None else lengths, B, T)
        X = self.dropout(self.embedding(ids.T))  # (T, B, D)
        # torch wants the lengths on the CPU.
        H, state = self.recurrent(pack_padded_sequence(X, lengths.cpu(), enforce_sorted=False))
        H, _ = pad_packed_sequence(H, total_length=T)
        last = state[0] if isinstance(state, tuple) else state  # (num_layers · directions, B, h)
        directions = 2 if self.recurrent.bidirectional else 1
        return self.dropout(H), self.dropout(torch.cat(last[-directions:].unbind(), dim=1))


# Checks


def check_settings(cell, dropout, **sizes):
    """Raise a clear error when a model cannot be made.

    Args:
        cell: "rnn", "gru" or "lstm".
        dropout: a probability.
        sizes: numbers by their names, such as hidden_size=64.

    Raises:
        TypeError: a size is not an int.
        ValueError: an unknown cell, a size below 1, or a dropout outside [0, 1).
    """
    if cell not in CELLS:
        raise ValueError(f"cell must be one of {', '.join(CELLS)}, not {cell!r}")
    for name, size in sizes.items():
        if not isinstance(size, int):
            raise TypeError(f"{name} must be a whole number, not {size!r}")
        if size < 1:
            raise ValueError(f"{name} must be at least 1, not {size}")
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout must be at least 0 and below 1, not {dropout}")


def check_batch(ids, vocab_size, name="ids"):
    """Raise a clear error when a batch of token ids does not fit a model.

    Args:
        ids: (B, T) integer tensor.
        vocab_size: V.
        name: what the ids are called in the error.

    Returns:
        ids as a long tensor.

    Raises:
        TypeError: ids are not a tensor of integers.
        ValueError: ids are not (B, T) with B and T of at least 1, or an id is negative or not below V.
    """
    if isinstance(ids, torch.Tensor) and (ids.dim() != 2 or 0 in ids.shape):
        raise ValueError(f"{name} must be (B, T) with B and T of at least 1, not {tuple(ids.shape)}")
    return check_ids(ids, vocab_size, name)


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
    check_range(ids, vocab_size, name)
    return ids.long()


def check_range(ids, vocab_size, name="ids"):
    """Raise a clear error when integers are not ids of a model's vocabulary: see `check_ids`."""
    if ids.numel() and not 0 <= ids.min() <= ids.max() < vocab_size:
        raise ValueError(
            f"{name} must be between 0 and {vocab_size - 1}, but they go from {ids.min()} to {ids.max()}: "
            "use the vocabulary that the model was made for, for the padding too"
        )


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


def check_pair(state, parts="H, C"):
    """Raise a clear error when a state is not a pair.

    Args:
        state: a tuple of two, such as that of an LSTM.
        parts: what they are, for the error.

    Returns:
        state.

    Raises:
        TypeError: it is not a tuple of two.
    """
    if not isinstance(state, tuple) or len(state) != 2:
        raise TypeError(f"the state must be a pair, the tuple ({parts}); for zeros pass state=None")
    return state


def check_state(state, shape, device, pair=False):
    """Raise a clear error when a recurrent state does not fit the inputs.

    Args:
        state: a tensor, or a pair of tensors.
        shape: the shape it must have, such as (B, h).
        device: the device of the inputs.
        pair: whether it must be a pair (H, C), that of an LSTM.

    Raises:
        TypeError: the state is not a tensor, or not a pair of them.
        ValueError: it has another shape or is on another device.
    """
    if pair:
        for part in check_pair(state):
            check_state(part, shape, device)
        return
    if not isinstance(state, torch.Tensor):
        raise TypeError(f"the state must be a tensor of shape {tuple(shape)}, not {type(state).__name__}")
    if state.shape != tuple(shape):
        raise ValueError(
            f"the state has shape {tuple(state.shape)} but must have {tuple(shape)}: "
            "start a batch of another size, or another model, with state=None"
        )
    if state.device != device:
        raise ValueError(f"the state is on {state.device} and the inputs are on {device}: move one with .to(device)")


def first_state(inputs, state, num_inputs, num_hiddens, pair=False):
    """The state that a recurrence starts from, once it is sure that inputs and state fit.

    Args:
        inputs: (T, B, D).
        state: (B, h), for an LSTM a pair of these; None for zeros.
        num_inputs: D.
        num_hiddens: h.
        pair: whether the state is a pair (H, C), that of an LSTM.

    Returns:
        H (B, h), or the pair (H, C).

    Raises:
        TypeError: the state is not a tensor, or not a pair of them.
        ValueError: inputs or state have the wrong shape, or the state is on another device.
    """
    if inputs.dim() != 3 or len(inputs) == 0 or inputs.shape[2] != num_inputs:
        raise ValueError(f"inputs must be (T, B, {num_inputs}) with T of at least 1, not {tuple(inputs.shape)}")
    shape = (inputs.shape[1], num_hiddens)
    if state is None:
        zeros = inputs.new_zeros(shape)
        return (zeros, zeros) if pair else zeros
    check_state(state, shape, inputs.device, pair)
    return state
