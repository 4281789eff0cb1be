"""Answers to the exercises of chapter 13, sequence to sequence."""

from collections import Counter

import torch
from torch.nn import functional as F

from d2lrnn.batches import mask
from d2lrnn.exercises.chapter_13 import _written


def ngrams(tokens, n):
    return Counter(tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1))


def most(references, n):
    counts = Counter()
    for reference in references:
        counts |= ngrams(reference, n)
    return counts


def matches(candidate, references, n):
    return (ngrams(candidate, n) & most(references, n)).total()


def precision(candidate, references, n):
    return matches(candidate, references, n) / (len(candidate) - n + 1)


def one_by_one(candidate, references, n):
    grams = [tuple(candidate[i : i + n]) for i in range(len(candidate) - n + 1)]
    others = [[tuple(r[i : i + n]) for i in range(len(r) - n + 1)] for r in references]
    return sum(min(grams.count(g), max(o.count(g) for o in others)) for g in set(grams)) / len(grams)


def added(candidate, references, n):
    counts = sum((ngrams(reference, n) for reference in references), Counter())
    return (ngrams(candidate, n) & counts).total() / (len(candidate) - n + 1)


def unclipped(candidate, references, n):
    known = most(references, n)
    return sum(count for gram, count in ngrams(candidate, n).items() if gram in known) / (len(candidate) - n + 1)


def sets(candidate, references, n):
    grams = ngrams(candidate, n).keys()
    return len(grams & most(references, n).keys()) / len(grams)


def shift(target, lengths):
    return target[:, :-1], target[:, 1:], lengths - 1


def loss(scores, wanted, counts):
    tokens = mask(counts, scores.shape[1])
    return F.cross_entropy(scores[tokens], wanted[tokens])


def ignoring(scores, wanted, counts):
    tokens = mask(counts, scores.shape[1])
    return F.cross_entropy(scores.flatten(0, 1), wanted.masked_fill(~tokens, -100).flatten())


def losses(scores, wanted):
    return F.cross_entropy(scores.transpose(1, 2), wanted, reduction="none")


def zeroed(scores, wanted, counts):
    return losses(scores, wanted) * mask(counts, scores.shape[1])


def chosen(scores, wanted, counts):
    return torch.where(mask(counts, scores.shape[1]), losses(scores, wanted.clamp(min=0)), 0).sum() / counts.sum()


def with_bug(**settings):
    return lambda model, context, bos, steps: _written(model, context, bos, steps, **settings)


RIGHT = {
    "precision": precision,
    "shift": shift,
    "wiring": "231",
    "loss": loss,
    "drift": with_bug(),
}

ALSO_RIGHT = [
    ("precision", one_by_one),
    ("wiring", [2, 3, 1]),
    ("wiring", "A 2, B 3, C 1"),
    ("wiring", 231),
    ("loss", ignoring),
    ("loss", chosen),
]

WRONG = [
    ("loss", lambda *given: RIGHT["loss"](*given).detach(), "no gradient can flow"),
    ("loss", lambda *given: RIGHT["loss"](*given).item(), "a scalar tensor"),
    ("precision", lambda *given: given, "has not the form"),
    ("precision", unclipped, "clipping is missing"),
    ("precision", added, "no single one has so many"),
    ("precision", lambda c, r, n: precision(c, r[:1], n), "the first reference only"),
    ("precision", sets, "n-grams that come twice"),
    ("precision", lambda c, r, n: sets(c, r, n) * len(ngrams(c, n)) / (len(c) - n + 1), "repeats count as well"),
    ("precision", lambda c, r, n: matches(c, r, n) / (len(r[0]) - n + 1), "of a reference: that is a recall"),
    ("precision", lambda c, r, n: matches(c, r, n) / most(r, n).total(), "of the references: that is a recall"),
    ("precision", matches, "not yet a share"),
    ("precision", lambda c, r, n: matches(c, r, n) / len(c), "number of tokens"),
    ("precision", lambda c, r, n: precision(c, r, 1), "single tokens, whatever n is"),
    ("precision", lambda c, r, n: -1.0, "it is not -1"),
    ("shift", lambda y, n: (y[:, :-1], y[:, 1:]), "return three tensors"),
    ("shift", lambda y, n: (y, y, n), "both have L − 1 columns"),
    ("shift", lambda y, n: (y, y[:, 1:], n - 1), "both have L − 1 columns"),
    ("shift", lambda y, n: (y[:, 1:], y[:, 1:], n - 1), "it will copy"),
    ("shift", lambda y, n: (y[:, 1:], y[:, :-1], n - 1), "the other way round"),
    ("shift", lambda y, n: (y[:, 1:-1], y[:, 1:], n - 1), "lost its <bos>"),
    ("shift", lambda y, n: (y[:, :-1].masked_fill(y[:, :-1] == 2, 3), y[:, 1:], n - 1), "begins every target"),
    ("shift", lambda y, n: (-y[:, :-1], y[:, 1:], n - 1), "what is read is not right"),
    ("shift", lambda y, n: (y[:, :-1], y[:, 1:-1], n - 1), "learn to stop"),
    ("shift", lambda y, n: (y[:, :-1], -y[:, 1:], n - 1), "what is predicted is not right"),
    ("shift", lambda y, n: (y[:, :-1], y[:, 1:], n), "<bos> is never predicted"),
    ("shift", lambda y, n: (y[:, :-1], y[:, 1:], n - 2), "<eos> is predicted like any word"),
    ("shift", lambda y, n: (y[:, :-1], y[:, 1:], [4, 4, 4]), "count the padding"),
    ("shift", lambda y, n: (y[:, :-1], y[:, 1:], 11), "how many tokens of each row"),
    ("wiring", "12", "three numbers"),
    ("wiring", "A", "three numbers"),
    ("wiring", "232", "need not hold the context"),
    ("wiring", "211", "made before the loop"),
    ("wiring", "221", "what the first state is made of"),
    ("wiring", "331", "what is the first state made of?"),
    ("wiring", "131", "Is the context in it?"),
    ("loss", lambda s, w, n: losses(s, w), "one number"),
    ("loss", lambda s, w, n: losses(s, w).mean(), "the padding is in it"),
    ("loss", lambda s, w, n: zeroed(s, w, n).mean(), "all B·T′ positions"),
    ("loss", lambda s, w, n: zeroed(s, w, n).sum(), "not their mean"),
    ("loss", lambda s, w, n: zeroed(s, w, n).sum() / len(s), "number of sentences"),
    ("loss", lambda s, w, n: (zeroed(s, w, n).sum(1) / n).mean(), "short ones then weigh too much"),
    ("loss", lambda s, w, n: zeroed(s, w, n).mean(1).sum(), "its length with the padding"),
    ("loss", lambda s, w, n: -loss(s, w, n), "the sign"),
    ("loss", lambda s, w, n: losses(s * mask(n, s.shape[1])[..., None], w).mean(), "it costs log V"),
    ("loss", lambda s, w, n: loss(s.softmax(2), w, n), "one too many"),
    ("loss", lambda s, w, n: 2 * loss(s, w, n), "not the mean over the tokens"),
    ("loss", lambda s, w, n: zeroed(s, w.clamp(min=0), n).sum() / n.sum(), "0 times NaN is NaN"),
    ("drift", lambda m, c, b, n: torch.cat([torch.full((len(c), 1), b), with_bug()(m, c, b, n)], 1), "too many"),
    ("drift", lambda m, c, b, n: with_bug()(m, c, b, n)[:, 0], "must be ids (B, steps)"),
    ("drift", with_bug(drift=True), "it is replaced by the newest state"),
    ("drift", with_bug(drift=True, new_state=False), "drifts, and the state stays"),
    ("drift", with_bug(read_own=False), "is never read"),
    ("drift", with_bug(new_state=False), "nothing of what was written is kept"),
    ("drift", with_bug(read_own=False, new_state=False), "all words are the same"),
    ("drift", with_bug(read_own=False, new_state=False, drift=True), "with both bugs"),
    ("drift", with_bug(read_own=False, drift=True), "and each step reads <bos>"),
    ("drift", with_bug(zero=True), "not zeros"),
    ("drift", lambda m, c, b, n: torch.zeros(len(c), n), "not the likeliest words"),
]
