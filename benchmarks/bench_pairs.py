"""What chapter 12 says about real pairs: leaks between pairs, tokens, subwords and padding. Nothing here is a time.

    python benchmarks/bench_pairs.py [split] [tokens] [subwords] [padding]

The pairs are those of `load_pairs("eng_fra")`: a file fra.txt in `$D2LRNN_DATA` if there is one, else all of them. The
results saved here are those of 18,065 short ones (English of at most 18 characters).
"""

import re
from collections import Counter

import torch
from sections import record, run

from d2lrnn.batches import pair_batches
from d2lrnn.corpora import load_pairs
from d2lrnn.text import Tokenizer, apply_merges, learn_merges, normalize
from d2lrnn.translation import PairData, group_references, split_by_source

SEEDS = range(3)
MERGES = 1000
WORDS, FRENCH = Tokenizer(), Tokenizer(elision=True)


def by_pair(pairs, seed):
    order = torch.randperm(len(pairs), generator=torch.Generator().manual_seed(seed)).tolist()
    cut = len(pairs) // 10
    return [pairs[i] for i in order[cut:]], [pairs[i] for i in order[:cut]]


def by_source(pairs, seed):
    return split_by_source(pairs, len(group_references(pairs)[0]) // 10, seed)


def split():
    """Known held-out sentences, and the share of the words of their translations that a table of the others finds.

    For comparison: what the constant answer "je ." finds, and how many held-out translations are in the training part.
    """
    pairs = load_pairs("eng_fra")
    copies = Counter(normalize(x) for x, _ in pairs)
    forecast = 100 * (1 - sum(k * 0.1 ** (k - 1) for k in copies.values()) / len(pairs))
    record("corpus", pairs=len(pairs), sources=len(copies))
    record("by_pair", forecast=forecast)
    for way in (by_pair, by_source):
        known, found, constant, target = [], [], [], []
        for seed in SEEDS:
            train, held_out = way(pairs, seed)
            table = {normalize(x): Counter(FRENCH(y)) for x, y in train}
            known.append(sum(normalize(x) in table for x, _ in held_out) / len(held_out))
            words = [(Counter(FRENCH(y)), table.get(normalize(x), Counter())) for x, y in held_out]
            total = sum(y.total() for y, _ in words)
            found.append(sum((y & z).total() for y, z in words) / total)
            constant.append(sum((y & Counter(["je", "."])).total() for y, _ in words) / total)
            translations = {normalize(y) for _, y in train}
            target.append(sum(normalize(y) in translations for _, y in held_out) / len(held_out))
        known, found, constant, target = (100 * sum(s) / len(SEEDS) for s in (known, found, constant, target))
        print(f"{way.__name__}: {known:.1f} % known, {found:.1f} % of the words found (constant: {constant:.1f} %)")
        print(f"{way.__name__}: {target:.1f} % of the translations are in the training part")
        record(way.__name__, known=known, found=found, constant=constant, target=target)


def tokens():
    """Types of the training part and unknown tokens of the held-out part, in French, for four ways to split."""
    train, held_out = by_source(load_pairs("eng_fra"), 0)
    signs = re.compile(r"\w+(?:'\w+)*|[^\w\s]")
    ways = {
        "split at spaces": str.split,
        "words and signs": signs.findall,
        "cleaned": lambda y: signs.findall(normalize(y)),
        "cleaned, elision cut": FRENCH,
    }
    for name, way in ways.items():
        types = {token for _, y in train for token in way(y)}
        new = [token for _, y in held_out for token in way(y)]
        number = sum(token not in types for token in new)
        unknown, in_100 = 100 * number / len(new), 100 * number / len(held_out)
        print(f"{name}: {len(types)} types, {unknown:.1f} % unknown, {in_100:.1f} in 100 sentences")
        record(name, types=len(types), unknown=unknown, unknown_in_100_sentences=in_100)


def subwords():
    """Byte-pair encoding of the same French words, each with a sign for its end."""
    train, held_out = by_source(load_pairs("eng_fra"), 0)
    counts, new = (Counter(f"{token}_" for _, y in part for token in FRENCH(y)) for part in (train, held_out))
    merges = learn_merges(counts, MERGES)
    entries = {*"".join(counts), *("".join(pair) for pair in merges)}
    spelled = {word: apply_merges(list(word), merges) for word in new}
    pieces = sum(n * len(spelled[word]) for word, n in new.items())
    unknown = sum(n * sum(piece not in entries for piece in spelled[word]) for word, n in new.items())
    record("1,000 merges", entries=len(entries), unknown=100 * unknown / pieces, pieces_per_word=pieces / new.total())
    print(f"{len(entries)} entries, {100 * unknown / pieces:.2f} % unknown, {pieces / new.total():.2f} pieces a word")


def padding():
    train, _ = by_source(load_pairs("eng_fra"), 0)
    sources, targets = PairData(train, WORDS, FRENCH).encode(train)
    for batch_size in (16, 64, 256):
        for bucket in (False, True):
            generator = torch.Generator().manual_seed(0)
            batches = list(pair_batches(sources, targets, batch_size, 1, generator, bucket=bucket))
            share = 100 * (1 - sum(n.sum().item() for *_, n in batches) / sum(y.numel() for _, _, y, _ in batches))
            case = f"B = {batch_size}, {'buckets' if bucket else 'no buckets'}"
            print(f"{case}: {share:.1f} % padding")
            record(case, padding=share)


if __name__ == "__main__":
    run({"split": split, "tokens": tokens, "subwords": subwords, "padding": padding})
