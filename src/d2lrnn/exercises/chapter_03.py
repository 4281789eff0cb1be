"""Checkers of chapter 3, language models and n-grams."""

import math

import torch

from d2lrnn.exercises import as_tensor, call, checker, close, find_slip, number


@checker(
    "03.longest_full",
    praise="It grows with log N only: a thousand times the text buys words one more token at most.",
)
def longest_full(answer):
    sizes = [(10**9, 100_000), (54_440, 27), (10_002, 10), (10_003, 10), (100, 10), (5, 9), (13, 2)]
    for num_tokens, vocab_size in sizes:
        result = number(call(answer, num_tokens, vocab_size))
        right = _longest_full(num_tokens, vocab_size)
        if result == right:
            continue
        given = f"for N = {num_tokens:,} and |V| = {vocab_size:,} "
        if close(result, math.log(num_tokens) / math.log(vocab_size)):
            return given + "you return a fraction; n is a whole number."
        if result == right + 1 and vocab_size**result <= num_tokens:
            return given + "you let every token begin an n-gram; how many places has an n-gram in N tokens?"
        if result == right + 1:
            return given + f"n = {result:g} is already too long: |V|ⁿ different n-grams need as many places."
        return given + f"it is not {result:g}. How many different n-grams are there, and how many places?"


def _longest_full(num_tokens, vocab_size):
    n = 0
    while vocab_size ** (n + 1) <= num_tokens - n:
        n += 1
    return n


@checker(
    "03.per_word",
    praise="A perplexity belongs to its unit: a small one per character can be a large one per word.",
)
def per_word(answer):
    for per_char, length in [(4.0, 3.0), (3.5, 5.3)]:
        result = number(call(answer, per_char, length))
        if close(result, per_char**length):
            continue
        slips = [
            (per_char * length, "perplexities multiply where nats add up: what do the characters of a word cost?"),
            (per_char ** (1 / length), "that goes from words to characters."),
            (per_char, "the text costs the same nats in all, but it has fewer words than characters."),
            (length * math.log(per_char), "that is the cross-entropy per word, in nats."),
            (length * math.log2(per_char), "that is the cross-entropy per word, in bits."),
            (2 ** (length * math.log(per_char)), "the logarithm has base e and the power base 2."),
            (math.exp(length * per_char), "the perplexity is not the number of nats: take its logarithm first."),
            (math.exp(length * math.log2(per_char)), "the logarithm has base 2 and the exponential base e."),
        ]
        given = f"for perplexity {per_char} and {length} characters per word it is not {result:.4g}."
        return find_slip(result, slips) or given


@checker(
    "03.discount",
    praise="A context with many different followers leaves more to the shorter context: it is likely to meet new ones.",
)
def discount(answer):
    for counts, d in [([3, 0, 1, 3, 0], 0.5), ([9, 1, 0, 1, 1], 0.75)]:
        result = number(call(answer, list(counts), d))
        total, followers = sum(counts), sum(count > 0 for count in counts)
        if close(result, d * followers / total):
            continue
        slips = [
            (d * len(counts) / total, "from a count of 0 nothing can be taken."),
            (d * followers, "that is won in tokens; λ is a share of the tokens after this context."),
            (d / total, "every word that followed gives d, not only one."),
            (d, "d is taken from a count, and λ is a part of a probability."),
            (1 - d * followers / total, "that is what the seen words keep; λ is what they give away."),
            (followers / total, "each word that followed gives d of its count, not 1."),
            (d * followers / len(counts), "the counts sum to N(c), not to |V|."),
            (d * counts.count(0) / total, "the words that did *not* follow give nothing."),
        ]
        return find_slip(result, slips) or f"for the counts {counts} and d = {d} it is not {result:.4g}."


@checker(
    "03.zipf",
    praise="A base of the logarithm changes the intercept of the line, not its slope.",
)
def zipf(answer):
    ranks = torch.arange(1, 41, dtype=torch.float64)
    for exponent, constant in [(0.8, 500.0), (1.25, 90.0)]:
        scatter = torch.exp(0.4 * torch.sin(3 * ranks))  # on an exact power law two points would do
        y = (constant * ranks**-exponent * scatter).sort(descending=True).values
        x, log_y = ranks.log(), y.log()
        alpha = -_slope(x, log_y)
        rank_0 = "the most frequent word has rank 1; rank 0 has no logarithm."
        try:
            result = as_tensor(call(answer, y.tolist()))
        except ValueError as error:
            return f"your function stops with {type(error).__name__}: {error}. Did you give a word the rank 0? {rank_0}"
        if result.numel() != 1:
            return f"you return {result.numel()} numbers, perhaps the whole fitted line; only α is asked."
        result = result.item()
        if close(result, alpha, 1e-3):
            continue
        if not math.isfinite(result):
            return rank_0
        log_constant = float(log_y.mean() + alpha * x.mean())
        two_points = "that is the slope between two points; the fit must use all ranks."
        slips = [
            (-alpha, "the size is right, but the law is count ∝ rank^(−α): look at the sign."),
            (-_slope(log_y, x), "you fitted log rank against log count; the ranks belong on the x axis."),
            (_slope(log_y, x), "you fitted log rank against log count; the ranks belong on the x axis."),
            (_slope(ranks, y), "that is the slope without logarithms."),
            (-_slope(ranks, y), "that is the slope without logarithms."),
            (-_slope(ranks, log_y), "with only the counts logarithmic, a line is an exponential law."),
            (-_slope((ranks - 1).clamp(min=1e-9).log(), log_y), rank_0),
            (log_constant, "that is the intercept, log K; α is in the slope."),
            (math.exp(log_constant), "that is K, from the intercept; α is in the slope."),
            (float((log_y[0] - log_y[-1]) / x[-1]), two_points),
            (float((log_y[0] - log_y[1]) / x[1]), two_points),
        ]
        return find_slip(result, slips, 1e-3) or f"for the counts {y[0]:.0f}, {y[1]:.0f}, … it is not {result:.4g}."


@checker(
    "03.small_eps",
    praise="Every impossible pair costs another log 10 nats, however rarely it is wrong to call it impossible.",
)
def small_eps(answer):
    for share in (0.3, 0.05):
        result = number(call(answer, share))
        if close(result, 10**share):
            continue
        slips = [
            (10.0, "that would be right if *every* pair were unseen; the mean is over all pairs."),
            (10 * share, "nats are averaged, perplexities are not: take the mean first, then the exponential."),
            (1 + 9 * share, "you averaged the factors 10 and 1; perplexity averages the logarithms."),
            (share * math.log(10), "that is the change in nats, not the factor of the perplexity."),
            (1 + share * math.log(10), "1 + x is exp(x) only for very small x."),
            (10 ** (1 - share), "you used the share of the *seen* pairs; what changes for those?"),
            (math.exp(10 * share), "a factor 10 in a probability is log 10 nats, not 10 nats."),
            (math.exp(share), "a factor 10 in a probability is log 10 nats, not 1 nat."),
            (10**-share, "a smaller ε makes unseen pairs less probable: does the perplexity fall?"),
        ]
        return find_slip(result, slips) or f"for a share of {share} it is not {result:.4g}."


@checker(
    "03.adjacency",
    praise="Row i goes through one stretch of the text, so its state may be carried from batch to batch.",
)
def adjacency(answer):
    places = [
        (batch, row, batch_size, num_steps, num_batches)
        for batch_size, num_steps, num_batches in [(2, 5, 3), (4, 3, 7)]
        for batch in range(num_batches)
        for row in range(batch_size)
    ]
    results = [number(call(answer, *place)) for place in places]
    if results == [(i * K + k) * T for k, i, B, T, K in places]:
        return None
    slips = [
        (lambda k, i, B, T, K: (k * B + i) * T, "you fill the batches one by one, and no row goes on."),
        (lambda k, i, B, T, K: i * K + k, "you count windows, not tokens."),
        (lambda k, i, B, T, K: (i * K + k) * T + 1, "that is where Y starts; X starts one token earlier."),
        (lambda k, i, B, T, K: i * K + k * T, "the rows before this one count windows: is a bracket missing?"),
        (lambda k, i, B, T, K: i * K * T + k, "the batches before this one have T tokens each: is a bracket missing?"),
    ]
    for wrong, hint in slips:
        if results == [wrong(*place) for place in places]:
            return hint
    for (batch, row, B, T, K), result in zip(places, results, strict=True):
        if result != (row * K + batch) * T:
            given = f"B = {B}, T = {T}, {K} batches: row {row} of batch {batch} "
            return given + f"does not start at {result:g}. How many tokens does one row walk through in an epoch?"


@checker(
    "03.kl",
    praise="So the floor is the true model's perplexity, and no model can be below it on average.",
)
def kl(answer):
    zero_q = [0.5, 0.3, 0.2, 0.0], [0.6, 0.0, 0.3, 0.1]
    for p, q in [([0.5, 0.5], [0.9, 0.1]), ([0.7, 0.2, 0.1, 0.0], [0.25, 0.25, 0.3, 0.2]), zero_q]:
        result = number(call(answer, torch.tensor(p, dtype=torch.float64), torch.tensor(q, dtype=torch.float64)))
        right = _kl(p, q)
        if math.isnan(result):
            return "your result is NaN: p log p is 0 where p is 0; torch.special.xlogy or a sum over p > 0 helps."
        if (p, q) == zero_q:
            if result == math.inf:
                return None
            return (
                f"for p = {p} and q = {q} it is not {result:.4g}: "
                "the second token does come, and q gives it the probability 0. Do not leave it out: what does it cost?"
            )
        if close(result, math.exp(right)):
            continue
        entropy = -sum(a * math.log(a) for a in p if a > 0)
        cross_entropy = -sum(a * math.log(b) for a, b in zip(p, q, strict=True))
        slips = [
            (right, "that is the gap in nats; the ratio of perplexities is asked."),
            (math.exp(-right), "that is the ratio upside down: the wrong model must have the larger perplexity."),
            (math.exp(_kl(q, p)), "the mean is over the tokens that come, and those are drawn from p, not from q."),
            (math.exp(cross_entropy), "that is the perplexity of q alone; divide by the perplexity of p."),
            (math.exp(right / math.log(2)), "the logarithm has base 2 and the exponential base e."),
            (cross_entropy / entropy, "that is a ratio of nats; take the exponentials first, then the ratio."),
        ]
        return find_slip(result, slips) or f"for p = {p} and q = {q} it is not {result:.4g}."


@checker(
    "03.continuation",
    praise="'Francisco' may be frequent, but it follows one word only: after an unseen context it is improbable.",
)
def continuation(answer):
    ids = torch.tensor([0, 1, 0, 1, 0, 1, 2, 3, 2, 0, 3, 1, 4, 4])  # token 4 also follows itself
    pairs = {(a, b) for a, b in zip(ids[:-1].tolist(), ids[1:].tolist(), strict=True)}
    result = as_tensor(call(answer, ids.clone(), 6))

    def shares(numbers):
        numbers = torch.tensor(numbers, dtype=torch.float64)
        return numbers / numbers.sum()

    if result.shape != (6,):
        return f"the result has the shape {tuple(result.shape)}; each of the |V| = 6 tokens has one probability."
    before = [sum(b == w for _, b in pairs) for w in range(6)]
    if close(result, shares(before)):
        return None
    counts = [int((ids == w).sum()) for w in range(6)]
    raw = torch.tensor(before, dtype=torch.float64)
    followed = [sum(a == w for a, _ in pairs) for w in range(6)]
    repeated = [int((ids[1:] == w).sum()) for w in range(6)]
    slips = [
        (shares(counts), "that is the unigram frequency; count in how many *different* contexts a token occurs."),
        (shares(repeated), "each different pair counts once. In a set no two tensors are the same: use .tolist()."),
        (shares(followed), "you count the tokens *after* w; contexts come before it."),
        (raw, "those are the right counts; they do not sum to 1 yet."),
        (raw / 6, "the sum must be 1: do not divide by |V|."),
    ]
    return find_slip(result, slips) or "the shape is right, the numbers are not: start from the set of pairs."


def _slope(x, y):
    x = x - x.mean()
    return float((x * y).sum() / (x**2).sum())


def _kl(p, q):
    return sum(a * math.log(a / b) if a > 0 else 0.0 for a, b in zip(p, q, strict=True) if b > 0)
