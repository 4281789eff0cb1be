"""Answers to the exercises of chapter 11, bidirectional networks."""

import numpy as np
import torch

from d2lrnn.batches import mask
from d2lrnn.cells import reverse


def count(D, h_1, h_2, q, L, biases=1, upper=None, output=True):
    """The parameters of L layers; `upper` is what a layer above reads, for each direction."""
    total, widths = 0, (D, D)
    for _ in range(L):
        total += sum(h * (width + h + biases) for h, width in zip((h_1, h_2), widths, strict=True))
        widths = upper or (h_1 + h_2, h_1 + h_2)
    return total + output * ((h_1 + h_2) * q + q)


def joined(D, h_1, h_2, q, L):
    """The parameters of L layers of one direction with as many units."""
    h = h_1 + h_2
    return h * (D + h + 1) + (L - 1) * h * (h + h + 1) + h * q + q


def counted(D, h_1, h_2, q, L):
    """By torch, without its second biases."""
    sizes, width = [], D
    for _ in range(L):
        sizes += [torch.nn.RNN(width, h).weight_ih_l0.numel() + h * h + h for h in (h_1, h_2)]
        width = h_1 + h_2
    return torch.tensor([sum(sizes) + sum(p.numel() for p in torch.nn.Linear(width, q).parameters())])


def best(joint):
    return joint.sum(0).max(), joint.amax(1).sum()


def backward(inputs, lengths, recurrence):
    return reverse(recurrence(reverse(inputs, lengths)), lengths)


def one_by_one(inputs, lengths, recurrence):
    states = recurrence(inputs).clone()
    for i, n in enumerate(lengths.tolist()):
        states[:n, i] = recurrence(inputs[:n, i : i + 1].flip(0)).flip(0)[:, 0]
    return states


def by_rows(inputs, lengths, recurrence):
    """Each step from n − 1 − t; what that gives in the padding does not matter."""
    steps = (lengths - 1 - torch.arange(len(inputs))[:, None]).abs()
    rows = torch.arange(len(lengths))
    return recurrence(inputs[steps, rows])[steps, rows]


def tokens(H, lengths):
    return mask(lengths, len(H)).T[..., None]


def mean(H, lengths):
    return H.masked_fill(~tokens(H, lengths), 0).sum(0) / lengths[:, None]


def top(H, lengths):
    return H.masked_fill(~tokens(H, lengths), -torch.inf).amax(0)


def filled(number):
    """The maximum over the padding too, which holds this number."""
    return lambda H, lengths: (mean(H, lengths), H.masked_fill(~tokens(H, lengths), number).amax(0))


def multiplied(H, lengths):
    """Right but for NaN in the padding."""
    words = tokens(H, lengths)
    return (H * words).sum(0) / lengths[:, None], (H + torch.zeros(()).where(words, -torch.inf)).amax(0)


def root(D, h, biases=2):
    return (((D + biases) ** 2 + 2 * h * (D + h + biases)) ** 0.5 - (D + biases)) / 2


def fair(D, h):
    return int(root(D, h) + 1e-9)


RIGHT = {
    "count": count,
    "best": best,
    "backward": backward,
    "leak": "ACD",
    "pooling": lambda H, lengths: (mean(H, lengths), top(H, lengths)),
    "fair": fair,
}

ALSO_RIGHT = [
    ("pooling", lambda H, lengths: [part.numpy() for part in multiplied(H.nan_to_num(), lengths)]),
    ("count", counted),
    ("count", lambda *sizes: float(count(*sizes))),
    ("best", lambda joint: [float(part) for part in best(joint)]),
    ("best", lambda joint: torch.stack(best(joint)).numpy()),
    ("best", lambda joint: (max(map(sum, zip(*joint.tolist(), strict=True))), sum(map(max, joint.tolist())))),
    ("leak", {"a", "c", "d"}),
    ("fair", lambda D, h: next(k for k in range(h, 0, -1) if 2 * k * (D + k + 2) <= h * (D + h + 2))),
    ("backward", one_by_one),
    ("backward", by_rows),
    ("backward", lambda *given: backward(*given).numpy()),
    ("backward", lambda *given: list(backward(*given))),
    ("backward", lambda *given: backward(*given).tolist()),
    ("pooling", filled(-1e9)),
    ("pooling", lambda H, lengths: (tuple(mean(H, lengths)), tuple(top(H, lengths)))),
    ("pooling", lambda H, lengths: torch.stack([mean(H, lengths), top(H, lengths)])),
    ("leak", "d, c, a"),
    ("leak", ["A", "C", "D"]),
    ("leak", np.array(["A", "C", "D"])),
    ("leak", np.array("ACD")),
    ("leak", {"A", "C", "D"}),
]

WRONG = [
    ("count", 7, "asks for a function"),
    ("count", lambda D, h_1, h_2, q, L: 1000, "it is not 1000"),
    ("count", lambda *sizes: count(*sizes, output=False), "output layer is missing"),
    ("count", lambda D, h_1, h_2, q, L: count(D, h_1, h_2, q, L) - q, "bias of the output layer"),
    ("count", lambda *sizes: count(*sizes, biases=2), "two biases"),
    ("count", lambda *sizes: count(*sizes, biases=0), "biases of the hidden layers"),
    ("count", lambda D, h_1, h_2, q, L: count(D, h_1, h_2, q, L, upper=(h_1, h_2)), "reads both directions of"),
    ("count", lambda D, h_1, h_2, q, L: count(D, h_1, h_2, q, L, upper=(D, D)), "only the first layer reads"),
    ("count", lambda D, h_1, h_2, q, L: count(D, h_1, h_2, q, 1), "what do the others add"),
    ("count", lambda D, h_1, h_2, q, L: count(D, h_1, h_2, q, L + 1), "one layer too many"),
    ("count", joined, "neither direction reads the other"),
    ("count", lambda D, h_1, h_2, q, L: count(D, h_1, h_1, q, L), "different sizes"),
    ("count", lambda D, h_1, h_2, q, L: count(D, h_1, h_2, q, L) - h_2 * q, "the output layer reads both"),
    ("best", lambda joint: 1, "return two numbers"),
    ("best", lambda joint: (0.5, 1.0), "forward: this is not"),
    ("best", lambda joint: best(joint)[::-1], "in the wrong order"),
    ("best", lambda joint: (joint.max(), best(joint)[1]), "one continuation only; P(y | x)"),
    ("best", lambda joint: (joint.sum(1).max(), best(joint)[1]), "summed over the labels"),
    ("best", lambda joint: (joint.mean(0).max(), best(joint)[1]), "do not average"),
    ("best", lambda joint: (best(joint)[1], best(joint)[1]), "does not know z"),
    ("best", lambda joint: (joint.amax(0).sum(), best(joint)[1]), "first sum over z"),
    ("best", lambda joint: ((joint / joint.sum(1, keepdim=True)).mean(0).max(), 1.0), "not equally probable"),
    ("best", lambda joint: (joint.sum(0).argmax(), best(joint)[1]), "not a label"),
    ("best", lambda joint: (best(joint)[0], best(joint)[0]), "differ from row to row"),
    ("best", lambda joint: (best(joint)[0], joint.max()), "both: that is one continuation"),
    ("best", lambda joint: (best(joint)[0], 1.0), "need not decide"),
    ("best", lambda joint: (best(joint)[0], (joint / joint.sum(1, keepdim=True)).amax(1).sum()), "weigh each row"),
    ("best", lambda joint: (best(joint)[0], (joint / joint.sum(1, keepdim=True)).amax(1).mean()), "not equally"),
    ("best", lambda joint: (best(joint)[0], joint.amax(1).mean()), "both: the entries already"),
    ("best", lambda joint: (best(joint)[0], joint.amax(0).sum()), "a label for each continuation"),
    ("best", lambda joint: (best(joint)[0], 0.01), "both: this is not the mean"),
    ("pooling", multiplied, "0 times NaN"),
    ("pooling", lambda H, lengths: [part.nan_to_num() for part in multiplied(H, lengths)], "0 times NaN"),
    ("pooling", lambda H, lengths: (0 * H[0], 0 * H[0]) if H.isnan().any() else multiplied(H, lengths), "0 times NaN"),
    ("fair", lambda D, h: next(k for k in range(h, 0, -1) if 2 * k * (D + k + 2) < h * (D + h + 2)), "not the largest"),
    ("backward", lambda X, n, f: f(X)[0], "states of all steps"),
    ("backward", lambda X, n, f: "states", "states of all steps"),
    ("backward", lambda X, n, f: backward(X, torch.tensor([3, 5, 1]), f), "stopped with"),
    ("pooling", lambda H, n: RIGHT["pooling"](H, torch.tensor([2, 6, 4])), "stopped with"),
    ("pooling", filled(-5), "lower than the number that you put"),
    ("pooling", filled(-100), "lower than the number that you put"),
    ("best", lambda joint: (joint.sum(int(len(joint) < len(joint.T))).max(), best(joint)[1]), "summed over the labels"),
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
    ("leak", np.array(["C", "D"]), "the plainest one"),
    ("leak", np.array([1, 3, 4]), "letters from A to F"),
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
