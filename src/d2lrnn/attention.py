"""Attention: a context for each query, a weighted mean of values, with weights from a score of the query and each key.

Queries are (B, Q, q), keys (B, S, k) and values (B, S, v): Q queries and S positions for each of B sentences. The
weights of a query sum to 1 over the positions, and padding has weight 0.
"""

import math

import torch
from torch import nn

from d2lrnn.batches import mask
from d2lrnn.layers import check_lengths


def masked_softmax(scores, lengths=None):
    """Softmax over the last dimension, where padding gets a weight of exactly 0, and no gradient.

    Args:
        scores: (B, …, S).
        lengths: (B,) the number of positions that count, from 1 to S; or a bool mask of a shape that broadcasts to
            scores, True for the positions that count; None: all count.

    Returns:
        weights, of the shape of scores.

    Raises:
        TypeError: lengths are neither integers nor a bool mask.
        ValueError: lengths are not (B,), one is below 1 or above S, or a mask leaves nothing for some query.
    """
    if lengths is None:
        return torch.softmax(scores, dim=-1)
    if isinstance(lengths, torch.Tensor) and lengths.dtype == torch.bool:
        allowed = lengths
        if not allowed.any(dim=-1).all():
            raise ValueError("the mask leaves some query no position at all: each needs at least one")
    else:
        lengths = check_lengths(lengths, len(scores), scores.shape[-1]).to(scores.device)
        allowed = mask(lengths, scores.shape[-1]).view(len(scores), *[1] * (scores.dim() - 2), -1)
    # −∞ before the softmax, not 0 after it: then the other weights sum to 1.
    return torch.softmax(scores.masked_fill(~allowed, -torch.inf), dim=-1)


def scaled_dot_product(queries, keys, values, lengths=None):
    """Attention with the scores q·k / √d.

    Source: Vaswani and others (2017).

    Args:
        queries: (B, Q, d).
        keys: (B, S, d).
        values: (B, S, v).
        lengths: (B,) the length of each sentence, or a bool mask: see `masked_softmax`.

    Returns:
        contexts (B, Q, v) and weights (B, Q, S).

    Raises:
        ValueError: the shapes or the lengths do not fit.
    """
    _check_shapes(queries, keys, values)
    if queries.shape[2] != keys.shape[2]:
        raise ValueError(
            f"a dot product needs queries and keys of one size, not {queries.shape[2]} and {keys.shape[2]}: "
            "use DotAttention or AdditiveAttention"
        )
    weights = masked_softmax(queries @ keys.transpose(1, 2) / math.sqrt(keys.shape[2]), lengths)
    return weights @ values, weights


class DotAttention(nn.Module):
    """Scaled dot-product attention with a learned map from queries to the size of the keys: (q W_q)·k / √d.

    Source: the score "general" of Luong, Pham and Manning (2015), scaled as by Vaswani and others (2017).

    Args:
        query_size: the size of a query.
        key_size: d, the size of a key.
    """

    def __init__(self, query_size, key_size):
        super().__init__()
        self.W_q = nn.Linear(query_size, key_size, bias=False)

    def forward(self, queries, keys, values, lengths=None):
        """Attend: see `scaled_dot_product`."""
        return self.attend(queries, self.prepare(keys), values, lengths)

    def prepare(self, keys):
        """What can be computed from the keys once, for all queries: here nothing."""
        return keys

    def attend(self, queries, prepared, values, lengths=None):
        """Attend with keys that have been prepared."""
        return scaled_dot_product(self.W_q(queries), prepared, values, lengths)


class AdditiveAttention(nn.Module):
    """Attention with the scores w·tanh(q W_q + k W_k + b): a network with one hidden layer.

    Source: Bahdanau, Cho and Bengio (2015).

    Args:
        query_size: the size of a query.
        key_size: the size of a key.
        num_hiddens: the size of the hidden layer.
    """

    def __init__(self, query_size, key_size, num_hiddens):
        super().__init__()
        self.W_q = nn.Linear(query_size, num_hiddens, bias=False)
        self.W_k = nn.Linear(key_size, num_hiddens)
        self.w = nn.Linear(num_hiddens, 1, bias=False)

    def forward(self, queries, keys, values, lengths=None):
        """Attend.

        Args:
            queries: (B, Q, q).
            keys: (B, S, k).
            values: (B, S, v).
            lengths: (B,) the length of each sentence, or a bool mask: see `masked_softmax`.

        Returns:
            contexts (B, Q, v) and weights (B, Q, S).

        Raises:
            ValueError: the shapes or the lengths do not fit.
        """
        return self.attend(queries, self.prepare(keys), values, lengths)

    def prepare(self, keys):
        """What can be computed from the keys once, for all queries: k W_k + b."""
        return self.W_k(keys)

    def attend(self, queries, prepared, values, lengths=None):
        """Attend with keys that have been prepared."""
        _check_shapes(queries, prepared, values)
        hidden = torch.tanh(self.W_q(queries)[:, :, None] + prepared[:, None])  # (B, Q, S, num_hiddens)
        weights = masked_softmax(self.w(hidden).squeeze(-1), lengths)
        return weights @ values, weights


def _check_shapes(queries, keys, values):
    fits = queries.dim() == keys.dim() == values.dim() == 3 and keys.shape[:2] == values.shape[:2]
    if not fits or len(queries) != len(keys):
        raise ValueError(
            f"queries (B, Q, q), keys (B, S, k) and values (B, S, v) do not fit: {tuple(queries.shape)}, "
            f"{tuple(keys.shape)}, {tuple(values.shape)}"
        )
