import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.testing import assert_close

from d2lrnn import cells

torch.set_num_threads(1)

sizes = st.integers(1, 6)
activations = st.sampled_from([("tanh", torch.tanh), ("relu", torch.relu)])


def example(T, B, D, h, q, seed, dtype):
    """Random inputs, state and parameters; biases are not zero, so that a forgotten one shows."""
    g = torch.Generator().manual_seed(seed)
    params = cells.init_rnn_params(D, h, q, scale=0.5, generator=g)
    params = {k: (p.detach() + 0.1 * torch.randn(p.shape, generator=g)).to(dtype) for k, p in params.items()}
    inputs = torch.randn(T, B, D, generator=g).to(dtype)
    state = torch.randn(B, h, generator=g).to(dtype)
    return inputs, state, {k: p.requires_grad_() for k, p in params.items()}


def torch_rnn(inputs, state, params, nonlinearity):
    """The same network on torch.nn.RNN, whose weights are transposed and whose second bias is zero."""
    D, h = params["W_xh"].shape
    layer = nn.RNN(D, h, nonlinearity=nonlinearity).to(inputs.dtype)
    with torch.no_grad():
        layer.weight_ih_l0.copy_(params["W_xh"].T)
        layer.weight_hh_l0.copy_(params["W_hh"].T)
        layer.bias_ih_l0.copy_(params["b_h"])
        layer.bias_hh_l0.zero_()
    H, last = layer(inputs, state[None])
    return H @ params["W_hq"].detach() + params["b_q"].detach(), last[0], layer


@settings(deadline=None, max_examples=40)
@given(sizes, sizes, sizes, sizes, sizes, st.integers(0, 9999), activations, st.booleans())
def test_rnn_is_torch_rnn_outputs_and_gradients(T, B, D, h, q, seed, activation, double):
    dtype, atol = (torch.float64, 1e-12) if double else (torch.float32, 1e-6)
    nonlinearity, phi = activation
    inputs, state, params = example(T, B, D, h, q, seed, dtype)
    inputs.requires_grad_(), state.requires_grad_()
    outputs, last = cells.rnn(inputs, state, params, phi)
    torch_inputs, torch_state = (t.detach().clone().requires_grad_() for t in (inputs, state))
    torch_outputs, torch_last, layer = torch_rnn(torch_inputs, torch_state, params, nonlinearity)
    # Scaled by the size of the values: with relu they grow over the steps.
    close = {"atol": atol, "rtol": atol}
    assert_close(outputs, torch_outputs, **close)
    assert_close(last, torch_last, **close)

    (outputs.mean() + last.mean()).backward()
    (torch_outputs.mean() + torch_last.mean()).backward()
    pairs = [
        (inputs.grad, torch_inputs.grad),
        (state.grad, torch_state.grad),
        (params["W_xh"].grad, layer.weight_ih_l0.grad.T),
        (params["W_hh"].grad, layer.weight_hh_l0.grad.T),
        (params["b_h"].grad, layer.bias_ih_l0.grad),
    ]
    for ours, theirs in pairs:
        assert_close(ours, theirs, **close)


@settings(deadline=None, max_examples=20)
@given(sizes, sizes, sizes, sizes, sizes, st.integers(0, 9999), activations)
def test_rnn_is_its_step_repeated(T, B, D, h, q, seed, activation):
    inputs, H, params = example(T, B, D, h, q, seed, torch.float64)
    outputs, last = cells.rnn(inputs, H, params, activation[1])
    for t in range(T):
        O_t, H = cells.rnn_step(inputs[t], H, params, activation[1])
        assert_close(outputs[t], O_t)
    assert_close(last, H)


@settings(deadline=None, max_examples=20)
@given(st.integers(2, 9), st.data())
def test_two_pieces_with_the_state_carried_are_one_long_run(T, data):
    inputs, state, params = example(T, 3, 4, 5, 2, T, torch.float64)
    cut = data.draw(st.integers(1, T - 1))
    first, middle = cells.rnn(inputs[:cut], state, params)
    second, last = cells.rnn(inputs[cut:], middle, params)
    outputs, long_last = cells.rnn(inputs, state, params)
    assert_close(torch.cat([first, second]), outputs)
    assert_close(last, long_last)


def test_no_state_is_a_zero_state():
    inputs, state, params = example(3, 2, 4, 5, 2, 0, torch.float64)
    assert_close(cells.rnn(inputs, None, params), cells.rnn(inputs, torch.zeros_like(state), params))


def test_parameters_have_the_shapes_of_the_equations_and_do_not_depend_on_time():
    params = cells.init_rnn_params(4, 5, 2, scale=0.1, generator=torch.Generator().manual_seed(1))
    assert {k: tuple(p.shape) for k, p in params.items()} == {
        "W_xh": (4, 5), "W_hh": (5, 5), "b_h": (5,), "W_hq": (5, 2), "b_q": (2,),
    }  # fmt: skip
    assert all(p.requires_grad and p.is_leaf for p in params.values())
    assert not params["b_h"].any() and not params["b_q"].any()
    again = cells.init_rnn_params(4, 5, 2, scale=0.1, generator=torch.Generator().manual_seed(1))
    assert all(torch.equal(params[k], again[k]) for k in params)
    large = cells.init_rnn_params(300, 300, 2, scale=0.1, generator=torch.Generator().manual_seed(1))
    assert large["W_hh"].std().item() == pytest.approx(0.1, rel=0.02)


@pytest.mark.parametrize("shape", [(3, 2), (3, 2, 5), (0, 2, 4)])
def test_inputs_of_the_wrong_shape_are_refused(shape):
    _, _, params = example(3, 2, 4, 5, 2, 0, torch.float32)
    with pytest.raises(ValueError, match=r"\(T, B, 4\)"):
        cells.rnn(torch.zeros(shape), None, params)


def test_a_state_that_does_not_fit_is_refused():
    inputs, _, params = example(3, 2, 4, 5, 2, 0, torch.float32)
    with pytest.raises(ValueError, match=r"\(3, 5\) but must have \(2, 5\)"):
        cells.rnn(inputs, torch.zeros(3, 5), params)
    with pytest.raises(ValueError, match="on meta and the inputs are on cpu"):
        cells.rnn(inputs, torch.zeros(2, 5, device="meta"), params)
    with pytest.raises(TypeError, match="must be a tensor"):
        cells.rnn(inputs, (torch.zeros(2, 5),), params)
