"""Answers to the exercises of chapter 8, long short-term memory."""

import math

import torch


def coupled_step(write=None, gate=torch.sigmoid, candidate=torch.tanh, show=None):
    write = write or (lambda f, g, C: f * C + (1 - f) * g)
    show = show or (lambda o, C, old: o * torch.tanh(C))

    def step(X_t, H, C, params):
        A_f, A_c, A_o = (X_t @ params["W_x"] + H @ params["W_h"] + params["b"]).chunk(3, dim=1)
        new = write(gate(A_f), candidate(A_c), C)
        return show(torch.sigmoid(A_o), new, C), new

    return step


def parameters(D, h, q, blocks=4, biases=2, weight=True, bias=True, heads=1):
    return blocks * (D * h + h * h + biases * h) + heads * (weight * h * q + bias * q)


def half_life(f_1, f_2, m):
    return math.log(2) / -((1 - 1 / m) * math.log(f_1) + math.log(f_2) / m)


def half_life_of(f):
    return math.log(2) / -math.log(f)


def relu_term(
    slope=lambda z: (z > 0).double(),
    hidden=lambda o, c: o * (1 - torch.tanh(c) ** 2),
    factor=lambda i: i,
    matrix=lambda W: W.T,
):
    def term(i, z_c, o_before, c_before, W_hc):
        return torch.diag(factor(i) * slope(z_c)) @ matrix(W_hc) @ torch.diag(hidden(o_before, c_before))

    return term


def swapped_diagonals(i, z_c, o_before, c_before, W_hc):
    s = o_before * (1 - torch.tanh(c_before) ** 2)
    return torch.diag(s) @ W_hc.T @ torch.diag(i * (z_c > 0))


def gate_of_the_rest(X_t, H, C, params):
    A_f, A_c, A_o = (X_t @ params["W_x"] + H @ params["W_h"] + params["b"]).chunk(3, dim=1)
    C = torch.sigmoid(A_f) * C + torch.sigmoid(1 - A_f) * torch.tanh(A_c)
    return torch.sigmoid(A_o) * torch.tanh(C), C


def coupled_in_order(f, c, o):
    """The coupled step with the blocks at these places."""

    def step(X_t, H, C, params):
        blocks = (X_t @ params["W_x"] + H @ params["W_h"] + params["b"]).chunk(3, dim=1)
        F = torch.sigmoid(blocks[f])
        C = F * C + (1 - F) * torch.tanh(blocks[c])
        return torch.sigmoid(blocks[o]) * torch.tanh(C), C

    return step


def coupled_without_bias(X_t, H, C, params):
    return coupled_step()(X_t, H, C, params | {"b": torch.zeros_like(params["b"])})


def backward_step(
    through_h=lambda dH, o, C, C_before: dH * o * (1 - torch.tanh(C) ** 2),
    gate=lambda dC, f: dC * f,
    slope=lambda gate: gate * (1 - gate),
    forgotten=lambda C_before, C: C_before,
    shown=torch.tanh,
    order=(0, 1, 2, 3),
    complete=True,
):
    def step(dH, dC, C_before, C, i, f, C_tilde, o):
        whole = dC + through_h(dH, o, C, C_before)
        blocks = [
            whole * C_tilde * slope(i),
            whole * forgotten(C_before, C) * slope(f),
            whole * i * (1 - C_tilde**2),
            (dH if complete else whole) * shown(C) * slope(o),
        ]
        return torch.cat([blocks[place] for place in order], dim=1), gate(whole, f)

    return step


def backward_by_autograd(dH, dC, C_before, C, i, f, C_tilde, o):
    A = [torch.logit(i), torch.logit(f), torch.atanh(C_tilde), torch.logit(o)]
    A = torch.cat(A, dim=1).requires_grad_()
    C_before = C_before.requires_grad_()
    A_i, A_f, A_c, A_o = A.chunk(4, dim=1)
    C = torch.sigmoid(A_f) * C_before + torch.sigmoid(A_i) * torch.tanh(A_c)
    H = torch.sigmoid(A_o) * torch.tanh(C)
    return torch.autograd.grad([H, C], [A, C_before], [dH, dC])


RIGHT = {
    "closed": "d",
    "parameters": parameters,
    "half_life": half_life,
    "term": relu_term(),
    "coupled": coupled_step(),
    "backward": backward_step(),
}

ALSO_RIGHT = [
    ("backward", backward_by_autograd),
    (
        "backward",
        lambda dH, dC, C_before, C, i, f, C_tilde, o: backward_step()(
            dH, dC, C_before, f * C_before + i * C_tilde, i, f, C_tilde, o
        ),
    ),
    ("backward", lambda *given: list(backward_step()(*given))),
    ("closed", ["D"]),
    ("closed", {"d"}),
    ("term", lambda *given: relu_term()(*given).numpy()),
    ("half_life", lambda *given: torch.tensor([half_life(*given)], dtype=torch.float64)),
    ("closed", "D"),
    ("closed", "D."),
    ("closed", "d,"),
    ("half_life", lambda f_1, f_2, m: half_life_of((f_1 ** (m - 1) * f_2) ** (1 / m))),
]

WRONG = [
    ("backward", lambda *given: backward_step()(*given)[0], "that is one tensor"),
    ("backward", lambda *given: 3, "return two tensors"),
    ("backward", lambda *given: (3, 4), "return two tensors"),
    ("backward", lambda *given: backward_step()(*given)[::-1], "must be (B, 4h)"),
    ("backward", backward_step(through_h=lambda dH, o, C, C_before: 0 * dH), "the part that comes through H"),
    ("backward", backward_step(gate=lambda dC, f: dC), "passes the forget gate"),
    ("backward", backward_step(gate=lambda dC, f: dC * (1 - f)), "memory before is not right"),
    ("backward", backward_step(through_h=lambda dH, o, C, C_before: dH * o), "second tanh is missing"),
    ("backward", backward_step(through_h=lambda dH, o, C, C_before: dH * (1 - torch.tanh(C) ** 2)), "which is missing"),
    ("backward", backward_step(through_h=lambda dH, o, C, C_before: dH * o * (1 - C**2)), "not its value"),
    (
        "backward",
        backward_step(through_h=lambda dH, o, C, C_before: dH * o * (1 - torch.tanh(C_before) ** 2)),
        "not the one before",
    ),
    ("backward", backward_step(order=(0, 1, 3, 2)), "in another order"),
    ("backward", backward_step(slope=torch.ones_like), "block i is the gradient after the activation"),
    ("backward", backward_step(slope=lambda gate: gate), "block i of dA is not right"),
    ("backward", backward_step(forgotten=lambda C_before, C: C), "the memory before, not the new one"),
    ("backward", backward_step(shown=lambda C: C), "multiplies is tanh(C)"),
    ("backward", backward_step(complete=False), "it gets dH, not dC"),
    ("closed", ["d", 3], "a string of letters"),
    ("parameters", lambda D, h, q: torch.tensor([7.0]), "it is not 7"),
    ("coupled", lambda X_t, H, C, params: (H, C), "the memory C is not right"),
    ("closed", 3, "a string of letters"),
    ("closed", "E", "a string of letters"),
    ("closed", "dfic", "which terms contain it"),
    ("closed", "", "does not stop"),
    ("closed", "fic", "does not go through h at all"),
    ("closed", "dc", "one of your terms goes"),
    ("closed", "df", "one of your terms goes"),
    ("closed", "dfi", "2 of your terms go"),
    ("parameters", lambda D, h, q: parameters(D, h, q, biases=1), "two biases"),
    ("parameters", lambda D, h, q: parameters(D, h, q, blocks=3), "one block more"),
    ("parameters", lambda D, h, q: parameters(D, h, q, blocks=3, biases=1), "count torch's biases"),
    ("parameters", lambda D, h, q: parameters(D, h, q, blocks=1), "that is an RNN"),
    ("parameters", lambda D, h, q: parameters(D, h, q, weight=False, bias=False), "output layer is missing"),
    ("parameters", lambda D, h, q: parameters(D, h, q, bias=False), "bias of the output layer"),
    ("parameters", lambda D, h, q: parameters(D, h, q, biases=0, heads=0), "are missing"),
    ("parameters", lambda D, h, q: parameters(D, h, q, heads=4), "one output layer"),
    ("parameters", lambda D, h, q: parameters(D, h, q, blocks=3, heads=0), "and the output layer"),
    ("parameters", lambda D, h, q: parameters(D, h, q, blocks=3, bias=False), "and the output's bias"),
    ("parameters", lambda D, h, q: parameters(D, h, q, biases=1, heads=0), "the second biases"),
    ("parameters", lambda D, h, q: parameters(D, h, q, biases=1, bias=False), "one bias of each block"),
    ("parameters", lambda D, h, q: 7, "it is not 7"),
    ("half_life", lambda f_1, f_2, m: half_life_of((1 - 1 / m) * f_1 + f_2 / m), "factors multiply"),
    ("half_life", lambda f_1, f_2, m: half_life_of(f_1), "the spaces are forgotten"),
    ("half_life", lambda f_1, f_2, m: half_life_of(f_2), "most characters are letters"),
    ("half_life", lambda f_1, f_2, m: half_life(f_2, f_1, m), "changed places"),
    ("half_life", lambda f_1, f_2, m: half_life(f_1, f_2, 2), "not every second one"),
    (
        "half_life",
        lambda f_1, f_2, m: (1 - 1 / m) * half_life_of(f_1) + half_life_of(f_2) / m,
        "half-lives do not average",
    ),
    ("half_life", lambda f_1, f_2, m: half_life(f_1, f_2, m) / m, "counts words"),
    ("half_life", lambda f_1, f_2, m: half_life(f_1, f_2, m) / math.log(2), "1/e is left"),
    ("half_life", lambda f_1, f_2, m: -half_life(f_1, f_2, m), "sign is wrong"),
    ("half_life", lambda f_1, f_2, m: 12.0, "half is not left after 12"),
    ("term", lambda *arguments: 1.0, "a matrix (h, h)"),
    ("term", lambda *arguments: relu_term()(*arguments).T, "rows and columns"),
    ("term", relu_term(matrix=lambda W: W), "not transposed"),
    ("term", relu_term(slope=lambda z: 1 - torch.tanh(z) ** 2), "tanh candidate"),
    ("term", relu_term(slope=lambda z: 1 - torch.relu(z) ** 2), "relu has another"),
    ("term", swapped_diagonals, "have changed places: rows"),
    ("term", relu_term(hidden=lambda o, c: o * (1 - torch.relu(c) ** 2)), "only the candidate is a relu"),
    ("term", relu_term(slope=torch.relu), "not its derivative"),
    ("term", relu_term(hidden=lambda o, c: o * torch.tanh(c)), "in place of its derivative"),
    ("term", relu_term(hidden=lambda o, c: o * (1 - c**2)), "not its value"),
    ("term", relu_term(hidden=lambda o, c: o), "derivative of this tanh is missing"),
    ("term", relu_term(hidden=lambda o, c: 1 - torch.tanh(c) ** 2), "output gate of the step before"),
    ("term", relu_term(hidden=lambda o, c: torch.ones_like(o)), "one step further back"),
    ("term", relu_term(hidden=lambda o, c: o * (c > 0)), "still a tanh"),
    ("term", relu_term(factor=torch.ones_like), "input gate is missing"),
    ("term", relu_term(factor=lambda i: i * (1 - i)), "another term"),
    ("term", relu_term(factor=lambda i: 2 * i), "three factors"),
    ("coupled", lambda X_t, H, C, params: 1.0, "return two tensors"),
    ("coupled", coupled_step(write=lambda f, g, C: (1 - f) * C + f * g), "F keeps the old memory"),
    ("coupled", coupled_step(write=lambda f, g, C: f * C + f * g), "what is erased"),
    ("coupled", coupled_step(write=lambda f, g, C: f * C + g), "enters in full"),
    ("coupled", coupled_step(gate=lambda z: z), "not between 0 and 1"),
    ("coupled", coupled_step(candidate=lambda z: z), "no activation"),
    ("coupled", coupled_step(show=lambda o, C, old: torch.tanh(C)), "the output gate is missing"),
    ("coupled", coupled_step(write=lambda f, g, C: torch.tanh(f * C + (1 - f) * g)), "only H sees it"),
    ("coupled", coupled_in_order(1, 0, 2), "F comes first"),
    ("coupled", coupled_in_order(0, 2, 1), "the output gate comes last"),
    ("coupled", coupled_without_bias, "the bias is missing"),
    ("coupled", gate_of_the_rest, "not the gate of 1 minus"),
    ("coupled", lambda *arguments: coupled_step()(*arguments)[0], "that is one tensor"),
    ("coupled", coupled_step(show=lambda o, C, old: torch.tanh(o * C)), "of the memory alone"),
    ("coupled", coupled_step(show=lambda o, C, old: o * C), "second tanh is missing"),
    ("coupled", coupled_step(show=lambda o, C, old: o * torch.tanh(old)), "of the step before"),
]
