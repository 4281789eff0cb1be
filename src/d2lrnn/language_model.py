"""Recurrent language models and the text they write."""

import torch
from torch import nn
from torch.nn import functional as F

from d2lrnn import cells
from d2lrnn.layers import SkipStack, check_batch, check_numbers, check_settings, check_state, recurrent_layer
from d2lrnn.runtime import device_of

ONE_HOT_TOKENS = 256  # with more of them, one-hot vectors cost more than the rest of the model


class LanguageModel(nn.Module):
    """P(x_{t+1} | x_1 … x_t) from a recurrent layer of torch.nn and a linear output layer.

    `logits, state = model(ids, state)` with ids (B, T) and logits (B, T, V): logits[:, t] score the
    token *after* ids[:, t]. The state is that of the layer: (num_layers, B, h), and for an LSTM a pair
    of these, (H, C). It reads in one direction only: the other one would have read the token that is to be predicted
    (chapter 11). Where the whole text is known, `taggers.Tagger` reads in both.

    Args:
        vocab_size: V.
        hidden_size: h, the number of hidden units of each layer.
        cell: "rnn" (tanh), "gru" or "lstm".
        num_layers: how many recurrent layers are stacked.
        embedding_size: the length of the learned vector that stands for a token; None for one-hot vectors; "auto" for
            one-hot vectors where there are at most 256 tokens, and else learned vectors of length 64.
        dropout: the probability of zeroing a feature while training: before, between and after the layers.
        skip: each layer from the second on adds what it computes to what it reads, x + f(x).
        adaptive: an adaptive softmax in place of the full one: frequent tokens, which have the small ids, are scored
            with all features and rare ones with few (Grave, Joulin, Cissé, Grangier and Jégou, 2017). The logits are
            then logarithms of probabilities. Training is faster where V is large.
        vocabulary: the digest of the vocabulary (`Vocab.digest`): any other one is refused; None takes all of size V.

    Attributes:
        settings: dict of the arguments, from which LanguageModel(**settings) makes a model of the same kind.

    Raises:
        ValueError: an unknown cell, a size below 1, or a dropout outside [0, 1).
    """

    def __init__(
        self,
        vocab_size,
        hidden_size,
        cell="rnn",
        num_layers=1,
        embedding_size="auto",
        dropout=0.0,
        skip=False,
        adaptive=False,
        vocabulary=None,
    ):
        super().__init__()
        if embedding_size == "auto":
            embedding_size = None if vocab_size <= ONE_HOT_TOKENS else 64
        input_size = vocab_size if embedding_size is None else embedding_size
        sizes = dict(vocab_size=vocab_size, hidden_size=hidden_size, num_layers=num_layers)
        check_settings(cell, dropout, embedding_size=input_size, **sizes)
        self.settings = dict(
            cell=cell,
            embedding_size=embedding_size,
            dropout=dropout,
            skip=skip,
            adaptive=adaptive,
            vocabulary=vocabulary,
            **sizes,
        )
        self.vocab_size, self.vocabulary = vocab_size, vocabulary
        self.embedding = None if embedding_size is None else nn.Embedding(vocab_size, embedding_size)
        if skip:
            self.recurrent = SkipStack(cell, input_size, hidden_size, num_layers, dropout)
        else:
            self.recurrent = recurrent_layer(cell, input_size, hidden_size, num_layers, dropout)
        self.state_shape = (num_layers, hidden_size)
        self.has_pair = cell == "lstm"
        self.dropout = nn.Dropout(dropout)
        if adaptive:
            cutoffs = [vocab_size // 20, vocab_size // 5]
            self.output = nn.AdaptiveLogSoftmaxWithLoss(hidden_size, vocab_size, cutoffs, head_bias=True)
        else:
            self.output = nn.Linear(hidden_size, vocab_size)
        self.adaptive = adaptive

    def forward(self, ids, state=None):
        """Score the next token at every position.

        Args:
            ids: (B, T) integers, T at least 1.
            state: the state returned for the tokens before, or None for zeros.

        Returns:
            logits (B, T, V) and the state after the last token.

        Raises:
            TypeError: ids are not integers, or the state is not a tensor, or for an LSTM not a pair of tensors.
            ValueError: ids are not (B, T) or not below V, or the state has the wrong shape or is on another device.
        """
        H, state = self._read(ids, state)
        logits = self.output.log_prob(H.flatten(0, 1)).unflatten(0, H.shape[:2]) if self.adaptive else self.output(H)
        return logits.transpose(0, 1), state

    def loss(self, ids, targets, state=None):
        """The mean cross-entropy of the next tokens: with an adaptive softmax much cheaper than all the logits.

        Args:
            ids, state: see `forward`.
            targets: (B, T) integers, the token after each of ids.

        Returns:
            the mean in nats per token, a scalar tensor, and the state after the last token.

        Raises: see `forward`.
        """
        if self.adaptive:
            H, state = self._read(ids, state)
            return self.output(H.flatten(0, 1), targets.T.flatten()).loss, state
        logits, state = self(ids, state)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten()), state

    def _read(self, ids, state):
        """The features (T, B, h) after each token, and the state."""
        ids = check_batch(ids, self.vocab_size)
        if state is not None:
            num_layers, hidden_size = self.state_shape
            check_state(state, (num_layers, len(ids), hidden_size), ids.device, pair=self.has_pair)
        if self.embedding is None:
            X = F.one_hot(ids.T, self.vocab_size).to(next(self.recurrent.parameters()).dtype)  # (T, B, V)
        else:
            X = self.embedding(ids.T)  # (T, B, D)
        H, state = self.recurrent(self.dropout(X), state)  # (T, B, h)
        return self.dropout(H), state


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
        ids = check_batch(ids, self.vocab_size)
        params = dict(self.params)
        X = F.one_hot(ids.T, self.vocab_size).to(next(iter(params.values())).dtype)  # (T, B, V)
        outputs, state = self.recurrence(X, state, params)
        return outputs.transpose(0, 1), state


@torch.no_grad()
def generate(model, vocab, prefix, num_tokens, temperature=1.0, top_k=None, generator=None, write_reserved=False):
    """Continue a prefix with tokens drawn from the model.

    First the state is warmed up: the model reads the prefix and its predictions are
    thrown away, all but the last. Then each token is drawn from softmax(logits / temperature) and fed back.

    Args:
        model: `logits, state = model(ids, state)`, such as LanguageModel. It is used in evaluation mode.
        vocab: the model's Vocab.
        prefix: a list of tokens; for a model of characters a str does as well. Not empty.
        num_tokens: how many tokens to draw, at least 0.
        temperature: above 0; below 1 the likely tokens become likelier, above 1 all become alike.
        top_k: draw among the k likeliest tokens only; 1 always takes the likeliest.
        generator: a CPU torch.Generator.
        write_reserved: whether `<unk>` and the reserved tokens may be written.

    Returns:
        list of num_tokens new tokens, without the prefix: "".join(…) for characters.

    Raises:
        TypeError: the prefix is a str, but the vocabulary is of words.
        ValueError: an empty prefix or one with tokens that are not in the vocabulary, a temperature of 0
            or below, a top_k below 1 or above the vocabulary, a negative num_tokens, a
            vocabulary that is not the model's, or a model that predicts NaN.
    """
    if isinstance(prefix, str) and any(len(token) > 1 for token in vocab.counts):
        raise TypeError("the prefix is a str, but the vocabulary is of words: pass a list of them, tokenize(prefix)")
    prefix = list(prefix)
    if not prefix:
        raise ValueError("the prefix is empty: give at least one token to start from")
    unknown = sorted({str(token) for token in prefix if token not in vocab})
    if unknown:
        raise ValueError(
            f"not in the vocabulary: {', '.join(map(repr, unknown))}. Prepare the prefix as the training text "
            "was (lower case? words instead of characters?)"
        )
    check_vocab(model, vocab)
    if not temperature > 0:
        raise ValueError(f"temperature must be above 0, not {temperature}; for the likeliest token use top_k=1")
    banned = 0 if write_reserved else 1 + len(vocab.reserved)  # their ids come first
    num_choices = len(vocab) - banned
    if top_k is not None and not 1 <= top_k <= num_choices:
        raise ValueError(f"top_k must be between 1 and the {num_choices} tokens that can be written, not {top_k}")
    if num_tokens < 0:
        raise ValueError(f"num_tokens must be at least 0, not {num_tokens}")

    device = device_of(model)
    was_training = model.training
    model.eval()
    try:
        ids, new = vocab.to_ids(prefix), []
        state = None
        for _ in range(num_tokens):
            logits, state = model(torch.tensor([ids], device=device), state)
            check_numbers(logits)
            new.append(banned + _draw(logits[0, -1, banned:], temperature, top_k, generator))
            ids = new[-1:]
    finally:
        model.train(was_training)
    return vocab.to_tokens(new)


def check_vocab(model, vocab):
    """Refuse a vocabulary that is not the model's.

    Args:
        model: such as LanguageModel. One that knows neither its vocab_size nor its vocabulary takes any.
        vocab: Vocab.

    Raises:
        ValueError: the vocabulary has another size, or the model was made for another one of this size.
    """
    if getattr(model, "vocab_size", len(vocab)) != len(vocab):
        raise ValueError(f"the model knows {model.vocab_size} tokens and the vocabulary {len(vocab)}: pass its own one")
    if getattr(model, "vocabulary", None) not in (None, vocab.digest):
        raise ValueError("the vocabulary has as many tokens as the model's, but other ones: pass the model's own")


def _draw(logits, temperature, top_k, generator):
    best, ids = torch.topk(logits.double().cpu(), top_k or len(logits))  # falling
    probs = torch.softmax((best - best[0]) / temperature, dim=0)  # ≤ 0, so that a tiny temperature cannot overflow
    return ids[torch.multinomial(probs, 1, generator=generator)].item()
