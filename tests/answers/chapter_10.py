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


def survival(p, L, k):
    return (1 - p) ** (L - 1), (1 - p) ** (L - 1 + k)


def first(change):
    return lambda p, L, k: (change(p, L), survival(p, L, k)[1])


def second(change):
    return lambda p, L, k: (survival(p, L, k)[0], change(p, L, k))


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
    "survival": survival,
    "paths": paths,
    "skip_gain": lambda s, L: math.sqrt(1 + s * s) ** (L - 1),
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
    ("parameters", lambda L, D, h, q: count(L, D, h, q, times=L), "one layer too many"),
    ("parameters", lambda L, D, h, q: count(L, D, h, q, output=0), "output layer is missing"),
    ("parameters", lambda L, D, h, q: count(L, D, h, q, output_bias=False), "bias of the output layer"),
    ("parameters", lambda L, D, h, q: count(L, D, h, q, output=L), "only the top layer"),
    ("parameters", lambda L, D, h, q: count(L, D, h, q, biases=2), "torch has two"),
    ("parameters", lambda L, D, h, q: count(L, D, h, q, above=lambda D, h: 2 * h * h), "a bias of its own"),
    ("parameters", lambda L, D, h, q: count(L, D, h, q, above=lambda D, h: h * h + h), "its own past as well"),
    ("parameters", lambda L, D, h, q: count(L, D, h, q, times=0), "weights shared"),
    ("parameters", lambda L, D, h, q: 7, "it is not 7"),
    ("survival", lambda p, L, k: 0.5, "return two numbers"),
    ("survival", lambda p, L, k: survival(p, L, k)[::-1], "in the other order"),
    ("survival", first(lambda p, L: (1 - p) ** L), "below the first layer"),
    ("survival", first(lambda p, L: p ** (L - 1)), "all masks are zero"),
    ("survival", first(lambda p, L: 1 - p ** (L - 1)), "not all masks are zero"),
    ("survival", first(lambda p, L: (1 - p) ** (L + 1)), "above the last one"),
    ("survival", first(lambda p, L: 1 - p), "has more of them"),
    ("survival", first(lambda p, L: 7), "count the arrows that go up"),
    ("survival", second(lambda p, L, k: (1 - p) ** k), "also goes up"),
    ("survival", second(lambda p, L, k: (1 - p) ** (L * k)), "in each layer"),
    ("survival", second(lambda p, L, k: (1 - p) ** ((L - 1) * k)), "not at each step"),
    ("survival", second(lambda p, L, k: (1 - p) ** (L - 1) + (1 - p) ** k), "that is a product"),
    ("survival", second(lambda p, L, k: (1 - p) ** (L + k)), "one factor too many"),
    ("survival", second(lambda p, L, k: 7), "arrows to the right"),
    ("paths", lambda T, L: 3, "return two numbers"),
    ("paths", number(lambda T, L: math.comb(T + L - 1, L)), "one up too many"),
    ("paths", number(lambda T, L: math.comb(T + L, L)), "between states only"),
    ("paths", number(lambda T, L: math.comb(T + L - 1, L - 1)), "to the right again"),
    ("paths", number(lambda T, L: L**T), "cannot go down again"),
    ("paths", number(lambda T, L: L ** (T - 1)), "cannot go down again"),
    ("paths", number(lambda T, L: T ** (L - 1)), "the up below it"),
    ("paths", number(lambda T, L: T * L), "number of states"),
    ("paths", number(lambda T, L: 2 ** (T + L - 2)), "in the top layer"),
    ("paths", number(lambda T, L: 77), "it is not 77"),
    ("paths", length(lambda T, L: T + L - 2), "are missing"),
    ("paths", length(lambda T, L: T + L - 1), "both the arrow"),
    ("paths", length(lambda T, L: T + L + 1), "one too many"),
    ("paths", length(lambda T, L: 99), "it is not 99"),
    ("skip_gain", lambda s, L: (1 + s) ** (L - 1), "does it?"),
    ("skip_gain", lambda s, L: (1 + s * s) ** (L - 1), "square of the gain"),
    ("skip_gain", lambda s, L: (1 + s * s) ** (L / 2), "one factor too many"),
    ("skip_gain", lambda s, L: s ** (L - 1), "without skips"),
    ("skip_gain", lambda s, L: math.sqrt(1 + s ** (2 * (L - 1))), "added only one"),
    ("skip_gain", lambda s, L: math.sqrt(1 + (L - 1) * s * s), "not a sum"),
    ("skip_gain", lambda s, L: 1.0, "it is not 1"),
    ("table", 3, "a dict is asked for"),
    ("table", dict.fromkeys(TABLE, 12.0), "a pair of perplexities"),
    ("table", dict.fromkeys(TABLE, (12.0, 12.0, 12.0)), "a pair of perplexities"),
    ("table", {key: (math.log(a), math.log(b)) for key, (a, b) in TABLE.items()}, "the exponential"),
    ("table", TABLE | {(1, 0.02): (14.0, 12.0)}, "nothing to skip"),
    ("table", TABLE | {(4, 0.2): (16.0, 14.0)}, "pass lr on"),
    ("table", {key: (a, a) for key, (a, b) in TABLE.items()}, "pass skips on"),
    ("table", TABLE | {(1, 0.002): (12.0, 12.0)}, "order of the keys"),
]
