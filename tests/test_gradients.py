import copy
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.testing import assert_close

from d2lrnn.gradients import clip_

torch.set_num_threads(1)


def with_gradients(shapes, scale, seed):
    g = torch.Generator().manual_seed(seed)
    parameters = [nn.Parameter(torch.zeros(shape)) for shape in shapes]
    for p in parameters:
        p.grad = scale * torch.randn(p.shape, generator=g)
    return parameters


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=3), min_size=1, max_size=4),
    st.sampled_from([1e-3, 1.0, 1e3]),
    st.floats(0.01, 100),
    st.integers(0, 9999),
)
def test_clipping_is_that_of_torch(shapes, scale, max_norm, seed):
    ours = with_gradients(shapes, scale, seed)
    theirs = copy.deepcopy(ours)
    for p, q in zip(ours, theirs, strict=True):
        q.grad = p.grad.clone()
    norm = clip_(ours, max_norm)
    torch_norm = nn.utils.clip_grad_norm_(theirs, max_norm)
    assert norm == pytest.approx(torch_norm.item(), rel=1e-5)
    for p, q in zip(ours, theirs, strict=True):
        assert_close(p.grad, q.grad, rtol=1e-3, atol=1e-6)  # torch divides by the norm plus 1e-6


@settings(deadline=None, max_examples=30)
@given(st.floats(0.01, 100), st.integers(0, 9999))
def test_the_norm_afterwards_is_the_smaller_one_and_the_direction_stays(max_norm, seed):
    parameters = with_gradients([(3, 4), (5,)], 1.0, seed)
    before = torch.cat([p.grad.flatten() for p in parameters])
    norm = clip_(parameters, max_norm)
    after = torch.cat([p.grad.flatten() for p in parameters])
    assert after.norm().item() == pytest.approx(min(norm, max_norm), rel=1e-5)
    assert_close(after / after.norm(), before / before.norm())


def test_small_gradients_are_left_alone_to_the_last_digit():
    parameters = with_gradients([(3, 4)], 1e-3, 0)
    before = parameters[0].grad.clone()
    clip_(parameters, 1.0)
    assert torch.equal(parameters[0].grad, before)
    assert clip_(with_gradients([(3, 4)], 1e3, 0), math.inf) > 1e3


@pytest.mark.parametrize("bad", [math.inf, math.nan])
def test_a_norm_that_is_not_finite_is_returned_not_hidden(bad):
    parameters = with_gradients([(3,), (2,)], 1.0, 0)
    parameters[0].grad[1] = bad
    before = [p.grad.clone() for p in parameters]
    norm = clip_(parameters, 1.0)
    assert norm == bad or (math.isnan(norm) and math.isnan(bad))
    assert_close([p.grad for p in parameters], before, equal_nan=True, rtol=0, atol=0)


def test_parameters_without_gradients_and_generators():
    parameters = with_gradients([(3,)], 10.0, 0) + [nn.Parameter(torch.zeros(2))]
    norm = clip_((p for p in parameters), 1.0)
    assert norm > 1 and parameters[0].grad.norm().item() == pytest.approx(1)
    assert clip_([nn.Parameter(torch.zeros(2))], 1.0) == 0.0


@pytest.mark.parametrize("max_norm", [0, -1, math.nan])
def test_bad_thresholds_are_refused(max_norm):
    with pytest.raises(ValueError, match="above 0"):
        clip_(with_gradients([(3,)], 1.0, 0), max_norm)


def test_one_tensor_is_refused():
    with pytest.raises(TypeError, match="iterable"):
        clip_(nn.Parameter(torch.zeros(2)), 1.0)
