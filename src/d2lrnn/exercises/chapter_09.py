"""Checkers of chapter 9, gated recurrent units."""

import torch

from d2lrnn import cells
from d2lrnn.exercises import as_tensor, call, checker, close, find_slip, number


@checker(
    "09.only_one_input",
    praise="Z = 0 closes the direct path, R = 0 the path through the candidate, and Z = 1 shuts out what follows.",
)
def only_one_input(answer):
    T = 7
    for t_prime in (1, 4):
        gates = []
        for t in range(1, T + 1):
            pair = call(answer, t, t_prime)
            try:
                r, z = map(number, pair)
            except (TypeError, ValueError):
                return "return two numbers, r and z, for each step."
            if not (0 <= r <= 1 and 0 <= z <= 1):
                return f"a gate is a number from 0 to 1; at step {t} yours are {r:g} and {z:g}."
            gates.append((r, z))
        for end in range(t_prime, T + 1):
            dependence = _dependence(gates[:end])  # of H_end: first on H_0, then on X_1 … X_end
            before, at, after = dependence[:t_prime], dependence[t_prime], dependence[t_prime + 1 :]
            if max(after, default=0) > 0 and at == 0 and max(before) == 0:
                return f"H at step {end} depends on a later input and not on x_t′: which value of Z keeps the state?"
            if max(after, default=0) > 0:
                return f"H at step {end} still depends on inputs after t′: something is written to the state there."
            if at == 0:
                return f"H at step {end} does not depend on x_t′: the candidate of step t′ never enters the state."
            if max(before) > 0:
                r, z = gates[t_prime - 1]
                path = "it comes in on two paths, and both are open"
                if z == 0:
                    path = "the direct path is closed, but the candidate still sees the old state"
                elif r == 0:
                    path = "the candidate does not see the old state, but a part of it is kept on the direct path"
                return f"H at step {end} still depends on what was before t′: at t′ {path}."


def _dependence(gates):
    """How much the last state of a small GRU with these gates changes with H_0 and with each input."""
    generator = torch.Generator().manual_seed(0)
    h, T = 3, len(gates)
    W_xh, W_hh = (torch.randn(h, h, generator=generator, dtype=torch.float64) for _ in range(2))
    X = torch.randn(T, h, generator=generator, dtype=torch.float64).requires_grad_()
    H_0 = torch.rand(h, generator=generator, dtype=torch.float64).requires_grad_()
    H = H_0
    for X_t, (r, z) in zip(X, gates, strict=True):
        H = z * H + (1 - z) * torch.tanh(X_t @ W_xh + r * (H @ W_hh))
    of_state, of_inputs = torch.autograd.grad(H.sum(), (H_0, X))
    return [of_state.abs().sum().item(), *of_inputs.abs().sum(1).tolist()]


@checker(
    "09.parameters",
    praise="RNN, GRU and LSTM are as 1 : 3 : 4, whatever D and h.",
)
def parameters(answer):
    for D, h in [(4, 7), (27, 64)]:
        block = D * h + h * h + 2 * h
        for cell, blocks in (("rnn", 1), ("gru", 3), ("lstm", 4)):
            right = blocks * block
            result = number(call(answer, cell, D, h))
            slips = [
                (blocks * (block - h), "you count one bias in each block; the layers of torch have two."),
                (blocks * (block - 2 * h), "you left out the biases."),
                (blocks * (D * h + 2 * h), "you left out the weights from state to state."),
                (blocks * (h * h + 2 * h), "you left out the weights from input to state."),
                ((blocks - 1) * block, "you count the gates, but not the candidate."),
                (4 * block, "you count as many blocks as an LSTM has."),
                (3 * block, "you count as many blocks as a GRU has."),
            ]
            if not close(result, right):
                return f"{cell}: {find_slip(result, slips) or f'for D = {D}, h = {h} it is not {result:g}.'}"


def _gru_problem():
    generator = torch.Generator().manual_seed(0)
    params = cells.init_gru_params(4, 5, scale=1.0, generator=generator)
    params = {name: p.detach().double() for name, p in params.items()}
    for name in ("b_x", "b_h"):
        params[name] = torch.randn(15, generator=generator, dtype=torch.float64)
    X = torch.randn(6, 3, 4, generator=generator, dtype=torch.float64)
    H = torch.rand(3, 5, generator=generator, dtype=torch.float64) * 2 - 1
    return X, H, params


@checker(
    "09.reset_before",
    praise="The gate acts on the old state itself, so only the sum of the two biases counts here.",
)
def reset_before(answer):
    X, H, params = _gru_problem()
    X_t, h = X[0], H.shape[1]
    result = call(answer, X_t.clone(), H.clone(), {name: p.clone() for name, p in params.items()})
    if isinstance(result, tuple):
        return "return H_t alone, of shape (B, h)."
    result = as_tensor(result)
    if result.shape != H.shape:
        return f"H_t must have the shape (B, h) = {tuple(H.shape)}, not {tuple(result.shape)}."
    W_x, W_h, b_x, b_h = (params[name] for name in ("W_x", "W_h", "b_x", "b_h"))

    def step(R=None, Z=None, bias=b_h, squash=torch.tanh, sigmoid=torch.sigmoid):
        A = X_t @ W_x + b_x + H @ W_h + bias
        r, z = sigmoid(A[:, :h]), sigmoid(A[:, h : 2 * h])
        r, z = (r if R is None else R(r, z)), (z if Z is None else Z(r, z))
        inner = X_t @ W_x[:, 2 * h :] + b_x[2 * h :] + (r * H) @ W_h[:, 2 * h :] + bias[2 * h :]
        return z * H + (1 - z) * squash(inner)

    A = X_t @ W_x + b_x + H @ W_h + b_h
    old, update = torch.sigmoid(A[:, :h]), torch.sigmoid(A[:, h : 2 * h])
    inner = X_t @ W_x[:, 2 * h :] + (b_x + b_h)[2 * h :] + old * (H @ W_h[:, 2 * h :])
    gated_product = update * H + (1 - update) * torch.tanh(inner)
    inner = X_t @ W_x[:, 2 * h :] + b_x[2 * h :] + (old * H) @ W_h[:, 2 * h :] + old * b_h[2 * h :]
    gated_bias = update * H + (1 - update) * torch.tanh(inner)
    candidate = (step() - update * H) / (1 - update)
    seen = torch.sigmoid((X_t @ W_x + b_x + (old * H) @ W_h + b_h)[:, h : 2 * h])
    slips = [
        (cells.gru_step(X_t, H, params)[1], "that is (9.4): your reset gate acts on the result of the product."),
        (step(Z=lambda r, z: 1 - z), "your update gate replaces where it should keep."),
        (step(R=lambda r, z: z, Z=lambda r, z: old), "the blocks stand in the order reset, update, candidate."),
        (step(R=lambda r, z: torch.ones_like(r)), "your candidate sees all of the state: the reset gate is missing."),
        (step(bias=torch.zeros_like(b_h)), "one of the two biases is missing."),
        (step(bias=torch.cat([b_h[: 2 * h], torch.zeros(h)])), "one of the two biases of the candidate is missing."),
        (gated_bias, "in (9.5) the reset gate does not act on the bias."),
        (gated_product, "your reset gate acts on the result of the product: multiply R with H before it."),
        (update * old * H + (1 - update) * candidate, "what is kept is the old state itself, not what R lets through."),
        (seen * H + (1 - seen) * candidate, "the reset gate acts in the candidate only; Z sees all of the old state."),
        (step(squash=torch.sigmoid), "a candidate for the state lies between −1 and 1, not between 0 and 1."),
        (step(sigmoid=lambda A: A), "your gates are not between 0 and 1."),
        (step(sigmoid=torch.tanh), "your gates are not between 0 and 1."),
    ]
    if not close(result, cells.gru_step(X_t, H, params, reset_after=False)[1]):
        return find_slip(result, slips) or "H_t is not right: check the gates, the candidate, then the mean of both."


@checker(
    "09.swap",
    praise="1 − σ(a) = σ(−a): a sign turns one convention into the other. For the reset gate there is no such way.",
)
def swap(answer):
    X, H, params = _gru_problem()
    given = {name: p.clone() for name, p in params.items()}
    result = call(answer, given)
    names = ("W_x", "W_h", "b_x", "b_h")
    if not isinstance(result, dict) or not set(names) <= set(result):
        return "return a dict with the keys W_x, W_h, b_x and b_h."
    if any(not torch.equal(given[name], params[name]) for name in names):
        return "you changed the given dict: work on copies."
    result = {name: as_tensor(result[name]) for name in names}
    if any(result[name].shape != params[name].shape for name in names):
        return "a tensor has another shape than before."
    with torch.no_grad():
        target, got = cells.gru(X, H, params)[0], _swapped(X, H, result)
        if close(got, target):
            return None
        if all(torch.equal(result[name], params[name]) for name in names):
            return "nothing has changed: the library would keep where we replace."
        negated = {name: -params[name] for name in names}
        if all(torch.equal(result[name], negated[name]) for name in names):
            return "you negated everything; the reset gate and the candidate are to stay as they are."
    h = H.shape[1]
    right = {name: params[name].clone() for name in names}
    for name in names:
        right[name][..., h : 2 * h] *= -1
    for block, part in ((slice(0, h), "the reset gate"), (slice(2 * h, None), "the candidate")):
        if any(not torch.equal(result[name][..., block], params[name][..., block]) for name in names):
            return f"you changed the block of {part}, which is the same in both programs."
    missing = [name for name in names if not torch.equal(result[name], right[name])]
    if len(missing) < 4:
        return f"not all parts of the pre-activation are turned around: look at {' and '.join(missing)}."
    return "the states differ: which pre-activation a′ makes σ(a′) = 1 − σ(a)?"


def _swapped(X, H, params):
    states = []
    for X_t in X:
        A, U = X_t @ params["W_x"] + params["b_x"], H @ params["W_h"] + params["b_h"]
        (A_r, A_z, A_h), (U_r, U_z, U_h) = A.chunk(3, 1), U.chunk(3, 1)
        R, Z = torch.sigmoid(A_r + U_r), torch.sigmoid(A_z + U_z)
        H = (1 - Z) * H + Z * torch.tanh(A_h + R * U_h)
        states.append(H)
    return torch.stack(states)


@checker(
    "09.run_time",
    praise="Both GRUs multiply equally often, but with the reset before twice as many products follow one another.",
)
def run_time(answer):
    for T, h in [(10, 8), (35, 256)]:
        for kind, chain, blocks in (("rnn", 1, 1), ("lstm", 1, 4), ("gru after", 1, 3), ("gru before", 2, 3)):
            result = call(answer, kind, T, h)
            try:
                products, multiplications = map(number, result)
            except (TypeError, ValueError):
                return "return two numbers: products and multiplications."
            if products == multiplications and products == blocks * h * h * T:
                return "the first number counts whole matrix products, the second the multiplications in them."
            if products in (chain, blocks) and T > 1 and products != chain * T:
                return f"{kind}: that is one step; the sequence has T of them."
            if products == blocks * T and blocks > 1:
                return f"{kind}: products that do not wait for one another stand side by side and count once."
            if kind == "gru before" and products == T:
                return "gru before: one of its products needs the gate, which needs another product."
            if products != chain * T:
                return f"{kind}: with T = {T} not {products:g} products follow one another."
            slips = [
                (blocks * h * h, "that is one step; the sequence has T of them."),
                (blocks * h * T, "a row of h numbers times an (h, h) matrix needs more multiplications than that."),
                ((blocks - 1) * h * h * T, "you count the gates, but not the candidate."),
                (2 * blocks * h * h * T, "products with the input do not wait for H."),
                (h * h * T, "each gate has a product with H of its own."),
            ]
            if not close(multiplications, blocks * h * h * T):
                return f"{kind}: {find_slip(multiplications, slips) or f'not {multiplications:g} multiplications.'}"


@checker(
    "09.jacobian_before",
    praise="Both paths pass through W_hh: the gate acts on what goes into it.",
)
def jacobian_before(answer):
    generator = torch.Generator().manual_seed(0)
    for h in (4, 3):
        h_old, z, r, h_tilde = (torch.rand(h, generator=generator, dtype=torch.float64) for _ in range(4))
        h_old, h_tilde = 2 * h_old - 1, 2 * h_tilde - 1
        W_hh, W_hr = torch.randn(2, h, h, generator=generator, dtype=torch.float64)
        given = tuple(tensor.clone() for tensor in (h_old, z, r, h_tilde, W_hh, W_hr))
        result = as_tensor(call(answer, *given))
        if result.shape != (h, h):
            return f"return one matrix of shape (h, h) = ({h}, {h}), not {tuple(result.shape)}."
        slope = torch.diag((1 - z) * (1 - h_tilde**2))
        direct, through_r = torch.diag(r), torch.diag(h_old * r * (1 - r)) @ W_hr.T
        right = slope @ W_hh.T @ (direct + through_r)
        u = h_old @ W_hh
        slips = [
            (right.T, "that is the transpose: a row belongs to a unit of the new state."),
            (slope @ W_hh.T @ direct, "r depends on the old state, too: the path through W_hr is missing."),
            (slope @ W_hh.T @ through_r, "the path on which r is held fixed is missing."),
            (slope @ (direct @ W_hh.T), "your gate acts on the result of the product, and a path is missing."),
            (
                slope @ (direct @ W_hh.T + torch.diag(u * r * (1 - r)) @ W_hr.T),
                "those are two terms of (9.11): there the reset gate acts after the product.",
            ),
            (slope @ W_hh.T @ (direct + torch.diag(h_old) @ W_hr.T), "the slope of the gate's σ is missing."),
            (torch.diag(1 - z) @ W_hh.T @ (direct + through_r), "the slope of the tanh is missing."),
            (torch.diag(1 - h_tilde**2) @ W_hh.T @ (direct + through_r), "by (9.1) the candidate has a factor."),
            (torch.diag(z) + right, "diag(z) is the direct path, and is not asked for."),
            (slope @ W_hh @ (direct + torch.diag(h_old * r * (1 - r)) @ W_hr), "rows belong to outputs: transpose W."),
            (slope @ W_hh.T @ (direct + torch.diag(h_old * r * (1 - r)) @ W_hr), "W_hr is not transposed."),
            (slope @ W_hh @ (direct + through_r), "W_hh is not transposed."),
        ]
        if not close(result, right):
            return find_slip(result, slips) or "not right: apply the product rule to r ⊙ h first, then the chain rule."
