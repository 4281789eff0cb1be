"""Answers to the exercises of chapter 4, a recurrent network from scratch."""

import torch

from d2lrnn.cells import rnn, rnn_step


def parameters(D, h, q):
    return D * h + h * h + h + h * q + q


def clip(gradients, theta):
    norm = torch.sqrt(sum((g**2).sum() for g in gradients))
    return [g * theta / norm for g in gradients] if norm > theta else gradients


def clip_dividing_first(gradients, theta):
    norm = torch.sqrt(sum((g**2).sum() for g in gradients))
    return [g / norm * norm.clamp(max=theta) for g in gradients]


def clip_in_place(gradients, theta):
    norm = torch.sqrt(sum((g**2).sum() for g in gradients))
    if norm > theta:
        for g in gradients:
            g *= theta / norm
    return gradients


def influence_on(choose, norm=lambda gradient: gradient.norm(dim=1)):
    def answer(inputs, token, params):
        inputs.requires_grad_()
        outputs, _ = rnn(inputs, None, params)
        choose(outputs[:, 0], token).backward()
        return norm(inputs.grad[:, 0])

    return answer


def last_log_prob(outputs, token):
    return outputs[-1].log_softmax(0)[token]


influence = influence_on(last_log_prob)


def untracked_influence(inputs, token, params):
    outputs, _ = rnn(inputs, None, params)
    return torch.autograd.grad(last_log_prob(outputs[:, 0], token), inputs)[0].norm(dim=2)


def late_influence(inputs, token, params):
    outputs, _ = rnn(inputs, None, {name: tensor.clone().requires_grad_() for name, tensor in params.items()})
    inputs.requires_grad_()
    return torch.autograd.grad(last_log_prob(outputs[:, 0], token), inputs)[0].norm(dim=2)


def cut_influence(inputs, token, params):
    inputs.requires_grad_()
    H = torch.zeros(1, len(params["W_hh"]), dtype=inputs.dtype)
    for X_t in inputs:
        O_t, H = rnn_step(X_t, H.detach(), params)
    last_log_prob(O_t, token).backward()
    return inputs.grad[:, 0].norm(dim=1)


def next_state(sampling, state):
    return state.detach() if sampling == "sequential" else None


def constant_part(params, T):
    H = torch.zeros_like(params["b_h"])
    for _ in range(T):
        H = H @ params["W_hh"] + params["b_h"]
    return H @ params["W_hq"] + params["b_q"]


def constant_variant(state):
    def answer(params, T):
        return state(params["W_hh"], params["b_h"], T) @ params["W_hq"] + params["b_q"]

    return answer


def power(W, k):
    return torch.linalg.matrix_power(W, k)


def tanh_part(params, T):
    return rnn(torch.zeros(T, 1, len(params["W_xh"])).double(), None, params)[0][-1, 0]


def step_variant(activation=torch.tanh, output=lambda O_t: O_t, transpose=(), zero=(), b_h_outside=False, swap=False):
    def answer(X_t, H, params):
        params = params | {name: params[name].T for name in transpose}
        params |= {name: torch.zeros_like(params[name]) for name in zero}
        bias = params["b_h"]
        before = X_t @ params["W_xh"] + H @ params["W_hh"]
        H = activation(before) + bias if b_h_outside else activation(before + bias)
        O_t = output(H @ params["W_hq"] + params["b_q"])
        return (H, O_t) if swap else (O_t, H)

    return answer


def old_state_output(X_t, H, params):
    return H @ params["W_hq"] + params["b_q"], rnn_step(X_t, H, params)[1]


RIGHT = {
    "parameters": parameters,
    "rnn_step": rnn_step,
    "clip": clip,
    "above_uniform": [0.9997, 0.0001, 0.0001, 0.0001],
    "output_shape": lambda T, B, D, h, V: (T, B, V),
    "influence": influence,
    "next_state": next_state,
    "constant_part": constant_part,
}

ALSO_RIGHT = [
    ("parameters", lambda D, h, q: float(parameters(D, h, q))),
    ("rnn_step", lambda *given: list(rnn_step(*given))),
    ("rnn_step", lambda *given: torch.stack(rnn_step(*given))),
    ("clip", lambda gradients, theta: [gradient.numpy() for gradient in clip(gradients, theta)]),
    ("clip", lambda gradients, theta: (gradient.double() for gradient in clip(gradients, theta))),
    ("above_uniform", [[0.97, 0.01, 0.01, 0.01]]),
    ("output_shape", lambda T, B, D, h, V: torch.zeros(T, B, V).shape),
    ("above_uniform", torch.tensor([0.97, 0.01, 0.01, 0.01])),
    ("next_state", lambda sampling, state: next_state(sampling, state) if sampling == "sequential" else 0 * state),
    ("constant_part", constant_variant(lambda W, b, T: b @ sum(power(W, k) for k in range(T)))),
]

WRONG = [
    ("rnn_step", lambda X_t, H, params: X_t, "return two tensors"),
    ("clip", lambda gradients, theta: theta, "return a list"),
    ("clip", lambda gradients, theta: [gradient * torch.nan for gradient in gradients], "something else than half"),
    ("next_state", lambda sampling, state: [1, 2] if sampling == "sequential" else None, "of the state's shape"),
    ("influence", lambda inputs, token, params: (inputs, token), "has not the form"),
    ("parameters", lambda D, h, q: 35 * parameters(D, h, q), "number of steps"),
    ("parameters", lambda D, h, q: parameters(D, h, q) - q, "b_q is missing"),
    ("parameters", lambda D, h, q: parameters(D, h, q) - h, "b_h is missing"),
    ("parameters", lambda D, h, q: parameters(D, h, q) - h - q, "both biases"),
    ("parameters", lambda D, h, q: parameters(D, h, q) + h, "two biases"),
    ("parameters", lambda D, h, q: parameters(D, h, q) - D * h, "W_xh is missing"),
    ("parameters", lambda D, h, q: parameters(D, h, q) - h * h, "W_hh is missing"),
    ("parameters", lambda D, h, q: parameters(D, h, q) - h * q, "W_hq is missing"),
    ("parameters", lambda D, h, q: parameters(D, h, q) - h * q - q, "hidden part only"),
    ("parameters", lambda D, h, q: parameters(D, h, q) + 0.5, "is a whole number"),
    ("parameters", lambda D, h, q: 7, "the five arrays"),
    ("rnn_step", step_variant(activation=lambda x: x), "activation function is missing"),
    ("rnn_step", step_variant(activation=lambda x: x.tanh().tanh()), "applied twice"),
    ("rnn_step", step_variant(activation=torch.sigmoid), "logistic function"),
    ("rnn_step", step_variant(b_h_outside=True), "after tanh"),
    ("rnn_step", step_variant(transpose=["W_xh"]), "W_xh is transposed"),
    ("rnn_step", step_variant(transpose=["W_hh"]), "W_hh is transposed"),
    ("rnn_step", step_variant(zero=["W_hh"]), "does not depend on the old state"),
    ("rnn_step", step_variant(zero=["b_h"]), "b_h is missing"),
    ("rnn_step", step_variant(zero=["b_q"]), "b_q is missing"),
    ("rnn_step", step_variant(output=torch.tanh), "applied to the output"),
    ("rnn_step", step_variant(output=lambda O_t: O_t.softmax(1)), "probabilities already"),
    ("rnn_step", step_variant(transpose=["W_hq"]), "O_t differs from (4.2)"),
    ("rnn_step", step_variant(activation=torch.relu), "H_t differs from (4.1)"),
    ("rnn_step", step_variant(swap=True), "wrong order"),
    ("rnn_step", old_state_output, "has not seen X_t"),
    ("rnn_step", lambda X_t, H, params: rnn_step(X_t, H, params)[0], "two tensors"),
    ("clip", lambda gradients, theta: [g * min(1, theta / g.norm().item()) for g in gradients], "its own norm"),
    ("clip", lambda gradients, theta: [g.clamp(-theta, theta) for g in gradients], "by itself"),
    ("clip", lambda gradients, theta: gradients, "unchanged"),
    ("clip", lambda gradients, theta: clip(gradients, 1.0), "norm 1"),
    ("clip", lambda gradients, theta: [g * theta / 169 for g in gradients], "square root is missing"),
    ("clip", lambda gradients, theta: [g * theta / 19 for g in gradients], "not their sum"),
    ("clip", lambda gradients, theta: [g / 3 for g in gradients], "half of it"),
    ("clip", lambda gradients, theta: clip([g * 1e6 for g in gradients], theta), "never makes a gradient longer"),
    ("clip", lambda gradients, theta: [torch.cat([g.flatten() for g in gradients])], "same shape"),
    ("clip", clip_dividing_first, "became NaN"),
    ("clip", lambda gradients, theta: [g + (not g.any()) for g in clip(gradients, theta)], "other numbers"),
    ("clip", clip_in_place, "have changed"),
    ("clip", lambda gradients, theta: clip_in_place(gradients, theta) and None, "returns nothing"),
    ("above_uniform", [0.25, 0.25, 0.25, 0.25], "uniform guess"),
    ("above_uniform", [0.7, 0.1, 0.1, 0.1], "not above 8"),
    ("above_uniform", [1, 0, 0, 0], "infinite"),
    ("above_uniform", [0.9, 0.9, 0.1, 0.1], "not probabilities"),
    ("above_uniform", [0.5, 0.5], "four probabilities"),
    ("above_uniform", [1, "two", 3, 4], "numbers are asked for, not str"),
    ("output_shape", lambda T, B, D, h, V: (T, B, 1), "as if ids were quantities"),
    ("output_shape", lambda T, B, D, h, V: (T, B, D), "size of the inputs"),
    ("output_shape", lambda T, B, D, h, V: (T, B, h), "size of the hidden state"),
    ("output_shape", lambda T, B, D, h, V: (B, T, V), "time-major"),
    ("output_shape", lambda T, B, D, h, V: (B, V), "one step"),
    ("output_shape", lambda T, B, D, h, V: (T * B, V), "flattened for the loss"),
    ("output_shape", lambda T, B, D, h, V: (V, V), "you have (1813, 1813)"),
    ("influence", influence_on(lambda scores, token: scores[-1].sum()), "sum of the scores"),
    ("influence", influence_on(lambda scores, token: scores[-1, token]), "token's score"),
    ("influence", influence_on(lambda scores, token: scores[-1].softmax(0)[token]), "its logarithm"),
    ("influence", influence_on(lambda scores, token: scores.log_softmax(1)[:, token].sum()), "at all steps"),
    ("influence", influence_on(lambda scores, token: scores[0].log_softmax(0)[token]), "first step"),
    ("influence", influence_on(last_log_prob, lambda g: g.sum(dim=1)), "added the entries"),
    ("influence", influence_on(last_log_prob, lambda g: g.norm(dim=1) ** 2), "squared norms"),
    ("influence", influence_on(last_log_prob, lambda g: g.norm(dim=1).flip(0)), "reversed"),
    ("influence", influence_on(last_log_prob, lambda g: g[-1].norm()), "7 norms"),
    ("influence", influence_on(last_log_prob, lambda g: 3 * g.norm(dim=1)), "differ"),
    ("influence", untracked_influence, "autograd knows nothing"),
    ("influence", late_influence, "autograd knows nothing"),
    ("influence", cut_influence, "cut off"),
    ("next_state", lambda sampling, state: state.detach(), "another place of the text"),
    ("next_state", lambda sampling, state: state if sampling == "sequential" else None, "hangs on the graph"),
    ("next_state", lambda sampling, state: torch.zeros_like(state), "throw its state away"),
    ("next_state", lambda sampling, state: None if sampling == "sequential" else torch.zeros(2, 3), "throw its state"),
    ("next_state", lambda sampling, state: None if sampling == "random" else 2 * state.detach(), "kept as"),
    ("next_state", lambda sampling, state: torch.ones(2, 3), "start anew"),
    ("next_state", lambda sampling, state: "zeros", "None, or zeros"),
    ("constant_part", lambda params, T: constant_part(params, T + 1), "a term too many"),
    ("constant_part", lambda params, T: constant_part(params, T - 1), "a term too few"),
    ("constant_part", lambda params, T: constant_part(params, T) - params["b_q"], "b_q is missing"),
    ("constant_part", lambda params, T: constant_part(params, T) + (T - 1) * params["b_q"], "output of one step"),
    ("constant_part", constant_variant(lambda W, b, T: b), "at every step"),
    ("constant_part", constant_variant(lambda W, b, T: T * b), "on its way"),
    ("constant_part", constant_variant(lambda W, b, T: b @ power(W, T - 1)), "first step contributes"),
    ("constant_part", constant_variant(lambda W, b, T: b @ sum(W**k for k in range(T))), "raises each number"),
    ("constant_part", constant_variant(lambda W, b, T: b + sum(b @ W**k for k in range(1, T))), "raises each number"),
    ("constant_part", constant_variant(lambda W, b, T: sum(power(W, k) for k in range(T)) @ b), "wrong side"),
    ("constant_part", constant_variant(lambda W, b, T: b @ torch.linalg.inv(torch.eye(3) - W)), "the limit"),
    ("constant_part", lambda params, T: sum(params["b_h"] @ power(params["W_hh"], k) for k in range(T)), "part of H_T"),
    ("constant_part", tanh_part, "no tanh"),
    ("constant_part", lambda params, T: params["b_q"], "does not depend on the inputs"),
]
