"""Answers to the exercises of chapter 4, a recurrent network from scratch."""

import math

import torch
from torch.nn import functional as F

from d2lrnn.cells import rnn, rnn_step


def largest_h(D, q, budget):
    b = D + 1 + q
    return int((-b + math.sqrt(b * b + 4 * (budget - q))) / 2)


def root(D, q, budget):
    b = D + 1 + q
    return (-b + math.sqrt(b * b + 4 * (budget - q))) / 2


def largest(count):
    return lambda D, q, budget: max(h for h in range(3000) if count(D, h, q) <= budget)


def latch(W_xh=(5.0, -5.0, 0.0), W_hh=2.0, b_h=0.0):
    return {"W_xh": torch.tensor(W_xh)[:, None], "W_hh": torch.tensor([[W_hh]]), "b_h": torch.tensor([b_h])}


def windows_of(value, carry=False):
    def answer(ids, T, params):
        state, found = None, []
        for X, Y in zip(ids[:-1].split(T), ids[1:].split(T), strict=True):
            outputs, new = rnn(F.one_hot(X[:, None], len(params["W_xh"])).double(), state, params)
            found.append(-outputs[:, 0].log_softmax(1)[torch.arange(T), Y])
            state = new if carry else None
        return value(torch.stack(found))

    return answer


def windows(ids, T, params):
    X, Y = ids[:-1].view(-1, T).T, ids[1:].view(-1, T).T
    outputs, _ = rnn(F.one_hot(X, len(params["W_xh"])).double(), None, params)
    return math.exp(F.cross_entropy(outputs.flatten(0, 1), Y.flatten()))


def influence_on(choose, norm=lambda gradient: gradient.norm(dim=1)):
    def answer(inputs, token, params):
        inputs.requires_grad_()
        outputs, _ = rnn(inputs, None, params)
        choose(outputs[:, 0], token).backward()
        return norm(inputs.grad[:, 0])

    return answer


def last_log_prob(outputs, token):
    return outputs[-1].log_softmax(0)[token]


influence = influence_on(last_log_prob)


def untracked_influence(inputs, token, params):
    outputs, _ = rnn(inputs, None, params)
    return torch.autograd.grad(last_log_prob(outputs[:, 0], token), inputs)[0].norm(dim=2)


def late_influence(inputs, token, params):
    outputs, _ = rnn(inputs, None, {name: tensor.clone().requires_grad_() for name, tensor in params.items()})
    inputs.requires_grad_()
    return torch.autograd.grad(last_log_prob(outputs[:, 0], token), inputs)[0].norm(dim=2)


def cut_influence(inputs, token, params):
    inputs.requires_grad_()
    H = torch.zeros(1, len(params["W_hh"]), dtype=inputs.dtype)
    for X_t in inputs:
        O_t, H = rnn_step(X_t, H.detach(), params)
    last_log_prob(O_t, token).backward()
    return inputs.grad[:, 0].norm(dim=1)


def constant_part(params, T):
    H = torch.zeros_like(params["b_h"])
    for _ in range(T):
        H = H @ params["W_hh"] + params["b_h"]
    return H @ params["W_hq"] + params["b_q"]


def constant_variant(state):
    def answer(params, T):
        return state(params["W_hh"], params["b_h"], T) @ params["W_hq"] + params["b_q"]

    return answer


def power(W, k):
    return torch.linalg.matrix_power(W, k)


def tanh_part(params, T):
    return rnn(torch.zeros(T, 1, len(params["W_xh"])).double(), None, params)[0][-1, 0]


RIGHT = {
    "largest_h": largest_h,
    "latch": latch(),
    "turned": [1000.0, 1, 1, 1, 1, 1],
    "above_uniform": [0.9997, 0.0001, 0.0001, 0.0001],
    "windows": windows,
    "influence": influence,
    "constant_part": constant_part,
}

ALSO_RIGHT = [
    ("largest_h", lambda D, q, budget: float(largest_h(D, q, budget))),
    ("largest_h", largest(lambda D, h, q: (D + h + 1) * h + (h + 1) * q)),
    ("latch", latch((9.0, -9.0, 0.0), 3.0)),
    ("latch", latch((4.0, -4.0, 0.1), 2.0, -0.1)),
    ("latch", {"W_xh": [[5], [-5], [0]], "W_hh": [[2]], "b_h": [0]}),
    ("turned", torch.tensor([1e6] + 20 * [-1.0])),
    ("windows", windows_of(lambda losses: losses.mean().exp())),
    ("above_uniform", [[0.97, 0.01, 0.01, 0.01]]),
    ("above_uniform", torch.tensor([0.97, 0.01, 0.01, 0.01])),
    ("constant_part", constant_variant(lambda W, b, T: b @ sum(power(W, k) for k in range(T)))),
]

WRONG = [
    ("largest_h", largest(lambda D, h, q: D * h + h * h + h * q), "biases are missing"),
    ("largest_h", largest(lambda D, h, q: (D + h + 1 + q) * h), "b_q is missing"),
    ("largest_h", largest(lambda D, h, q: (D + h + q) * h + q), "b_h is missing"),
    ("largest_h", largest(lambda D, h, q: (h + 1 + q) * h + q), "W_xh is missing"),
    ("largest_h", largest(lambda D, h, q: (D + 1 + q) * h + q), "W_hh is missing"),
    ("largest_h", largest(lambda D, h, q: (D + h + 1) * h), "output layer"),
    ("largest_h", lambda D, q, budget: largest_h(D, q, budget) + 0.5, "round down"),
    ("largest_h", lambda D, q, budget: largest_h(D, q, budget) + 1, "units need more than"),
    ("largest_h", lambda D, q, budget: largest_h(D, q, budget - 1), "room for more than 1 units"),
    ("largest_h", lambda D, q, budget: 7, "room for more"),
    ("largest_h", lambda D, q, budget: root(D, q, budget), "whole number: round down"),
    ("largest_h", lambda D, q, budget: round(root(D, q, budget)), "nearest whole number"),
    ("largest_h", lambda D, q, budget: root(D, q, budget + q), "b_q is missing"),
    ("largest_h", lambda D, q, budget: root(D - 1, q, budget), "b_h is missing"),
    ("largest_h", largest(lambda D, h, q: (D + h + 2 + q) * h + q), "not twice"),
    ("largest_h", lambda D, q, budget: math.nan, "finite"),
    ("latch", [5.0, 2.0, 0.0], "give a dict"),
    ("latch", latch((5.0, -5.0)), "the shapes are"),
    ("latch", latch(W_hh=1.0), "is forgotten"),
    ("latch", latch(W_hh=1.05), "held too weakly"),
    ("latch", latch(W_hh=0.0), "is forgotten"),
    ("latch", latch((5.0, -5.0, 1.0)), "is forgotten"),
    ("latch", latch((1.0, -1.0, 0.0)), "must win"),
    ("latch", latch((-5.0, 5.0, 0.0)), "after the first letter"),
    ("turned", [0.5, 0.5], "changes nothing"),
    ("turned", [0.0, 0.0], "not all zero"),
    ("turned", [5.0, 5.0, 5.0], "keeps its direction"),
    ("turned", [1000.0, 1.0, 1.0], "with 3 numbers"),
    ("turned", [2.0, 1.0, 1.0, 1.0, 1.0, 1.0], "not unequal enough"),
    ("windows", windows_of(lambda losses: losses.mean()), "mean cross-entropy"),
    ("windows", windows_of(lambda losses: losses.mean().exp(), carry=True), "goes on from window to window"),
    ("windows", windows_of(lambda losses: losses[:, -1].mean().exp()), "only the last prediction"),
    ("windows", windows_of(lambda losses: losses.sum().exp()), "exponential of the sum"),
    ("windows", windows_of(lambda losses: losses.exp().mean()), "the mean of 1/P"),
    ("windows", windows_of(lambda losses: 2 ** losses.mean()), "and not 2"),
    ("windows", windows_of(lambda losses: losses.mean().exp() + 1), "another one"),
    ("influence", lambda inputs, token, params: (inputs, token), "has not the form"),
    ("above_uniform", [0.25, 0.25, 0.25, 0.25], "uniform guess"),
    ("above_uniform", [0.7, 0.1, 0.1, 0.1], "not above 8"),
    ("above_uniform", [1, 0, 0, 0], "infinite"),
    ("above_uniform", [0.9, 0.9, 0.1, 0.1], "not probabilities"),
    ("above_uniform", [0.5, 0.5], "four probabilities"),
    ("above_uniform", [1, "two", 3, 4], "numbers are asked for, not str"),
    ("influence", influence_on(lambda scores, token: scores[-1].sum()), "sum of the scores"),
    ("influence", influence_on(lambda scores, token: scores[-1, token]), "token's score"),
    ("influence", influence_on(lambda scores, token: scores[-1].softmax(0)[token]), "its logarithm"),
    ("influence", influence_on(lambda scores, token: scores.log_softmax(1)[:, token].sum()), "at all steps"),
    ("influence", influence_on(lambda scores, token: scores[0].log_softmax(0)[token]), "first step"),
    ("influence", influence_on(last_log_prob, lambda g: g.sum(dim=1)), "added the entries"),
    ("influence", influence_on(last_log_prob, lambda g: g.norm(dim=1) ** 2), "squared norms"),
    ("influence", influence_on(last_log_prob, lambda g: g.norm(dim=1).flip(0)), "reversed"),
    ("influence", influence_on(last_log_prob, lambda g: g[-1].norm()), "7 norms"),
    ("influence", influence_on(last_log_prob, lambda g: 3 * g.norm(dim=1)), "differ"),
    ("influence", influence_on(lambda scores, token: scores.log_softmax(0)[-1, token]), "over the steps"),
    ("influence", influence_on(lambda scores, token: scores[-1].log_softmax(0).sum()), "over all tokens"),
    ("influence", influence_on(last_log_prob, lambda g: g.abs().sum(dim=1)), "absolute values"),
    ("influence", lambda inputs, token, params: torch.zeros(7), "all norms are zero"),
    ("influence", lambda inputs, token, params: torch.full((7,), math.nan), "finite"),
    ("influence", untracked_influence, "autograd knows nothing"),
    ("influence", late_influence, "autograd knows nothing"),
    ("influence", cut_influence, "cut off"),
    ("constant_part", lambda params, T: constant_part(params, T + 1), "a term too many"),
    ("constant_part", lambda params, T: constant_part(params, T - 1), "a term too few"),
    ("constant_part", lambda params, T: constant_part(params, T) - params["b_q"], "b_q is missing"),
    ("constant_part", lambda params, T: constant_part(params, T) + (T - 1) * params["b_q"], "output of one step"),
    ("constant_part", constant_variant(lambda W, b, T: b), "at every step"),
    ("constant_part", constant_variant(lambda W, b, T: T * b), "on its way"),
    ("constant_part", constant_variant(lambda W, b, T: b @ power(W, T - 1)), "first step contributes"),
    ("constant_part", constant_variant(lambda W, b, T: b @ sum(W**k for k in range(T))), "raises each number"),
    ("constant_part", constant_variant(lambda W, b, T: b + sum(b @ W**k for k in range(1, T))), "raises each number"),
    ("constant_part", constant_variant(lambda W, b, T: sum(power(W, k) for k in range(T)) @ b), "wrong side"),
    ("constant_part", constant_variant(lambda W, b, T: b @ torch.linalg.inv(torch.eye(3) - W)), "the limit"),
    ("constant_part", lambda params, T: sum(params["b_h"] @ power(params["W_hh"], k) for k in range(T)), "part of H_T"),
    ("constant_part", tanh_part, "no tanh"),
    ("constant_part", lambda params, T: params["b_q"], "does not depend on the inputs"),
]
