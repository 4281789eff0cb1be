"""Recurrent cells written out as in their equations, and networks of several of them.

Features are time-major: inputs (T, B, D), hidden states (T, B, h), outputs (T, B, q), for
T time steps, a batch of B sequences, D inputs, h hidden units and q outputs. Parameters
are a dict from the symbols of the equations to tensors. The state is passed in and
returned, and everything stays on the device of the inputs.

`rnn`, `lstm` and `gru` are *recurrences*: functions (inputs, state, params) → (outputs, state).
`padded`, `bidirectional` and `deep` make larger recurrences of them.
"""

import torch
from torch import nn
from torch.nn import functional as F

from d2lrnn.layers import check_lengths, check_pair, first_state


def init_rnn_params(num_inputs, num_hiddens, num_outputs=None, scale=0.01, generator=None):
    """Parameters of an RNN: weights from a normal distribution, biases zero.

    Args:
        num_inputs: D, the size of X_t.
        num_hiddens: h, the size of H_t.
        num_outputs: q, the size of O_t; None for no output layer: the outputs are then the hidden states.
        scale: standard deviation of the weights.
        generator: a CPU torch.Generator.

    Returns:
        dict of W_xh (D, h), W_hh (h, h), b_h (h,), W_hq (h, q) and b_q (q,), which require gradients.
    """
    shapes = {"W_xh": (num_inputs, num_hiddens), "W_hh": (num_hiddens, num_hiddens), "b_h": (num_hiddens,)}
    return _init_params(shapes, num_hiddens, num_outputs, scale, generator)


def init_lstm_params(num_inputs, num_hiddens, num_outputs=None, scale=0.01, forget_bias=0.0, generator=None):
    """Parameters of an LSTM: weights from a normal distribution, biases zero.

    The columns of W_x, W_h and b are four blocks of h, in the order of torch.nn.LSTM: input gate, forget gate,
    candidate, output gate. So W_x = [W_xi, W_xf, W_xc, W_xo].

    Args:
        num_inputs: D, the size of X_t.
        num_hiddens: h, the size of H_t and C_t.
        num_outputs: q; None for no output layer: the outputs are then the hidden states.
        scale: standard deviation of the weights.
        forget_bias: the value that the bias of the forget gate starts from.
        generator: a CPU torch.Generator.

    Returns:
        dict of W_x (D, 4h), W_h (h, 4h), b (4h,), W_hq (h, q) and b_q (q,), which require gradients.
    """
    h = num_hiddens
    params = _init_params(
        {"W_x": (num_inputs, 4 * h), "W_h": (h, 4 * h), "b": (4 * h,)}, h, num_outputs, scale, generator
    )
    with torch.no_grad():
        params["b"][h : 2 * h] = forget_bias
    return params


def init_gru_params(num_inputs, num_hiddens, num_outputs=None, scale=0.01, generator=None):
    """Parameters of a GRU: weights from a normal distribution, biases zero.

    The columns of W_x, W_h and of both biases are three blocks of h, in the order of torch.nn.GRU: reset gate, update
    gate, candidate. So W_x = [W_xr, W_xz, W_xh].

    Args:
        num_inputs: D, the size of X_t.
        num_hiddens: h, the size of H_t.
        num_outputs: q; None for no output layer: the outputs are then the hidden states.
        scale: standard deviation of the weights.
        generator: a CPU torch.Generator.

    Returns:
        dict of W_x (D, 3h), W_h (h, 3h), b_x (3h,), b_h (3h,), W_hq (h, q) and b_q (q,), which require gradients.
    """
    h = num_hiddens
    shapes = {"W_x": (num_inputs, 3 * h), "W_h": (h, 3 * h), "b_x": (3 * h,), "b_h": (3 * h,)}
    return _init_params(shapes, h, num_outputs, scale, generator)


def _init_params(shapes, num_hiddens, num_outputs, scale, generator):
    if num_outputs is not None:
        shapes = shapes | {"W_hq": (num_hiddens, num_outputs), "b_q": (num_outputs,)}
    params = {
        name: scale * torch.randn(shape, generator=generator) if name.startswith("W") else torch.zeros(shape)
        for name, shape in shapes.items()
    }
    return {name: tensor.requires_grad_() for name, tensor in params.items()}


def from_torch(layer, level=0, backward=False):
    """Parameters of one level of a torch.nn.RNN, LSTM or GRU, as `rnn`, `lstm` and `gru` take them.

    torch keeps the weights transposed. For the RNN and the LSTM it adds two biases, which are summed here. In a GRU
    the reset gate acts on the second one, so both are kept.

    Args:
        layer: nn.RNN, nn.LSTM or nn.GRU.
        level: which of its stacked levels, from 0.
        backward: the backward direction of a bidirectional layer.

    Returns:
        dict as of `init_rnn_params`, `init_lstm_params` or `init_gru_params` without an output layer: copies, which
        require gradients.

    Raises:
        TypeError: the layer is none of these.
        ValueError: the layer has no such level or direction, or it projects its states (proj_size).
    """
    if not isinstance(layer, nn.RNN | nn.LSTM | nn.GRU):
        raise TypeError(f"layer must be an nn.RNN, nn.LSTM or nn.GRU, not {type(layer).__name__}")
    if not 0 <= level < layer.num_layers:
        raise ValueError(f"level must be between 0 and {layer.num_layers - 1} for this layer, not {level}")
    if backward and not layer.bidirectional:
        raise ValueError("this layer has no backward direction: make it with bidirectional=True")
    if layer.proj_size:
        raise ValueError("layers with proj_size are not supported: make the layer without it")
    parts = layer.state_dict()
    suffix = f"_l{level}" + ("_reverse" if backward else "")
    W_x, W_h = parts[f"weight_ih{suffix}"].T, parts[f"weight_hh{suffix}"].T
    zeros = W_h.new_zeros(W_h.shape[1])
    b_x, b_h = (parts.get(f"bias_{name}{suffix}", zeros) for name in ("ih", "hh"))
    if isinstance(layer, nn.GRU):
        params = {"W_x": W_x, "W_h": W_h, "b_x": b_x, "b_h": b_h}
    elif isinstance(layer, nn.LSTM):
        params = {"W_x": W_x, "W_h": W_h, "b": b_x + b_h}
    else:
        params = {"W_xh": W_x, "W_hh": W_h, "b_h": b_x + b_h}
    return {name: tensor.clone().requires_grad_() for name, tensor in params.items()}


def rnn_step(X_t, H, params, activation=torch.tanh):
    """One time step of an RNN.

    H_t = φ(X_t W_xh + H_{t−1} W_hh + b_h) and O_t = H_t W_hq + b_q.
    Source: Elman (1990).

    Args:
        X_t: (B, D) inputs of this step.
        H: (B, h) hidden state of the step before, H_{t−1}.
        params: the dict of `init_rnn_params`.
        activation: φ, such as torch.tanh or torch.relu.

    Returns:
        O_t (B, q) and H_t (B, h).
    """
    H = activation(X_t @ params["W_xh"] + H @ params["W_hh"] + params["b_h"])
    return _outputs(H, params), H


def rnn(inputs, state, params, activation=torch.tanh):
    """An RNN unrolled over time: `rnn_step` for t = 1 … T.

    Only H_{t−1} W_hh has to wait for the step before. The products with W_xh and W_hq
    are done for all steps in one matrix multiplication each, which is faster.

    Args:
        inputs: (T, B, D).
        state: (B, h) hidden state H_0, or None for zeros.
        params: the dict of `init_rnn_params`.
        activation: φ, such as torch.tanh or torch.relu.

    Returns:
        outputs (T, B, q) and the last state H_T (B, h).

    Raises:
        ValueError: inputs or state have the wrong shape, or the state is on another device.
    """
    W_xh, W_hh, b_h = params["W_xh"], params["W_hh"], params["b_h"]
    H = first_state(inputs, state, *W_xh.shape)
    states = []
    for XW_t in (inputs @ W_xh + b_h).unbind():
        H = activation(torch.addmm(XW_t, H, W_hh))  # XW_t + H W_hh
        states.append(H)
    return _outputs(torch.stack(states), params), H


def lstm_step(X_t, state, params):
    """One time step of an LSTM.

    The gates I_t, F_t, O_t = σ(X_t W_x + H_{t−1} W_h + b), each with its block of columns, and the
    candidate C̃_t = tanh(X_t W_xc + H_{t−1} W_hc + b_c). Then
    C_t = F_t ⊙ C_{t−1} + I_t ⊙ C̃_t and H_t = O_t ⊙ tanh(C_t); the outputs are H_t W_hq + b_q.
    All four blocks are computed in one product.
    Source: Hochreiter and Schmidhuber (1997); the forget gate: Gers, Schmidhuber and Cummins (2000).

    Args:
        X_t: (B, D) inputs of this step.
        state: the pair (H_{t−1}, C_{t−1}), both (B, h).
        params: the dict of `init_lstm_params`.

    Returns:
        outputs (B, q) and the pair (H_t, C_t).
    """
    H, C = state
    A_i, A_f, A_c, A_o = (X_t @ params["W_x"] + H @ params["W_h"] + params["b"]).chunk(4, dim=1)
    I_t, F_t, O_t = torch.sigmoid(A_i), torch.sigmoid(A_f), torch.sigmoid(A_o)
    C_tilde = torch.tanh(A_c)
    C = F_t * C + I_t * C_tilde
    H = O_t * torch.tanh(C)
    return _outputs(H, params), (H, C)


def lstm(inputs, state, params):
    """An LSTM unrolled over time: `lstm_step` for t = 1 … T.

    Args:
        inputs: (T, B, D).
        state: the pair (H_0, C_0), both (B, h), or None for zeros.
        params: the dict of `init_lstm_params`.

    Returns:
        outputs (T, B, q) and the pair (H_T, C_T).

    Raises:
        TypeError: the state is not a pair of tensors.
        ValueError: inputs or state have the wrong shape, or the state is on another device.
    """
    state = first_state(inputs, state, len(params["W_x"]), len(params["W_h"]), pair=True)
    outputs = []
    for X_t in inputs:
        output, state = lstm_step(X_t, state, params)
        outputs.append(output)
    return torch.stack(outputs), state


def gru_step(X_t, H, params, reset_after=True):
    """One time step of a GRU.

    The gates R_t, Z_t = σ(X_t W_x + b_x + H_{t−1} W_h + b_h), each with its block of columns. The
    candidate is, with the reset gate after the hidden product as in torch.nn.GRU,
    H̃_t = tanh(X_t W_xh + b_xh + R_t ⊙ (H_{t−1} W_hh + b_hh)), or before it, as in the textbooks,
    H̃_t = tanh(X_t W_xh + b_xh + (R_t ⊙ H_{t−1}) W_hh + b_hh). Then
    H_t = Z_t ⊙ H_{t−1} + (1 − Z_t) ⊙ H̃_t; the outputs are H_t W_hq + b_q.
    Source: Cho and others (2014).

    Args:
        X_t: (B, D) inputs of this step.
        H: (B, h) hidden state of the step before, H_{t−1}.
        params: the dict of `init_gru_params`.
        reset_after: where the reset gate acts.

    Returns:
        outputs (B, q) and H_t (B, h).
    """
    W_h, b_h = params["W_h"], params["b_h"]
    X_r, X_z, X_c = (X_t @ params["W_x"] + params["b_x"]).chunk(3, dim=1)
    if reset_after:
        H_r, H_z, H_c = (H @ W_h + b_h).chunk(3, dim=1)
        R_t, Z_t = torch.sigmoid(X_r + H_r), torch.sigmoid(X_z + H_z)
        H_tilde = torch.tanh(X_c + R_t * H_c)
    else:
        (W_hr, W_hz, W_hh), (b_hr, b_hz, b_hh) = W_h.chunk(3, dim=1), b_h.chunk(3)
        R_t, Z_t = torch.sigmoid(X_r + H @ W_hr + b_hr), torch.sigmoid(X_z + H @ W_hz + b_hz)
        H_tilde = torch.tanh(X_c + (R_t * H) @ W_hh + b_hh)
    H = Z_t * H + (1 - Z_t) * H_tilde
    return _outputs(H, params), H


def gru(inputs, state, params, reset_after=True):
    """A GRU unrolled over time: `gru_step` for t = 1 … T.

    Args:
        inputs: (T, B, D).
        state: (B, h) hidden state H_0, or None for zeros.
        params: the dict of `init_gru_params`.
        reset_after: where the reset gate acts: see `gru_step`.

    Returns:
        outputs (T, B, q) and the last state H_T (B, h).

    Raises:
        ValueError: inputs or state have the wrong shape, or the state is on another device.
    """
    H = first_state(inputs, state, len(params["W_x"]), len(params["W_h"]))
    outputs = []
    for X_t in inputs:
        output, H = gru_step(X_t, H, params, reset_after)
        outputs.append(output)
    return torch.stack(outputs), H


def reverse(sequences, lengths=None):
    """Turn each sequence of a batch around.

    Args:
        sequences: (T, B, …).
        lengths: (B,) the length of each sequence: its padding stays at the end. None: all have length T.

    Returns:
        (T, B, …).

    Raises:
        ValueError: lengths are not (B,), or one is below 1 or above T.
    """
    if lengths is None:
        return sequences.flip(0)
    T, B = sequences.shape[:2]
    lengths = check_lengths(lengths, B, T).to(sequences.device)
    t = torch.arange(T, device=sequences.device)[:, None]
    return sequences[torch.where(t < lengths, lengths - 1 - t, t), torch.arange(B, device=sequences.device)]


def padded(recurrence, lengths):
    """A recurrence that stops each sequence at its own length.

    After its last token a sequence keeps its state, and its outputs are zeros, as with packed sequences of torch.nn.

    Args:
        recurrence: (inputs (T, B, D), state, params) → (outputs (T, B, q), state), such as `lstm`.
        lengths: (B,) the length of each sequence, from 1 to T, in any order.

    Returns:
        recurrence. It raises ValueError when lengths are not (B,), or one is below 1 or above T.
    """

    def run(inputs, state, params):
        T, B = inputs.shape[:2]
        ends = check_lengths(lengths, B, T).to(inputs.device)[:, None]
        outputs = []
        for t, X_t in enumerate(inputs.split(1)):
            O_t, new = recurrence(X_t, state, params)
            outputs.append(torch.where(t < ends, O_t, 0))
            state = new if t == 0 else _where(t < ends, new, state)
        return torch.cat(outputs), state

    return run


def _where(condition, state, other):
    if isinstance(state, tuple):
        return tuple(_where(condition, *parts) for parts in zip(state, other, strict=True))
    return torch.where(condition, state, other)


def bidirectional(inputs, state, params, recurrence, lengths=None):
    """Two recurrences side by side: one reads forwards, the other backwards, each with its own parameters.

    The backward one starts at the last token of each sequence, never at its padding.
    Source: Schuster and Paliwal (1997).

    Args:
        inputs: (T, B, D).
        state: the pair of the states of both directions, or None for zeros.
        params: the pair of the parameters of both directions, with h₁ and h₂ hidden units and no output layer.
        recurrence: such as `lstm`.
        lengths: (B,) the length of each sequence, from 1 to T, in any order; None: all have length T.

    Returns:
        outputs (T, B, h₁ + h₂), both at the time step of the input that they belong to, zeros
        in the padding; and the pair of last states: forwards after the last token, backwards after the first.

    Raises:
        TypeError: the state is not a pair.
        ValueError: lengths are not (B,), or one is below 1 or above T.
    """
    forward, backward = params
    forward_state, backward_state = (None, None) if state is None else check_pair(state, "forwards, backwards")
    if lengths is not None:
        recurrence = padded(recurrence, lengths)
    ahead, forward_state = recurrence(inputs, forward_state, forward)
    back, backward_state = recurrence(reverse(inputs, lengths), backward_state, backward)
    return torch.cat([ahead, reverse(back, lengths)], dim=2), (forward_state, backward_state)


def deep(inputs, state, params, recurrence, dropout=0.0, skip=False):
    """A stack of recurrent levels: each one reads the outputs of the one below.

    With skip connections the outputs of a level from the second on are x + f(x): what it reads plus what it computes.

    Args:
        inputs: (T, B, D).
        state: the list of the levels' states, or None for zeros.
        params: the list of the levels' parameters, without output layers.
        recurrence: such as `gru`, or `functools.partial(bidirectional, recurrence=gru)` with pairs in params.
        dropout: the probability of zeroing a feature between two levels; 0 except while training.
        skip: add skip connections; all levels must then have outputs of the same size.

    Returns:
        outputs of the top level (T, B, h) and the list of the levels' last states.

    Raises:
        ValueError: state and params are not equally many, or levels with skip connections differ in size.
    """
    if state is None:
        state = [None] * len(params)
    if len(state) != len(params) or not params:
        raise ValueError(f"there are {len(params)} levels of parameters and {len(state)} states: give one each")
    outputs, last = recurrence(inputs, state[0], params[0])
    states = [last]
    for level_state, level_params in zip(state[1:], params[1:], strict=True):
        X = outputs
        outputs, last = recurrence(F.dropout(X, dropout), level_state, level_params)
        if skip:
            if outputs.shape != X.shape:
                raise ValueError(f"x + f(x) needs levels of one size, not {X.shape[2]} and {outputs.shape[2]}")
            outputs = X + outputs
        states.append(last)
    return outputs, states


def _outputs(H, params):
    return H @ params["W_hq"] + params["b_q"] if "W_hq" in params else H
