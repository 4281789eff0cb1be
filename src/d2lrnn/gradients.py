"""Gradients through time: backpropagation through time by hand, truncated, measured and clipped.

Everything here is written in formulas and loops, without autograd (but for `input_gradient_norms`). `bptt` and the
Jacobians are those of `cells.rnn`, with row vectors:

    Z_t = X_t W_xh + H_{t−1} W_hh + b_h,   H_t = φ(Z_t),   O_t = H_t W_hq + b_q.

`lstm_bptt` and `lstm_cell_terms` are those of `cells.lstm`.

Features are time-major, for T time steps, a batch of B sequences, D inputs, h hidden units and q outputs.

In float64 no number of any gradient of `bptt` differed from autograd's by more than 1e-12, in 2,000 random networks
(`benchmarks/bench_bptt.py` prints the largest difference).
"""

import math

import torch

from d2lrnn.cells import init_lstm_params
from d2lrnn.layers import first_state

# Name → (φ, φ′), both functions of the pre-activation Z.
ACTIVATIONS = {
    "tanh": (torch.tanh, lambda Z: 1 - torch.tanh(Z).square()),
    "linear": (torch.clone, torch.ones_like),
    "relu": (torch.relu, lambda Z: (Z > 0).to(Z.dtype)),
    "sigmoid": (torch.sigmoid, lambda Z: torch.sigmoid(Z) * (1 - torch.sigmoid(Z))),
}


# Losses with their gradients


def cross_entropy(outputs, targets):
    """Mean cross-entropy of the softmax of the outputs, and its gradient.

    L = −1/(T B) Σ log softmax(O)[target] and ∂L/∂O = (softmax(O) − Y) / (T B), with Y the targets as one-hot vectors.

    Args:
        outputs: O, (T, B, q).
        targets: (T, B) long, each from 0 to q − 1.

    Returns:
        L, a tensor with one number, in nats, and ∂L/∂O (T, B, q).

    Raises:
        TypeError: the targets are not long.
        ValueError: the targets have another shape, or are not all from 0 to q − 1.
    """
    q = outputs.shape[2]
    if targets.dtype != torch.long:
        raise TypeError(f"the targets of cross_entropy must be long (class ids), not {targets.dtype}: use .long()")
    if targets.shape != outputs.shape[:-1]:
        raise ValueError(f"cross_entropy needs targets {tuple(outputs.shape[:-1])}, not {tuple(targets.shape)}")
    if targets.min() < 0 or targets.max() >= q:
        raise ValueError(f"the targets must be from 0 to {q - 1}, for there are {q} outputs")
    one_hot = torch.zeros_like(outputs).scatter_(-1, targets[..., None], 1)
    log_probs = torch.log_softmax(outputs, dim=-1)
    loss = -(one_hot * log_probs).sum() / targets.numel()
    return loss, (log_probs.exp() - one_hot) / targets.numel()


def mse(outputs, targets):
    """Mean squared error over all numbers, and its gradient.

    L = 1/(T B q) Σ (O − Y)² and ∂L/∂O = 2 (O − Y) / (T B q).

    Args:
        outputs: O, (T, B, q).
        targets: Y, (T, B, q).

    Returns:
        L, a tensor with one number, and ∂L/∂O (T, B, q).

    Raises:
        ValueError: the targets have another shape.
    """
    if targets.shape != outputs.shape:
        raise ValueError(f"mse needs targets {tuple(outputs.shape)}, not {tuple(targets.shape)}")
    error = outputs - targets
    return error.square().mean(), 2 * error / error.numel()


LOSSES = {"cross_entropy": cross_entropy, "mse": mse}


def loss_of_name(name):
    """The function of LOSSES with this name, or an error that gives the names."""
    if name not in LOSSES:
        raise ValueError(f"unknown loss {name!r}: choose among {', '.join(LOSSES)}")
    return LOSSES[name]


# Backpropagation through time


@torch.no_grad()
def bptt(inputs, targets, state, params, loss="cross_entropy", activation="tanh", xi=None):
    """Backpropagation through time, by hand: the loss of an RNN and all its gradients.

    With dZ_t for ∂L/∂Z_t and so on, from t = T down to 1:

        dH_t = dO_t W_hqᵀ + ξ_{t+1} dZ_{t+1} W_hhᵀ   (at t = T only the first term)
        dZ_t = dH_t ⊙ φ′(Z_t)

    and the parameters, shared by all steps, add up what each step gives:

        dW_xh = Σ X_tᵀ dZ_t,   dW_hh = Σ H_{t−1}ᵀ dZ_t,   db_h = Σ dZ_t (over steps and sequences),
        dW_hq = Σ H_tᵀ dO_t,   db_q = Σ dO_t,   dX_t = dZ_t W_xhᵀ,   dH_0 = ξ_1 dZ_1 W_hhᵀ.

    The factors ξ_t truncate: 1 everywhere is the full gradient, 0 cuts the way back from H_t to H_{t−1}.
    Source: Werbos (1990); the factors, Tallec and Ollivier (2017).

    Args:
        inputs: (T, B, D).
        targets: (T, B) long for "cross_entropy", (T, B, q) for "mse".
        state: (B, h) hidden state H_0, or None for zeros.
        params: dict of W_xh, W_hh, b_h, W_hq and b_q, as `cells.init_rnn_params` makes it.
        loss: "cross_entropy" or "mse", the mean over all, as in torch.nn.functional.
        activation: a name of ACTIVATIONS.
        xi: (T,) factors ξ_t, or None for 1 everywhere.

    Returns:
        the loss (a tensor with one number); a dict of gradients, with the names of params and also
        "inputs" (T, B, D) and "state" (B, h); and the last state H_T (B, h).

    Raises:
        TypeError: the state or the targets are of the wrong type.
        ValueError: a loss or an activation with no such name, or a wrong shape.
    """
    loss = loss_of_name(loss)
    T = len(inputs)
    xi = [1.0] * T if xi is None else checked_factors(xi, T).tolist()
    W_xh, W_hh, W_hq, b_q = (params[name] for name in ("W_xh", "W_hh", "W_hq", "b_q"))

    Z, H, slopes = forward_pass(inputs, state, params, activation)
    value, dO = loss(H[1:] @ W_hq + b_q, targets)

    dH = dO @ W_hq.T  # what comes from each step's own output
    dZ, from_later = torch.empty_like(Z), torch.zeros_like(H[0])
    for t in reversed(range(T)):
        dZ[t] = (dH[t] + from_later) * slopes[t]
        from_later = xi[t] * (dZ[t] @ W_hh.T)

    gradients = {
        "W_xh": inputs.flatten(0, 1).T @ dZ.flatten(0, 1),
        "W_hh": H[:-1].flatten(0, 1).T @ dZ.flatten(0, 1),
        "b_h": dZ.sum((0, 1)),
        "W_hq": H[1:].flatten(0, 1).T @ dO.flatten(0, 1),
        "b_q": dO.sum((0, 1)),
        "inputs": dZ @ W_xh.T,
        "state": from_later,
    }
    return value, gradients, H[-1].clone()  # a copy, so that H can be freed


@torch.no_grad()
def forward_pass(inputs, state, params, activation="tanh"):
    """All pre-activations and hidden states of an RNN: what the way back needs.

    Args:
        inputs: (T, B, D).
        state: (B, h) hidden state H_0, or None for zeros.
        params: dict of W_xh, W_hh and b_h.
        activation: a name of ACTIVATIONS.

    Returns:
        Z (T, B, h), H (T + 1, B, h) with H_0 first, and φ′(Z) (T, B, h).

    Raises:
        TypeError: the state is not a tensor.
        ValueError: an activation with no such name, or a wrong shape.
    """
    W_xh, W_hh, b_h = params["W_xh"], params["W_hh"], params["b_h"]
    if activation not in ACTIVATIONS:
        raise ValueError(f"unknown activation {activation!r}: choose among {', '.join(ACTIVATIONS)}")
    state = first_state(inputs, state, *W_xh.shape)

    phi, phi_prime = ACTIVATIONS[activation]
    Z = inputs @ W_xh + b_h
    H = Z.new_empty(len(inputs) + 1, *state.shape)
    H[0] = state
    for t in range(len(inputs)):
        Z[t] += H[t] @ W_hh  # H[t] is H_{t−1} for the t of the equations, which begin at 1
        H[t + 1] = phi(Z[t])
    return Z, H, phi_prime(Z)


@torch.no_grad()
def lstm_bptt(inputs, targets, state, params, loss="cross_entropy"):
    """Backpropagation through time, by hand, for an LSTM: the loss and all its gradients.

    A_t (B, 4h) are the pre-activations of the gates and of the candidate, dA_t is ∂L/∂A_t, and so on. From t = T down
    to 1, where dH_t is what comes from the output of step t and from A_{t+1}:

        dC_t = dC_{t+1} ⊙ F_{t+1} + dH_t ⊙ O_t ⊙ (1 − tanh² C_t)   (at t = T only the second term)
        dA_t = [dC_t ⊙ C̃_t ⊙ I_t ⊙ (1 − I_t),  dC_t ⊙ C_{t−1} ⊙ F_t ⊙ (1 − F_t),
                dC_t ⊙ I_t ⊙ (1 − C̃_t²),  dH_t ⊙ tanh C_t ⊙ O_t ⊙ (1 − O_t)]

    and the parameters, shared by all steps, add up what each step gives:

        dW_x = Σ X_tᵀ dA_t,   dW_h = Σ H_{t−1}ᵀ dA_t,   db = Σ dA_t (over steps and sequences).

    Source: chapter 8, exercise 8.6; the truncated gradient of Hochreiter and Schmidhuber (1997) leaves paths out.

    Args:
        inputs: (T, B, D).
        targets: (T, B) long for "cross_entropy", (T, B, q) for "mse".
        state: the pair (H_0, C_0), both (B, h), or None for zeros.
        params: dict of W_x, W_h, b, W_hq and b_q, as `cells.init_lstm_params` makes it.
        loss: "cross_entropy" or "mse", the mean over all, as in torch.nn.functional.

    Returns:
        the loss (a tensor with one number); a dict of gradients, with the names of params and also
        "inputs" (T, B, D) and "state", a pair of (B, h); and the last state, the pair (H_T, C_T).

    Raises:
        TypeError: the state or the targets are of the wrong type.
        ValueError: a loss with no such name, or a wrong shape.
    """
    loss = loss_of_name(loss)
    W_x, W_h, W_hq, b_q = (params[name] for name in ("W_x", "W_h", "W_hq", "b_q"))

    gates, H, C = lstm_forward_pass(inputs, state, params)
    value, d_outputs = loss(H[1:] @ W_hq + b_q, targets)

    from_outputs = d_outputs @ W_hq.T
    dA, dH, dC = [], torch.zeros_like(H[0]), torch.zeros_like(C[0])
    for t in reversed(range(len(inputs))):
        C_before, C_t = C[t], C[t + 1]  # C[t] is C_{t−1} for the t of the equations, which begin at 1
        I_t, F_t, C_tilde, O_t = gates[t]
        dH = dH + from_outputs[t]
        dC = dC + dH * O_t * (1 - torch.tanh(C_t) ** 2)
        dA_i = dC * C_tilde * I_t * (1 - I_t)
        dA_f = dC * C_before * F_t * (1 - F_t)
        dA_c = dC * I_t * (1 - C_tilde**2)
        dA_o = dH * torch.tanh(C_t) * O_t * (1 - O_t)
        dA.insert(0, torch.cat([dA_i, dA_f, dA_c, dA_o], dim=1))
        dC, dH = dC * F_t, dA[0] @ W_h.T
    dA = torch.stack(dA)

    gradients = {
        "W_x": inputs.flatten(0, 1).T @ dA.flatten(0, 1),
        "W_h": H[:-1].flatten(0, 1).T @ dA.flatten(0, 1),
        "b": dA.sum((0, 1)),
        "W_hq": H[1:].flatten(0, 1).T @ d_outputs.flatten(0, 1),
        "b_q": d_outputs.sum((0, 1)),
        "inputs": dA @ W_x.T,
        "state": (dH, dC),
    }
    return value, gradients, (H[-1].clone(), C[-1].clone())  # copies, so that H and C can be freed


@torch.no_grad()
def lstm_forward_pass(inputs, state, params):
    """All gates and states of an LSTM: what the way back needs.

    Args:
        inputs: (T, B, D).
        state: the pair (H_0, C_0), both (B, h), or None for zeros.
        params: dict of W_x, W_h and b, as `cells.init_lstm_params` makes it.

    Returns:
        the gates (T, 4, B, h), at t − 1 those of step t: I_t, F_t, C̃_t, O_t; and H and C, (T + 1, B, h) each, with
        H_0 and C_0 first.

    Raises:
        TypeError: the state is not a pair of tensors.
        ValueError: inputs or state have the wrong shape.
    """
    W_h, b = params["W_h"], params["b"]
    H, C = first_state(inputs, state, len(params["W_x"]), len(W_h), pair=True)
    gates, Hs, Cs = [], [H], [C]
    for XW_t in inputs @ params["W_x"]:
        A_i, A_f, A_c, A_o = (XW_t + H @ W_h + b).chunk(4, dim=1)
        I_t, F_t, C_tilde, O_t = torch.sigmoid(A_i), torch.sigmoid(A_f), torch.tanh(A_c), torch.sigmoid(A_o)
        C = F_t * C + I_t * C_tilde
        H = O_t * torch.tanh(C)
        gates.append(torch.stack([I_t, F_t, C_tilde, O_t]))
        Hs.append(H)
        Cs.append(C)
    return torch.stack(gates), torch.stack(Hs), torch.stack(Cs)


# Truncation


def checked_factors(xi, num_steps):
    """The factors ξ_t as a tensor, once it is sure that there is one for each time step."""
    xi = torch.as_tensor(xi)
    if xi.shape != (num_steps,):
        raise ValueError(f"xi must hold one factor for each of the {num_steps} time steps, not {tuple(xi.shape)}")
    return xi


def regular_truncation(num_steps, tau):
    """Factors that cut the way back in time into segments of τ steps.

    ξ_t = 0 on the edge that enters each new segment, at t = 1, τ + 1, 2τ + 1, …, and 1 elsewhere.

    Args:
        num_steps: T, the number of time steps.
        tau: τ, at least 1.

    Returns:
        (T,) factors ξ_t, float64.

    Raises:
        ValueError: tau is below 1.
    """
    if not tau >= 1:
        raise ValueError(f"tau must be at least 1 step, not {tau}")
    return (torch.arange(num_steps) % tau != 0).double()


def randomised_truncation(num_steps, pi, generator=None):
    """Factors that cut the way back at random, and make up for it on average.

    ξ_t = 1/π_t with probability π_t, else 0, so that E[ξ_t] = 1 and the expected gradient is the full one.
    Source: Tallec and Ollivier (2017).

    Args:
        num_steps: T, the number of time steps.
        pi: π, one number or (T,) numbers above 0 and at most 1.
        generator: a CPU torch.Generator.

    Returns:
        (T,) factors ξ_t, float64.

    Raises:
        ValueError: a probability is not above 0 and at most 1, or there are not T of them.
    """
    pi = torch.as_tensor(pi, dtype=torch.float64)
    if pi.dim() > 0 and pi.shape != (num_steps,):
        raise ValueError(f"pi must be one number or {num_steps} numbers, not {tuple(pi.shape)}")
    check_probability(pi)
    survives = torch.rand(num_steps, dtype=torch.float64, generator=generator) < pi
    return survives / pi


def check_probability(pi):
    """Raise a clear error when a probability is not above 0 and at most 1."""
    pi = torch.as_tensor(pi)
    if not ((pi > 0) & (pi <= 1)).all():
        raise ValueError(f"pi must be above 0 and at most 1, not {pi.tolist()}: 1/pi is the weight of what survives")


def segment_lengths(xi):
    """The lengths of the segments into which factors cut the time steps.

    A segment begins at t = 1 and wherever ξ_t = 0.

    Args:
        xi: (T,) factors ξ_t.

    Returns:
        list of int, whose sum is T.

    Raises:
        ValueError: xi is empty or not a list of numbers.
    """
    xi = torch.as_tensor(xi)
    if xi.dim() != 1 or len(xi) == 0:
        raise ValueError(f"xi must be (T,) with T of at least 1, not {tuple(xi.shape)}")
    starts = [0] + [t for t in range(1, len(xi)) if xi[t] == 0] + [len(xi)]
    return [end - start for start, end in zip(starts[:-1], starts[1:], strict=True)]


@torch.no_grad()
def truncated_bptt(inputs, targets, state, params, xi, loss="cross_entropy", activation="tanh"):
    """The numbers of `bptt` with factors ξ, segment by segment, so that only one segment is kept in memory.

    Nothing flows back from one segment to the one before. So each can be dealt with alone; only the state is passed on.
    The mean over all T steps is the mean over the segments, weighted by their lengths.

    Args:
        inputs: (T, B, D).
        targets: (T, B) long for "cross_entropy", (T, B, q) for "mse".
        state: (B, h) hidden state H_0, or None for zeros.
        params: dict of W_xh, W_hh, b_h, W_hq and b_q.
        xi: (T,) factors ξ_t; a segment begins wherever one is 0.
        loss: "cross_entropy" or "mse".
        activation: a name of ACTIVATIONS.

    Returns:
        the loss; a dict of gradients, with the names of params and also "state" (B, h); and the last state (B, h).

    Raises:
        TypeError: the state or the targets are of the wrong type.
        ValueError: a loss or an activation with no such name, or a wrong shape.
    """
    T, start, total, sums = len(inputs), 0, 0, {}
    xi = checked_factors(xi, T)
    if len(targets) != T:
        raise ValueError(f"there are {T} time steps of inputs but {len(targets)} of targets")
    for length in segment_lengths(xi):
        part = slice(start, start + length)
        value, gradients, state = bptt(inputs[part], targets[part], state, params, loss, activation, xi[part])
        share = length / T
        total += share * value
        if start == 0:
            sums = {name: share * gradients[name] for name in [*params, "state"]}
        else:
            for name in params:
                sums[name] += share * gradients[name]
        start += length
    return total, sums, state


# One weight: h_t = f(x_t, h_{t−1}, w)


def recursion(b, c):
    """The derivative of the last state by the weight, step by step: a_t = b_t + c_t a_{t−1}, a_0 = 0.

    For h_t = f(x_t, h_{t−1}, w): a_t = dh_t/dw, b_t = ∂f/∂w and c_t = ∂f/∂h_{t−1}.

    Args:
        b: (T,).
        c: (T,).

    Returns:
        a (T,).

    Raises:
        ValueError: b and c have different lengths, or none.
    """
    b, c = same_length(b, c)
    a, values = 0, []
    for b_t, c_t in zip(b, c, strict=True):
        a = b_t + c_t * a
        values.append(a)
    return torch.stack(values)


def recursion_terms(b, c):
    """The terms of the closed form of the last a_T of `recursion`: a_T = Σ_i (c_{i+1} c_{i+2} ⋯ c_T) b_i.

    Args:
        b: (T,).
        c: (T,).

    Returns:
        (T,) terms, that of i = 1 first; the last one is b_T.

    Raises:
        ValueError: b and c have different lengths, or none.
    """
    b, c = same_length(b, c)
    product, terms = 1, []
    for b_i, c_i in zip(b.flip(0), c.flip(0), strict=True):
        terms.append(product * b_i)
        product = product * c_i
    return torch.stack(terms).flip(0)


def same_length(b, c):
    """b and c as tensors, once it is sure that they belong together."""
    b, c = torch.as_tensor(b), torch.as_tensor(c)
    if b.dim() != 1 or b.shape != c.shape or len(b) == 0:
        raise ValueError(f"b and c must both be (T,) with T of at least 1, not {tuple(b.shape)} and {tuple(c.shape)}")
    return b, c


def truncated_sum(terms, tau):
    """Mean and standard deviation of the sum that stops after τ steps back.

    It has no spread; its error is its bias, the sum of the older terms.

    Args:
        terms: (T,) terms as `recursion_terms` gives them, the oldest first.
        tau: τ, how many of the last terms are kept, at least 1.

    Returns:
        two floats: the sum of the last τ terms, and 0.

    Raises:
        ValueError: tau is below 1.
    """
    if not tau >= 1:
        raise ValueError(f"tau must be at least 1 step, not {tau}")
    return torch.as_tensor(terms, dtype=torch.float64)[-tau:].sum().item(), 0.0


def randomised_sum(terms, pi):
    """Exact mean and standard deviation of the sum that stops at random.

    The term d_k of lag k (k = T − i) survives with probability π^k and then has the weight π^−k. So the mean is the
    full sum. The variance is Σ_{k,l} d_k d_l (π^{−min(k,l)} − 1). With S_k = d_k + d_{k+1} + …, all that is at least
    k steps back, this is (1 − π) Σ_{k≥1} π^{−k} S_k².

    Args:
        terms: (T,) terms as `recursion_terms` gives them, the oldest first.
        pi: π, above 0 and at most 1.

    Returns:
        two floats: the mean and the standard deviation (inf when it is too large for a float).

    Raises:
        ValueError: pi is not above 0 and at most 1.
    """
    check_probability(pi)
    terms = torch.as_tensor(terms, dtype=torch.float64)
    tails = terms.cumsum(0)  # the sum of all terms at least as old
    weighted = 0.0
    for tail in tails[:-1].tolist():  # from the oldest: (…(S² / π + S²) / π + …) / π
        weighted = (weighted + tail * tail) / pi
    return terms.sum().item(), math.sqrt((1 - pi) * weighted)


# Jacobians


@torch.no_grad()
def step_jacobians(inputs, state, params, activation="tanh"):
    """How each hidden state depends on the one before: ∂H_t/∂H_{t−1} = diag(φ′(z_t)) W_hhᵀ, for one sequence.

    z_t is the pre-activation. Row i, column j is ∂H_t,i/∂H_{t−1},j = φ′(z_t,i) W_hh[j, i]; where hidden states are
    columns, one writes diag(φ′(z_t)) W_hh.
    Source: Pascanu, Mikolov and Bengio (2013).

    Args:
        inputs: (T, 1, D).
        state: (1, h) hidden state H_0, or None for zeros.
        params: dict of W_xh, W_hh and b_h.
        activation: a name of ACTIVATIONS.

    Returns:
        (T, h, h).

    Raises:
        TypeError: the state is not a tensor.
        ValueError: an activation with no such name, or a wrong shape.
    """
    if inputs.dim() == 3 and inputs.shape[1] != 1:
        raise ValueError(f"a Jacobian is that of one sequence: inputs must be (T, 1, D), not {tuple(inputs.shape)}")
    _, _, slopes = forward_pass(inputs, state, params, activation)
    return slopes[:, 0, :, None] * params["W_hh"].T  # row i of W_hhᵀ times slope i


def lag_jacobians(jacobians):
    """How the last hidden state depends on each earlier one: ∂H_T/∂H_{T−k} = J_T J_{T−1} ⋯ J_{T−k+1}.

    Args:
        jacobians: (T, h, h) as `step_jacobians` gives them, J_1 first.

    Returns:
        (T + 1, h, h): entry k for the lag k; entry 0 is the identity.
    """
    product = torch.eye(jacobians.shape[2], dtype=jacobians.dtype, device=jacobians.device)
    products = [product]
    for J in jacobians.flip(0):
        product = product @ J
        products.append(product)
    return torch.stack(products)


def jacobian_norms(inputs, state, params, activation="tanh"):
    """The spectral norm of ∂H_T/∂H_{T−k} for every lag k: by how much a small change can grow at most.

    The spectral norm is the largest singular value.

    Args:
        inputs: (T, 1, D).
        state: (1, h) hidden state H_0, or None for zeros.
        params: dict of W_xh, W_hh and b_h.
        activation: a name of ACTIVATIONS.

    Returns:
        (T + 1,), 1 for lag 0.

    Raises:
        TypeError: the state is not a tensor.
        ValueError: an activation with no such name, or a wrong shape.
    """
    return torch.linalg.matrix_norm(lag_jacobians(step_jacobians(inputs, state, params, activation)), ord=2)


@torch.no_grad()
def lstm_cell_terms(inputs, state, params):
    """The derivative of an LSTM's memory by the memory one step before, as a sum of four terms, for one sequence.

    c_t = f_t ⊙ c_{t−1} + i_t ⊙ c̃_t, where f_t, i_t and c̃_t see c_{t−1} through h_{t−1} = o_{t−1} ⊙ tanh(c_{t−1}).
    x_t and o_{t−1} are held fixed. With s = o_{t−1} ⊙ (1 − tanh²(c_{t−1})) the terms of ∂c_t/∂c_{t−1} are

    - forget gate: diag(c_{t−1} ⊙ f_t ⊙ (1 − f_t)) W_hfᵀ diag(s)
    - direct path: diag(f_t)
    - input gate: diag(c̃_t ⊙ i_t ⊙ (1 − i_t)) W_hiᵀ diag(s)
    - candidate: diag(i_t ⊙ (1 − c̃_t²)) W_hcᵀ diag(s)

    At t = 1 only the direct path is not zero: H_0 is given, it does not depend on C_0.

    Args:
        inputs: (T, 1, D).
        state: the pair (H_0, C_0), both (1, h), or None for zeros.
        params: the dict of `cells.init_lstm_params`.

    Returns:
        four tensors (T, h, h); entry [t, j, k] is a part of ∂c_t,j/∂c_{t−1,k}, as in `step_jacobians`.

    Raises:
        TypeError: the state is not a pair of tensors.
        ValueError: inputs are not one sequence, or the state has the wrong shape.
    """
    if inputs.dim() == 3 and inputs.shape[1] != 1:
        raise ValueError(f"a Jacobian is that of one sequence: inputs must be (T, 1, D), not {tuple(inputs.shape)}")
    W_hi, W_hf, W_hc, _ = (W.T for W in params["W_h"].chunk(4, dim=1))
    gates, _, C = lstm_forward_pass(inputs, state, params)
    i, f, c_tilde, o = gates.unbind(1)  # (T, 1, h) each
    c = C[:-1]
    s = torch.zeros_like(o)
    s[1:] = o[:-1] * (1 - torch.tanh(c[1:]) ** 2)
    forget = (c * f * (1 - f)).mT * W_hf * s
    direct = torch.diag_embed(f[:, 0])
    input_gate = (c_tilde * i * (1 - i)).mT * W_hi * s
    candidate = (i * (1 - c_tilde**2)).mT * W_hc * s
    return forget, direct, input_gate, candidate


def gain(jacobians):
    """How much a Jacobian stretches a random direction: the root mean square of ‖u J‖ over all unit vectors u.

    It is ‖J‖_F / √h. The spectral norm is the largest stretch of all directions, the gain an average over them.

    Args:
        jacobians: (…, h, h).

    Returns:
        (…) tensor.
    """
    return torch.linalg.matrix_norm(jacobians) / jacobians.shape[-1] ** 0.5


def random_lstm_gains(forget_bias, input_scale, num_steps=40, num_hiddens=16, seed=0):
    """The four terms and their products over lags, for an LSTM that has not been trained.

    Its weights are normal with standard deviation 1/√h, its inputs normal with standard deviation `input_scale`. It
    reads 20 steps first, so that its memory is not empty.

    Args:
        forget_bias: the bias of the forget gate.
        input_scale: standard deviation of the inputs.
        num_steps: T, the longest lag.
        num_hiddens: h, and also the number of inputs.
        seed: decides weights and inputs.

    Returns:
        dict of float64 tensors, all gains: "terms" (4, T), at k − 1 those of step T − k + 1, the last step that lag k
        adds; "product" (T + 1,), at k that of the product over the last k steps; "forget" (T + 1,), the same product
        of the direct terms alone.
    """
    generator = torch.Generator().manual_seed(seed)
    params = init_lstm_params(num_hiddens, num_hiddens, None, num_hiddens**-0.5, forget_bias, generator)
    params = {name: p.detach().double() for name, p in params.items()}
    inputs = input_scale * torch.randn(20 + num_steps, 1, num_hiddens, generator=generator).double()
    terms = torch.stack(lstm_cell_terms(inputs, None, params))[:, 20:]
    return {
        "terms": gain(terms).flip(1),
        "product": gain(lag_jacobians(terms.sum(0))),
        "forget": gain(lag_jacobians(terms[1])),
    }


def input_gradient_norms(forward, inputs, targets):
    """How strongly each prediction depends on each input, by autograd, for one sequence.

    Args:
        forward: a function from inputs (T, 1, D) to outputs (T, 1, V), the scores before the softmax.
        inputs: (T, 1, D).
        targets: (T,) or (T, 1) long.

    Returns:
        (T, T): entry [t, s] is ‖∂ log P(target_t)/∂ X_s‖; 0 for s > t when the model reads from left to right.

    Raises:
        ValueError: inputs are not one sequence, or there is not one target for each step.
    """
    if inputs.dim() != 3 or inputs.shape[1] != 1:
        raise ValueError(f"inputs must be one sequence, (T, 1, D), not {tuple(inputs.shape)}")
    if targets.numel() != len(inputs):
        raise ValueError(f"there are {len(inputs)} inputs but {targets.numel()} targets: give one for each step")
    with torch.enable_grad():
        inputs = inputs.detach().requires_grad_()
        log_probs = torch.log_softmax(forward(inputs), dim=-1)
        norms = []
        for t, target in enumerate(targets.flatten().tolist()):
            (gradient,) = torch.autograd.grad(log_probs[t, 0, target], inputs, retain_graph=True)
            norms.append(torch.linalg.vector_norm(gradient[:, 0], dim=1))
    return torch.stack(norms)


# Clipping


def clip_(parameters, max_norm):
    """Clip gradients in place by their global norm: g ← min(1, θ / ‖g‖) g.

    ‖g‖ is the Euclidean norm of all gradients together, so that the direction stays the same.
    When it is infinite or NaN the gradients are left as they are: look at the returned norm
    before you update the parameters.
    Source: Pascanu, Mikolov and Bengio (2013).

    Args:
        parameters: an iterable of tensors; those without a gradient are skipped.
        max_norm: θ, above 0; math.inf only measures.

    Returns:
        float, the norm before clipping: 0 when there are no gradients, inf or NaN when it is not finite.

    Raises:
        TypeError: parameters is one tensor instead of an iterable of tensors.
        ValueError: max_norm is not above 0.
    """
    if isinstance(parameters, torch.Tensor):
        raise TypeError("parameters must be an iterable of tensors: write clip_([tensor], max_norm)")
    if not max_norm > 0:
        raise ValueError(f"max_norm must be above 0, not {max_norm}")
    gradients = [p.grad for p in parameters if p.grad is not None]
    if not gradients:
        return 0.0
    norms = [torch.linalg.vector_norm(g) for g in gradients]
    norm = torch.linalg.vector_norm(torch.stack(norms)).item()
    if max_norm < norm < math.inf:
        for g in gradients:
            g.mul_(max_norm / norm)
    return norm
