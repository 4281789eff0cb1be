"""Gradients through time: measuring and clipping them."""

import math

import torch


def clip_(parameters, max_norm):
    """Clip gradients in place by their global norm: g ← min(1, θ / ‖g‖) g.

    ‖g‖ is the Euclidean norm of all gradients together, so that the direction stays the same.
    When it is infinite or NaN the gradients are left as they are: look at the returned norm
    before you update the parameters.
    Source: Pascanu, Mikolov and Bengio (2013).

    Args:
        parameters: an iterable of tensors; those without a gradient are skipped.
        max_norm: θ, above 0; math.inf only measures.

    Returns:
        float, the norm before clipping: 0 when there are no gradients, inf or NaN when it is not finite.

    Raises:
        TypeError: parameters is one tensor instead of an iterable of tensors.
        ValueError: max_norm is not above 0.
    """
    if isinstance(parameters, torch.Tensor):
        raise TypeError("parameters must be an iterable of tensors: write clip_([tensor], max_norm)")
    if not max_norm > 0:
        raise ValueError(f"max_norm must be above 0, not {max_norm}")
    gradients = [p.grad for p in parameters if p.grad is not None]
    if not gradients:
        return 0.0
    norms = [torch.linalg.vector_norm(g) for g in gradients]
    norm = torch.linalg.vector_norm(torch.stack(norms)).item()
    if max_norm < norm < math.inf:
        for g in gradients:
            g.mul_(max_norm / norm)
    return norm
