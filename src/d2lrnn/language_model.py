"""Recurrent language models and the text they write."""

import torch
from torch import nn
from torch.nn import functional as F

from d2lrnn import cells
from d2lrnn.layers import CELLS, check_state


class LanguageModel(nn.Module):
    """P(x_{t+1} | x_1 … x_t) from a recurrent layer of torch.nn and a linear output layer.

    `logits, state = model(ids, state)` with ids (B, T) and logits (B, T, V): logits[:, t] score the
    token *after* ids[:, t]. The state is that of the layer: (num_layers, B, h), and for an LSTM a pair
    of these, (H, C).

    Args:
        vocab_size: V.
        hidden_size: h, the number of hidden units of each layer.
        cell: "rnn" (tanh), "gru" or "lstm".
        num_layers: how many recurrent layers are stacked.
        embedding_size: the length of the learned vector that stands for a token; None for one-hot vectors.
        dropout: the probability of zeroing a feature while training: before, between and after the layers.
        skip: each layer from the second on adds what it computes to what it reads, x + f(x).
        bidirectional: refused, see chapter 11.

    Raises:
        ValueError: an unknown cell, a size below 1, a dropout outside [0, 1), or two directions.
    """

    def __init__(
        self,
        vocab_size,
        hidden_size,
        cell="rnn",
        num_layers=1,
        embedding_size=None,
        dropout=0.0,
        skip=False,
        bidirectional=False,
    ):
        super().__init__()
        if bidirectional:
            raise ValueError(
                "a language model cannot be bidirectional: the backward direction has read the very token that is to "
                "be predicted. Chapter 11 shows what happens; taggers.Tagger is for texts that are known to their end"
            )
        if cell not in CELLS:
            raise ValueError(f"cell must be one of {', '.join(CELLS)}, not {cell!r}")
        input_size = vocab_size if embedding_size is None else embedding_size
        if min(vocab_size, hidden_size, num_layers, input_size) < 1:
            raise ValueError("vocab_size, hidden_size, num_layers and embedding_size must be at least 1")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must be at least 0 and below 1, not {dropout}")
        self.vocab_size = vocab_size
        self.embedding = None if embedding_size is None else nn.Embedding(vocab_size, embedding_size)
        if skip:
            self.recurrent = SkipStack(cell, input_size, hidden_size, num_layers, dropout)
        else:
            between = dropout if num_layers > 1 else 0.0  # torch warns about dropout between layers when there is one
            self.recurrent = CELLS[cell](input_size, hidden_size, num_layers, dropout=between)
        self.state_shape = (num_layers, hidden_size)
        self.has_pair = cell == "lstm"
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(hidden_size, vocab_size)

    def forward(self, ids, state=None):
        """Score the next token at every position.

        Args:
            ids: (B, T) long, T at least 1.
            state: the state returned for the tokens before, or None for zeros.

        Returns:
            logits (B, T, V) and the state after the last token.

        Raises:
            TypeError: the state is not a tensor, or for an LSTM not a pair of tensors.
            ValueError: ids is not (B, T), or the state has the wrong shape or is on another device.
        """
        if ids.dim() != 2 or ids.shape[1] == 0:
            raise ValueError(f"ids must be (B, T) with T of at least 1, not {tuple(ids.shape)}")
        if state is not None:
            self._check_state(state, ids)
        if self.embedding is None:
            X = F.one_hot(ids.T, self.vocab_size).to(self.output.weight.dtype)  # (T, B, V)
        else:
            X = self.embedding(ids.T)  # (T, B, D)
        H, state = self.recurrent(self.dropout(X), state)  # (T, B, h)
        return self.output(self.dropout(H)).transpose(0, 1), state

    def _check_state(self, state, ids):
        parts = (state,)
        if self.has_pair:
            if not isinstance(state, tuple) or len(state) != 2:
                raise TypeError("the state of an LSTM must be a pair of tensors (H, C)")
            parts = state
        num_layers, hidden_size = self.state_shape
        for part in parts:
            check_state(part, (num_layers, len(ids), hidden_size), ids.device)


class SkipStack(nn.Module):
    """Layers of torch.nn with skip connections: from the second on each gives x + f(x), as `cells.deep` does.

    Called as a layer of torch.nn, with the states of all layers in one tensor.

    Args:
        cell: "rnn", "gru" or "lstm".
        input_size: D.
        hidden_size: h.
        num_layers: how many layers.
        dropout: the probability of zeroing a feature that a layer from the second on reads, while training.
    """

    def __init__(self, cell, input_size, hidden_size, num_layers, dropout=0.0):
        super().__init__()
        sizes = [input_size] + [hidden_size] * (num_layers - 1)
        self.layers = nn.ModuleList(CELLS[cell](size, hidden_size) for size in sizes)
        self.dropout = nn.Dropout(dropout)
        self.has_pair = cell == "lstm"

    def forward(self, X, state=None):
        """Run the layers.

        Args:
            X: (T, B, D).
            state: (num_layers, B, h), for an LSTM a pair of these; None for zeros.

        Returns:
            H of the last layer (T, B, h), and the state after the last step, shaped as the one before.
        """
        first, *others = self.layers
        states = self._by_layer(state)
        X, last = first(X, states[0])
        lasts = [last]
        for layer, layer_state in zip(others, states[1:], strict=True):
            H, last = layer(self.dropout(X), layer_state)
            X = X + H
            lasts.append(last)
        if self.has_pair:
            return X, tuple(torch.cat(parts) for parts in zip(*lasts, strict=True))
        return X, torch.cat(lasts)

    def _by_layer(self, state):
        if state is None:
            return [None] * len(self.layers)
        if self.has_pair:
            return list(zip(state[0].split(1), state[1].split(1), strict=True))
        return state.split(1)


class ScratchLanguageModel(nn.Module):
    """The same model on a recurrence written out by hand, such as `cells.rnn`, with one-hot inputs.

    `logits, state = model(ids, state)` with ids (B, T) and logits (B, T, V), as `LanguageModel`.

    Args:
        vocab_size: V.
        params: dict of tensors for V inputs and V outputs, such as `cells.init_rnn_params(V, h, V)`.
        recurrence: (inputs (T, B, V), state, params) → (outputs (T, B, V), state).
    """

    def __init__(self, vocab_size, params, recurrence=cells.rnn):
        super().__init__()
        self.vocab_size = vocab_size
        self.params = nn.ParameterDict(params)
        self.recurrence = recurrence

    def forward(self, ids, state=None):
        """Score the next token at every position: see `LanguageModel.forward`."""
        params = dict(self.params)
        X = F.one_hot(ids.T, self.vocab_size).to(next(iter(params.values())).dtype)  # (T, B, V)
        outputs, state = self.recurrence(X, state, params)
        return outputs.transpose(0, 1), state


@torch.no_grad()
def generate(model, vocab, prefix, num_tokens, temperature=1.0, top_k=None, generator=None):
    """Continue a prefix with tokens drawn from the model.

    First the state is warmed up: the model reads the prefix and its predictions are
    thrown away, all but the last. Then each token is drawn from softmax(logits / temperature) and fed back.

    Args:
        model: `logits, state = model(ids, state)`, such as LanguageModel. It is used in evaluation mode.
        vocab: the model's Vocab.
        prefix: a list of tokens; for a model of characters a string does as well. Not empty.
        num_tokens: how many tokens to draw, at least 0.
        temperature: above 0; below 1 the likely tokens become likelier, above 1 all become alike.
        top_k: draw among the k likeliest tokens only; 1 always takes the likeliest.
        generator: a CPU torch.Generator.

    Returns:
        list of num_tokens new tokens, without the prefix: "".join(…) for characters.

    Raises:
        ValueError: an empty prefix or one with tokens that are not in the vocabulary, a temperature of 0
            or below, a top_k below 1 or above the vocabulary, a negative num_tokens, or a
            vocabulary of another size than the model's.
    """
    prefix = list(prefix)
    if not prefix:
        raise ValueError("the prefix is empty: give at least one token to start from")
    unknown = sorted({str(token) for token in prefix if token not in vocab})
    if unknown:
        raise ValueError(
            f"not in the vocabulary: {', '.join(map(repr, unknown))}. Prepare the prefix as the training text "
            "was (lower case? words instead of characters?)"
        )
    if getattr(model, "vocab_size", len(vocab)) != len(vocab):
        raise ValueError(f"the model knows {model.vocab_size} tokens and the vocabulary {len(vocab)}: pass its own one")
    if not temperature > 0:
        raise ValueError(f"temperature must be above 0, not {temperature}; for the likeliest token use top_k=1")
    if top_k is not None and not 1 <= top_k <= len(vocab):
        raise ValueError(f"top_k must be between 1 and the vocabulary's {len(vocab)} tokens, not {top_k}")
    if num_tokens < 0:
        raise ValueError(f"num_tokens must be at least 0, not {num_tokens}")

    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    try:
        ids, new = vocab.to_ids(prefix), []
        state = None
        for _ in range(num_tokens):
            logits, state = model(torch.tensor([ids], device=device), state)
            new.append(_draw(logits[0, -1], temperature, top_k, generator))
            ids = new[-1:]
    finally:
        model.train(was_training)
    return vocab.to_tokens(new)


def _draw(logits, temperature, top_k, generator):
    best, ids = torch.topk(logits.double().cpu(), top_k or len(logits))  # falling
    probs = torch.softmax((best - best[0]) / temperature, dim=0)  # ≤ 0, so that a tiny temperature cannot overflow
    return ids[torch.multinomial(probs, 1, generator=generator)].item()
