"""Networks that read a whole sentence before they answer: a tag for each token, or one class for the sentence.

Sentences of different lengths come as one padded batch, ids (B, T) with lengths (B,), as `batches.pad` makes it. They
are read as packed sequences of torch.nn: the padding is never read, in neither direction.
"""

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from d2lrnn.batches import mask
from d2lrnn.layers import CELLS, check_lengths

POOLINGS = ("last", "mean", "max")


class Reader(nn.Module):
    """An embedding and recurrent layers over padded sentences; the part that both models below share.

    Args:
        vocab_size: V.
        hidden_size: h, the number of hidden units of each layer and direction.
        cell: "rnn" (tanh), "gru" or "lstm".
        num_layers: how many recurrent layers are stacked.
        bidirectional: read backwards as well.
        embedding_size: the length of the learned vector that stands for a token.
        dropout: the probability of zeroing a feature while training: before, between and after the layers.

    Raises:
        ValueError: an unknown cell, a size below 1 or a dropout outside [0, 1).
    """

    def __init__(self, vocab_size, hidden_size, cell, num_layers, bidirectional, embedding_size, dropout):
        super().__init__()
        if cell not in CELLS:
            raise ValueError(f"cell must be one of {', '.join(CELLS)}, not {cell!r}")
        if min(vocab_size, hidden_size, num_layers, embedding_size) < 1:
            raise ValueError("vocab_size, hidden_size, num_layers and embedding_size must be at least 1")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must be at least 0 and below 1, not {dropout}")
        self.embedding = nn.Embedding(vocab_size, embedding_size)
        between = dropout if num_layers > 1 else 0.0  # torch warns about dropout between layers when there is one
        self.recurrent = CELLS[cell](
            embedding_size, hidden_size, num_layers, dropout=between, bidirectional=bidirectional
        )
        self.dropout = nn.Dropout(dropout)
        self.output_size = hidden_size * (1 + bidirectional)

    def forward(self, ids, lengths=None):
        """Read sentences.

        Args:
            ids: (B, T) long, padded at the end with any id below V.
            lengths: (B,) the length of each sentence, from 1 to T, in any order; None: all have length T.

        Returns:
            H (T, B, d) of the last layer, where d is h or, in two directions, 2h, zeros in the padding; and what has
            been read when each direction is through with the sentence, (B, d).

        Raises:
            ValueError: ids are not (B, T) or not below V; lengths are not (B,), or one is below 1 or above T.
        """
        if ids.dim() != 2 or 0 in ids.shape:
            raise ValueError(f"ids must be (B, T) with B and T of at least 1, not {tuple(ids.shape)}")
        if ids.min() < 0 or ids.max() >= self.embedding.num_embeddings:
            raise ValueError(
                f"ids must be between 0 and {self.embedding.num_embeddings - 1}, but they go from {ids.min()} to "
                f"{ids.max()}: use the vocabulary that the model was made for, for the padding too"
            )
        B, T = ids.shape
        lengths = check_lengths([T] * B if lengths is None else lengths, B, T)
        X = self.dropout(self.embedding(ids.T))  # (T, B, D)
        # torch wants the lengths on the CPU.
        H, state = self.recurrent(pack_padded_sequence(X, lengths.cpu(), enforce_sorted=False))
        H, _ = pad_packed_sequence(H, total_length=T)
        last = state[0] if isinstance(state, tuple) else state  # (num_layers · directions, B, h)
        directions = 2 if self.recurrent.bidirectional else 1
        return self.dropout(H), self.dropout(torch.cat(last[-directions:].unbind(), dim=1))


class Tagger(nn.Module):
    """A tag for each token of a sentence, such as its part of speech.

    `logits = model(ids, lengths)` with ids (B, T) and logits (B, T, K).

    Args:
        vocab_size: V.
        num_tags: K.
        hidden_size: h, the number of hidden units of each layer and direction.
        cell: "rnn" (tanh), "gru" or "lstm".
        num_layers: how many recurrent layers are stacked.
        bidirectional: read backwards as well, so that a tag can depend on what follows.
        embedding_size: the length of the learned vector that stands for a token.
        dropout: the probability of zeroing a feature while training: before, between and after the layers.

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
        bidirectional=True,
        embedding_size=64,
        dropout=0.0,
    ):
        super().__init__()
        if num_tags < 1:
            raise ValueError(f"num_tags must be at least 1, not {num_tags}")
        self.reader = Reader(vocab_size, hidden_size, cell, num_layers, bidirectional, embedding_size, dropout)
        self.output = nn.Linear(self.reader.output_size, num_tags)

    def forward(self, ids, lengths=None):
        """Score the tags of every token.

        Args:
            ids: (B, T) long, padded at the end with any id below V.
            lengths: (B,) the length of each sentence, from 1 to T, in any order; None: all have length T.

        Returns:
            logits (B, T, K); those in the padding mean nothing: see `training.masked_cross_entropy`.

        Raises:
            ValueError: ids are not (B, T) or not below V; lengths are not (B,), or one is below 1 or above T.
        """
        H, _ = self.reader(ids, lengths)
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
        bidirectional: read backwards as well.
        embedding_size: the length of the learned vector that stands for a token.
        dropout: the probability of zeroing a feature while training: before, between and after the layers.
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
        bidirectional=True,
        embedding_size=64,
        dropout=0.0,
        pooling="last",
    ):
        super().__init__()
        if num_classes < 1:
            raise ValueError(f"num_classes must be at least 1, not {num_classes}")
        if pooling not in POOLINGS:
            raise ValueError(f"pooling must be one of {', '.join(POOLINGS)}, not {pooling!r}")
        self.reader = Reader(vocab_size, hidden_size, cell, num_layers, bidirectional, embedding_size, dropout)
        self.pooling = pooling
        self.output = nn.Linear(self.reader.output_size, num_classes)

    def forward(self, ids, lengths=None):
        """Score the classes of every sentence.

        Args:
            ids: (B, T) long, padded at the end with any id below V.
            lengths: (B,) the length of each sentence, from 1 to T, in any order; None: all have length T.

        Returns:
            logits (B, K).

        Raises:
            ValueError: ids are not (B, T) or not below V; lengths are not (B,), or one is below 1 or above T.
        """
        H, last = self.reader(ids, lengths)
        if self.pooling == "last":
            return self.output(last)
        lengths = torch.full((len(ids),), len(H)) if lengths is None else torch.as_tensor(lengths)
        lengths = lengths.to(H.device)
        if self.pooling == "mean":
            return self.output(H.sum(dim=0) / lengths[:, None])  # zeros in the padding
        tokens = mask(lengths, len(H)).T[..., None]  # (T, B, 1)
        return self.output(H.masked_fill(~tokens, -torch.inf).amax(dim=0))
