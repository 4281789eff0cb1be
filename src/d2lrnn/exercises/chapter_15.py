"""Checkers of chapter 15, attention and beyond."""

import math

import torch

from d2lrnn.attention import masked_softmax
from d2lrnn.batches import mask
from d2lrnn.exercises import as_tensor, call, checker, close, find_slip, letters, number


@checker(
    "15.mask",
    praise="A softmax over the words only: the padding gets exactly 0, and each row sums to 1.",
)
def masked(answer):
    generator = torch.Generator().manual_seed(0)
    scores, lengths = torch.randn(3, 2, 5, generator=generator), torch.tensor([5, 2, 3])
    result = as_tensor(call(answer, scores.clone(), lengths.clone()))
    if result.shape != scores.shape:
        return f"return weights of the shape of the scores, {tuple(scores.shape)}, not {tuple(result.shape)}."
    words = mask(lengths, 5)[:, None]
    right, everything = masked_softmax(scores, lengths), scores.softmax(2)
    if result.isnan().any():
        return "there are weights that are not a number: what is 0 · ∞?"
    if not close(result, right, 1e-5):
        slips = [
            (everything, "the padding has weights too: nothing was masked."),
            (everything * words, "the padding has weight 0, but the other weights no longer sum to 1."),
            ((scores * words).softmax(2), "a score of 0 is an ordinary score: what does the softmax make of it?"),
            (scores.softmax(1) * words, "over which dimension must the weights of a query sum to 1?"),
            (scores.masked_fill(~words, -torch.inf), "those are the masked scores; the softmax is missing."),
        ]
        return find_slip(result, slips) or _about_weights(result, words)
    large = torch.tensor([[[1000.0, 999.0, 0.0]], [[-1000.0, 5.0, 1000.0]]])
    lengths = torch.tensor([2, 1])
    result = as_tensor(call(answer, large.clone(), lengths.clone()))
    if not result.isfinite().all():
        return "right for small scores, but exp(1000) is infinite and exp(−1000) is 0: mind what you divide by."
    # float32 knows numbers near 1,000 to 6e-5 only: exp(score − logsumexp) is as right as it can be
    if not close(result, masked_softmax(large, lengths), 3e-4):
        if close(result.sum(2)[1], 0.0, 1e-3):
            return "right for small scores, but not if padding has the largest: which maximum may be subtracted?"
        return "right for small scores, but not for scores of 1,000 or −1,000: is your −∞ small enough?"


def _about_weights(result, words):
    padding = result.masked_fill(words.expand_as(result), 0)
    if padding.abs().max() > 1e-6:
        return "the padding still has weights that are not 0."
    return "the weights of the words are not right."


@checker(
    "15.scale",
    praise="What counts is the second moment of each: keys with a mean make larger scores.",
)
def scale(answer):
    for d, v_q, mu, v_k in [(64, 1.0, 0.0, 1.0), (9, 4.0, 0.0, 1.0), (16, 2.0, 3.0, 1.5)]:
        variance = d * v_q * (v_k + mu**2)
        slips = [
            (variance, "that is the variance of the dot product. What happens to a variance when you divide by c?"),
            (d, "that divides by d: too much. How does a variance change when you divide by c?"),
            (math.sqrt(d), "that is for variances of 1 and means of 0."),
            (math.sqrt(d * v_q * v_k), "the variance of a product needs the second moment of k, and k has a mean."),
            (math.sqrt(d * v_q * (v_k + mu)), "the second moment is not the variance plus the mean."),
            (math.sqrt(d) * v_q * (v_k + mu**2), "the root is over the size only: the variances need it too."),
            (math.sqrt(d * (v_q * v_k + mu**2)), "q multiplies the mean of k too: its variance belongs to both parts."),
            (math.sqrt(v_q * (v_k + mu**2)), "that is for one product, and the dot product has d of them."),
            (math.sqrt(d * (v_q + v_k + mu**2)), "the variances of a product of independent numbers do not add."),
        ]
        result = number(call(answer, d, v_q, mu, v_k))
        if not close(result, math.sqrt(variance)):
            return (
                find_slip(result, slips)
                or f"for d = {d}, v_q = {v_q}, μ = {mu} and v_k = {v_k} it is not {result:.4g}."
            )


@checker(
    "15.count",
    praise="With h = m = d additive attention has B·T_x·d² more, and its tensor (B, T_y, T_x, m) is not in (a).",
)
def count(answer):
    B, T, S, h, d, m = 2, 3, 5, 7, 11, 13
    result = call(answer, B, T, S, h, d, m)
    try:
        dot, additive = map(number, result)
    except (TypeError, ValueError):
        return "return two numbers: of the dot product, and of additive attention."
    mean = T * S * d
    right = B * (T * h * d + T * S * d + mean)
    slips = [
        (right / B, "(a): that is for one sentence."),
        (B * (T * h * d + T * S * d), "(a): the weighted mean of the values is missing."),
        (B * 2 * T * S * d, "(a): the map of the queries is missing."),
        (B * (T * h * d + 2 * T * S), "(a): each score is a sum of how many products?"),
        (right + B * S * d * d, "(a): here the keys are used as they are: only the queries are mapped."),
        (right + B * T * S, "(a): leave the scale out."),
        (2 * right, "(a): an addition is not a multiplication."),
    ]
    if not close(dot, right):
        return find_slip(dot, slips) or f"(a): it is not {dot:g}."
    right = B * (T * h * m + S * d * m + T * S * m + mean)
    slips = [
        (right / B, "(b): that is for one sentence."),
        (right - B * mean, "(b): the weighted mean of the values is missing."),
        (right - B * T * S * m, "(b): the product with w is missing."),
        (right - B * S * d * m, "(b): the map of the keys is missing."),
        (right - B * T * h * m, "(b): the map of the queries is missing."),
        (B * (T * S * (h * m + d * m + m) + mean), "(b): a query is mapped once, not once for every key."),
        (B * (T * h * m + T * S * d * m + T * S * m + mean), "(b): a key is mapped once, not once for every query."),
        (2 * right, "(b): an addition is not a multiplication."),
    ]
    if not close(additive, right):
        return find_slip(additive, slips) or f"(b): it is not {additive:g}."


@checker(
    "15.dearer",
    praise="The projections alone cost as much as a recurrent layer with two parts, and T²d comes on top.",
)
def dearer(answer):
    for g, d in [(3, 64), (4, 16), (3, 1), (1, 32), (4, 7)]:
        right = max(1, (g - 2) * d + 1)
        slips = [
            (right - 1, "there the two are equal, or T is below 1: strictly more."),
            ((g - 2) * d + 1, "a length is at least 1."),
            (abs(g - 2) * d + 1, "for g < 2 self-attention always has more: which T is the smallest?"),
            (g * d + 1, "you left out the four products with (d, d) matrices."),
            (g * d, "you left out the four products with (d, d) matrices."),
            (2 * g * d + 1, "self-attention has two products of T²d, and four of Td²."),
            (d + 1, "that is right for one kind of layer: how does g enter?"),
            (d, "that is right for one kind of layer, nearly: how does g enter, and must T be larger or equal?"),
            ((2 * g - 4) * d + 1, "there are two products of T²d, not one."),
            (max(1, (2 * g - 4) * d + 1), "there are two products of T²d, not one."),
        ]
        result = number(call(answer, g, d))
        if not close(result, right):
            return find_slip(result, slips) or f"for g = {g} and d = {d} it is not {result:g}."


@checker(
    "15.order",
    praise="Without a mask or positions, no chain of attention and position-wise maps can see the order.",
)
def order(answer):
    named = letters(answer, "ABCDEF")
    if not named:
        return "answer with letters from A to F."
    hints = {
        "C": "C: may the first position look where the last may?",
        "D": "D: a convolution knows who stands next to whom.",
        "E": "E: is the sum of two readings that depend on the order free of it?",
    }
    for letter, hint in hints.items():
        if letter in named:
            return hint
    hints = {
        "A": "A: if one layer does not see the order, can two?",
        "B": "B: which part of it would know the position?",
        "F": "F: a map applied to each position alone, and a sum position by position: which knows the order?",
    }
    for letter, hint in hints.items():
        if letter not in named:
            return hint


def _positions(places, d):
    """The positional encodings of places (N,): (N, d)."""
    omega = 10000.0 ** (-torch.arange(0, d, 2, dtype=torch.float64) / d)
    angles = torch.as_tensor(places, dtype=torch.float64)[:, None] * omega
    return torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)


@checker(
    "15.shift",
    praise="A rotation of each pair, by an angle that depends on δ alone: the same one everywhere in the text.",
)
def shift(answer):
    for t, delta, d in [(3, 1, 4), (7, 5, 8), (40, -6, 16), (0, 12, 6), (9, 0, 10)]:
        before, right, back = _positions([t, t + delta, t - delta], d)
        result = as_tensor(call(answer, before.float(), delta)).double()
        if result.shape != right.shape:
            return f"from p_t of shape ({d},) return p_(t+δ) of the same shape, not {tuple(result.shape)}."
        alone, half = _positions([delta], d)[0], d // 2
        pairs = right.view(half, 2)
        exponents = torch.arange(half, dtype=torch.float64)
        sine, cosine = before[0::2], before[1::2]
        angle = delta * 10000.0 ** (-exponents / d)
        other = torch.stack([sine * angle.cos() + cosine * angle.sin(), cosine * angle.cos() - sine * angle.sin()], 1)
        slips = [
            (before, "that is p_t itself."),
            (back, "that is p_(t−δ): mind the signs of the addition theorems."),
            (alone, "that is p_δ, whatever t is: p_t must be used."),
            (before + alone, "sines of a sum are not the sums of sines: that is p_t + p_δ."),
            (torch.cat([pairs[:, 0], pairs[:, 1]]), "first all sines, then all cosines: (15.10) has them in turn."),
            (pairs.flip(1).flatten(), "sine and cosine are interchanged."),
            (other.flatten(), "the frequencies: in (15.10) the exponent is −2j/d for the pair j, not −j/d."),
        ]
        if not close(result, right, 1e-3):
            return find_slip(result, slips) or f"for t = {t}, δ = {delta} and d = {d} it is not right."
    mixed = torch.randn(8, generator=torch.Generator().manual_seed(0))  # a linear function takes any vector
    result = as_tensor(call(answer, mixed.clone(), 2)).double()
    angle = 2 * 10000.0 ** (-torch.arange(0, 8, 2, dtype=torch.float64) / 8)
    sine, cosine = mixed.double().view(4, 2).unbind(1)
    right = torch.stack([sine * angle.cos() + cosine * angle.sin(), cosine * angle.cos() - sine * angle.sin()], 1)
    if not close(result, right.flatten(), 1e-3):
        return "right for these p_t, but not linear: work with the pairs, do not compute t from them."
