"""Networks that run, differentiate and train in the page: `engine.js`, and what it loads.

`ENGINE` is the engine's source, one JavaScript module; `figures` shows what is built on it.
"""

import base64
import math
from importlib.resources import files

import torch

ENGINE = files("d2lrnn.live").joinpath("engine.js").read_text(encoding="utf-8")

# The order in which the engine reads the parameters.
NAMES = {
    "rnn": ["W_xh", "W_hh", "b_h", "W_hq", "b_q"],
    "gru": ["W_x", "W_h", "b_x", "b_h", "W_hq", "b_q"],
    "lstm": ["W_x", "W_h", "b", "W_hq", "b_q"],
}


def saved(cell, params, activation="tanh"):
    """A network as the engine's `load` takes it, with 16 bits for each number.

    Args:
        cell: "rnn", "gru" or "lstm".
        params: dict as of `cells.init_rnn_params`, `init_gru_params` or `init_lstm_params`, with an output layer.
        activation: of an RNN: "tanh", "relu", "sigmoid" or "linear".

    Returns:
        dict that JSON can hold: cell, activation, the sizes D, h and q, and weights, the numbers in base64.

    Raises:
        ValueError: an unknown cell, parameters of another one, or a number that 16 bits cannot hold.
    """
    if cell not in NAMES:
        raise ValueError(f"cell must be one of {', '.join(NAMES)}, not {cell!r}")
    if set(params) != set(NAMES[cell]):
        raise ValueError(f"the parameters of this cell are {', '.join(NAMES[cell])}, not {', '.join(params)}")
    numbers = torch.cat([params[name].detach().cpu().flatten() for name in NAMES[cell]]).half()
    if not numbers.isfinite().all():
        raise ValueError("a parameter is not finite, or beyond 65504, the largest number of 16 bits: train again")
    W_x, W_h, W_hq = (params[NAMES[cell][i]] for i in (0, 1, -2))
    weights = base64.b64encode(numbers.numpy().astype("<f2").tobytes()).decode()
    sizes = {"D": len(W_x), "h": len(W_h), "q": W_hq.shape[1]}
    return {"cell": cell, "activation": activation, **sizes, "weights": weights}


def loaded(network):
    """The parameters of a saved network: what `saved` wrote, read back.

    Args:
        network: dict as `saved` returns it.

    Returns:
        dict of float32 tensors, as `saved` took it.
    """
    cell, D, h, q = (network[name] for name in ("cell", "D", "h", "q"))
    wide = {"rnn": 1, "gru": 3, "lstm": 4}[cell] * h
    shapes = [(D, wide), (h, wide), *[(wide,)] * (len(NAMES[cell]) - 4), (h, q), (q,)]
    numbers = torch.frombuffer(bytearray(base64.b64decode(network["weights"])), dtype=torch.float16).float()
    parts = numbers.split([math.prod(shape) for shape in shapes])
    return {name: part.reshape(shape) for name, part, shape in zip(NAMES[cell], parts, shapes, strict=True)}
