"""Recurrent cells written out as in their equations.

Features are time-major: inputs (T, B, D), hidden states (T, B, h), outputs (T, B, q), for
T time steps, a batch of B sequences, D inputs, h hidden units and q outputs. Parameters
are a dict from the symbols of the equations to tensors. The state is passed in and
returned, and everything stays on the device of the inputs.
"""

import torch


def init_rnn_params(num_inputs, num_hiddens, num_outputs, scale=0.01, generator=None):
    """Parameters of an RNN: weights from a normal distribution, biases zero.

    Args:
        num_inputs: D, the size of X_t.
        num_hiddens: h, the size of H_t.
        num_outputs: q, the size of O_t.
        scale: standard deviation of the weights.
        generator: a CPU torch.Generator.

    Returns:
        dict of W_xh (D, h), W_hh (h, h), b_h (h,), W_hq (h, q) and b_q (q,), which require gradients.
    """

    def normal(*shape):
        return scale * torch.randn(*shape, generator=generator)

    params = {
        "W_xh": normal(num_inputs, num_hiddens),
        "W_hh": normal(num_hiddens, num_hiddens),
        "b_h": torch.zeros(num_hiddens),
        "W_hq": normal(num_hiddens, num_outputs),
        "b_q": torch.zeros(num_outputs),
    }
    return {name: tensor.requires_grad_() for name, tensor in params.items()}


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
    return H @ params["W_hq"] + params["b_q"], H


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
    if inputs.dim() != 3 or len(inputs) == 0 or inputs.shape[2] != len(W_xh):
        raise ValueError(f"inputs must be (T, B, {len(W_xh)}) with T of at least 1, not {tuple(inputs.shape)}")
    if state is None:
        state = inputs.new_zeros(inputs.shape[1], len(W_hh))
    check_state(state, (inputs.shape[1], len(W_hh)), inputs.device)

    H, states = state, []
    for XW_t in (inputs @ W_xh + b_h).unbind():
        H = activation(torch.addmm(XW_t, H, W_hh))  # XW_t + H W_hh
        states.append(H)
    return torch.stack(states) @ params["W_hq"] + params["b_q"], H


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
