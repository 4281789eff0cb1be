"""Forecasts of a series of numbers: windows, a linear autoregressive model, several steps ahead."""

import math

import torch


def noisy_sine(num_steps=1000, noise=0.2, period=50.0, generator=None):
    """A sine wave of amplitude 1, observed with independent normal noise: x_t = sin(2πt / period) + noise · ε_t.

    Args:
        num_steps: the length T.
        noise: the standard deviation of the noise.
        period: steps in one wave.
        generator: CPU generator the noise is drawn from.

    Returns:
        (T,) float64 tensor.

    Raises:
        ValueError: num_steps or period is not positive, or noise is negative.
    """
    if num_steps < 1 or period <= 0 or noise < 0:
        raise ValueError("noisy_sine needs num_steps ≥ 1, period > 0 and noise ≥ 0")
    t = torch.arange(num_steps, dtype=torch.float64)
    epsilon = torch.randn(num_steps, generator=generator, dtype=torch.float64)
    return torch.sin(2 * math.pi * t / period) + noise * epsilon


def windows(series, tau, k=1):
    """Cut a series into inputs of τ values and the label k steps after the last of them.

    Cut the series into a training and a held-out part first: then no window straddles the two.

    Args:
        series: (T,) tensor, oldest value first.
        tau: values in a window, at least 1.
        k: steps from the last value of a window to its label, at least 1.

    Returns:
        X: (N, τ) with N = T − τ − k + 1; row i is x_i … x_{i+τ−1}.
        y: (N,); y_i = x_{i+τ+k−1}.

    Raises:
        ValueError: the series is not 1-D, tau or k is below 1, or the series is too short for one window.
    """
    if series.dim() != 1:
        raise ValueError(f"series must be 1-D, not of shape {tuple(series.shape)}")
    if tau < 1 or k < 1:
        raise ValueError(f"tau and k must be at least 1, not {tau} and {k}")
    if len(series) < tau + k:
        raise ValueError(f"a series of {len(series)} values is too short for τ = {tau} and k = {k}: it needs {tau + k}")
    return series.unfold(0, tau, 1)[: len(series) - tau - k + 1], series[tau + k - 1 :]


class LinearModel:
    """The linear autoregressive model x̂ = X w + b, fitted by least squares.

    Attributes:
        w: (τ,) weights, for the oldest value first.
        b: scalar tensor.

    Args:
        X: (N, τ) windows.
        y: (N,) labels.

    Raises:
        ValueError: X and y do not fit together.
    """

    def __init__(self, X, y):
        if X.dim() != 2 or y.shape != X.shape[:1]:
            raise ValueError(f"X must be (N, τ) and y (N,), not {tuple(X.shape)} and {tuple(y.shape)}")
        ones = torch.ones(len(X), 1, dtype=X.dtype)
        solution = torch.linalg.lstsq(torch.cat([X, ones], dim=1), y[:, None], driver="gelsd").solution[:, 0]
        self.w, self.b = solution[:-1], solution[-1]

    def __call__(self, X):
        """(N, τ) windows to (N,) predictions."""
        return X @ self.w + self.b


def k_step_ahead(model, X, k):
    """Predict k steps ahead by feeding each prediction back as if it had been observed.

    Args:
        model: a function from windows (N, τ) to the next values (N,).
        X: (N, τ) windows.
        k: the number of steps, at least 1.

    Returns:
        (N,) tensor: the predictions of the values k steps after the windows' last ones.

    Raises:
        ValueError: k is below 1.
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
    for _ in range(k):
        prediction = model(X)
        X = torch.cat([X[:, 1:], prediction[:, None]], dim=1)
    return prediction


def rmse(prediction, target):
    """The root of the mean squared error, in the series' unit.

    Args:
        prediction, target: tensors of the same shape.

    Returns:
        float

    Raises:
        ValueError: the shapes differ, or there is nothing to compare.
    """
    if prediction.shape != target.shape or target.numel() == 0:
        raise ValueError(f"rmse compares like with like, not {tuple(prediction.shape)} and {tuple(target.shape)}")
    return (prediction - target).square().mean().sqrt().item()
