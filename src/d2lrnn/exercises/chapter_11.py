"""Checkers of chapter 11, bidirectional networks, and what recurrent networks are used for."""

import torch

from d2lrnn import cells
from d2lrnn.exercises import as_tensor, call, checker, close, find_slip, letters, number, whole


@checker(
    "11.shapes",
    praise="The second layer reads both directions of the first one, whatever their sizes.",
)
def shapes(answer):
    B, D, h_1, h_2, q = 2, 3, 5, 7, 11
    result = call(answer, B, D, h_1, h_2, q)
    try:
        state, output, backward, second = (tuple(map(whole, shape)) for shape in result)
    except (TypeError, ValueError):
        return "return four tuples: the shapes of H_t, W_hq, W_hh of the backward direction, W_xh of the second layer."
    if state != (B, h_1 + h_2):
        if state in ((B, 2 * h_1), (B, 2 * h_2)):
            return "H_t: the two directions have different sizes here, so one of them twice is not enough."
        if state in ((B, h_1), (B, h_2), (B, max(h_1, h_2))):
            return "H_t: that is the state of one direction only."
        if state == (B, h_1, h_2) or state == (B, h_1 * h_2):
            return "H_t: the states are put side by side, not multiplied."
        return f"H_t has not the shape {state}."
    if output != (h_1 + h_2, q):
        if output == (q, h_1 + h_2):
            return "W_hq: that is how torch stores it; in H_t W_hq it is the other way round."
        if output in ((h_1, q), (h_2, q)):
            return "W_hq: that multiplies the state of one direction only."
        return f"W_hq has not the shape {output}: it multiplies H_t from the right and gives q numbers."
    if backward != (h_2, h_2):
        if backward in ((h_1, h_2), (h_2, h_1), (h_1 + h_2, h_1 + h_2), (h_1 + h_2, h_2)):
            return "W_hh of the backward direction: within a layer neither direction reads the other one."
        return f"W_hh of the backward direction has not the shape {backward}: from which state to which does it lead?"
    if second != (h_1 + h_2, h_1):
        if second == (D, h_1):
            return "W_xh of the second layer: its inputs are not those of the network."
        if second in ((h_1, h_1), (2 * h_1, h_1)):
            return "W_xh of the second layer: it reads both directions of the layer below."
        if second == (h_1, h_1 + h_2):
            return "W_xh of the second layer: that is how torch stores it; in H_t W_xh it is the other way round."
        if second == (h_1 + h_2, h_1 + h_2):
            return "W_xh of the second layer: this one leads to the state of the forward direction alone."
        return f"W_xh of the second layer has not the shape {second}."


@checker(
    "11.backward",
    praise="Padding stays at the end in both turns, so no sequence reads it before its own tokens.",
)
def backward(answer):
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(5, 3, 2, generator=generator)
    lengths = torch.tensor([3, 5, 1])
    params = {name: p.detach() for name, p in cells.init_rnn_params(2, 4, scale=0.7, generator=generator).items()}
    params["b_h"] = torch.randn(4, generator=generator)  # so that a padding of zeros is not without effect

    def recurrence(X):
        return cells.rnn(X, None, params)[0]

    turn = cells.reverse
    right = turn(recurrence(turn(inputs, lengths)), lengths)
    result = call(answer, inputs.clone(), lengths.clone(), recurrence)
    if not isinstance(result, torch.Tensor) or result.shape != right.shape:
        return "the answer must be the states of all steps, (T, B, h)."
    tokens = torch.arange(5)[:, None] < lengths
    zeroed = inputs * tokens[..., None]

    def same(other):
        return close(result.detach()[tokens], other[tokens], 1e-5)

    slips = [
        (recurrence(inputs.flip(0)).flip(0), "it starts in the padding: only the longest sequence is right."),
        (recurrence(zeroed.flip(0)).flip(0), "a padding of zeros is still read: with a bias the state leaves zero."),
        (recurrence(turn(inputs, lengths)), "the states are in the order in which they were read: step 1 holds x_n's."),
        (recurrence(inputs.flip(0)), "you turned the padding to the front, and left the states in reading order."),
        (recurrence(inputs), "that is the forward direction: nothing was turned."),
        (turn(recurrence(inputs), lengths), "you read forwards, and turned only the result."),
        (turn(recurrence(inputs.flip(0)), lengths), "the two turns differ: one takes the padding to the front."),
        (recurrence(turn(inputs, lengths)).flip(0), "the two turns differ: the second takes the padding to the front."),
        (recurrence(inputs.flip(1)), "you turned the batch around; steps are on the other axis."),
    ]
    if not same(right):
        return next((problem for slip, problem in slips if same(slip)), "the states at the tokens are not right.")


@checker(
    "11.leak",
    praise="What counts is what the scores of a token can depend on, not which layer is called bidirectional.",
)
def leak(answer):
    named = letters(answer, "ABCDEF")
    if not named:
        return 'the answer must be letters from A to F, such as "BE".'
    if "B" in named:
        return "one of yours has only layers that read from left to right. Depth is not direction."
    if "E" in named:
        return "in one of yours the backward direction reads another sequence than the one that is scored."
    if "F" in named:
        return "in one of yours the states that are joined stop short of the scored token, on both sides."
    if "A" not in named:
        return "you left out the plainest one: which network did this chapter train as a language model?"
    if "C" not in named:
        return "a leak needs no backward layer: look for anything else that is computed from all steps."
    if "D" not in named:
        return "a last layer that reads forwards is not enough: what do its inputs know?"


@checker(
    "11.pooling",
    praise="The result no longer depends on how long the longest sentence of the batch is.",
)
def pooling(answer):
    generator = torch.Generator().manual_seed(0)
    H = torch.randn(6, 3, 4, generator=generator) - 1.5  # many maxima below 0
    lengths = torch.tensor([2, 6, 4])
    tokens = (torch.arange(6)[:, None] < lengths)[..., None]
    result = call(answer, H.clone(), lengths.clone())
    if isinstance(result, tuple) and any(isinstance(part, tuple) for part in result):
        return "`max` along an axis gives the values and their places: return the values."
    try:
        mean, top = map(as_tensor, result)
    except (TypeError, ValueError):
        return "return two tensors (B, d): the mean and the maximum over the tokens."
    zeroed = H * tokens
    total = zeroed.sum(0)
    highest = H.masked_fill(~tokens, -torch.inf).amax(0)
    if close(mean, highest, 1e-5) and close(top, total / lengths[:, None], 1e-5):
        return "both are right, in the wrong order: first the mean, then the maximum."
    slips = [
        (H.mean(0), "your mean reads the padding."),
        (H.sum(0) / lengths[:, None], "your sum reads the padding, though you divide by the right numbers."),
        (zeroed.mean(0), "your mean has zeros for the padding, but divides by all T steps."),
        (total, "that is a sum, not yet a mean."),
        (total / 3, "your mean divides by the number of sentences."),
        (total / lengths.float().mean(), "your mean divides every sentence by the mean length."),
    ]
    if not close(mean, total / lengths[:, None], 1e-5):
        if mean.shape != total.shape:
            return f"the mean must be (B, d), not {tuple(mean.shape)}."
        return find_slip(mean, slips) or "the mean over the tokens is not right."
    slips = [
        (H.amax(0), "your maximum reads the padding."),
        (zeroed.amax(0), "your maximum takes the zeros of the padding where all tokens are negative."),
        (zeroed.abs().amax(0), "your maximum is that of the absolute values."),
    ]
    if not close(top, highest, 1e-5):
        return find_slip(top, slips) or "the maximum over the tokens is not right."
    result = call(answer, H.masked_fill(~tokens, torch.nan), lengths.clone())
    if not (close(result[0], total / lengths[:, None], 1e-5) and close(result[1], highest, 1e-5)):
        return "right, but not for NaN in the padding: 0 times NaN is NaN. Put a number there instead."


@checker(
    "11.fair",
    praise="For D = h it is about 0.62 h: more than half, since the recurrent weights grow with the square.",
)
def fair(answer):
    for D, h in [(32, 48), (64, 256), (300, 100), (8, 8), (6, 8), (1, 6), (4, 18)]:  # the last: as many, not fewer
        budget = h * (D + h + 2)
        right = max(k for k in range(1, h + 1) if 2 * k * (D + k + 2) <= budget)
        result = number(call(answer, D, h))
        one_bias = max(k for k in range(1, h + 1) if 2 * k * (D + k + 1) <= h * (D + h + 1))  # (6, 8) tells it apart
        root = (((D + 2) ** 2 + 2 * budget) ** 0.5 - (D + 2)) / 2
        slips = [
            (one_bias, "that is right for one bias; `torch.nn` has two in each of the four parts."),
            (h, "the two directions together would have twice the parameters."),
            (h // 2, "that fits, but it leaves parameters unused: halving h quarters the recurrent weights."),
            (h / 2, "that fits, but it leaves parameters unused: halving h quarters the recurrent weights."),
            (int(h / 2**0.5), "that would be right if there were recurrent weights only."),
            (round(h / 2**0.5), "that would be right if there were recurrent weights only."),
            (h / 2**0.5, "that would be right if there were recurrent weights only."),
            (root, "a number of units is whole: which whole number does not exceed the budget?"),
            (right + 1, "this has more parameters than the one direction."),
            (right - 1, "that fits, but it is not the largest."),
        ]
        if not close(result, right):
            return find_slip(result, slips) or f"for D = {D} and h = {h} it is not {result:g}."
