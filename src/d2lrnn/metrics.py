"""How good a model's predictions are."""

import torch


def perplexity(log_probs):
    """Perplexity: the exponential of the mean cross-entropy in nats per token.

    exp(−(1/N) Σ_t log P(x_t | x_1 … x_{t−1})). It is 1 for a model that is always certain and
    right, infinite for one that gives probability 0 to something that happens, and |V| for one
    that guesses uniformly among |V| tokens.
    Source: Jelinek, Mercer, Bahl and Baker (1977), with the natural logarithm.

    Args:
        log_probs: (N,) natural logarithms of the probabilities given to the tokens that came.

    Returns:
        float, at least 1.

    Raises:
        ValueError: no tokens, a NaN, or a log-probability above 0.
    """
    if isinstance(log_probs, torch.Tensor):
        log_probs = log_probs.detach().cpu()  # Apple's MPS has no float64
    log_probs = torch.as_tensor(log_probs, dtype=torch.float64)
    if log_probs.numel() == 0:
        raise ValueError("perplexity needs at least one token: log_probs is empty")
    if torch.isnan(log_probs).any():
        raise ValueError("log_probs contains NaN: look for log(0) − log(0) or a diverged model")
    if (log_probs > 1e-6).any():
        raise ValueError("log_probs must not exceed 0: pass logarithms of probabilities, not losses or logits")
    return torch.exp(-log_probs.clamp(max=0).mean()).item()
