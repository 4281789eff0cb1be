"""Checkers of chapter 13, sequence to sequence."""

import math
from collections import Counter

import torch
from torch.nn import functional as F

from d2lrnn.batches import mask
from d2lrnn.exercises import as_tensor, call, checker, close, find_slip, number


def _ngrams(tokens, n):
    return Counter(tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1))


@checker(
    "13.precision",
    praise="No word can be used up more often than a translator would write it.",
)
def precision(answer):
    cases = [
        ("le roi et le roi ou le le par", ["le roi et la reine", "et le roi voit la reine dans le bateau ou"], 1),
        ("le le le le", ["le roi dort", "le roi voit le bateau"], 1),
        ("il ne dort pas il ne dort", ["il ne dort pas du tout ici", "non , il ne dort pas"], 2),
        ("la mer est la", ["la mer est belle et la mer est grande"], 3),
        ("le roi et la reine", ["le roi dort", "la reine voit la mer"], 1),
    ]
    for candidate, references, n in cases:
        candidate, references = candidate.split(), [reference.split() for reference in references]
        result = number(call(answer, list(candidate), [list(reference) for reference in references], n))
        counts, each = _ngrams(candidate, n), [_ngrams(reference, n) for reference in references]
        most, added = Counter(), Counter()
        for of_reference in each:
            most |= of_reference
            added += of_reference
        total, matches = counts.total(), (counts & most).total()
        unclipped = sum(count for gram, count in counts.items() if gram in most)
        first = (counts & each[0]).total()
        unigrams = Counter(candidate), Counter()
        for reference in references:
            unigrams = unigrams[0], unigrams[1] | Counter(reference)
        slips = [
            (unclipped / total, "you count every n-gram that occurs in a reference: clipping is missing."),
            (
                max((counts & of_reference).total() for of_reference in each) / total,
                "you take the best single reference; the largest count is looked up for each n-gram.",
            ),
            ((counts & added).total() / total, "you add the counts of the references up; no single one has so many."),
            (first / total, "you look at the first reference only."),
            (len(counts.keys() & most.keys()) / total, "you count different n-grams only: repeats count as well."),
            (len(counts.keys() & most.keys()) / len(counts), "you use sets: n-grams that come twice count twice."),
            (matches / each[0].total(), "you divide by the n-grams of a reference: that is a recall."),
            (matches / most.total(), "you divide by the n-grams of the references: that is a recall."),
            (matches, "that is the number of matches, not yet a share."),
            (matches / len(candidate), "you divide by the number of tokens; how many n-grams has the candidate?"),
            ((unigrams[0] & unigrams[1]).total() / len(candidate), "you compare single tokens, whatever n is."),
        ]
        if not close(result, matches / total):
            return find_slip(result, slips) or f"for {' '.join(candidate)!r} and n = {n} it is not {result:.4g}."


@checker(
    "13.wiring",
    praise="What counts is what enters the first state, each step and the output layer, not what a variable is called.",
)
def wiring(answer):
    numbers = [character for character in str(answer) if character.isdigit()]
    if len(numbers) != 3 or set(numbers) - set("123"):
        return 'the answer must be three numbers from 1 to 3, for A, B and C, such as "333".'
    a, b, c = numbers
    if b != "1":
        return "B: a variable that is called c need not hold the context. What does it hold after the first pass?"
    if a != "2":
        if a == "1":
            return "A: the context is in the inputs too, though they are made before the loop."
        return "A: look at what the output layer reads."
    if c != "3":
        if c == "1":
            return "C: the order inside `cat` does not matter. Is the context in it?"
        return "C: x is read twice. Who reads it the second time?"


@checker(
    "13.reach",
    praise="The first state fades like jᵗ; what enters at every step adds up to a geometric series.",
)
def reach(answer):
    cases = [(0.5, 0.3, 0.2, 6), (0.9, 0.1, 0.7, 3), (0.5, 0.0, 0.4, 4), (0.6, 0.2, 0.9, 0), (1.0, 0.2, 0.1, 5)]
    cases += [(1.5, 0.2, 0.4, 3), (-0.5, 0.3, 0.8, 3), (0.0, 0.3, 0.7, 2)]
    for j, b, f, t in cases:
        case = f"j = {j:g}, b = {b:g}, f = {f:g} and t = {t}"
        try:
            result = number(call(answer, j, b, f, t))
        except ZeroDivisionError:
            if j != 1:
                raise
            return "at j = 1 you divide by 1 − j = 0: what is the sum of t equal terms?"
        except ValueError:
            return f"it fails for {case}: j may be any number."
        terms = [j**k for k in range(t + 2)]
        right = terms[t] * f + b * sum(terms[:t])
        slips = [
            (b * sum(terms[:t]), "where is the first state? It reaches step t, too, t times shortened by j."),
            (terms[t] * f, "that is wiring (1): the term with b is missing."),
            (f + b * sum(terms[:t]), "the first state does not stay whole: each step multiplies its part by j."),
            (terms[t] * f + b * sum(terms[: t + 1]), "one term with b too many: t steps read c."),
            (terms[t] * f + b * sum(terms[: max(0, t - 1)]), "one term with b too few: the latest step reads c, too."),
            (terms[t] * f + b * sum(terms[1 : t + 1]), "b of the latest step is not multiplied by j."),
            (terms[t] * f + b * t, "each b is multiplied by j at the steps after it: b · t is right for j = 1 only."),
            (terms[t] * f + b, "only the latest b is in it: something is left of those before, too."),
        ]
        if j < 1:
            slips += [
                (terms[t] * f + b / (1 - j), "that is the sum of infinitely many terms; after t steps there are t."),
                (b / (1 - j), "that is the limit for large t."),
            ]
        if not close(result, right):
            if j == 1 and not math.isfinite(result):
                return "at j = 1 you divide by 1 − j = 0: what is the sum of t equal terms?"
            return find_slip(result, slips) or f"for {case} it is not {result:.4g}: unroll (13.12) for two steps."


@checker(
    "13.loss",
    praise="The same sentences with more padding have the same loss: only tokens enter the sum and the divisor.",
)
def loss(answer):
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(3, 6, 5, generator=generator) * 2
    wanted = torch.randint(5, (3, 6), generator=generator)
    counts = torch.tensor([6, 2, 3])
    tokens = mask(counts, 6)
    losses = F.cross_entropy(scores.transpose(1, 2), wanted, reduction="none")
    result = call(answer, scores.clone().requires_grad_(), wanted.clone(), counts.clone())
    right, zeroed = losses[tokens].mean(), losses * tokens
    if isinstance(result, (int, float)):
        return "the answer must be a scalar tensor, not a Python number: no gradient flows through that."
    if not isinstance(result, torch.Tensor) or result.numel() != 1:
        return f"the answer must be one number, a scalar tensor, not of shape {tuple(as_tensor(result).shape)}."
    slips = [
        (losses.mean(), "you took the mean over all positions: `counts` says where the padding begins."),
        (zeroed.mean(), "the padding is zero in your sum, but you still divide by all B·T′ positions."),
        (zeroed.sum(), "that is the sum over the tokens, not their mean."),
        (zeroed.sum() / 3, "you divide by the number of sentences, not of tokens."),
        ((zeroed.sum(1) / counts).mean(), "you average within each sentence first: short ones then weigh too much."),
        (zeroed.mean(1).sum(), "you divide each sentence by T′, its length with the padding."),
        (-right, "the sign: a loss of log-probabilities is positive."),
        (
            F.cross_entropy((scores * tokens[..., None]).flatten(0, 1), wanted.flatten()),
            "you set the scores of the padding to 0: that is a uniform guess, and it costs log V.",
        ),
        (
            F.cross_entropy(scores[tokens].softmax(1), wanted[tokens]),
            "`cross_entropy` takes scores: a softmax before it is one too many.",
        ),
    ]
    if not close(result, right, 1e-5):
        return find_slip(result, slips) or "that is not the mean over the tokens."
    if not result.requires_grad:
        return "the value is right, but no gradient can flow: a network cannot learn from it."
    wanted[~tokens] = -1
    scores[~tokens] = torch.nan
    if not close(call(answer, scores, wanted, counts), right, 1e-5):
        return "right, but not for NaN in the padding: 0 times NaN is NaN. Select the tokens first."


class _Model:
    """A decoder of random weights whose every word depends on the token, the context and the state."""

    def __init__(self, vocab_size=11, size=4):
        generator = torch.Generator().manual_seed(3)
        draw = lambda *shape: torch.randn(*shape, generator=generator) * 1.5  # noqa: E731
        self.E, self.W_c, self.W_s, self.W_h = draw(vocab_size, size), *(draw(size, size) for _ in range(3))
        self.W_q = draw(size, vocab_size)

    def start(self, context):
        return torch.tanh(context @ self.W_s)

    def __call__(self, tokens, context, state):
        state = torch.tanh(self.E[tokens[:, 0]] + context @ self.W_c + state @ self.W_h)
        return (state @ self.W_q)[:, None], state


def _scheduled(model, context, target, own, drift=False, new_state=True, zero=False):
    """Scores of scheduled sampling, with some of the typical bugs."""
    state = torch.zeros_like(context) if zero else model.start(context)
    scores = []
    for t, reads_own in enumerate(own):
        tokens = scores[-1].argmax(2) if reads_own and scores else target[:, t : t + 1]
        step, after = model(tokens, context, state)
        scores.append(step)
        state = after if new_state else state
        context = after if drift else context
    return torch.cat(scores, dim=1)


@checker(
    "13.scheduled",
    praise="Only what is read changes: the true word or the model's own; state and context go on as before.",
)
def scheduled(answer):
    model, generator = _Model(), torch.Generator().manual_seed(5)
    context = torch.randn(20, 4, generator=generator)
    target = torch.randint(4, 11, (20, 8), generator=generator)
    target[:, 0] = 2
    own = [False, False, True, False, True, True, False]
    result = as_tensor(call(answer, model, context.clone(), target.clone(), list(own)))
    right = _scheduled(model, context, target, own)
    if result.shape == right.argmax(2).shape:
        return "return the scores (B, T′, V), not the words."
    if result.shape != right.shape:
        return f"the scores must be (B, T′, V) = {tuple(right.shape)}, not {tuple(result.shape)}."
    steps = len(own)
    negated = [False, *(not o for o in own[1:])]
    slips = [
        ([False] * steps, {}, "the decoder always reads the true word: own is not used."),
        ([False] + [True] * (steps - 1), {}, "the decoder always reads its own word: own is not used."),
        (negated, {}, "the other way round: where own[t] is true, the model's own word is read."),
        ([False] + own[:-1], {}, "own is used one step late: own[t] says what is read at step t."),
        (own[1:] + [False], {}, "own is used one step early: own[t] says what is read at step t."),
        ([t >= own.index(True) for t in range(steps)], {}, "after an own word the true ones may be read again."),
        (own, dict(drift=True), "the context drifts: it is replaced by the newest state."),
        (own, dict(new_state=False), "the state stays the first one: nothing of what was read is kept."),
        (own, dict(zero=True), "the first state is the model's `start(context)`, not zeros."),
    ]
    hints = [(_scheduled(model, context, target, o, **bugs), sentence) for o, bugs, sentence in slips]
    late = torch.cat([target[:, 1:], target[:, -1:]], dim=1)
    hints.append((_scheduled(model, context, late, own), "the decoder reads the word that it is to predict."))
    if close(result, right.softmax(2)) or close(result, right.log_softmax(2)):
        return "return the scores as the model gives them, without softmax."
    if not close(result, right):
        return find_slip(result, hints) or "these are not the scores after the words that are to be read."
    model.W_q.requires_grad_()
    forced = call(answer, model, context.clone(), target.clone(), [False] * steps)
    if not close(as_tensor(forced), _scheduled(model, context, target, [False] * steps)):
        return "right for some steps of own words, but with own all false it is not teacher forcing."
    if not getattr(forced, "requires_grad", False):
        return "the scores are right, but no gradient can flow: a network cannot learn from them."
