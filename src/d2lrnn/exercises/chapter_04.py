"""Checkers of the exercises of chapter 4, a recurrent network from scratch."""

import math

import torch

from d2lrnn.cells import init_rnn_params, rnn, rnn_step
from d2lrnn.exercises import NotAnswered, as_tensor, call, checker, close, number, whole


@checker(
    "04.parameters",
    praise="The number of steps is not in it: the same five arrays are used at every step.",
)
def parameters(answer):
    for D, h, q in ((5, 3, 2), (28, 64, 28), (1813, 128, 1813)):
        count = number(call(answer, D, h, q))
        if count % 1:
            return f"a number of parameters is a whole number, but you returned {count:g}."
        expected = D * h + h * h + h + h * q + q
        slips = {
            expected - q: "b_q is missing: the output equation has a bias as well.",
            expected - h: "b_h is missing: the hidden state has a bias.",
            expected - h - q: "both biases are missing.",
            expected + h: "you counted two biases for the hidden state; equation (4.1) has one.",
            expected - D * h: "W_xh is missing: how does the input get in?",
            expected - h * h: "W_hh is missing: how does the past get in?",
            expected - h * q: "W_hq is missing.",
            expected - h * q - q: "that is the hidden part only; the output equation has parameters as well.",
        }
        if count in slips:
            return slips[count]
        if count > expected and count % expected == 0:
            return "you multiplied by a number of steps; write down which arrays a second step adds."
        if count != expected:
            return (
                f"for D = {D}, h = {h}, q = {q} you have {count:,.0f}. Write down the shape of each of the five arrays."
            )


@checker(
    "04.rnn_step",
    praise="Everything that the model knows of the past went through H.",
)
def step(answer):
    generator = torch.Generator().manual_seed(4)
    params = random_params(4, 4, 4, generator)
    X_t, H = (torch.randn(3, 4, generator=generator, dtype=torch.float64) for _ in range(2))
    result = call(answer, X_t.clone(), H.clone(), copies(params))
    try:
        O_t, H_t = map(as_tensor, result)
    except (TypeError, ValueError):
        return "return two tensors, O_t and H_t."
    O_true, H_true = rnn_step(X_t, H, params)
    before = X_t @ params["W_xh"] + H @ params["W_hh"] + params["b_h"]
    if close(O_t, H_true) and close(H_t, O_true):
        return "both tensors are right, but in the wrong order: O_t comes first."
    if close(H_t, before):
        return "H_t is not bounded: the activation function is missing."
    if close(H_t, torch.tanh(H_true)):
        return "tanh is applied twice to the hidden state."
    if close(H_t, torch.tanh(before - params["b_h"]) + params["b_h"]):
        return "a bias that is added after tanh is outside the brackets of (4.1)."
    if close(H_t, torch.sigmoid(before)):
        return "this is the logistic function σ; (4.1) is used with tanh here."
    for name in ("W_xh", "W_hh"):
        other = params | {name: params[name].T}
        if close(H_t, rnn_step(X_t, H, other)[1]):
            return f"{name} is transposed: a row is an example, so the features multiply from the left."
    if close(H_t, torch.tanh(X_t @ params["W_xh"] + params["b_h"])):
        return "H_t does not depend on the old state."
    if close(H_t, torch.tanh(before - params["b_h"])):
        return "b_h is missing."
    if not close(H_t, H_true):
        return "H_t differs from (4.1)."
    if close(O_t, torch.tanh(O_true)):
        return "tanh is applied to the output: scores of tokens must be free to be large."
    if close(O_t, torch.softmax(O_true, dim=1)):
        return "O_t holds probabilities already; (4.2) gives scores, and the loss applies the softmax."
    if close(O_t, H @ params["W_hq"] + params["b_q"]):
        return "O_t is computed from the old state, so it has not seen X_t."
    if close(O_t, O_true - params["b_q"]):
        return "b_q is missing."
    if not close(O_t, O_true):
        return "H_t is right, but O_t differs from (4.2)."


@checker(
    "04.clip",
    praise="All gradients shrink by one factor, so the step keeps its direction.",
)
def clip(answer):
    # Norms 3, 4 and 12: together 13.
    large = [torch.tensor([3.0, 0.0]), torch.tensor([[0.0], [4.0]]), torch.tensor([7.2, 9.6])]
    small = [torch.tensor([0.3, 0.0]), torch.tensor([0.4])]
    passed = [g.clone() for g in large]
    try:
        clipped = call(answer, passed, 6.5)
    except NotAnswered:
        if same(passed, large):
            raise
        return "your function changes the tensors that it gets and returns nothing: return new tensors."
    if not is_list_like(clipped, large):
        return "return a list with one tensor of the same shape for each gradient."
    if same(clipped, [g * min(1, 6.5 / g.norm().item()) for g in large]):
        return "each gradient was clipped by its own norm, which turns the direction of the whole step."
    if same(clipped, [g.clamp(-6.5, 6.5) for g in large]):
        return "each number was clipped by itself: that bounds the numbers, and turns the direction."
    if same(clipped, large):
        return "a gradient of norm 13 came back unchanged for θ = 6.5."
    if same(clipped, [g / 13 for g in large]):
        return "the result has norm 1, whatever θ is."
    if same(clipped, [g * 6.5 / 169 for g in large]):
        return "you divided by the squared norm: a square root is missing."
    if same(clipped, [g * 6.5 / 19 for g in large]):
        return "you added the norms of the three gradients; the norm of all of them together is not their sum."
    if not same(clipped, [g / 2 for g in large]):
        return "a gradient of norm 13 and θ = 6.5 gave something else than half of it."
    if not same(passed, large):
        return "the values are right, but the tensors that were passed in have changed: return new ones."
    if not same(call(answer, [g.clone() for g in small], 6.5), small):
        return "a gradient of norm 0.5 was changed although θ = 6.5: clipping never makes a gradient longer."
    [zero] = map(as_tensor, call(answer, [torch.zeros(2)], 1.0))
    if not zero.isfinite().all():
        return "a gradient of zeros became NaN: you divided by its norm."
    if zero.any():
        return "a gradient of zeros came back with other numbers."


def is_list_like(answer, tensors):
    try:
        return [as_tensor(part).shape for part in answer] == [tensor.shape for tensor in tensors]
    except (TypeError, ValueError):
        return False


def same(tensors, others):
    return all(close(a, b, 1e-4) for a, b in zip(tensors, others, strict=True))


@checker(
    "04.above_uniform",
    praise="The model is sure, and wrong: on (geometric) average it gives the truth less than 1/4.",
)
def above_uniform(answer):
    probs = as_tensor(answer).flatten().tolist()
    if len(probs) != 4:
        return f"give four probabilities, not {len(probs)}."
    if any(p < 0 or p > 1 for p in probs) or not math.isclose(sum(probs), 1, abs_tol=1e-6):
        return f"these are not probabilities: each is between 0 and 1, and they sum to 1 (yours: {sum(probs):.4g})."
    if 0 in probs:
        return "a token with probability 0 occurs, so the perplexity is infinite. Make it finite."
    value = math.exp(-sum(map(math.log, probs)) / 4)
    if math.isclose(value, 4, rel_tol=1e-6):
        return "this is the uniform guess, with perplexity 4 exactly. What must change to do worse than that?"
    if value <= 8:
        return f"the perplexity is {value:.2f}: above 4, so you are on the way, but not above 8."


@checker(
    "04.output_shape",
    praise="A score for each token of the vocabulary at each place; which token it is comes out of the softmax.",
)
def output_shape(answer):
    T, B, D, h, V = 35, 32, 64, 128, 1813
    shape = tuple(map(whole, call(answer, T, B, D, h, V)))
    slips = {
        (T, B, 1): "one number for each place: an id would have to be predicted as if ids were quantities.",
        (T, B): "one number for each place: an id would have to be predicted as if ids were quantities.",
        (T, B, D): "D is the size of the inputs. What does the model choose among?",
        (T, B, h): "h is the size of the hidden state. What does the model choose among?",
        (T * B, V): "that is the shape after the outputs were flattened for the loss. What is it before?",
        (B, V): "that is one step; the loss uses the output of every step.",
        (B, T, V): "the axes are batch first; the recurrent layers of this book are time-major.",
    }
    if shape in slips:
        return slips[shape]
    if shape != (T, B, V):
        return f"for T = {T}, B = {B}, D = {D}, h = {h}, V = {V} you have {shape}."


@checker(
    "04.influence",
    praise="No entry is exactly zero: every past token has a say, however small.",
)
def influence(answer):
    generator = torch.Generator().manual_seed(5)
    params = random_params(4, 6, 4, generator)
    inputs = torch.randn(7, 1, 4, generator=generator, dtype=torch.float64)
    token = 2
    try:
        norms = as_tensor(call(answer, inputs.clone(), token, copies(params)))
    except RuntimeError as error:
        if "does not require grad" not in str(error) and "not have been used" not in str(error):
            raise
        return "autograd knows nothing of the inputs: tell it before the forward pass that you want their gradient."
    if norms.shape != (7,):
        return f"return 7 norms for 7 steps, not something of shape {tuple(norms.shape)}."

    def reference(choose):
        X = inputs.clone().requires_grad_()
        outputs, _ = rnn(X, None, params)
        (gradient,) = torch.autograd.grad(choose(outputs[:, 0]), X)
        return gradient[:, 0]

    right = reference(lambda outputs: outputs[-1].log_softmax(0)[token])
    slips = [
        (lambda scores: scores[-1].sum(), "the sum of the scores, a direction that the softmax ignores."),
        (lambda scores: scores[-1, token], "the token's score. Its probability depends on the other scores as well."),
        (lambda scores: scores[-1].softmax(0)[token], "the probability; its logarithm is asked for."),
        (lambda scores: scores.log_softmax(1)[:, token].sum(), "the predictions at all steps, not on the last one."),
        (lambda scores: scores[0].log_softmax(0)[token], "the prediction after the first step."),
    ]
    for choose, hint in slips:
        if close(norms, reference(choose).norm(dim=1)):
            return f"this is the influence on {hint}"
    if close(norms, right.sum(dim=1)) or close(norms, right.sum(dim=1).abs()):
        return "you added the entries of a gradient; its norm is the root of the sum of their squares."
    if close(norms, right.norm(dim=1) ** 2):
        return "these are the squared norms."
    if close(norms, right.norm(dim=1).flip(0)):
        return "the order is reversed: the first entry belongs to X_1."
    if (norms[:-1] == 0).all():
        return "only the last input has an influence: was the state cut off from its past, or not passed on?"
    if not close(norms, right.norm(dim=1)):
        return "the norms differ from those of the gradient of log P(token) after step T."


@checker(
    "04.next_state",
    praise="The values go on, the graph does not: memory over the whole text, gradients over T steps.",
)
def next_state(answer):
    weight = torch.ones(2, 3, requires_grad=True)
    state = 2 * weight
    # None means "start from zeros" here, and "no answer yet" only where it comes for both kinds of batches.
    first, second = (answer(sampling, state.clone()) for sampling in ("random", "sequential"))
    if first is Ellipsis or (first is None and second is None):
        raise NotAnswered
    if first is not None and (not isinstance(first, torch.Tensor) or first.shape != state.shape):
        return "for random batches return None, or zeros of the state's shape."
    if first is not None and torch.equal(first, state):
        return "after a random batch comes another place of the text, but you pass the state on."
    if first is not None and first.any():
        return "the state after a random batch should start anew, from zeros."
    if second is not None and (not isinstance(second, torch.Tensor) or second.shape != state.shape):
        return "for sequential batches return a tensor of the state's shape."
    if second is None or not second.any():
        return "in sequential batches row i goes on where it stopped, but you throw its state away."
    if not torch.equal(second, state):
        return "in sequential batches the values of the state must be kept as they are."
    if second.requires_grad:
        return "the state still hangs on the graph of all earlier batches: cut it off."


@checker(
    "04.constant_part",
    praise="If the powers of W_hh vanish, it tends to b_h (I − W_hh)⁻¹ W_hq + b_q as T grows.",
)
def constant_part(answer):
    generator = torch.Generator().manual_seed(6)
    params = random_params(4, 3, 2, generator)
    W_hh, b_h, W_hq, b_q = (params[name] for name in ("W_hh", "b_h", "W_hq", "b_q"))

    def scores(H):
        return H @ W_hq + b_q

    for T in (4, 1, 2):
        part = as_tensor(call(answer, copies(params), T))
        powers = [b_h @ torch.linalg.matrix_power(W_hh, k) for k in range(T + 1)]
        H = sum(powers[:T])
        if close(part, scores(H)) or close(part, scores(H)[None]):
            continue
        if close(part, H):
            return "that is the constant part of H_T; the question is about O_T."
        if close(part, H @ W_hq):
            return "b_q is missing."
        if close(part, scores(sum(powers))):
            return f"for T = {T} there is a term too many: how often has b_h been added?"
        if T > 1 and close(part, scores(sum(powers[: T - 1]))):
            return f"for T = {T} there is a term too few."
        if T > 1 and close(part, scores(b_h)):
            return "b_h enters at every step, but you count the last one only."
        if T > 1 and close(part, scores(T * b_h)):
            return "b_h enters T times, but what happens to an old one on its way to step T?"
        if T > 1 and close(part, scores(powers[T - 1])):
            return "that is what the first step contributes; later steps add a bias as well."
        if close(part, H @ W_hq + T * b_q):
            return "b_q is added to the output of one step; it does not go into the state."
        elementwise = [b_h @ W_hh**k for k in range(T)]
        if T > 2 and any(close(part, scores(first + sum(elementwise[1:]))) for first in (b_h, elementwise[0])):
            return "** raises each number to a power; a product of matrices is meant (torch.linalg.matrix_power)."
        if close(part, scores(sum(torch.linalg.matrix_power(W_hh, k) @ b_h for k in range(T)))):
            return "the matrix stands on the wrong side: b_h is a row, so it is multiplied from the right."
        if close(part, scores(b_h @ torch.linalg.inv(torch.eye(3).double() - W_hh))):
            return "that is the limit for many steps. What is it after T of them?"
        if close(part, rnn(torch.zeros(T, 1, 4).double(), None, params)[0][-1, 0]):
            return "there is no tanh in this network."
        return f"for T = {T} this is not the part of O_T that does not depend on the inputs."


def copies(params):
    """What a reader's function may change without changing what it is compared with."""
    return {name: tensor.clone() for name, tensor in params.items()}


def random_params(D, h, q, generator):
    """Parameters in float64 whose biases are not zero, so that a forgotten bias shows."""
    params = init_rnn_params(D, h, q, scale=0.5, generator=generator)
    biases = {name: torch.randn(len(params[name]), generator=generator) for name in ("b_h", "b_q")}
    return {name: tensor.detach().double() for name, tensor in (params | biases).items()}
