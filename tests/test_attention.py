import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F
from torch.testing import assert_close

from d2lrnn.attention import AdditiveAttention, DotAttention, masked_softmax, scaled_dot_product
from d2lrnn.batches import mask

torch.set_num_threads(1)

sizes = given(
    lengths=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    extra=st.integers(0, 2),
    Q=st.integers(1, 4),
    d=st.integers(1, 6),
    v=st.integers(1, 5),
    seed=st.integers(0, 1000),
)
every_kind = pytest.mark.parametrize("kind", ["scaled_dot_product", "dot", "additive"])


def random_inputs(lengths, extra, Q, d, v, seed=0):
    draw = torch.Generator().manual_seed(seed)
    B, S = len(lengths), max(lengths) + extra
    shapes = (B, Q, d), (B, S, d), (B, S, v)
    return (*(torch.randn(shape, dtype=torch.float64, generator=draw) for shape in shapes), torch.tensor(lengths))


def make(kind, d):
    torch.manual_seed(0)
    modules = {"dot": lambda: DotAttention(d, d), "additive": lambda: AdditiveAttention(d, d, 3)}
    return modules[kind]().double() if kind in modules else scaled_dot_product


@sizes
def test_scaled_dot_product_is_that_of_torch(lengths, extra, Q, d, v, seed):
    queries, keys, values, lengths = random_inputs(lengths, extra, Q, d, v, seed)
    allowed = mask(lengths, keys.shape[1])[:, None].expand(-1, Q, -1)
    contexts, weights = scaled_dot_product(queries, keys, values, lengths)
    assert_close(contexts, F.scaled_dot_product_attention(queries, keys, values, attn_mask=allowed))
    assert_close(scaled_dot_product(queries, keys, values)[0], F.scaled_dot_product_attention(queries, keys, values))
    eye = torch.eye(keys.shape[1], dtype=torch.float64).expand(len(keys), -1, -1)
    assert_close(weights, F.scaled_dot_product_attention(queries, keys, eye, attn_mask=allowed))


def test_the_learned_scores_are_those_of_their_equations():
    queries, keys, values, lengths = random_inputs([4, 4], 0, 3, 5, 2)
    additive, dot = make("additive", 5), make("dot", 5)
    for b in range(2):
        for i in range(3):
            q, k = queries[b, i], keys[b]
            hidden = torch.tanh(q @ additive.W_q.weight.T + k @ additive.W_k.weight.T + additive.W_k.bias)
            for module, scores in (
                (additive, hidden @ additive.w.weight[0]),
                (dot, k @ (q @ dot.W_q.weight.T) / 5**0.5),
            ):
                contexts, weights = module(queries, keys, values, lengths)
                assert_close(weights[b, i], torch.softmax(scores, 0))
                assert_close(contexts[b, i], torch.softmax(scores, 0) @ values[b])


@every_kind
@sizes
def test_padding_gets_no_weight_and_no_gradient(kind, lengths, extra, Q, d, v, seed):
    queries, keys, values, lengths = random_inputs(lengths, extra, Q, d, v, seed)
    keys.requires_grad_()
    values.requires_grad_()
    attend = make(kind, d)
    contexts, weights = attend(queries, keys, values, lengths)
    padding = ~mask(lengths, keys.shape[1])
    assert (weights.transpose(1, 2)[padding] == 0).all()
    assert_close(weights.sum(2), torch.ones_like(weights[..., 0]))
    (contexts.square().sum() + weights.square().sum()).backward()
    for tensor in (keys, values):
        assert (tensor.grad[padding] == 0).all()
        assert tensor.grad.isfinite().all()
    for b, length in enumerate(lengths):  # whatever stands in the padding, and however much of it
        alone, _ = attend(queries[b : b + 1], keys[b : b + 1, :length], values[b : b + 1, :length])
        assert_close(contexts[b], alone[0])


@every_kind
def test_the_order_of_the_positions_does_not_matter(kind):
    queries, keys, values, _ = random_inputs([6, 6], 0, 3, 4, 2)
    order = torch.randperm(6)
    contexts, weights = make(kind, 4)(queries, keys, values)
    permuted, permuted_weights = make(kind, 4)(queries, keys[:, order], values[:, order])
    assert_close(permuted, contexts)
    assert_close(permuted_weights, weights[..., order])


def test_a_mask_says_the_same_as_lengths_and_more():
    scores = torch.randn(2, 3, 4)
    lengths = torch.tensor([2, 4])
    assert_close(masked_softmax(scores, mask(lengths, 4)[:, None]), masked_softmax(scores, lengths))
    assert_close(masked_softmax(scores, [2, 4]), masked_softmax(scores, lengths))
    assert_close(masked_softmax(scores[:, 0], lengths), masked_softmax(scores, lengths)[:, 0])
    causal = torch.ones(4, 4, dtype=torch.bool).tril()
    weights = masked_softmax(torch.zeros(2, 4, 4), causal)
    assert_close(weights[0], torch.ones(4, 4).tril() / torch.arange(1.0, 5)[:, None])


def test_large_scores_do_not_overflow():
    weights = masked_softmax(torch.tensor([[[1e4, -1e4, 3e4]]]), [2])
    assert_close(weights, torch.tensor([[[1.0, 0.0, 0.0]]]))


@pytest.mark.parametrize(
    "lengths, error, message",
    [
        ([2, 0], ValueError, "sequence 1 is 0: leave empty sequences out"),
        ([2, 5], ValueError, "only 4 steps"),
        ([2], ValueError, r"\(2,\), one for each sequence"),
        ([2.0, 3.0], TypeError, "integers"),
        (torch.tensor([[[True] * 4], [[False] * 4]]), ValueError, "no position at all"),
    ],
)
def test_lengths_that_do_not_fit_are_refused(lengths, error, message):
    with pytest.raises(error, match=message):
        masked_softmax(torch.zeros(2, 3, 4), lengths)


@every_kind
def test_shapes_that_do_not_fit_are_refused(kind):
    attend = make(kind, 4)
    queries, keys, values, _ = random_inputs([3, 3], 0, 2, 4, 5)
    for wrong in ((queries[0], keys, values), (queries[:1], keys, values), (queries, keys[:, :2], values)):
        with pytest.raises(ValueError, match=r"do not fit"):
            attend(*wrong)


def test_a_dot_product_needs_one_size():
    queries, keys, values, _ = random_inputs([3, 3], 0, 2, 4, 5)
    with pytest.raises(ValueError, match="not 3 and 4: use DotAttention or AdditiveAttention"):
        scaled_dot_product(queries[..., :3], keys, values)
