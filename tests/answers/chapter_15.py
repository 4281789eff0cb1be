"""Answers to the exercises of chapter 15, attention and beyond."""

import math

import numpy as np
import torch

from d2lrnn.batches import mask


def words(scores, lengths):
    return mask(lengths, scores.shape[2])[:, None]


def masked(scores, lengths):
    weights = torch.zeros_like(scores)
    for i, n in enumerate(lengths.tolist()):
        weights[i, :, :n] = scores[i, :, :n].softmax(dim=1)
    return weights


def divided(scores, lengths):
    """Right for small scores only."""
    weights = scores.exp() * words(scores, lengths)
    return weights / weights.sum(2, keepdim=True)


def less_the_largest(scores, lengths):
    """Wrong where the largest score is one of the padding."""
    weights = (scores - scores.amax(2, keepdim=True)).exp() * words(scores, lengths)
    return weights / (weights.sum(2, keepdim=True) + 1e-9)


def log_softmax(scores):
    """Right, but at scores of 1,000 float32 rounds it by 3e-5."""
    return scores - scores.logsumexp(2, keepdim=True)


def scale(d, v_q, mu, v_k):
    return math.sqrt(d * v_q * (v_k + mu**2))


def count(B, T, S, h, d, m):
    return B * (T * h * d + 2 * T * S * d), B * (T * h * m + S * d * m + T * S * m + T * S * d)


def other(dot=0, additive=0):
    """The right counts and what is added to them, functions of the sizes."""

    def answer(*sizes):
        right = count(*sizes)
        return right[0] + (dot(*sizes) if dot else 0), right[1] + (additive(*sizes) if additive else 0)

    return answer


def dearer(g, d):
    return max(1, (g - 2) * d + 1)


def shift(p, delta, base=10000.0, step=2, sign=1):
    angle = delta * base ** (-torch.arange(0, len(p), 2) * step / 2 / len(p))
    sine, cosine = p[0::2], p[1::2]
    new_sine = sine * angle.cos() + sign * cosine * angle.sin()
    return torch.stack([new_sine, cosine * angle.cos() - sign * sine * angle.sin()], dim=1).flatten()


def shift_matrix(p, delta):
    """The same as one matrix product, in NumPy."""
    d, p = len(p), p.numpy()
    matrix = np.zeros((d, d))
    for j in range(d // 2):
        angle = delta * 10000 ** (-2 * j / d)
        matrix[2 * j : 2 * j + 2, 2 * j : 2 * j + 2] = [
            [np.cos(angle), np.sin(angle)],
            [-np.sin(angle), np.cos(angle)],
        ]
    return matrix @ p


def encoding(t, d):
    angles = t * 10000.0 ** (-torch.arange(0, d, 2) / d)
    return torch.stack([angles.sin(), angles.cos()], dim=1).flatten()


def found_and_shifted(p, delta):
    """Looks for t, which a linear map cannot."""
    t = min(range(100), key=lambda t: (encoding(t, len(p)) - p).abs().sum())
    return encoding(t + delta, len(p))


RIGHT = {"mask": masked, "scale": scale, "count": count, "dearer": dearer, "order": "ABF", "shift": shift}

ALSO_RIGHT = [
    ("shift", shift_matrix),
    ("shift", lambda p, delta: shift(p, delta).tolist()),
    ("shift", lambda p, delta: shift(p.double(), delta)),
    ("order", {"a", "b", "f"}),
    ("mask", lambda s, n: masked(s, n).tolist()),
    ("count", lambda *sizes: torch.tensor(count(*sizes))),
    ("mask", lambda s, n: s.masked_fill(~words(s, n), -torch.inf).softmax(2)),
    ("mask", lambda s, n: log_softmax(s.masked_fill(~words(s, n), -torch.inf)).exp()),
    ("order", "f, b, a"),
    ("order", ["A", "B", "F"]),
]

WRONG = [
    ("mask", lambda s, n: s.softmax(2), "nothing was masked"),
    ("mask", lambda s, n: s.softmax(2) * words(s, n), "no longer sum to 1"),
    ("mask", lambda s, n: (s * words(s, n)).softmax(2), "an ordinary score"),
    ("mask", lambda s, n: s.softmax(1) * words(s, n), "over which dimension"),
    ("mask", lambda s, n: s.masked_fill(~words(s, n), -torch.inf), "the softmax is missing"),
    ("mask", lambda s, n: s.masked_fill(~words(s, n), -5.0).softmax(2), "still has weights"),
    ("mask", lambda s, n: -masked(s, n), "of the words are not right"),
    ("mask", lambda s, n: masked(s, n)[0], "of the shape of the scores"),
    ("mask", divided, "mind what you divide by"),
    ("mask", lambda s, n: (s + ~words(s, n) * -torch.inf).softmax(2), "not a number"),
    ("mask", less_the_largest, "which maximum may be subtracted"),
    ("mask", lambda s, n: (s - 100 * ~words(s, n)).softmax(2), "is your −∞ small enough"),
    ("scale", lambda d, v_q, mu, v_k: d * v_q * (v_k + mu**2), "the variance of the dot product"),
    ("scale", lambda d, v_q, mu, v_k: math.sqrt(d), "variances of 1 and means of 0"),
    ("scale", lambda d, v_q, mu, v_k: math.sqrt(d * v_q * v_k), "k has a mean"),
    ("scale", lambda d, v_q, mu, v_k: math.sqrt(d * v_q * (v_k + mu)), "variance plus the mean"),
    ("scale", lambda d, v_q, mu, v_k: math.sqrt(d) * v_q * (v_k + mu**2), "the variances need it too"),
    ("scale", lambda d, v_q, mu, v_k: math.sqrt(d * (v_q + v_k + mu**2)), "do not add"),
    ("scale", lambda d, v_q, mu, v_k: math.sqrt(d * (v_q * v_k + mu**2)), "belongs to both parts"),
    ("scale", lambda d, v_q, mu, v_k: math.sqrt(v_q * (v_k + mu**2)), "for one product"),
    ("scale", lambda d, v_q, mu, v_k: 17.0, "it is not 17"),
    ("count", lambda *sizes: 3, "return two numbers"),
    ("count", lambda *sizes: tuple(c / sizes[0] for c in count(*sizes)), "(a): that is for one sentence"),
    ("count", other(dot=lambda B, T, S, h, d, m: -B * T * S * d), "(a): the weighted mean"),
    ("count", other(dot=lambda B, T, S, h, d, m: -B * T * h * d), "(a): the map of the queries"),
    ("count", other(dot=lambda B, T, S, h, d, m: 2 * B * T * S * (1 - d)), "a sum of how many products"),
    ("count", other(dot=lambda B, T, S, h, d, m: B * S * d * d), "only the queries are mapped"),
    ("count", other(dot=lambda B, T, S, h, d, m: B * T * S), "leave the scale out"),
    ("count", other(dot=lambda *sizes: count(*sizes)[0]), "(a): an addition"),
    ("count", other(dot=lambda *sizes: 1), "(a): it is not"),
    ("count", lambda *sizes: (count(*sizes)[0], count(*sizes)[1] / sizes[0]), "(b): that is for one sentence"),
    ("count", other(additive=lambda B, T, S, h, d, m: -B * T * S * d), "(b): the weighted mean"),
    ("count", other(additive=lambda B, T, S, h, d, m: -B * T * S * m), "product with w"),
    ("count", other(additive=lambda B, T, S, h, d, m: -B * S * d * m), "(b): the map of the keys"),
    ("count", other(additive=lambda B, T, S, h, d, m: -B * T * h * m), "(b): the map of the queries"),
    ("count", other(additive=lambda B, T, S, h, d, m: B * S * d * m * (T - 1)), "not once for every query"),
    (
        "count",
        other(additive=lambda B, T, S, h, d, m: B * (T * h * m * (S - 1) + S * d * m * (T - 1))),
        "not once for every key",
    ),
    ("count", other(additive=lambda *sizes: count(*sizes)[1]), "(b): an addition"),
    ("count", other(additive=lambda *sizes: 1), "(b): it is not"),
    ("dearer", lambda g, d: dearer(g, d) - 1, "strictly more"),
    ("dearer", lambda g, d: (g - 2) * d + 1, "at least 1"),
    ("dearer", lambda g, d: abs(g - 2) * d + 1, "which T is the smallest"),
    ("dearer", lambda g, d: g * d + 1, "you left out the four products"),
    ("dearer", lambda g, d: 2 * g * d + 1, "two products of T²d, and four"),
    ("dearer", lambda g, d: d + 1, "how does g enter"),
    ("dearer", lambda g, d: max(1, (2 * g - 4) * d + 1), "not one"),
    ("dearer", lambda g, d: 12345, "it is not 12345"),
    ("order", "xyz", "letters from A to F"),
    ("order", 3, "letters from A to F"),
    ("order", "ABCF", "may the first position look"),
    ("order", "ABDF", "who stands next to whom"),
    ("order", "ABEF", "free of it"),
    ("order", "BF", "can two"),
    ("order", "AF", "would know the position"),
    ("order", "AB", "position by position"),
    ("shift", lambda p, delta: p, "that is p_t itself"),
    ("shift", lambda p, delta: shift(p, delta, sign=-1), "mind the signs"),
    ("shift", lambda p, delta: encoding(delta, len(p)), "p_t must be used"),
    ("shift", lambda p, delta: p + encoding(delta, len(p)), "not the sums of sines"),
    ("shift", lambda p, delta: torch.cat([shift(p, delta)[0::2], shift(p, delta)[1::2]]), "has them in turn"),
    ("shift", lambda p, delta: shift(p, delta).view(-1, 2).flip(1).flatten(), "interchanged"),
    ("shift", lambda p, delta: shift(p, delta, step=1), "not −j/d"),
    ("shift", lambda p, delta: shift(p, delta, base=30.0), "it is not right"),
    ("shift", lambda p, delta: shift(p, delta)[None], "of the same shape"),
    ("shift", found_and_shifted, "not linear"),
]
