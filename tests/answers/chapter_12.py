"""Answers to the exercises of chapter 12, machine translation and its data."""

import random
import unicodedata

import torch

from d2lrnn.text import normalize

MERGES = [("o", "n"), ("on", "s"), ("r", "m"), ("f", "e"), ("fe", "rm")]


def spell(word, merges):
    symbols = list(word)
    for merge in merges:
        symbols = merged(symbols, merge)
    return symbols


def merged(symbols, merge):
    joined = []
    for symbol in symbols:
        if joined and (joined[-1], symbol) == tuple(merge):
            joined[-1] += symbol
        else:
            joined.append(symbol)
    return joined


def spell_by_rank(word, merges):
    symbols = list(word)
    while True:
        ranks = [merges.index(pair) for pair in zip(symbols, symbols[1:], strict=False) if pair in merges]
        if not ranks:
            return tuple(symbols)
        symbols = merged(symbols, merges[min(ranks)])


def spell_longest(word, merges):
    """The longest known piece first, from left to right."""
    known = {"".join(merge) for merge in merges} | set(word)
    pieces = []
    while word:
        n = max(n for n in range(1, len(word) + 1) if word[:n] in known)
        pieces.append(word[:n])
        word = word[n:]
    return pieces


def spell_once(word, merges):
    """Merges only the first place of each pair."""
    symbols = list(word)
    for left, right in merges:
        for i in range(len(symbols) - 1):
            if (symbols[i], symbols[i + 1]) == (left, right):
                symbols[i : i + 2] = [left + right]
                break
    return symbols


def spell_joined(word, merges):
    """Compares the letters joined, so that (a, bc) merges ab and c, too."""
    symbols = list(word)
    for merge in merges:
        i = 0
        while i < len(symbols) - 1:
            if symbols[i] + symbols[i + 1] == "".join(merge):
                symbols[i : i + 2] = ["".join(merge)]
            i += 1
    return symbols


def padding(N, B):
    longest = sum(1 - (n / N) ** B for n in range(N))
    return 1 - (N + 1) / 2 / longest


def padding_by_enumeration(N, B):
    """E[M] from the probability of each longest length."""
    longest = sum(m * ((m / N) ** B - ((m - 1) / N) ** B) for m in range(1, N + 1))
    return torch.tensor(1 - (N + 1) / 2 / longest)


def em_rounds(rounds, by_english=False):
    """t(lamp | lampe) after the round before the last and after the last, and t(old | vieille) after the last.

    Rows are French words, columns English ones; by_english divides the counts by the sums of the English words.
    """
    t = torch.full((2, 2), 0.5, dtype=torch.float64)  # vieille, lampe; old, lamp
    lamps = [t[1, 1].item()]
    for _ in range(rounds):
        counts = t / t.sum(0)  # the first pair has all four words
        counts[1, 1] += 1  # the second has one of each
        t = counts / counts.sum(0 if by_english else 1, keepdim=True)
        lamps.append(t[1, 1].item())
    return (*lamps[-2:], t[0, 0].item())


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


def split_first(pairs, num_held_out, key=normalize):
    """Not at random: the first ones."""
    chosen = set(list(dict.fromkeys(key(x) for x, _ in pairs))[:num_held_out])
    return [p for p in pairs if key(p[0]) not in chosen], [p for p in pairs if key(p[0]) in chosen]


def split_sources_of_pairs(pairs, num_held_out):
    """Counts pairs, not sentences."""
    chosen = {normalize(x) for x, _ in pairs[:num_held_out]}
    return [p for p in pairs if normalize(p[0]) not in chosen], [p for p in pairs if normalize(p[0]) in chosen]


def split_spellings(pairs, num_held_out):
    """Counts spellings, and compares sentences."""
    chosen = {normalize(x) for x in list(dict.fromkeys(x for x, _ in pairs))[:num_held_out]}
    return [p for p in pairs if normalize(p[0]) not in chosen], [p for p in pairs if normalize(p[0]) in chosen]


def own_cleaning(sentence):
    """Without NFC."""
    return " ".join(sentence.lower().replace("\u2019", "'").split())


def own_cleaning_too(sentence):
    """Without the apostrophes."""
    return " ".join(unicodedata.normalize("NFC", sentence).lower().split())


def split_normalized(pairs, num_held_out):
    return split([(normalize(x), y) for x, y in pairs], num_held_out)


RIGHT = {
    "models": "BC",
    "em": (3 / 4, 24 / 29, 5 / 8),
    "places": (19, 5),
    "spell": spell,
    "split": split,
    "uniform": (padding, 1 / 4, 1 / 2),
}

ALSO_RIGHT = [
    ("em", [0.75, 0.83, 0.63]),
    ("em", torch.tensor(em_rounds(2))),
    ("models", ["b", "c"]),
    ("models", "c, b"),
    ("models", "B and C"),
    ("split", split_first),
    ("models", ["B", "C"]),
    ("places", [19.0, 5.0]),
    ("places", torch.tensor([19, 5])),
    ("spell", spell_by_rank),
    ("uniform", [padding_by_enumeration, 0.25, torch.tensor(0.5)]),
]

WRONG = [
    ("em", 0.75, "three numbers"),
    ("em", (0.5, 0.5, 0.5), "counts as well"),
    ("em", (0.75, 0.828), "not 2"),
    ("em", (1.0, 1.0, 1.0), "which part of it"),
    ("em", (3 / 4, 1.0, 5 / 8), "shared out"),
    ("em", (3 / 4, 24 / 29, 1.0), "in round two"),
    ("em", (75, 82.8, 62.5), "percentages"),
    ("em", (3 / 4, 5 / 8, 24 / 29), "wrong order"),
    ("em", (1 / 2, 3 / 4, 1 / 2), "are the start"),
    ("em", em_rounds(3), "one round too many"),
    ("em", (3 / 2, 8 / 5, 2 / 3), "these are counts"),
    ("em", em_rounds(2, by_english=True), "sum to 1"),
    ("em", (3 / 4, 3 / 4, 1 / 2), "of the first"),
    ("models", "AE", "letters from A to D"),
    ("models", 5, "letters from A to D"),
    ("models", "AC", "what stands before the bar"),
    ("models", "BD", "written well"),
    ("models", "AD", "what stands before the bar"),
    ("models", "ABC", "more than needed"),
    ("models", "C", "what is to be translated"),
    ("models", "B", "order and the agreement"),
    ("split", split_pairs, "sentences must be drawn"),
    ("split", lambda pairs, n: split(pairs, n, key=lambda x: x), "two spellings"),
    ("split", split_once, "in neither list"),
    ("split", lambda pairs, n: split(pairs, n)[::-1], "wrong order"),
    ("split", lambda pairs, n: split(pairs, n + 1), "4 instead of 3"),
    ("split", lambda pairs, n: split(pairs, 3), "3 instead of"),
    ("split", split_with_repeats, "spellings twice"),
    ("split", split_sources_of_pairs, "spellings twice"),
    ("split", split_spellings, "spellings twice"),
    ("split", lambda pairs, n: split_first(pairs, n, own_cleaning), "two spellings"),
    ("split", lambda pairs, n: split_first(pairs, n, own_cleaning_too), "two spellings"),
    ("split", split_normalized, "as they were given"),
    ("split", lambda pairs, n: pairs, "two lists"),
    ("places", 24, "two numbers"),
    ("places", (60, 46), "how many places there are in all"),
    ("places", (30, 23), "two rows as long"),
    ("places", (19 / 60, 5 / 46), "that is the share"),
    ("places", (39, 39), "its own longest"),
    ("places", (5, 19), "wrong order"),
    ("places", (19, 0), "which row is shorter"),
    ("spell", lambda word, merges: word, "list of pieces"),
    ("spell", lambda word, merges: list(word), "nothing was merged"),
    ("spell", lambda word, merges: ["ferm", "ons"], "give the word again"),
    ("spell", lambda word, merges: [word], "is wrong"),
    ("spell", lambda word, merges: spell(word, merges[::-1]), "Apply the first merge"),
    ("spell", spell_longest, "in the order of the list"),
    ("spell", spell_once, "every place"),
    ("spell", spell_joined, "must be two pieces"),
    ("spell", lambda word, merges: spell(word, MERGES), "nothing was merged"),
    ("uniform", padding, "the function and the two shares"),
    ("uniform", (lambda N, B: sum(1 - (n / N) ** B for n in range(N)), 0.25, 0.5), "that is E[M]"),
    ("uniform", (lambda N, B: 1 - padding(N, B), 0.25, 0.5), "share of the tokens"),
    ("uniform", (lambda N, B: 1 - (N + 1) / 2 / sum(1 - (n / N) ** B for n in range(1, N)), 0.25, 0.5), "with n = 0"),
    ("uniform", (lambda N, B: 1 - (N + 1) / 2 / N, 0.25, 0.5), "longest sentence of all"),
    ("uniform", (lambda N, B: 0.0, 0.25, 0.5), "power B"),
    ("uniform", (lambda N, B: 100 * padding(N, B), 0.25, 0.5), "percentage"),
    ("uniform", (lambda N, B: 1 - N / 2 / sum(1 - (n / N) ** B for n in range(N)), 0.25, 0.5), "is not N / 2"),
    ("uniform", (lambda N, B: 1 / N, 0.25, 0.5), "What is F(n)"),
    ("uniform", (padding, 2 / 3, 0.5), "E[M] / N"),
    ("uniform", (padding, 0.25, 1.0), "E[M] / N"),
    ("uniform", (padding, 25, 0.5), "percentage"),
    ("uniform", (padding, 0.3, 0.5), "integral"),
]
