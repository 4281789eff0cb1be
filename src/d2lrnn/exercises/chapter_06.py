"""Checkers of chapter 6, backpropagation through time."""

import math

import torch

from d2lrnn import cells
from d2lrnn.exercises import as_tensor, call, checker, close, find_slip, number, whole


@checker(
    "06.paths",
    praise="Rows add up to e_t a_t, columns to δ_t b_t: the same paths, sorted by their ends or by their beginnings.",
)
def paths(answer):
    e = torch.tensor([0.4, -1.0, 2.0, 0.3, 1.5], dtype=torch.float64)
    b = torch.tensor([1.0, 2.0, -0.5, 3.0, 0.7], dtype=torch.float64)
    c = torch.tensor([0.9, 0.5, -1.2, 0.8, 1.1], dtype=torch.float64)
    T = len(b)

    def table(first=1, last=1, e=e):
        """Row t, column i ≤ t: e_t times c_j for j = i + first … t + last − 1 times b_i."""
        entries = torch.zeros(T, T, dtype=torch.float64)
        for t in range(T):
            for i in range(t + 1):
                entries[t, i] = e[t] * c[i + first : t + last].prod() * b[i]
        return entries

    right = table()
    result = as_tensor(call(answer, e.clone(), b.clone(), c.clone()))
    if result.shape != (T, T):
        return (
            f"the table has one row and one column for each step, {(T, T)}; yours has the shape {tuple(result.shape)}."
        )
    slips = [
        (right.T, "rows and columns are exchanged: losses are rows, uses of the weight columns."),
        (table(first=0), "your products begin one factor too early: b_i is not multiplied by its own c_i."),
        (table(first=2), "your products begin one factor too late: the first step after i passes the effect on, too."),
        (table(last=0), "your products end too early: the step of the loss passes the effect on, too."),
        (table(e=torch.ones(T)), "the factor e_t is missing: what does the loss say about its own state?"),
        (e[:, None] * b, "the factors c are missing, and a loss owes nothing to later steps."),
        ((e[:, None] * b).tril(), "the factors c are missing."),
        (right - right.diag().diag(), "the diagonal is missing: each step uses the weight directly, too."),
    ]
    if not close(result, right):
        if close(result.tril(), right):
            return "above the diagonal the table is 0: a loss owes nothing to later steps."
        return find_slip(result, slips) or "the sum of the whole table must be Σ e_t a_t, and its first entry e_1 b_1."


@checker(
    "06.mse",
    praise="Only the gradient at the outputs depends on the loss; what follows is the same for every loss.",
)
def mse(answer):
    generator = torch.Generator().manual_seed(0)
    T, B, D, h, q = 4, 3, 5, 6, 2
    params = cells.init_rnn_params(D, h, q, scale=0.7, generator=generator)
    params = {name: p.detach().double() for name, p in params.items()}
    params["b_h"] += 0.3
    params["b_q"] -= 0.2
    X = torch.randn(T, B, D, generator=generator).double()
    Y = torch.randn(T, B, q, generator=generator).double()
    copies = {name: p.clone() for name, p in params.items()}
    result = call(answer, X.clone(), Y.clone(), copies)
    try:
        dW_xh, db_h = map(as_tensor, result)
    except (TypeError, ValueError):
        return "return two tensors: ∂L/∂W_xh and ∂L/∂b_h."
    right_W, right_b = _mse_gradients(X, Y, params)
    if dW_xh.shape != (D, h):
        return f"∂L/∂W_xh has the shape of W_xh, {(D, h)}; yours is {tuple(dW_xh.shape)}."
    ratio = (dW_xh / right_W).median().item()
    if close(dW_xh, ratio * right_W, 1e-5) and not close(ratio, 1):
        if ratio < 0:
            return "your ∂L/∂W_xh has the wrong sign: the derivative is by the output, not by the target."
        if close(ratio, 0.5):
            return "your ∂L/∂W_xh has half the size: differentiate the square."
        if any(close(ratio, n) for n in (T * B * q, T, B, q, T * B, B * q, T * q)):
            return "your ∂L/∂W_xh is too large by a whole number: over how many numbers does the loss take its mean?"
        return "your ∂L/∂W_xh has the right direction and the wrong size: check the constants of the loss."
    slips = [
        (_mse_gradients(X, Y, params, transpose=False), "is W_hh turned the right way? No shape complains."),
        (_mse_gradients(X, Y, params, linear=True), "that is the way back of a linear network: φ lies between."),
        (_mse_gradients(X, Y, params, slope="of H"), "the slope belongs to the pre-activation: φ′(Z), not φ′(H)."),
        (_mse_gradients(X, Y, params, slope="none"), "the slope of tanh is missing."),
        (_mse_gradients(X, Y, params, back=False), "nothing comes back from later steps: states act on states."),
        (_mse_gradients(X, Y, params, only_last=True), "the loss is over all steps, not the last one only."),
        (_mse_gradients(X, Y, params, bias=False), "your outputs lack the bias b_q, or your states the bias b_h."),
    ]
    for (slip, _), problem in slips:
        if close(dW_xh, slip):
            return problem
    if not close(dW_xh, right_W):
        return "your ∂L/∂W_xh differs from autograd's."
    if db_h.shape != (h,):
        shape = tuple(db_h.shape)
        return f"∂L/∂b_h has the shape of b_h, ({h},): the bias is added to every row at every step. Yours is {shape}."
    if not close(db_h, right_b):
        if close(db_h, right_b / T) or close(db_h, right_b / B) or close(db_h, right_b / (T * B)):
            return "your ∂L/∂b_h takes a mean where it should add up."
        return "∂L/∂W_xh is right, ∂L/∂b_h is not: over which uses of the bias do you add up?"


def _mse_gradients(X, Y, params, transpose=True, slope="of Z", back=True, only_last=False, bias=True, linear=False):
    """∂L/∂W_xh and ∂L/∂b_h of the mean squared error, right or with one slip."""
    if not bias:
        params = params | {"b_q": torch.zeros_like(params["b_q"])}
    W_hh = params["W_hh"].T if transpose else params["W_hh"]
    H = [torch.zeros_like(X[0] @ params["W_xh"])]
    for X_t in X:
        H.append(cells.rnn_step(X_t, H[-1], params)[1])
    H = torch.stack(H)
    slopes = {"of Z": 1 - H[1:] ** 2, "of H": 1 - torch.tanh(H[1:]) ** 2, "none": torch.ones_like(H[1:])}[slope]
    dO = 2 * (H[1:] @ params["W_hq"] + params["b_q"] - Y) / Y.numel()
    if only_last:
        dO = torch.cat([torch.zeros_like(dO[:-1]), dO[-1:]])
    dH, G, later = dO @ params["W_hq"].T, torch.empty_like(slopes), 0
    for t in reversed(range(len(X))):
        G[t] = (dH[t] + later) * slopes[t]
        later = (dH[t] + later if linear else G[t]) @ W_hh if back else 0
    return X.flatten(0, 1).T @ G.flatten(0, 1), G.sum((0, 1))


@checker(
    "06.one_coin",
    praise="Each ξ has mean 1, and still the estimate is biased: ξ_t must be independent of what came before.",
)
def one_coin(answer):
    d = torch.tensor([0.3, 0.5, -0.2, 0.8], dtype=torch.float64)  # i = 1 … 4: lags 3, 2, 1, 0
    lag = torch.arange(3, -1, -1, dtype=torch.float64)
    for pi in (0.5, 0.8):
        right = d[-1] + (d[:-1] * pi ** (1 - lag[:-1])).sum()
        result = number(call(answer, d.clone(), pi))
        slips = [
            (d.sum(), "that is the full sum, as if the estimate were unbiased. Is it, for lag 2?"),
            ((d * pi ** (1 - lag)).sum(), "the term of lag 0 meets no coin at all."),
            ((d * pi**-lag).sum(), "you have the weight of a term that survives, but not how often it survives."),
            ((d * pi**lag).sum(), "that is with a new coin at each step and without weights."),
            (d[-1] + pi * d[:-1].sum(), "that is how often the terms survive, without their weights."),
            (d[-1], "you keep lag 0 only. If the coin falls well, every term survives."),
            (d[0] + (d[1:] * pi ** (1 - lag.flip(0)[1:])).sum(), "your lags run the wrong way: the last one is 0."),
        ]
        if not close(result, right):
            return find_slip(result, slips) or f"for π = {pi} it is not {result:.4g}."


@checker(
    "06.smallest_tau",
    praise="The longer τ is, the less is dropped; for c close to 1 that shrinks by e in about 1/(1 − c) steps.",
)
def smallest_tau(answer):
    # In the last two cases the share is held exactly; in the last the quotient comes out just above a whole number.
    for c, share in [(0.9, 0.9), (0.5, 0.99), (0.97, 0.5), (0.8, 0.95), (0.5, 0.75), (0.1, 0.9)]:
        exact = math.log(1 - share) / math.log(c)
        right = math.ceil(exact - 1e-9)  # the quotient of an exact share may be rounded up
        result = number(call(answer, c, share))
        slips = [
            (
                math.ceil(exact),
                "one step holds this share exactly, but rounding makes the quotient of the logarithms a little larger "
                "than 1: allow for that before you round up.",
            ),
            (exact, "solve for a whole number of steps."),
            (right - 1, "that keeps a little less than the share that was asked for."),
            (right + 1, "it keeps enough, but one step fewer does so, too."),
            (math.ceil(math.log(share) / math.log(c)), "compare the sum that is kept, not one term."),
            (math.log(share) / math.log(c), "compare the sum that is kept, not one term."),
            (math.ceil(math.log((1 - share) * (1 - c)) / math.log(c)), "compare with the whole sum, not with 1."),
        ]
        if not close(result, right):
            return find_slip(result, slips) or f"for c = {c} and a share of {share} it is not {result:g}."


@checker(
    "06.state_bytes",
    praise="T occurs in the cost of the full gradient only: a cut one needs the same memory for any text.",
)
def state_bytes(answer):
    for T, tau, B, h in [(64, 8, 16, 64), (1000, 20, 4, 32)]:
        right = (4 * B * h * (T + 1), 4 * B * h * (tau + 1))
        result = call(answer, T, tau, B, h)
        try:
            full, cut = map(number, result)
        except (TypeError, ValueError):
            return "return two numbers: the bytes for the full gradient and for the cut one."
        for name, size, steps, state in (("full", full, T, right[0]), ("cut", cut, tau, right[1])):
            slips = [
                (4 * B * h * steps, f"{name}: the state that comes in is needed, too, for ∂L/∂W_hh of the first step."),
                (B * h * (steps + 1), f"{name}: that is how many numbers; a float32 has four bytes."),
                (B * h * steps, f"{name}: that is how many numbers, and the state that comes in is not among them."),
                (8 * B * h * (steps + 1), f"{name}: a float32 has four bytes, not eight."),
                (4 * h * (steps + 1), f"{name}: every row has its own state."),
                (4 * h * steps, f"{name}: every row has its own state, and one more comes in."),
                (h * (steps + 1), f"{name}: that is how many numbers, for one row only."),
                (4 * B * h, f"{name}: that is one state; the way back needs those of all its steps."),
                (right[0], f"{name}: with a cut the states of earlier segments need not be kept."),
            ]
            if not close(size, state):
                return find_slip(size, slips) or f"{name}: for T = {T}, τ = {tau}, B = {B}, h = {h} not {size:g}."


@checker(
    "06.detach",
    praise="A cut stops gradients that cross it, and only those: losses before the cut still see their own past.",
)
def detach(answer):
    try:
        reached = {whole(step) for step in answer}
    except (TypeError, ValueError):
        return "give the numbers of the steps, such as [1, 2]."
    if reached == {6, 7, 8}:
        return "that is what the second loss reaches. There is another loss, before the cut."
    if reached == {1, 2, 3, 4}:
        return "that is what the first loss reaches. There is another one."
    if reached == set(range(1, 9)):
        return "for one of the steps there is no path to either loss that avoids the cut."
    if 5 in reached:
        return "the state of step 5 is used by step 6 only, and there it is detached."
    if not reached <= set(range(1, 9)):
        return "the steps are 1 to 8."
    if reached != {1, 2, 3, 4, 6, 7, 8}:
        return "follow the arrows back from each of the two losses, and stop at the cut."


@checker(
    "06.scale_gradient",
    praise="ξ = 0 is detach, ξ = 1 changes nothing, and with 0 or 1/π any autograd does randomised truncation.",
)
def scale_gradient(answer):
    weights = torch.tensor([[1.0, 2.0], [-1.0, 0.5]], dtype=torch.float64)
    other = torch.tensor([[0.3, -0.7], [2.0, 1.0]], dtype=torch.float64)  # H acts on its own output, too
    for xi in (4.0, 0.0, 1.0):
        H = torch.tensor([[0.5, -2.0], [3.0, 0.25]], dtype=torch.float64, requires_grad=True)
        values = H.detach().clone()
        result = call(answer, H, xi)
        if not isinstance(result, torch.Tensor) or result.shape != H.shape:
            return "the answer must be a tensor of the shape of H."
        if close(result, xi * values) and xi != 1:
            return "that scales the value as well: the forward pass must not change."
        if not close(result, values):
            return "the value must stay that of H."
        if not result.requires_grad:
            if xi == 0:
                continue
            return "the value is right, but no gradient flows at all."
        [gradient] = torch.autograd.grad((weights * result).sum() + (other * H).sum(), H)
        if close(gradient, xi * (weights + other)) and xi != 1:
            return "ξ also scales what reaches H on another way, from its own output: leave H itself alone."
        gradient = gradient - other
        if close(gradient, weights) and xi != 1:
            return "the value is right; the gradient is that of H itself: ξ has no effect."
        if not close(gradient, xi * weights):
            return f"the value is right, but for ξ = {xi:g} the gradient is not ξ times as large."
