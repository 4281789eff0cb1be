"""Answers to the exercises of chapter 5, the concise recurrent network and warm-up."""

import torch


def from_torch(W_xh=lambda W: W.T, W_hh=lambda W: W.T, b_h=lambda b_ih, b_hh: b_ih + b_hh):
    return lambda layer: {
        "W_xh": W_xh(layer.weight_ih_l0),
        "W_hh": W_hh(layer.weight_hh_l0),
        "b_h": b_h(layer.bias_ih_l0, layer.bias_hh_l0),
    }


def num_parameters(V, D, h, L, biases=2, above=None, embedding=True, output_bias=True):
    above = above or h
    layers = D * h + h * h + biases * h + (L - 1) * (above * h + h * h + biases * h)
    return embedding * V * D + layers + h * V + output_bias * V


def sgd(weight_rate=1.0, bias_rate=0.5, both=True, of=torch.optim.SGD):
    """An optimizer for an nn.RNN: each rate in parts of lr."""

    def build(layer, lr):
        weights, biases = [layer.weight_ih_l0, layer.weight_hh_l0], [layer.bias_ih_l0, layer.bias_hh_l0]
        groups = [{"params": weights, "lr": weight_rate * lr}]
        return of([*groups, {"params": biases if both else biases[:1], "lr": bias_rate * lr}], lr=lr)

    return build


def without_gradient(layer, lr):
    layer.bias_ih_l0.requires_grad_(False)
    return torch.optim.SGD(layer.parameters(), lr=lr)


def values_needed(errors):
    needed = max(errors)
    limit = 1.1 * errors[needed]
    for w in sorted(errors, reverse=True):
        if errors[w] > limit:
            break
        needed = w
    return needed


def needed_by_definition(errors, ratio=1.1, of=None):
    """The same from the definition, or with another limit."""
    limit = ratio * (errors[max(errors)] if of is None else of(errors.values()))
    enough = [w for w in errors if all(errors[v] <= limit for v in errors if v >= w)]
    return min(enough, default=max(errors))


RIGHT = {
    "copy": from_torch(),
    "shapes": lambda B, T, D, h, L: ((B, T, h), (L, B, h)),
    "parameters": num_parameters,
    "embedding": lambda V, h: (V * h - 1) // (V + h),
    "period": values_needed,
    "rates": sgd(),
}

ALSO_RIGHT = [
    ("rates", lambda layer, lr: torch.optim.SGD([{"params": [p], "lr": lr * p.ndim / 2} for p in layer.parameters()])),
    ("embedding", lambda V, h: next(D for D in range(V * h, -1, -1) if D * (V + h) < V * h)),
    ("shapes", lambda B, T, D, h, L: [torch.Size((B, T, h)), torch.Size((L, B, h))]),
    ("period", lambda errors: torch.tensor(values_needed(errors))),
    ("period", lambda errors: float(needed_by_definition(errors))),
]

WRONG = [
    ("shapes", lambda B, T, D, h, L: ((B, T, h + 0.5), (L, B, h)), "return two tuples"),
    ("parameters", lambda *sizes: (num_parameters(*sizes), 0), "one number is asked for"),
    ("copy", lambda layer: layer, "a dict with the keys"),
    ("copy", from_torch(W_xh=lambda W: W), "shape (h, D)"),
    ("copy", from_torch(W_xh=lambda W: -W.T), "not the input weight"),
    ("copy", from_torch(W_hh=lambda W: W), "is square"),
    ("copy", from_torch(W_hh=lambda W: -W), "not the recurrent weight"),
    ("copy", from_torch(b_h=lambda b_ih, b_hh: b_ih), "the other one is lost"),
    ("copy", from_torch(b_h=lambda b_ih, b_hh: b_hh), "the other one is lost"),
    ("copy", from_torch(b_h=lambda b_ih, b_hh: 2 * b_ih), "twice"),
    ("copy", from_torch(b_h=lambda b_ih, b_hh: b_hh + b_hh), "twice"),
    ("copy", from_torch(b_h=lambda b_ih, b_hh: (b_ih + b_hh) / 2), "in full"),
    ("copy", from_torch(b_h=lambda b_ih, b_hh: b_ih - b_hh), "not what both biases add"),
    ("shapes", lambda B, T, D, h, L: 3, "return two tuples"),
    ("shapes", lambda B, T, D, h, L: ((T, B, h), (L, B, h)), "without batch_first"),
    ("shapes", lambda B, T, D, h, L: ((B, T, D), (L, B, h)), "size of the inputs"),
    ("shapes", lambda B, T, D, h, L: ((B, T, L * h), (L, B, h)), "top layer only"),
    ("shapes", lambda B, T, D, h, L: ((B, h), (L, B, h)), "one step"),
    ("shapes", lambda B, T, D, h, L: ((B, T, 99), (L, B, h)), "output has not the shape"),
    ("shapes", lambda B, T, D, h, L: ((B, T, h), (B, L, h)), "you turned the state"),
    ("shapes", lambda B, T, D, h, L: ((B, T, h), (1, B, h)), "every layer"),
    ("shapes", lambda B, T, D, h, L: ((B, T, h), (B, h)), "every layer"),
    ("shapes", lambda B, T, D, h, L: ((B, T, h), (L, T, h)), "last step only"),
    ("shapes", lambda B, T, D, h, L: ((B, T, h), (B, T, h)), "state has not the shape"),
    ("parameters", lambda *sizes: num_parameters(*sizes, biases=1), "nn.RNN has two"),
    ("parameters", lambda *sizes: num_parameters(*sizes, embedding=False), "left out the embedding"),
    ("parameters", lambda V, D, h, L: num_parameters(V, D, h, L) - V * (h + 1), "left out the output layer"),
    ("parameters", lambda *sizes: num_parameters(*sizes, output_bias=False), "bias of the output layer"),
    ("parameters", lambda V, D, h, L: num_parameters(V, D, h, L, above=D), "Not vectors of size D"),
    ("parameters", lambda V, D, h, L: num_parameters(V, D, h, L) - (L - 1) * h * h, "has two weights"),
    ("parameters", lambda V, D, h, L: num_parameters(V, D, h, 1), "one recurrent layer only"),
    ("parameters", lambda V, D, h, L: num_parameters(V, D, h, L) - V * D - D * h + V * h, "one-hot"),
    ("parameters", lambda *sizes: 7, "it is not 7"),
    ("embedding", lambda V, h: V * h // (V + h), "not fewer"),
    ("embedding", lambda V, h: V * h / (V + h), "whole number"),
    ("embedding", lambda V, h: (V * h - 1) // (V + h) - 1, "not the largest"),
    ("embedding", lambda V, h: min(V, h), "second matrix"),
    ("embedding", lambda V, h: min(V, h) - 1, "second matrix"),
    ("embedding", lambda V, h: h - 1, "second matrix"),
    ("embedding", lambda V, h: 2, "it is not 2"),
    ("period", (12, 36), "asks for a function"),
    ("period", lambda errors: 12, "none of the w"),
    ("period", lambda errors: 6, "is not enough"),
    ("period", lambda errors: min(w for w in errors if errors[w] <= 1.1 * errors[max(errors)]), "fails again"),
    ("period", lambda errors: min(errors, key=errors.get), "but not the smallest"),
    ("period", lambda errors: max(errors), "but not the smallest"),
    ("period", lambda errors: min(errors), "is not enough"),
    ("period", lambda errors: needed_by_definition(errors, 1.2), "fails again"),
    ("period", lambda errors: needed_by_definition(errors, 1), "but not the smallest"),
    ("period", lambda errors: needed_by_definition(errors, 1.1, min), "but not the smallest"),
    ("rates", lambda layer, lr: lr / 2, "must be a torch.optim.SGD"),
    ("rates", sgd(of=torch.optim.Adam), "must be a torch.optim.SGD"),
    ("rates", without_gradient, "cannot learn"),
    ("rates", sgd(bias_rate=1.0), "moves twice as far"),
    ("rates", sgd(bias_rate=2.0), "four times as far"),
    ("rates", sgd(bias_rate=0.5, both=False), "half as far"),
    ("rates", sgd(bias_rate=0.0), "neither of the two"),
    ("rates", sgd(weight_rate=0.5), "the full rate"),
    ("rates", sgd(weight_rate=2.0), "does not move the weights"),
    ("rates", sgd(bias_rate=0.3), "does not move as b_h"),
    ("rates", sgd(bias_rate=1.0, both=False), "do not learn alike"),
]
