"""Answers to the exercises of chapter 5, the concise recurrent network and warm-up."""

import numpy as np
import torch
from torch.nn import functional as F


def from_torch(W_xh=lambda W: W.T, W_hh=lambda W: W.T, b_h=lambda b_ih, b_hh: b_ih + b_hh):
    return lambda layer: {
        "W_xh": W_xh(layer.weight_ih_l0),
        "W_hh": W_hh(layer.weight_hh_l0),
        "b_h": b_h(layer.bias_ih_l0, layer.bias_hh_l0),
    }


def num_parameters(V, D, h, L, biases=2, above=None, embedding=True, output_bias=True):
    above = above or h
    layers = D * h + h * h + biases * h + (L - 1) * (above * h + h * h + biases * h)
    return embedding * V * D + layers + h * V + output_bias * V


def unscored(model, X, Y, w):
    with torch.no_grad():
        _, state = model(X[:, :w])
    return scored(model, X, Y, w, state)


def scored(model, X, Y, w, state, reduction="mean"):
    logits, _ = model(X[:, w:], state)
    return F.cross_entropy(logits.flatten(0, 1), Y[:, w:].flatten(), reduction=reduction)


def masked(losses, w):
    """Zeros instead of the first w steps."""
    return losses * (torch.arange(losses.shape[1]) >= w)


def all_steps(model, X, Y, w):
    return F.cross_entropy(model(X)[0].flatten(0, 1), Y.flatten())


def twice(model, X, Y, w):
    """The state has read the warm-up, and then the network reads it again."""
    logits, _ = model(X, model(X[:, :w])[1].detach())
    return F.cross_entropy(logits[:, w:].flatten(0, 1), Y[:, w:].flatten())


def one_too_few(T, w):
    return T - w - 1, T / (T - w - 1)


def not_flattened(model, X, Y, w):
    logits, _ = model(X[:, w:], model(X[:, :w])[1].detach())
    return F.cross_entropy(logits, Y[:, w:])


RIGHT = {
    "copy": from_torch(),
    "shapes": lambda B, T, D, h, L: ((B, T, h), (L, B, h)),
    "parameters": num_parameters,
    "embedding": lambda V, h: (V * h - 1) // (V + h),
    "burn_in": lambda losses, w: losses[:, w:].mean(),
    "price": lambda T, w: (T - w, T / (T - w)),
    "no_gradient": unscored,
}

ALSO_RIGHT = [
    ("burn_in", lambda losses, w: losses[:, w:].mean(dim=(0, 1), keepdim=True)),
    ("embedding", lambda V, h: next(D for D in range(V * h, -1, -1) if D * (V + h) < V * h)),
    ("shapes", lambda B, T, D, h, L: [torch.Size((B, T, h)), torch.Size((L, B, h))]),
    ("price", lambda T, w: np.array([T - w, T / (T - w)])),
]

WRONG = [
    ("shapes", lambda B, T, D, h, L: ((B, T, h + 0.5), (L, B, h)), "return two tuples"),
    ("parameters", lambda *sizes: (num_parameters(*sizes), 0), "one number is asked for"),
    ("copy", lambda layer: layer, "a dict with the keys"),
    ("copy", from_torch(W_xh=lambda W: W), "shape (h, D)"),
    ("copy", from_torch(W_xh=lambda W: -W.T), "not the input weight"),
    ("copy", from_torch(W_hh=lambda W: W), "is square"),
    ("copy", from_torch(W_hh=lambda W: -W), "not the recurrent weight"),
    ("copy", from_torch(b_h=lambda b_ih, b_hh: b_ih), "the other one is lost"),
    ("copy", from_torch(b_h=lambda b_ih, b_hh: b_hh), "the other one is lost"),
    ("copy", from_torch(b_h=lambda b_ih, b_hh: 2 * b_ih), "twice"),
    ("copy", from_torch(b_h=lambda b_ih, b_hh: b_hh + b_hh), "twice"),
    ("copy", from_torch(b_h=lambda b_ih, b_hh: (b_ih + b_hh) / 2), "in full"),
    ("copy", from_torch(b_h=lambda b_ih, b_hh: b_ih - b_hh), "not what both biases add"),
    ("shapes", lambda B, T, D, h, L: 3, "return two tuples"),
    ("shapes", lambda B, T, D, h, L: ((T, B, h), (L, B, h)), "without batch_first"),
    ("shapes", lambda B, T, D, h, L: ((B, T, D), (L, B, h)), "size of the inputs"),
    ("shapes", lambda B, T, D, h, L: ((B, T, L * h), (L, B, h)), "top layer only"),
    ("shapes", lambda B, T, D, h, L: ((B, h), (L, B, h)), "one step"),
    ("shapes", lambda B, T, D, h, L: ((B, T, 99), (L, B, h)), "output has not the shape"),
    ("shapes", lambda B, T, D, h, L: ((B, T, h), (B, L, h)), "you turned the state"),
    ("shapes", lambda B, T, D, h, L: ((B, T, h), (1, B, h)), "every layer"),
    ("shapes", lambda B, T, D, h, L: ((B, T, h), (B, h)), "every layer"),
    ("shapes", lambda B, T, D, h, L: ((B, T, h), (L, T, h)), "last step only"),
    ("shapes", lambda B, T, D, h, L: ((B, T, h), (B, T, h)), "state has not the shape"),
    ("parameters", lambda *sizes: num_parameters(*sizes, biases=1), "nn.RNN has two"),
    ("parameters", lambda *sizes: num_parameters(*sizes, embedding=False), "left out the embedding"),
    ("parameters", lambda V, D, h, L: num_parameters(V, D, h, L) - V * (h + 1), "left out the output layer"),
    ("parameters", lambda *sizes: num_parameters(*sizes, output_bias=False), "bias of the output layer"),
    ("parameters", lambda V, D, h, L: num_parameters(V, D, h, L, above=D), "Not vectors of size D"),
    ("parameters", lambda V, D, h, L: num_parameters(V, D, h, L) - (L - 1) * h * h, "has two weights"),
    ("parameters", lambda V, D, h, L: num_parameters(V, D, h, 1), "one recurrent layer only"),
    ("parameters", lambda V, D, h, L: num_parameters(V, D, h, L) - V * D - D * h + V * h, "one-hot"),
    ("parameters", lambda *sizes: 7, "it is not 7"),
    ("embedding", lambda V, h: V * h // (V + h), "not fewer"),
    ("embedding", lambda V, h: V * h / (V + h), "whole number"),
    ("embedding", lambda V, h: (V * h - 1) // (V + h) - 1, "not the largest"),
    ("embedding", lambda V, h: min(V, h), "second matrix"),
    ("embedding", lambda V, h: min(V, h) - 1, "second matrix"),
    ("embedding", lambda V, h: h - 1, "second matrix"),
    ("embedding", lambda V, h: 2, "it is not 2"),
    ("burn_in", lambda losses, w: losses.mean(), "mean of all steps"),
    ("burn_in", lambda losses, w: masked(losses, w).mean(), "divide by all steps"),
    ("burn_in", lambda losses, w: losses[:, w:].sum(), "that is a sum"),
    ("burn_in", lambda losses, w: losses[:, w:].sum() / losses.shape[1], "of one row"),
    ("burn_in", lambda losses, w: losses[w:].mean(), "which are sequences"),
    ("burn_in", lambda losses, w: losses[:, :w].mean(), "should not be scored"),
    ("burn_in", lambda losses, w: losses[:, w + 1 :].mean(), "too many"),
    ("burn_in", lambda losses, w: losses[:, w - 1 :].mean(), "too few"),
    ("burn_in", lambda losses, w: losses[:, :-w].mean(), "the last w steps"),
    ("burn_in", lambda losses, w: losses[:, w:], "the shape (4, 4)"),
    ("burn_in", lambda losses, w: losses[:, w:].mean(1), "one number"),
    ("burn_in", lambda losses, w: 5.0, "it is not 5"),
    ("price", lambda T, w: T - w, "return two numbers"),
    ("price", lambda T, w: (T - w - 1, T / (T - w)), "one more token"),
    ("price", one_too_few, "one more token"),
    ("price", lambda T, w: (T - w + 1, T / (T - w)), "too many"),
    ("price", lambda T, w: (w, T / (T - w)), "*not* scored"),
    ("price", lambda T, w: (T, T / (T - w)), "how many are read"),
    ("price", lambda T, w: (0.5, T / (T - w)), "it is not 0.5 scored"),
    ("price", lambda T, w: (T - w, (T - w) / T), "the inverse"),
    ("price", lambda T, w: (T - w, w / (T - w)), "unscored steps only"),
    ("price", lambda T, w: (T - w, T), "steps of one row"),
    ("price", lambda T, w: (T - w, w + 1), "share its warm-up"),
    ("price", lambda T, w: (T - w, 0.3), "not 0.3 steps"),
    ("no_gradient", lambda model, X, Y, w: 1.0, "one loss"),
    ("no_gradient", lambda model, X, Y, w: scored(model, X, Y, w, None), "zero state"),
    ("no_gradient", twice, "reads the warm-up twice"),
    ("no_gradient", not_flattened, "axis 1 for the classes"),
    ("no_gradient", all_steps, "the first w too"),
    ("no_gradient", lambda model, X, Y, w: scored(model, X, Y, w, model(X[:, :w])[1]), "through the warm-up"),
    ("no_gradient", lambda model, X, Y, w: unscored(model, X, Y, w).detach(), "no gradient can flow"),
    ("no_gradient", lambda *given: unscored(*given) * 0.6, "all T steps"),
    ("no_gradient", lambda *given: unscored(*given) * 2, "the loss is not"),
    ("no_gradient", lambda *given: 2 * unscored(*given) - unscored(*given).detach(), "gradient is not"),
]
