import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.func import grad, vmap

from d2lrnn import dynamics
from d2lrnn.dynamics import CONNECTIONS, MATRICES, DeepNet


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def norm(W):
    return torch.linalg.matrix_norm(W, 2).item()


# Recurrent matrices


@given(st.sampled_from(MATRICES), st.integers(1, 5), st.floats(0.1, 2), st.integers(0, 99))
def test_has_the_radius_asked_for(kind, half_size, radius, seed):
    W = dynamics.recurrent_matrix(kind, 2 * half_size, radius, seeded(seed))
    assert W.shape == (2 * half_size, 2 * half_size) and W.dtype == torch.float64
    # The eigenvalues of a matrix that is not normal are found less precisely.
    assert dynamics.spectral_radius(W) == pytest.approx(radius, rel=1e-6)
    assert torch.equal(W, dynamics.recurrent_matrix(kind, 2 * half_size, radius, seeded(seed)))


def test_spectral_radius_sees_complex_pairs():
    assert dynamics.spectral_radius(torch.tensor([[0.0, -2.0], [2.0, 0.0]])) == pytest.approx(2)


def test_only_the_non_normal_and_the_gaussian_one_grow_first():
    for kind in MATRICES:
        W = dynamics.recurrent_matrix(kind, 8, 0.9, seeded())
        normal = torch.allclose(W @ W.T, W.T @ W)
        assert normal == (kind in ("orthogonal", "identity"))
        assert (norm(W) > 1) == (not normal)
        assert norm(torch.linalg.matrix_power(W, 200)) < 1e-5


def test_orthogonal_is_orthogonal_and_not_always_a_rotation():
    signs = set()
    for seed in range(8):
        Q = dynamics.recurrent_matrix("orthogonal", 3, 1.0, seeded(seed))
        torch.testing.assert_close(Q @ Q.T, torch.eye(3, dtype=torch.float64))
        signs.add(round(torch.linalg.det(Q).item()))
    assert signs == {-1, 1}


def test_powers_of_the_non_normal_matrix_are_known():
    W = dynamics.recurrent_matrix("non_normal", 6, 0.9, seeded())
    for k in (1, 5, 10, 40):
        # norm of r^k [[1, 5k], [0, 1]]
        a = 5 * k
        expected = 0.9**k * math.sqrt((2 + a * a + a * math.sqrt(a * a + 4)) / 2)
        assert norm(torch.linalg.matrix_power(W, k)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("bad", [("skew", 4, 1.0), ("gaussian", 0, 1.0), ("identity", 2, -1.0), ("non_normal", 3, 1.0)])
def test_recurrent_matrix_refuses_what_it_cannot_make(bad):
    with pytest.raises(ValueError, match="must be"):
        dynamics.recurrent_matrix(*bad)


# Gradient against lag


def test_lag_norms_of_a_linear_network_are_norms_of_powers():
    W = dynamics.recurrent_matrix("gaussian", 6, 1.1, seeded())
    norms = dynamics.lag_norms(W, "linear", 20, generator=seeded(1))
    powers = [norm(torch.linalg.matrix_power(W, k)) for k in range(21)]
    torch.testing.assert_close(norms, torch.tensor(powers, dtype=torch.float64))


@pytest.mark.parametrize("activation", ["tanh", "relu", "sigmoid"])
def test_lag_norms_agree_with_autograd(activation):
    W = dynamics.recurrent_matrix("gaussian", 5, 1.2, seeded())
    norms = dynamics.lag_norms(W, activation, 12, 0.5, seeded(1))
    inputs = 0.5 * torch.randn(12, 1, 5, dtype=torch.float64, generator=seeded(1))
    phi = {"tanh": torch.tanh, "relu": torch.relu, "sigmoid": torch.sigmoid}[activation]

    def state(H, start, end):
        for X_t in inputs[start:end]:
            H = phi(X_t[0] + H @ W)
        return H

    for k in (0, 1, 5, 12):
        H = state(torch.zeros(5, dtype=torch.float64), 0, 12 - k)
        jacobian = torch.autograd.functional.jacobian(lambda H, k=k: state(H, 12 - k, 12), H)
        assert norms[k].item() == pytest.approx(norm(jacobian), rel=1e-8, abs=1e-12)


# The cliff


@given(st.floats(-7, 7), st.floats(-4, 4), st.integers(1, 12))
def test_gradient_of_the_cliff_agrees_with_autograd(w, b, num_steps):
    point = torch.tensor([w, b], dtype=torch.float64)

    def loss_at(point):
        h = torch.tensor(0.5, dtype=torch.float64)
        for _ in range(num_steps):
            h = torch.sigmoid(point[0] * h + point[1])
        return (h - 0.7) ** 2

    loss, d_w, d_b = dynamics.cliff(w, b, num_steps)
    torch.testing.assert_close(loss, loss_at(point))
    torch.testing.assert_close(torch.stack([d_w, d_b]), grad(loss_at)(point), rtol=1e-8, atol=1e-12)


def test_the_cliff_takes_grids():
    w, b = torch.meshgrid(torch.linspace(3, 6, 4), torch.linspace(-3, -1, 5), indexing="ij")
    loss, d_w, d_b = dynamics.cliff(w, b)
    assert loss.shape == d_w.shape == d_b.shape == (4, 5)
    assert loss[2, 3] == dynamics.cliff(w[2, 3], b[2, 3])[0]


@pytest.mark.parametrize("clip", [None, 0.3])
def test_descend_follows_the_clipped_gradient(clip):
    path, losses, norms = dynamics.descend((5.0, -3.0), 1.0, clip, 20)
    assert path.shape == (21, 2) and losses.shape == norms.shape == (21,)
    for n in range(20):
        loss, d_w, d_b = dynamics.cliff(*path[n])
        gradient = torch.stack([d_w, d_b])
        assert losses[n] == loss and norms[n] == torch.linalg.vector_norm(gradient)
        factor = 1 if clip is None else min(1, clip / norms[n].item())
        torch.testing.assert_close(path[n + 1], path[n] - factor * gradient)


def test_clipping_keeps_the_path_on_the_map():
    free, free_losses, norms = dynamics.descend((5.0, -3.0), 1.0)
    clipped, clipped_losses, _ = dynamics.descend((5.0, -3.0), 1.0, 0.3)
    assert norms.max() > 10 and free.abs().max() > 10
    assert (clipped[1:] - clipped[:-1]).norm(dim=1).max() <= 0.3 + 1e-12
    assert clipped_losses[-1] < 0.01 < free_losses[-1]


def test_descend_needs_positive_settings():
    for lr, clip in ((0, None), (1, 0)):
        with pytest.raises(ValueError, match="above 0"):
            dynamics.descend((5, -3), lr, clip)


# Deep networks


@pytest.mark.parametrize("connection", CONNECTIONS)
def test_a_layer_computes_its_equation(connection):
    net = DeepNet(connection, 3, 4, gain=1.3, generator=seeded())
    x = torch.randn(2, 4, generator=seeded(1))
    outputs = net(x)
    assert len(outputs) == 4 and outputs[0] is x and all(output.shape == (2, 4) for output in outputs)
    read = torch.cat(outputs[:3], dim=1) if connection == "dense" else outputs[2]
    f = torch.tanh(read @ net.W[2] + net.b[2])
    expected = {"plain": f, "dense": f, "residual": outputs[2] + f}
    if connection == "highway":
        g = torch.sigmoid(read @ net.W_g[2] + net.b_g[2])
        assert g.mean() < 0.3
        expected["highway"] = g * f + (1 - g) * outputs[2]
    torch.testing.assert_close(outputs[3], expected[connection])


@pytest.mark.parametrize("connection", CONNECTIONS)
def test_the_scale_of_the_weights_follows_the_number_of_inputs(connection):
    net = DeepNet(connection, 3, 60, gain=2.0, generator=seeded())
    for W in net.W:
        assert W.std().item() == pytest.approx(2 / len(W) ** 0.5, rel=0.05)


@pytest.mark.parametrize("connection", CONNECTIONS)
def test_depth_norms_are_those_of_the_jacobians(connection):
    norms = dynamics.depth_norms(connection, 5, 6, 0.8, seeded(3))
    generator = seeded(3)
    net = DeepNet(connection, 5, 6, 0.8, generator=generator).double()
    x, top = torch.randn(2, 1, 6, dtype=torch.float64, generator=generator)
    jacobian = torch.autograd.functional.jacobian(lambda x: net(x[None])[-1][0], x[0])
    expected = torch.linalg.vector_norm(top[0] / top.norm() @ jacobian)
    assert norms.shape == (6,) and norms[-1].item() == pytest.approx(1)
    assert norms[0].item() == pytest.approx(expected.item(), rel=1e-10)
    assert torch.equal(norms, dynamics.depth_norms(connection, 5, 6, 0.8, seeded(3)))


def test_a_plain_deep_net_loses_the_gradient_and_a_residual_one_does_not():
    gain = 3**-0.5
    plain, residual = (dynamics.depth_norms(c, 50, 16, gain, seeded())[0] for c in ("plain", "residual"))
    assert plain < 1e-8 and residual > 0.1


@pytest.mark.parametrize("bad", [("ring", 2, 3), ("plain", 0, 3), ("dense", 2, 0)])
def test_deep_net_refuses_what_it_cannot_build(bad):
    with pytest.raises(ValueError, match="must be"):
        DeepNet(*bad)


def test_gradient_grid_equals_points():
    w = torch.linspace(3, 6, 7, dtype=torch.float64)
    _, d_w, _ = dynamics.cliff(w, -2.5)
    one_by_one = vmap(grad(lambda v: dynamics.cliff(v, -2.5)[0]))(w)
    torch.testing.assert_close(d_w, one_by_one)
