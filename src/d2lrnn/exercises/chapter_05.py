"""Checkers of chapter 5, the concise recurrent network and warm-up."""

import torch
from torch import nn
from torch.nn import functional as F

from d2lrnn.exercises import as_tensor, call, checker, close, find_slip, number, whole
from d2lrnn.language_model import LanguageModel


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
    "05.burn_in",
    praise="The mean is over the scored steps, so the gradient does not shrink as w grows.",
)
def burn_in(answer):
    losses = 1 + torch.arange(24, dtype=torch.float64).view(4, 6) ** 1.5
    for w in (2, 3):
        result = as_tensor(call(answer, losses.clone(), w))
        if result.numel() != 1:
            return f"(5.7) is one number, over all rows and scored steps; yours has the shape {tuple(result.shape)}."
        slips = [
            (losses.mean(), "that is the mean of all steps, the first w too."),
            (losses[:, w:].sum() / losses.numel(), "you divide by all steps; the first w are not in the sum."),
            (losses[:, w:].sum(), "that is a sum; (5.7) is a mean."),
            (losses[:, w:].sum() / losses.shape[1], "you divide by the steps of one row; the sum is over all rows."),
            (losses[w:].mean(), "you left out the first w rows, which are sequences; steps are on the other axis."),
            (losses[:, :w].mean(), "you kept the steps that should not be scored."),
            (losses[:, w + 1 :].mean(), "you leave out one step too many."),
            (losses[:, w - 1 :].mean(), "you leave out one step too few."),
            (losses[:, :-w].mean(), "you left out the last w steps, not the first."),
        ]
        if not close(result, losses[:, w:].mean()):
            return find_slip(result, slips) or f"for w = {w} it is not {result.item():.4g}."


@checker(
    "05.price",
    praise="With w = T − 1 each scored token costs T steps, and nearly all the work is warm-up.",
)
def price(answer):
    for T, w in [(20, 5), (35, 34), (16, 0)]:
        result = call(answer, T, w)
        try:
            scored, steps = map(number, result)
        except (TypeError, ValueError):
            return "return two numbers: the scored tokens of a row and the steps for each of them."
        if scored != T - w:
            slips = [
                (T - w - 1, "one more token is scored: after w steps come T − w others, each with a target."),
                (T - w + 1, "you count one token too many."),
                (w, "that is how many are *not* scored."),
                (T, "that is how many are read."),
            ]
            return find_slip(scored, slips) or f"for T = {T} and w = {w} it is not {scored:g} scored tokens."
        slips = [
            ((T - w) / T, "that is the share of the steps that is scored; the question asks for the inverse."),
            (w / (T - w), "you count the unscored steps only; the scored ones are computed too."),
            (T, "that is the steps of one row; share them among the scored tokens."),
            (w + 1, "that is right for the first scored token alone: the others share its warm-up."),
        ]
        if not close(steps, T / (T - w)):
            return find_slip(steps, slips) or f"for T = {T} and w = {w} not {steps:g} steps for each scored token."


@checker(
    "05.no_gradient",
    praise="The value is that of (5.7); the gradient is cut at step w, and nothing is stored for the warm-up.",
)
def no_gradient(answer):
    model = _seeded(lambda: LanguageModel(7, 8, embedding_size=4))
    ids = torch.randint(7, (3, 11), generator=torch.Generator().manual_seed(1))
    X, Y, w = ids[:, :-1], ids[:, 1:], 4

    def loss_of(state, first):
        logits, _ = model(X[:, first:], state)
        return F.cross_entropy(logits[:, w - first :].flatten(0, 1), Y[:, w:].flatten())

    state = model(X[:, :w])[1]
    right, through = loss_of(state.detach(), w), loss_of(None, 0)
    try:
        result = call(answer, model, X.clone(), Y.clone(), w)
    except RuntimeError as error:
        if str(error).startswith("Expected target size"):
            return "cross_entropy takes axis 1 for the classes; in your logits that is time: flatten rows and steps."
        raise
    if not isinstance(result, torch.Tensor) or result.shape != ():
        return "the answer must be one loss, a tensor without dimensions."
    slips = [
        (loss_of(None, w), "the scored steps start from a zero state: the network has not read the warm-up."),
        (loss_of(state, 0), "the network reads the warm-up twice: the state holds it already."),
        (F.cross_entropy(model(X)[0].flatten(0, 1), Y.flatten()), "that is the mean over all steps, the first w too."),
        (right * (X.shape[1] - w) / X.shape[1], "you divide by all T steps, also the unscored ones."),
    ]
    if not close(result.detach(), right.detach(), 1e-5):
        problem = next((problem for slip, problem in slips if close(result.detach(), slip.detach(), 1e-5)), None)
        return problem or f"the loss is not {result.item():.4g}."
    if not result.requires_grad:
        return "the value is right, but no gradient can flow: only the warm-up goes without."
    weight = model.recurrent.weight_hh_l0
    [gradient] = torch.autograd.grad(result, weight)
    if close(gradient, torch.autograd.grad(through, weight)[0], 1e-5):
        return "the value is right, but the gradient still flows through the warm-up."
    if not close(gradient, torch.autograd.grad(right, weight)[0], 1e-5):
        return "the value is right, but its gradient is not."


def _seeded(build):
    """A module with the same random weights every time, without touching torch's random numbers."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build()
