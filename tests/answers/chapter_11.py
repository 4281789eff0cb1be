"""Answers to the exercises of chapter 11, bidirectional networks."""

import torch

from d2lrnn.batches import mask
from d2lrnn.cells import reverse


def shapes(B, D, h_1, h_2, q):
    return (B, h_1 + h_2), (h_1 + h_2, q), (h_2, h_2), (h_1 + h_2, h_1)


def with_shape(place, shape):
    """The right answer but for one of the four shapes, which is a function of the sizes."""

    def answer(*sizes):
        result = list(shapes(*sizes))
        result[place] = shape(*sizes)
        return result

    return answer


def backward(inputs, lengths, recurrence):
    return reverse(recurrence(reverse(inputs, lengths)), lengths)


def one_by_one(inputs, lengths, recurrence):
    states = recurrence(inputs).clone()
    for i, n in enumerate(lengths.tolist()):
        states[:n, i] = recurrence(inputs[:n, i : i + 1].flip(0)).flip(0)[:, 0]
    return states


def tokens(H, lengths):
    return mask(lengths, len(H)).T[..., None]


def mean(H, lengths):
    return H.masked_fill(~tokens(H, lengths), 0).sum(0) / lengths[:, None]


def top(H, lengths):
    return H.masked_fill(~tokens(H, lengths), -torch.inf).amax(0)


def multiplied(H, lengths):
    """Right but for NaN in the padding."""
    words = tokens(H, lengths)
    return (H * words).sum(0) / lengths[:, None], (H + torch.zeros(()).where(words, -torch.inf)).amax(0)


def root(D, h, biases=2):
    return (((D + biases) ** 2 + 2 * h * (D + h + biases)) ** 0.5 - (D + biases)) / 2


def fair(D, h):
    return int(root(D, h) + 1e-9)


RIGHT = {
    "shapes": shapes,
    "backward": backward,
    "leak": "ACD",
    "pooling": lambda H, lengths: (mean(H, lengths), top(H, lengths)),
    "fair": fair,
}

ALSO_RIGHT = [
    ("pooling", lambda H, lengths: [part.numpy() for part in multiplied(H.nan_to_num(), lengths)]),
    ("shapes", lambda *sizes: [torch.Size(shape) for shape in RIGHT["shapes"](*sizes)]),
    ("leak", {"a", "c", "d"}),
    ("fair", lambda D, h: next(k for k in range(h, 0, -1) if 2 * k * (D + k + 2) <= h * (D + h + 2))),
    ("backward", one_by_one),
    ("leak", "d, c, a"),
    ("leak", ["A", "C", "D"]),
    ("leak", {"A", "C", "D"}),
]

WRONG = [
    ("pooling", multiplied, "0 times NaN"),
    ("pooling", lambda H, lengths: [part.nan_to_num() for part in multiplied(H, lengths)], "0 times NaN"),
    ("pooling", lambda H, lengths: (0 * H[0], 0 * H[0]) if H.isnan().any() else multiplied(H, lengths), "0 times NaN"),
    ("fair", lambda D, h: next(k for k in range(h, 0, -1) if 2 * k * (D + k + 2) < h * (D + h + 2)), "not the largest"),
    ("shapes", lambda *sizes: [[size + 0.5 for size in shape] for shape in RIGHT["shapes"](*sizes)], "four tuples"),
    ("shapes", lambda *sizes: (2, 12), "return four tuples"),
    ("shapes", with_shape(0, lambda B, D, h_1, h_2, q: (B, 2 * h_1)), "different sizes"),
    ("shapes", with_shape(0, lambda B, D, h_1, h_2, q: (B, h_1)), "one direction only"),
    ("shapes", with_shape(0, lambda B, D, h_1, h_2, q: (B, h_1 * h_2)), "side by side"),
    ("shapes", with_shape(0, lambda B, D, h_1, h_2, q: (h_1 + h_2, B)), "H_t has not the shape"),
    ("shapes", with_shape(1, lambda B, D, h_1, h_2, q: (q, h_1 + h_2)), "torch stores it"),
    ("shapes", with_shape(1, lambda B, D, h_1, h_2, q: (h_1, q)), "W_hq: that multiplies"),
    ("shapes", with_shape(1, lambda B, D, h_1, h_2, q: (q, q)), "W_hq has not the shape"),
    ("shapes", with_shape(2, lambda B, D, h_1, h_2, q: (h_1, h_2)), "neither direction reads the other"),
    ("shapes", with_shape(2, lambda B, D, h_1, h_2, q: (h_1 + h_2, h_1 + h_2)), "neither direction reads the other"),
    ("shapes", with_shape(2, lambda B, D, h_1, h_2, q: (h_1, h_1)), "from which state to which"),
    ("shapes", with_shape(3, lambda B, D, h_1, h_2, q: (D, h_1)), "not those of the network"),
    ("shapes", with_shape(3, lambda B, D, h_1, h_2, q: (h_1, h_1)), "both directions of the layer below"),
    ("shapes", with_shape(3, lambda B, D, h_1, h_2, q: (2 * h_1, h_1)), "both directions of the layer below"),
    ("shapes", with_shape(3, lambda B, D, h_1, h_2, q: (h_1, h_1 + h_2)), "W_xh it is the other way round"),
    ("shapes", with_shape(3, lambda B, D, h_1, h_2, q: (h_1 + h_2, h_1 + h_2)), "the forward direction alone"),
    ("shapes", with_shape(3, lambda B, D, h_1, h_2, q: (h_1 + h_2, q)), "second layer has not the shape"),
    ("backward", lambda X, n, f: f(X)[0], "states of all steps"),
    ("backward", lambda X, n, f: f(X.flip(0)).flip(0), "starts in the padding"),
    ("backward", lambda X, n, f: f((X * tokens(X, n)).flip(0)).flip(0), "a padding of zeros is still read"),
    ("backward", lambda X, n, f: f(reverse(X, n)), "order in which they were read"),
    ("backward", lambda X, n, f: f(X.flip(0)), "padding to the front, and left"),
    ("backward", lambda X, n, f: f(X), "nothing was turned"),
    ("backward", lambda X, n, f: reverse(f(X), n), "turned only the result"),
    ("backward", lambda X, n, f: reverse(f(X.flip(0)), n), "the two turns differ"),
    ("backward", lambda X, n, f: f(reverse(X, n)).flip(0), "the second takes the padding"),
    ("backward", lambda X, n, f: f(X.flip(1)), "on the other axis"),
    ("backward", lambda X, n, f: -backward(X, n, f), "at the tokens are not right"),
    ("leak", "xyz", "letters from A to F"),
    ("leak", 3, "letters from A to F"),
    ("leak", "ABCD", "Depth is not direction"),
    ("leak", "ACDE", "another sequence"),
    ("leak", "ACDF", "stop short"),
    ("leak", "CD", "the plainest one"),
    ("leak", "AD", "needs no backward layer"),
    ("leak", "AC", "what do its inputs know"),
    ("pooling", lambda H, n: H.mean(0), "return two tensors"),
    ("pooling", lambda H, n: (H.mean(0), top(H, n)), "your mean reads the padding"),
    ("pooling", lambda H, n: (H.sum(0) / n[:, None], top(H, n)), "your sum reads the padding"),
    ("pooling", lambda H, n: ((H * tokens(H, n)).mean(0), top(H, n)), "divides by all T steps"),
    ("pooling", lambda H, n: ((H * tokens(H, n)).sum(0), top(H, n)), "a sum, not yet a mean"),
    ("pooling", lambda H, n: ((H * tokens(H, n)).sum(0) / 3, top(H, n)), "number of sentences"),
    ("pooling", lambda H, n: ((H * tokens(H, n)).sum(0) / n.float().mean(), top(H, n)), "the mean length"),
    ("pooling", lambda H, n: (H.mean(1), top(H, n)), "must be (B, d)"),
    ("pooling", lambda H, n: (-mean(H, n), top(H, n)), "mean over the tokens is not right"),
    ("pooling", lambda H, n: (mean(H, n), H.amax(0)), "your maximum reads the padding"),
    ("pooling", lambda H, n: (mean(H, n), (H * tokens(H, n)).amax(0)), "takes the zeros"),
    ("pooling", lambda H, n: (mean(H, n), (H * tokens(H, n)).abs().amax(0)), "absolute values"),
    ("pooling", lambda H, n: (mean(H, n), -top(H, n)), "maximum over the tokens is not right"),
    ("pooling", lambda H, n: (mean(H, n), H.max(0)), "the values and their places"),
    ("pooling", lambda H, n: (top(H, n), mean(H, n)), "in the wrong order"),
    ("pooling", lambda H, n: ((H * tokens(H, n)).sum(0) / n[:, None], top(H, n)), "not for NaN in the padding"),
    ("fair", root, "a number of units is whole"),
    ("fair", lambda D, h: h / 2**0.5, "recurrent weights only"),
    ("fair", lambda D, h: round(h / 2**0.5), "recurrent weights only"),
    ("fair", lambda D, h: int(root(D, h, biases=1) + 1e-9), "right for one bias"),
    ("fair", lambda D, h: h, "twice the parameters"),
    ("fair", lambda D, h: h // 2, "parameters unused"),
    ("fair", lambda D, h: h / 2, "parameters unused"),
    ("fair", lambda D, h: int(h / 2**0.5), "recurrent weights only"),
    ("fair", lambda D, h: fair(D, h) + 1, "more parameters"),
    ("fair", lambda D, h: fair(D, h) - 1, "not the largest"),
    ("fair", lambda D, h: 1000, "it is not 1000"),
]
