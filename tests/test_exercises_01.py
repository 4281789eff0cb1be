import math

import pytest
import torch

from d2lrnn import exercises
from d2lrnn.forecasting import windows


def line(capsys, name, answer):
    exercises.check(name, answer)
    return capsys.readouterr().out.strip()


def forward(start, matrices):
    for P in matrices:
        start = start @ P
    return start


def split(series, num_train, tau):
    return windows(series[:num_train], tau), windows(series[num_train:], tau)


def log_prob(states, initial, transition):
    return initial[states[0]].log() + transition.log()[states[:-1], states[1:]].sum()


def product(states, initial, transition):
    return initial[states[0]] * math.prod(transition[i, j] for i, j in zip(states[:-1], states[1:], strict=True))


def ar1(x, a, sigma, k):
    return a**k * x, sigma**2 * (1 - a ** (2 * k)) / (1 - a**2)


RIGHT = {
    "01.forecast": "b",
    "01.parameters": lambda s, r: s**r * (s - 1),
    "01.forward": forward,
    "01.windows": split,
    "01.log_prob": log_prob,
    "01.ar1": ar1,
}

WRONG = [
    ("01.forecast", "a", "a wave needs"),
    ("01.forecast", "C", "naive"),
    ("01.forecast", "d", "exceed 1"),
    ("01.forecast", 2, "one of the letters"),
    ("01.parameters", lambda s, r: s ** (r + 1), "add up to"),
    ("01.parameters", lambda s, r: s**r, "contexts"),
    ("01.parameters", lambda s, r: s * (s - 1), "does not depend on the order"),
    ("01.parameters", lambda s, r: r * s * (s - 1), "linearly"),
    ("01.parameters", lambda s, r: r**s, "Write down that table"),
    ("01.forward", lambda p, P: forward(p, P.mT), "swapped"),
    ("01.forward", lambda p, P: forward(p, P.flip(0)), "wrong order"),
    ("01.forward", lambda p, P: p @ torch.linalg.matrix_power(P[0], len(P)), "same matrix"),
    ("01.forward", lambda p, P: forward(p, P[:-1]), "one step is missing"),
    ("01.forward", lambda p, P: torch.linalg.multi_dot(list(P)), "shape (3,)"),
    ("01.forward", lambda p, P: p, "enumeration"),
    ("01.forward", lambda p, P: p @ torch.linalg.multi_dot(list(P)) if len(P) else p * 0, "no step at all"),
    ("01.windows", lambda s, n, tau: (windows(s, tau), windows(s[n:], tau)), "reaches into the held-out part"),
    (
        "01.windows",
        lambda s, n, tau: tuple((s.unfold(0, tau, 1)[a:b], s[tau - 1 :][a:b]) for a, b in ((0, n - tau), (n, None))),
        "one of the inputs",
    ),
    ("01.windows", lambda s, n, tau: (windows(s[:n], tau), windows(s[n - tau :], tau)), "begins in the training part"),
    ("01.windows", lambda s, n, tau: tuple((X[:-1], y[:-1]) for X, y in split(s, n, tau)), "off by some"),
    ("01.windows", lambda s, n, tau: (windows(s[:n], tau, 2), windows(s[n:], tau, 2)), "off by some"),
    ("01.windows", lambda s, n, tau: tuple((X.flip(1), y) for X, y in split(s, n, tau)), "backwards"),
    ("01.windows", lambda s, n, tau: tuple((X.flip(0), y.flip(0)) for X, y in split(s, n, tau)), "shuffled"),
    ("01.windows", lambda s, n, tau: tuple((X - 100, y) for X, y in split(s, n, tau)), "begins in the training part"),
    ("01.windows", lambda s, n, tau: tuple((X + 0.25, y) for X, y in split(s, n, tau)), "right before its label"),
    ("01.windows", lambda s, n, tau: tuple((X, y + 0.25) for X, y in split(s, n, tau)), "right after the last value"),
    ("01.windows", lambda s, n, tau: windows(s, tau)[0], "return two pairs"),
    ("01.windows", lambda s, n, tau: split(s, n, tau + 1), "should be (N, τ)"),
    ("01.log_prob", product, "the probability itself"),
    ("01.log_prob", lambda s, p, P: product(s, p, P).log(), "underflows"),
    ("01.log_prob", lambda s, p, P: -log_prob(s, p, P), "sign"),
    ("01.log_prob", lambda s, p, P: log_prob(s, p, P) - p[s[0]].log(), "first state is missing"),
    ("01.log_prob", lambda s, p, P: log_prob(s, p, P) / math.log(2), "bits"),
    ("01.log_prob", lambda s, p, P: log_prob(s, p, P.mT), "swapped"),
    ("01.log_prob", lambda s, p, P: log_prob(s, p, P) / len(s), "mean per state"),
    ("01.log_prob", lambda s, p, P: log_prob(s, p, P) - 1, "you return -10."),
    ("01.log_prob", lambda s, p, P: log_prob(s, p, P) if len(s) > 1 else 0.0, "single state"),
    ("01.log_prob", lambda s, p, P: log_prob(s, p, P) if len(s) < 9 else -1.0, "wrong for 1,600"),
    ("01.ar1", lambda x, a, s, k: (a * x, s**2), "should change with k"),
    ("01.ar1", lambda x, a, s, k: (a * k * x, s**2), "k times the weight"),
    ("01.ar1", lambda x, a, s, k: (x, s**2), "naive"),
    ("01.ar1", lambda x, a, s, k: (-x, s**2), "k = 2 is wrong"),
    ("01.ar1", lambda x, a, s, k: (a**k * x, math.sqrt(ar1(x, a, s, k)[1])), "standard deviation of the error"),
    ("01.ar1", lambda x, a, s, k: (a**k * x, k * s**2), "random walk"),
    ("01.ar1", lambda x, a, s, k: (a**k * x, s**2), "one step"),
    ("01.ar1", lambda x, a, s, k: (a**k * x, s**2 * (1 - a**k) / (1 - a)), "powers of a"),
    ("01.ar1", lambda x, a, s, k: (a**k * x, s * (1 - a ** (2 * k)) / (1 - a**2)), "not its variance"),
    ("01.ar1", lambda x, a, s, k: (a**k * x, s**2 / (1 - a**2)), "for k → ∞"),
    ("01.ar1", lambda x, a, s, k: (a**k * x, 7.0), "independent"),
    ("01.ar1", lambda x, a, s, k: a**k * x, "two numbers"),
]


@pytest.mark.parametrize("name", RIGHT)
def test_the_right_answer_passes(name, capsys):
    assert line(capsys, name, RIGHT[name]).startswith(f"✓ {name}")


@pytest.mark.parametrize("name, answer, hint", WRONG)
def test_a_typical_wrong_answer_gets_its_hint(name, answer, hint, capsys):
    printed = line(capsys, name, answer)
    assert printed.startswith(f"✗ {name}") and hint in printed


@pytest.mark.parametrize("name", RIGHT)
def test_a_stub_is_not_answered_and_an_error_is_reported(name, capsys):
    def raises(*arguments):
        raise KeyError("sun")

    assert "not answered yet" in line(capsys, name, ... if name == "01.forecast" else lambda *arguments: ...)
    if name != "01.forecast":
        assert "KeyError" in line(capsys, name, raises)
        assert "asks for a function" in line(capsys, name, 3)
