"""Checkers for chapter 8, long short-term memory."""

import math

import torch

from d2lrnn import cells
from d2lrnn.exercises import as_tensor, call, checker, close, find_slip, letters, number


@checker(
    "08.closed",
    praise="The paths through h are closed, and the memory goes on through the forget gates alone.",
)
def closed(answer):
    named = letters(answer, "DFIC")
    if named is None:
        return "answer with a string of letters out of dfic."
    if named == {"D"}:
        return None
    if named == set("DFIC"):
        return "look at s in (8.7): which terms contain it, and what is it when o is 0?"
    if not named:
        return "the memory does not stop at a closed output gate: what is left of (8.4) when h is fixed?"
    if "D" not in named:
        return "one term that you left out does not go through h at all."
    too_many = len(named) - 1
    terms, go = ("one of your terms", "goes") if too_many == 1 else (f"{too_many} of your terms", "go")
    return f"{terms} {go} through h of the step before, which the closed gate has made 0."


@checker(
    "08.parameters",
    praise="Four blocks, two biases each; the memory itself has none.",
)
def parameters(answer):
    for D, h, q in [(28, 92, 28), (3, 5, 2)]:
        result = number(call(answer, D, h, q))
        output = h * q + q
        slips = [
            (4 * (D * h + h * h + h) + output, "torch.nn.LSTM has two biases for each block."),
            (3 * (D * h + h * h + 2 * h) + output, "there are three gates, and one block more."),
            (3 * (D * h + h * h + 2 * h), "there are three gates, and one block more (and the output layer)."),
            (3 * (D * h + h * h + 2 * h) + h * q, "there are three gates, and one block more (and the output's bias)."),
            (4 * (D * h + h * h + h), "the second biases and the output layer are missing."),
            (4 * (D * h + h * h + h) + h * q, "one bias of each block and the output's bias are missing."),
            (3 * (D * h + h * h + h) + output, "there are three gates, and one block more (and count torch's biases)."),
            (D * h + h * h + 2 * h + output, "that is an RNN: how many blocks has an LSTM?"),
            (4 * (D * h + h * h + 2 * h), "the output layer is missing."),
            (4 * (D * h + h * h + 2 * h) + h * q, "the bias of the output layer is missing."),
            (4 * (D * h + h * h), "the biases and the output layer are missing."),
            (4 * (D * h + h * h + 2 * h + output), "there is one output layer, not four."),
        ]
        if not close(result, 4 * (D * h + h * h + 2 * h) + output):
            return find_slip(result, slips) or f"for D = {D}, h = {h} and q = {q} it is not {result:g}."


@checker(
    "08.half_life",
    praise="A product is ruled by its smallest factors: the few spaces decide how long a memory lasts.",
)
def half_life(answer):
    for f_1, f_2, m in [(0.99, 0.5, 5), (0.9, 0.6, 4.5), (0.8, 0.95, 3)]:
        result = number(call(answer, f_1, f_2, m))
        p = 1 / m
        logs = (1 - p) * math.log(f_1) + p * math.log(f_2)
        mean = (1 - p) * f_1 + p * f_2

        def after(log):
            return math.log(2) / -log

        slips = [
            (after(math.log(mean)), "factors multiply: their mean counts less than the mean of their logarithms."),
            (after(math.log(f_1)), "that is the half-life of f_1: the spaces are forgotten."),
            (after(math.log(f_2)), "that is the half-life of f_2: most characters are letters."),
            (after(math.log(f_1) + math.log(f_2)), "one character in m is a space, not every second one."),
            (after((math.log(f_1) + math.log(f_2)) / 2), "one character in m is a space, not every second one."),
            (after(p * math.log(f_1) + (1 - p) * math.log(f_2)), "letters and spaces have changed places."),
            (
                (1 - p) * after(math.log(f_1)) + p * after(math.log(f_2)),
                "half-lives do not average: the logarithms of the gates do.",
            ),
            (after(math.log(f_1) + math.log(f_2) / m), "m − 1 of m characters are letters, not all."),
            (after((m * math.log(f_1) + math.log(f_2)) / (m + 1)), "m characters hold m − 1 letters and one space."),
            (after(logs) / m, "that counts words; the question asks for characters."),
            (after(logs) * m, "that counts the characters of each word twice: m is already in the shares."),
            (-after(logs), "the sign is wrong: the logarithm of a gate is negative."),
            (1 / -logs, "that is where 1/e is left, not half."),
        ]
        if not close(result, after(logs)):
            return find_slip(result, slips) or (
                f"with f_1 = {f_1}, f_2 = {f_2} and m = {m}, half is not left after {result:.4g} characters."
            )


@checker(
    "08.term",
    praise="The factor s stays: the derivative of what is written changes, the way that h hides c does not.",
)
def term(answer):
    generator = torch.Generator().manual_seed(0)
    h = 5
    i, o = torch.rand(2, h, dtype=torch.float64, generator=generator)
    z, c = torch.randn(2, h, dtype=torch.float64, generator=generator)
    W = torch.randn(h, h, dtype=torch.float64, generator=generator)
    result = as_tensor(call(answer, *(part.clone() for part in (i, z, o, c, W))))
    if result.shape != (h, h):
        return "return a matrix (h, h)."

    def made_of(left, right, matrix=W.T):
        return left[:, None] * matrix * right

    on, s = (z > 0).double(), o * (1 - torch.tanh(c) ** 2)
    right = made_of(i * on, s)
    slips = [
        (right.T, "rows and columns have changed places: entry [j, k] is the derivative of number j of c_t."),
        (made_of(i * on, s, W), "your W is not transposed: which entry joins unit k of h to unit j of the candidate?"),
        (made_of(i * (1 - torch.tanh(z) ** 2), s), "that is the derivative of a tanh candidate."),
        (made_of(i * (1 - z.relu() ** 2), s), "1 − c̃² belongs to a tanh: relu has another derivative."),
        (made_of(s, i * on), "the two diagonal matrices have changed places: rows belong to step t, columns to t − 1."),
        (made_of(i * on, o * (1 - c.relu() ** 2)), "only the candidate is a relu: h still hides c with a tanh."),
        (made_of(i * z.relu(), s), "that is the candidate itself, not its derivative."),
        (made_of(i * on, o * torch.tanh(c)), "that is h itself in place of its derivative by c."),
        (made_of(i * on, o * (1 - c**2)), "tanh′ is 1 − tanh², and c is the argument of this tanh, not its value."),
        (made_of(i * on, o), "h is o ⊙ tanh(c): the derivative of this tanh is missing."),
        (made_of(i * on, 1 - torch.tanh(c) ** 2), "the output gate of the step before is missing."),
        (made_of(i * on, torch.ones_like(o)), "that is the derivative by h; c is one step further back."),
        (made_of(i * on, o * (c > 0)), "the second activation is still a tanh."),
        (made_of(on, s), "the input gate is missing."),
        (made_of(i * (1 - i) * on, s), "i is a factor here; its own derivative belongs to another term."),
    ]
    if not close(result, right):
        return find_slip(result, slips) or "the matrix is not right: check each of its three factors against (8.9)."


@checker(
    "08.coupled",
    praise="The memory is now a weighted mean, and three blocks are enough.",
)
def coupled(answer):
    params, X_t, H, C = _example(3)
    A_f, A_c, A_o = (X_t @ params["W_x"] + H @ params["W_h"] + params["b"]).chunk(3, dim=1)
    f, g, o = A_f.sigmoid(), A_c.tanh(), A_o.sigmoid()
    new = f * C + (1 - f) * g
    slips = [
        ((o * new).tanh(), "the memory is right, but the tanh of H is taken of the memory alone: see (8.6)."),
        (o * new, "the memory is right, but the second tanh is missing."),
        (o * C.tanh(), "the memory is right, but H shows the memory of the step before."),
        (new.tanh(), "the memory is right, but the output gate is missing."),
    ]
    n_f, n_c, _ = (X_t @ params["W_x"] + H @ params["W_h"]).chunk(3, dim=1)
    c_first = A_c.sigmoid()
    memories = [
        (n_f.sigmoid() * C + (1 - n_f.sigmoid()) * n_c.tanh(), "the bias is missing."),
        (c_first * C + (1 - c_first) * A_f.tanh(), "look at the order of the blocks: F comes first."),
        (f * C + (1 - f) * A_o.tanh(), "look at the order of the blocks: the output gate comes last."),
        (new.tanh(), "the memory itself is not squashed: only H sees it through a tanh."),
        (f * C + (1 - A_f).sigmoid() * g, "take 1 minus the gate, not the gate of 1 minus its pre-activation."),
        ((1 - f) * C + f * g, "F keeps the old memory; yours writes the candidate with it."),
        (f * C + f * g, "both parts are multiplied by F: what is erased should be written."),
        (f * C + g, "the candidate enters in full: where is I = 1 − F?"),
        (A_f * C + (1 - A_f) * g, "the gate is not between 0 and 1."),
        (f * C + (1 - f) * A_c, "the candidate has no activation."),
    ]
    return _check_step(answer, (X_t, H, C, params), o * new.tanh(), new, slips, memories)


@checker(
    "08.backward",
    praise="With these two lines and dA W_hᵀ a loop from the last step to the first trains an LSTM.",
)
def backward(answer):
    generator = torch.Generator().manual_seed(0)
    dH, dC, C_before = torch.randn(3, 3, 5, dtype=torch.float64, generator=generator)
    i, f, o = torch.rand(3, 3, 5, dtype=torch.float64, generator=generator)
    C_tilde = torch.tanh(torch.randn(3, 5, dtype=torch.float64, generator=generator))
    C = f * C_before + i * C_tilde
    given = (dH, dC, C_before, C, i, f, C_tilde, o)
    result = call(answer, *(part.clone() for part in given))
    if isinstance(result, torch.Tensor):
        return "that is one tensor: return two, dA and the gradient of the memory before."
    try:
        dA, dC_before = result
    except (TypeError, ValueError):
        return "return two tensors, dA (B, 4h) and the gradient of the memory before (B, h)."
    if not all(isinstance(part, torch.Tensor) for part in (dA, dC_before)):
        return "return two tensors, dA (B, 4h) and the gradient of the memory before (B, h)."
    if dA.shape != (3, 20) or dC_before.shape != (3, 5):
        return f"dA must be (B, 4h) and the other one (B, h), not {tuple(dA.shape)} and {tuple(dC_before.shape)}."

    whole = dC + dH * o * (1 - torch.tanh(C) ** 2)
    memories = [
        (dC * f, "the memory also gets the part that comes through H: add it first."),
        (whole, "on its way to the memory before, the gradient passes the forget gate."),
        ((dC + dH * o) * f, "the slope of the second tanh is missing."),
        ((dC + dH * (1 - torch.tanh(C) ** 2)) * f, "H shows the memory through the output gate, which is missing."),
        ((dC + dH * o * (1 - C**2)) * f, "tanh′ is 1 − tanh², and C is the argument of this tanh, not its value."),
        ((dC + dH * o * (1 - torch.tanh(C_before) ** 2)) * f, "H_t shows the new memory, not the one before."),
    ]
    if not close(dC_before, whole * f):
        return find_slip(dC_before, memories) or "the gradient of the memory before is not right."
    blocks = [
        ("i", whole * C_tilde, i * (1 - i)),
        ("f", whole * C_before, f * (1 - f)),
        ("c", whole * i, 1 - C_tilde**2),
        ("o", dH * torch.tanh(C), o * (1 - o)),
    ]
    parts = dict(zip("ifco", dA.chunk(4, dim=1), strict=True))
    right = {name: factor * slope for name, factor, slope in blocks}
    wrong = [name for name in parts if not close(parts[name], right[name])]
    if not wrong:
        return None
    if all(any(close(part, block) for block in right.values()) for part in parts.values()):
        return "the four blocks are right, but they stand in another order."
    name, factor, _ = next(block for block in blocks if block[0] == wrong[0])
    slips = [
        (factor, f"block {name} is the gradient after the activation: its slope is missing."),
        (whole * C * f * (1 - f), "what the forget gate multiplies is the memory before, not the new one."),
        (dH * C * o * (1 - o), "what the output gate multiplies is tanh(C)."),
        (whole * torch.tanh(C) * o * (1 - o), "the output gate acts on H alone: it gets dH, not dC."),
        (whole * i * C_tilde * (1 - C_tilde), "the candidate passes a tanh, whose slope is 1 − C̃²."),
    ]
    return find_slip(parts[name], slips) or f"block {name} of dA is not right."


def _example(blocks):
    """Parameters with a number of blocks, an input and a state whose memory is large."""
    generator = torch.Generator().manual_seed(0)
    params = cells.init_lstm_params(3, 5, None, 1.0, 0.0, generator)
    params = {name: p.detach()[..., : 5 * blocks] for name, p in params.items()}
    params["b"] = torch.randn(5 * blocks, generator=generator)
    X_t = torch.randn(3, 3, generator=generator)  # not 2 rows: one tensor must not pass as a pair
    H, C = torch.randn(2, 3, 5, generator=generator)
    return params, X_t, torch.tanh(H), 3 * C


def _check_step(answer, arguments, H, C, slips, memories):
    result = call(answer, *arguments)  # H, C and the slips are computed before: it may change its arguments
    if isinstance(result, torch.Tensor):
        return "that is one tensor: the state of an LSTM is a pair, so return H and C."
    try:
        H_answer, C_answer = result
    except (TypeError, ValueError):
        return "return two tensors, H and C."
    if not all(isinstance(part, torch.Tensor) and part.shape == C.shape for part in (H_answer, C_answer)):
        return f"H and C must be tensors of shape {tuple(C.shape)} here, (B, h)."
    if close(H_answer, H, 1e-5) and close(C_answer, C, 1e-5):
        return None
    if close(H_answer, C, 1e-5) and close(C_answer, H, 1e-5):
        return "H and C are right, but in the other order."
    if close(C_answer, C, 1e-5):
        problems = (problem for H_slip, problem in slips if close(H_answer, H_slip, 1e-5))
        return next(problems, "the memory C is right, but H is not.")
    problems = (problem for C_slip, problem in memories if close(C_answer, C_slip, 1e-5))
    return next(problems, "the memory C is not right.")
