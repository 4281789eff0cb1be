"""Checkers of chapter 13, sequence to sequence."""

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
    "13.shift",
    praise="Position by position, what is read stands one step behind what is predicted.",
)
def shift(answer):
    target = torch.tensor([[2, 7, 8, 9, 3], [2, 5, 3, 1, 1], [2, 6, 4, 3, 1]])
    lengths = torch.tensor([5, 3, 4])
    result = call(answer, target.clone(), lengths.clone())
    try:
        read, predict, counts = map(as_tensor, result)
    except (TypeError, ValueError):
        return "return three tensors: what is read, what is predicted, and the number of tokens of each row."
    if close(read, target) or close(predict, target):
        return "both have L − 1 columns: one end of the row is only read, the other one only predicted."
    if close(read, predict):
        return "the decoder reads what it is to predict: it will copy, and learn nothing."
    if close(read, target[:, 1:]) and close(predict, target[:, :-1]):
        return "the other way round: the decoder would predict what came before."
    if not close(read, target[:, :-1]):
        if close(read, target[:, 1:-1]):
            return "what is read has lost its <bos>: from what would the first word be predicted?"
        if 3 in read and read.shape == (3, 4) and close(read[:, 1:], target[:, 1:-1]):
            return "the first token that is read must be the one that begins every target sentence."
        return "what is read is not right: every token that something follows, <bos> too."
    if not close(predict, target[:, 1:]):
        if close(predict, target[:, 1:-1]):
            return "what is predicted lacks its last column: how would the model learn to stop?"
        return "what is predicted is not right: it is the token that follows the one that is read."
    slips = [
        (lengths, "counts: <bos> is never predicted."),
        (lengths - 2, "counts: <bos> does not count, but <eos> is predicted like any word."),
        (torch.full((3,), 4), "counts: you count the padding as well."),
    ]
    if not close(counts, lengths - 1):
        return find_slip(counts, slips) or "counts: how many tokens of each row are predicted, without padding?"


@checker(
    "13.wiring",
    praise="What counts is what enters the first state and what enters each step, not what a variable is called.",
)
def wiring(answer):
    numbers = [character for character in str(answer) if character.isdigit()]
    if len(numbers) != 3 or set(numbers) - set("123"):
        return 'the answer must be three numbers from 1 to 3, for A, B and C, such as "333".'
    a, b, c = numbers
    if c != "1":
        return "C: a variable that is called c need not hold the context. What does it hold after the first pass?"
    if b != "3":
        if b == "1":
            return "B: the context is in the inputs too, though they are made before the loop."
        return "B: look at what the first state is made of."
    if a != "2":
        if a == "3":
            return "A: the context is read at every step, but what is the first state made of?"
        return "A: the order inside `cat` does not matter. Is the context in it?"


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
    if not isinstance(result, torch.Tensor) or result.numel() != 1:
        return f"the answer must be one number, a scalar tensor, not of shape {tuple(as_tensor(result).shape)}."
    slips = [
        (losses.mean(), "you took the mean over all positions: the padding is in it."),
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


def _written(model, context, bos, steps, read_own=True, new_state=True, drift=False, zero=False):
    """Greedy words with some of the typical bugs."""
    state = torch.zeros_like(context) if zero else model.start(context)
    tokens, written = torch.full((len(context), 1), bos), []
    for _ in range(steps):
        scores, after = model(tokens, context, state)
        written.append(scores.argmax(2))
        tokens = written[-1] if read_own else tokens
        state = after if new_state else state
        context = after if drift else context
    return torch.cat(written, dim=1)


@checker(
    "13.drift",
    praise="Three things go round: the word that was written, the state after it, and a context that stays as it is.",
)
def drift(answer):
    model, bos, steps = _Model(), 2, 9
    context = torch.randn(20, 4, generator=torch.Generator().manual_seed(5))
    result = as_tensor(call(answer, model, context.clone(), bos, steps))
    right = _written(model, context, bos, steps)
    if result.shape == (20, steps + 1):
        return "there is one column too many: <bos> is read, not written."
    if result.shape != right.shape:
        return f"the answer must be ids (B, steps), not {tuple(result.shape)}."
    slips = [
        (dict(drift=True), "the context still drifts: it is replaced by the newest state."),
        (dict(drift=True, new_state=False), "the context still drifts, and the state stays the first one."),
        (dict(read_own=False), "the word that was written is never read: each step reads <bos>."),
        (dict(new_state=False), "the state stays the first one: nothing of what was written is kept."),
        (dict(read_own=False, new_state=False), "each step reads <bos> in the first state: all words are the same."),
        (dict(read_own=False, drift=True, new_state=False), "that is the function of the text, with both bugs."),
        (dict(read_own=False, drift=True), "the context still drifts, and each step reads <bos>."),
        (dict(zero=True), "the first state is the model's `start(context)`, not zeros."),
    ]
    hints = [(_written(model, context, bos, steps, **settings), sentence) for settings, sentence in slips]
    if not close(result, right):
        return find_slip(result, hints) or "these are not the likeliest words, each after the words before it."
