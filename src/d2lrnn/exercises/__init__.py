"""Checkers for the exercises: they say what is wrong without giving the answer away.

A checker is a function that takes the reader's answer and returns a sentence about what is wrong, or None if
nothing is. It lives in `chapter_NN.py` beside this file and is registered under its name with `@checker`.
"""

import importlib
import pkgutil
import traceback
from collections.abc import Iterator
from pathlib import Path

import torch

CHECKERS = {}


def checker(name, praise="Correct."):
    """Register the decorated function as the checker called `name`, for example `"03.perplexity"`."""

    def register(function):
        if name in CHECKERS:
            raise ValueError(f"two checkers are called {name!r}")
        CHECKERS[name] = (function, praise)
        return function

    return register


def check(name, answer):
    """Say whether an answer to an exercise is right, and if not, what is wrong with it.

    Prints one line: ✓ and a remark, ✗ and what is wrong, or … while there is no answer yet.

    Args:
        name: the exercise, for example `"03.perplexity"`.
        answer: what the exercise asks for: a number, a tensor, a text or a function. `...` or None: not answered yet.

    Raises:
        ValueError: there is no exercise of that name.
    """
    if name not in CHECKERS:
        raise ValueError(f"no exercise is called {name!r}; there are: {', '.join(sorted(CHECKERS))}")
    function, praise = CHECKERS[name]
    try:
        problem = function(_given(answer))
    except NotAnswered:
        print(f"… {name}: not answered yet.")
    except Exception as error:  # the reader's function may fail in any way; say where, and go on
        frames = _own_frames(error)
        what = "your answer stopped with" if frames else "your answer has not the form that is asked for."
        line = f" (in: {frames[0].line})" if frames and frames[0].line else ""
        print(f"✗ {name}: {what} {type(error).__name__}: {error}{line}")
    else:
        print(f"✗ {name}: {problem}" if problem else f"✓ {name}: {praise}")


class NotAnswered(Exception):
    """The reader's function still returns None or `...`."""


def call(function, *arguments):
    """Call the reader's function; raise NotAnswered while it returns None or `...`."""
    if not callable(function):
        raise TypeError(f"this exercise asks for a function, not {type(function).__name__}")
    return _given(function(*arguments))


def _given(answer):
    """The answer, an iterator or range as a list; raise NotAnswered if it is, or consists of, None or `...`."""
    if isinstance(answer, Iterator | range):
        answer = list(answer)
    parts = answer if isinstance(answer, tuple | list) and answer else [answer]
    if all(part is None or part is Ellipsis for part in parts):
        raise NotAnswered
    return answer


def as_tensor(answer):
    """A number, array, tensor, or list or tuple of these as a float64 tensor on the CPU, without a graph."""
    if isinstance(answer, torch.Tensor):
        return answer.detach().to("cpu", torch.float64)
    if isinstance(answer, tuple | list):
        return torch.stack([as_tensor(part) for part in answer]) if answer else torch.zeros(0, dtype=torch.float64)
    if not hasattr(answer, "__float__"):
        raise TypeError(f"numbers are asked for, not {type(answer).__name__}")
    return torch.tensor(answer, dtype=torch.float64)  # a copy: an array may be read-only


def number(answer):
    """An answer that is one number, in whatever type, as a float."""
    answer = as_tensor(answer)
    if answer.numel() != 1:
        raise TypeError(f"one number is asked for, not {answer.numel()}")
    return answer.item()


def whole(answer):
    """An answer that is one whole number as an int; 3.0 is one, and 3.5 is not."""
    answer = number(answer)
    if answer != answer // 1:  # also for NaN
        raise ValueError(f"{answer:g} is not a whole number")
    return int(answer)


def letters(answer, known):
    """The letters of a text, or of a list, tuple or set of texts, as a set; None if others than `known` are in it."""
    if not isinstance(answer, str | list | tuple | set) or not all(isinstance(part, str) for part in answer):
        return None
    found = {letter for letter in "".join(answer).upper() if letter.isalnum()}
    return found if found <= set(known) else None


def close(answer, expected, tolerance=1e-6):
    """Whether two numbers or tensors have the same shape and agree to `tolerance`, absolute or relative.

    One number may come in any shape.
    """
    answer, expected = as_tensor(answer), as_tensor(expected)
    if answer.numel() == expected.numel() == 1 and expected.dim() == 0:
        answer = answer.reshape(())
    return answer.shape == expected.shape and torch.allclose(answer, expected, rtol=tolerance, atol=tolerance)


def find_slip(result, slips, tolerance=1e-5):
    """What to say to a typical wrong answer.

    Args:
        result: the reader's number or tensor.
        slips: list of (wrong answer, sentence about it).
        tolerance: as for `close`.

    Returns:
        the sentence of the first wrong answer that agrees with the result, or None.
    """
    return next((sentence for wrong, sentence in slips if close(result, wrong, tolerance)), None)


def _own_frames(error):
    """Where in the reader's own code the error came from; empty if it came from a checker."""
    ours = (str(Path(__file__).parent), str(Path(torch.__file__).parent))
    return [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith(ours)]


for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
