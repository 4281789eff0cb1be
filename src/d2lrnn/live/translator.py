"""The translator of the live figure "translate": stored for the page, and read back."""

import base64
import json
from importlib.resources import files

import torch

from d2lrnn.seq2seq import Seq2Seq
from d2lrnn.text import Tokenizer
from d2lrnn.translation import RESERVED, PairData

FILE = files("d2lrnn.live").joinpath("translator.json")


def saved(model, data):
    """A translator as translator.js takes it, with 16 bits for each number.

    Args:
        model: `Seq2Seq` with a bidirectional GRU of one layer, the wiring "initial_state" and the attention "dot".
        data: the `PairData` that it was trained with.

    Returns:
        dict that JSON can hold: source and target, the vocabularies; longest, the number of source tokens; E, h and d,
        the sizes of an embedding, of the decoder's state and of the encoder's; weights, the numbers in base64.

    Raises:
        ValueError: another kind of model, or a number that 16 bits cannot hold.
    """
    kind = {name: model.settings[name] for name in KIND}
    if kind != KIND:
        raise ValueError(f"the page has only the model with {KIND}, not with {kind}")
    numbers = torch.cat([p.detach().cpu().flatten() for p in _parameters(model).values()]).half()
    if not numbers.isfinite().all():
        raise ValueError("a parameter is not finite, or beyond 65504, the largest number of 16 bits: train again")
    h = model.settings["hidden_size"]
    return {
        "source": data.source_vocab.tokens,
        "target": data.target_vocab.tokens,
        "longest": data.max_length,
        "E": model.settings["embedding_size"],
        "h": h,
        "d": 2 * h,
        "weights": base64.b64encode(numbers.numpy().astype("<f2").tobytes()).decode(),
    }


def loaded(translator=None):
    """A saved translator, as the page computes with it.

    Args:
        translator: dict as `saved` returns it; None for that of the figure.

    Returns:
        the model (`Seq2Seq`, float64, in evaluation mode) and its `PairData`.
    """
    if translator is None:
        translator = json.loads(FILE.read_text(encoding="utf-8"))
    counts = {}
    for side in ("source", "target"):  # falling frequencies give the same order again
        tokens = translator[side][1 + len(RESERVED) :]
        counts[side] = {token: len(tokens) - i for i, token in enumerate(tokens)}
    tokenizers = {side: Tokenizer(elision=side == "target").settings for side in counts}
    settings = {f"{side}_counts": counts[side] for side in counts}
    settings |= {f"{side}_tokenizer": tokenizers[side] for side in counts}
    data = PairData.from_settings(settings | {"min_freq": 1, "max_length": translator["longest"]})
    sizes = {"hidden_size": translator["h"], "embedding_size": translator["E"]}
    model = Seq2Seq(len(data.source_vocab), len(data.target_vocab), **sizes, **KIND).double()
    numbers = torch.frombuffer(bytearray(base64.b64decode(translator["weights"])), dtype=torch.float16).double()
    parameters = _parameters(model)
    with torch.no_grad():
        for p, part in zip(parameters.values(), numbers.split([p.numel() for p in parameters.values()]), strict=True):
            p.copy_(part.view(p.shape))
    return model.eval(), data


KIND = {"cell": "gru", "num_layers": 1, "bidirectional": True, "wiring": "initial_state", "attention": "dot"}


def _parameters(model):
    """The parameters under the names of translator.js, each as the matrix that a row is multiplied with."""
    found = {}
    layers = {
        "forwards": (model.encoder, ""),
        "backwards": (model.encoder, "_reverse"),
        "decoder": (model.decoder, ""),
    }
    for name, (part, suffix) in layers.items():
        if not suffix:
            found[f"{name}.embedding"] = part.embedding.weight
        for short, torch_name in (("W_x", "weight_ih"), ("W_h", "weight_hh"), ("b_x", "bias_ih"), ("b_h", "bias_hh")):
            p = getattr(part.recurrent, f"{torch_name}_l0{suffix}")
            found[f"{name}.{short}"] = p.T if p.dim() == 2 else p
    decoder = model.decoder
    found["W_s"], found["b_s"] = decoder.first_state.weight.T, decoder.first_state.bias
    found["W_q"] = decoder.attention.W_q.weight.T
    found["W_c"], found["b_c"] = decoder.combine.weight.T, decoder.combine.bias
    found["W_hq"], found["b_q"] = decoder.output.weight.T, decoder.output.bias
    return found
