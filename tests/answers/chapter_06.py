"""Answers to the exercises of chapter 6, backpropagation through time."""

import math

import torch


def paths(e, b, c, first=1, last=1, diagonal=0):
    T = len(b)
    rows = [[e[t] * c[i + first : t + last].prod() * b[i] * (i <= t - diagonal) for i in range(T)] for t in range(T)]
    return torch.tensor(rows, dtype=torch.float64)


def paths_by_recursion(e, b, c):
    row, table = torch.zeros_like(b), []
    for t in range(len(b)):
        row = c[t] * row
        row[t] = b[t]
        table.append(e[t] * row)
    return torch.stack(table)


def mse(X, Y, params, factor=2, transpose=True, slope="of Z", back=True, last=False, bias=True, sums=(0, 1), **more):
    W_xh, W_hh, b_h, W_hq, b_q = (params[name] for name in ("W_xh", "W_hh", "b_h", "W_hq", "b_q"))
    H = [torch.zeros_like(X[0] @ W_xh)]
    for X_t in X:
        H.append(torch.tanh(X_t @ W_xh + H[-1] @ W_hh + b_h))
    H = torch.stack(H)
    slopes = {"of Z": 1 - H[1:] ** 2, "of H": 1 - torch.tanh(H[1:]) ** 2, "none": torch.ones_like(H[1:])}[slope]
    dO = factor * (H[1:] @ W_hq + bias * b_q - Y) / Y.numel()
    if last:
        dO[:-1] = 0
    G, later = torch.empty_like(slopes), 0
    for t in range(len(X) - 1, -1, -1):
        dH = dO[t] @ W_hq.T + later
        G[t] = dH * slopes[t]
        later = back * ((dH if more.get("linear") else G[t]) @ (W_hh.T if transpose else W_hh))
    return torch.einsum("tbd,tbh->dh", X, G), G.sum(sums) * more.get("share", 1)


def mse_without_mean(X, Y, params):
    return mse(X, Y, params, factor=2 * Y.numel())


def mse_in_a_mess(X, Y, params):
    dW_xh, db_h = mse(X, Y, params)
    return dW_xh.flip(0), db_h


def mse_transposed(X, Y, params):
    dW_xh, db_h = mse(X, Y, params)
    return dW_xh.T, db_h


def by_autograd(X, Y, params):
    params = {name: p.clone().requires_grad_() for name, p in params.items()}
    H, loss = torch.zeros_like(X[0] @ params["W_xh"]), 0
    for X_t, Y_t in zip(X, Y, strict=True):
        H = torch.tanh(X_t @ params["W_xh"] + H @ params["W_hh"] + params["b_h"])
        loss = loss + ((H @ params["W_hq"] + params["b_q"] - Y_t) ** 2).sum() / Y.numel()
    return torch.autograd.grad(loss, [params["W_xh"], params["b_h"]])


def lags(terms):
    return torch.arange(len(terms) - 1, -1, -1)


def one_coin(terms, pi):
    return sum(d if k == 0 else pi * d / pi**k for k, d in enumerate(terms.flip(0).tolist()))


def exact_tau(c, share):
    return math.log(1 - share) / math.log(c)


def smallest_tau(c, share):
    return math.ceil(exact_tau(c, share) - 1e-9)


def state_bytes(T, tau, B, h, size=4, first=1):
    return size * B * h * (T + first), size * B * h * (tau + first)


def scale_gradient(H, xi):
    return xi * H + (1 - xi) * H.detach()


def hook_on_H(H, xi):
    H.register_hook(lambda gradient: xi * gradient)
    return H


def hook_on_a_copy(H, xi):
    copy = H.clone()
    copy.register_hook(lambda gradient: xi * gradient)
    return copy


RIGHT = {
    "paths": paths,
    "mse": mse,
    "one_coin": one_coin,
    "smallest_tau": smallest_tau,
    "state_bytes": state_bytes,
    "detach": [1, 2, 3, 4, 6, 7, 8],
    "scale_gradient": scale_gradient,
}

ALSO_RIGHT = [
    ("smallest_tau", lambda c, share: next(tau for tau in range(1, 999) if 1 - c**tau >= share)),
    ("smallest_tau", lambda c, share: math.ceil(round(exact_tau(c, share), 9))),
    ("paths", paths_by_recursion),
    ("paths", lambda e, b, c: paths(e, b, c).tolist()),
    ("detach", torch.tensor([1.0, 2, 3, 4, 6, 7, 8])),
    ("mse", lambda *given: [part.tolist() for part in mse(*given)]),
    ("mse", by_autograd),
    ("detach", {8, 7, 6, 4, 3, 2, 1}),
    ("scale_gradient", lambda H, xi: H.detach() + xi * (H - H.detach())),
    ("scale_gradient", lambda H, xi: H.detach() if xi == 0 else scale_gradient(H, xi)),
    ("scale_gradient", hook_on_a_copy),
]

WRONG = [
    ("smallest_tau", lambda c, share: math.floor(exact_tau(c, share)) + 1, "one step fewer"),
    ("detach", [1.5, 2, 3, 4, 6, 7, 8], "numbers of the steps"),
    ("one_coin", lambda terms, pi: terms, "one number is asked for, not 4"),
    ("paths", lambda e, b, c: paths(e, b, c)[-1], "one row and one column"),
    ("paths", lambda e, b, c: paths(e, b, c).T, "exchanged"),
    ("paths", lambda e, b, c: paths(e, b, c, first=0), "too early"),
    ("paths", lambda e, b, c: paths(e, b, c, first=2), "too late"),
    ("paths", lambda e, b, c: paths(e, b, c, last=0), "end too early"),
    ("paths", lambda e, b, c: paths(torch.ones(len(b)), b, c), "e_t is missing"),
    ("paths", lambda e, b, c: e[:, None] * b, "owes nothing to later steps"),
    ("paths", lambda e, b, c: (e[:, None] * b).tril(), "factors c are missing"),
    ("paths", lambda e, b, c: paths(e, b, c, diagonal=1), "diagonal is missing"),
    ("paths", lambda e, b, c: paths(e, b, c, diagonal=-4), "above the diagonal"),
    ("paths", lambda e, b, c: torch.ones(len(b), len(b)), "the whole table"),
    ("mse", lambda X, Y, params: 3.0, "return two tensors"),
    ("mse", mse_transposed, "has the shape of W_xh"),
    ("mse", lambda *given: mse(*given, factor=1), "differentiate the square"),
    ("mse", mse_without_mean, "over how many numbers"),
    ("mse", lambda *given: mse(*given, factor=-2), "wrong sign"),
    ("mse", lambda *given: mse(*given, factor=3), "wrong size"),
    ("mse", lambda *given: mse(*given, linear=True), "a linear network"),
    ("mse", lambda *given: mse(*given, transpose=False), "turned the right way"),
    ("mse", lambda *given: mse(*given, slope="of H"), "φ′(Z), not φ′(H)"),
    ("mse", lambda *given: mse(*given, slope="none"), "slope of tanh is missing"),
    ("mse", lambda *given: mse(*given, back=False), "nothing comes back"),
    ("mse", lambda *given: mse(*given, last=True), "over all steps"),
    ("mse", lambda *given: mse(*given, bias=False), "lack the bias"),
    ("mse", mse_in_a_mess, "differs from autograd's"),
    ("mse", lambda *given: mse(*given, sums=1), "every row at every step"),
    ("mse", lambda *given: mse(*given, share=1 / 4), "takes a mean"),
    ("mse", lambda *given: mse(*given, share=2), "which uses of the bias"),
    ("one_coin", lambda terms, pi: terms.sum(), "as if the estimate were unbiased"),
    ("one_coin", lambda terms, pi: (terms * pi ** (1.0 - lags(terms))).sum(), "no coin at all"),
    ("one_coin", lambda terms, pi: (terms * pi ** -(1.0 * lags(terms))).sum(), "how often it survives"),
    ("one_coin", lambda terms, pi: (terms * pi ** (1.0 * lags(terms))).sum(), "without weights"),
    ("one_coin", lambda terms, pi: terms[-1] + pi * terms[:-1].sum(), "without their weights"),
    ("one_coin", lambda terms, pi: one_coin(terms.flip(0), pi), "wrong way"),
    ("one_coin", lambda terms, pi: terms[-1], "lag 0 only"),
    ("one_coin", lambda terms, pi: 9.0, "it is not 9"),
    ("smallest_tau", lambda c, share: math.ceil(exact_tau(c, share)), "rounding makes"),
    ("smallest_tau", exact_tau, "whole number"),
    ("smallest_tau", lambda c, share: math.floor(exact_tau(c, share)), "a little less"),
    ("smallest_tau", lambda c, share: smallest_tau(c, share) + 1, "one step fewer"),
    ("smallest_tau", lambda c, share: math.ceil(math.log(share) / math.log(c)), "not one term"),
    ("smallest_tau", lambda c, share: math.log(share) / math.log(c), "not one term"),
    ("smallest_tau", lambda c, share: math.ceil(math.log((1 - share) * (1 - c)) / math.log(c)), "not with 1"),
    ("smallest_tau", lambda c, share: 500, "it is not 500"),
    ("state_bytes", lambda *sizes: 4, "return two numbers"),
    ("state_bytes", lambda *sizes: state_bytes(*sizes, first=0), "comes in"),
    ("state_bytes", lambda *sizes: state_bytes(*sizes, size=1), "four bytes"),
    ("state_bytes", lambda *sizes: state_bytes(*sizes, size=1, first=0), "not among them"),
    ("state_bytes", lambda *sizes: state_bytes(*sizes, size=8), "not eight"),
    ("state_bytes", lambda T, tau, B, h: state_bytes(T, tau, 1, h), "every row"),
    ("state_bytes", lambda T, tau, B, h: state_bytes(T, tau, 1, h, first=0), "one more comes in"),
    ("state_bytes", lambda T, tau, B, h: state_bytes(T, tau, 1, h, size=1), "for one row only"),
    ("state_bytes", lambda T, tau, B, h: (state_bytes(T, tau, B, h)[0], 4 * B * h), "that is one state"),
    ("state_bytes", lambda T, tau, B, h: state_bytes(T, T, B, h), "with a cut"),
    ("state_bytes", lambda T, tau, B, h: (1, 1), "not 1"),
    ("detach", "no", "numbers of the steps"),
    ("detach", [6, 7, 8], "second loss"),
    ("detach", [1, 2, 3, 4], "first loss"),
    ("detach", list(range(1, 9)), "avoids the cut"),
    ("detach", [1, 2, 3, 4, 5], "it is detached"),
    ("detach", [0, 1, 2, 3, 4, 6, 7, 8], "1 to 8"),
    ("detach", [8], "follow the arrows"),
    ("scale_gradient", lambda H, xi: xi, "tensor of the shape"),
    ("scale_gradient", lambda H, xi: xi * H, "scales the value"),
    ("scale_gradient", lambda H, xi: H + xi, "value must stay"),
    ("scale_gradient", lambda H, xi: H.detach(), "no gradient flows"),
    ("scale_gradient", lambda H, xi: 1 * H, "no effect"),
    ("scale_gradient", hook_on_H, "leave H itself alone"),
    ("scale_gradient", lambda H, xi: 2 * xi * H + (1 - 2 * xi) * H.detach(), "not ξ times"),
]
