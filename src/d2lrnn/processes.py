"""Several processes that train one model, each on its part of every minibatch: what `torchrun` starts.

A program that `torchrun` has not started is one process, of rank 0; then nothing here does anything.
"""

import os
import signal
import sys
from contextlib import contextmanager
from datetime import timedelta

import torch
from torch import distributed

# The others wait while the first process reads a large text and scores: a process that is killed is noticed at once.
TIMEOUT = timedelta(minutes=30)
LOST = "connection", "timed out", "timeout", "peer", "nccl"  # in the errors of gloo and NCCL when a process is gone


class ProcessLost(RuntimeError):
    """Another process of this run has ended, or it has not answered for `TIMEOUT`."""


@contextmanager
def joined(device=None):
    """Belong to the processes that torchrun has started, inside `with`.

    Args:
        device: where to train: of several GPUs each process takes one. None for the CPU.

    Yields:
        the device of this process.

    Raises:
        ValueError: the processes are on several machines, or there are fewer GPUs than processes.
        ProcessLost: another process has ended while this one waited for it.
    """
    if "WORLD_SIZE" not in os.environ:
        yield device
        return
    if os.environ.get("LOCAL_WORLD_SIZE") not in (None, os.environ["WORLD_SIZE"]):
        raise ValueError("the processes are on several machines, but they share a file of ids: use one machine")
    cuda = str(device) == "cuda"
    if cuda:
        if torch.cuda.device_count() < int(os.environ["WORLD_SIZE"]):
            raise ValueError(f"there are {torch.cuda.device_count()} GPUs: start so many processes, or fewer")
        device = f"cuda:{rank()}"
    distributed.init_process_group("cpu:gloo,cuda:nccl" if cuda else "gloo", timeout=TIMEOUT)
    before = signal.signal(signal.SIGTERM, _end)  # torchrun sends it to those that are left
    try:
        yield device
    except RuntimeError as error:
        # gloo has no class of errors of its own.
        if type(error) is RuntimeError or isinstance(error, distributed.DistError):
            if any(word in str(error).lower() for word in LOST):
                raise ProcessLost(_lost()) from error
        raise
    finally:
        signal.signal(signal.SIGTERM, before if sys.exception() is None else signal.SIG_IGN)
        distributed.destroy_process_group()


def _end(*_):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise ProcessLost(_lost())


def _lost():
    return (
        f"another process of this run was killed or hangs, or torchrun was stopped, so process {rank()} ends too. Its "
        "last full epoch is saved: the same command with --resume goes on"
    )


def rank():
    """The number of this process, from 0: the first one prints, writes and scores."""
    return distributed.get_rank() if distributed.is_initialized() else int(os.environ.get("RANK", 0))


def size():
    """How many processes train together."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def rows(batch_size):
    """The rows of a minibatch that are this process's part.

    Args:
        batch_size: B, the rows of all processes.

    Returns:
        slice. All parts are equally long, up to one row. A process for which no row is left gets the first one: its
        loss must then weigh nothing.
    """
    if batch_size <= rank():
        return slice(1)
    parts = torch.arange(batch_size).tensor_split(size())[rank()]
    return slice(int(parts[0]), int(parts[-1]) + 1)


def total(*values):
    """The sums over all processes of some numbers.

    Args:
        values: floats, equally many in each process.

    Returns:
        list of floats.
    """
    if size() == 1:
        return list(values)
    sums = torch.tensor(values, dtype=torch.float64)
    distributed.all_reduce(sums)
    return sums.tolist()


def mean(value, weight):
    """The mean over all processes of a number, and the sum of the weights.

    Args:
        value, weight: numbers of this process; values of weight 0 do not count.

    Returns:
        two floats; of one process the value and the weight as they are.
    """
    if size() == 1:
        return value, weight
    whole, weights = total(value * weight if weight else 0, weight)
    return whole / weights, weights


def from_first(function):
    """What a function gives in the first process; the others wait for it and do not call it.

    Args:
        function: without arguments; what it returns can be pickled. If it raises an error in the first process, the
            others end silently with the exit status 2.

    Returns:
        the function's result, in each process.
    """
    if size() == 1:
        return function()
    answer = [None, False]
    if rank() > 0:
        distributed.broadcast_object_list(answer)
        if answer[1]:
            sys.exit(2)
        return answer[0]
    try:
        answer[0] = function()
    except BaseException:
        answer[1] = True
        raise
    finally:
        distributed.broadcast_object_list(answer)
    return answer[0]


def gathered(value):
    """The values of all processes.

    Args:
        value: anything that can be pickled.

    Returns:
        list, by rank.
    """
    if size() == 1:
        return [value]
    values = [None] * size()
    distributed.all_gather_object(values, value)
    return values


def wait():
    """Go on when all processes have come here."""
    if size() > 1:
        distributed.barrier()
