"""Checkers of chapter 12, machine translation and its data."""

import random
import re

from d2lrnn.exercises import NotAnswered, call, checker, close, find_slip, letters, number
from d2lrnn.text import normalize


def _unanswered(value):
    return value is None or value is Ellipsis


@checker(
    "12.models",
    praise="The channel runs from what we want to write to what we have read.",
)
def models(answer):
    if isinstance(answer, str):  # "B and C" is an answer as well
        answer = re.sub(r"\band\b", " ", answer)
    named = letters(answer, "ABCD")
    if not named:
        return 'the answer must be letters from A to D, such as "AB".'
    if {"A", "B"} <= named or {"C", "D"} <= named:
        return "that is more than needed: one of the two directions, and one language."
    if named <= {"C", "D"}:
        return "a language model alone does not know what is to be translated."
    if named <= {"A", "B"}:
        return "with a translation model alone nobody cares for the order and the agreement of the words."
    if "A" in named:
        return "write Bayes' rule with x and y for this task: what is given, and what stands before the bar?"
    if "D" in named:
        return "which of the two sentences is known, and which one has still to be written well?"


@checker(
    "12.em",
    praise="The pair of single words teaches “lampe” first, and “lampe” then leaves “old” to “vieille”.",
)
def em(answer):
    try:
        given = [number(part) for part in answer]
    except (TypeError, ValueError):
        return "the answer must be three numbers, such as (0.3, 0.4, 0.5)."
    if len(given) != 3:
        return f"the answer must be three numbers, not {len(given)}."
    names = ("t(lamp | lampe) after one round", "t(lamp | lampe) after two", "t(old | vieille) after two")
    right = (3 / 4, 24 / 29, 5 / 8)
    if all(close(part, value, 3.2e-3) for part, value in zip(given, right, strict=True)):
        return None
    slips = [
        ((100 * 3 / 4, 100 * 24 / 29, 100 * 5 / 8), "give numbers between 0 and 1, not percentages."),
        ((3 / 4, 5 / 8, 24 / 29), "the last two are in the wrong order."),
        ((1 / 2, 3 / 4, 1 / 2), "the equal entries are the start, and not the first round."),
        ((24 / 29, 0.886464, 0.715385), "that is one round too many: the first is the one that begins with 1/2."),
        ((3 / 2, 8 / 5, 2 / 3), "these are counts; divide them by the sum of the counts of the same French word."),
        ((3 / 4, 7 / 8, 1 / 2), "shares of one English word sum to 1, and new entries of one French word sum to 1."),
        ((3 / 4, 3 / 4, 1 / 2), "the second round starts from the t of the first, and not from 1/2."),
        ((1 / 2, 1 / 2, 1 / 2), "the pair of single words counts as well: there “lamp” gives all it has to “lampe”."),
    ]
    for wrong, hint in slips:
        if all(close(part, value, 3e-3) for part, value in zip(given, wrong, strict=True)):
            return hint
    hints = (
        "add up what “lampe” gets from “old” and from “lamp” in both pairs; which part of it is from “lamp”?",
        "in the first pair “lamp” is shared out as its entries of “vieille” and “lampe” after round one.",
        "which shares of “old” and of “lamp” does “vieille” get in round two?",
    )
    for name, part, value, hint in zip(names, given, right, hints, strict=True):
        if not close(part, value, 3.2e-3):
            return f"{name}: {hint}"


@checker(
    "12.places",
    praise="The tokens are as many in any order: only the sum of the longest of each batch has changed.",
)
def places(answer):
    try:
        in_order, in_buckets = (number(part) for part in answer)
    except (TypeError, ValueError):
        return "the answer must be two numbers: in the given order, and sorted."
    for which, given, right, longest in (("in this order", in_order, 19, 30), ("sorted", in_buckets, 5, 23)):
        if close(given, right):
            continue
        slips = [
            (2 * longest, f"{which}: that is how many places there are in all; how many of them hold no token?"),
            (longest, f"{which}: that is the sum of the longest of each batch; a batch has two rows as long as that."),
            (right / (2 * longest), f"{which}: that is the share; the exercise asks for the number of places."),
            (100 * right / (2 * longest), f"{which}: that is the share; the exercise asks for the number of places."),
            (80 - 41, f"{which}: each batch is only as long as its own longest sentence, not as the longest of all."),
            (24 - right, f"{which}: are the two answers in the wrong order?"),
        ]
        return find_slip(given, slips, 1e-3) or f"{which}: of each batch of two, which row is shorter, and by how much?"


MERGES = [("o", "n"), ("on", "s"), ("r", "m"), ("f", "e"), ("fe", "rm")]
SPELLED = [
    ("fermons", MERGES, ["ferm", "ons"]),
    ("formons", MERGES, ["f", "o", "rm", "ons"]),
    ("abc", [("b", "c"), ("a", "b")], ["a", "bc"]),
    ("abc", [("a", "b"), ("b", "c")], ["ab", "c"]),
    ("abc", [("a", "b"), ("a", "bc")], ["ab", "c"]),
    ("xanan", [("a", "n")], ["x", "an", "an"]),
    ("banana", [("a", "n"), ("an", "a")], ["b", "an", "ana"]),
    ("aaaaa", [("a", "a")], ["aa", "aa", "a"]),
    ("oui", MERGES, ["o", "u", "i"]),
]


@checker(
    "12.spell",
    praise="The order of the merges decides: “formons” has no “form”, because only its r and m were merged.",
)
def spell(answer):
    for word, merges, right in SPELLED:
        result = call(answer, word, list(merges))
        if isinstance(result, str) or not isinstance(result, list | tuple):
            return "the function must return a list of pieces, such as ['ferm', 'ons']."
        result = list(result)
        if result == right:
            continue
        which = f"for {word!r} and the merges {merges}"
        if not all(isinstance(piece, str) for piece in result) or "".join(result) != word:
            return f"{which}: the pieces, put together, must give the word again, not {result}."
        if result == list(word):
            return f"{which}: nothing was merged."
        if word == "xanan":
            return f"{which}: a pair must be merged at every place where it stands."
        if word == "aaaaa":
            return f"{which}: go from left to right, and let no two merged pieces share a character."
        if word == "abc" and merges[-1] == ("a", "bc"):
            return f"{which}: a and bc must be two pieces to be merged; here the pieces are ab and c."
        if word == "abc":
            return f"{which}: that is {result}. The merges must be applied in the order of the list."
        return f"{which}: {result} is wrong. Apply the first merge to the whole word, then the second to what came out."


@checker(
    "12.uniform",
    praise="The mean is in the middle, and the longest of many is at the end: half of the places are padding.",
)
def uniform(answer):
    try:
        function, for_two, for_many = answer
    except (TypeError, ValueError):
        return "the answer must be the function and the two shares."
    for N, B in ((4, 1), (10, 2), (5, 3), (40, 16)):
        F = [n / N for n in range(N)]
        longest, mean = sum(1 - f**B for f in F), (N + 1) / 2
        right = 1 - mean / longest
        result = number(call(function, N, B))
        if close(result, right):
            continue
        which = f"for N = {N} and B = {B}"
        slips = [
            (longest, f"{which}: that is E[M]; the share of padding is asked for."),
            (mean / longest, f"{which}: that is the share of the tokens."),
            (100 * right, f"{which}: give a share between 0 and 1, not a percentage."),
            (1 - mean / (longest - 1), f"{which}: the sum in (12.8) begins with n = 0."),
            (1 - mean / N, f"{which}: that is padding up to the longest sentence of all, not of a batch."),
            (1 - N / 2 / longest, f"{which}: the mean of 1, 2, …, N is not N / 2."),
            (0.0, f"{which}: is F(n) raised to the power B?"),
            (1 - longest / mean, f"{which}: the fraction is upside down."),
        ]
        return find_slip(result, slips) or f"{which}: this is not 1 − mean / E[M]. What is F(n) here?"
    if any(share is None or share is Ellipsis for share in (for_two, for_many)):
        raise NotAnswered
    for which, share, right, fraction in (("B = 2", for_two, 1 / 4, 2 / 3), ("a large B", for_many, 1 / 2, 1.0)):
        if close(number(share), right, 2e-3):
            continue
        slips = [
            (100 * right, f"the function is right. For {which}: a share between 0 and 1, not a percentage."),
            (fraction, f"the function is right. For {which}: that is E[M] / N; what share does the mean fill of it?"),
            (1 - right, f"the function is right. For {which}: that is the share of the tokens."),
        ]
        return find_slip(number(share), slips, 2e-3) or (
            f"the function is right. For {which}: try it with N = 1000; the sum becomes an integral."
        )


@checker(
    "12.split",
    praise="All translations of a held-out sentence are held out with it, and serve as its references.",
)
def split(answer):
    sources = ["Wait.", "Run!", "I am cold.", "caf\u00e9?", "It rains.", "Who knows?", "Thank you.", "I don't."]
    pairs = [("wait.", "Patiente.")]
    pairs += [(source, f"{source} {k}") for k in range(3) for source in sources[: 8 - 2 * k]]
    pairs += [("cafe\u0301?", "Un café ?"), ("I\u00a0am cold.", "J'ai froid."), ("I don\u2019t.", "Pas moi.")]
    wrong_number, draw = None, random.Random(0)
    for trial in range(30):  # most answers draw at random, and a wrong one may be lucky
        num_held_out = 3
        if trial > 1:  # some take the first ones
            draw.shuffle(pairs)
            num_held_out = 1 + trial % 4
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
                return "return the pairs as they were given: `clean` only serves to compare."
            return "each pair must be in exactly one of the two lists."
        exact = {x for x, _ in train} & {x for x, _ in held_out}
        if exact:
            return f"{sorted(exact)[0]!r} is on both sides: sentences must be drawn, not pairs."
        if {normalize(x) for x, _ in train} & {normalize(x) for x, _ in held_out}:
            return "a sentence is on both sides in two spellings: compare them after `clean`."
        drawn = len({normalize(x) for x, _ in held_out})
        if drawn != num_held_out:
            if len({normalize(x) for x, _ in train}) == num_held_out:
                return "the two lists are in the wrong order: first the training pairs."
            how = " Do you count a sentence with two pairs or spellings twice?" if drawn < num_held_out else ""
            # Two spellings drawn together are a wrong number as well: another draw may show the reason.
            wrong_number = wrong_number or f"held-out source sentences: {drawn} instead of {num_held_out}.{how}"
    return wrong_number
