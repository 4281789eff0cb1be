"""Answers to the exercises of chapter 3, language models."""

import math

import numpy as np
import torch

NUM_PAIRS = 10  # different pairs in the text that the checker uses


def longest_full(num_tokens, vocab_size):
    n = 0
    while vocab_size ** (n + 1) <= num_tokens - n:
        n += 1
    return n


def by_search(num_tokens, vocab_size):
    return max(n for n in range(64) if n == 0 or vocab_size**n + n - 1 <= num_tokens)


def every_place(num_tokens, vocab_size):
    n = 0
    while vocab_size ** (n + 1) <= num_tokens:
        n += 1
    return n


def log_of_rank_0(counts):
    return [math.log(rank) for rank in range(len(counts))]


def fit(counts, x=np.log, y=np.log, first=1):
    return np.polyfit(x(np.arange(first, len(counts) + first)), y(np.array(counts)), 1)[0]


def line(counts):
    return np.polyfit(np.log(np.arange(1, len(counts) + 1)), np.log(counts), 1)


def inverse_fit(counts):
    return np.polyfit(np.log(counts), np.log(np.arange(1, len(counts) + 1)), 1)[0]


def discount(counts, d):
    return d * np.count_nonzero(counts) / np.sum(counts)


def divergence(p, q):
    return torch.special.xlogy(p, p / q).sum()


def over_q(p, q):
    known = q > 0
    return math.exp((torch.special.xlogy(p, p) - torch.special.xlogy(p, q))[known].sum())


def continuation(ids, vocab_size):
    pairs = torch.stack([ids[:-1], ids[1:]], 1).unique(dim=0)
    return torch.bincount(pairs[:, 1], minlength=vocab_size).double() / len(pairs)


def set_of_tensors(ids, vocab_size):
    pairs = set(zip(ids[:-1], ids[1:], strict=True))
    counts = [sum(int(b) == w for _, b in pairs) for w in range(vocab_size)]
    return [count / len(pairs) for count in counts]


RIGHT = {
    "longest_full": longest_full,
    "per_word": lambda per_char, length: per_char**length,
    "discount": discount,
    "zipf": lambda counts: -fit(counts),
    "small_eps": lambda share: 10**share,
    "adjacency": lambda k, i, B, T, K: (i * K + k) * T,
    "kl": lambda p, q: math.exp(divergence(p, q)),
    "continuation": continuation,
}

ALSO_RIGHT = [
    ("longest_full", by_search),
    ("longest_full", lambda N, V: float(longest_full(N, V))),
    ("per_word", lambda per_char, length: torch.tensor(per_char).double() ** length),
    ("per_word", lambda per_char, length: math.exp(length * math.log(per_char))),
    ("discount", lambda counts, d: 1 - sum(max(count - d, 0) for count in counts) / sum(counts)),
    ("adjacency", lambda batch, row, B, T, K: np.int64((row * K + batch) * T)),
]

WRONG = [
    ("kl", lambda p, q: "1.5", "numbers are asked for, not str"),
    ("small_eps", lambda share: (10**share, 0), "one number is asked for, not 2"),
    ("adjacency", lambda batch, row, B, T, K: math.nan, "does not start at nan"),
    ("longest_full", every_place, "how many places"),
    ("longest_full", lambda N, V: math.log(N) / math.log(V), "whole number"),
    ("longest_full", lambda N, V: longest_full(N, V) + 1, "already too long"),
    ("longest_full", lambda N, V: N // V, "it is not"),
    ("per_word", lambda p, k: p * k, "nats add up"),
    ("per_word", lambda p, k: p ** (1 / k), "from words to characters"),
    ("per_word", lambda p, k: p, "fewer words"),
    ("per_word", lambda p, k: k * math.log(p), "in nats"),
    ("per_word", lambda p, k: k * math.log2(p), "in bits"),
    ("per_word", lambda p, k: 2 ** (k * math.log(p)), "power base 2"),
    ("per_word", lambda p, k: math.exp(k * p), "its logarithm first"),
    ("per_word", lambda p, k: math.exp(k * math.log2(p)), "exponential base e"),
    ("per_word", lambda p, k: 7.0, "it is not 7"),
    ("discount", lambda counts, d: d * len(counts) / sum(counts), "nothing can be taken"),
    ("discount", lambda counts, d: d * np.count_nonzero(counts), "won in tokens"),
    ("discount", lambda counts, d: d / sum(counts), "not only one"),
    ("discount", lambda counts, d: d, "part of a probability"),
    ("discount", lambda counts, d: 1 - discount(counts, d), "give away"),
    ("discount", lambda counts, d: np.count_nonzero(counts) / sum(counts), "not 1"),
    ("discount", lambda counts, d: d * np.count_nonzero(counts) / len(counts), "not to |V|"),
    ("discount", lambda counts, d: d * counts.count(0) / sum(counts), "did *not* follow"),
    ("discount", lambda counts, d: 7.0, "it is not 7"),
    ("zipf", fit, "sign"),
    ("zipf", lambda counts: math.log(counts[0] / counts[-1]) / math.log(len(counts)), "two points"),
    ("zipf", lambda counts: math.log(counts[0] / counts[1]) / math.log(2), "two points"),
    ("zipf", lambda counts: line(counts), "only α"),
    ("zipf", lambda counts: line(counts)[1], "intercept, log K"),
    ("zipf", lambda counts: math.exp(line(counts)[1]), "that is K"),
    ("zipf", log_of_rank_0, "has rank 1"),
    ("zipf", lambda counts: torch.arange(len(counts)).log().mean(), "rank 0"),
    ("zipf", inverse_fit, "x axis"),
    ("zipf", lambda counts: -inverse_fit(counts), "x axis"),
    ("zipf", lambda counts: fit(counts, x=np.asarray, y=np.asarray), "without logarithms"),
    ("zipf", lambda counts: -fit(counts, x=np.asarray, y=np.asarray), "without logarithms"),
    ("zipf", lambda counts: -fit(counts, x=np.asarray), "exponential law"),
    ("zipf", lambda counts: -fit(counts, x=lambda r: np.log(np.maximum(r, 1e-9)), first=0), "rank 0"),
    ("zipf", lambda counts: 1.0, "it is not 1"),
    ("small_eps", lambda share: 10, "*every* pair"),
    ("small_eps", lambda share: 10 * share, "nats are averaged"),
    ("small_eps", lambda share: 1 + 9 * share, "averages the logarithms"),
    ("small_eps", lambda share: share * math.log(10), "not the factor"),
    ("small_eps", lambda share: 1 + share * math.log(10), "very small x"),
    ("small_eps", lambda share: 10 ** (1 - share), "*seen* pairs"),
    ("small_eps", lambda share: math.exp(10 * share), "not 10 nats"),
    ("small_eps", lambda share: math.exp(share), "not 1 nat"),
    ("small_eps", lambda share: 10**-share, "less probable"),
    ("small_eps", lambda share: 7.0, "it is not 7"),
    ("adjacency", lambda k, i, B, T, K: (k * B + i) * T, "one by one"),
    ("adjacency", lambda k, i, B, T, K: i * K + k, "not tokens"),
    ("adjacency", lambda k, i, B, T, K: (i * K + k) * T + 1, "where Y starts"),
    ("adjacency", lambda k, i, B, T, K: i * K + k * T, "before this one count windows"),
    ("adjacency", lambda k, i, B, T, K: i * K * T + k, "T tokens each"),
    ("adjacency", lambda k, i, B, T, K: (i * K + k) * T + 2, "does not start at"),
    ("kl", divergence, "gap in nats"),
    ("kl", lambda p, q: math.exp(-divergence(p, q)), "upside down"),
    ("kl", lambda p, q: math.exp(divergence(q[p > 0], p[p > 0])), "not from q"),
    ("kl", lambda p, q: math.exp((q * (q / p).log()).sum()), "not from q"),
    ("kl", lambda p, q: (p * q.log()).sum() / torch.special.xlogy(p, p).sum(), "ratio of nats"),
    ("kl", lambda p, q: math.exp(-(p * q.log()).sum()), "q alone"),
    ("kl", lambda p, q: math.exp(divergence(p, q) / math.log(2)), "base 2"),
    ("kl", lambda p, q: math.exp((p * (p / q).log()).sum()), "NaN"),
    ("kl", lambda p, q: 5.0, "it is not 5"),
    ("kl", over_q, "Do not leave it out"),
    ("kl", lambda p, q: math.exp(divergence(p, q.clamp(min=1e-9))), "what does it cost"),
    ("continuation", lambda ids, V: torch.bincount(ids, minlength=V) / len(ids), "unigram frequency"),
    ("continuation", lambda ids, V: torch.bincount(ids[1:], minlength=V) / (len(ids) - 1), "counts once"),
    ("continuation", set_of_tensors, ".tolist()"),
    ("continuation", lambda ids, V: continuation(ids.flip(0), V), "*after* w"),
    ("continuation", lambda ids, V: continuation(ids, V) * NUM_PAIRS, "do not sum to 1"),
    ("continuation", lambda ids, V: continuation(ids, V) * NUM_PAIRS / V, "by |V|"),
    ("continuation", lambda ids, V: continuation(ids, V)[:5], "shape"),
    ("continuation", lambda ids, V: torch.full((V,), 1 / V), "the numbers are not"),
    ("continuation", lambda ids, V: continuation(ids[:-1], V), "the numbers are not"),  # no token may follow itself
]
