"""Checkers of chapter 3, language models and n-grams."""

import math

import torch

from d2lrnn.exercises import as_tensor, call, checker, close, find_slip, number


@checker(
    "03.parameters",
    praise="Exponential in n. A corpus fills at most N − n + 1 of these numbers with a count above zero.",
)
def parameters(answer):
    for vocab_size, n in [(10, 1), (10, 2), (7, 3), (100_000, 4)]:
        result = number(call(answer, vocab_size, n))
        if close(result, vocab_size ** (n - 1) * (vocab_size - 1)):
            continue
        if close(result, vocab_size**n):
            return "you count every probability, but those after one context must sum to 1: not all of them are free."
        if close(result, vocab_size**n - 1):
            return "that is all orders from 1 to n added up, or one table of n tokens with one sum: count order n only."
        if close(result, vocab_size**n * (vocab_size - 1)):
            return "your contexts are one token too long: an n-gram is the context and the predicted token together."
        return f"for |V| = {vocab_size:,} and n = {n} it is not {result:g}. How many contexts are there?"


@checker(
    "03.perplexity",
    praise="It is the inverse of the geometric mean of the probabilities: one zero makes it infinite.",
)
def perplexity(answer):
    for probs in ([0.5, 0.125, 0.5, 0.125], [0.9, 0.2, 0.4]):
        result = number(call(answer, list(probs)))
        nats = [-math.log(p) for p in probs]
        n = len(probs)
        slips = [
            (sum(nats) / n, "that is the mean cross-entropy in nats; perplexity is a number of choices."),
            (math.exp(sum(nats)), "you took the sum of the nats, so a longer text would look worse: take the mean."),
            (sum(1 / p for p in probs) / n, "that is the arithmetic mean of 1/P; average the logarithms."),
            (n / sum(probs), "that is one over the arithmetic mean of P; average the logarithms."),
            (math.exp(sum(nats) / n / math.log(2)), "the logarithm has base 2 and the exponential base e."),
            (2 ** (sum(nats) / n), "the logarithm has base e and the power base 2."),
            (math.exp(-sum(nats) / n), "that is the geometric mean of the probabilities, below 1: look at the sign."),
        ]
        if not close(result, math.exp(sum(nats) / n)):
            return find_slip(result, slips) or f"for P = {probs} it is not {result:.4g}."
    try:
        result = number(call(answer, [0.5, 0.0, 0.5]))
    except (ValueError, ZeroDivisionError):
        return "with a P of 0 your function stops with an error. How large is the surprise at what was held impossible?"
    if result != math.inf:
        return f"with a P of 0 it is not {result:.4g}. How large is the surprise at what was held impossible?"


@checker(
    "03.smoothed_bigram",
    praise="With ε₂ imaginary tokens shared out as P̂(w) says, the result sums to 1 because P̂(w) does.",
)
def smoothed_bigram(answer):
    for numbers in [(3, 16, 40, 1000, 50, 1.0, 2.0), (0, 0, 5, 200, 9, 0.5, 4.0)]:
        n_cw, n_c, n_w, num_tokens, vocab_size, eps_1, eps_2 = numbers
        result = number(call(answer, *numbers))
        lower = (n_w + eps_1 / vocab_size) / (num_tokens + eps_1)
        right = (n_cw + eps_2 * lower) / (n_c + eps_2)
        if close(result, right):
            continue
        raw = n_w / num_tokens
        one_each = (n_w + eps_1) / (num_tokens + eps_1 * vocab_size)
        to_all = n_c + eps_2 * vocab_size
        slips = [
            ((n_cw + eps_2 / vocab_size) / (n_c + eps_2), "you smooth towards 1/|V|; the unigram estimate knows more."),
            ((n_cw + eps_2 * raw) / (n_c + eps_2), "the unigram estimate must be smoothed too."),
            ((n_cw + eps_2 * one_each) / (n_c + eps_2), "check your P̂(w) against (3.10): ε₁ in all, not a word."),
            ((n_cw + eps_2) / to_all, "you add ε₂ to every count; it is to be shared out by P̂(w)."),
            ((n_cw + eps_2 * lower) / to_all, "how many imaginary tokens are there in all?"),
        ]
        if n_c:
            slips.append(((n_cw + eps_2 * lower) / n_c, "your numerators sum to more than this."))
            slips.append((n_cw / n_c, "that is the relative frequency, with no smoothing."))
        return find_slip(result, slips) or f"for the arguments {numbers} it is not {result:.4g}."


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
    for p, q in [([0.5, 0.5], [0.9, 0.1]), ([0.7, 0.2, 0.1, 0.0], [0.25, 0.25, 0.3, 0.2])]:
        result = number(call(answer, torch.tensor(p, dtype=torch.float64), torch.tensor(q, dtype=torch.float64)))
        right = _kl(p, q)
        if math.isnan(result):
            return "your result is NaN: p log p is 0 where p is 0; torch.special.xlogy or a sum over p > 0 helps."
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
    ids = torch.tensor([0, 1, 0, 1, 0, 1, 2, 3, 2, 0, 3, 1, 4])
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
