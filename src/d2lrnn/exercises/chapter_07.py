"""Checkers of the exercises of chapter 7, vanishing and exploding gradients."""

import math

import torch

from d2lrnn.dynamics import recurrent_matrix, spectral_radius
from d2lrnn.exercises import NotAnswered, as_tensor, call, checker, close, number


@checker(
    "07.jacobian",
    praise="Row by row the slope of a unit times the weights into it; no slope is above 1/4.",
)
def jacobian(answer):
    generator = torch.Generator().manual_seed(7)
    x_t, h, W_xh, W_hh, b_h = (
        torch.randn(*shape, generator=generator, dtype=torch.float64)
        for shape in ((1, 3), (1, 4), (3, 4), (4, 4), (4,))
    )
    J = as_tensor(
        call(answer, x_t.clone(), h.clone(), {"W_xh": W_xh.clone(), "W_hh": W_hh.clone(), "b_h": b_h.clone()})
    )
    z = (x_t @ W_xh + h @ W_hh + b_h)[0]
    s = torch.sigmoid(z)
    if J.shape in ((4,), (1, 4)):
        return "that is a vector; each of the h outputs has a derivative with respect to each of the h inputs."

    def from_slope(slope):
        return slope[:, None] * W_hh.T

    twice = torch.sigmoid(s)
    slips = {
        "this is the transpose: row i belongs to the output h_t,i.": from_slope(s * (1 - s)).T,
        "each slope is multiplied into the wrong side, to the unit the weight comes from.": (s * (1 - s)) * W_hh.T,
        "W_hh is not transposed: which weights lead into unit i?": (s * (1 - s))[:, None] * W_hh,
        "φ stands where its derivative belongs.": from_slope(s),
        "σ′ is taken at h_t; it belongs to the pre-activation.": from_slope(twice * (1 - twice)),
        "σ′ is taken at h_(t−1); it belongs to the pre-activation.": from_slope(
            torch.sigmoid(h[0]) * (1 - torch.sigmoid(h[0]))
        ),
        "z(1 − z) is not σ′(z): which quantity must stand there?": from_slope(z * (1 - z)),
        "this is the derivative of tanh at z.": from_slope(1 - torch.tanh(z) ** 2),
        "1 − h_t² is the derivative of another activation function.": from_slope(1 - s**2),
        "the activation is missing: this is the linear network.": W_hh.T,
        "b_h is missing in the pre-activation.": from_slope(torch.sigmoid(z - b_h) * (1 - torch.sigmoid(z - b_h))),
    }
    for hint, wrong in slips.items():
        if close(J, wrong):
            return hint
    if not close(J, from_slope(s * (1 - s))):
        return "some entries differ. Write down ∂h_t,i/∂z_t,i and ∂z_t,i/∂h_(t−1),j for one i and one j."


@checker(
    "07.growing",
    praise="The eigenvalues say nothing about what happens first.",
)
def growing(answer):
    W = as_tensor(answer)
    if W.dim() != 2 or W.shape[0] != W.shape[1]:
        return "W must be a square matrix."
    if not W.isfinite().all():
        return "the entries of W must be finite."
    radius = spectral_radius(W)
    if radius >= 1:
        return f"its spectral radius is {radius:.3g}: the gradient would never vanish. It should be 0.9."
    # Eigenvalues of a large defective matrix are computed to a few digits only.
    if abs(radius - 0.9) > 1e-3:
        return f"its spectral radius is {radius:.3g}, not 0.9."
    powers, power = [], torch.eye(len(W), dtype=torch.float64)
    for _ in range(500):
        power = power @ W
        powers.append(torch.linalg.matrix_norm(power, 2).item())
    if max(powers) >= 10 and len(W) > 2:
        return f"it grows tenfold, but it is not the smallest: {len(W)} units are more than needed."
    if max(powers) >= 10:
        return None
    if torch.allclose(W @ W.T, W.T @ W, atol=1e-9):
        return "this matrix is normal, so its largest singular value equals its radius: every step must shrink."
    if max(powers) <= 1:
        return "no power of it has a norm above 1; what must the largest singular value be?"
    return f"it does grow first, but only to {max(powers):.3g}; ten is asked for."


REMEDIES = {
    "clipping": ("exploding", "look at what a factor of at most 1 does to a gradient that is small already."),
    "truncation": ("exploding", "over how many steps can the gradient grow then, and what reaches the first symbol?"),
    "orthogonal initialisation": ("both", "look at its row at lag 20, and at what (7.6) says for σ_max = 1 and tanh."),
    "open forget gates": ("vanishing", "compare the two LSTM rows. Which problem does their table measure?"),
    "loss scale": ("neither", "what happens to the ratio of far and near parts, and to the length of a step?"),
}


@checker(
    "07.remedies",
    praise="Vanishing asks for another path; exploding only for a limit.",
)
def remedies(answer):
    if not isinstance(answer, dict):
        return "this exercise asks for a dict from the measures to the four answers."
    if set(answer) != set(REMEDIES):
        return f"the keys must be {', '.join(REMEDIES)}."
    if any(value is None or value is Ellipsis for value in answer.values()):
        raise NotAnswered
    for name, (right, hint) in REMEDIES.items():
        if answer[name] not in ("vanishing", "exploding", "both", "neither"):
            return f"{name}: the answers are 'vanishing', 'exploding', 'both' and 'neither'."
        if answer[name] != right:
            return f"{name}: {hint}"


@checker("07.lag", praise="The horizon is a logarithm of the share: 1 % needs only twice the steps of 10 %.")
def lag(answer):
    for c, s in ((0.9, 0.01), (0.9, 2**-24), (0.5, 0.3), (0.99, 1e-3), (0.5, 0.25)):
        k = number(call(answer, c, s))
        expected = next(k for k in range(10_000) if c**k < s)
        if k < 0:
            return "a lag is positive: both logarithms are negative."
        if k != k // 1:
            return "a lag is a whole number of steps."
        if k == expected - 1:
            return f"for c = {c:g}, s = {s:g} you are one step early: cᵏ must be below s, not above or equal to it."
        if k == expected + 1:
            return f"for c = {c:g}, s = {s:g} there is a smaller k."
        if k == math.ceil(math.log(c) / math.log(s)):
            return "the two logarithms are divided the wrong way round."
        if k != expected:
            return f"for c = {c:g}, s = {s:g} you have {k:g}; compute cᵏ there and one step earlier."


@checker("07.guarantee", praise="A proof needs the norm; the radius would promise too much.")
def guarantee(answer):
    generator = torch.Generator().manual_seed(7)

    def matrix(kind, radius):
        return recurrent_matrix(kind, 6, radius, generator)

    identity = torch.eye(6, dtype=torch.float64)
    cases = [
        (
            0.9 * identity,
            "tanh",
            True,
            "0.9 I must vanish: the norm in (7.6) is the largest singular value; another one is larger.",
        ),
        (matrix("orthogonal", 0.9), "tanh", True, "an orthogonal matrix times 0.9 with tanh must vanish."),
        (matrix("orthogonal", 1.1), "tanh", False, "an orthogonal matrix times 1.1 with tanh has no guarantee."),
        (
            matrix("non_normal", 0.9),
            "tanh",
            False,
            "with radius 0.9 and a large singular value you promise too much: which of the two does (7.6) use?",
        ),
        (matrix("orthogonal", 3.5), "sigmoid", True, "you are too careful with the sigmoid: what is its γ?"),
        (matrix("orthogonal", 4.5), "sigmoid", False, "the sigmoid helps, but not without limit."),
        (matrix("orthogonal", 0.9), "relu", True, "ReLU: its slope is 0 or 1, so what is γ?"),
        (matrix("orthogonal", 0.9), "linear", True, "the linear network has γ = 1."),
        (
            0.3 * torch.ones(6, 6, dtype=torch.float64),
            "tanh",
            False,
            "small entries do not make a small norm: this 6 × 6 matrix of 0.3 stretches a vector by 1.8.",
        ),
        (identity, "linear", False, "at σ_max = 1 exactly, nothing has to shrink: the identity keeps every gradient."),
    ]
    for W, activation, expected, hint in cases:
        if bool(call(answer, W.clone(), activation)) != expected:
            return hint


@checker("07.clipping", praise="The ratio is untouched: clipping cannot bring the far part back.")
def clipping(answer):
    for n, m, theta in ((3.0, 4.0, 1.0), (12.0, 5.0, 2.0), (0.3, 0.04, 1.0), (1.0, 1e-6, 0.5), (0.8, 0.8, 1.0)):
        result = as_tensor(call(answer, n, m, theta)).flatten()
        if len(result) != 2:
            return "return two numbers, the norm of the near and of the far part."
        factor = min(1.0, theta / math.hypot(n, m))
        if close(result, (factor * n, factor * m)):
            continue
        if close(result, (factor * m, factor * n)):
            return "the two numbers are in the wrong order: near first."
        if close(result, (min(n, theta), min(m, theta))):
            return "you clipped each part by itself; there is one norm, that of the sum."
        by_sum = min(1.0, theta / (n + m))
        if close(result, (by_sum * n, by_sum * m)):
            return "the norm of a sum of orthogonal parts is not the sum of their norms."
        by_square = min(1.0, theta / (n * n + m * m))
        if close(result, (by_square * n, by_square * m)):
            return "n² + m² is the square of the norm: the root is missing."
        if close(result, (theta / math.hypot(n, m) * n, theta / math.hypot(n, m) * m)):
            return "you scale a gradient that is short enough already: clipping never lengthens."
        return f"for norms {n:g} and {m:g} and θ = {theta:g} the result is different. What is the norm of the sum?"
