"""Checkers of chapter 11, bidirectional networks, and what recurrent networks are used for."""

import numpy as np
import torch

from d2lrnn import cells
from d2lrnn.exercises import as_tensor, call, checker, close, find_slip, letters, number


@checker(
    "11.count",
    praise="Every layer but the first reads both directions of the one below, whatever their sizes.",
)
def count(answer):
    for D, h_1, h_2, q, L in [(3, 5, 7, 11, 1), (3, 5, 7, 11, 2), (3, 5, 7, 11, 3), (8, 4, 2, 3, 3), (2, 6, 6, 5, 4)]:
        result = number(call(answer, D, h_1, h_2, q, L))
        both = h_1 + h_2

        def layer(width_1, width_2, biases=1, h_1=h_1, h_2=h_2):
            return h_1 * (width_1 + h_1 + biases) + h_2 * (width_2 + h_2 + biases)

        first, upper, output = layer(D, D), layer(both, both), both * q + q
        right = first + (L - 1) * upper + output
        joined = both * (D + both + 1) + (L - 1) * both * (both + both + 1) + output
        same_size = 2 * h_1 * (D + h_1 + 1) + (L - 1) * 2 * h_1 * (2 * h_1 + h_1 + 1) + 2 * h_1 * q + q
        slips = [
            (first + upper * (L - 1), "the output layer is missing."),
            (right - q, "the bias of the output layer is missing."),
            (layer(D, D, 2) + (L - 1) * layer(both, both, 2) + output, "torch has two biases, (11.1) has one."),
            (layer(D, D, 0) + (L - 1) * layer(both, both, 0) + output, "the biases of the hidden layers are missing."),
            (first + (L - 1) * layer(h_1, h_2) + output, "a layer above reads both directions of the layer below."),
            (L * first + output, "only the first layer reads the D inputs."),
            (first + output, "that is right for one layer: what do the others add?"),
            (first + L * upper + output, "that is one layer too many."),
            (joined, "within a layer neither direction reads the other: W_hh is square in the direction's own size."),
            (same_size, "the two directions have different sizes."),
            (first + (L - 1) * upper + h_1 * q + q, "the output layer reads both directions."),
        ]
        if not close(result, right):
            hint = find_slip(result, slips)
            return hint or f"for D = {D}, h₁ = {h_1}, h₂ = {h_2}, q = {q} and L = {L} it is not {result:g}."


@checker(
    "11.backward",
    praise="Padding stays at the end in both turns, so no sequence reads it before its own tokens.",
)
def backward(answer):
    generator = torch.Generator().manual_seed(0)
    params = {name: p.detach() for name, p in cells.init_rnn_params(2, 4, scale=0.7, generator=generator).items()}
    params["b_h"] = torch.randn(4, generator=generator)  # so that a padding of zeros is not without effect

    def recurrence(X):
        return cells.rnn(X, None, params)[0]

    turn = cells.reverse
    for lengths in (torch.tensor([3, 5, 1]), torch.tensor([2, 1, 6, 4])):
        inputs = torch.randn(int(lengths.max()), len(lengths), 2, generator=generator)
        right = turn(recurrence(turn(inputs, lengths)), lengths)
        result = call(answer, inputs.clone(), lengths.clone(), recurrence)
        try:
            result = as_tensor(result)
        except (TypeError, RuntimeError):
            return "the answer must be the states of all steps, (T, B, h)."
        if result.shape != right.shape:
            return f"the answer must be the states of all steps, (T, B, h), not {tuple(result.shape)}."
        tokens = torch.arange(len(inputs))[:, None] < lengths
        zeroed = inputs * tokens[..., None]

        def same(other, result=result, tokens=tokens):
            return close(result[tokens], other[tokens], 1e-5)

        slips = [
            (recurrence(inputs.flip(0)).flip(0), "it starts in the padding: only the longest sequence is right."),
            (
                recurrence(zeroed.flip(0)).flip(0),
                "a padding of zeros is still read: with a bias the state leaves zero.",
            ),
            (
                recurrence(turn(inputs, lengths)),
                "the states are in the order in which they were read: step 1 holds x_n's.",
            ),
            (recurrence(inputs.flip(0)), "you turned the padding to the front, and left the states in reading order."),
            (recurrence(inputs), "that is the forward direction: nothing was turned."),
            (turn(recurrence(inputs), lengths), "you read forwards, and turned only the result."),
            (turn(recurrence(inputs.flip(0)), lengths), "the two turns differ: one takes the padding to the front."),
            (
                recurrence(turn(inputs, lengths)).flip(0),
                "the two turns differ: the second takes the padding to the front.",
            ),
            (recurrence(inputs.flip(1)), "you turned the batch around; steps are on the other axis."),
        ]
        if not same(right):
            return next((problem for slip, problem in slips if same(slip)), "the states at the tokens are not right.")


@checker(
    "11.leak",
    praise="What counts is what the scores of a token can depend on, not which layer is called bidirectional.",
)
def leak(answer):
    if isinstance(answer, np.ndarray):
        answer = answer.ravel().tolist()
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
    for lengths, size in ((torch.tensor([2, 6, 4]), 1), (torch.tensor([1, 3, 5, 2]), 300)):
        H = size * (torch.randn(int(lengths.max()), len(lengths), 4, generator=generator) - 1.5 * size**0.2)
        tokens = (torch.arange(len(H))[:, None] < lengths)[..., None]
        result = call(answer, H.clone(), lengths.clone())
        if isinstance(result, tuple) and any(isinstance(part, torch.return_types.max) for part in result):
            return "`max` along an axis gives the values and their places: return the values."
        try:
            mean, top = map(as_tensor, result)
        except (TypeError, ValueError):
            return "return two tensors (B, d): the mean and the maximum over the tokens."
        zeroed = H * tokens
        total = zeroed.sum(0)
        right = total / lengths[:, None]
        highest = H.masked_fill(~tokens, -torch.inf).amax(0)
        if close(mean, highest, 1e-5) and close(top, right, 1e-5):
            return "both are right, in the wrong order: first the mean, then the maximum."
        slips = [
            (H.mean(0), "your mean reads the padding."),
            (H.sum(0) / lengths[:, None], "your sum reads the padding, though you divide by the right numbers."),
            (zeroed.mean(0), "your mean has zeros for the padding, but divides by all T steps."),
            (total, "that is a sum, not yet a mean."),
            (total / len(lengths), "your mean divides by the number of sentences."),
            (total / lengths.float().mean(), "your mean divides every sentence by the mean length."),
        ]
        if not close(mean, right, 1e-5):
            if mean.shape != total.shape:
                return f"the mean must be (B, d), not {tuple(mean.shape)}."
            return find_slip(mean, slips) or "the mean over the tokens is not right."
        slips = [
            (H.amax(0), "your maximum reads the padding."),
            (zeroed.amax(0), "your maximum takes the zeros of the padding where all tokens are negative."),
            (zeroed.abs().amax(0), "your maximum is that of the absolute values."),
        ]
        if not close(top, highest, 1e-5):
            if top.shape == highest.shape and size > 1 and bool((top >= highest - 1e-3).all()):
                return "the numbers of H may be lower than the number that you put in the padding, and then it wins."
            return find_slip(top, slips) or "the maximum over the tokens is not right."
        mean, top = map(as_tensor, call(answer, H.masked_fill(~tokens, torch.nan), lengths.clone()))
        if not (close(mean, right, 1e-5) and close(top, highest, 1e-5)):
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


@checker(
    "11.best",
    praise="The second is never below the first: a maximum of sums against a sum of maxima.",
)
def best(answer):
    for seed in range(6):
        generator = torch.Generator().manual_seed(seed)
        rows, columns = ((5, 2), (4, 3), (3, 5))[seed % 3]  # more and fewer continuations than labels
        joint = torch.rand(rows, columns, generator=generator, dtype=torch.float64) ** 3
        joint = joint / joint.sum()
        result = call(answer, joint.clone())
        try:
            forward, both = map(number, result)
        except (TypeError, ValueError):
            return "return two numbers: the accuracy with x alone, and with x and z."
        label, rest = joint.sum(0), joint.sum(1)
        right = label.max(), joint.amax(1).sum()
        if close(forward, right[1]) and close(both, right[0]):
            return "both are right, in the wrong order: first the tagger that has read x only."
        slips = [
            (joint.max(), "forward: that is one continuation only; P(y | x) is a sum over all of them."),
            (rest.max(), "forward: you summed over the labels; which sum gives P(y | x)?"),
            (joint.mean(0).max(), "forward: the entries already contain P(z | x), so sum them and do not average."),
            (right[1], "forward: this tagger does not know z, so it cannot choose a label for each row."),
            (joint.amax(0).sum(), "forward: first sum over z, then choose one label."),
            ((joint / rest[:, None]).mean(0).max(), "forward: the continuations are not equally probable."),
            (label.argmax(), "forward: an accuracy is asked for, not a label."),
        ]
        if not close(forward, right[0]):
            return find_slip(forward, slips) or "forward: this is not the accuracy of the best label for x."
        conditional = joint / rest[:, None]
        slips = [
            (right[0], "both: with z known the best label may differ from row to row."),
            (joint.max(), "both: that is one continuation only."),
            (1.0, "both: knowing z need not decide the label: look at a row with two entries that are not 0."),
            (conditional.amax(1).sum(), "both: weigh each row's accuracy with its probability P(z | x)."),
            (conditional.amax(1).mean(), "both: the continuations are not equally probable."),
            (joint.amax(1).mean(), "both: the entries already contain P(z | x), so sum them and do not average."),
            (joint.amax(0).sum(), "both: choose a label for each continuation, not a continuation for each label."),
        ]
        if not close(both, right[1]):
            return find_slip(both, slips) or "both: this is not the mean over z of the best label's probability."
