"""Answers to the exercises of chapter 3, language models."""

import math

import numpy as np
import torch

NUM_PAIRS = 9  # different pairs in the text that the checker uses


def mean_nats(probs):
    return sum(-math.log(p) for p in probs) / len(probs)


def perplexity(probs):
    return math.exp(mean_nats(probs)) if min(probs) > 0 else math.inf


def log_of_zero(probs):
    return math.exp(mean_nats(probs))


def division_by_zero(probs):
    return math.prod(probs) ** (-1 / len(probs))


def log_of_rank_0(counts):
    return [math.log(rank) for rank in range(len(counts))]


def fit(counts, x=np.log, y=np.log, first=1):
    return np.polyfit(x(np.arange(first, len(counts) + first)), y(np.array(counts)), 1)[0]


def line(counts):
    return np.polyfit(np.log(np.arange(1, len(counts) + 1)), np.log(counts), 1)


def inverse_fit(counts):
    return np.polyfit(np.log(counts), np.log(np.arange(1, len(counts) + 1)), 1)[0]


def smoothed_bigram(n_cw, n_c, n_w, num_tokens, vocab_size, eps_1, eps_2):
    lower = (n_w + eps_1 / vocab_size) / (num_tokens + eps_1)
    return (n_cw + eps_2 * lower) / (n_c + eps_2)


def laplace(numerator, denominator):
    """A variant of smoothed_bigram: what stands above and below the fraction's bar."""

    def answer(n_cw, n_c, n_w, N, V, eps_1, eps_2):
        lower = (n_w + eps_1 / V) / (N + eps_1)
        return numerator(n_cw, n_w, N, V, eps_2, lower) / denominator(n_c, V, eps_2)

    return answer


def one_each(n_cw, n_c, n_w, N, V, eps_1, eps_2):
    return (n_cw + eps_2 * (n_w + eps_1) / (N + eps_1 * V)) / (n_c + eps_2)


def divergence(p, q):
    return torch.special.xlogy(p, p / q).sum()


def continuation(ids, vocab_size):
    pairs = torch.stack([ids[:-1], ids[1:]], 1).unique(dim=0)
    return torch.bincount(pairs[:, 1], minlength=vocab_size).double() / len(pairs)


def set_of_tensors(ids, vocab_size):
    pairs = set(zip(ids[:-1], ids[1:], strict=True))
    counts = [sum(int(b) == w for _, b in pairs) for w in range(vocab_size)]
    return [count / len(pairs) for count in counts]


RIGHT = {
    "parameters": lambda V, n: V ** (n - 1) * (V - 1),
    "perplexity": perplexity,
    "smoothed_bigram": smoothed_bigram,
    "zipf": lambda counts: -fit(counts),
    "small_eps": lambda share: 10**share,
    "adjacency": lambda k, i, B, T, K: (i * K + k) * T,
    "kl": lambda p, q: math.exp(divergence(p, q)),
    "continuation": continuation,
}

ALSO_RIGHT = [
    ("parameters", lambda V, n: float(V**n - V ** (n - 1))),
    ("perplexity", lambda probs: np.array([perplexity(probs)])),
    ("adjacency", lambda batch, row, B, T, K: np.int64((row * K + batch) * T)),
]

WRONG = [
    ("kl", lambda p, q: "1.5", "numbers are asked for, not str"),
    ("small_eps", lambda share: (10**share, 0), "one number is asked for, not 2"),
    ("adjacency", lambda batch, row, B, T, K: math.nan, "does not start at nan"),
    ("parameters", lambda V, n: V**n, "must sum to 1"),
    ("parameters", lambda V, n: V**n - 1, "order n only"),
    ("parameters", lambda V, n: sum(V**k * (V - 1) for k in range(n)), "all orders"),
    ("parameters", lambda V, n: V**n * (V - 1), "one token too long"),
    ("parameters", lambda V, n: V + n, "How many contexts"),
    ("perplexity", mean_nats, "number of choices"),
    ("perplexity", lambda probs: math.exp(mean_nats(probs) * len(probs)), "take the mean"),
    ("perplexity", lambda probs: sum(1 / p for p in probs) / len(probs), "arithmetic mean"),
    ("perplexity", lambda probs: math.exp(mean_nats(probs) / math.log(2)), "base 2 and the exponential"),
    ("perplexity", lambda probs: 2 ** mean_nats(probs), "power base 2"),
    ("perplexity", lambda probs: math.exp(-mean_nats(probs)), "sign"),
    ("perplexity", lambda probs: len(probs) / sum(probs), "arithmetic mean of P"),
    ("perplexity", log_of_zero, "stops with an error"),
    ("perplexity", division_by_zero, "stops with an error"),
    ("perplexity", lambda probs: perplexity([p for p in probs if p]), "with a P of 0 it is not 2"),
    ("perplexity", lambda probs: perplexity(probs) if min(probs) else math.nan, "it is not nan"),
    ("perplexity", lambda probs: 3.0, "it is not 3"),
    ("smoothed_bigram", laplace(lambda a, w, N, V, e, low: a + e / V, lambda c, V, e: c + e), "towards 1/|V|"),
    (
        "smoothed_bigram",
        laplace(lambda a, w, N, V, e, low: a + e * w / N, lambda c, V, e: c + e),
        "must be smoothed too",
    ),
    ("smoothed_bigram", laplace(lambda a, w, N, V, e, low: a + e, lambda c, V, e: c + e * V), "to every count"),
    (
        "smoothed_bigram",
        laplace(lambda a, w, N, V, e, low: a + e * low, lambda c, V, e: c + e * V),
        "how many imaginary",
    ),
    ("smoothed_bigram", laplace(lambda a, w, N, V, e, low: a + e * low, lambda c, V, e: c), "more than this"),
    ("smoothed_bigram", laplace(lambda a, w, N, V, e, low: a, lambda c, V, e: c), "no smoothing"),
    ("smoothed_bigram", laplace(lambda a, w, N, V, e, low: low, lambda c, V, e: 1), "it is not"),
    ("smoothed_bigram", one_each, "(3.10)"),
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
    ("continuation", lambda ids, V: torch.bincount(ids, minlength=V) / len(ids), "unigram frequency"),
    ("continuation", lambda ids, V: torch.bincount(ids[1:], minlength=V) / (len(ids) - 1), "counts once"),
    ("continuation", set_of_tensors, ".tolist()"),
    ("continuation", lambda ids, V: continuation(ids.flip(0), V), "*after* w"),
    ("continuation", lambda ids, V: continuation(ids, V) * NUM_PAIRS, "do not sum to 1"),
    ("continuation", lambda ids, V: continuation(ids, V) * NUM_PAIRS / V, "by |V|"),
    ("continuation", lambda ids, V: continuation(ids, V)[:5], "shape"),
    ("continuation", lambda ids, V: torch.full((V,), 1 / V), "the numbers are not"),
]
