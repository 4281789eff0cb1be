import copy
import importlib.util
import itertools
import math
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from d2lrnn import cells, gradients
from d2lrnn.gradients import clip_, gain, lstm_bptt, lstm_cell_terms, random_lstm_gains

torch.set_num_threads(1)

ROOT = Path(__file__).resolve().parent.parent
EXACT = {"atol": 1e-10, "rtol": 0}
PHI = {"tanh": torch.tanh, "linear": lambda Z: Z, "relu": torch.relu, "sigmoid": torch.sigmoid}

sizes = st.integers(1, 6)
seeds = st.integers(0, 9999)
activations = st.sampled_from(sorted(PHI))
losses = st.sampled_from(["cross_entropy", "mse"])
kinds = st.sampled_from(["none", "regular", "randomised", "any"])


# The oracle: autograd


def example(T, B, D, h, q, seed, loss="cross_entropy", dtype=torch.float64):
    """Random inputs, targets, state and parameters; no bias is zero, and W_hh is not symmetric."""
    g = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=g, dtype=torch.float64).to(dtype)

    shapes = {"W_xh": (D, h), "W_hh": (h, h), "b_h": (h,), "W_hq": (h, q), "b_q": (q,)}
    params = {name: (0.5 * normal(*shape)).requires_grad_() for name, shape in shapes.items()}
    targets = torch.randint(q, (T, B), generator=g) if loss == "cross_entropy" else normal(T, B, q)
    return normal(T, B, D), targets, normal(B, h), params


def factors(T, kind, seed):
    """None, or factors that are 0 and 1, 0 and above 1, or any numbers."""
    g = torch.Generator().manual_seed(seed)
    if kind == "none":
        return None
    if kind == "regular":
        return gradients.regular_truncation(T, 1 + seed % T)
    if kind == "randomised":
        return gradients.randomised_truncation(T, 0.2 + 0.8 * torch.rand(T, generator=g), g)
    return torch.randn(T, generator=g).double()


def by_autograd(inputs, targets, state, params, loss, activation, xi=None):
    """The same numbers as bptt: H_{t−1} is replaced by ξ_t H_{t−1} + (1 − ξ_t) H_{t−1}.detach()."""
    inputs = inputs.detach().clone().requires_grad_()
    zeros = inputs.new_zeros(inputs.shape[1], len(params["W_hh"]))
    H = state = (zeros if state is None else state.detach().clone()).requires_grad_()
    outputs = []
    for t, X_t in enumerate(inputs):
        if xi is not None:
            H = xi[t] * H + (1 - xi[t]) * H.detach()
        O_t, H = cells.rnn_step(X_t, H, params, PHI[activation])
        outputs.append(O_t)
    outputs = torch.stack(outputs)
    if loss == "cross_entropy":
        value = F.cross_entropy(outputs.flatten(0, 1), targets.flatten())
    else:
        value = F.mse_loss(outputs, targets)
    leaves = {**params, "inputs": inputs, "state": state}
    found = torch.autograd.grad(value, list(leaves.values()), materialize_grads=True)
    return value.detach(), dict(zip(leaves, found, strict=True)), H.detach()


# Backpropagation through time


@given(sizes, sizes, sizes, sizes, sizes, seeds, losses, activations, kinds, st.booleans())
def test_bptt_is_autograd(T, B, D, h, q, seed, loss, activation, kind, with_state):
    inputs, targets, state, params = example(T, B, D, h, q, seed, loss)
    state, xi = state if with_state else None, factors(T, kind, seed)
    value, ours, last = gradients.bptt(inputs, targets, state, params, loss, activation, xi)
    autograd_value, theirs, autograd_last = by_autograd(inputs, targets, state, params, loss, activation, xi)
    assert_close((value, last), (autograd_value, autograd_last), **EXACT)
    assert list(ours) == list(theirs) == [*params, "inputs", "state"]
    assert_close(ours, theirs, **EXACT)


@given(sizes, sizes, sizes, sizes, sizes, seeds, losses, activations, kinds, st.booleans())
def test_truncated_bptt_is_bptt_with_the_same_factors(T, B, D, h, q, seed, loss, activation, kind, with_state):
    inputs, targets, state, params = example(T, B, D, h, q, seed, loss)
    state, xi = state if with_state else None, factors(T, kind, seed)
    xi = torch.ones(T) if xi is None else xi
    value, whole, last = gradients.bptt(inputs, targets, state, params, loss, activation, xi)
    part_value, parts, part_last = gradients.truncated_bptt(inputs, targets, state, params, xi, loss, activation)
    assert_close((part_value, part_last), (value, last), **EXACT)
    assert list(parts) == [*params, "state"]
    assert_close(parts, {name: whole[name] for name in parts}, **EXACT)


@given(st.integers(1, 9), st.integers(1, 10), seeds)
def test_regular_truncation_is_detaching_the_state_between_segments(T, tau, seed):
    inputs, targets, state, params = example(T, 2, 3, 4, 5, seed)
    _, ours, last = gradients.bptt(inputs, targets, state, params, xi=gradients.regular_truncation(T, tau))
    loss, H = 0, state
    for X, Y in zip(inputs.split(tau), targets.split(tau), strict=True):
        outputs, H = cells.rnn(X, H.detach(), params)
        loss = loss + F.cross_entropy(outputs.flatten(0, 1), Y.flatten(), reduction="sum") / targets.numel()
    loss.backward()
    assert_close({name: ours[name] for name in params}, {name: p.grad for name, p in params.items()}, **EXACT)
    assert_close(last, H.detach(), **EXACT)
    assert not ours["state"].any()


@given(st.integers(1, 5), seeds, losses, activations)
def test_the_expected_randomised_gradient_is_the_full_one(T, seed, loss, activation):
    inputs, targets, state, params = example(T, 2, 3, 3, 4, seed, loss)
    pi = 0.2 + 0.8 * torch.rand(T, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    _, full, _ = gradients.bptt(inputs, targets, state, params, loss, activation)
    expected, total = {name: torch.zeros_like(gradient) for name, gradient in full.items()}, 0
    for survives in itertools.product([0.0, 1.0], repeat=T):  # every value that ξ can take
        survives = torch.tensor(survives, dtype=torch.float64)
        probability = (survives * pi + (1 - survives) * (1 - pi)).prod()
        _, drawn, _ = gradients.bptt(inputs, targets, state, params, loss, activation, survives / pi)
        total += probability.item()
        for name in expected:
            expected[name] += probability * drawn[name]
    assert total == pytest.approx(1)
    assert_close(expected, full, **EXACT)


def test_it_needs_no_autograd_and_leaves_no_graph():
    inputs, targets, state, params = example(4, 2, 3, 5, 3, 0)
    expected = gradients.bptt(inputs, targets, state, params)
    with torch.no_grad():
        assert_close(gradients.bptt(inputs, targets, state, params), expected, rtol=0, atol=0)
    value, found, last = expected
    assert not any(tensor.requires_grad for tensor in (value, last, *found.values()))
    assert all(p.grad is None for p in params.values())
    assert last.untyped_storage().nbytes() == last.nbytes  # the last state does not hold on to all the others


def test_the_type_is_that_of_the_inputs_and_factors_may_be_a_list():
    inputs, targets, state, params = example(4, 2, 3, 5, 3, 0, dtype=torch.float32)
    xi = gradients.randomised_truncation(4, 0.5, torch.Generator().manual_seed(0))
    for function in (gradients.bptt, gradients.truncated_bptt):
        value, found, last = function(inputs, targets, state, params, xi=xi)
        assert {t.dtype for t in (value, last, *found.values())} == {torch.float32}
        assert_close(function(inputs, targets, state, params, xi=xi.tolist())[1], found)


@given(st.integers(2, 6), seeds)
def test_losses_are_those_of_torch(q, seed):
    outputs = 3 * torch.randn(4, 2, q, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    _, targets, _, _ = example(4, 2, 1, 1, q, seed)
    expected = F.cross_entropy(outputs.flatten(0, 1), targets.flatten())
    assert_close(gradients.cross_entropy(outputs, targets)[0], expected, **EXACT)
    assert_close(gradients.mse(outputs, -outputs)[0], F.mse_loss(outputs, -outputs), **EXACT)


def test_memory_grows_with_the_steps_when_full_and_not_when_truncated():
    spec = importlib.util.spec_from_file_location("bench_bptt", ROOT / "benchmarks" / "bench_bptt.py")
    bench = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bench)
    assert bench.peak_bytes(lambda: torch.zeros(100, 10).T + 1) == 8000
    assert bench.peak_bytes(lambda: torch.zeros(100, 10).add_(1)) == 4000

    def peaks(T):
        inputs, targets, state, params = example(T, 4, 3, 16, 3, 0)
        xi = gradients.regular_truncation(T, 16)
        full = bench.peak_bytes(lambda: gradients.bptt(inputs, targets, state, params))
        return full, bench.peak_bytes(lambda: gradients.truncated_bptt(inputs, targets, state, params, xi))

    (full, cut), (full_4, cut_4) = peaks(64), peaks(256)
    assert full > 64 * 4 * 16 * 8  # at least the states
    assert 3.7 < full_4 / full <= 4
    assert cut_4 - cut < 2048 and cut < full / 2


@pytest.mark.parametrize("function", [gradients.bptt, gradients.truncated_bptt])
def test_bad_arguments_of_bptt_are_refused(function):
    inputs, targets, state, params = example(4, 2, 3, 5, 3, 0)
    xi = torch.ones(4)

    def refused(error, match, inputs=inputs, targets=targets, state=state, **keywords):
        with pytest.raises(error, match=match):
            function(inputs, targets, state, params, **{"xi": xi, **keywords})

    refused(ValueError, "unknown loss 'nll': choose among cross_entropy, mse", loss="nll")
    refused(ValueError, "unknown activation 'gelu': choose among tanh, linear, relu, sigmoid", activation="gelu")
    refused(ValueError, "each of the 4 time steps", xi=torch.ones(3))
    refused(ValueError, "each of the 4 time steps", xi=torch.ones(4, 1))
    refused(ValueError, "each of the 4 time steps", xi=1.0)
    refused(ValueError, r"targets \(4, 2\), not \(2, 4\)|4 time steps of inputs but 2 of targets", targets=targets.T)
    refused(ValueError, r"targets \(4, 2\)", targets=targets[:, :1])
    refused(ValueError, r"targets \(4, 2, 3\), not \(4, 2\)", loss="mse")
    refused(ValueError, "from 0 to 2", targets=targets + 3)
    refused(ValueError, "from 0 to 2", targets=targets - 3)
    refused(TypeError, r"use .long\(\)", targets=targets.double())
    refused(ValueError, r"\(T, B, 3\)", inputs=inputs[:, :, :2])
    refused(ValueError, "start a batch", state=state[:1])
    refused(TypeError, "must be a tensor", state=(state,))


# Truncation


@given(st.integers(1, 30), st.integers(1, 35))
def test_regular_segments_have_tau_steps(T, tau):
    xi = gradients.regular_truncation(T, tau)
    assert [t for t in range(T) if xi[t] == 0] == list(range(0, T, tau))
    assert set(xi.tolist()) <= {0.0, 1.0}
    lengths = gradients.segment_lengths(xi)
    assert sum(lengths) == T and lengths[:-1] == [tau] * (len(lengths) - 1) and lengths[-1] <= tau


def test_segments_begin_where_a_factor_is_zero():
    assert gradients.segment_lengths([5, 1, 0, 0, 2, 1]) == [2, 1, 3]
    assert gradients.segment_lengths([0, 1, 1]) == gradients.segment_lengths([1, 1, 1]) == [3]
    assert gradients.segment_lengths([1]) == [1]


def test_randomised_factors_are_one_on_average():
    pi = torch.tensor([0.1, 0.5, 0.9, 1.0], dtype=torch.float64)
    draws = [gradients.randomised_truncation(40_000, pi.repeat_interleave(10_000), seeded(s)) for s in (0, 0, 1)]
    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])
    for part, p in zip(draws[0].split(10_000), pi.tolist(), strict=True):
        assert set(part.tolist()) == ({0.0, 1 / p} if p < 1 else {1.0})
        assert part.mean().item() == pytest.approx(1, abs=5 * math.sqrt((1 / p - 1) / 10_000) + 1e-12)
    assert set(gradients.randomised_truncation(100, 0.5, seeded(0)).tolist()) == {0.0, 2.0}


def seeded(seed):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("tau", [0, -1, math.nan])
def test_a_segment_has_at_least_one_step(tau):
    with pytest.raises(ValueError, match="tau must be at least 1"):
        gradients.regular_truncation(5, tau)
    with pytest.raises(ValueError, match="tau must be at least 1"):
        gradients.truncated_sum([1.0, 2.0], tau)


@pytest.mark.parametrize("pi", [0, -0.1, 1.1, math.nan])
def test_a_probability_is_above_0_and_at_most_1(pi):
    with pytest.raises(ValueError, match="pi must be above 0 and at most 1"):
        gradients.randomised_truncation(5, pi)
    with pytest.raises(ValueError, match="pi must be above 0 and at most 1"):
        gradients.randomised_truncation(5, [0.5, 0.5, pi, 0.5, 0.5])
    with pytest.raises(ValueError, match="pi must be above 0 and at most 1"):
        gradients.randomised_sum([1.0, 2.0], pi)


def test_probabilities_and_factors_of_the_wrong_length_are_refused():
    with pytest.raises(ValueError, match="one number or 5 numbers"):
        gradients.randomised_truncation(5, [0.5, 0.5])
    for xi in ([], 1.0, torch.ones(2, 2)):
        with pytest.raises(ValueError, match=r"xi must be \(T,\)"):
            gradients.segment_lengths(xi)


# One weight


def one_weight(T, seed):
    """h_t = tanh(w h_{t−1} + x_t): b_t, c_t, and by autograd a_t = dh_t/dw and the share of each step in a_T."""
    g = seeded(seed)
    x, h = torch.randn(T, generator=g, dtype=torch.float64), torch.randn((), generator=g, dtype=torch.float64)
    weight = 2 * torch.randn((), generator=g, dtype=torch.float64)
    copies = weight.repeat(T).requires_grad_()  # a weight for each step: its gradient is the term of this step
    b, c, a = [], [], []
    for t in range(T):
        before, h = h, torch.tanh(copies[t] * h + x[t])
        slope = 1 - h.detach() ** 2
        b.append(before.detach() * slope)
        c.append(weight * slope)
        (shares,) = torch.autograd.grad(h, copies, retain_graph=True)
        a.append(shares.sum())
    return torch.stack(b), torch.stack(c), torch.stack(a), shares


@given(st.integers(1, 12), seeds)
def test_the_recursion_and_its_closed_form_are_autograd(T, seed):
    b, c, a, shares = one_weight(T, seed)
    assert_close(gradients.recursion(b, c), a, **EXACT)
    assert_close(gradients.recursion_terms(b, c), shares, **EXACT)
    assert_close(gradients.recursion(b, c)[-1], gradients.recursion_terms(b, c).sum(), **EXACT)


def test_a_recursion_computed_by_hand():
    b, c = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([7.0, 5.0, 2.0])
    assert gradients.recursion(b, c).tolist() == [1, 7, 17]
    assert gradients.recursion_terms(b, c).tolist() == [10, 4, 3]
    assert gradients.truncated_sum([10, 4, 3], 2) == (7, 0) and gradients.truncated_sum([10, 4, 3], 9) == (17, 0)


def enumerated(b, c, pi):
    """Mean and standard deviation of z_T with z_t = b_t + ξ_t c_t z_{t−1}, over all values of ξ."""
    draws = torch.tensor(list(itertools.product([0.0, 1.0], repeat=len(b))), dtype=torch.float64)
    probabilities = (draws * pi + (1 - draws) * (1 - pi)).prod(1)
    z = torch.stack([gradients.recursion(b, survives / pi * c)[-1] for survives in draws])
    mean = probabilities @ z
    return mean.item(), (probabilities @ (z - mean).square()).sqrt().item()


@given(st.integers(1, 7), seeds, st.floats(0.1, 1))
def test_moments_of_the_randomised_sum_are_those_of_all_draws(T, seed, pi):
    b, c = torch.randn(2, T, generator=seeded(seed), dtype=torch.float64)
    terms = gradients.recursion_terms(b, c)
    mean, std = gradients.randomised_sum(terms, pi)
    all_mean, all_std = enumerated(b, c, pi)
    assert mean == pytest.approx(all_mean, rel=1e-9, abs=1e-9)
    assert std == pytest.approx(all_std, rel=1e-9, abs=1e-9)
    d, lag = terms.flip(0), torch.arange(T, dtype=torch.float64)
    variance = d @ (pi ** -torch.minimum(lag[:, None], lag) - 1) @ d
    assert std**2 == pytest.approx(variance.item(), rel=1e-9, abs=1e-9)


def test_the_spread_of_long_sums_is_a_number_or_infinite():
    fades, lasts = 0.5 ** torch.arange(2000.0).flip(0), torch.ones(2000)
    assert gradients.randomised_sum(fades, 0.5)[1] < 10  # 0.5² < π: the terms fade faster than their weights grow
    assert gradients.randomised_sum(lasts, 0.5)[1] == math.inf
    assert gradients.randomised_sum(lasts, 1) == (2000, 0)


@pytest.mark.parametrize("b, c", [([1.0, 2.0], [1.0]), ([], []), (1.0, 2.0), ([[1.0]], [[1.0]])])
def test_bad_arguments_of_the_recursion_are_refused(b, c):
    for function in (gradients.recursion, gradients.recursion_terms):
        with pytest.raises(ValueError, match=r"b and c must both be \(T,\)"):
            function(b, c)


# Jacobians


@given(sizes, sizes, sizes, seeds, activations, st.booleans())
def test_jacobians_and_their_norms_are_those_of_autograd(T, D, h, seed, activation, with_state):
    inputs, _, state, params = example(T, 1, D, h, 2, seed)
    state = state if with_state else None

    def run(H, steps):  # from one hidden state (h,) to a later one
        for X_t in inputs[steps]:
            H = cells.rnn_step(X_t, H[None], params, PHI[activation])[1][0]
        return H

    H = torch.zeros(h, dtype=torch.float64) if state is None else state[0]
    by_step, by_lag = [], [torch.eye(h, dtype=torch.float64)]
    for t in range(T):
        by_step.append(torch.autograd.functional.jacobian(lambda H, t=t: run(H, slice(t, t + 1)), H))
        by_lag.insert(1, torch.autograd.functional.jacobian(lambda H, t=t: run(H, slice(t, T)), H))
        H = run(H, slice(t, t + 1)).detach()

    ours = gradients.step_jacobians(inputs, state, params, activation)
    assert_close(ours, torch.stack(by_step), **EXACT)
    assert_close(gradients.lag_jacobians(ours), torch.stack(by_lag), **EXACT)
    norms = gradients.jacobian_norms(inputs, state, params, activation)
    assert_close(norms, torch.stack([torch.linalg.svdvals(J)[0] for J in by_lag]), atol=1e-8, rtol=0)
    assert not ours.requires_grad and not norms.requires_grad


def test_bad_arguments_of_the_jacobians_are_refused():
    inputs, _, state, params = example(4, 1, 3, 5, 2, 0)
    for function in (gradients.step_jacobians, gradients.jacobian_norms):
        with pytest.raises(ValueError, match="one sequence"):
            function(inputs.repeat(1, 2, 1), None, params)
        with pytest.raises(ValueError, match="unknown activation 'gelu'"):
            function(inputs, state, params, "gelu")
        with pytest.raises(ValueError, match=r"\(T, B, 3\)"):
            function(inputs[:, 0], state, params)


@given(sizes, sizes, sizes, st.integers(2, 6), seeds, st.booleans())
def test_input_gradient_norms_are_those_of_the_jacobian(T, D, h, q, seed, backwards):
    inputs, targets, state, params = example(T, 1, D, h, q, seed)

    def forward(X):
        return cells.rnn(X.flip(0), state, params)[0].flip(0) if backwards else cells.rnn(X, state, params)[0]

    def log_probs(X):
        return torch.log_softmax(forward(X), dim=-1)[:, 0][range(T), targets[:, 0]]

    expected = torch.autograd.functional.jacobian(log_probs, inputs)[:, :, 0].norm(dim=-1)
    with torch.no_grad():
        norms = gradients.input_gradient_norms(forward, inputs, targets[:, 0])
    assert norms.shape == (T, T)
    assert_close(norms, expected, **EXACT)
    assert_close(norms, gradients.input_gradient_norms(forward, inputs, targets), rtol=0, atol=0)
    assert not (norms.T if backwards else norms).triu(1).any()  # no prediction depends on what is read later
    assert norms.diagonal().all() and not inputs.requires_grad and all(p.grad is None for p in params.values())


def test_bad_arguments_of_input_gradient_norms_are_refused():
    inputs, targets, _, params = example(4, 1, 3, 5, 2, 0)

    def forward(X):
        return cells.rnn(X, None, params)[0]

    with pytest.raises(ValueError, match="one sequence"):
        gradients.input_gradient_norms(forward, inputs.repeat(1, 2, 1), targets)
    with pytest.raises(ValueError, match="one for each step"):
        gradients.input_gradient_norms(forward, inputs, targets[:3])


# Clipping


def with_gradients(shapes, scale, seed):
    g = torch.Generator().manual_seed(seed)
    parameters = [nn.Parameter(torch.zeros(shape)) for shape in shapes]
    for p in parameters:
        p.grad = scale * torch.randn(p.shape, generator=g)
    return parameters


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


def lstm_example(T, B, D, h, q, seed, loss="cross_entropy"):
    """Random inputs, targets, state (H, C) and parameters; no bias is zero."""
    inputs, targets, H, params = example(T, B, D, h, q, seed, loss)
    g = torch.Generator().manual_seed(seed + 1)
    shapes = {"W_x": (D, 4 * h), "W_h": (h, 4 * h), "b": (4 * h,)}
    lstm = {name: 0.5 * torch.randn(shape, generator=g, dtype=torch.float64) for name, shape in shapes.items()}
    lstm |= {name: params[name].detach() for name in ("W_hq", "b_q")}
    return inputs, targets, (H, 2 * torch.randn(H.shape, generator=g, dtype=torch.float64)), lstm


def lstm_by_autograd(inputs, targets, state, params, loss):
    """The same numbers as lstm_bptt."""
    leaves = {**params, "inputs": inputs, "H": state[0], "C": state[1]}
    leaves = {name: value.clone().requires_grad_() for name, value in leaves.items()}
    outputs, last = cells.lstm(leaves["inputs"], (leaves["H"], leaves["C"]), leaves)
    if loss == "cross_entropy":
        value = F.cross_entropy(outputs.flatten(0, 1), targets.flatten())
    else:
        value = F.mse_loss(outputs, targets)
    found = dict(zip(leaves, torch.autograd.grad(value, list(leaves.values())), strict=True))
    found["state"] = found.pop("H"), found.pop("C")
    return value.detach(), found, tuple(part.detach() for part in last)


@given(sizes, sizes, sizes, sizes, sizes, seeds, losses, st.booleans())
def test_lstm_bptt_is_autograd(T, B, D, h, q, seed, loss, from_zeros):
    inputs, targets, state, params = lstm_example(T, B, D, h, q, seed, loss)
    if from_zeros:
        state = torch.zeros_like(state[0]), torch.zeros_like(state[1])
    value, theirs, last = lstm_by_autograd(inputs, targets, state, params, loss)
    own_value, ours, own_last = lstm_bptt(inputs, targets, None if from_zeros else state, params, loss)
    assert_close((own_value, own_last), (value, last), **EXACT)
    assert list(ours) == list(theirs) == [*params, "inputs", "state"]
    assert_close(ours, theirs, **EXACT)


def test_lstm_bptt_refuses_what_does_not_fit():
    inputs, targets, (H, C), params = lstm_example(3, 2, 4, 5, 6, 0)
    with pytest.raises(ValueError, match="unknown loss 'mae': choose among cross_entropy, mse"):
        lstm_bptt(inputs, targets, None, params, "mae")
    with pytest.raises(TypeError, match=r"pair, the tuple \(H, C\)"):
        lstm_bptt(inputs, targets, H, params)
    with pytest.raises(ValueError, match=r"must have \(2, 5\)"):
        lstm_bptt(inputs, targets, (H, C[:1]), params)
    with pytest.raises(ValueError, match=r"\(T, B, 4\)"):
        lstm_bptt(inputs[0], targets, None, params)
    with pytest.raises(ValueError, match=r"needs targets \(3, 2\)"):
        lstm_bptt(inputs, targets[:2], None, params)


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


@pytest.mark.parametrize(
    "shape, message", [((4, 2, 2), "one sequence"), ((4, 2), r"\(T, B, 2\)"), ((4, 1, 3), r"\(T, B, 2\)")]
)
def test_the_terms_are_those_of_one_sequence(shape, message):
    with pytest.raises(ValueError, match=message):
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
