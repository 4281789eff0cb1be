"""Where the code runs and how it reports: the device, the seed, the progress bar, files that are whole or absent."""

import io
import os
import random
import sys
from pathlib import Path

import numpy as np
import torch
from tqdm.auto import tqdm


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
    random.seed(seed)
    np.random.seed(seed % 2**32)
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


def save_file(content, path):
    """Write a file with torch.save: whole, or not at all.

    Args:
        content: tensors, numbers and str, in dicts and lists, so that `load_file` can read them.
        path: where to write; a file that is there is replaced.

    Raises:
        OSError: the file could not be written. The old file, if there was one, is still there.
    """
    # The old file stays whole until the new one is on the disk; then one rename replaces it.
    unfinished = Path(f"{path}.unfinished")
    try:
        with open(unfinished, "wb") as file:
            torch.save(content, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except OSError:
        unfinished.unlink(missing_ok=True)
        raise


def load_file(path):
    """Read a file that `save_file` wrote. No code in it is ever run.

    Args:
        path: the file.

    Returns:
        what was saved, its tensors on the CPU.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is truncated, damaged, or holds something else than tensors and plain values.
    """
    content = Path(path).read_bytes()
    try:
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file fails in many ways
        raise ValueError(f"{path} is truncated, damaged, or not a file of tensors and plain values") from error


def _someone_watches():
    if os.environ.get("D2LRNN_QUIET", "0") not in ("", "0"):
        return False
    return _in_notebook() or sys.stderr.isatty()


def _in_notebook():
    # IPython is loaded in every notebook, and its shell has a kernel there but not in a terminal.
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")
