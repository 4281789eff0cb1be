"""Answers to the exercises of chapter 9, gated recurrent units."""

import math

import torch


def gates(at=(0.0, 0.0), after=(0.5, 1.0), before=(0.5, 0.5)):
    return lambda t, t_prime: before if t < t_prime else at if t == t_prime else after


def layer_parameters(rnn=1, gru=3, lstm=4, biases=2, hidden=1, inputs=1):
    blocks = {"rnn": rnn, "gru": gru, "lstm": lstm}
    return lambda cell, D, h: blocks[cell] * (inputs * D * h + hidden * h * h + biases * h)


def step_before(gate=torch.sigmoid, squash=torch.tanh, order=(0, 1), swap=False, second=1, reset=True, after=False):
    def step(X_t, H, params):
        X_parts = (X_t @ params["W_x"] + params["b_x"]).chunk(3, 1)
        b_h = second * params["b_h"]
        H_parts = (H @ params["W_h"] + b_h).chunk(3, 1)
        R, Z = (gate(X_parts[i] + H_parts[i]) for i in order)
        if swap:
            Z = 1 - Z
        h = H.shape[1]
        inner = ((R * H) if reset else H) @ params["W_h"][:, 2 * h :] + b_h[2 * h :]
        candidate = squash(X_parts[2] + (R * H_parts[2] if after else inner))
        return Z * H + (1 - Z) * candidate

    return step


def reset_everywhere(kept, seen):
    """R ⊙ H also where the old state is kept, or also where the update gate sees it."""

    def step(X_t, H, params):
        h = H.shape[1]
        X_parts = X_t @ params["W_x"] + params["b_x"]
        R = torch.sigmoid(X_parts + H @ params["W_h"] + params["b_h"])[:, :h]
        through = X_parts + (R * H) @ params["W_h"] + params["b_h"]
        full = X_parts + H @ params["W_h"] + params["b_h"]
        Z = torch.sigmoid((through if seen else full)[:, h : 2 * h])
        return Z * (R * H if kept else H) + (1 - Z) * torch.tanh(through[:, 2 * h :])

    return step


def without_candidate_bias(X_t, H, params):
    h = H.shape[1]
    b_h = torch.cat([params["b_h"][: 2 * h], torch.zeros(h)])
    return step_before()(X_t, H, params | {"b_h": b_h})


def gated_product(X_t, H, params):
    """R ⊙ (H W_hh) + b: the gate on the product, but not on the bias."""
    X_r, X_z, X_h = (X_t @ params["W_x"] + params["b_x"] + params["b_h"]).chunk(3, 1)
    H_r, H_z, H_h = (H @ params["W_h"]).chunk(3, 1)
    Z = torch.sigmoid(X_z + H_z)
    return Z * H + (1 - Z) * torch.tanh(X_h + torch.sigmoid(X_r + H_r) * H_h)


def gated_bias(X_t, H, params):
    """(9.5), but the gate acts on the bias of the product, too."""
    h = H.shape[1]
    X_parts = X_t @ params["W_x"] + params["b_x"]
    R, Z, _ = torch.sigmoid(X_parts + H @ params["W_h"] + params["b_h"]).chunk(3, 1)
    inner = (R * H) @ params["W_h"][:, 2 * h :] + R * params["b_h"][2 * h :]
    return Z * H + (1 - Z) * torch.tanh(X_parts[:, 2 * h :] + inner)


def negated(names=("W_x", "W_h", "b_x", "b_h"), block=1):
    def convert(params):
        h = params["W_h"].shape[0]
        swapped = {name: p.detach().clone() for name, p in params.items()}
        for name in names:
            swapped[name][..., block * h : (block + 1) * h] *= -1
        return swapped

    return convert


def in_place(params):
    h = params["W_h"].shape[0]
    for p in params.values():
        p[..., h : 2 * h] *= -1
    return params


def inverse(params):
    """1 − W instead of −a."""
    h = params["W_h"].shape[0]
    swapped = {name: p.clone() for name, p in params.items()}
    for p in swapped.values():
        p[..., h : 2 * h] = 1 - p[..., h : 2 * h]
    return swapped


BLOCKS = {"rnn": 1, "lstm": 4, "gru after": 3, "gru before": 3}
CHAIN = {"rnn": 1, "lstm": 1, "gru after": 1, "gru before": 2}


def waiting(chain=CHAIN, blocks=BLOCKS, factor=1):
    return lambda kind, T, h: (chain[kind] * T, factor * blocks[kind] * h * h * T)


def candidate_paths(inner=True, gate_slope=True, tanh_slope=True, factor=True, direct=True, transposed=True):
    def paths(h_old, z, r, h_tilde, W_hh, W_hr):
        outer = (1 - z if factor else torch.ones_like(z)) * (1 - h_tilde**2 if tanh_slope else 1)
        of_gate = h_old * (r * (1 - r) if gate_slope else 1)
        gated = direct * torch.diag(r) + inner * torch.diag(of_gate) @ W_hr.T
        return torch.diag(outer) @ (W_hh.T if transposed else W_hh) @ gated

    return paths


def by_hand(h_old, z, r, h_tilde, W_hh, W_hr):
    """Number by number, as a list of lists."""
    units = range(len(z))
    rows = []
    for i in units:
        outer = (1 - z[i]) * (1 - h_tilde[i] ** 2)
        row = []
        for j in units:
            paths = sum(W_hh[k, i] * h_old[k] * r[k] * (1 - r[k]) * W_hr[j, k] for k in units)
            row.append((outer * (W_hh[j, i] * r[j] + paths)).item())
        rows.append(row)
    return rows


def terms_of_the_chapter(h_old, z, r, h_tilde, W_hh, W_hr):
    slope, u = (1 - z) * (1 - h_tilde**2), h_old @ W_hh
    return torch.diag(slope * r) @ W_hh.T + torch.diag(slope * u * r * (1 - r)) @ W_hr.T


RIGHT = {
    "only_one_input": gates(),
    "parameters": layer_parameters(),
    "reset_before": step_before(),
    "swap": negated(),
    "run_time": waiting(),
    "jacobian_before": candidate_paths(),
}

ALSO_RIGHT = [
    ("only_one_input", gates(after=(1.0, 1.0), before=(1.0, 0.0))),
    ("only_one_input", gates(before=(0.0, 1.0))),
    ("only_one_input", lambda t, t_prime: torch.tensor([0.3, 1.0] if t != t_prime else [0.0, 0.0])),
    ("reset_before", lambda *given: step_before()(*given).numpy()),
    ("reset_before", lambda *given: step_before()(*given).tolist()),
    ("swap", lambda params: {name: p.numpy() for name, p in negated()(params).items()}),
    ("jacobian_before", by_hand),
    ("jacobian_before", lambda *given: candidate_paths()(*given).numpy()),
]

WRONG = [
    ("only_one_input", lambda t, t_prime: (math.nan, 0), "a gate is a number from 0 to 1"),
    ("run_time", lambda kind, T, h: (1, 2, 3), "return two numbers"),
    ("swap", lambda params: {name: 0 for name in params}, "another shape"),
    ("only_one_input", lambda t, t_prime: 0.5, "two numbers"),
    ("only_one_input", gates(at=(0.0, -1.0)), "from 0 to 1"),
    ("only_one_input", gates(at=(1.0, 0.0)), "the candidate still sees"),
    ("only_one_input", gates(at=(0.0, 0.5)), "kept on the direct path"),
    ("only_one_input", gates(at=(0.5, 0.5)), "both are open"),
    ("only_one_input", gates(after=(0.0, 0.5)), "inputs after t′"),
    ("only_one_input", gates(after=(0.0, 0.0)), "which value of Z keeps"),
    ("only_one_input", gates(at=(0.0, 1.0), after=(0.5, 0.0)), "never enters the state"),
    ("only_one_input", gates(at=(0.0, 1.0)), "never enters the state"),
    ("parameters", layer_parameters(biases=1), "one bias in each block"),
    ("parameters", layer_parameters(biases=0), "left out the biases"),
    ("parameters", layer_parameters(hidden=0), "from state to state"),
    ("parameters", layer_parameters(inputs=0), "from input to state"),
    ("parameters", layer_parameters(gru=2, lstm=3), "not the candidate"),
    ("parameters", layer_parameters(gru=4), "as an LSTM has"),
    ("parameters", layer_parameters(rnn=3), "as a GRU has"),
    ("parameters", layer_parameters(lstm=5), "it is not"),
    ("reset_before", lambda X_t, H, params: (H, H), "H_t alone"),
    ("reset_before", lambda X_t, H, params: H[:, :2], "must have the shape"),
    ("reset_before", step_before(after=True), "on the result of the product"),
    ("reset_before", step_before(swap=True), "replaces where it should keep"),
    ("reset_before", step_before(order=(1, 0)), "in the order"),
    ("reset_before", step_before(reset=False), "the reset gate is missing"),
    ("reset_before", step_before(second=0), "biases is missing"),
    ("reset_before", step_before(squash=torch.sigmoid), "between −1 and 1"),
    ("reset_before", step_before(gate=torch.tanh), "not between 0 and 1"),
    ("reset_before", step_before(gate=lambda A: A), "not between 0 and 1"),
    ("reset_before", reset_everywhere(kept=True, seen=False), "not what R lets through"),
    ("reset_before", reset_everywhere(kept=False, seen=True), "in the candidate only"),
    ("reset_before", without_candidate_bias, "biases of the candidate"),
    ("reset_before", gated_bias, "act on the bias"),
    ("reset_before", gated_product, "multiply R with H before it"),
    ("reset_before", lambda X_t, H, params: H, "not right"),
    ("swap", lambda params: 3, "return a dict"),
    ("swap", in_place, "work on copies"),
    ("swap", lambda params: {name: p[..., :3] for name, p in params.items()}, "another shape"),
    ("swap", lambda params: dict(params), "nothing has changed"),
    ("swap", lambda params: {name: -p for name, p in params.items()}, "negated everything"),
    ("swap", negated(block=0), "the reset gate"),
    ("swap", negated(block=2), "the candidate"),
    ("swap", negated(names=("W_x", "W_h")), "look at b_x and b_h"),
    ("swap", negated(names=("W_x", "W_h", "b_x")), "look at b_h"),
    ("swap", inverse, "which pre-activation"),
    ("run_time", lambda kind, T, h: 3, "two numbers"),
    ("run_time", lambda kind, T, h: (BLOCKS[kind] * h * h * T,) * 2, "whole matrix products"),
    ("run_time", lambda kind, T, h: (CHAIN[kind], BLOCKS[kind] * h * h), "that is one step"),
    ("run_time", waiting(chain=BLOCKS), "side by side"),
    ("run_time", waiting(chain=CHAIN | {"gru before": 1}), "needs the gate"),
    ("run_time", waiting(chain=CHAIN | {"gru after": 2}), "follow one another"),
    ("run_time", lambda kind, T, h: (CHAIN[kind] * T, BLOCKS[kind] * h * h), "that is one step"),
    ("run_time", lambda kind, T, h: (CHAIN[kind] * T, BLOCKS[kind] * h * T), "needs more multiplications"),
    ("run_time", waiting(blocks={"rnn": 1, "lstm": 3, "gru after": 2, "gru before": 2}), "not the candidate"),
    ("run_time", waiting(factor=2), "do not wait for H"),
    ("run_time", waiting(blocks=dict.fromkeys(BLOCKS, 1)), "of its own"),
    ("run_time", waiting(factor=5), "multiplications"),
    ("jacobian_before", lambda *given: torch.zeros(2), "one matrix"),
    ("jacobian_before", lambda h_old, *given: torch.zeros(len(h_old), len(h_old)), "product rule"),
    ("jacobian_before", candidate_paths(inner=False), "the path through W_hr is missing"),
    ("jacobian_before", candidate_paths(direct=False), "held fixed is missing"),
    ("jacobian_before", candidate_paths(gate_slope=False), "the gate's σ"),
    ("jacobian_before", candidate_paths(tanh_slope=False), "slope of the tanh"),
    ("jacobian_before", candidate_paths(factor=False), "by (9.1)"),
    ("jacobian_before", candidate_paths(transposed=False), "W_hh is not transposed"),
    ("jacobian_before", lambda *given: candidate_paths()(*given).T, "the transpose"),
    ("jacobian_before", terms_of_the_chapter, "after the product"),
    ("jacobian_before", lambda h, z, *given: torch.diag(z) + candidate_paths()(h, z, *given), "direct path"),
]
