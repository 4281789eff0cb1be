"""Checkers of the exercises of chapter 7, vanishing and exploding gradients."""

import math

import torch

from d2lrnn.dynamics import recurrent_matrix, spectral_radius
from d2lrnn.exercises import NotAnswered, as_tensor, call, checker, close, number


@checker(
    "07.jacobian",
    praise="A part of the gradient passes straight through, as in a highway layer with a constant gate.",
)
def jacobian(answer):
    generator = torch.Generator().manual_seed(7)
    x_t, h, W_xh, W_hh, b_h = (
        torch.randn(*shape, generator=generator, dtype=torch.float64)
        for shape in ((1, 3), (1, 4), (3, 4), (4, 4), (4,))
    )
    z = (x_t @ W_xh + h @ W_hh + b_h)[0]
    for alpha in (0.3, 1.0):
        params = {"W_xh": W_xh.clone(), "W_hh": W_hh.clone(), "b_h": b_h.clone()}
        J = as_tensor(call(answer, x_t.clone(), h.clone(), params, alpha))
        if J.shape in ((4,), (1, 4)):
            return "that is a vector; each of the h outputs has a derivative with respect to each of the h inputs."
        hint = jacobian_hint(J, z, h, W_hh, b_h, alpha)
        if hint:
            return hint


def jacobian_hint(J, z, h, W_hh, b_h, alpha):
    identity = torch.eye(4, dtype=torch.float64)
    s = 1 - torch.tanh(z) ** 2

    def leaky(through, keep=1 - alpha, take=alpha):
        return keep * identity + take * through

    def from_slope(slope):
        return leaky(slope[:, None] * W_hh.T)

    right = from_slope(s)
    if close(J, right):
        return None
    slips = {
        "this is the transpose: row i belongs to the output h_t,i.": right.T,
        "each slope is multiplied into the wrong side, to the unit the weight comes from.": leaky(s * W_hh.T),
        "W_hh is not transposed: which weights lead into unit i?": leaky(s[:, None] * W_hh),
        "φ stands where its derivative belongs.": from_slope(torch.tanh(z)),
        "tanh′ is taken at h_t; it belongs to the pre-activation.": from_slope(
            1 - torch.tanh((1 - alpha) * h[0] + alpha * torch.tanh(z)) ** 2
        ),
        "tanh′ is taken at tanh(z_t); it belongs to the pre-activation.": from_slope(
            1 - torch.tanh(torch.tanh(z)) ** 2
        ),
        "1 − h_t² is tanh′(z_t) only without the leak: here h_t is not tanh(z_t).": from_slope(
            1 - ((1 - alpha) * h[0] + alpha * torch.tanh(z)) ** 2
        ),
        "tanh′ is taken at h_(t−1); it belongs to the pre-activation.": from_slope(1 - torch.tanh(h[0]) ** 2),
        "this is the derivative of the logistic function at z.": from_slope(torch.sigmoid(z) * (1 - torch.sigmoid(z))),
        "the slope of the activation is missing.": leaky(W_hh.T),
        "b_h is missing in the pre-activation.": from_slope(1 - torch.tanh(z - b_h) ** 2),
        "the part that is kept is missing: h_(t−1) also enters h_t directly.": leaky(s[:, None] * W_hh.T, keep=0),
        "α is missing: only this share of tanh enters h_t.": leaky(s[:, None] * W_hh.T, take=1),
        "α and 1 − α have changed places.": leaky(s[:, None] * W_hh.T, keep=alpha, take=1 - alpha),
        "the kept part goes from each unit to itself only: (1 − α) times the identity, not to every entry.": (
            1 - alpha + alpha * s[:, None] * W_hh.T
        ),
    }
    for hint, wrong in slips.items():
        if close(J, wrong):
            return hint
    return "some entries differ. Write down ∂h_t,i/∂h_(t−1),j for one i and one j, once directly and once through z_t."


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
    if W.abs().max() > 1 + 1e-6:
        return f"one entry is {W.abs().max().item():.3g} in size; none may be above 1."
    powers, power = [], torch.eye(len(W), dtype=torch.float64)
    for _ in range(500):
        power = power @ W
        powers.append(torch.linalg.matrix_norm(power, 2).item())
    if max(powers) >= 10 and len(W) > 3:
        return f"it grows tenfold, but it is not the smallest: {len(W)} units are more than needed."
    if max(powers) >= 10:
        return None
    if torch.allclose(W @ W.T, W.T @ W, atol=1e-9):
        return "this matrix is normal, so its largest singular value equals its radius: every step must shrink."
    if max(powers) <= 1:
        return "no power of it has a norm above 1; what must the largest singular value be?"
    return f"it does grow first, but only to {max(powers):.3g}; ten is asked for. What if its path had one more unit?"


FATES = {
    "linear, R": ("stays", "a rotation changes no length."),
    "tanh, 0.8 R": ("vanishes", "what does (7.6) say for γ = 1 and σ_max = 0.8?"),
    "sigmoid, 3 R": ("vanishes", "what is γ for the sigmoid, and what is γ σ_max?"),
    "ReLU, R": ("vanishes", "how many of the units are above 0, and what does a rotation do with what is left?"),
    "ReLU, 1.2 I": ("grows", "no unit feeds another one. Which factor has a unit that stays above 0?"),
}


@checker("07.fates", praise="Weights and slopes together decide; the radius alone does not.")
def fates(answer):
    if not isinstance(answer, dict):
        return "this exercise asks for a dict from the five networks to what becomes of the gradient."
    if set(answer) != set(FATES):
        return f"the keys must be {'; '.join(FATES)}."
    if any(value is None or value is Ellipsis for value in answer.values()):
        raise NotAnswered
    for name, (right, hint) in FATES.items():
        if answer[name] not in ("vanishes", "stays", "grows"):
            return f"{name}: the answers are 'vanishes', 'stays' and 'grows'."
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
        (matrix("orthogonal", 1.2), "relu", False, "ReLU may let every row through, so its γ is not below 1."),
    ]
    non_normal = matrix("non_normal", 0.9)
    for activation, size in (("relu", 2.0), ("linear", 2.0), ("sigmoid", 8.0)):
        W = non_normal * size / torch.linalg.matrix_norm(non_normal, 2)
        hint = f"{activation}: with a large singular value you promise too much, whatever the radius is."
        cases.append((W, activation, False, hint))
    for W, activation, expected, hint in cases:
        if bool(call(answer, W.clone(), activation)) != expected:
            return hint


@checker("07.bias", praise="The bias grows only with the logarithm of the lag.")
def bias(answer):
    for k, s in ((20, 0.5), (1, 0.9), (100, 0.1), (1000, 0.9), (3, 0.01)):
        b = number(call(answer, k, s))
        gate = s ** (1 / k)
        expected = math.log(gate / (1 - gate))
        if abs(b - expected) < 1e-6 * max(1, abs(expected)):
            continue
        if abs(b - gate) < 1e-9:
            return "that is the gate, σ(b); the bias b is asked for."
        if abs(b + expected) < 1e-6:
            return f"the sign is wrong for k = {k} and s = {s:g}: a bias above 0 opens the gate, one below 0 closes it."
        if abs(b - expected) < 1e-3 * max(1, abs(expected)):
            return f"for k = {k} and s = {s:g} that is nearly right: compute in float64 and do not round."
        if abs(b - math.log(gate)) < 1e-9:
            return "the logarithm of the gate is not its bias: the inverse of σ is log(p / (1 − p))."
        if abs(b - math.log(s / (1 - s))) < 1e-6:
            return "this is right for one step only: the gate enters once for each of the k steps."
        if abs(b - math.log(s / k / (1 - s / k))) < 1e-6:
            return "the gates multiply, so the k-th root of the share is needed, not its k-th part."
        return f"for k = {k} and s = {s:g} your bias leaves a share of {(1 / (1 + math.exp(-b))) ** k:.3g}."
