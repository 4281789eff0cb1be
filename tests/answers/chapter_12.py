"""Answers to the exercises of chapter 12, machine translation and its data."""

import math
import random

import torch

from d2lrnn.text import normalize


def e_step(t, y, x):
    probs = t[y][:, x]
    return probs / probs.sum(dim=0)


def to_row(ids, max_length, bos, eos, pad):
    row = [bos, *ids[:max_length], eos]
    return row + [pad] * (max_length + 2 - len(row)), len(row)


def row_cut_last(ids, max_length, bos, eos, pad):
    row = [bos, *ids, eos][: max_length + 2]
    return row + [pad] * (max_length + 2 - len(row)), len(row)


def row_always_replaced(ids, max_length, bos, eos, pad):
    row = [bos, *ids[: max_length - 1], eos]
    return row + [pad] * (max_length + 2 - len(row)), len(row)


def row_eos_last(ids, max_length, bos, eos, pad):
    ids = ids[:max_length]
    return [bos, *ids, *[pad] * (max_length - len(ids)), eos], len(ids) + 2


def row_last_ids(ids, max_length, bos, eos, pad):
    row = [bos, *ids[-max_length:], eos]
    return row + [pad] * (max_length + 2 - len(row)), len(row)


def split(pairs, num_held_out, key=normalize):
    sources = list(dict.fromkeys(key(x) for x, _ in pairs))
    chosen = set(random.sample(sources, num_held_out))
    return [p for p in pairs if key(p[0]) not in chosen], [p for p in pairs if key(p[0]) in chosen]


def split_pairs(pairs, num_held_out):
    return pairs[num_held_out:], pairs[:num_held_out]


def split_once(pairs, num_held_out):
    """Without the other translations."""
    train, held_out = split(pairs, num_held_out)
    return train, list({normalize(x): (x, y) for x, y in held_out}.values())


def split_with_repeats(pairs, num_held_out):
    """Draws from a list in which a sentence stands once for each translation."""
    chosen = set(random.sample([normalize(x) for x, _ in pairs], num_held_out))
    return [p for p in pairs if normalize(p[0]) not in chosen], [p for p in pairs if normalize(p[0]) in chosen]


def split_normalized(pairs, num_held_out):
    return split([(normalize(x), y) for x, y in pairs], num_held_out)


def without_null(t, x, y):
    return log_channel(t, x, y) + len(x) * math.log(len(y) / (len(y) - 1))


def log_channel(t, x, y):
    return sum(math.log(sum(t[f, e].item() for f in y) / len(y)) for e in x)


RIGHT = {
    "models": "BC",
    "by_hand": (1 / 2, 7 / 11),
    "e_step": e_step,
    "truncate": to_row,
    "split": split,
    "bag": (log_channel, "A"),
}

ALSO_RIGHT = [
    ("models", ["b", "c"]),
    ("by_hand", torch.tensor([0.5, 7 / 11])),
    ("truncate", lambda *given: (torch.tensor(RIGHT["truncate"](*given)[0]), float(RIGHT["truncate"](*given)[1]))),
    ("models", "c, b"),
    ("models", ["B", "C"]),
    ("by_hand", [0.5, 0.636]),
    ("e_step", lambda t, y, x: e_step(t, y, x).tolist()),
    ("bag", (lambda t, x, y: (t[y][:, x].sum(dim=0) / len(y)).log().sum(), ["a"])),
]

WRONG = [
    ("models", "AE", "letters from A to D"),
    ("models", 5, "letters from A to D"),
    ("models", "AC", "what stands before the bar"),
    ("models", "BD", "written well"),
    ("models", "AD", "what stands before the bar"),
    ("models", "ABC", "more than needed"),
    ("models", "C", "what is to be translated"),
    ("models", "B", "order and the agreement"),
    ("by_hand", 0.5, "two numbers"),
    ("by_hand", (1.0, 7 / 11), "still has to be divided"),
    ("by_hand", (0.25, 7 / 11), "in two pairs"),
    ("by_hand", (0.3, 7 / 11), "share out"),
    ("by_hand", (0.5, 0.5), "no longer equally probable"),
    ("by_hand", (0.5, 7 / 6), "still has to be divided"),
    ("by_hand", (0.5, 2 / 3), "one posterior"),
    ("by_hand", (0.5, 7 / 12), "number of places"),
    ("by_hand", (0.5, 1.0), "whole word to the likeliest"),
    ("by_hand", (0.5, 0.4), "*both* words"),
    ("e_step", lambda t, y, x: t[y][:, x], "must sum to 1"),
    ("e_step", lambda t, y, x: e_step(t, y, x).T, "French places down"),
    ("e_step", lambda t, y, x: t[y][:, x] / t[y][:, x].sum(dim=1, keepdim=True), "over the English words"),
    ("e_step", lambda t, y, x: t[y][:, x] / t[y][:, x].sum(), "choice of its own"),
    ("e_step", lambda t, y, x: t[y][:, x].softmax(dim=0), "no exponential"),
    ("e_step", lambda t, y, x: (e_step(t, y, x) == e_step(t, y, x).amax(dim=0)).double(), "likeliest link only"),
    ("e_step", lambda t, y, x: t[y][:, x].sum(dim=0), "the shape must be"),
    ("e_step", lambda t, y, x: torch.ones(5, 4), "not the posteriors"),
    ("truncate", row_cut_last, "Was it cut off"),
    ("truncate", row_always_replaced, "keep the *first*"),
    ("truncate", row_eos_last, "before the padding"),
    ("truncate", row_last_ids, "keep the *first*"),
    ("truncate", lambda ids, max_length, bos, eos, pad: [bos, *ids[:max_length], eos], "return two things"),
    ("truncate", lambda ids, n, bos, eos, pad: (to_row(ids, n, bos, eos, pad)[0], n + 2), "with its padding"),
    ("truncate", lambda ids, n, bos, eos, pad: (to_row(ids, n, bos, eos, pad)[0], len(ids[:n])), "counts bos and eos"),
    ("truncate", lambda ids, n, bos, eos, pad: (to_row(ids, n, bos, eos, pad)[0], len(ids) + 2), "after the cut"),
    ("truncate", lambda ids, n, bos, eos, pad: ([bos, *ids[:n], eos], len(ids[:n]) + 2), "entries, not max_length + 2"),
    ("split", split_pairs, "sentences must be drawn"),
    ("split", lambda pairs, n: split(pairs, n, key=lambda x: x), "two spellings"),
    ("split", split_once, "in neither list"),
    ("split", lambda pairs, n: split(pairs, n)[::-1], "wrong order"),
    ("split", lambda pairs, n: split(pairs, n + 1), "instead of 3"),
    ("split", split_with_repeats, "one sentence twice"),
    ("split", split_normalized, "as they were given"),
    ("split", lambda pairs, n: pairs, "two lists"),
    ("bag", log_channel, "the function and the letters"),
    ("bag", (lambda t, x, y: math.exp(log_channel(t, x, y)), "A"), "asks for its logarithm"),
    ("bag", (lambda t, x, y: t[y][:, x].sum(dim=0).log().sum(), "A"), "is missing"),
    ("bag", (lambda t, x, y: log_channel(t, x, y) / len(x), "A"), "mean per word"),
    ("bag", (without_null, "A"), "counts as a place"),
    ("bag", (lambda t, x, y: (t[y][:, x] / len(y)).log().sum(), "A"), "sum over the French words first"),
    ("bag", (lambda t, x, y: log_channel(t, y, x), "A"), "in each other's place"),
    ("bag", (log_channel, 1), "from A to C"),
    ("bag", (log_channel, "AB"), "which share of the places"),
    ("bag", (log_channel, "AC"), "still is a place"),
    ("bag", (log_channel, "D"), "from A to C"),
]
