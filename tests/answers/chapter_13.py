"""Answers to the exercises of chapter 13, sequence to sequence."""

import math
from collections import Counter

import torch
from torch.nn import functional as F

from d2lrnn.batches import mask
from d2lrnn.exercises.chapter_13 import _scheduled


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


def best_single(candidate, references, n):
    grams = ngrams(candidate, n)
    return max((grams & ngrams(reference, n)).total() for reference in references) / grams.total()


def reach(j, b, f, t):
    return f + b * t if j == 1 else j**t * f + b * (1 - j**t) / (1 - j)


def unrolled(j, b, f, t):
    for _ in range(t):
        f = j * f + b
    return torch.tensor(f)


def divided(j, b, f, t):
    return j**t * f + b * (1 - j**t) / (1 - j)


def summed(first, last):
    """The terms with b from that of j to the power `first` on."""
    return lambda j, b, f, t: j**t * f + b * sum(j**k for k in range(first, t + last))


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


def scheduled(model, context, target, own):
    state, scores = model.start(context), []
    for t, reads_own in enumerate(own):
        tokens = scores[-1].argmax(2) if reads_own else target[:, t : t + 1]
        step, state = model(tokens, context, state)
        scores.append(step)
    return torch.cat(scores, dim=1)


def mixed(model, context, target, own):
    """Chooses with `where`, from columns."""
    state, word, scores = model.start(context), target[:, :1], []
    for t in range(len(own)):
        word = torch.where(torch.tensor(own[t]), word, target[:, t, None])
        step, state = model(word, context, state)
        word = step.argmax(dim=-1)
        scores.append(step[:, 0])
    return torch.stack(scores, dim=1)


def with_own(change):
    return lambda m, c, y, own: _scheduled(m, c, y, change(own))


def with_bug(**settings):
    return lambda m, c, y, own: _scheduled(m, c, y, own, **settings)


RIGHT = {
    "precision": precision,
    "wiring": "213",
    "reach": reach,
    "loss": loss,
    "scheduled": scheduled,
}

ALSO_RIGHT = [
    ("precision", one_by_one),
    ("wiring", [2, 1, 3]),
    ("wiring", "A 2, B 1, C 3"),
    ("wiring", 213),
    ("reach", unrolled),
    ("scheduled", mixed),
    ("loss", ignoring),
    ("loss", chosen),
]

WRONG = [
    ("loss", lambda *given: RIGHT["loss"](*given).detach(), "no gradient can flow"),
    ("loss", lambda *given: RIGHT["loss"](*given).item(), "a scalar tensor"),
    ("precision", lambda *given: given, "has not the form"),
    ("precision", unclipped, "clipping is missing"),
    ("precision", added, "no single one has so many"),
    ("precision", best_single, "the best single reference"),
    ("precision", lambda c, r, n: precision(c, r[:1], n), "the first reference only"),
    ("precision", sets, "n-grams that come twice"),
    ("precision", lambda c, r, n: sets(c, r, n) * len(ngrams(c, n)) / (len(c) - n + 1), "repeats count as well"),
    ("precision", lambda c, r, n: matches(c, r, n) / (len(r[0]) - n + 1), "of a reference: that is a recall"),
    ("precision", lambda c, r, n: matches(c, r, n) / most(r, n).total(), "of the references: that is a recall"),
    ("precision", matches, "not yet a share"),
    ("precision", lambda c, r, n: matches(c, r, n) / len(c), "number of tokens"),
    ("precision", lambda c, r, n: precision(c, r, 1), "single tokens, whatever n is"),
    ("precision", lambda c, r, n: -1.0, "it is not -1"),
    ("wiring", "12", "three numbers"),
    ("wiring", "A", "three numbers"),
    ("wiring", "233", "need not hold the context"),
    ("wiring", "113", "made before the loop"),
    ("wiring", "313", "what the output layer reads"),
    ("wiring", "211", "Is the context in it?"),
    ("wiring", "212", "x is read twice"),
    ("reach", divided, "what is the sum of t equal terms"),
    ("reach", lambda *given: divided(*map(torch.tensor, given)), "what is the sum of t equal terms"),
    ("reach", lambda j, b, f, t: reach(j, b, 0, t), "where is the first state"),
    ("reach", lambda j, b, f, t: reach(j, 0, f, t), "the term with b is missing"),
    ("reach", lambda j, b, f, t: f + reach(j, b, 0, t), "does not stay whole"),
    ("reach", lambda j, b, f, t: j**t * f + b / (1 - j), "infinitely many"),
    ("reach", lambda j, b, f, t: b / (1 - j), "the limit for large t"),
    ("reach", lambda j, b, f, t: j**t * f + b * t, "right for j = 1 only"),
    ("reach", lambda j, b, f, t: j**t * f + b, "only the latest b"),
    ("reach", lambda j, b, f, t: f + b * t if j == 1 else j**t * f + b * (1 - j**t) / abs(1 - j), "for j = 1.5"),
    ("reach", lambda j, b, f, t: math.exp(t * math.log(j)) * f + reach(j, b, 0, t), "j may be any number"),
    ("reach", summed(0, 1), "too many"),
    ("reach", summed(0, -1), "too few"),
    ("reach", summed(1, 1), "not multiplied by j"),
    ("reach", lambda j, b, f, t: 0.5, "unroll (13.12)"),
    ("loss", lambda s, w, n: losses(s, w), "one number"),
    ("loss", lambda s, w, n: losses(s, w).mean(), "where the padding begins"),
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
    ("scheduled", lambda *given: scheduled(*given).argmax(2), "not the words"),
    ("scheduled", lambda *given: scheduled(*given)[:, 1:], "the scores must be (B, T′, V)"),
    ("scheduled", lambda *given: scheduled(*given).softmax(2), "without softmax"),
    ("scheduled", lambda *given: scheduled(*given).detach(), "no gradient can flow"),
    ("scheduled", with_own(lambda own: [False] * len(own)), "always reads the true word"),
    ("scheduled", with_own(lambda own: [True] * len(own)), "always reads its own word"),
    ("scheduled", with_own(lambda own: [not o for o in own]), "the other way round"),
    ("scheduled", with_own(lambda own: [False, *own[:-1]]), "one step late"),
    ("scheduled", with_own(lambda own: [*own[1:], False]), "one step early"),
    ("scheduled", with_own(lambda own: [any(own[: t + 1]) for t in range(len(own))]), "may be read again"),
    ("scheduled", with_bug(drift=True), "the context drifts"),
    ("scheduled", with_bug(new_state=False), "the state stays the first one"),
    ("scheduled", with_bug(zero=True), "not zeros"),
    ("scheduled", lambda m, c, y, own: scheduled(m, c, y.roll(-1, 1), own), "that it is to predict"),
    ("scheduled", lambda m, c, y, own: torch.zeros(len(c), len(own), 11), "after the words that are to be read"),
    (
        "scheduled",
        lambda m, c, y, own: _scheduled(m, c, y, [False, False, True, False, True, True, False]),
        "all false",
    ),
]
