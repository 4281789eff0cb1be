"""How good a model's predictions are."""

import math
from collections import Counter
from collections.abc import Sequence
from itertools import chain

import torch

from d2lrnn.layers import check_numbers


def perplexity(log_probs):
    """Perplexity: the exponential of the mean cross-entropy in nats per token.

    exp(−(1/N) Σ_t log P(x_t | x_1 … x_{t−1})). It is 1 for a model that is always certain and
    right, infinite for one that gives probability 0 to something that happens, and |V| for one
    that guesses uniformly among |V| tokens.
    Source: Jelinek, Mercer, Bahl and Baker (1977), with the natural logarithm.

    Args:
        log_probs: (N,) natural logarithms of the probabilities given to the tokens that came.

    Returns:
        float, at least 1.

    Raises:
        ValueError: no tokens, a NaN, or a log-probability above 0.
    """
    if isinstance(log_probs, torch.Tensor):
        log_probs = log_probs.detach().cpu()  # Apple's MPS has no float64
    log_probs = torch.as_tensor(log_probs, dtype=torch.float64)
    if log_probs.numel() == 0:
        raise ValueError("perplexity needs at least one token: log_probs is empty")
    check_numbers(log_probs, "log_probs")
    if (log_probs > 1e-6).any():
        raise ValueError("log_probs must not exceed 0: pass logarithms of probabilities, not losses or logits")
    return torch.exp(-log_probs.clamp(max=0).mean()).item()


def bleu(candidates, references, max_n=4):
    """Corpus BLEU: how many n-grams of the candidates occur in the references, with a penalty for too short ones.

    BP · (p_1 · … · p_N)^(1/N). p_n is the share of the candidates' n-grams, of all sentences together, that occur in a
    reference of their sentence, each counted at most as often as in the reference that has it most often (clipping).
    BP = min(1, exp(1 − r/c)), where c is the length of all candidates and r that of their references, of each sentence
    the one closest in length (of two equally close ones the shorter). Nothing is smoothed: where some p_n is 0, or no
    candidate has N tokens, BLEU is 0. Source: Papineni, Roukos, Ward and Zhu (2002).

    Args:
        candidates: list of M sentences, the translations to judge. A sentence is a list or tuple of tokens, or a 1-D
            array or tensor of ids; it may be empty. Tokens can be anything hashable, and are compared by value.
        references: list of M lists of sentences, for each candidate its references, at least one. sacrebleu wants
            them the other way round (all first references, all second ones, …): that is `list(zip(*references))`.
        max_n: N, the length of the longest n-grams.

    Returns:
        float from 0 to 1.

    Raises:
        TypeError: a sentence is no sequence of tokens, such as a str; a token is not hashable; the tokens of the
            candidates are str and those of the references are not, or the other way round.
        ValueError: there are no candidates, not as many lists of references, no reference for a candidate, or max_n is
            below 1.
    """
    candidates, references = list(candidates), list(references)
    if not len(candidates) == len(references) >= 1:
        transposed = bool(references) and all(len(sentences) == len(candidates) for sentences in references)
        raise ValueError(
            "bleu needs a list of references for each candidate, and at least one candidate, not "
            f"{len(references)} lists of references for {len(candidates)} candidates"
            + ("; all first references, all second ones, … must be turned: list(zip(*references))" * transposed)
        )
    if max_n < 1:
        raise ValueError(f"max_n must be at least 1, not {max_n}")
    matches, totals = [0] * max_n, [0] * max_n
    candidate_length = reference_length = 0
    candidates = [_tokens(i, candidate) for i, candidate in enumerate(candidates)]
    references = [[_tokens(i, sentence) for sentence in _items(i, several)] for i, several in enumerate(references)]
    sides = candidates, chain.from_iterable(references)
    are_str = [{isinstance(token, str) for sentence in side for token in sentence} for side in sides]
    if all(are_str) and not set.intersection(*are_str):
        raise TypeError("candidates and references must both be str or both be ids: use vocab.to_tokens(ids)")
    for i, (candidate, sentences) in enumerate(zip(candidates, references, strict=True)):
        if not sentences:
            raise ValueError(f"sentence {i} has no reference")
        candidate_length += len(candidate)
        reference_length += min((abs(len(s) - len(candidate)), len(s)) for s in sentences)[1]
        for n in range(1, max_n + 1):
            counts, most = _ngrams(candidate, n), Counter()
            for sentence in sentences:
                most |= _ngrams(sentence, n)  # of each n-gram the larger count
            matches[n - 1] += (counts & most).total()  # and the smaller count: clipping
            totals[n - 1] += counts.total()
    if 0 in matches:
        return 0.0
    log_precision = sum(math.log(match / total) for match, total in zip(matches, totals, strict=True)) / max_n
    return math.exp(min(0, 1 - reference_length / candidate_length) + log_precision)


def _ngrams(tokens, n):
    return Counter(zip(*(tokens[i:] for i in range(n)), strict=False))


def _items(i, sequence):
    """What a list, tuple, array or tensor holds, as a list: numbers by value, not as tensors."""
    if hasattr(sequence, "tolist"):
        sequence = sequence.tolist()
    if isinstance(sequence, str) or not isinstance(sequence, Sequence):
        raise TypeError(
            f"sentence {i}: the candidate must be a list of tokens and its references a list of lists of tokens, but "
            f"there is {sequence!r}; split each str with a tokenizer, and put a single reference into a list"
        )
    return [item.tolist() if hasattr(item, "tolist") else item for item in sequence]


def _tokens(i, sentence):
    tokens = _items(i, sentence)
    for token in tokens:
        try:
            hash(token)
        except TypeError:
            raise TypeError(f"sentence {i}: a token must be hashable, such as a str or an int, not {token!r}") from None
    return tokens
