"""Checkers for chapter 10, deep recurrent networks."""

import math

import torch

from d2lrnn import cells
from d2lrnn.exercises import call, checker, close, find_slip, number


@checker(
    "10.two_layers",
    praise="A layer is a function from sequence to sequence, so stacking is calling it again on what came out.",
)
def two_layers(answer):
    generator = torch.Generator().manual_seed(0)
    lower, upper = (cells.init_rnn_params(5, 5, None, 0.7, generator) for _ in range(2))
    inputs = torch.randn(6, 2, 5, generator=generator)
    H_1, H_2 = torch.randn(2, 2, 5, generator=generator).tanh()
    copies = [{name: p.detach().clone() for name, p in params.items()} for params in (lower, upper)]
    result = call(answer, inputs.clone(), (H_1.clone(), H_2.clone()), *copies)
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
        return find_slip(outputs.detach(), slips) or "the outputs are not those of (10.1)."
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
        result = number(call(answer, L, D, h, q))
        first, output, above = D * h + h * h + h, h * q + q, 2 * h * h + h
        slips = [
            (L * first + output, "the layers from the second on do not read X: what size is their input?"),
            (L * above + output, "the first layer reads X: how many numbers is that?"),
            (first + L * above + output, "one layer too many: count the first one once."),
            (first + (L - 1) * above, "the output layer is missing."),
            (first + (L - 1) * above + h * q, "the bias of the output layer is missing."),
            (first + (L - 1) * above + L * output, "only the top layer feeds an output layer."),
            (first + (L - 1) * above + L * h + output, "in (10.1) a layer has one bias; torch has two."),
            (first + (L - 1) * (above - h) + output, "each layer has a bias of its own."),
            (first + (L - 1) * (above - h * h) + output, "an upper layer has weights for its own past as well."),
            (D * h + (2 * L - 1) * h * h + output, "the biases of the recurrent layers are missing."),
            (first + output, "this does not grow with the number of layers: are their weights shared?"),
        ]
        if not close(result, first + (L - 1) * above + output):
            return find_slip(result, slips) or f"for L = {L}, D = {D}, h = {h}, q = {q} it is not {result:g}."


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
        if not close(paths, math.comb(T + L - 2, L - 1)):
            return f"for T = {T}, L = {L} the number of paths: " + (find_slip(paths, slips) or f"it is not {paths:g}.")
        slips = [
            (T + L - 2, "the arrows from the input and to the output are missing."),
            (T + L - 1, "count both the arrow from X_1 and the one to O_T."),
            (T * L, "a path does not pass every state."),
            (T + L + 1, "one too many: from step 1 to step T it goes to the right T − 1 times."),
        ]
        if not close(length, T + L):
            return f"for T = {T}, L = {L} the length: " + (find_slip(length, slips) or f"it is not {length:g}.")


@checker(
    "10.skip_strength",
    praise="With gain = 1 this needs no L: a² = 1 − s². The skip then takes just what the new part adds.",
)
def skip_strength(answer):
    for s, L, gain in ((0.8, 3, 2.0), (0.58, 8, 1.0), (0.3, 5, 0.5)):
        result = number(call(answer, s, L, gain))
        squared = gain ** (2 / (L - 1)) - s * s
        slips = [
            (gain ** (1 / (L - 1)) - s, "lengths would add if J always pointed in the direction of u itself; does it?"),
            (squared, "that is the square of the strength."),
            (math.sqrt(abs(gain ** (2 / L) - s * s)), "one factor too many: from layer L down to layer 1."),
            (math.sqrt(abs(gain**2 - s * s)), "that gives one factor the whole gain; how many factors are there?"),
            (math.sqrt(abs(gain ** (1 / (L - 1)) - s * s)), "for one factor compare squares with squares."),
            (math.sqrt(gain ** (2 / (L - 1)) + s * s), "the square of J adds to the gain; the skip has to leave room."),
            (gain ** (1 / (L - 1)), "that is without the J."),
            (math.sqrt(1 + s * s), "that is the factor of (10.7), with a = 1; here a is what you look for."),
            (1.0, "with a = 1 the gain is that of (10.7), whatever is wanted."),
        ]
        if not close(result, math.sqrt(squared), 1e-4):
            return find_slip(result, slips) or f"for s = {s}, L = {L}, gain = {gain} it is not {result:.4g}."


@checker(
    "10.table",
    praise="One learning rate for all depths would have decided the comparison before it began.",
)
def table(answer):
    wanted = [(layers, lr) for layers in (1, 4) for lr in (0.002, 0.02, 0.2)]
    if not isinstance(answer, dict) or not set(wanted) <= set(answer):
        return "a dict is asked for, with a pair (plain, skip) for each of the six keys (layers, learning rate)."
    try:
        rows = {key: tuple(map(number, answer[key])) for key in wanted}
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
    if rows[4, 0.002][0] < rows[4, 0.002][1]:
        return "four layers worse with skips at 0.002? Look at the order within each pair: without, with."
    if rows[1, 0.02][0] < 13:
        return "one layer at 0.02 is too good for so few updates: did you pass num_updates=60?"
    if rows[1, 0.002][0] < rows[1, 0.02][0]:
        return "0.002 better than 0.02 after so few updates? Look at the order of the keys."
