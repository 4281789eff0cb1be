"""Counting n-grams, Zipf's law, and a language model made of counts."""

import math
from typing import NamedTuple

import numpy as np
import torch

from d2lrnn import metrics
from d2lrnn.batches import as_ids

LARGEST_VOCAB = 2**31  # an id and the number of an n-gram then share one 64-bit integer


def count(ids, n):
    """Count the n-grams of a text: every run of n tokens.

    Args:
        ids: (N,) integer tensor or list of ints, N at least n, every id below 2³¹.
        n: the length of the runs, at least 1.

    Returns:
        grams: (K, n) long, the different n-grams, most frequent first; at equal counts in the order of their ids.
        counts: (K,) long, how often each occurs; they sum to N − n + 1.

    Raises:
        TypeError: ids or n are not integers.
        ValueError: ids is empty, not 1-D, out of range or shorter than n; n is below 1.
    """
    ids = as_ids(ids).cpu()
    vocab_size = int(ids.max()) + 1
    _check_sizes(ids, n, vocab_size, smallest_n=1)
    packed, seen = _pack(ids.numpy(), n, vocab_size)
    grams, counts = np.unique(packed, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return torch.from_numpy(_unpack(grams[order], seen, vocab_size)), torch.from_numpy(counts[order])


def _pack(ids, n, vocab_size):
    """Write each n-gram as one number in base |V|, so that numbers sort as the n-grams do."""
    packed, size, seen = ids, vocab_size, []
    for i in range(1, n):
        seen.append(None)
        if size * vocab_size > 2**63:
            # One more token would not fit into 64 bits: number the runs that occur.
            seen[-1], packed = np.unique(packed, return_inverse=True)
            size = len(seen[-1])
        packed, size = packed[:-1] * vocab_size + ids[i:], size * vocab_size
    return packed, seen


def _unpack(packed, seen, vocab_size):
    """Undo `_pack`: (K,) numbers to (K, n) ids."""
    grams = np.empty((len(packed), len(seen) + 1), dtype=np.int64)
    for column in range(len(seen), 0, -1):
        packed, grams[:, column] = np.divmod(packed, vocab_size)
        if seen[column - 1] is not None:
            packed = seen[column - 1][packed]
    grams[:, 0] = packed
    return grams


class ZipfFit(NamedTuple):
    """log count ≈ log_constant − exponent · log rank, fitted over the ranks lo … hi (both included)."""

    exponent: float
    error: float
    log_constant: float
    ranks: tuple


def zipf_fit(counts, ranks=None):
    """Fit Zipf's law, count ∝ rank^−α, by least squares of log count on log rank.

    The error given is *not* the usual one of least squares. Sorting puts the counts in order, so the points
    lie close to any smooth curve and the usual error comes out far too small. Given instead is the
    asymptotic standard error α·√(2/n) for n ranks. It takes the tokens' frequencies for
    independent draws from a power law; it says nothing about whether they follow one.
    Source: Zipf (1949); for the error Gabaix and Ibragimov (2011), who give it for 1/α, so that
    it has the same size relative to α.

    Args:
        counts: (K,) how often each token or n-gram occurs, in any order.
        ranks: (lo, hi), the ranks to fit, both included, 1 for the most frequent; None takes all.

    Returns:
        ZipfFit(exponent, error, log_constant, ranks): α, its standard error, the natural logarithm
        of the fitted count at rank 1, and (lo, hi).

    Raises:
        ValueError: counts not 1-D; a range outside 1 … K or with fewer than 3 ranks; a count in it not above 0.
    """
    counts = np.asarray(counts, dtype=np.float64)
    if counts.ndim != 1:
        raise ValueError(f"counts must be 1-D, not of shape {counts.shape}")
    lo, hi = ranks or (1, len(counts))
    if not 1 <= lo <= hi <= len(counts):
        raise ValueError(f"ranks ({lo}, {hi}) must lie in 1 … {len(counts)}, the number of counts")
    num_ranks = hi - lo + 1
    if num_ranks < 3:
        raise ValueError(f"ranks ({lo}, {hi}) must span at least 3 ranks to fit a line")
    fitted = np.sort(counts)[::-1][lo - 1 : hi]
    if not (fitted > 0).all():
        raise ValueError("counts must be above 0 to have a logarithm: drop what never occurs, or lower ranks[1]")
    slope, log_constant = np.polyfit(np.log(np.arange(lo, hi + 1)), np.log(fitted), deg=1)
    error = abs(slope) * math.sqrt(2 / num_ranks)
    return ZipfFit(float(-slope), float(error), float(log_constant), (lo, hi))


class LaplaceModel:
    """An n-gram language model with interpolated smoothing, each order smoothed towards the next lower one.

    P̂(w)   = (N(w) + ε₁/|V|) / (N + ε₁)
    P̂(w|c) = (N(c, w) + ε_k P̂(w|c′)) / (N(c) + ε_k),    c of k−1 tokens, k = 2 … n

    c′ is the context c without its oldest token, and N(c) counts how often c is followed by a
    token. Only the first line is what is commonly called Laplace (or add-ε) smoothing, for which the
    class is named; the second interpolates with the lower order. ε → 0 gives the relative
    frequencies, ε → ∞ the next lower order; for a context never seen the lower order is all there
    is. n = 0 is the uniform model, 1 the unigram model.
    Source: Zhang, Lipton, Li and Smola, *Dive into Deep Learning*, section "Language Models"; the
    smoothing towards the lower order is that of MacKay and Peto (1995).

    Args:
        ids: (N,) integer tensor or list of ints, the training text, N at least n.
        n: the order, at least 0.
        vocab_size: |V|; all ids must be below it.
        eps: ε, one number for all orders, or n of them (ε₁ … ε_n), each above 0: a list, array or tensor.

    Raises:
        TypeError: ids, n or vocab_size are not integers.
        ValueError: ids empty, not 1-D, out of range or shorter than n; n below 0; vocab_size below 1;
            an ε not above 0 or not finite, or not n of them.
    """

    def __init__(self, ids, n, vocab_size, eps):
        ids = as_ids(ids).cpu()
        _check_sizes(ids, n, vocab_size, smallest_n=0)
        self.n = n
        self.vocab_size = vocab_size
        self.eps = _check_eps(eps, n)
        self._check_range(ids)
        # Order k knows a k-gram by one number, (number of its first k−1 tokens)·|V| + last token,
        # and the k-grams are numbered by their place in the sorted list of these.
        self._orders = []
        context, num_contexts = torch.zeros(len(ids), dtype=torch.long), 1
        for k in range(1, n + 1):
            grams, gram, counts = torch.unique(
                context * vocab_size + ids[k - 1 :], return_inverse=True, return_counts=True
            )
            context_counts = torch.bincount(context, minlength=num_contexts)
            self._orders.append((grams, _with_unseen(counts), _with_unseen(context_counts)))
            context, num_contexts = gram[:-1], len(grams)

    def probs(self, context):
        """The probability of each token after a context.

        Args:
            context: ids of the tokens before, oldest first; may be empty. Only the last n−1 count,
                and with fewer than n−1 the shorter context is used.

        Returns:
            (V,) float64, which sums to 1.

        Raises:
            TypeError: context does not hold integers.
            ValueError: an id is out of range.
        """
        context = self._context(context)
        every_token = torch.arange(self.vocab_size)
        texts = torch.cat([context.expand(self.vocab_size, -1), every_token[:, None]], dim=1)
        return self._probs(texts)[:, -1]

    def log_probs(self, ids):
        """The log-probability of each token given the up to n−1 tokens before it.

        Args:
            ids: (N,) integer tensor or list of ints. The first n−1 use the shorter contexts they have.

        Returns:
            (N,) float64, in nats.

        Raises:
            TypeError: ids are not integers.
            ValueError: ids is empty, not 1-D, or out of range.
        """
        ids = as_ids(ids).cpu()
        self._check_range(ids)
        return self._probs(ids).log()

    def perplexity(self, ids):
        """The exponential of the mean cross-entropy in nats per token; see `d2lrnn.metrics.perplexity`.

        Args:
            ids: (N,) integer tensor or list of ints, the held-out text.

        Returns:
            float.

        Raises:
            TypeError: ids are not integers.
            ValueError: ids is empty, not 1-D, or out of range.
        """
        return metrics.perplexity(self.log_probs(ids))

    def sample(self, num_tokens, prefix=(), generator=None):
        """Draw tokens one after the other, each from its distribution given those before.

        Args:
            num_tokens: how many to draw, at least 0.
            prefix: ids of the tokens to go on from.
            generator: torch.Generator on the CPU; None takes torch's global one.

        Returns:
            list of num_tokens ints: the drawn ids, without the prefix.

        Raises:
            TypeError: prefix does not hold integers.
            ValueError: num_tokens is below 0; an id is out of range.
        """
        if num_tokens < 0:
            raise ValueError(f"num_tokens must be at least 0, not {num_tokens}")
        tokens = self._context(prefix).tolist()
        start = len(tokens)
        for _ in range(num_tokens):
            probs = self.probs(tokens[-max(self.n, 1) :])
            tokens.append(torch.multinomial(probs, 1, generator=generator).item())
        return tokens[start:]

    def _probs(self, ids):
        """The probability of each token of `ids` (…, T) given the up to n−1 before it: (…, T)."""
        probs = torch.full(ids.shape, 1 / self.vocab_size, dtype=torch.float64)
        context = torch.zeros_like(ids)
        orders = zip(self.eps, self._orders, strict=True)
        for k, (eps, (grams, counts, context_counts)) in enumerate(orders, start=1):
            gram = _find(grams, context * self.vocab_size + ids[..., k - 1 :])
            lower = probs[..., k - 1 :]
            probs[..., k - 1 :] = (counts[gram] + eps * lower) / (context_counts[context] + eps)
            context = gram[..., :-1]
        return probs

    def _context(self, context):
        """The last n−1 ids of `context`, checked: (up to n−1,) long."""
        if len(context) == 0:
            return torch.zeros(0, dtype=torch.long)
        context = as_ids(context).cpu()
        self._check_range(context)
        return context[-(self.n - 1) :] if self.n > 1 else context[:0]

    def _check_range(self, ids):
        if ids.max() >= self.vocab_size:
            raise ValueError(
                f"id {ids.max()} is not in 0 … {self.vocab_size - 1}: was it made with another vocabulary?"
            )


def _with_unseen(counts):
    """Counts in float64 with a 0 appended, the count of what was never seen: its number is −1, the last place."""
    return torch.cat([counts.double(), torch.zeros(1, dtype=torch.float64)])


def _find(grams, wanted):
    """The place of each wanted number in the sorted `grams`, −1 where it is not there."""
    place = torch.searchsorted(grams, wanted).clamp(max=len(grams) - 1)
    return torch.where(grams[place] == wanted, place, -1)


def _check_sizes(ids, n, vocab_size, smallest_n):
    for name, value in {"n": n, "vocab_size": vocab_size}.items():
        if not isinstance(value, int):
            raise TypeError(f"{name} must be an int, not {value!r}")
    if n < smallest_n:
        raise ValueError(f"n must be at least {smallest_n}, not {n}")
    if not 1 <= vocab_size <= LARGEST_VOCAB:
        raise ValueError(f"the vocabulary must have 1 to {LARGEST_VOCAB} tokens, not {vocab_size}")
    if len(ids) < n:
        raise ValueError(f"{n}-grams need a text of at least {n} tokens, but there are {len(ids)}")


def _check_eps(eps, n):
    eps = np.array(eps.tolist() if isinstance(eps, torch.Tensor) else eps, dtype=np.float64)
    if eps.shape not in ((), (n,)):
        raise ValueError(f"eps must be one number or {n} of them, one an order, not of shape {eps.shape}")
    eps = np.broadcast_to(eps, n).tolist()
    for e in eps:
        if not 0 < e < math.inf:
            raise ValueError(f"eps must be above 0 and finite, not {e}: with 0 unseen tokens get probability 0")
    return eps
