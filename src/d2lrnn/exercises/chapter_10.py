"""Checkers for chapter 10, deep recurrent networks."""

import math

import torch

from d2lrnn import cells
from d2lrnn.exercises import call, checker, close


@checker(
    "10.two_layers",
    praise="A layer is a function from sequence to sequence, so stacking is calling it again on what came out.",
)
def two_layers(answer):
    generator = torch.Generator().manual_seed(0)
    lower, upper = (cells.init_rnn_params(5, 5, None, 0.7, generator) for _ in range(2))
    inputs = torch.randn(6, 2, 5, generator=generator)
    H_1, H_2 = torch.randn(2, 2, 5, generator=generator).tanh()
    result = call(answer, inputs, (H_1, H_2), lower, upper)
    try:
        outputs, (last_1, last_2) = result
    except (TypeError, ValueError):
        return "return the outputs and a pair of last states."
    below, right_1 = cells.rnn(inputs, H_1, lower)
    above, right_2 = cells.rnn(below, H_2, upper)
    slips = [
        (below, "those are the outputs of the lower layer."),
        (cells.rnn(inputs, H_2, upper)[0], "the upper layer reads the inputs; what should it read?"),
        (cells.rnn(below, right_1, upper)[0], "the upper layer starts from the lower one's last state."),
        (cells.rnn(below, None, upper)[0], "the states that are passed in are not used."),
        (cells.rnn(cells.rnn(inputs, None, lower)[0], None, upper)[0], "the states that are passed in are not used."),
        (cells.rnn(cells.rnn(inputs, H_2, lower)[0], H_1, upper)[0], "the two first states have changed places."),
        (cells.rnn(below, H_2, lower)[0], "both layers have the same weights, but nothing is shared."),
        (above + below, "that is a skip connection; (10.1) has none."),
    ]
    if not isinstance(outputs, torch.Tensor) or outputs.shape != above.shape:
        return f"the outputs must be a tensor of shape {tuple(above.shape)} here, (T, B, h)."
    if not close(outputs.detach(), above.detach(), 1e-5):
        return _slip(outputs.detach(), slips) or "the outputs are not those of (10.1)."
    if close(last_1.detach(), right_2.detach(), 1e-5) and close(last_2.detach(), right_1.detach(), 1e-5):
        return "the outputs are right, but the last states are in the other order."
    if not (close(last_1.detach(), right_1.detach(), 1e-5) and close(last_2.detach(), right_2.detach(), 1e-5)):
        return "the outputs are right, but the last states are not those of both layers."


@checker(
    "10.parameters",
    praise="Per layer twice h², so at one number of parameters the width falls with the square root of the depth.",
)
def parameters(answer):
    for L, D, h, q in ((1, 7, 5, 3), (2, 7, 5, 3), (4, 10, 6, 12)):
        result = call(answer, L, D, h, q)
        first, output, above = D * h + h * h + h, h * q + q, 2 * h * h + h
        slips = [
            (L * first + output, "the layers from the second on do not read X: what size is their input?"),
            (first + L * above + output, "one layer too many: count the first one once."),
            (first + (L - 1) * above, "the output layer is missing."),
            (first + (L - 1) * above + h * q, "the bias of the output layer is missing."),
            (first + (L - 1) * above + L * output, "only the top layer feeds an output layer."),
            (first + (L - 1) * above + L * h + output, "in (10.1) a layer has one bias; torch has two."),
            (first + (L - 1) * (above - h) + output, "each layer has a bias of its own."),
            (first + (L - 1) * (above - h * h) + output, "an upper layer has weights for its own past as well."),
            (first + output, "this does not grow with the number of layers: are their weights shared?"),
        ]
        if not close(result, first + (L - 1) * above + output):
            return _slip(result, slips) or f"for L = {L}, D = {D}, h = {h}, q = {q} it is not {result}."


@checker(
    "10.survival",
    praise="Dropout on the way up costs the same for every lag; on the way right it wears the memory away.",
)
def survival(answer):
    for p, L, k in ((0.3, 4, 5), (0.2, 2, 20), (0.1, 1, 10)):
        result = call(answer, p, L, k)
        try:
            up, both = (float(value) for value in result)
        except (TypeError, ValueError):
            return "return two numbers: dropout between layers only, and over time as well."
        keep = 1 - p
        if close(up, keep ** (L - 1 + k)) and close(both, keep ** (L - 1)):
            return "both numbers are right, but in the other order."
        slips = [
            (keep**L, "there is no mask below the first layer: how many arrows lie between L layers?"),
            (p ** (L - 1), "that is the probability that all masks are zero; we need none to be."),
            (1 - p ** (L - 1), "that is the probability that not all masks are zero; we need none to be."),
            (keep ** (L + 1), "no mask lies below the first layer or above the last one."),
            (keep, "that is one mask; a deeper network has more of them."),
        ]
        if not close(up, keep ** (L - 1)):
            return "first number: " + (_slip(up, slips) or "count the arrows that go up between layers.")
        slips = [
            (keep**k, "the path also goes up."),
            (keep ** ((L - 1) * k), "one path goes up L − 1 times in all, not at each step."),
            (keep ** (L * k), "one path goes right k times in all, not in each layer."),
            (keep ** (L - 1) + keep**k, "the masks are independent, and all must be free: that is a product."),
            (keep ** (L + k), "one factor too many: how many arrows lie between L layers?"),
        ]
        if not close(both, keep ** (L - 1 + k)):
            return "second number: " + (_slip(both, slips) or "count the arrows up and the arrows to the right.")


@checker(
    "10.paths",
    praise="All paths have the same length, and their number grows as a power of T: depth adds ways, few steps.",
)
def paths(answer):
    for T, L in ((6, 3), (10, 4), (1, 1), (5, 1)):
        result = call(answer, T, L)
        try:
            number, length = result
        except (TypeError, ValueError):
            return "return two numbers: how many paths, and how many arrows each has."
        slips = [
            (math.comb(T + L - 1, L), "one up too many: how often does a path go up between L layers?"),
            (math.comb(T + L, L), "count the arrows between states only, then draw T = 2, L = 2."),
            (math.comb(T + L - 1, L - 1), "count the arrows to the right again: from step 1 to step T."),
            (L**T, "a path cannot go down again after it has gone up."),
            (L ** (T - 1), "a path cannot go down again after it has gone up."),
            (T ** (L - 1), "each up may happen at any step, but not before the up below it."),
            (T * L, "that is the number of states, not of paths."),
            (2 ** (T + L - 2), "not every sequence of ups and rights ends in the top layer at step T."),
        ]
        if not close(number, math.comb(T + L - 2, L - 1)):
            return f"for T = {T}, L = {L} the number of paths: " + (_slip(number, slips) or f"it is not {number}.")
        slips = [
            (T + L - 2, "the arrows from the input and to the output are missing."),
            (T + L - 1, "count both the arrow from X_1 and the one to O_T."),
            (T * L, "a path does not pass every state."),
            (T + L + 1, "one too many: from step 1 to step T it goes to the right T − 1 times."),
        ]
        if not close(length, T + L):
            return f"for T = {T}, L = {L} the length: " + (_slip(length, slips) or f"it is not {length}.")


@checker(
    "10.skip_gain",
    praise="Squares add because the identity and a random matrix point in unrelated directions.",
)
def skip_gain(answer):
    for s, L in ((0.58, 8), (1.0, 3), (2.0, 5)):
        result = call(answer, s, L)
        slips = [
            ((1 + s) ** (L - 1), "lengths would add if J always pointed in the direction of u itself; does it?"),
            ((1 + s * s) ** (L - 1), "that is the square of the gain."),
            ((1 + s * s) ** (L / 2), "one factor too many: from layer L down to layer 1."),
            (s ** (L - 1), "that is without skips."),
            (math.sqrt(1 + s ** (2 * (L - 1))), "each factor has an identity; you added only one."),
            (math.sqrt(1 + (L - 1) * s * s), "the factors are multiplied: (10.6) is not a sum of single layers."),
        ]
        if not close(result, (1 + s * s) ** ((L - 1) / 2), 1e-4):
            return _slip(result, slips) or f"for s = {s}, L = {L} it is not {float(result):.4g}."


@checker(
    "10.table",
    praise="One learning rate for all depths would have decided the comparison before it began.",
)
def table(answer):
    wanted = [(layers, lr) for layers in (1, 4) for lr in (0.002, 0.02, 0.2)]
    if not isinstance(answer, dict) or not set(wanted) <= set(answer):
        return "a dict is asked for, with a pair (plain, skip) for each of the six keys (layers, learning rate)."
    try:
        rows = {key: tuple(float(value) for value in answer[key]) for key in wanted}
    except (TypeError, ValueError):
        return "each value is a pair of perplexities, without and with skips."
    if any(len(row) != 2 for row in rows.values()):
        return "each value is a pair of perplexities, without and with skips."
    numbers = [value for row in rows.values() for value in row]
    if min(numbers) < 3:
        return "a perplexity below the floor: did you leave out the exponential?"
    if any(abs(plain - skip) > 1e-3 * plain for (layers, _), (plain, skip) in rows.items() if layers == 1):
        return "with one layer there is nothing to skip: its two numbers should be the same."
    if len({round(rows[4, lr][0], 4) for lr in (0.002, 0.02, 0.2)}) < 3:
        return "the same number at several learning rates: does your loop pass lr on?"
    if all(abs(rows[4, lr][0] - rows[4, lr][1]) < 1e-3 for lr in (0.002, 0.02, 0.2)):
        return "the same numbers without and with skips: does your loop pass skips on?"
    if rows[1, 0.002][0] < rows[1, 0.02][0]:
        return "0.002 better than 0.02 after so few updates? Look at the order of the keys."


def _slip(result, slips):
    return next((problem for slip, problem in slips if close(result, slip, 1e-5)), None)
