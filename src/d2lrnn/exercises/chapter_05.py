"""Checkers of chapter 5, the concise recurrent network and warm-up."""

import torch
from torch import nn

from d2lrnn.exercises import as_tensor, call, checker, close, find_slip, number, whole


@checker(
    "05.copy",
    praise="Weights are transposed, and only the sum of the two biases counts.",
)
def copy(answer):
    layer = _seeded(lambda: nn.RNN(5, 4))
    result = call(answer, layer)
    names = ["W_xh", "W_hh", "b_h"]
    if not isinstance(result, dict) or set(result) != set(names):
        return "the answer must be a dict with the keys W_xh, W_hh and b_h."
    W_ih, W_hh = layer.weight_ih_l0.detach(), layer.weight_hh_l0.detach()
    b_ih, b_hh = layer.bias_ih_l0.detach(), layer.bias_hh_l0.detach()
    W_xh, ours_hh, b_h = (as_tensor(result[name]) for name in names)
    if tuple(W_xh.shape) == (4, 5):
        return "your W_xh has shape (h, D), as torch stores it; in X_t W_xh it must be (D, h)."
    if not close(W_xh, W_ih.T):
        return "your W_xh is not the input weight of the layer."
    if close(ours_hh, W_hh):
        return "your W_hh is square, so no shape complains, but it is not turned the way H W_hh needs it."
    if not close(ours_hh, W_hh.T):
        return "your W_hh is not the recurrent weight of the layer."
    slips = [
        (b_ih, "your b_h holds one of the two biases: the other one is lost."),
        (b_hh, "your b_h holds one of the two biases: the other one is lost."),
        (2 * b_ih, "your b_h counts one bias twice."),
        (2 * b_hh, "your b_h counts one bias twice."),
        ((b_ih + b_hh) / 2, "your b_h is the mean of the biases; both enter the pre-activation in full."),
    ]
    if not close(b_h, b_ih + b_hh):
        return find_slip(b_h, slips) or "your b_h is not what both biases add to the pre-activation."


@checker(
    "05.shapes",
    praise="batch_first turns the input and the output around, never the state.",
)
def shapes(answer):
    B, T, D, h, L = 2, 3, 5, 7, 4
    result = call(answer, B, T, D, h, L)
    try:
        output, state = (tuple(map(whole, shape)) for shape in result)
    except (TypeError, ValueError):
        return "return two tuples: the shape of the output and the shape of the state."
    if output == (T, B, h):
        return "the output has the order of steps and rows that the layer has without batch_first."
    if output[-1] == D:
        return "the output does not have the size of the inputs: what does the layer return at each step?"
    if output[-1] == L * h:
        return "the output holds the states of the top layer only, not of all layers."
    if output == (B, h):
        return "that is one step; the output holds all steps."
    if output != (B, T, h):
        return f"the output has not the shape {output}."
    if state == (B, L, h):
        return "you turned the state around as well; batch_first does not do that."
    if state in ((B, h), (1, B, h)):
        return "the state is that of every layer, not of one."
    if state == (L, T, h):
        return "the state is that of the last step only, for every row."
    if state != (L, B, h):
        return f"the state has not the shape {state}."


@checker(
    "05.parameters",
    praise="The number of steps does not occur: the weights are shared through time.",
)
def parameters(answer):
    for V, D, h, L in [(10, 3, 4, 1), (50, 8, 16, 3), (171, 64, 128, 2)]:
        first, other, output = D * h + h * h + 2 * h, 2 * h * h + 2 * h, h * V + V
        right = V * D + first + (L - 1) * other + output
        result = number(call(answer, V, D, h, L))
        slips = [
            (right - L * h, "you count one bias in each layer; nn.RNN has two."),
            (right - V * D, "you left out the embedding."),
            (right - output, "you left out the output layer."),
            (right - V, "you left out the bias of the output layer."),
            (right - (L - 1) * h * h, "a layer above the first one has two weights, as the first one has."),
            (V * D + L * first + output, "what do the layers above the first one read? Not vectors of size D."),
            (V * D + first + output, "you count one recurrent layer only."),
            (right - V * D - D * h + V * h, "that is the model with one-hot inputs."),
        ]
        if not close(result, right):
            return find_slip(result, slips) or f"for V = {V}, D = {D}, h = {h}, L = {L} it is not {result:g}."


@checker(
    "05.embedding",
    praise="For a very large vocabulary the limit is nearly h; for a very small one nearly |V|.",
)
def embedding(answer):
    for V, h in [(28, 256), (10, 10), (6, 3), (1, 5), (100_000, 256)]:
        right = (V * h - 1) // (V + h)
        result = number(call(answer, V, h))
        slips = [
            (V * h // (V + h), "here the embedding has as many parameters as one-hot vectors, not fewer."),
            (right - 1, "it saves parameters, but it is not the largest: try the next D."),
            (V * h / (V + h), "solve for a whole number: that is the limit itself."),
            (min(V, h), "a D below |V| and h is not enough: the embedding brings a second matrix, (D, h)."),
            (min(V, h) - 1, "a D below |V| and h is not enough: the embedding brings a second matrix, (D, h)."),
            (h - 1, "you compare |V|D with |V|h only; the embedding brings a second matrix, (D, h)."),
        ]
        if not close(result, right):
            return find_slip(result, slips) or f"for |V| = {V:,} and h = {h} it is not {result:g}."


@checker(
    "05.period",
    praise="Now measure: a longer wave needs more values, because a few of them show too small a part of it.",
)
def period(answer):
    curves = [
        ({2: 0.9, 4: 0.6, 6: 0.21, 8: 0.2, 10: 0.2}, "falls and stays low"),
        ({2: 0.9, 4: 0.21, 6: 0.6, 8: 0.21, 10: 0.2}, "is low once and rises again"),
        ({10: 0.3, 8: 0.32, 6: 0.34, 4: 0.2, 2: 0.9}, "has its minimum in the middle, in an order that is not sorted"),
        ({4: 0.5, 8: 0.4, 16: 0.3}, "is enough at the largest w only"),
        ({3: 0.2, 5: 0.2, 9: 0.2}, "is low everywhere"),
        ({2: 0.9, 4: 0.225, 6: 0.215, 8: 0.1, 10: 0.2}, "has its smallest value before the largest w"),
    ]
    for errors, what in curves:
        result = number(call(answer, dict(errors)))
        largest = max(errors)
        limit = 1.1 * errors[largest]
        enough = [w for w in errors if errors[w] <= limit]
        right = min(w for w in errors if all(v in enough for v in errors if v >= w))
        if result == right:
            continue
        if result not in errors:
            return f"for {errors} you return {result:g}, which is none of the w."
        if result == min(enough):
            return f"for {errors}, which {what}, a larger w fails again: all larger ones must pass too."
        if result not in enough:
            return f"for {errors}, which {what}, w = {result:g} is not enough: its RMSE is above {limit:.3g}."
        if result < right:
            return f"for {errors}, which {what}, some w above {result:g} is not enough."
        return f"for {errors}, which {what}, w = {result:g} is enough, but not the smallest."


@checker(
    "05.rates",
    praise="Both biases have the same gradient, so half the rate for each moves their sum as one bias would move.",
)
def rates(answer):
    layer, lr = _seeded(lambda: nn.RNN(5, 4)), 0.4
    weights, biases = [layer.weight_ih_l0, layer.weight_hh_l0], [layer.bias_ih_l0, layer.bias_hh_l0]
    before = [parameter.detach().clone() for parameter in [*weights, *biases]]
    optimizer = call(answer, layer, lr)
    if not isinstance(optimizer, torch.optim.SGD):
        return "the answer must be a torch.optim.SGD."
    X = torch.linspace(-1, 1, 30).view(3, 2, 5)
    for parameter in layer.parameters():
        parameter.grad = None
    layer(X)[0].square().mean().backward()
    gradients = [parameter.grad for parameter in [*weights, biases[0]]]
    if any(gradient is None for gradient in gradients):
        return "a parameter without a gradient cannot learn: leave requires_grad as it is."
    W_ih, W_hh, b = (gradient.clone() for gradient in gradients)
    optimizer.step()
    moves = [(old - new.detach()) for old, new in zip(before, [*weights, *biases], strict=True)]
    if close(moves[0], lr * W_ih / 2, 1e-5) or close(moves[1], lr * W_hh / 2, 1e-5):
        return "the weights need the full rate: each of them is there only once."
    if not close(moves[0], lr * W_ih, 1e-5) or not close(moves[1], lr * W_hh, 1e-5):
        return "one step does not move the weights by η times their gradient."
    slips = [
        (2 * lr * b, "the sum of the two biases moves twice as far as b_h would."),
        (4 * lr * b, "the sum of the two biases moves four times as far as b_h would: a smaller rate is needed."),
        (lr * b / 2, "the sum of the two biases moves half as far as b_h would. Do both of them move?"),
        (0 * b, "neither of the two biases moves."),
    ]
    if not close(moves[2] + moves[3], lr * b, 1e-5):
        return find_slip(moves[2] + moves[3], slips) or "the sum of the two biases does not move as b_h would."
    if not close(moves[2], lr * b / 2, 1e-5):
        return "the sum is right, but the two biases do not learn alike: each of them takes half of the step."


def _seeded(build):
    """A module with the same random weights every time, without touching torch's random numbers."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build()
