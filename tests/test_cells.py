from functools import partial

import pytest
import torch
from hypothesis import given
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


@given(sizes, sizes, sizes, sizes, sizes, st.integers(0, 9999), activations)
def test_rnn_is_its_step_repeated(T, B, D, h, q, seed, activation):
    inputs, H, params = example(T, B, D, h, q, seed, torch.float64)
    outputs, last = cells.rnn(inputs, H, params, activation[1])
    for t in range(T):
        O_t, H = cells.rnn_step(inputs[t], H, params, activation[1])
        assert_close(outputs[t], O_t)
    assert_close(last, H)


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


# LSTM and GRU

CELLS = {
    "rnn": (cells.init_rnn_params, cells.rnn_step, cells.rnn, nn.RNN),
    "lstm": (cells.init_lstm_params, cells.lstm_step, cells.lstm, nn.LSTM),
    "gru": (cells.init_gru_params, cells.gru_step, cells.gru, nn.GRU),
}
DEVICES = ["cpu"] + ["cuda"] * torch.cuda.is_available()
every_cell = pytest.mark.parametrize("cell", CELLS)


def flat(state):
    """The tensors of a state, however nested."""
    return [state] if isinstance(state, torch.Tensor) else [tensor for part in state for tensor in flat(part)]


def leaves(*tensors):
    return [tensor.detach().clone().requires_grad_() for tensor in tensors]


def some_state(cell, shape, generator, like):
    parts = [torch.randn(shape, generator=generator).to(like) for _ in range(2 if cell == "lstm" else 1)]
    return tuple(parts) if cell == "lstm" else parts[0]


def weighted_sum(tensors, seed):
    """A scalar in which every number has a weight of its own: errors cannot cancel."""
    g = torch.Generator().manual_seed(seed)
    return sum((torch.randn(t.shape, generator=g).to(t) * t).sum() for t in flat(tensors))


def gradients_of(params, layer, level=0, backward=False):
    """Pairs of the gradients of our parameters and of torch's."""
    suffix = f"_l{level}" + ("_reverse" if backward else "")
    grad = {name: getattr(layer, f"{name}{suffix}").grad for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}
    W_x, W_h = (params["W_xh"], params["W_hh"]) if "W_xh" in params else (params["W_x"], params["W_h"])
    pairs = [(W_x.grad, grad["weight_ih"].T), (W_h.grad, grad["weight_hh"].T)]
    if "b_x" in params:
        return pairs + [(params["b_x"].grad, grad["bias_ih"]), (params["b_h"].grad, grad["bias_hh"])]
    b = params["b_h"] if "b_h" in params else params["b"]
    return pairs + [(b.grad, grad["bias_ih"]), (b.grad, grad["bias_hh"])]


def assert_all_close(pairs, dtype):
    tolerance = 1e-11 if dtype == torch.float64 else 2e-5
    for ours, theirs in pairs:
        assert_close(ours, theirs, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("device", DEVICES)
@given(st.sampled_from(list(CELLS)), sizes, sizes, sizes, sizes, st.integers(0, 9999), st.booleans(), st.booleans())
def test_cells_are_torchs_layers_outputs_states_and_gradients(device, cell, T, B, D, h, seed, double, from_zeros):
    _, _, recurrence, Layer = CELLS[cell]
    torch.manual_seed(seed)
    dtype = torch.float64 if double else torch.float32
    layer = Layer(D, h).to(device, dtype)
    params, g = cells.from_torch(layer), torch.Generator().manual_seed(seed)
    inputs, same_inputs = leaves(*[torch.randn(T, B, D, generator=g).to(device, dtype)] * 2)
    state = some_state(cell, (B, h), g, inputs)
    start, same_start = (leaves(*flat(state)) for _ in range(2))
    ours = theirs = None
    if not from_zeros:
        ours = tuple(start) if cell == "lstm" else start[0]
        theirs = tuple(part[None] for part in same_start) if cell == "lstm" else same_start[0][None]

    outputs, last = recurrence(inputs, ours, params)
    torch_outputs, torch_last = layer(same_inputs, theirs)
    pairs = [(outputs, torch_outputs), *zip(flat(last), [part[0] for part in flat(torch_last)], strict=True)]
    weighted_sum((outputs, last), seed).backward()
    weighted_sum((torch_outputs, torch_last), seed).backward()
    pairs += [(inputs.grad, same_inputs.grad), *gradients_of(params, layer)]
    if not from_zeros:
        pairs += [(a.grad, b.grad) for a, b in zip(start, same_start, strict=True)]
    assert_all_close(pairs, dtype)


def gates_one_by_one(params, names):
    """The blocks of the packed parameters: W_xi, W_hi, b_i and so on."""
    blocks = {}
    for packed, short in {"W_x": "W_x", "W_h": "W_h", "b": "b_", "b_x": "b_x", "b_h": "b_h"}.items():
        if packed in params:
            for name, block in zip(names, params[packed].chunk(len(names), dim=-1), strict=True):
                blocks[short + name] = block
    return blocks


def example_of(cell, T, B, D, h, q, seed):
    g = torch.Generator().manual_seed(seed)
    params = CELLS[cell][0](D, h, q, scale=0.7, generator=g)
    params = {k: p.detach().double() + 0.3 * torch.randn(p.shape, generator=g) for k, p in params.items()}
    inputs = torch.randn(T, B, D, generator=g, dtype=torch.float64)
    return inputs, some_state(cell, (B, h), g, inputs), params


@every_cell
def test_a_recurrence_is_differentiated_twice_and_mapped_over_many_networks(cell):
    inputs, state, params = example_of(cell, 3, 2, 2, 3, 2, 0)
    recurrence = CELLS[cell][2]
    start = leaves(*flat(state))

    def run(*values):
        H = values[: len(start)]
        return recurrence(inputs, H if cell == "lstm" else H[0], dict(zip(params, values[len(start) :], strict=True)))[
            0
        ]

    assert torch.autograd.gradgradcheck(run, (*start, *leaves(*params.values())))
    stacked = {name: torch.stack([value, 2 * value]) for name, value in params.items()}
    outputs = torch.vmap(lambda params: recurrence(inputs, None, params)[0])(stacked)
    double = {name: 2 * value for name, value in params.items()}
    for ours, one in zip(outputs, (params, double), strict=True):
        assert_close(ours, recurrence(inputs, None, one)[0])


def test_lstm_step_is_the_equations_gate_by_gate():
    (X,), (H, C), params = example_of("lstm", 1, 3, 4, 5, 2, 0)
    p = gates_one_by_one(params, "ifco")
    I_t = torch.sigmoid(X @ p["W_xi"] + H @ p["W_hi"] + p["b_i"])
    F_t = torch.sigmoid(X @ p["W_xf"] + H @ p["W_hf"] + p["b_f"])
    O_t = torch.sigmoid(X @ p["W_xo"] + H @ p["W_ho"] + p["b_o"])
    C_tilde = torch.tanh(X @ p["W_xc"] + H @ p["W_hc"] + p["b_c"])
    C_t = F_t * C + I_t * C_tilde
    H_t = O_t * torch.tanh(C_t)
    outputs, state = cells.lstm_step(X, (H, C), params)
    assert_close(state, (H_t, C_t))
    assert_close(outputs, H_t @ params["W_hq"] + params["b_q"])


@pytest.mark.parametrize("reset_after", [True, False])
def test_gru_step_is_the_equations_gate_by_gate(reset_after):
    (X,), H, params = example_of("gru", 1, 3, 4, 5, 2, 0)
    p = gates_one_by_one(params, "rzc")
    R = torch.sigmoid(X @ p["W_xr"] + p["b_xr"] + H @ p["W_hr"] + p["b_hr"])
    Z = torch.sigmoid(X @ p["W_xz"] + p["b_xz"] + H @ p["W_hz"] + p["b_hz"])
    hidden = R * (H @ p["W_hc"] + p["b_hc"]) if reset_after else (R * H) @ p["W_hc"] + p["b_hc"]
    H_t = Z * H + (1 - Z) * torch.tanh(X @ p["W_xc"] + p["b_xc"] + hidden)
    outputs, state = cells.gru_step(X, H, params, reset_after)
    assert_close(state, H_t)
    assert_close(outputs, H_t @ params["W_hq"] + params["b_q"])
    assert not torch.allclose(state, cells.gru_step(X, H, params, not reset_after)[1])


@given(st.sampled_from(list(CELLS)), sizes, sizes, sizes, sizes, st.one_of(st.none(), sizes), st.booleans())
def test_recurrences_are_their_steps_repeated(cell, T, B, D, h, q, reset_after):
    _, step, recurrence, _ = CELLS[cell]
    if cell == "gru":
        step, recurrence = partial(step, reset_after=reset_after), partial(recurrence, reset_after=reset_after)
    inputs, state, params = example_of(cell, T, B, D, h, q, T)
    outputs, last = recurrence(inputs, state, params)
    assert outputs.shape == (T, B, h if q is None else q)
    for t in range(T):
        O_t, state = step(inputs[t], state, params)
        assert_close(outputs[t], O_t)
    assert_close(last, state)


@every_cell
def test_no_state_is_a_zero_state_for_every_cell(cell):
    inputs, state, params = example_of(cell, 3, 2, 4, 5, 2, 0)
    zeros = tuple(map(torch.zeros_like, state)) if cell == "lstm" else torch.zeros_like(state)
    recurrence = CELLS[cell][2]
    assert_close(recurrence(inputs, None, params), recurrence(inputs, zeros, params))


def test_lstm_and_gru_parameters_have_the_shapes_of_the_equations():
    def make(init, **options):
        return init(4, 5, 2, scale=0.1, generator=torch.Generator().manual_seed(1), **options)

    lstm, gru = make(cells.init_lstm_params, forget_bias=2.0), make(cells.init_gru_params)
    assert {k: tuple(p.shape) for k, p in lstm.items()} == {
        "W_x": (4, 20), "W_h": (5, 20), "b": (20,), "W_hq": (5, 2), "b_q": (2,),
    }  # fmt: skip
    assert {k: tuple(p.shape) for k, p in gru.items()} == {
        "W_x": (4, 15), "W_h": (5, 15), "b_x": (15,), "b_h": (15,), "W_hq": (5, 2), "b_q": (2,),
    }  # fmt: skip
    assert lstm["b"].tolist() == [0.0] * 5 + [2.0] * 5 + [0.0] * 10  # after the input gate's block
    assert not gru["b_x"].any() and not gru["b_h"].any() and not make(cells.init_lstm_params)["b"].any()
    for params, init in ((lstm, cells.init_lstm_params), (gru, cells.init_gru_params)):
        assert all(p.requires_grad and p.is_leaf for p in params.values())
        assert torch.equal(params["W_x"], make(init)["W_x"])
        assert set(init(4, 5)) == {name for name in params if not name.endswith("q")}
    large = cells.init_lstm_params(100, 100, scale=0.1, generator=torch.Generator().manual_seed(1))
    assert large["W_h"].std().item() == pytest.approx(0.1, rel=0.02)


def test_parameters_from_torch_are_copies_and_biases_may_be_missing():
    for Layer in (nn.RNN, nn.LSTM, nn.GRU):
        layer = Layer(3, 4)
        before = [p.clone() for p in layer.parameters()]
        for p in cells.from_torch(layer).values():
            assert p.is_leaf and p.requires_grad
            with torch.no_grad():
                p.zero_()
        assert all(torch.equal(p, q) for p, q in zip(layer.parameters(), before, strict=True))
    layer = nn.LSTM(3, 4, bias=False)
    X = torch.randn(2, 5, 3)
    assert_close(cells.lstm(X, None, cells.from_torch(layer))[0], layer(X)[0])


@pytest.mark.parametrize(
    "layer, options, error, message",
    [
        (nn.Linear(2, 3), {}, TypeError, "not Linear"),
        (nn.LSTM(2, 3, 2), {"level": 2}, ValueError, "between 0 and 1"),
        (nn.LSTM(2, 3), {"level": -1}, ValueError, "between 0 and 0"),
        (nn.LSTM(2, 3), {"backward": True}, ValueError, "bidirectional=True"),
        (nn.LSTM(2, 3, proj_size=2), {}, ValueError, "proj_size"),
    ],
)
def test_layers_without_such_parameters_are_refused(layer, options, error, message):
    with pytest.raises(error, match=message):
        cells.from_torch(layer, **options)


@every_cell
@pytest.mark.parametrize("shape", [(3, 2), (3, 2, 5), (0, 2, 4)])
def test_inputs_of_the_wrong_shape_are_refused_by_every_cell(cell, shape):
    with pytest.raises(ValueError, match=r"\(T, B, 4\)"):
        CELLS[cell][2](torch.zeros(shape), None, CELLS[cell][0](4, 5, 2))


def test_states_that_do_not_fit_an_lstm_or_a_gru_are_refused():
    X, good = torch.zeros(3, 2, 4), torch.zeros(2, 5)
    lstm, gru = cells.init_lstm_params(4, 5, 2), cells.init_gru_params(4, 5, 2)
    for state in (good, (good,), [good, good, good]):
        with pytest.raises(TypeError, match=r"pair, the tuple \(H, C\)"):
            cells.lstm(X, state, lstm)
    for state in ((good, good[:1]), (good[:1], good)):
        with pytest.raises(ValueError, match=r"\(1, 5\) but must have \(2, 5\)"):
            cells.lstm(X, state, lstm)
    with pytest.raises(ValueError, match=r"\(2, 4\) but must have \(2, 5\)"):
        cells.gru(X, good[:, :4], gru)
    with pytest.raises(TypeError, match="must be a tensor"):
        cells.gru(X, (good, good), gru)
    with pytest.raises(ValueError, match="on meta and the inputs are on cpu"):
        cells.gru(X, good.to("meta"), gru)


# Deep and bidirectional networks


def stack_of_torch(cell, D, h, num_layers, two_directions, seed, device, dtype):
    """A torch.nn stack, and the same as recurrence and parameters of ours."""
    torch.manual_seed(seed)
    layer = CELLS[cell][3](D, h, num_layers, bidirectional=two_directions).to(device, dtype)
    if not two_directions:
        return layer, [cells.from_torch(layer, level) for level in range(num_layers)]
    directions = (False, True)
    return layer, [tuple(cells.from_torch(layer, level, d) for d in directions) for level in range(num_layers)]


@pytest.mark.parametrize("device", DEVICES)
@given(
    cell=st.sampled_from(list(CELLS)),
    num_layers=st.integers(1, 3),
    two_directions=st.booleans(),
    lengths=st.lists(st.integers(1, 6), min_size=1, max_size=5),
    extra=st.integers(0, 2),
    D=sizes,
    h=sizes,
    seed=st.integers(0, 9999),
    double=st.booleans(),
    with_state=st.booleans(),
)
def test_stacks_on_padded_batches_are_torchs_on_packed_ones(
    device, cell, num_layers, two_directions, lengths, extra, D, h, seed, double, with_state
):
    dtype = torch.float64 if double else torch.float32
    layer, params = stack_of_torch(cell, D, h, num_layers, two_directions, seed, device, dtype)
    B, T, g = len(lengths), max(lengths) + extra, torch.Generator().manual_seed(seed)
    inputs, same_inputs = leaves(*[torch.randn(T, B, D, generator=g).to(device, dtype)] * 2)
    state = theirs = None
    if with_state:
        count = num_layers * (1 + two_directions)
        theirs = some_state(cell, (count, B, h), g, inputs)
        parts = list(zip(*theirs, strict=True)) if cell == "lstm" else list(theirs)
        state = list(zip(parts[::2], parts[1::2], strict=True)) if two_directions else parts

    recurrence = CELLS[cell][2]
    if two_directions:
        recurrence = partial(cells.bidirectional, recurrence=recurrence, lengths=lengths)
    else:
        recurrence = cells.padded(recurrence, lengths)
    outputs, last = cells.deep(inputs, state, params, recurrence)
    packed = nn.utils.rnn.pack_padded_sequence(same_inputs, torch.tensor(lengths), enforce_sorted=False)
    torch_outputs, torch_last = layer(packed, theirs)
    torch_outputs, _ = nn.utils.rnn.pad_packed_sequence(torch_outputs, total_length=T)
    pairs = [(outputs, torch_outputs)]
    ours = flat(last)  # H, C, H, C … for an LSTM
    torch_parts = torch_last if cell == "lstm" else (torch_last,)
    for i, part in enumerate(torch_parts):
        pairs += zip(ours[i :: len(torch_parts)], part, strict=True)

    weighted_sum([ours for ours, _ in pairs], seed).backward()
    weighted_sum([theirs for _, theirs in pairs], seed).backward()
    pairs.append((inputs.grad, same_inputs.grad))
    for level, level_params in enumerate(params):
        for backward, direction in enumerate(level_params if two_directions else [level_params]):
            pairs += gradients_of(direction, layer, level, bool(backward))
    assert_all_close(pairs, dtype)


@every_cell
def test_without_lengths_the_backward_direction_starts_at_the_end(cell):
    layer, [params] = stack_of_torch(cell, 3, 4, 1, True, 0, "cpu", torch.float64)
    X = torch.randn(5, 2, 3, dtype=torch.float64)
    outputs, _ = cells.bidirectional(X, None, params, CELLS[cell][2])
    assert_close(outputs, layer(X)[0])


@every_cell
def test_directions_of_different_sizes(cell):
    init, _, recurrence, _ = CELLS[cell]
    g = torch.Generator().manual_seed(0)
    params = tuple(init(3, h, scale=0.5, generator=g) for h in (4, 2))
    X = torch.randn(6, 3, 3, generator=g)
    outputs, states = cells.bidirectional(X, None, params, recurrence, [6, 2, 4])
    assert outputs.shape == (6, 3, 6)
    assert [part.shape for part in (flat(states)[0], flat(states)[-1])] == [(3, 4), (3, 2)]
    # The state after the whole sequence is the output at its last token, and backwards at its first.
    assert_close(flat(states)[0], outputs[torch.tensor([5, 1, 3]), torch.arange(3), :4])
    backward_state = states[1][0] if cell == "lstm" else states[1]
    assert_close(backward_state, outputs[0, :, 4:])


@every_cell
def test_padding_changes_nothing_and_gets_no_gradient(cell):
    init, _, recurrence, _ = CELLS[cell]
    g = torch.Generator().manual_seed(0)
    params = [tuple(init(D, 4, scale=0.5, generator=g) for _ in range(2)) for D in (3, 8)]
    lengths = torch.tensor([3, 5, 1])
    padding = torch.arange(6)[:, None] >= lengths
    X = torch.randn(6, 3, 3, generator=g).masked_fill_(padding[..., None], torch.nan).requires_grad_()
    two_ways = partial(cells.bidirectional, recurrence=recurrence)
    both = partial(two_ways, lengths=lengths)
    outputs, states = cells.deep(X.nan_to_num(7.0), None, params, both)
    again, same_states = cells.deep(X.nan_to_num(-1.0), None, params, both)
    assert torch.equal(outputs, again) and all(map(torch.equal, flat(states), flat(same_states)))
    assert not outputs[padding].any() and outputs[~padding].all()
    for row, length in enumerate(lengths):  # alone in its batch, without padding
        alone, _ = cells.deep(X[:length, row : row + 1], None, params, two_ways)
        assert_close(outputs[:length, row], alone[:, 0])
    filled = X.detach().nan_to_num(7.0).requires_grad_()
    cells.deep(filled, None, params, both)[0].sum().backward()
    assert not filled.grad[padding].any() and filled.grad[~padding].all()


@given(st.lists(st.integers(1, 7), min_size=1, max_size=5), st.integers(0, 2))
def test_reverse_turns_each_sequence_and_leaves_its_padding(lengths, extra):
    T = max(lengths) + extra
    columns = [list(range(1, n + 1)) + [0] * (T - n) for n in lengths]
    expected = [list(range(n, 0, -1)) + [0] * (T - n) for n in lengths]
    turned = cells.reverse(torch.tensor(columns).T, lengths)
    assert turned.T.tolist() == expected
    assert torch.equal(cells.reverse(turned, lengths), torch.tensor(columns).T)
    assert torch.equal(cells.reverse(turned), turned.flip(0))


def test_skip_connections_add_what_a_level_reads_from_the_second_on():
    g = torch.Generator().manual_seed(0)
    X, params = torch.randn(5, 2, 3, generator=g), [cells.init_gru_params(D, 4, None, 0.5, g) for D in (3, 4, 4)]
    first, _ = cells.gru(X, None, params[0])
    second = first + cells.gru(first, None, params[1])[0]
    third = second + cells.gru(second, None, params[2])[0]
    outputs, states = cells.deep(X, None, params, cells.gru, skip=True)
    assert_close(outputs, third)
    assert_close(states[2], cells.gru(second, None, params[2])[1])  # the state is the cell's own, without the skip


def test_dropout_acts_between_levels_only():
    g = torch.Generator().manual_seed(0)
    X, params = torch.randn(5, 2, 3, generator=g), [cells.init_rnn_params(D, 4, None, 0.5, g) for D in (3, 4)]
    one = cells.deep(X, None, params[:1], cells.rnn, dropout=0.9)
    assert_close(one[0], cells.rnn(X, None, params[0])[0])
    first, _ = cells.rnn(X, None, params[0])
    torch.manual_seed(1)
    expected, _ = cells.rnn(torch.nn.functional.dropout(first, 0.5), None, params[1])
    torch.manual_seed(1)
    assert_close(cells.deep(X, None, params, cells.rnn, dropout=0.5)[0], expected)
    torch.manual_seed(1)
    skipped, _ = cells.deep(X, None, params, cells.rnn, dropout=0.5, skip=True)
    assert_close(skipped, first + expected)  # the path around a level stays whole


def test_levels_that_do_not_fit_are_refused():
    X, params = torch.zeros(5, 2, 3), [cells.init_rnn_params(3, 4), cells.init_rnn_params(4, 5)]
    with pytest.raises(ValueError, match="levels of one size, not 4 and 5"):
        cells.deep(X, None, params, cells.rnn, skip=True)
    with pytest.raises(ValueError, match="2 levels of parameters and 1 states"):
        cells.deep(X, [None], params, cells.rnn)
    with pytest.raises(ValueError, match="0 levels"):
        cells.deep(X, None, [], cells.rnn)
    with pytest.raises(TypeError, match=r"pair, the tuple \(forwards, backwards\)"):
        cells.bidirectional(X, torch.zeros(2, 4), (params[0], params[0]), cells.rnn)


@pytest.mark.parametrize(
    "lengths, error, message",
    [
        ([2, 0, 3], ValueError, "sequence 1 is 0: leave empty sequences out"),
        ([2, 1, 6], ValueError, "sequence 2 is 6, but the batch has only 5 steps"),
        ([2, -1, 3], ValueError, "sequence 1 is -1"),
        ([2, 3], ValueError, r"\(3,\), one for each sequence, not \(2,\)"),
        (3, ValueError, r"\(3,\), one for each sequence"),
        ([2.0, 3.0, 1.0], TypeError, "integers"),
        ([True, True, True], TypeError, "integers"),
    ],
)
def test_lengths_that_do_not_fit_are_refused(lengths, error, message):
    X, params = torch.zeros(5, 3, 3), cells.init_lstm_params(3, 4)
    for work in (
        lambda: cells.padded(cells.lstm, lengths)(X, None, params),
        lambda: cells.bidirectional(X, None, (params, params), cells.lstm, lengths),
        lambda: cells.reverse(X, lengths),
    ):
        with pytest.raises(error, match=message):
            work()
