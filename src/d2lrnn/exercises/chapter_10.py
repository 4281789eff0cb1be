"""Checkers for chapter 10, deep recurrent networks."""

import math

import torch

from d2lrnn import cells
from d2lrnn.exercises import as_tensor, call, checker, close, find_slip, letters, number


@checker(
    "10.changes",
    praise="The masks lie between the layers, so layer 1 is as it was, and everything above it changes.",
)
def changes(answer):
    named = letters(answer, "ABCDE")
    if named is None or not named:
        return "answer with a string of letters out of abcde."
    if named == {"B", "D", "E"}:
        return None
    if named & {"A", "C"}:
        return "where does the mask lie, and can what is above it change what is below?"
    return "something that layer 2 computes is missing: what does it read, and what does it hand on?"


def lstm_parameters(L, D, q, h):
    """Those of nn.LSTM(D, h, num_layers=L), and those of nn.Linear(h, q)."""
    return 4 * (D * h + h * h + 2 * h) + (L - 1) * 4 * (2 * h * h + 2 * h), h * q + q


def widest(count, budget):
    h = 0
    while count(h + 1) <= budget:
        h += 1
    return h


def width_slips(L, D, q, budget):
    """The right width, and typical wrong ones."""
    right = widest(lambda h: sum(lstm_parameters(L, D, q, h)), budget)
    first = widest(lambda h: L * lstm_parameters(1, D, q, h)[0] + h * q + q, budget)
    above = widest(lambda h: L * 4 * (2 * h * h + 2 * h) + h * q + q, budget)
    slips = [
        (right + 1, "one too many: count again, with both biases of each layer and with the output layer."),
        (right - 1, "one more unit still fits into the budget."),
        (first, "the layers from the second on do not read X: what size is their input?"),
        (above, "the first layer reads X: how many numbers is that?"),
        (widest(lambda h: lstm_parameters(L, D, q, h)[0], budget), "the output layer has parameters as well."),
        (
            widest(lambda h: sum(lstm_parameters(1, D, q, h)), budget),
            "this does not depend on the number of layers: are their weights shared?",
        ),
        (
            widest(lambda h: lstm_parameters(L, D, q, h)[0] / 4 + h * q + q, budget),
            "an LSTM has four blocks: three gates and a candidate.",
        ),
    ]
    return right, slips


@checker(
    "10.width",
    praise="For many layers h is near √(budget / 8L): four times the depth costs half the width.",
)
def width(answer):
    exact = sum(lstm_parameters(1, 8, 10, 20))  # h = 20 just fits
    cases = [(4, 8, 171, 50_000), (1, 32, 171, 14_000), (2, 10, 50, 9_000), (8, 64, 5, 100_000), (1, 8, 10, exact)]
    for L, D, q, budget in cases:
        result = number(call(answer, L, D, q, budget))
        if abs(result - round(result)) > 1e-9:
            return "a width is a whole number: which way must you round?"
        right, slips = width_slips(L, D, q, budget)
        if not close(result, right):
            return find_slip(result, slips) or f"for L = {L}, D = {D}, q = {q}, budget = {budget} it is not {result:g}."


@checker(
    "10.deepest",
    praise="However long the memory has to be, k does not occur: masks on the way up cost the same for every lag.",
)
def deepest(answer):
    for p, wanted in ((0.1, 0.5), (0.2, 0.3), (0.5, 0.2)):
        result = call(answer, p, wanted)
        try:
            pytorch, zaremba = map(number, result)
        except (TypeError, ValueError):
            return "return two numbers of layers: with PyTorch's masks, and with those of Zaremba and others."
        arrows = math.log(wanted) / math.log(1 - p)
        masks = math.floor(arrows)
        right = (masks + 1, masks - 1)
        if close(pytorch, right[1]) and close(zaremba, right[0]):
            return "both numbers are right, but in the other order."
        slips = [
            (arrows + 1, "a number of layers is a whole number: which way must you round?"),
            (masks, "that is how many masks a path may cross: how many layers is that?"),
            (masks + 2, "one layer too many: try it, is its path still free with the wanted probability?"),
            (masks - 1, "there are fewer masks than layers, not more."),
            (math.floor(math.log(1 - wanted) / math.log(p)) + 1, "a mask is free with probability 1 − p, not p."),
        ]
        if not close(pytorch, right[0]):
            return "PyTorch's masks: " + (find_slip(pytorch, slips) or f"for p = {p}, wanted {wanted} not {pytorch:g}.")
        slips = [
            (right[0], "their masks lie below the first and above the last layer as well."),
            (masks, "one end is still without a mask."),
            (arrows - 1, "a number of layers is a whole number: which way must you round?"),
            (masks + 3, "more masks leave room for fewer layers, not for more."),
        ]
        if not close(zaremba, right[1]):
            return "masks at both ends as well: " + (
                find_slip(zaremba, slips) or f"for p = {p}, wanted {wanted} not {zaremba:g}."
            )
    if [number(layers) for layers in call(answer, 0.5, 0.25)] != [3, 1]:
        return "for p = 0.5, wanted 0.25: `wanted` or more, so two masks are allowed there."


@checker(
    "10.paths",
    praise="All paths have the same length, and their number grows as a power of T: depth adds ways, few steps.",
)
def paths(answer):
    for T, L in ((10, 4), (6, 3), (1, 1), (5, 1)):
        result = call(answer, T, L)
        try:
            paths, length = map(number, result)
        except (TypeError, ValueError):
            return "return two numbers: how many paths, and how many arrows each has."
        slips = [
            (math.comb(T + L - 1, L), "one up too many: how often does a path go up between L layers?"),
            (math.comb(T + L, L), "count the arrows between states only, then draw T = 2, L = 2."),
            (math.comb(T + L - 1, L - 1), "count the arrows to the right again: from step 1 to step T."),
            (L**T, "a path cannot go down again after it has gone up."),
            (L ** (T - 1), "a path cannot go down again after it has gone up."),
            (T ** (L - 1), "each up may happen at any step, but not before the up below it."),
            (math.comb(T - 1, L - 1), "that allows one up at each step; may a path go up twice at one step?"),
            ((T - 1) * (L - 1), "those are steps to the right times steps up; in how many orders can they come?"),
            (math.factorial(T + L - 2), "two arrows of the same kind that change places make no new path."),
            (T * L, "that is the number of states, not of paths."),
            (2 ** (T + L - 2), "not every sequence of ups and rights ends in the top layer at step T."),
        ]
        right = math.comb(T + L - 2, L - 1), T + L
        if not close(paths, right[0]) and (paths, length) == right[::-1]:
            return "both numbers are right, but in the other order."
        if not close(paths, right[0]):
            return f"for T = {T}, L = {L} the number of paths: " + (find_slip(paths, slips) or f"it is not {paths:g}.")
        slips = [
            (T + L - 2, "the arrows from the input and to the output are missing."),
            (T + L - 1, "count both the arrow from X_1 and the one to O_T."),
            (T * L, "a path does not pass every state."),
            (T + L + 1, "one too many: from step 1 to step T it goes to the right T − 1 times."),
        ]
        if not close(length, right[1]):
            return f"for T = {T}, L = {L} the length: " + (find_slip(length, slips) or f"it is not {length:g}.")


@checker(
    "10.gru_mask",
    praise="The mask reaches both gates and the candidate, and Z ⊙ H passes it by.",
)
def gru_mask(answer):
    generator = torch.Generator().manual_seed(0)
    params = {name: p.detach() for name, p in cells.init_gru_params(5, 4, None, 0.8, generator).items()}
    params = {name: p if p.dim() == 2 else torch.randn(p.shape, generator=generator) for name, p in params.items()}
    X, H = torch.randn(3, 5, generator=generator), torch.randn(3, 4, generator=generator).tanh()
    mask = (torch.rand(3, 4, generator=generator) < 0.6) / 0.6
    copies = {name: p.clone() for name, p in params.items()}
    result = as_tensor(call(answer, X.clone(), H.clone(), mask.clone(), copies))

    def step(H_reset, H_update, H_candidate, H_kept, products=lambda P: P, reset=lambda R: R):
        X_r, X_z, X_c = (X @ params["W_x"] + params["b_x"]).chunk(3, dim=1)
        of_H = [products(H_in @ params["W_h"]) + params["b_h"] for H_in in (H_reset, H_update, H_candidate)]
        H_r, H_z, H_c = (block.chunk(3, dim=1)[i] for i, block in enumerate(of_H))
        R, Z = torch.sigmoid(X_r + H_r), torch.sigmoid(X_z + H_z)
        return Z * H_kept + (1 - Z) * torch.tanh(X_c + R * H_c)

    M = mask * H
    before = cells.gru_step(X, M, params, reset_after=False)[1]
    plain, right = step(H, H, H, H), step(M, M, M, H)
    ones = (mask > 0) * H
    of_X, of_M = X @ params["W_x"] + params["b_x"], M @ params["W_h"] + params["b_h"]
    first, second, _ = torch.sigmoid(of_X + of_M).chunk(3, dim=1)
    candidate = torch.tanh(of_X[:, 8:] + second * of_M[:, 8:])
    slips = [
        (plain, "the mask is not used."),
        (step(M, M, M, M), "here the kept H is masked as well, so with Z = 1 it is still worn away."),
        (step(H, H, H, M), "that masks the memory and nothing else: it should be the other way round."),
        (mask * right, "the new H is masked as well, so the memory is still worn away."),
        (mask * plain, "that masks the new H: the mask belongs where the old H enters the products."),
        (step(H, H, M, H), "the gates are computed from H as well: the mask reaches only your candidate."),
        (step(M, M, H, H), "the candidate is computed from H as well: the mask reaches only your gates."),
        (step(M, H, H, H), "only your reset gate sees the mask."),
        (step(H, M, H, H), "only your update gate sees the mask."),
        (step(ones, ones, ones, H), "use the mask as it is: the factor 1/(1 − p) belongs to it."),
        (first * H + (1 - first) * candidate, "the first block is the reset gate, the second the update gate."),
        (before + second * (H - M), "there the reset gate acts before the product; `nn.GRU` has it after."),
        ((1 - second) * H + (right - second * H) / (1 - second) * second, "Z and 1 − Z have changed places."),
    ]
    if result.shape != right.shape:
        return f"the new H must have the shape {tuple(right.shape)} here, (B, h)."
    if not close(result, as_tensor(right), 1e-5):
        slips = [(as_tensor(wrong), sentence) for wrong, sentence in slips]
        return find_slip(result, slips) or "that is not the step of a GRU with the mask on what is computed from H."


@checker(
    "10.skip_strength",
    praise="With gain = 1 this needs no L: a² = 1 − s²/16. The skip gives up just what the new part adds.",
)
def skip_strength(answer):
    for s, L, gain in ((1.8, 3, 2.0), (0.58, 8, 1.0), (2.0, 5, 0.9)):
        result = number(call(answer, s, L, gain))
        squared = gain ** (2 / (L - 1)) - s * s / 16
        slips = [
            (
                gain ** (1 / (L - 1)) - s / 4,
                "lengths would add if J always pointed in the direction of u itself; does it?",
            ),
            (squared, "that is the square of the strength."),
            (math.sqrt(abs(gain ** (2 / L) - s * s / 16)), "one factor too many: from layer L down to layer 1."),
            (math.sqrt(abs(gain**2 - s * s / 16)), "that gives one factor the whole gain; how many factors are there?"),
            (math.sqrt(abs(gain ** (1 / (L - 1)) - s * s / 16)), "for one factor compare squares with squares."),
            (
                math.sqrt(gain ** (2 / (L - 1)) + s * s / 16),
                "the square of J adds to the gain; the skip has to leave room.",
            ),
            (gain ** (1 / (L - 1)), "that is without the J."),
            (math.sqrt(1 + s * s / 16), "that is the factor of (10.10), with a = 1; here a is what you look for."),
            (1.0, "with a = 1 the gain is that of (10.10), whatever is wanted."),
            (math.sqrt(abs(gain ** (2 / (L - 1)) - s * s)), "J is a quarter of W: by how much does it stretch?"),
            (math.sqrt(abs(gain ** (2 / (L - 1)) - s * s / 4)), "compare squares with squares: what is (s/4)²?"),
        ]
        if not close(result, math.sqrt(squared), 1e-4):
            return find_slip(result, slips) or f"for s = {s}, L = {L}, gain = {gain} it is not {result:.4g}."
