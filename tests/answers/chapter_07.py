"""Answers to the exercises of chapter 7, vanishing and exploding gradients."""

import math

import numpy as np
import torch

from d2lrnn.dynamics import recurrent_matrix, spectral_radius


def pre_activation(x_t, h, params, bias=True):
    return (x_t @ params["W_xh"] + h @ params["W_hh"] + bias * params["b_h"])[0]


def tanh_slope(z):
    return 1 - torch.tanh(z) ** 2


def leaky(slope, combine=lambda slope, W: slope[:, None] * W.T, bias=True, keep=True, take=True):
    def answer(x_t, h, params, alpha):
        through = combine(slope(pre_activation(x_t, h, params, bias)), params["W_hh"])
        identity = torch.eye(h.shape[1], dtype=h.dtype)
        return keep * (1 - alpha) * identity + (alpha if take else 1) * through

    return answer


def leaky_step(x_t, h, params, alpha):
    return (1 - alpha) * h[0] + alpha * torch.tanh(pre_activation(x_t, h, params))


def leaky_with_slope_of(state):
    def answer(x_t, h, params, alpha):
        s = state(x_t, h, params, alpha)
        return (1 - alpha) * torch.eye(h.shape[1], dtype=h.dtype) + alpha * s[:, None] * params["W_hh"].T

    return answer


def leak_exchanged(x_t, h, params, alpha):
    return leaky(tanh_slope)(x_t, h, params, 1 - alpha)


def leak_everywhere(x_t, h, params, alpha):
    return 1 - alpha + alpha * tanh_slope(pre_activation(x_t, h, params))[:, None] * params["W_hh"].T


def by_autograd(x_t, h, params, alpha):
    return torch.autograd.functional.jacobian(lambda h: leaky_step(x_t, h, params, alpha), h)[:, 0]


def first_lag_below(c, s):
    return math.floor(math.log(s) / math.log(c)) + 1


def must_vanish(W, activation):
    return (0.25 if activation == "sigmoid" else 1) * torch.linalg.matrix_norm(W, 2) < 1


def forget_bias(k, s):
    gate = s ** (1 / k)
    return math.log(gate / (1 - gate))


FATES = {
    "linear, R": "stays",
    "tanh, 0.8 R": "vanishes",
    "sigmoid, 3 R": "vanishes",
    "ReLU, R": "vanishes",
    "ReLU, 1.2 I": "grows",
}

SMALL_WEIGHTS = [[0.9, 1, 1], [0, 0.9, 1], [0, 0, 0.9]]

RIGHT = {
    "fates": FATES,
    "jacobian": leaky(tanh_slope),
    "growing": SMALL_WEIGHTS,
    "lag": first_lag_below,
    "guarantee": must_vanish,
    "bias": forget_bias,
}

ALSO_RIGHT = [
    ("growing", np.array(SMALL_WEIGHTS)),
    ("growing", torch.tensor(SMALL_WEIGHTS).T),
    ("growing", [[0.9, -1, 0], [0, 0.9, -1], [0, 0, 0.9]]),
    ("jacobian", lambda *given: list(by_autograd(*given))),
    ("jacobian", by_autograd),
    ("guarantee", lambda W, activation: np.bool_(must_vanish(W, activation))),
    ("lag", lambda c, s: torch.tensor(first_lag_below(c, s))),
    ("bias", lambda k, s: torch.logit(torch.tensor(s, dtype=torch.float64) ** (1 / k))),
    ("bias", lambda k, s: -math.log(s ** (-1 / k) - 1)),
]

WRONG = [
    ("bias", lambda k, s: "3", "not str"),
    ("growing", [[float("nan"), 1], [0, 0.9]], "finite"),
    ("lag", lambda c, s: math.nan, "a lag is a whole number"),
    ("jacobian", lambda x_t, h, params, alpha: 0.25, "some entries differ"),
    ("jacobian", lambda *given: leaky(tanh_slope)(*given).T, "this is the transpose"),
    ("jacobian", leaky(tanh_slope, lambda slope, W: slope * W.T), "wrong side"),
    ("jacobian", leaky(tanh_slope, lambda slope, W: slope[:, None] * W), "W_hh is not transposed"),
    ("jacobian", leaky(torch.tanh), "φ stands where"),
    ("jacobian", leaky_with_slope_of(lambda *given: tanh_slope(leaky_step(*given))), "taken at h_t;"),
    ("jacobian", leaky(lambda z: tanh_slope(torch.tanh(z))), "taken at tanh(z_t)"),
    ("jacobian", leaky_with_slope_of(lambda *given: 1 - leaky_step(*given) ** 2), "only without the leak"),
    ("jacobian", leaky_with_slope_of(lambda x_t, h, params, alpha: tanh_slope(h[0])), "taken at h_(t−1)"),
    ("jacobian", leaky(lambda z: torch.sigmoid(z) * (1 - torch.sigmoid(z))), "logistic function"),
    ("jacobian", leaky(torch.ones_like), "slope of the activation is missing"),
    ("jacobian", leaky(tanh_slope, bias=False), "b_h is missing"),
    ("jacobian", leaky(tanh_slope, keep=False), "the part that is kept is missing"),
    ("jacobian", leaky(tanh_slope, take=False), "α is missing"),
    ("jacobian", leak_exchanged, "changed places"),
    ("jacobian", leak_everywhere, "to itself only"),
    ("jacobian", lambda *given: leaky(tanh_slope)(*given)[0], "that is a vector"),
    ("jacobian", leaky(tanh_slope, lambda slope, W: 2 * slope[:, None] * W.T), "some entries differ"),
    ("growing", [[0.9, 4.5]], "square"),
    ("growing", [[0.9, 1, 1, 0], [0, 0.9, 1, 0], [0, 0, 0.9, 0], [0, 0, 0, 0]], "not the smallest"),
    ("growing", [[0.9, 4.5], [0, 0.9]], "none may be above 1"),
    ("growing", [[0.9, 1], [0, 0.9]], "one more unit"),
    ("growing", [[1.1, 0], [0, 0.5]], "never vanish"),
    ("growing", [[0.5, 1], [0, 0.5]], "not 0.9"),
    ("growing", 0.9 * torch.eye(3), "is normal"),
    ("growing", recurrent_matrix("orthogonal", 4, 0.9, torch.Generator().manual_seed(0)), "is normal"),
    ("growing", [[0.9, 0.5], [0, 0.9]], "but only to"),
    ("growing", [[0.9, 0.01], [0, 0.5]], "no power of it"),
    ("fates", ["grows"] * 5, "asks for a dict"),
    ("fates", {"linear, R": "stays"}, "the keys must be"),
    ("fates", FATES | {"linear, R": "grows"}, "changes no length"),
    ("fates", FATES | {"tanh, 0.8 R": "stays"}, "σ_max = 0.8"),
    ("fates", FATES | {"sigmoid, 3 R": "grows"}, "γ for the sigmoid"),
    ("fates", FATES | {"ReLU, R": "stays"}, "how many of the units"),
    ("fates", FATES | {"ReLU, 1.2 I": "vanishes"}, "no unit feeds another"),
    ("fates", FATES | {"ReLU, R": "yes"}, "the answers are"),
    ("lag", lambda c, s: math.log(s) / math.log(c), "whole number"),
    ("lag", lambda c, s: math.floor(math.log(s) / math.log(c)), "one step early"),
    ("lag", lambda c, s: math.ceil(math.log(s) / math.log(c)), "one step early"),
    ("lag", lambda c, s: first_lag_below(c, s) + 1, "a smaller k"),
    ("lag", lambda c, s: math.ceil(math.log(c) / math.log(s)), "wrong way round"),
    ("lag", lambda c, s: math.floor(math.log(s) * math.log(1 / c)) - 1, "a lag is positive"),
    ("lag", lambda c, s: 7, "compute cᵏ there"),
    ("guarantee", lambda W, activation: spectral_radius(W) < (4 if activation == "sigmoid" else 1), "promise too much"),
    ("guarantee", lambda W, activation: torch.linalg.matrix_norm(W, 2) < 1, "too careful with the sigmoid"),
    (
        "guarantee",
        lambda W, activation: must_vanish(W, "sigmoid" if activation == "tanh" else activation),
        "1.1 with tanh has no guarantee",
    ),
    ("guarantee", lambda W, activation: activation == "sigmoid" or must_vanish(W, "tanh"), "not without limit"),
    ("guarantee", lambda W, activation: activation != "relu" and must_vanish(W, activation), "0 or 1"),
    ("guarantee", lambda W, activation: activation != "linear" and must_vanish(W, activation), "γ = 1"),
    (
        "guarantee",
        lambda W, activation: W.abs().max() < 1 if W.min() == W.max() else must_vanish(W, activation),
        "small entries",
    ),
    (
        "guarantee",
        lambda W, activation: (0.25 if activation == "sigmoid" else 1) * torch.linalg.matrix_norm(W) < 1,
        "another one is larger",
    ),
    (
        "guarantee",
        lambda W, activation: (0.25 if activation == "sigmoid" else 1) * torch.linalg.svdvals(W)[0] <= 1,
        "at σ_max = 1 exactly",
    ),
    ("guarantee", lambda W, activation: False, "must vanish"),
    ("guarantee", lambda W, activation: must_vanish(W / 2 if activation == "relu" else W, activation), "every row"),
    *(
        (
            "guarantee",
            lambda W, activation, named=named, limit=limit: (
                spectral_radius(W) < limit if activation == named else must_vanish(W, activation)
            ),
            f"{named}: with a large singular value",
        )
        for named, limit in (("relu", 1), ("linear", 1), ("sigmoid", 4))
    ),
    ("bias", lambda k, s: s ** (1 / k), "that is the gate"),
    ("bias", lambda k, s: -forget_bias(k, s), "the sign is wrong"),
    ("bias", lambda k, s: abs(forget_bias(k, s)), "one below 0 closes it"),
    ("bias", lambda k, s: round(forget_bias(k, s), 4), "do not round"),
    ("bias", lambda k, s: math.log(s) / k, "not its bias"),
    ("bias", lambda k, s: math.log(s / (1 - s)), "one step only"),
    ("bias", lambda k, s: math.log(s / k / (1 - s / k)), "the gates multiply"),
    ("bias", lambda k, s: 3.0, "leaves a share of"),
]
