"""Networks that read a whole sentence before they answer: a tag for each token, or one class for the sentence.

Sentences of different lengths come as one padded batch, ids (B, T) with lengths (B,), as `batches.pad` makes it. They
are read as packed sequences of torch.nn: the padding is never read, in neither direction.
"""

import torch
from torch import nn

from d2lrnn.batches import mask
from d2lrnn.layers import Encoder, check_settings

POOLINGS = ("last", "mean", "max")


class Tagger(nn.Module):
    """A tag for each token of a sentence, such as its part of speech.

    `logits = model(ids, lengths)` with ids (B, T) and logits (B, T, K).

    Args:
        vocab_size: V.
        num_tags: K.
        hidden_size: h, the number of hidden units of each layer and direction.
        cell: "rnn" (tanh), "gru" or "lstm".
        num_layers: how many recurrent layers are stacked.
        embedding_size: the length of the learned vector that stands for a token.
        dropout: the probability of zeroing a feature while training: before, between and after the layers.
        bidirectional: read backwards as well, so that a tag can depend on what follows.

    Raises:
        ValueError: an unknown cell, a size below 1 or a dropout outside [0, 1).
    """

    def __init__(
        self,
        vocab_size,
        num_tags,
        hidden_size,
        cell="lstm",
        num_layers=1,
        embedding_size=64,
        dropout=0.0,
        bidirectional=True,
    ):
        super().__init__()
        check_settings(cell, dropout, num_tags=num_tags)
        self.encoder = Encoder(vocab_size, hidden_size, cell, num_layers, embedding_size, dropout, bidirectional)
        self.output = nn.Linear(self.encoder.output_size, num_tags)

    def forward(self, ids, lengths=None):
        """Score the tags of every token.

        Args:
            ids: (B, T) integers, padded at the end with any id below V.
            lengths: (B,) the length of each sentence, from 1 to T, in any order; None: all have length T.

        Returns:
            logits (B, T, K); those in the padding mean nothing: see `training.masked_cross_entropy`.

        Raises:
            ValueError: ids are not (B, T) or not below V; lengths are not (B,), or one is below 1 or above T.
        """
        H, _ = self.encoder(ids, lengths)
        return self.output(H).transpose(0, 1)


class SentenceClassifier(nn.Module):
    """One class for a whole sentence.

    `logits = model(ids, lengths)` with ids (B, T) and logits (B, K).

    Args:
        vocab_size: V.
        num_classes: K.
        hidden_size: h, the number of hidden units of each layer and direction.
        cell: "rnn" (tanh), "gru" or "lstm".
        num_layers: how many recurrent layers are stacked.
        embedding_size: the length of the learned vector that stands for a token.
        dropout: the probability of zeroing a feature while training: before, between and after the layers.
        bidirectional: read backwards as well.
        pooling: how the hidden states of the last layer become one vector: "last" (the state of each direction when it
            has read the sentence), or the "mean" or "max" over the tokens.

    Raises:
        ValueError: an unknown cell or pooling, a size below 1 or a dropout outside [0, 1).
    """

    def __init__(
        self,
        vocab_size,
        num_classes,
        hidden_size,
        cell="lstm",
        num_layers=1,
        embedding_size=64,
        dropout=0.0,
        bidirectional=True,
        pooling="last",
    ):
        super().__init__()
        check_settings(cell, dropout, num_classes=num_classes)
        if pooling not in POOLINGS:
            raise ValueError(f"pooling must be one of {', '.join(POOLINGS)}, not {pooling!r}")
        self.encoder = Encoder(vocab_size, hidden_size, cell, num_layers, embedding_size, dropout, bidirectional)
        self.pooling = pooling
        self.output = nn.Linear(self.encoder.output_size, num_classes)

    def forward(self, ids, lengths=None):
        """Score the classes of every sentence.

        Args:
            ids: (B, T) integers, padded at the end with any id below V.
            lengths: (B,) the length of each sentence, from 1 to T, in any order; None: all have length T.

        Returns:
            logits (B, K).

        Raises:
            ValueError: ids are not (B, T) or not below V; lengths are not (B,), or one is below 1 or above T.
        """
        H, last = self.encoder(ids, lengths)
        if self.pooling == "last":
            return self.output(last)
        lengths = torch.full((len(ids),), len(H)) if lengths is None else torch.as_tensor(lengths)
        lengths = lengths.to(H.device)
        if self.pooling == "mean":
            return self.output(H.sum(dim=0) / lengths[:, None])  # zeros in the padding
        tokens = mask(lengths, len(H)).T[..., None]  # (T, B, 1)
        return self.output(H.masked_fill(~tokens, -torch.inf).amax(dim=0))
