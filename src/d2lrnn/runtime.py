"""Where the code runs and how it reports: the device, the seed, the progress bar, files that are whole or absent."""

import io
import os
import random
import sys
from pathlib import Path

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


def default_device():
    """The device to train on: a CUDA GPU where there is one, else Apple's MPS, else the CPU.

    Returns:
        torch.device
    """
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


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
