"""Checkers for chapter 1, sequence models."""

import math

import torch

from d2lrnn.exercises import as_tensor, call, checker, close, find_slip, letters, number


@checker("01.rule", praise="The rule keeps the wave, and the noise of its two inputs as well, many times enlarged.")
def rule(answer):
    reasons = {
        "a": "the fitted weights have the smallest one-step error on the training part. Why should the rule be better?",
        "b": "the rule keeps the wave, its eigenvalues are 1 in size. But what becomes of the noise in its two inputs?",
        "c": "the fitted weights were chosen for the smallest one-step error. Could the rule's be smaller?",
    }
    chosen = letters(answer, "ABCD")
    if not chosen or len(chosen) > 1:
        return 'answer with one of the letters "a", "b", "c", "d".'
    return reasons.get(chosen.pop().lower())


@checker("01.parameters", praise="The table grows exponentially with the order: this is why n-grams run out of data.")
def parameters(answer):
    cases = [(3, 1), (3, 2), (27, 3), (5, 4), (2, 0)]
    results = [number(call(answer, s, r)) for s, r in cases]

    def all_equal(formula):
        return all(result == formula(s, r) for result, (s, r) in zip(results, cases, strict=True))

    if all_equal(lambda s, r: s**r * (s - 1)):
        return None
    if all_equal(lambda s, r: s ** (r + 1)):
        return "these are the entries of the table. Not all are free: what do the entries of one row add up to?"
    if all_equal(lambda s, r: s**r):
        return "these are the contexts. How many free probabilities does each context have?"
    if all_equal(lambda s, r: s * (s - 1)):
        return "this does not depend on the order. How many different contexts are τ states long?"
    if all_equal(lambda s, r: r * s * (s - 1)):
        return "this grows only linearly with the order: contexts are sequences of states, so their number multiplies."
    pairs = zip(results, cases, strict=True)
    result, s, r = next((result, s, r) for result, (s, r) in pairs if result != s**r * (s - 1))
    return f"for {s} states and order {r} you return {result:g}. Write down that table and count."


@checker("01.forward", praise="No path was listed, and yet all of them are counted.")
def forward(answer):
    generator = torch.Generator().manual_seed(1)
    start = torch.tensor([0.5, 0.2, 0.3], dtype=torch.float64)
    matrices = torch.rand(4, 3, 3, generator=generator, dtype=torch.float64)
    matrices /= matrices.sum(2, keepdim=True)
    result = call(answer, start.clone(), matrices.clone())

    def product(p, steps):
        for P in steps:
            p = p @ P
        return p

    if close(result, product(start, matrices)):
        if not close(call(answer, start.clone(), matrices[:0]), start):
            return "with no step at all (k = 0) the distribution should stay as it was."
        return None
    if close(result, product(start, matrices.mT)):
        return "rows and columns are swapped: entry (i, j) is the probability to go from i to j."
    if close(result, product(start, matrices.flip(0))):
        return "the matrices are applied in the wrong order: the first one is that of the first step."
    if close(result, product(start, matrices[:1].expand(4, 3, 3))):
        return "the same matrix is used at every step, but this chain changes with time."
    if close(result, product(start, matrices[:-1])):
        return "one step is missing."
    shape = tuple(as_tensor(result).shape)
    if shape != (3,):
        return f"the result should have shape (3,), one probability for each state, not {shape}."
    return "not the distribution after the last step. Compare with an enumeration of the paths for k = 1, then k = 2."


@checker("01.windows", praise="Nothing held out is in a training window, and no label is among its own inputs.")
def split_windows(answer):
    series = torch.arange(20, dtype=torch.float64)
    result = call(answer, series.clone(), 12, 3)
    try:
        (X_train, y_train), (X_held_out, y_held_out) = ((as_tensor(X), as_tensor(y)) for X, y in result)
    except (TypeError, ValueError):
        return "return two pairs: (X_train, y_train), (X_held_out, y_held_out)."
    for name, X, y in (("training", X_train, y_train), ("held-out", X_held_out, y_held_out)):
        if X.dim() != 2 or X.shape[1] != 3 or y.shape != X.shape[:1]:
            return f"the {name} windows should be (N, τ) and (N,), not {tuple(X.shape)} and {tuple(y.shape)}."
        if len(X) and (X == y[:, None]).any():
            return f"leakage: the label is one of the inputs of its own {name} window."
        if len(X) and bool((X[:, 0] > X[:, -1]).all()):
            return "the windows run backwards: the oldest value comes first."
    if (y_train >= 12).any() or (X_train >= 12).any():
        return "leakage: a training window reaches into the held-out part."
    if (X_held_out < 12).any():
        return "a held-out window begins in the training part: here no window may straddle the split."
    if (y_train[1:] < y_train[:-1]).any():
        return "the windows are shuffled: keep them in the order of time."
    if len(y_train) != 9 or len(y_held_out) != 5:
        return (
            f"{len(y_train)} training and {len(y_held_out)} held-out windows from 12 and 8 values with τ = 3: "
            "off by some. Check the first and the last window of each part by hand."
        )
    if not (close(y_train, series[3:12]) and close(y_held_out, series[15:])):
        return "the label should be the value right after the last value of its window."
    if not close(X_train, series[:12].unfold(0, 3, 1)[:9]) or not close(X_held_out, series[12:].unfold(0, 3, 1)[:5]):
        return "a window should hold the three values right before its label."
    return None


@checker("01.log_prob", praise="The sum of 1,600 logarithms is an ordinary number; the product would be 0 in float64.")
def log_prob(answer):
    initial = torch.tensor([0.6, 0.3, 0.1], dtype=torch.float64)
    transition = torch.tensor([[0.7, 0.2, 0.1], [0.3, 0.4, 0.3], [0.2, 0.4, 0.4]], dtype=torch.float64)
    short = [0, 0, 1, 2, 2, 1, 0, 2]
    result = number(call(answer, list(short), initial.clone(), transition.clone()))
    first = math.log(initial[short[0]])
    steps = sum(math.log(transition[i, j]) for i, j in zip(short[:-1], short[1:], strict=True))
    transposed = sum(math.log(transition[j, i]) for i, j in zip(short[:-1], short[1:], strict=True))
    if close(result, math.exp(first + steps)):
        return "that is the probability itself. Return its natural logarithm."
    if close(result, -(first + steps)):
        return "the sign is wrong: the logarithm of a probability is never positive."
    if close(result, steps):
        return "the first state is missing: the chain rule begins with P(x_1)."
    if close(result, (first + steps) / math.log(2)):
        return "that is in bits. This book counts in nats: use the natural logarithm."
    if close(result, first + transposed):
        return "rows and columns are swapped: entry (i, j) is the probability to go from i to j."
    if close(result, (first + steps) / len(short)):
        return "that is the mean per state. Here the sum is asked for."
    if not close(result, first + steps):
        return f"for the states {short} you return {result:.4f}. Write out the eight factors by hand."
    long = short * 200
    joins = 199 * math.log(transition[short[-1], short[0]])
    result = number(call(answer, long, initial.clone(), transition.clone()))
    if math.isinf(result):
        return f"right for 8 states, but {result} for 1,600: the product underflows to 0 before you take its logarithm."
    if not close(result, first + 200 * steps + joins):
        return "right for 8 states, wrong for 1,600."
    return None


@checker("01.ar1", praise="For large k the prediction is the mean and the variance is that of the series: σ²/(1 − a²).")
def ar1(answer):
    cases = [(2.0, 0.8, 0.5, k) for k in (2, 1, 5, 60)] + [(-1.5, -0.6, 2.0, k) for k in (3, 2, 1)]
    for x, a, sigma, k in cases:
        result = call(answer, x, a, sigma, k)
        try:
            prediction, variance = map(number, result)
        except (TypeError, ValueError):
            return "return two numbers: the prediction and the variance of its error."
        if not close(prediction, a**k * x):
            slips = [
                (a * x, "the prediction is right for one step only: it should change with k."),
                (a * k * x, "the weight is applied k times, one after the other. That is not k times the weight."),
                (x, "the prediction repeats the last value: that is the naive forecast."),
                (abs(a) ** k * x, "right for a positive a. With a negative a, what does one more step do to the sign?"),
                (a**k * 2.0, "the prediction does not depend on x as it should."),
            ]
            wrong = f"the prediction for x = {x:g}, a = {a:g} and k = {k} is wrong. Write out k = 2 by hand."
            return find_slip(prediction, slips) or wrong
        expected = sigma**2 * (1 - a ** (2 * k)) / (1 - a**2)
        slips = [
            (math.sqrt(expected), "that is the standard deviation of the error. The variance is asked for."),
            (
                sigma**2 / (1 - a**2),
                "your variance does not change with k: it is the value that the right one tends to for k → ∞.",
            ),
            (
                k * sigma**2,
                "so the variance of a random walk grows. Here each noise term is also shrunk by later steps.",
            ),
            (
                sigma**2,
                "this is the noise of one step. The noise of the steps before it is still there, shrunk.",
            ),
            (
                sigma**2 * (1 - a**k) / (1 - a),
                "the noise terms are shrunk by powers of a. What happens to a factor when you take the variance?",
            ),
            (
                sigma * (1 - a ** (2 * k)) / (1 - a**2),
                "sigma is the standard deviation of the noise, not its variance.",
            ),
        ]
        if not close(variance, expected):
            wrong = f"the variance for a = {a:g}, σ = {sigma:g} and k = {k} is wrong. "
            wrong += "Write the error as a sum of k noise terms; they are independent."
            return find_slip(variance, slips) or wrong
    return None
