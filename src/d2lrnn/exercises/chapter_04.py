"""Checkers of the exercises of chapter 4, a recurrent network from scratch."""

import math

import torch

from d2lrnn.cells import init_rnn_params, rnn
from d2lrnn.exercises import as_tensor, call, checker, close, find_slip, number


@checker(
    "04.largest_h",
    praise="The largest array is W_hh, so the number of units grows only with the root of the budget.",
)
def largest_h(answer):
    cases = [(28, 28, 21_952), (3, 2, 12), (3, 2, 18), (100, 50, 200_000), (5, 40, 1_000), (5, 40, 984), (40, 5, 946)]
    cases.append((28, 2, 443))  # 10.6 units: rounding to the nearest shows, a missing b_q does not
    given = [number(call(answer, *case)) for case in cases]
    if not all(0 <= h < 3000 for h in given):
        return "a number of units is finite and not negative."
    rounded = [math.floor(h) for h in given]  # what is counted wrongly shows after rounding down
    counts = [
        (lambda D, h, q: D * h + h * h + h * q, "the biases are missing: there are two of them."),
        (lambda D, h, q: (D + h + 1 + q) * h, "b_q is missing: the output equation has a bias as well."),
        (lambda D, h, q: (D + h + q) * h + q, "b_h is missing: the state has a bias."),
        (lambda D, h, q: (h + 1 + q) * h + q, "W_xh is missing: how does the input get in?"),
        (lambda D, h, q: (D + 1 + q) * h + q, "W_hh is missing: how does the past get in?"),
        (lambda D, h, q: (D + h + 1) * h, "the output layer has parameters as well."),
        (lambda D, h, q: (D + h + 2 + q) * h + q, "b_h is there once, not twice: (4.1) has one bias."),
    ]
    for count, hint in counts:
        if rounded == [max(h for h in range(3000) if count(D, h, q) <= budget) for D, q, budget in cases]:
            return hint

    def size(D, h, q):
        return (D + h + 1 + q) * h + q

    if given == [round(_units(*case)) for case in cases]:
        return "you round to the nearest whole number, which may be one unit too many: round down."
    for (D, q, budget), h in zip(cases, rounded, strict=True):
        if size(D, h, q) > budget:
            return f"{h} units need more than {budget:,} parameters if D = {D} and q = {q}."
        if size(D, h + 1, q) <= budget:
            return f"for D = {D}, q = {q} and a budget of {budget:,} there is room for more than {h} units."
    if given != rounded:
        return "a number of units is a whole number: round down."


def _units(D, q, budget):
    """The h, not a whole number, that needs exactly this budget."""
    b = D + 1 + q
    return (-b + math.sqrt(b * b + 4 * (budget - q))) / 2


@checker(
    "04.latch",
    praise="One unit holds one bit for as long as you like: W_hh is large enough, and tanh stops the growth.",
)
def latch(answer):
    if not isinstance(answer, dict) or not {"W_xh", "W_hh", "b_h"} <= set(answer):
        return 'give a dict with "W_xh", "W_hh" and "b_h".'
    W_xh, W_hh, b_h = (as_tensor(answer[name]) for name in ("W_xh", "W_hh", "b_h"))
    if (W_xh.numel(), W_hh.numel(), b_h.numel()) != (3, 1, 1):
        return "with D = 3 and h = 1 the shapes are (3, 1), (1, 1) and (1)."
    row, w, b = W_xh.flatten().tolist(), W_hh.item(), b_h.item()
    texts = ["a", "b", "ab", "ba", "aab", "bba", "a b", "b a", "aaaab", "bbbba"]
    for text in [*texts, *(letter + gap * " " for gap in (1, 2, 5, 20, 1000) for letter in "ab")]:
        H = 0.0
        for i, character in enumerate(text):
            H = math.tanh(row["ab ".index(character)] + w * H + b)
            last = text[: i + 1].rstrip()[-1]
            if H > 0.5 if last == "a" else H < -0.5:
                continue
            read = text[: i + 1]
            if len(read) == 1:
                return f"after the first letter, {read!r}, H is {H:.2f}."
            if character == " ":
                gap = len(read) - len(read.rstrip())
                # Without inputs and bias, |H| > 0.5 needs w > atanh(0.5) / 0.5 = 1.10.
                weak = w > 1 and row[2] + b == 0 and (H > 0) == (last == "a")
                fate = "held too weakly" if weak else "forgotten"
                return f"{gap} space{'s' * (gap > 1)} after {last!r} H is {H:.2f}: the letter is {fate}."
            return f"after {read!r} H is {H:.2f}: the new letter must win against the old state."


@checker(
    "04.turned",
    praise="The cosine can come down to 1/√n. One norm and one factor for all numbers keep the direction.",
)
def turned(answer):
    g = as_tensor(answer).flatten()
    if not g.isfinite().all() or not g.any():
        return "give finite numbers that are not all zero."
    clipped = g.clamp(-1, 1)
    cosine = (g @ clipped / (g.norm() * clipped.norm())).clamp(-1, 1).item()
    angle = math.degrees(math.acos(cosine))
    if torch.equal(g, clipped):
        return "all your numbers lie between −1 and 1, so clipping changes nothing."
    if angle < 1e-4:
        return "your gradient keeps its direction. Which numbers are changed much, and which not at all?"
    if angle <= 60:
        enough = len(g) > 4
        why = "the numbers are not unequal enough." if enough else f"is 60° possible with {len(g)} numbers?"
        return f"your gradient is turned by {angle:.1f}°: {why}"


@checker(
    "04.above_uniform",
    praise="The model is sure, and wrong: on (geometric) average it gives the truth less than 1/4.",
)
def above_uniform(answer):
    probs = as_tensor(answer).flatten().tolist()
    if len(probs) != 4:
        return f"give four probabilities, not {len(probs)}."
    if any(p < 0 or p > 1 for p in probs) or not math.isclose(sum(probs), 1, abs_tol=1e-6):
        return f"these are not probabilities: each is between 0 and 1, and they sum to 1 (yours: {sum(probs):.4g})."
    if 0 in probs:
        return "a token with probability 0 occurs, so the perplexity is infinite. Make it finite."
    value = math.exp(-sum(map(math.log, probs)) / 4)
    if math.isclose(value, 4, rel_tol=1e-6):
        return "this is the uniform guess, with perplexity 4 exactly. What must change to do worse than that?"
    if value <= 8:
        return f"the perplexity is {value:.2f}: above 4, so you are on the way, but not above 8."


@checker(
    "04.windows",
    praise="Each window starts with an empty state, and its first predictions pay for that.",
)
def windows(answer):
    generator = torch.Generator().manual_seed(7)
    params = random_params(5, 6, 5, generator)
    ids = torch.randint(5, (25,), generator=generator)

    def losses(ids, T, carry=False, shift=1):
        X, Y, found, state = ids[:-shift], ids[shift:], [], None
        for start in range(0, len(X) // T * T, T):
            inputs = torch.nn.functional.one_hot(X[start : start + T, None], 5).double()
            outputs, new = rnn(inputs, None if not carry else state, params)
            targets = Y[start : start + T]
            found.append(-outputs[:, 0].log_softmax(1).gather(1, targets[:, None])[:, 0])
            state = new
        return torch.stack(found)

    for T in (6, 1, 24, 3):
        value = number(call(answer, ids.clone(), T, copies(params)))
        right = losses(ids, T)
        slips = [
            (right.mean(), "that is the mean cross-entropy; the perplexity is its exponential."),
            (losses(ids, T, carry=True).mean().exp(), "the state goes on from window to window; start each from zero."),
            (right[:, -1].mean().exp(), "only the last prediction of each window is scored; score all T."),
            (right.sum().exp(), "the exponential of the sum: take the mean over all predictions."),
            (right.exp().mean(), "the mean of 1/P: the logarithms are averaged first."),
            (2 ** right.mean(), "the losses are in nats, so the base is e and not 2."),
        ]
        if close(value, right.mean().exp()):
            continue
        hint = find_slip(value, slips)
        return hint or f"for T = {T} the perplexity is another one. Which character is the target of the last input?"


@checker(
    "04.influence",
    praise="No entry is exactly zero: every past token has a say, however small.",
)
def influence(answer):
    generator = torch.Generator().manual_seed(5)
    params = random_params(4, 6, 4, generator)
    inputs = torch.randn(7, 1, 4, generator=generator, dtype=torch.float64)
    token = 2
    try:
        norms = as_tensor(call(answer, inputs.clone(), token, copies(params)))
    except RuntimeError as error:
        if "does not require grad" not in str(error) and "not have been used" not in str(error):
            raise
        return "autograd knows nothing of the inputs: ask for their gradient first, and detach nothing on the way."
    if norms.shape != (7,):
        return f"return 7 norms for 7 steps, not something of shape {tuple(norms.shape)}."

    def reference(choose):
        X = inputs.clone().requires_grad_()
        outputs, _ = rnn(X, None, params)
        (gradient,) = torch.autograd.grad(choose(outputs[:, 0]), X)
        return gradient[:, 0]

    right = reference(lambda outputs: outputs[-1].log_softmax(0)[token])
    slips = [
        (lambda scores: scores[-1].sum(), "the sum of the scores, a direction that the softmax ignores."),
        (lambda scores: scores[-1, token], "the token's score. Its probability depends on the other scores as well."),
        (lambda scores: scores[-1].softmax(0)[token], "the probability; its logarithm is asked for."),
        (lambda scores: scores.log_softmax(1)[:, token].sum(), "the predictions at all steps, not on the last one."),
        (lambda scores: scores[0].log_softmax(0)[token], "the prediction after the first step."),
        (lambda scores: scores.log_softmax(0)[-1, token], "a softmax over the steps; it is over the tokens."),
        (lambda scores: scores[-1].log_softmax(0).sum(), "the sum over all tokens; one token is asked for."),
    ]
    for choose, hint in slips:
        if close(norms, reference(choose).norm(dim=1)):
            return f"this is the influence on {hint}"
    if close(norms, right.sum(dim=1)) or close(norms, right.sum(dim=1).abs()):
        return "you added the entries of a gradient; its norm is the root of the sum of their squares."
    if close(norms, right.abs().sum(dim=1)):
        return "you added the absolute values of a gradient; its norm is the root of the sum of their squares."
    if close(norms, right.norm(dim=1) ** 2):
        return "these are the squared norms."
    if close(norms, right.norm(dim=1).flip(0)):
        return "the order is reversed: the first entry belongs to X_1."
    if not norms.isfinite().all() or (norms < 0).any():
        return "a norm is finite and not negative."
    if (norms == 0).all():
        return "all norms are zero: log P(token) after step T has a gradient. Which scalar do you differentiate?"
    if (norms[:-1] == 0).all():
        return "only the last input has an influence: was the state cut off from its past, or not passed on?"
    if not close(norms, right.norm(dim=1)):
        return "the norms differ from those of the gradient of log P(token) after step T."


@checker(
    "04.constant_part",
    praise="If the powers of W_hh vanish, it tends to b_h (I − W_hh)⁻¹ W_hq + b_q as T grows.",
)
def constant_part(answer):
    generator = torch.Generator().manual_seed(6)
    params = random_params(4, 3, 2, generator)
    W_hh, b_h, W_hq, b_q = (params[name] for name in ("W_hh", "b_h", "W_hq", "b_q"))

    def scores(H):
        return H @ W_hq + b_q

    for T in (4, 1, 2):
        part = as_tensor(call(answer, copies(params), T))
        powers = [b_h @ torch.linalg.matrix_power(W_hh, k) for k in range(T + 1)]
        H = sum(powers[:T])
        if close(part, scores(H)) or close(part, scores(H)[None]):
            continue
        if close(part, H):
            return "that is the constant part of H_T; the question is about O_T."
        if close(part, H @ W_hq):
            return "b_q is missing."
        if close(part, scores(sum(powers))):
            return f"for T = {T} there is a term too many: how often has b_h been added?"
        if T > 1 and close(part, scores(sum(powers[: T - 1]))):
            return f"for T = {T} there is a term too few."
        if T > 1 and close(part, scores(b_h)):
            return "b_h enters at every step, but you count the last one only."
        if T > 1 and close(part, scores(T * b_h)):
            return "b_h enters T times, but what happens to an old one on its way to step T?"
        if T > 1 and close(part, scores(powers[T - 1])):
            return "that is what the first step contributes; later steps add a bias as well."
        if close(part, H @ W_hq + T * b_q):
            return "b_q is added to the output of one step; it does not go into the state."
        elementwise = [b_h @ W_hh**k for k in range(T)]
        if T > 2 and any(close(part, scores(first + sum(elementwise[1:]))) for first in (b_h, elementwise[0])):
            return "** raises each number to a power; a product of matrices is meant (torch.linalg.matrix_power)."
        if close(part, scores(sum(torch.linalg.matrix_power(W_hh, k) @ b_h for k in range(T)))):
            return "the matrix stands on the wrong side: b_h is a row, so it is multiplied from the right."
        if close(part, scores(b_h @ torch.linalg.inv(torch.eye(3).double() - W_hh))):
            return "that is the limit for many steps. What is it after T of them?"
        if close(part, rnn(torch.zeros(T, 1, 4).double(), None, params)[0][-1, 0]):
            return "there is no tanh in this network."
        return f"for T = {T} this is not the part of O_T that does not depend on the inputs."


def copies(params):
    """What a reader's function may change without changing what it is compared with."""
    return {name: tensor.clone() for name, tensor in params.items()}


def random_params(D, h, q, generator):
    """Parameters in float64 whose biases are not zero, so that a forgotten bias shows."""
    params = init_rnn_params(D, h, q, scale=0.5, generator=generator)
    biases = {name: torch.randn(len(params[name]), generator=generator) for name in ("b_h", "b_q")}
    return {name: tensor.detach().double() for name, tensor in (params | biases).items()}
