import copy
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.testing import assert_close

from d2lrnn import cells
from d2lrnn.gradients import clip_, gain, lstm_cell_terms, random_lstm_gains

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


# The four terms of an LSTM's memory


def small_lstm(D, h, seed, scale=0.8, forget_bias=0.5):
    params = cells.init_lstm_params(D, h, None, scale, forget_bias, torch.Generator().manual_seed(seed))
    return {name: p.detach().double() for name, p in params.items()}


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 4), st.integers(1, 5), st.integers(1, 6), st.integers(0, 999))
def test_the_four_terms_sum_to_autograd(D, h, T, seed):
    g = torch.Generator().manual_seed(seed)
    params, inputs = small_lstm(D, h, seed), torch.randn(T, 1, D, dtype=torch.float64, generator=g)
    H, C = torch.randn(2, 1, h, dtype=torch.float64, generator=g)
    terms = lstm_cell_terms(inputs, (H, C), params)
    assert [term.shape for term in terms] == [(T, h, h)] * 4
    output_gate = None  # H_0 is given, so it is no function of C_0
    for t in range(T):

        def next_memory(c, t=t, H=H, o=output_gate):
            h_before = H if o is None else o * torch.tanh(c[None])
            return cells.lstm_step(inputs[t], (h_before, c[None]), params)[1][1][0]

        by_autograd = torch.autograd.functional.jacobian(next_memory, C[0])
        assert_close(sum(term[t] for term in terms), by_autograd, atol=1e-10, rtol=0)
        _, (H, C) = cells.lstm_step(inputs[t], (H, C), params)
        output_gate = H / torch.tanh(C)


PATHS = {"forget gate": 1, "input gate": 0, "candidate": 2}


@pytest.mark.parametrize("path", PATHS)
def test_a_path_without_a_recurrent_weight_has_no_term(path):
    params, inputs = small_lstm(2, 3, 0), torch.randn(4, 1, 2, dtype=torch.float64)
    block = PATHS[path]
    params["W_h"][:, 3 * block : 3 * block + 3] = 0
    forget, direct, input_gate, candidate = lstm_cell_terms(inputs, None, params)
    by_path = {"forget gate": forget, "input gate": input_gate, "candidate": candidate}
    assert all((term[1:].abs().max() == 0) == (name == path) for name, term in by_path.items())
    assert_close(direct, torch.diag_embed(direct.diagonal(dim1=1, dim2=2)))


def test_the_direct_path_is_the_forget_gate():
    params = small_lstm(2, 3, 0, scale=0.0, forget_bias=3.0)
    direct = lstm_cell_terms(torch.ones(4, 1, 2).double(), None, params)[1]
    assert_close(direct, torch.sigmoid(torch.tensor(3.0)).double() * torch.eye(3).double().expand(4, 3, 3))


@pytest.mark.parametrize("shape", [(4, 2), (4, 2, 2), (4, 1, 3)])
def test_the_terms_are_those_of_one_sequence(shape):
    with pytest.raises(ValueError, match="one sequence"):
        lstm_cell_terms(torch.zeros(shape).double(), None, small_lstm(2, 3, 0))


def test_the_terms_need_a_pair_as_state():
    with pytest.raises(TypeError, match="pair"):
        lstm_cell_terms(torch.zeros(4, 1, 2).double(), torch.zeros(1, 3).double(), small_lstm(2, 3, 0))
    with pytest.raises(ValueError, match="state has shape"):
        lstm_cell_terms(torch.zeros(4, 1, 2).double(), (torch.zeros(2, 3).double(),) * 2, small_lstm(2, 3, 0))


def test_the_gain_is_the_mean_stretch_of_random_directions():
    g = torch.Generator().manual_seed(0)
    J = torch.randn(2, 5, 5, dtype=torch.float64, generator=g)
    u = torch.nn.functional.normalize(torch.randn(100_000, 5, dtype=torch.float64, generator=g), dim=1)
    stretch = (u @ J).square().sum(2).mean(1).sqrt()
    assert_close(gain(J), stretch, rtol=0.01, atol=0)
    assert gain(3 * torch.eye(7)).item() == pytest.approx(3)


def test_the_gains_of_a_random_lstm():
    gains = random_lstm_gains(1.0, 0.5, num_steps=6)
    assert {name: tuple(values.shape) for name, values in gains.items()} == {
        "terms": (4, 6),
        "product": (7,),
        "forget": (7,),
    }
    assert gains["product"][0] == gains["forget"][0] == 1
    assert gains["forget"][1].item() == pytest.approx(gains["terms"][1, 0].item())
    assert (gains["forget"].diff() < 0).all()
    assert random_lstm_gains(5.0, 0.5)["forget"][40] > 1e6 * random_lstm_gains(0.0, 0.5)["forget"][40]
    for name, values in random_lstm_gains(1.0, 0.5, num_steps=6).items():
        assert torch.equal(values, gains[name])
