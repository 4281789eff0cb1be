"""Answers to the exercises of chapter 10, deep recurrent networks."""

import math

import numpy as np
import torch

from d2lrnn import cells


def count(L, D, q, h, biases=2, blocks=4, output=True):
    layers = D * h + h * h + biases * h + (L - 1) * (2 * h * h + biases * h)
    return blocks * layers + (h * q + q) * output


def widest(fits):
    h = 0
    while fits(h + 1):
        h += 1
    return h


def width(L, D, q, budget, **options):
    return widest(lambda h: count(L, D, q, h, **options) <= budget)


def width_by_root(L, D, q, budget):
    a, b = 4 * (2 * L - 1), 4 * D + 8 * L + q
    return math.floor((math.sqrt(b * b + 4 * a * (budget - q)) - b) / (2 * a))


def width_not_rounded(L, D, q, budget):
    a, b = 4 * (2 * L - 1), 4 * D + 8 * L + q
    return (math.sqrt(b * b + 4 * a * (budget - q)) - b) / (2 * a)


def all_read_inputs(L, D, q, budget):
    return widest(lambda h: L * 4 * (D * h + h * h + 2 * h) + h * q + q <= budget)


def all_read_states(L, D, q, budget):
    return widest(lambda h: L * 4 * (2 * h * h + 2 * h) + h * q + q <= budget)


def gru_step(X, H, mask, params, reset=True, update=True, candidate=True, kept=False):
    """One step of a GRU; the mask acts on H where it says so."""
    M = mask * H
    X_r, X_z, X_c = (X @ params["W_x"] + params["b_x"]).chunk(3, dim=1)
    H_r = ((M if reset else H) @ params["W_h"] + params["b_h"]).chunk(3, dim=1)[0]
    H_z = ((M if update else H) @ params["W_h"] + params["b_h"]).chunk(3, dim=1)[1]
    H_c = ((M if candidate else H) @ params["W_h"] + params["b_h"]).chunk(3, dim=1)[2]
    R, Z = torch.sigmoid(X_r + H_r), torch.sigmoid(X_z + H_z)
    return Z * (M if kept else H) + (1 - Z) * torch.tanh(X_c + R * H_c)


def of_gru(**options):
    return lambda X, H, mask, params: gru_step(X, H, mask, params, **options)


def update_gate(X, M, params):
    return torch.sigmoid((X @ params["W_x"] + params["b_x"] + M @ params["W_h"] + params["b_h"]).chunk(3, dim=1)[1])


def reset_before(X, H, mask, params):
    M = mask * H
    return cells.gru_step(X, M, params, reset_after=False)[1] + update_gate(X, M, params) * (H - M)


def gates_exchanged(X, H, mask, params):
    Z = update_gate(X, mask * H, params)
    candidate = (gru_step(X, H, mask, params) - Z * H) / (1 - Z)
    return (1 - Z) * H + Z * candidate


def blocks_exchanged(X, H, mask, params):
    """The first block taken for the update gate, the second for the reset gate."""
    order = [4, 5, 6, 7, 0, 1, 2, 3, 8, 9, 10, 11]
    return gru_step(X, H, mask, {name: p[..., order] for name, p in params.items()})


def crossed(p, wanted):
    """The number of masks that a path may cross."""
    return math.floor(math.log(wanted) / math.log(1 - p))


def deepest(p, wanted):
    return crossed(p, wanted) + 1, crossed(p, wanted) - 1


def first(change):
    return lambda p, wanted: (change(p, wanted), deepest(p, wanted)[1])


def second(change):
    return lambda p, wanted: (deepest(p, wanted)[0], change(p, wanted))


def strength(squared_gain, s):
    return math.sqrt(abs(squared_gain - s * s / 16))


def paths(T, L):
    return math.comb(T + L - 2, L - 1), T + L


def number(change):
    return lambda T, L: (change(T, L), T + L)


def length(change):
    return lambda T, L: (paths(T, L)[0], change(T, L))


RIGHT = {
    "changes": "bde",
    "width": width,
    "deepest": deepest,
    "paths": paths,
    "gru_mask": gru_step,
    "skip_strength": lambda s, L, gain: math.sqrt(gain ** (2 / (L - 1)) - s * s / 16),
}
ALSO_RIGHT = [
    ("changes", "BDE"),
    ("changes", ["e", "b", "d"]),
    ("changes", "b, d, e"),
    ("width", width_by_root),
    ("width", lambda *arguments: float(width(*arguments))),
    ("width", lambda *arguments: torch.tensor(width(*arguments))),
    ("deepest", lambda p, wanted: list(deepest(p, wanted))),
    ("deepest", lambda p, wanted: torch.tensor(deepest(p, wanted))),
    ("paths", lambda T, L: np.array(paths(T, L))),
    ("gru_mask", lambda X, H, mask, params: gru_step(X, H, mask, params).numpy()),
    ("gru_mask", lambda X, H, mask, params: gru_step(X, H, mask, params).tolist()),
    (
        "gru_mask",
        lambda X, H, mask, params: (
            cells.gru_step(X, mask * H, params)[1] + update_gate(X, mask * H, params) * (H - mask * H)
        ),
    ),
    ("skip_strength", lambda s, L, gain: torch.tensor(gain ** (2 / (L - 1)) - (s / 4) ** 2).sqrt()),
]

WRONG = [
    ("changes", 3, "a string of letters"),
    ("changes", "xyz", "a string of letters"),
    ("changes", "", "a string of letters"),
    ("changes", "abcde", "where does the mask lie"),
    ("changes", "be", "is missing"),
    ("changes", "bd", "is missing"),
    ("changes", "e", "is missing"),
    ("changes", "abde", "where does the mask lie"),
    ("width", lambda *arguments: width(*arguments) + 1, "one too many"),
    ("width", lambda *arguments: width(*arguments) - 1, "one more unit"),
    ("width", width_not_rounded, "a whole number"),
    ("width", lambda *arguments: width(*arguments, biases=1), "both biases"),
    ("width", lambda *arguments: width(*arguments, biases=0), "both biases"),
    ("width", lambda *arguments: width(*arguments, output=False), "output layer has parameters"),
    ("width", lambda *arguments: width(*arguments, blocks=1), "four blocks"),
    ("width", lambda L, D, q, budget: width(1, D, q, budget), "number of layers"),
    ("width", all_read_inputs, "size is their input"),
    ("width", all_read_states, "the first layer reads X"),
    ("width", lambda *arguments: 777, "not 777"),
    ("gru_mask", lambda X, H, mask, params: H[0], "the shape (3, 4)"),
    ("gru_mask", lambda X, H, mask, params: gru_step(X, H, torch.ones_like(H), params), "not used"),
    ("gru_mask", of_gru(kept=True), "still worn away"),
    ("gru_mask", of_gru(reset=False, update=False, candidate=False, kept=True), "other way round"),
    ("gru_mask", lambda X, H, mask, params: mask * cells.gru_step(X, H, params)[1], "masks the new H"),
    ("gru_mask", of_gru(reset=False, update=False), "only your candidate"),
    ("gru_mask", of_gru(candidate=False), "only your gates"),
    ("gru_mask", of_gru(update=False, candidate=False), "only your reset gate"),
    ("gru_mask", of_gru(reset=False, candidate=False), "only your update gate"),
    ("gru_mask", reset_before, "before the product"),
    ("gru_mask", gates_exchanged, "changed places"),
    ("gru_mask", lambda X, H, mask, params: mask * gru_step(X, H, mask, params), "new H is masked as well"),
    ("gru_mask", lambda X, H, mask, params: gru_step(X, H, (mask > 0).float(), params), "use the mask as it is"),
    ("gru_mask", blocks_exchanged, "the first block is the reset gate"),
    ("gru_mask", lambda X, H, mask, params: torch.zeros_like(H), "not the step of a GRU"),
    ("deepest", lambda p, wanted: 3, "two numbers of layers"),
    ("deepest", lambda p, wanted: deepest(p, wanted)[::-1], "in the other order"),
    ("deepest", first(lambda p, wanted: math.log(wanted) / math.log(1 - p) + 1), "PyTorch's masks: a number of layers"),
    ("deepest", first(crossed), "how many layers is that"),
    ("deepest", first(lambda p, wanted: crossed(p, wanted) + 2), "one layer too many"),
    ("deepest", lambda p, wanted: (crossed(p, wanted) - 1,) * 2, "fewer masks than layers"),
    ("deepest", lambda p, wanted: (crossed(1 - p, 1 - wanted) + 1, 1), "not p"),
    ("deepest", first(lambda p, wanted: 99), "not 99"),
    ("deepest", lambda p, wanted: (crossed(p, wanted) + 1,) * 2, "as well"),
    ("deepest", second(crossed), "one end is still"),
    ("deepest", second(lambda p, wanted: math.log(wanted) / math.log(1 - p) - 1), "ends as well: a number of layers"),
    ("deepest", second(lambda p, wanted: crossed(p, wanted) + 3), "fewer layers"),
    ("deepest", second(lambda p, wanted: 99), "not 99"),
    ("deepest", lambda p, wanted: (math.ceil(math.log(wanted) / math.log(1 - p)), crossed(p, wanted) - 1), "or more"),
    ("paths", number(lambda T, L: (T - 1) * (L - 1)), "in how many orders"),
    ("paths", lambda T, L: 3, "return two numbers"),
    ("paths", lambda T, L: paths(T, L)[::-1], "in the other order"),
    ("paths", number(lambda T, L: math.comb(T + L - 1, L)), "one up too many"),
    ("paths", number(lambda T, L: math.comb(T + L, L)), "between states only"),
    ("paths", number(lambda T, L: math.comb(T + L - 1, L - 1)), "to the right again"),
    ("paths", number(lambda T, L: L**T), "cannot go down again"),
    ("paths", number(lambda T, L: L ** (T - 1)), "cannot go down again"),
    ("paths", number(lambda T, L: T ** (L - 1)), "the up below it"),
    ("paths", number(lambda T, L: math.comb(T - 1, L - 1)), "twice at one step"),
    ("paths", number(lambda T, L: math.factorial(T + L - 2)), "no new path"),
    ("paths", number(lambda T, L: T * L), "number of states"),
    ("paths", number(lambda T, L: 2 ** (T + L - 2)), "in the top layer"),
    ("paths", number(lambda T, L: 77), "it is not 77"),
    ("paths", length(lambda T, L: T + L - 2), "are missing"),
    ("paths", length(lambda T, L: T + L - 1), "both the arrow"),
    ("paths", length(lambda T, L: T + L + 1), "one too many"),
    ("paths", length(lambda T, L: 99), "it is not 99"),
    ("skip_strength", lambda s, L, gain: gain ** (1 / (L - 1)) - s / 4, "does it?"),
    ("skip_strength", lambda s, L, gain: gain ** (2 / (L - 1)) - s * s / 16, "square of the strength"),
    ("skip_strength", lambda s, L, gain: 0.77, "it is not 0.77"),
    ("skip_strength", lambda s, L, gain: strength(gain ** (2 / L), s), "one factor too many"),
    ("skip_strength", lambda s, L, gain: strength(gain**2, s), "how many factors"),
    ("skip_strength", lambda s, L, gain: strength(gain ** (1 / (L - 1)), s), "squares with squares"),
    ("skip_strength", lambda s, L, gain: math.sqrt(gain ** (2 / (L - 1)) + s * s / 16), "leave room"),
    ("skip_strength", lambda s, L, gain: gain ** (1 / (L - 1)), "without the J"),
    ("skip_strength", lambda s, L, gain: math.sqrt(1 + s * s / 16), "what you look for"),
    ("skip_strength", lambda s, L, gain: 1.0, "whatever is wanted"),
    ("skip_strength", lambda s, L, gain: math.sqrt(abs(gain ** (2 / (L - 1)) - s * s)), "a quarter of W"),
    ("skip_strength", lambda s, L, gain: math.sqrt(abs(gain ** (2 / (L - 1)) - s * s / 4)), "(s/4)²"),
]
