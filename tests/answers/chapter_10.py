"""Answers to the exercises of chapter 10, deep recurrent networks."""

import math

from d2lrnn import cells


def stacked(inputs, states, lower, upper):
    below, H_1 = cells.rnn(inputs, states[0], lower)
    outputs, H_2 = cells.rnn(below, states[1], upper)
    return outputs, (H_1, H_2)


def with_outputs(change):
    """The right states, with the outputs that `change` makes."""

    def answer(inputs, states, lower, upper):
        _, last = stacked(inputs, states, lower, upper)
        return change(inputs, states, lower, upper), last

    return answer


def swapped_states(inputs, states, lower, upper):
    outputs, (H_1, H_2) = stacked(inputs, states, lower, upper)
    return outputs, (H_2, H_1)


def old_states(inputs, states, lower, upper):
    return stacked(inputs, states, lower, upper)[0], states


def count(L, D, h, q, biases=1, above=None, times=None, output=None, output_bias=True):
    first = D * h + h * h + biases * h
    above = (lambda D, h: 2 * h * h + biases * h) if above is None else above
    times = L - 1 if times is None else times
    return first + times * above(D, h) + (1 if output is None else output) * (h * q + output_bias * q)


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
    return math.sqrt(abs(squared_gain - s * s))


def paths(T, L):
    return math.comb(T + L - 2, L - 1), T + L


def number(change):
    return lambda T, L: (change(T, L), T + L)


def length(change):
    return lambda T, L: (paths(T, L)[0], change(T, L))


TABLE = {
    (1, 0.002): (60.0, 60.0),
    (1, 0.02): (14.0, 14.0),
    (1, 0.2): (30.0, 30.0),
    (4, 0.002): (80.0, 50.0),
    (4, 0.02): (16.0, 14.0),
    (4, 0.2): (90.0, 70.0),
}
RIGHT = {
    "two_layers": stacked,
    "parameters": count,
    "deepest": deepest,
    "paths": paths,
    "skip_strength": lambda s, L, gain: math.sqrt(gain ** (2 / (L - 1)) - s * s),
    "table": TABLE,
}

WRONG = [
    ("two_layers", lambda *arguments: 1.0, "a pair of last states"),
    ("two_layers", lambda inputs, *rest: (1.0, rest[0]), "must be a tensor"),
    ("two_layers", with_outputs(lambda X, H, lower, upper: cells.rnn(X, H[0], lower)[0]), "of the lower layer"),
    ("two_layers", with_outputs(lambda X, H, lower, upper: cells.rnn(X, H[1], upper)[0]), "reads the inputs"),
    (
        "two_layers",
        with_outputs(lambda X, H, lower, upper: cells.rnn(*cells.rnn(X, H[0], lower), upper)[0]),
        "lower one's last state",
    ),
    ("two_layers", with_outputs(lambda X, H, lower, upper: stacked(X, (H[0], None), lower, upper)[0]), "are not used"),
    ("two_layers", with_outputs(lambda X, H, lower, upper: stacked(X, (None, None), lower, upper)[0]), "are not used"),
    ("two_layers", with_outputs(lambda X, H, lower, upper: stacked(X, H[::-1], lower, upper)[0]), "changed places"),
    ("two_layers", with_outputs(lambda X, H, lower, upper: stacked(X, H, lower, lower)[0]), "nothing is shared"),
    (
        "two_layers",
        with_outputs(lambda X, H, lower, upper: stacked(X, H, lower, upper)[0] + cells.rnn(X, H[0], lower)[0]),
        "skip connection",
    ),
    ("two_layers", with_outputs(lambda X, H, lower, upper: 2 * X), "not those of (10.1)"),
    ("two_layers", swapped_states, "in the other order"),
    ("two_layers", old_states, "not those of both layers"),
    ("parameters", lambda L, D, h, q: count(L, D, h, q, above=lambda D, h: D * h + h * h + h), "do not read X"),
    ("parameters", lambda L, D, h, q: count(L, h, h, q), "the first layer reads X"),
    ("parameters", lambda L, D, h, q: count(L, D, h, q, times=L), "one layer too many"),
    ("parameters", lambda L, D, h, q: count(L, D, h, q, output=0), "output layer is missing"),
    ("parameters", lambda L, D, h, q: count(L, D, h, q, output_bias=False), "bias of the output layer"),
    ("parameters", lambda L, D, h, q: count(L, D, h, q, output=L), "only the top layer"),
    ("parameters", lambda L, D, h, q: count(L, D, h, q, biases=2), "torch has two"),
    ("parameters", lambda L, D, h, q: count(L, D, h, q, above=lambda D, h: 2 * h * h), "a bias of its own"),
    ("parameters", lambda L, D, h, q: count(L, D, h, q, above=lambda D, h: h * h + h), "its own past as well"),
    ("parameters", lambda L, D, h, q: count(L, D, h, q, times=0), "weights shared"),
    ("parameters", lambda L, D, h, q: D * h + (2 * L - 1) * h * h + h * q + q, "biases of the recurrent layers"),
    ("parameters", lambda L, D, h, q: 7, "it is not 7"),
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
    ("skip_strength", lambda s, L, gain: gain ** (1 / (L - 1)) - s, "does it?"),
    ("skip_strength", lambda s, L, gain: gain ** (2 / (L - 1)) - s * s, "square of the strength"),
    ("skip_strength", lambda s, L, gain: 0.77, "it is not 0.77"),
    ("skip_strength", lambda s, L, gain: strength(gain ** (2 / L), s), "one factor too many"),
    ("skip_strength", lambda s, L, gain: strength(gain**2, s), "how many factors"),
    ("skip_strength", lambda s, L, gain: strength(gain ** (1 / (L - 1)), s), "squares with squares"),
    ("skip_strength", lambda s, L, gain: math.sqrt(gain ** (2 / (L - 1)) + s * s), "leave room"),
    ("skip_strength", lambda s, L, gain: gain ** (1 / (L - 1)), "without the J"),
    ("skip_strength", lambda s, L, gain: math.sqrt(1 + s * s), "what you look for"),
    ("skip_strength", lambda s, L, gain: 1.0, "whatever is wanted"),
    ("table", 3, "a dict is asked for"),
    ("table", dict.fromkeys(TABLE, 12.0), "a pair of perplexities"),
    ("table", dict.fromkeys(TABLE, (12.0, 12.0, 12.0)), "a pair of perplexities"),
    ("table", {key: (math.log(a), math.log(b)) for key, (a, b) in TABLE.items()}, "the exponential"),
    ("table", TABLE | {(1, 0.02): (14.0, 12.0)}, "nothing to skip"),
    ("table", {key: (b, a) for key, (a, b) in TABLE.items()}, "within each pair"),
    ("table", TABLE | {(4, 0.2): (16.0, 14.0)}, "pass lr on"),
    ("table", {key: (a, a) for key, (a, b) in TABLE.items()}, "pass skips on"),
    ("table", TABLE | {(1, 0.02): (11.2, 11.2)}, "num_updates=60"),
    ("table", TABLE | {(1, 0.002): (12.0, 12.0)}, "order of the keys"),
]
