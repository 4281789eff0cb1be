"""Checkers for the exercises: they say what is wrong without giving the answer away.

A checker is a function that takes the reader's answer and returns a sentence about what is wrong, or None if
nothing is. It lives in `chapter_NN.py` beside this file and is registered under its name with `@checker`.
"""

import importlib
import pkgutil
import traceback
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
    if answer is None or answer is Ellipsis:
        print(f"… {name}: not answered yet.")
        return
    try:
        problem = function(answer)
    except NotAnswered:
        print(f"… {name}: not answered yet.")
    except Exception as error:  # the reader's function may fail in any way; say where, and go on
        print(f"✗ {name}: your answer stopped with {type(error).__name__}: {error}{_where(error)}")
    else:
        print(f"✗ {name}: {problem}" if problem else f"✓ {name}: {praise}")


class NotAnswered(Exception):
    """The reader's function still returns None or `...`."""


def call(function, *arguments):
    """Call the reader's function; raise NotAnswered while it returns None or `...`."""
    if not callable(function):
        raise TypeError(f"this exercise asks for a function, not {type(function).__name__}")
    result = function(*arguments)
    if result is None or result is Ellipsis:
        raise NotAnswered
    return result


def close(answer, expected, tolerance=1e-6):
    """Whether two numbers or tensors have the same shape and agree to `tolerance`, absolute or relative."""
    answer = torch.as_tensor(answer, dtype=torch.float64)
    expected = torch.as_tensor(expected, dtype=torch.float64)
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


def _where(error):
    """The line of the reader's own code that failed, if the error came from there."""
    here = str(Path(__file__).parent)
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith(here)]
    return f" (in: {frames[0].line})" if frames and frames[0].line else ""


for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
