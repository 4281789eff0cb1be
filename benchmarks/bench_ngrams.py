"""Building the vocabulary and counting n-grams, beside `collections.Counter`.

    python benchmarks/bench_ngrams.py

The text is synthetic: word tokens drawn independently from a Zipf distribution (probability ∝ 1/rank
over 50,000 words) with a fixed seed. Independent words repeat fewer bigrams and trigrams than real
prose, so both sides hold more different n-grams than they would for a book of the same length.

Timed on each side, after the same work was done once on a short text:
  vocabulary  from a list of str: Vocab(words)             | Counter(words).most_common() and a dict of ids
  n-grams     from a list of int: count(ids, n)            | Counter(zip(ids, ids[1:], …)).most_common()
  both        from a list of str: Vocab, to_ids and count  | Counter, dict, ids by list comprehension, Counter(zip)
Both sides give the n-grams with their counts, most frequent first. Seconds are those of the processor, one thread on
both sides, so that other work on the machine disturbs little; best of 3. Each case and side runs in a process of its
own. Its memory is the peak resident memory above that before the work, so the text and the imports are not counted.
"""

import json
import math
import resource
import subprocess
import sys
import time
from collections import Counter

import numpy as np
import torch
from sections import record, run

from d2lrnn.ngrams import count
from d2lrnn.text import Vocab

SIZES = (300_000, 1_000_000, 3_000_000)
NUM_WORDS = 50_000
PIECE = 100_000


def ids_of(num_tokens):
    return [i for piece in pieces(num_tokens) for i in piece]


def words_of(num_tokens):
    names = [f"word{i}" for i in range(NUM_WORDS)]
    return [names[i] for piece in pieces(num_tokens) for i in piece]


def pieces(num_tokens):
    """Lists of ids, short ones, so that drawing them leaves no peak of memory behind."""
    rng = np.random.default_rng(0)
    cumulative = np.cumsum(1 / np.arange(1, NUM_WORDS + 1))
    for _ in range(num_tokens // PIECE):
        yield np.searchsorted(cumulative, cumulative[-1] * rng.random(PIECE)).tolist()


def counter_vocab(words):
    ranked = Counter(words).most_common()
    return {word: i for i, (word, _) in enumerate(ranked, start=1)}


def counter_ngrams(ids, n):
    return Counter(zip(*(ids[i:] for i in range(n)), strict=False)).most_common()


def counter_all(words, n):
    vocab = counter_vocab(words)
    return counter_ngrams([vocab[word] for word in words], n)


def d2lrnn_all(words, n):
    return count(Vocab(words).to_ids(words), n)


# What the case starts from, the package's way, and the plain Python way.
CASES = {
    "vocabulary": (words_of, Vocab, counter_vocab),
    "1-grams": (ids_of, lambda ids: count(ids, 1), lambda ids: counter_ngrams(ids, 1)),
    "2-grams": (ids_of, lambda ids: count(ids, 2), lambda ids: counter_ngrams(ids, 2)),
    "3-grams": (ids_of, lambda ids: count(ids, 3), lambda ids: counter_ngrams(ids, 3)),
    "both, 3-grams": (words_of, lambda words: d2lrnn_all(words, 3), lambda words: counter_all(words, 3)),
}


def peak_megabytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # Linux counts in kB


def measure(case, side, num_tokens):
    """Seconds (best) and megabytes of one side (1 or 2) of one case; runs in a process of its own."""
    torch.set_num_threads(1)
    make_data, work = CASES[case][0], CASES[case][side]
    data = make_data(num_tokens)
    work(data[:10_000])
    before = peak_megabytes()
    times = []
    for _ in range(3):
        start = time.process_time()
        result = work(data)
        times.append(time.process_time() - start)
        del result
        megabytes = peak_megabytes() - before
    return {"seconds": min(times), "megabytes": megabytes}


def main():
    seconds = {}
    print(f"{'case':14} {'tokens':>10} {'d2lrnn':>9} {'Counter':>9}   million tokens/s     peak MB        faster")
    for case in CASES:
        for num_tokens in SIZES:
            ours, theirs = (
                json.loads(
                    subprocess.run(
                        [sys.executable, __file__, case, str(side), str(num_tokens)],
                        stdout=subprocess.PIPE,
                        check=True,
                    ).stdout
                )
                for side in (1, 2)
            )
            seconds[case, num_tokens] = ours["seconds"], theirs["seconds"]
            speeds = [num_tokens / 1e6 / side["seconds"] for side in (ours, theirs)]
            print(
                f"{case:14} {num_tokens:>10,} {ours['seconds']:>7.2f} s {theirs['seconds']:>7.2f} s"
                f" {speeds[0]:>9.2f} {speeds[1]:>8.2f} {ours['megabytes']:>8.0f} {theirs['megabytes']:>6.0f}"
                f" {theirs['seconds'] / ours['seconds']:>10.1f}x",
                flush=True,
            )
            for name, side in (("d2lrnn", ours), ("Counter", theirs)):
                record(f"{case}, {num_tokens:,} tokens, {name}", **side)
    print("\nGrowth: time ∝ tokens^slope, fitted over the sizes above (1 is linear)")
    for case in CASES:
        for side, name in enumerate(("d2lrnn", "Counter")):
            log_times = [math.log(seconds[case, size][side]) for size in SIZES]
            slope = np.polyfit(np.log(SIZES), log_times, 1)[0]
            print(f"  {case:14} {name:8} {slope:.2f}")
            record(f"{case}, {name}", slope=slope)
    least = min(seconds["3-grams", size][1] / seconds["3-grams", size][0] for size in SIZES)
    print(f"\n3-gram counting is at least {least:.1f} times as fast as Counter(zip(…)) (wanted: 3)")


if __name__ == "__main__":
    if len(sys.argv) == 4:
        print(json.dumps(measure(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
    else:
        run({"main": main})
