"""Answers to the exercises of chapter 7, vanishing and exploding gradients."""

import math

import numpy as np
import torch

from d2lrnn.dynamics import recurrent_matrix, spectral_radius


def pre_activation(x_t, h, params, bias=True):
    return (x_t @ params["W_xh"] + h @ params["W_hh"] + bias * params["b_h"])[0]


def sigmoid_slope(z):
    return torch.sigmoid(z) * (1 - torch.sigmoid(z))


def jacobian_with(slope, combine=lambda slope, W: slope[:, None] * W.T, bias=True):
    def answer(x_t, h, params):
        return combine(slope(pre_activation(x_t, h, params, bias)), params["W_hh"])

    return answer


def jacobian_at_the_old_state(x_t, h, params):
    return sigmoid_slope(h[0])[:, None] * params["W_hh"].T


def by_autograd(x_t, h, params):
    return torch.autograd.functional.jacobian(lambda h: torch.sigmoid(pre_activation(x_t, h, params)), h)[:, 0]


def first_lag_below(c, s):
    return math.floor(math.log(s) / math.log(c)) + 1


def must_vanish(W, activation):
    return (0.25 if activation == "sigmoid" else 1) * torch.linalg.matrix_norm(W, 2) < 1


def clipped_parts(n, m, theta):
    factor = min(1.0, theta / math.hypot(n, m))
    return factor * n, factor * m


def clipped_by(norm):
    def answer(n, m, theta):
        factor = min(1.0, theta / norm(n, m))
        return factor * n, factor * m

    return answer


def always_scaled(n, m, theta):
    return theta / math.hypot(n, m) * n, theta / math.hypot(n, m) * m


REMEDIES = {
    "clipping": "exploding",
    "truncation": "exploding",
    "orthogonal initialisation": "both",
    "open forget gates": "vanishing",
    "loss scale": "neither",
}

RIGHT = {
    "jacobian": jacobian_with(sigmoid_slope),
    "growing": [[0.9, 4.5], [0, 0.9]],
    "remedies": REMEDIES,
    "lag": first_lag_below,
    "guarantee": must_vanish,
    "clipping": clipped_parts,
}

ALSO_RIGHT = [
    ("clipping", lambda n, m, theta: np.array(clipped_parts(n, m, theta))),
    ("clipping", lambda n, m, theta: np.array([n, m]) * np.minimum(1, theta / np.linalg.norm([n, m]))),
    ("growing", np.array([[0.9, 4.5], [0, 0.9]])),
    ("jacobian", lambda *given: list(by_autograd(*given))),
    ("guarantee", lambda W, activation: np.bool_(must_vanish(W, activation))),
    ("jacobian", by_autograd),
    ("growing", torch.tensor([[0.9, 0.0], [63.0, -0.9]])),
    ("lag", lambda c, s: torch.tensor(first_lag_below(c, s))),
    ("clipping", lambda n, m, theta: torch.tensor(clipped_parts(n, m, theta))),
]

WRONG = [
    ("clipping", lambda n, m, theta: "3, 4", "numbers are asked for, not str"),
    ("growing", [[float("nan"), 1], [0, 0.9]], "finite"),
    ("lag", lambda c, s: math.nan, "a lag is a whole number"),
    ("jacobian", lambda x_t, h, params: 0.25, "some entries differ"),
    ("jacobian", jacobian_with(sigmoid_slope, lambda slope, W: (slope[:, None] * W.T).T), "this is the transpose"),
    ("jacobian", jacobian_with(sigmoid_slope, lambda slope, W: slope * W.T), "wrong side"),
    ("jacobian", jacobian_with(sigmoid_slope, lambda slope, W: slope[:, None] * W), "W_hh is not transposed"),
    ("jacobian", jacobian_with(torch.sigmoid), "φ stands where"),
    ("jacobian", jacobian_with(lambda z: sigmoid_slope(torch.sigmoid(z))), "taken at h_t;"),
    ("jacobian", jacobian_at_the_old_state, "taken at h_(t−1)"),
    ("jacobian", jacobian_with(lambda z: z * (1 - z)), "is not σ′(z)"),
    ("jacobian", jacobian_with(lambda z: 1 - z.tanh() ** 2), "derivative of tanh"),
    ("jacobian", jacobian_with(lambda z: 1 - z.sigmoid() ** 2), "another activation function"),
    ("jacobian", jacobian_with(torch.ones_like), "the linear network"),
    ("jacobian", jacobian_with(sigmoid_slope, bias=False), "b_h is missing"),
    ("jacobian", jacobian_with(sigmoid_slope, lambda slope, W: slope[None]), "that is a vector"),
    ("jacobian", jacobian_with(sigmoid_slope, lambda slope, W: 2 * slope[:, None] * W.T), "some entries differ"),
    ("growing", [[0.9, 4.5]], "square"),
    ("growing", recurrent_matrix("non_normal", 6, 0.9, torch.Generator().manual_seed(1)), "not the smallest"),
    ("growing", [[1.1, 0], [0, 0.5]], "never vanish"),
    ("growing", [[0.5, 40], [0, 0.5]], "not 0.9"),
    ("growing", 0.9 * torch.eye(3), "is normal"),
    ("growing", recurrent_matrix("orthogonal", 4, 0.9, torch.Generator().manual_seed(0)), "is normal"),
    ("growing", [[0.9, 0.5], [0, 0.9]], "but only to"),
    ("growing", [[0.9, 0.01], [0, 0.5]], "no power of it"),
    ("remedies", ["exploding"] * 5, "asks for a dict"),
    ("remedies", {"clipping": "exploding"}, "the keys must be"),
    ("remedies", REMEDIES | {"clipping": "vanishing"}, "clipping: look at"),
    ("remedies", REMEDIES | {"clipping": "both"}, "clipping: look at"),
    ("remedies", REMEDIES | {"truncation": "vanishing"}, "truncation: over how many steps"),
    ("remedies", REMEDIES | {"truncation": "neither"}, "truncation: over how many steps"),
    ("remedies", REMEDIES | {"orthogonal initialisation": "vanishing"}, "what (7.6) says"),
    ("remedies", REMEDIES | {"open forget gates": "both"}, "compare the two LSTM rows"),
    ("remedies", REMEDIES | {"loss scale": "vanishing"}, "far and near parts"),
    ("remedies", REMEDIES | {"loss scale": "yes"}, "the answers are"),
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
    ("clipping", lambda n, m, theta: theta, "return two numbers"),
    ("clipping", lambda n, m, theta: clipped_parts(n, m, theta)[::-1], "wrong order"),
    ("clipping", lambda n, m, theta: (min(n, theta), min(m, theta)), "each part by itself"),
    ("clipping", clipped_by(lambda n, m: n + m), "not the sum of their norms"),
    ("clipping", clipped_by(lambda n, m: n * n + m * m), "the root is missing"),
    ("clipping", always_scaled, "never lengthens"),
    ("clipping", lambda n, m, theta: (n, m), "the norm of the sum"),
]
