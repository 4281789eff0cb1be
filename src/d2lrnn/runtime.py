"""Where the code runs and how it reports: the device, the seed, the progress bar."""

import os
import random
import sys

import numpy as np
import torch
from tqdm.auto import tqdm

# `make other-seeds` runs the notebooks with this added to every seed, theirs and the package's.
SEED_SHIFT = int(os.environ.get("D2LRNN_SEED_SHIFT", "0"))

if SEED_SHIFT:
    # All of torch's seeds pass here, those that a notebook sets too: so none can be forgotten.
    _manual_seed = torch.manual_seed

    class _ShiftedGenerator(torch.Generator):
        def manual_seed(self, seed):
            return super().manual_seed((seed + SEED_SHIFT) % 2**64)

    def _shifted_manual_seed(seed):
        return _manual_seed((seed + SEED_SHIFT) % 2**64)

    torch.Generator = _ShiftedGenerator
    torch.manual_seed = _shifted_manual_seed


def as_device(device, default="cpu"):
    """The device of this name, if this machine has it.

    Args:
        device: a name such as "cpu", "cuda", "cuda:1" or "mps", a torch.device, or None for `default`.
        default: the device that None stands for.

    Returns:
        torch.device.

    Raises:
        ValueError: this machine has no such device; the message names those it has.
    """
    if device is None:
        return torch.device(default)
    names = ["cpu"]
    if torch.accelerator.is_available():
        name, count = torch.accelerator.current_accelerator().type, torch.accelerator.device_count()
        names += [name, *(f"{name}:{i}" for i in range(count))]
    if str(device) not in names:
        hint = ", and torch calls an NVIDIA GPU cuda" if str(device).lower().startswith("gpu") else ""
        raise ValueError(f"there is no device {str(device)!r} here{hint}: use {', '.join(map(repr, names))} or None")
    return torch.device(device)


def check_bf16(device):
    """Refuse mixed precision where a recurrent layer does not run in it: on old GPUs and on most processors.

    Args:
        device: torch.device.

    Raises:
        ValueError: the device cannot compute with bfloat16.
    """
    try:
        with torch.no_grad(), torch.autocast(device.type, torch.bfloat16):
            torch.nn.LSTM(8, 8, device=device)(torch.zeros(2, 1, 8, device=device))
    except RuntimeError as error:
        raise ValueError(f"the device {device} has no LSTM in bf16: leave the precision at float32") from error


def seed_everything(seed=0):
    """Seed Python, NumPy and torch, and return a CPU generator with the same seed.

    Draw random numbers from the returned generator, on the CPU, and move them to the
    device afterwards: then they are the same on every machine.

    Args:
        seed: an int from 0 to 2**64 − 1.

    Returns:
        torch.Generator on the CPU.

    Raises:
        ValueError: the seed is not such an integer.
    """
    if not isinstance(seed, int) or not 0 <= seed < 2**64:
        raise ValueError(f"seed must be an integer from 0 to 2**64 − 1, not {seed!r}")
    random.seed(seed + SEED_SHIFT)
    np.random.seed((seed + SEED_SHIFT) % 2**32)
    torch.manual_seed(seed)
    return torch.Generator().manual_seed(seed)


def progress(iterable, description="", enabled=None):
    """Wrap an iterable in a progress bar that disappears when the loop is done.

    The bar shows in a terminal, in JupyterLab and in Colab. It is silent when nobody watches:
    when standard error is a file or a pipe, and where the environment variable D2LRNN_QUIET
    is set (to anything but 0), as it is while the book's notebooks are executed.

    Args:
        iterable: what to loop over.
        description: a short text before the bar.
        enabled: True or False to decide it yourself.

    Returns:
        an iterable over the same items.
    """
    if enabled is None:
        enabled = _someone_watches()
    return tqdm(iterable, desc=description, disable=not enabled, leave=False)


def device_of(model):
    """Where a model is.

    Args:
        model: an nn.Module.

    Returns:
        torch.device: that of its first parameter, the CPU if it has none.
    """
    parameter = next(model.parameters(), None)
    return torch.device("cpu") if parameter is None else parameter.device


def _someone_watches():
    if os.environ.get("D2LRNN_QUIET", "0") not in ("", "0"):
        return False
    return _in_notebook() or sys.stderr.isatty()


def _in_notebook():
    # IPython is loaded in every notebook, and its shell has a kernel there but not in a terminal.
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")
