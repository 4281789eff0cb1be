"""Answers to the exercises of chapter 8, long short-term memory."""

import math

import torch


def lstm_step(write=None, gate=torch.sigmoid, candidate=torch.tanh, show=None):
    """A step of an LSTM with one thing changed."""
    write = write or (lambda i, f, g, C: f * C + i * g)
    show = show or (lambda o, C, old: o * torch.tanh(C))

    def step(X_t, H, C, params):
        A_i, A_f, A_c, A_o = (X_t @ params["W_x"] + H @ params["W_h"] + params["b"]).chunk(4, dim=1)
        new = write(gate(A_i), gate(A_f), candidate(A_c), C)
        return show(torch.sigmoid(A_o), new, C), new

    return step


def coupled_step(write=None, gate=torch.sigmoid, candidate=torch.tanh, show=None):
    write = write or (lambda f, g, C: f * C + (1 - f) * g)
    show = show or (lambda o, C, old: o * torch.tanh(C))

    def step(X_t, H, C, params):
        A_f, A_c, A_o = (X_t @ params["W_x"] + H @ params["W_h"] + params["b"]).chunk(3, dim=1)
        new = write(gate(A_f), candidate(A_c), C)
        return show(torch.sigmoid(A_o), new, C), new

    return step


def swapped(X_t, H, C, params):
    H, C = lstm_step()(X_t, H, C, params)
    return C, H


def other_order(X_t, H, C, params):
    A_i, A_f, A_o, A_c = (X_t @ params["W_x"] + H @ params["W_h"] + params["b"]).chunk(4, dim=1)
    C = torch.sigmoid(A_f) * C + torch.sigmoid(A_i) * torch.tanh(A_c)
    return torch.sigmoid(A_o) * torch.tanh(C), C


def without_bias(X_t, H, C, params):
    return lstm_step()(X_t, H, C, params | {"b": torch.zeros_like(params["b"])})


def hidden_alone(X_t, H, C, params):
    return lstm_step()(X_t, H, C, params)[0]


def unsquashed_output(X_t, H, C, params):
    A_o = (X_t @ params["W_x"] + H @ params["W_h"] + params["b"]).chunk(4, dim=1)[3]
    _, C = lstm_step()(X_t, H, C, params)
    return A_o * torch.tanh(C), C


def parameters(D, h, q, blocks=4, biases=2, weight=True, bias=True, heads=1):
    return blocks * (D * h + h * h + biases * h) + heads * (weight * h * q + bias * q)


def gate_of(k):
    return 0.5 ** (1 / k)


def half_life(k):
    f = gate_of(k)
    return math.log(f / (1 - f))


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


RIGHT = {
    "closed": "B",
    "step": lstm_step(),
    "parameters": parameters,
    "half_life": half_life,
    "term": relu_term(),
    "coupled": coupled_step(),
}

ALSO_RIGHT = [
    ("closed", ["B"]),
    ("closed", {"b"}),
    ("term", lambda *given: relu_term()(*given).numpy()),
    ("step", lambda *given: list(lstm_step()(*given))),
    ("half_life", lambda k: torch.logit(torch.tensor([0.5 ** (1 / k)], dtype=torch.float64))),
    ("closed", "b"),
    ("closed", "B."),
    ("closed", "b,"),
    ("half_life", lambda k: -math.log(2 ** (1 / k) - 1)),
]

WRONG = [
    ("closed", ["B", 3], "a string of letters"),
    ("parameters", lambda D, h, q: torch.tensor([7.0]), "it is not 7"),
    ("coupled", lambda X_t, H, C, params: (H, C), "the memory C is not right"),
    ("closed", 3, "a string of letters"),
    ("closed", "E", "a string of letters"),
    ("closed", "ABCD", "which terms contain it"),
    ("closed", "", "does not stop"),
    ("closed", "ACD", "does not go through h at all"),
    ("closed", "BD", "one of your terms goes"),
    ("closed", "AB", "one of your terms goes"),
    ("closed", "ABC", "2 of your terms go"),
    ("step", lambda X_t, H, C, params: 1.0, "return two tensors"),
    ("step", lambda X_t, H, C, params: (H[:1], C), "of shape"),
    ("step", swapped, "in the other order"),
    ("step", lstm_step(show=lambda o, C, old: o * C), "it is unbounded"),
    ("step", lstm_step(show=lambda o, C, old: o * torch.tanh(old)), "of the step before"),
    ("step", lstm_step(show=lambda o, C, old: torch.tanh(C)), "the output gate is missing"),
    ("step", lstm_step(show=lambda o, C, old: o * torch.sigmoid(C)), "able to be negative"),
    ("step", unsquashed_output, "not between 0 and 1"),
    ("step", lstm_step(show=lambda o, C, old: torch.tanh(o * C)), "of the memory alone"),
    ("step", lstm_step(show=lambda o, C, old: -o * C), "but H is not"),
    ("step", other_order, "the order of the blocks"),
    ("step", without_bias, "the bias is missing"),
    ("step", hidden_alone, "that is one tensor"),
    ("step", lstm_step(write=lambda i, f, g, C: i * C + f * g), "have changed places"),
    ("step", lstm_step(gate=lambda z: z), "the gates are not between 0 and 1"),
    ("step", lstm_step(candidate=torch.sigmoid), "able to be negative"),
    ("step", lstm_step(candidate=lambda z: torch.tanh(torch.sigmoid(z))), "the candidate is no gate"),
    ("step", lstm_step(write=lambda i, f, g, C: torch.tanh(f * C + i * g)), "only H sees it"),
    ("step", lstm_step(candidate=lambda z: z), "no activation"),
    ("step", lstm_step(write=lambda i, f, g, C: f * C + (1 - f) * g), "not used"),
    ("step", lstm_step(write=lambda i, f, g, C: C + i * g), "nothing is ever forgotten"),
    ("step", lstm_step(write=lambda i, f, g, C: f * C), "C is not right"),
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
    ("half_life", gate_of, "value of the gate"),
    ("half_life", lambda k: -half_life(k), "sign is wrong"),
    ("half_life", lambda k: math.log(gate_of(k)), "not the exponential"),
    ("half_life", lambda k: 1 / (1 + math.exp(-gate_of(k))), "has to be undone"),
    ("half_life", math.log, "not half"),
    ("half_life", lambda k: half_life(k) / math.log(2), "natural logarithm"),
    ("half_life", lambda k: 1.0, "with your bias 1"),
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
