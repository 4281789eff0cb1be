"""Why gradients vanish and explode: recurrent matrices, a loss with a cliff, and deep networks.

Row convention: H_t = φ(Z_t) with Z_t = X_t W_xh + H_{t−1} W_hh + b_h, so that
∂H_t/∂H_{t−1} = diag(φ′(Z_t)) W_hhᵀ. All numbers are float64.
"""

import torch
from torch import nn

from d2lrnn import gradients

MATRICES = ("gaussian", "orthogonal", "identity", "non_normal")
CONNECTIONS = ("plain", "residual", "highway", "dense")


def spectral_radius(W):
    """The largest absolute value of an eigenvalue, ρ(W).

    Args:
        W: (h, h).

    Returns:
        float
    """
    return torch.linalg.eigvals(W).abs().max().item()


def recurrent_matrix(kind, size, radius=1.0, generator=None):
    """A recurrent matrix W_hh whose spectral radius is known.

    Args:
        kind: "gaussian": independent normal entries, rescaled. "orthogonal": uniformly random, times the radius.
            "identity": times the radius. "non_normal": radius · Q (I + 5 N) Qᵀ with a random orthogonal Q, where N
            joins the units 1 → 2, 3 → 4, …: all eigenvalues are equal, but its powers first grow, as 5 k radius^k.
        size: h, for "non_normal" an even number.
        radius: ρ(W_hh), at least 0.
        generator: a CPU torch.Generator.

    Returns:
        (h, h) float64.

    Raises:
        ValueError: an unknown kind, a size or a radius out of range.
    """
    if kind not in MATRICES:
        raise ValueError(f"kind must be one of {', '.join(MATRICES)}, not {kind!r}")
    if size < 1 or not radius >= 0 or (kind == "non_normal" and size % 2):
        raise ValueError(f"size must be at least 1 (even for non_normal) and radius at least 0: not {size}, {radius}")
    identity = torch.eye(size, dtype=torch.float64)
    if kind == "identity":
        return radius * identity
    W = torch.randn(size, size, dtype=torch.float64, generator=generator)
    if kind == "gaussian":
        return radius / spectral_radius(W) * W
    Q, R = torch.linalg.qr(W)
    Q = Q * R.diagonal().sign()  # otherwise Q is not uniform: Mezzadri (2007)
    if kind == "orthogonal":
        return radius * Q
    N = torch.diag((torch.arange(size - 1) % 2 == 0).double(), diagonal=1)
    return radius * Q @ (identity + 5 * N) @ Q.T


def lag_norms(W_hh, activation="tanh", num_steps=60, input_scale=0.1, generator=None):
    """The spectral norms of ∂H_T/∂H_{T−k} for k = 0 … T, on random inputs.

    The largest factor by which a gradient can grow on its way back over k steps. H_0 = 0, and the inputs are added
    to the pre-activation as they are (W_xh = I, b_h = 0).

    Args:
        W_hh: (h, h) float64.
        activation: a name in `gradients.ACTIVATIONS`.
        num_steps: T.
        input_scale: standard deviation of the inputs.
        generator: a CPU torch.Generator.

    Returns:
        (T + 1,) float64.
    """
    size = len(W_hh)
    inputs = input_scale * torch.randn(num_steps, 1, size, dtype=torch.float64, generator=generator)
    params = {"W_xh": torch.eye(size, dtype=torch.float64), "W_hh": W_hh, "b_h": torch.zeros(size, dtype=torch.float64)}
    return gradients.jacobian_norms(inputs, None, params, activation)


def cliff(w, b, num_steps=25, target=0.7):
    """The loss of a recurrent network with one unit, and its gradient.

    h_t = σ(w h_{t−1} + b) from h_0 = 0.5, and the loss is (h_T − target)². Where w and b put the unit between two
    resting points, a small change decides which of them it reaches: the loss has a cliff.
    Source: Pascanu, Mikolov and Bengio (2013), section 2.3.

    Args:
        w, b: numbers or tensors of one shape, the recurrent weight and the bias.
        num_steps: T.
        target: the wanted last state.

    Returns:
        loss, ∂loss/∂w and ∂loss/∂b, each float64 of that shape.
    """
    w, b = torch.broadcast_tensors(*(torch.as_tensor(v, dtype=torch.float64) for v in (w, b)))
    h, dh_dw, dh_db = torch.full_like(w, 0.5), torch.zeros_like(w), torch.zeros_like(b)
    for _ in range(num_steps):
        h_new = torch.sigmoid(w * h + b)
        slope = h_new * (1 - h_new)  # σ′ of the pre-activation
        dh_dw, dh_db = slope * (h + w * dh_dw), slope * (1 + w * dh_db)
        h = h_new
    error = h - target
    return error**2, 2 * error * dh_dw, 2 * error * dh_db


def descend(start, lr, clip=None, num_updates=60, num_steps=25):
    """The path of gradient descent on `cliff`.

    Args:
        start: (w, b), where it begins.
        lr: learning rate.
        clip: the largest gradient norm; None does not clip.
        num_updates: n.
        num_steps: T.

    Returns:
        path (n + 1, 2), losses (n + 1,) and gradient norms before clipping (n + 1,), float64.

    Raises:
        ValueError: lr or clip is not above 0.
    """
    if not lr > 0 or (clip is not None and not clip > 0):
        raise ValueError(f"lr and clip must be above 0 (clip=None does not clip), not {lr} and {clip}")
    point = torch.tensor(start, dtype=torch.float64)
    path, losses, norms = [], [], []
    for _ in range(num_updates + 1):
        loss, d_w, d_b = cliff(*point, num_steps)
        gradient = torch.stack([d_w, d_b])
        norm = torch.linalg.vector_norm(gradient)
        path.append(point)
        losses.append(loss)
        norms.append(norm)
        if clip is not None and norm > clip:
            gradient = clip / norm * gradient
        point = point - lr * gradient
    return torch.stack(path), torch.stack(losses), torch.stack(norms)


class DeepNet(nn.Module):
    """A deep feed-forward network of equally wide layers, with one kind of connection between them.

    With f(x) = tanh(x W + b), a layer computes:

        plain: f(x), residual: x + f(x), highway: g ⊙ f(x) + (1 − g) ⊙ x with the gate g = σ(x W_g + b_g),
        dense: f of the outputs of all layers before it, side by side.

    Sources: He, Zhang, Ren and Sun (2016), Srivastava, Greff and Schmidhuber (2015), Huang, Liu, van der Maaten and
    Weinberger (2017).

    Args:
        connection: "plain", "residual", "highway" or "dense".
        depth: the number of layers.
        width: the size of each layer.
        gain: entries of W have the standard deviation gain / √inputs.
        gate_bias: b_g at first; below 0, so that the gates begin nearly closed.
        generator: a CPU torch.Generator.

    Raises:
        ValueError: an unknown connection, or a depth or width below 1.
    """

    def __init__(self, connection, depth, width, gain=1.0, gate_bias=-2.0, generator=None):
        super().__init__()
        if connection not in CONNECTIONS:
            raise ValueError(f"connection must be one of {', '.join(CONNECTIONS)}, not {connection!r}")
        if depth < 1 or width < 1:
            raise ValueError(f"depth and width must be at least 1, not {depth} and {width}")

        def normal(inputs):
            return nn.Parameter(gain / inputs**0.5 * torch.randn(inputs, width, generator=generator))

        def layers(inputs, bias):
            weights = nn.ParameterList(normal(i) for i in inputs)
            return weights, nn.ParameterList(nn.Parameter(torch.full((width,), bias)) for _ in inputs)

        self.connection = connection
        sizes = [width * (layer + 1 if connection == "dense" else 1) for layer in range(depth)]
        self.W, self.b = layers(sizes, 0.0)
        self.W_g, self.b_g = layers(sizes, gate_bias) if connection == "highway" else (None, None)

    def forward(self, x):
        """The inputs and the outputs of all layers.

        Args:
            x: (B, width).

        Returns:
            list of depth + 1 tensors (B, width), the first of them x.
        """
        outputs = [x]
        for layer, (W, b) in enumerate(zip(self.W, self.b, strict=True)):
            read = torch.cat(outputs, dim=1) if self.connection == "dense" else outputs[-1]
            x = torch.tanh(read @ W + b)
            if self.connection == "residual":
                x = read + x
            if self.connection == "highway":
                gate = torch.sigmoid(read @ self.W_g[layer] + self.b_g[layer])
                x = gate * x + (1 - gate) * read
            outputs.append(x)
        return outputs


def depth_norms(connection, depth, width=32, gain=1.0, generator=None):
    """The norm of the gradient that reaches the input of each layer of a new DeepNet, for a gradient of 1 at the top.

    Args:
        connection, depth, width, gain: as for `DeepNet`.
        generator: a CPU torch.Generator; it draws the weights, one input and the direction of the gradient at the top.

    Returns:
        (depth + 1,) float64: entry l is ‖∂L/∂x_l‖ for x_l, the output of layer l, and x_0, the input; the last is 1.
    """
    net = DeepNet(connection, depth, width, gain, generator=generator).double()
    x, top = torch.randn(2, 1, width, dtype=torch.float64, generator=generator)
    outputs = net(x.requires_grad_())
    loss = (outputs[-1] * top / torch.linalg.vector_norm(top)).sum()
    return torch.stack([torch.linalg.vector_norm(g) for g in torch.autograd.grad(loss, outputs)])
