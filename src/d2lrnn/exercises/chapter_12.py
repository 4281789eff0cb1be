"""Checkers of chapter 12, machine translation and its data."""

import torch

from d2lrnn.exercises import NotAnswered, as_tensor, call, checker, close, find_slip, letters, whole
from d2lrnn.text import normalize


def _unanswered(value):
    return value is None or value is Ellipsis


@checker(
    "12.models",
    praise="The channel runs from what we want to write to what we have read.",
)
def models(answer):
    named = letters(answer, "ABCD")
    if not named:
        return 'the answer must be letters from A to D, such as "AB".'
    if {"A", "B"} <= named or {"C", "D"} <= named:
        return "that is more than needed: one of the two directions, and one language."
    if named <= {"C", "D"}:
        return "a language model alone does not know what is to be translated."
    if named <= {"A", "B"}:
        return "with a word table alone nobody cares for the order and the agreement of the words."
    if "A" in named:
        return "write Bayes' rule with x and y for this task: what is given, and what stands before the bar?"
    if "D" in named:
        return "which of the two sentences is known, and which one has still to be written well?"


@checker(
    "12.by_hand",
    praise="Soft counts do it: what “lampe” explains elsewhere, “la” need not explain here.",
)
def by_hand(answer):
    try:
        one, two = answer
    except (TypeError, ValueError):
        return "the answer must be two numbers: after one step, and after two."
    if _unanswered(one) or _unanswered(two):
        raise NotAnswered
    if not close(one, 1 / 2, 2e-3):
        slips = [
            (1.0, "after one step: that is the expected count; it still has to be divided."),
            (1 / 4, "after one step: “the” occurs beside “la” in two pairs."),
            (2 / 3, "after one step: divide by the expected counts of the French word, not of the English one."),
            (7 / 11, "after one step: that is already the second one."),
        ]
        return find_slip(one, slips, 2e-3) or "after one step: share out each English word, add up for “la”, divide."
    if not close(two, 7 / 11, 2e-3):
        slips = [
            (1 / 2, "after two steps: the links are no longer equally probable."),
            (7 / 6, "after two steps: that is the expected count; it still has to be divided."),
            (2 / 3, "after two steps: that is one posterior, of the first pair; add the second pair, and divide."),
            (7 / 12, "after two steps: dividing by the number of places is not dividing by the expected counts."),
            (1.0, "after two steps: links stay probabilities; do not give a whole word to the likeliest."),
        ]
        return find_slip(two, slips, 2e-3) or "after two steps: use the table of step one for *both* words of a pair."


def _tables():
    """A table t, ids of y and of x; one French word stands twice in y, and one English word twice in x."""
    generator = torch.Generator().manual_seed(0)
    t = torch.rand(6, 7, generator=generator, dtype=torch.float64)
    return t / t.sum(dim=1, keepdim=True), [1, 4, 2, 4, 3], [0, 5, 5, 2]


@checker(
    "12.e_step",
    praise="Every English word is shared out among the places it may have come from, and nothing of it is lost.",
)
def e_step(answer):
    t, y, x = _tables()
    probs = t[y][:, x]
    right = probs / probs.sum(dim=0)
    result = as_tensor(call(answer, t.clone(), list(y), list(x)))
    if result.shape != right.shape:
        if result.shape == right.T.shape:
            return "the shape must be (l + 1, m): French places down, English places across."
        return f"the shape must be (l + 1, m), here (5, 4), not {tuple(result.shape)}."
    slips = [
        (probs, "those are the entries of t; the chances of one English word must sum to 1."),
        (probs / probs.sum(dim=1, keepdim=True), "you normalised over the English words: which sum stands in (12.4)?"),
        (probs / probs.sum(), "you normalised over all links at once; each English word makes a choice of its own."),
        ((probs == probs.amax(dim=0)).double(), "you took the likeliest link only; the E step keeps the chances."),
        (probs.softmax(dim=0), "t holds probabilities already: no exponential is needed."),
        (probs.mean(dim=0).expand_as(probs), "every row is the same: divide, do not average."),
    ]
    if not close(result, right):
        return find_slip(result, slips) or "these are not the posteriors of (12.4)."


@checker(
    "12.truncate",
    praise="Cut sentences end with <eos> as well, so a decoder never learns to go on for ever.",
)
def truncate(answer):
    bos, eos, pad = 2, 3, 1
    for ids, max_length in (([7, 8, 9, 5, 6], 3), ([7, 8], 4), ([7, 8, 9], 3), ([4], 1)):
        kept = [bos, *ids[:max_length], eos]
        row = kept + [pad] * (max_length + 2 - len(kept))
        result = call(answer, list(ids), max_length, bos, eos, pad)
        try:
            given, length = result
            given, length = [whole(i) for i in given], whole(length)
        except (TypeError, ValueError):
            return "return two things: the row, a list of ids, and its valid length, a number."
        which = f"for {len(ids)} ids and max_length {max_length}"
        if eos not in given:
            return f"{which}: the row has no eos. Was it cut off?"
        if bos not in given:
            return f"{which}: the row has no bos."
        if len(given) != max_length + 2:
            return f"{which} the row has {len(given)} entries, not max_length + 2."
        if given != row:
            if given.count(eos) > 1:
                return f"{which}: one eos is enough."
            if given[-1] == eos and row[-1] == pad:
                return f"{which}: the eos belongs at the end of the sentence, before the padding."
            if max_length >= len(ids) > 1 and ids[-1] not in given:
                return f"{which}: this sentence is not too long, but its last id is lost."
            if given[: len(kept)].count(pad) or given[1 : len(kept) - 1] != ids[:max_length]:
                return f"{which}: keep the *first* max_length ids, in their order, with nothing between them."
            return f"{which}: the row is {given}."
        if length != len(kept):
            if length == len(row):
                return f"{which}: that is the length of the row with its padding."
            if length in (len(kept) - 1, len(kept) - 2):
                return f"{which}: the row is right, but the valid length counts bos and eos."
            if length == len(ids) + 2:
                return f"{which}: the row is right; its valid length is that after the cut."
            return f"{which}: the row is right, its valid length is not {length}."


@checker(
    "12.split",
    praise="All translations of a held-out sentence are held out with it, and serve as its references.",
)
def split(answer):
    sources = ["Wait.", "Run!", "I am cold.", "caf\u00e9?", "It rains.", "Who knows?", "Thank you.", "Come in."]
    pairs = [(source, f"{source} {k}") for k in range(3) for source in sources[: 8 - 2 * k]]
    pairs += [("wait.", "Patiente."), ("cafe\u0301?", "Un café ?"), ("I\u00a0am cold.", "J'ai froid.")]
    num_held_out, wrong_number = 3, None
    for _ in range(30):  # most answers draw at random, and a wrong one may be lucky
        result = call(answer, list(pairs), num_held_out)
        try:
            train, held_out = (list(map(tuple, part)) for part in result)
        except (TypeError, ValueError):
            return "return two lists of pairs: training and held out."
        if sorted(train + held_out) != sorted(pairs):
            if set(train + held_out) < set(pairs):
                return "some pairs are in neither list: the other translations of a sentence are wanted as well."
            if {(normalize(x), normalize(y)) for x, y in train + held_out} == {
                (normalize(x), normalize(y)) for x, y in pairs
            }:
                return "return the pairs as they were given: `normalize` only serves to compare."
            return "each pair must be in exactly one of the two lists."
        exact = {x for x, _ in train} & {x for x, _ in held_out}
        if exact:
            return f"{sorted(exact)[0]!r} is on both sides: sentences must be drawn, not pairs."
        if {normalize(x) for x, _ in train} & {normalize(x) for x, _ in held_out}:
            return "a sentence is on both sides in two spellings: compare after `normalize`."
        drawn = len({normalize(x) for x, _ in held_out})
        if drawn != num_held_out:
            if len({normalize(x) for x, _ in train}) == num_held_out:
                return "the two lists are in the wrong order: first the training pairs."
            how = " Can your draw take one sentence twice?" if drawn < num_held_out else ""
            # Two spellings drawn together are a wrong number as well: another draw may show the reason.
            wrong_number = f"{drawn} source sentences are held out instead of {num_held_out}.{how}"
    return wrong_number


@checker(
    "12.bag",
    praise="A bag of words: for model 1 “le roi voit la reine” and “la reine voit le roi” are one sentence.",
)
def bag(answer):
    try:
        function, places = answer
    except (TypeError, ValueError):
        return "the answer must be the function and the letters."
    t, y, x = _tables()
    right = (t[y][:, x].sum(dim=0) / len(y)).log().sum()
    result = as_tensor(call(function, t.clone(), list(x), list(y)))
    sums = t[y][:, x].sum(dim=0)
    slips = [
        ((t[x][:, y].sum(dim=0) / len(x)).log().sum(), "x and y are in each other's place: y holds the rows of t."),
        (right.exp(), "that is P(x | y); the exercise asks for its logarithm."),
        (sums.log().sum(), "the share 1 / (l + 1) of each position is missing."),
        (sums.prod(), "the share 1 / (l + 1) and the logarithm are missing."),
        (sums.log().sum() - torch.tensor(len(y)).log(), "the share 1 / (l + 1) is needed once for each English word."),
        ((sums / (len(y) - 1)).log().sum(), "<null> is in y already and counts as a place."),
        ((sums / (len(y) + 1)).log().sum(), "<null> is in y already: len(y) is l + 1."),
        ((t[y][:, x] / len(y)).log().sum(), "sum over the French words first, then take the logarithm."),
        (right / len(x), "that is the mean per word; P(x | y) is a product over the words."),
        (right / torch.tensor(2.0).log(), "use the natural logarithm."),
    ]
    if not close(result, right, 1e-5):
        if result.numel() != 1:
            return "the function must return one number."
        return find_slip(result, slips) or "the function does not give log P(x | y)."
    if _unanswered(places):
        raise NotAnswered
    found = letters(places, "ABC")
    if not found:
        return "the function is right. The letters must be from A to C."
    if "B" in found:
        return "the function is right. One of your letters: which share of the places has <null> before and after?"
    if "C" in found:
        return "the function is right. One of your letters: a word without links still is a place to choose."
