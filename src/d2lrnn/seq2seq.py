"""A network that reads one sequence and writes another: an encoder, a context, a decoder.

P(y | x) = Π_t P(y_t | y_1 … y_{t−1}, x). The encoder reads the source x and leaves a context c, what it has read when
each direction is through with the sentence. The decoder is a language model of the target y that is given c in one of
three ways, its *wiring*:

- "initial_state": s_0 = tanh(c W_s + b_s) and s_t = g(y_{t−1}, s_{t−1});
- "every_step": s_0 is learned, the same for all sentences, and s_t = g([y_{t−1}, c], s_{t−1});
- "both": s_0 = tanh(c W_s + b_s) and s_t = g([y_{t−1}, c], s_{t−1}).

With attention each step has besides a context c_t of its own, a weighted mean of the encoder's states, and the output
layer reads tanh([s_t, c_t] W_c + b_c) instead of s_t. The query is s_t, as in Luong, Pham and Manning (2015), and not
s_{t−1}, as in Bahdanau, Cho and Bengio (2015), where c_t acts on s_t. So teacher forcing needs no loop over the steps:
first the recurrence runs over all of them, then all T queries are answered at once.
"""

from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from d2lrnn.attention import AdditiveAttention, DotAttention
from d2lrnn.batches import mask
from d2lrnn.layers import Encoder, check_batch, check_lengths, check_settings, recurrent_layer

WIRINGS = ("initial_state", "every_step", "both")
ATTENTIONS = ("additive", "dot")


class State(NamedTuple):
    """What a decoder knows before a step. Only the recurrent part is new after each step.

    Dimension 0 of every tensor is the sentence: to go on with some of the sentences, or with one of them several
    times, take these rows of every tensor. A plain tuple of the same tensors does as well.
    """

    recurrent: torch.Tensor  # (B, 1, L, h): the state of each layer; for an LSTM (B, 2, L, h), H and C
    context: torch.Tensor  # (B, d)


class AttentionState(NamedTuple):
    """The State of a decoder with attention."""

    recurrent: torch.Tensor  # (B, 1, L, h); for an LSTM (B, 2, L, h), H and C
    context: torch.Tensor  # (B, d)
    keys: torch.Tensor  # (B, S, ·), prepared
    values: torch.Tensor  # (B, S, d)
    lengths: torch.Tensor  # (B,)


class Decoder(nn.Module):
    """A language model of the target sentence that is given what the encoder has read.

    Args:
        vocab_size: V, of the target language.
        hidden_size: h, the number of hidden units of each layer.
        context_size: d, the size of the encoder's states.
        cell: "rnn" (tanh), "gru" or "lstm".
        num_layers: L, how many recurrent layers are stacked.
        embedding_size: the length of the learned vector that stands for a token.
        dropout: the probability of zeroing a feature while training: before, between and after the layers.
        wiring: how the context enters: "initial_state", "every_step" or "both".
        attention: None, "additive" or "dot".

    Raises:
        ValueError: an unknown cell, wiring or attention, a size below 1, or a dropout outside [0, 1).
    """

    def __init__(
        self,
        vocab_size,
        hidden_size,
        context_size,
        cell="gru",
        num_layers=1,
        embedding_size=64,
        dropout=0.0,
        wiring="both",
        attention=None,
    ):
        super().__init__()
        sizes = dict(vocab_size=vocab_size, hidden_size=hidden_size, context_size=context_size)
        check_settings(cell, dropout, num_layers=num_layers, embedding_size=embedding_size, **sizes)
        if wiring not in WIRINGS:
            raise ValueError(f"wiring must be one of {', '.join(WIRINGS)}, not {wiring!r}")
        if attention not in (None, *ATTENTIONS):
            raise ValueError(f"attention must be None or one of {', '.join(ATTENTIONS)}, not {attention!r}")
        self.state_shape = (2 if cell == "lstm" else 1, num_layers, hidden_size)
        state_size = torch.Size(self.state_shape).numel()
        self.embedding = nn.Embedding(vocab_size, embedding_size)
        if wiring == "every_step":
            self.own_state = nn.Parameter(torch.zeros(state_size))
        else:
            self.first_state = nn.Linear(context_size, state_size)
        self.reads_context = wiring != "initial_state"
        input_size = embedding_size + context_size * self.reads_context
        self.recurrent = recurrent_layer(cell, input_size, hidden_size, num_layers, dropout)
        if attention is not None:
            if attention == "additive":
                self.attention = AdditiveAttention(hidden_size, context_size, hidden_size)
            else:
                self.attention = DotAttention(hidden_size, context_size)
            self.combine = nn.Linear(hidden_size + context_size, hidden_size)
        else:
            self.attention = None
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(hidden_size, vocab_size)

    def start(self, H, lengths, context):
        """The state before the first step.

        Args:
            H: (S, B, d) the encoder's states.
            lengths: (B,) the lengths of the source sentences.
            context: (B, d).

        Returns:
            State, with attention AttentionState.
        """
        if hasattr(self, "own_state"):
            first = self.own_state.expand(len(context), -1)
        else:
            first = torch.tanh(self.first_state(context))
        recurrent = first.view(-1, *self.state_shape)
        if self.attention is None:
            return State(recurrent, context)
        values = H.transpose(0, 1)
        return AttentionState(recurrent, context, self.attention.prepare(values), values, lengths)

    def forward(self, tokens, state):
        """Read the tokens y_{t−1} of T steps and give what the output layer reads.

        Args:
            tokens: (B, T) integers, the first one <bos>.
            state: the State before these tokens: of `start`, or returned for the tokens before.

        Returns:
            features (B, T, h), the State after the last token, and the attention weights (B, T, S) or None.

        Raises:
            TypeError: tokens are not integers.
            ValueError: tokens are not (B, T), or not below V.
        """
        tokens = check_batch(tokens, self.embedding.num_embeddings, "target ids")
        state = State(*state) if self.attention is None else AttentionState(*state)
        X = self.dropout(self.embedding(tokens.T))  # (T, B, D)
        if self.reads_context:
            X = torch.cat([X, state.context.expand(len(X), -1, -1)], dim=2)
        parts = tuple(state.recurrent.permute(1, 2, 0, 3).contiguous())  # 1 or 2 of (L, B, h)
        S, last = self.recurrent(X, parts if len(parts) == 2 else parts[0])
        last = torch.stack(last if len(parts) == 2 else (last,))
        state = state._replace(recurrent=last.permute(2, 0, 1, 3))
        features, weights = S.transpose(0, 1), None
        if self.attention is not None:
            contexts, weights = self.attention.attend(features, state.keys, state.values, state.lengths)
            features = torch.tanh(self.combine(torch.cat([features, contexts], dim=2)))
        return self.dropout(features), state, weights


class Seq2Seq(nn.Module):
    """P(y | x) from an encoder and a decoder.

    Training: `logits = model(source, source_lengths, target_in)`. Translating: `state = model.start(source,
    source_lengths)`, then `log_probs, state = model.step(tokens, state)` for each token.

    Args:
        source_vocab_size: the number of source tokens.
        target_vocab_size: V, the number of target tokens.
        hidden_size: h, the number of hidden units of each layer and direction.
        cell: "rnn" (tanh), "gru" or "lstm".
        num_layers: how many recurrent layers are stacked, in the encoder and in the decoder.
        embedding_size: the length of the learned vectors that stand for tokens.
        dropout: the probability of zeroing a feature while training: before, between and after the layers.
        bidirectional: the encoder reads backwards as well.
        wiring: how the context enters the decoder: "initial_state", "every_step" or "both".
        attention: None, "additive" or "dot".
        vocabularies: the digests of the two vocabularies (`PairData.digests`): a translator refuses any others.

    Attributes:
        settings: dict of the arguments, from which Seq2Seq(**settings) makes a model of the same kind.

    Raises:
        ValueError: an unknown cell, wiring or attention, a size below 1, or a dropout outside [0, 1).
    """

    def __init__(
        self,
        source_vocab_size,
        target_vocab_size,
        hidden_size,
        cell="gru",
        num_layers=1,
        embedding_size=64,
        dropout=0.0,
        bidirectional=False,
        wiring="both",
        attention=None,
        vocabularies=None,
    ):
        super().__init__()
        self.settings = dict(
            source_vocab_size=source_vocab_size,
            target_vocab_size=target_vocab_size,
            hidden_size=hidden_size,
            cell=cell,
            num_layers=num_layers,
            embedding_size=embedding_size,
            dropout=dropout,
            bidirectional=bidirectional,
            wiring=wiring,
            attention=attention,
            vocabularies=vocabularies,
        )
        check_settings(cell, dropout, source_vocab_size=source_vocab_size, target_vocab_size=target_vocab_size)
        both = dict(cell=cell, num_layers=num_layers, embedding_size=embedding_size, dropout=dropout)
        self.encoder = Encoder(source_vocab_size, hidden_size, bidirectional=bidirectional, **both)
        context_size = self.encoder.output_size
        self.decoder = Decoder(target_vocab_size, hidden_size, context_size, wiring=wiring, attention=attention, **both)

    def forward(self, source, source_lengths, target_in):
        """Teacher forcing: score each target token given the true tokens before it.

        Args:
            source: (B, S) integers, padded at the end.
            source_lengths: (B,) the length of each source sentence, from 1 to S.
            target_in: (B, T) integers, the target sentences without their last token, from <bos> on; padded at will.

        Returns:
            logits (B, T, V): logits[:, t] score the token after target_in[:, t]; those in the padding mean nothing.

        Raises:
            ValueError: ids or lengths do not fit: see `layers.Encoder`.
        """
        features, _, _ = self._decode(source, source_lengths, target_in)
        return self.decoder.output(features)

    def start(self, source, source_lengths=None):
        """Read the source sentences: the state before the first step.

        Args:
            source: (B, S) integers, padded at the end.
            source_lengths: (B,) the length of each sentence, from 1 to S; None: all have length S.

        Returns:
            State, with attention AttentionState.

        Raises:
            ValueError: ids or lengths do not fit: see `layers.Encoder`.
        """
        H, context = self.encoder(source, source_lengths)
        if source_lengths is None:
            source_lengths = [len(H)] * len(context)
        return self.decoder.start(H, torch.as_tensor(source_lengths, device=H.device), context)

    def step(self, tokens, state):
        """Read one token of each sentence and score the next.

        Args:
            tokens: (N,) integers, the tokens before: <bos> at first.
            state: the State of `start`, or returned by the step before.

        Returns:
            log_probs (N, V), natural logarithms, and the State after these tokens.

        Raises:
            TypeError: tokens are not integers.
            ValueError: a token is not below V, or tokens and state are not equally many.
        """
        N = len(state[0])
        if tokens.shape != (N,):
            raise ValueError(f"tokens must be ({N},), one for each row of the state, not {tuple(tokens.shape)}")
        features, state, _ = self.decoder(tokens[:, None], state)
        return F.log_softmax(self.decoder.output(features[:, 0]), dim=1), state

    def attention_weights(self, source, source_lengths, target_in):
        """What each target position attends to, under teacher forcing.

        Args:
            source, source_lengths, target_in: see `forward`.

        Returns:
            weights (B, T, S): weights[:, t] are those with which the token after target_in[:, t] is predicted.

        Raises:
            ValueError: the model has no attention, or ids or lengths do not fit.
        """
        if self.decoder.attention is None:
            raise ValueError('this model has no attention: make it with attention="additive" or attention="dot"')
        return self._decode(source, source_lengths, target_in)[2]

    def _decode(self, source, source_lengths, target_in):
        if len(target_in) != len(source):
            raise ValueError(
                "source (B, S) and target_in (B, T) must be of the same B, but they are "
                f"{tuple(source.shape)} and {tuple(target_in.shape)}"
            )
        return self.decoder(target_in, self.start(source, source_lengths))


def batch_loss(model, batch, label_smoothing=0.0):
    """The masked loss of teacher forcing, for `training.fit_batches`.

    The decoder reads <bos> y_1 … y_n and predicts y_1 … y_n <eos>.

    Args:
        model: Seq2Seq.
        batch: source (B, S), source_lengths (B,), target (B, T), target_lengths (B,): a target sentence is
            <bos>, its tokens, <eos>.
        label_smoothing: the share of the target's probability that is spread evenly over all V tokens, from 0 up to
            1; only while the model is in training mode, and only for the gradient. Source: Szegedy and others,
            Rethinking the Inception architecture for computer vision (2016).

    Returns:
        the mean cross-entropy in nats per target token, padding and <bos> left out, and the number of these tokens:
        what `training.masked_cross_entropy` gives.

    Raises:
        ValueError: ids or lengths do not fit, or a target sentence is shorter than two tokens.
    """
    source, source_lengths, target, target_lengths = batch
    target = check_batch(target, model.decoder.embedding.num_embeddings, "target ids")
    B, T = target.shape
    lengths = check_lengths(target_lengths - 1, B, T - 1)
    features = model._decode(source, source_lengths, target[:, :-1])[0].flatten(0, 1)
    tokens = mask(lengths.to(target.device), T - 1).flatten().nonzero()[:, 0]
    # The output layer is the dearest part of the model: it never sees the padding.
    logits, wanted = model.decoder.output(features[tokens]), target[:, 1:].flatten()[tokens]
    if not (label_smoothing and model.training):
        return F.cross_entropy(logits, wanted), len(tokens)
    smoothed = F.cross_entropy(logits, wanted, label_smoothing=label_smoothing)
    with torch.no_grad():
        plain = F.cross_entropy(logits, wanted)
    return smoothed + (plain - smoothed).detach(), len(tokens)  # this value, and that gradient
