"""Answers to the exercises of chapter 1, sequence models."""

import math

import numpy as np
import torch

from d2lrnn.forecasting import windows


def forward(start, matrices):
    for P in matrices:
        start = start @ P
    return start


def split(series, num_train, tau):
    return windows(series[:num_train], tau), windows(series[num_train:], tau)


def log_prob(states, initial, transition):
    return initial[states[0]].log() + transition.log()[states[:-1], states[1:]].sum()


def log_prob_of_tensors(states, initial, transition):
    """A list of one state would make an empty tensor of floats here, which is no index."""
    return initial.log()[states[0]] + transition[torch.tensor(states[:-1]), torch.tensor(states[1:])].log().sum()


def split_as_arrays(series, num_train, tau):
    return [[X.numpy(), y.tolist()] for X, y in split(series, num_train, tau)]


def split_as_views(series, num_train, tau):
    """NumPy's windows are read-only views."""
    parts = series.numpy()[:num_train], series.numpy()[num_train:]
    return [(np.lib.stride_tricks.sliding_window_view(part, tau)[:-1], part[tau:]) for part in parts]


def product(states, initial, transition):
    return initial[states[0]] * math.prod(transition[i, j] for i, j in zip(states[:-1], states[1:], strict=True))


def ar1(x, a, sigma, k):
    return a**k * x, sigma**2 * (1 - a ** (2 * k)) / (1 - a**2)


RIGHT = {
    "rule": "d",
    "parameters": lambda s, r: s**r * (s - 1),
    "forward": forward,
    "windows": split,
    "log_prob": log_prob,
    "ar1": ar1,
}

ALSO_RIGHT = [
    ("rule", ["d"]),
    ("rule", "d)"),
    ("log_prob", log_prob_of_tensors),
    ("windows", split_as_arrays),
    ("windows", split_as_views),
    ("forward", lambda p, P: forward(p, P).tolist()),
    ("forward", lambda p, P: forward(p.numpy(), P.numpy())),
    ("parameters", lambda s, r: math.pow(s, r) * (s - 1)),
    ("ar1", lambda x, a, s, k: (a**k * x, sum((a**j * s) ** 2 for j in range(k)))),
]

WRONG = [
    ("rule", "ab", "one of the letters"),
    ("log_prob", lambda s, p, P: "-9", "numbers are asked for, not str"),
    ("log_prob", lambda s, p, P: P, "one number is asked for, not 9"),
    ("windows", lambda s, n, tau: split(s, n, tau)[::-1], "reaches into the held-out part"),
    ("ar1", lambda x, a, s, k: (a**k * x, math.nan), "is wrong"),
    ("rule", "a", "on the training part"),
    ("rule", "B", "noise in its two inputs"),
    ("rule", "c", "be smaller"),
    ("rule", 2, "one of the letters"),
    ("parameters", lambda s, r: s ** (r + 1), "add up to"),
    ("parameters", lambda s, r: s**r, "contexts"),
    ("parameters", lambda s, r: s * (s - 1), "does not depend on the order"),
    ("parameters", lambda s, r: r * s * (s - 1), "linearly"),
    ("parameters", lambda s, r: r**s, "Write down that table"),
    ("parameters", lambda s, r: r**2 * s * (s - 1), "for 3 states and order 2 you return 24"),
    ("parameters", lambda s, r: s**r * (s - 1) if r else 2, "for 2 states and order 0 you return 2"),
    ("forward", lambda p, P: forward(p, P.mT), "swapped"),
    ("forward", lambda p, P: forward(p, P.flip(0)), "wrong order"),
    ("forward", lambda p, P: p @ torch.linalg.matrix_power(P[0], len(P)), "same matrix"),
    ("forward", lambda p, P: forward(p, P[:-1]), "one step is missing"),
    ("forward", lambda p, P: torch.linalg.multi_dot(list(P)), "shape (3,)"),
    ("forward", lambda p, P: p, "enumeration"),
    ("forward", lambda p, P: p @ torch.linalg.multi_dot(list(P)) if len(P) else p * 0, "no step at all"),
    ("windows", lambda s, n, tau: (windows(s, tau), windows(s[n:], tau)), "reaches into the held-out part"),
    (
        "windows",
        lambda s, n, tau: tuple((s.unfold(0, tau, 1)[a:b], s[tau - 1 :][a:b]) for a, b in ((0, n - tau), (n, None))),
        "one of the inputs",
    ),
    ("windows", lambda s, n, tau: (windows(s[:n], tau), windows(s[n - tau :], tau)), "begins in the training part"),
    ("windows", lambda s, n, tau: tuple((X[:-1], y[:-1]) for X, y in split(s, n, tau)), "off by some"),
    ("windows", lambda s, n, tau: (windows(s[:n], tau, 2), windows(s[n:], tau, 2)), "off by some"),
    ("windows", lambda s, n, tau: tuple((X.flip(1), y) for X, y in split(s, n, tau)), "backwards"),
    ("windows", lambda s, n, tau: tuple((X.flip(0), y.flip(0)) for X, y in split(s, n, tau)), "shuffled"),
    ("windows", lambda s, n, tau: tuple((X - 100, y) for X, y in split(s, n, tau)), "begins in the training part"),
    ("windows", lambda s, n, tau: tuple((X + 0.25, y) for X, y in split(s, n, tau)), "right before its label"),
    ("windows", lambda s, n, tau: tuple((X, y + 0.25) for X, y in split(s, n, tau)), "right after the last value"),
    ("windows", lambda s, n, tau: windows(s, tau)[0], "return two pairs"),
    ("windows", lambda s, n, tau: split(s, n, tau + 1), "should be (N, τ)"),
    ("log_prob", product, "the probability itself"),
    ("log_prob", lambda s, p, P: product(s, p, P).log(), "underflows"),
    ("log_prob", lambda s, p, P: -log_prob(s, p, P), "sign"),
    ("log_prob", lambda s, p, P: log_prob(s, p, P) - p[s[0]].log(), "first state is missing"),
    ("log_prob", lambda s, p, P: log_prob(s, p, P) / math.log(2), "bits"),
    ("log_prob", lambda s, p, P: log_prob(s, p, P.mT), "swapped"),
    ("log_prob", lambda s, p, P: log_prob(s, p, P) / len(s), "mean per state"),
    ("log_prob", lambda s, p, P: log_prob(s, p, P) - 1, "you return -10."),
    ("log_prob", lambda s, p, P: log_prob(s, p, P) if len(s) < 9 else -1.0, "wrong for 1,600"),
    ("ar1", lambda x, a, s, k: (a * x, s**2), "should change with k"),
    ("ar1", lambda x, a, s, k: (a * k * x, s**2), "k times the weight"),
    ("ar1", lambda x, a, s, k: (x, s**2), "naive"),
    ("ar1", lambda x, a, s, k: (-x, s**2), "k = 2 is wrong"),
    ("ar1", lambda x, a, s, k: (a**k * x, math.sqrt(ar1(x, a, s, k)[1])), "standard deviation of the error"),
    ("ar1", lambda x, a, s, k: (a**k * x, k * s**2), "random walk"),
    ("ar1", lambda x, a, s, k: (a**k * x, s**2), "one step"),
    ("ar1", lambda x, a, s, k: (a**k * x, s**2 * (1 - a**k) / (1 - a)), "powers of a"),
    ("ar1", lambda x, a, s, k: (a**k * x, s * (1 - a ** (2 * k)) / (1 - a**2)), "not its variance"),
    ("ar1", lambda x, a, s, k: (a**k * x, s**2 / (1 - a**2)), "for k → ∞"),
    ("ar1", lambda x, a, s, k: (a**k * x, 7.0), "independent"),
    ("ar1", lambda x, a, s, k: a**k * x, "two numbers"),
    ("ar1", lambda x, a, s, k: ar1(x, abs(a), s, k), "right for a positive a"),
    ("ar1", lambda x, a, s, k: ar1(2.0, a, s, k), "does not depend on x"),
    ("ar1", lambda x, a, s, k: ar1(2.0, 0.8, 0.5, k), "for x = -1.5, a = -0.6 and k = 3 is wrong"),
    ("ar1", lambda x, a, s, k: ar1(x, a, 0.5, k), "for a = -0.6, σ = 2 and k = 3 is wrong"),
    ("ar1", lambda x, a, s, k: (a**k * x, ar1(x, 0.8, s, k)[1]), "for a = -0.6, σ = 2 and k = 3 is wrong"),
]
