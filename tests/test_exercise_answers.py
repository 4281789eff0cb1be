"""Every checker of the exercises meets right answers, typical wrong ones, stubs and errors.

The answers are data, in `answers/chapter_NN.py`. Names of exercises stand there without the chapter's number.
`RIGHT` maps each name to an answer; `ALSO_RIGHT`, where there is one, lists further pairs (name, answer).
`WRONG` lists (name, answer, hint): a typical slip, and words from the sentence that it should get.
"""

import importlib
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from d2lrnn.exercises import CHECKERS, check

RIGHT, ALSO_RIGHT, WRONG = {}, [], []
for path in sorted(Path(__file__).parent.glob("answers/chapter_*.py")):
    answers = importlib.import_module(f"answers.{path.stem}")
    number = path.stem[-2:]
    RIGHT |= {f"{number}.{name}": answer for name, answer in answers.RIGHT.items()}
    ALSO_RIGHT += [(f"{number}.{name}", answer) for name, answer in getattr(answers, "ALSO_RIGHT", [])]
    WRONG += [(f"{number}.{name}", answer, hint) for name, answer, hint in answers.WRONG]

ALL_RIGHT = [*RIGHT.items(), *ALSO_RIGHT]
FUNCTIONS = [name for name, answer in RIGHT.items() if callable(answer)]


def printed(capsys, name, answer):
    check(name, answer)
    line = capsys.readouterr().out
    assert line.count("\n") == 1
    return line.strip()


@pytest.mark.parametrize("name", sorted(CHECKERS))
def test_has_a_right_answer_and_two_wrong_ones(name):
    assert name in RIGHT
    assert sum(wrong == name for wrong, _, _ in WRONG) >= 2


@pytest.mark.parametrize(("name", "answer"), ALL_RIGHT, ids=[name for name, _ in ALL_RIGHT])
def test_a_right_answer_passes(capsys, name, answer):
    assert printed(capsys, name, answer).startswith(f"✓ {name}: ")


@pytest.mark.parametrize(("name", "answer", "hint"), WRONG, ids=[f"{name}-{hint}" for name, _, hint in WRONG])
def test_a_wrong_answer_gets_its_hint(capsys, name, answer, hint):
    line = printed(capsys, name, answer)
    assert line.startswith(f"✗ {name}: ")
    # The report of an error quotes the line that failed, and the expected hint may stand on that line.
    assert hint in line.removeprefix(f"✗ {name}: ").split(" (in: ")[0]


@pytest.mark.parametrize("nothing", [None, ...], ids=["None", "..."])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_stub_is_not_answered(capsys, name, nothing):
    assert printed(capsys, name, lambda *arguments: nothing) == f"… {name}: not answered yet."


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_that_returns_its_argument_is_wrong(capsys, name):
    for given_back in (lambda *arguments: arguments[0], lambda *arguments: arguments[-1]):
        assert printed(capsys, name, given_back).startswith(f"✗ {name}: ")


@pytest.mark.parametrize("error", [KeyError("tide"), ZeroDivisionError("oh")], ids=repr)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_an_error_is_reported(capsys, name, error):
    def fails(*arguments):
        raise error

    report = f"✗ {name}: your answer stopped with {type(error).__name__}: {error}"
    assert printed(capsys, name, fails).startswith(report)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_number_is_not_a_function(capsys, name):
    line = printed(capsys, name, 3)
    assert line.startswith(f"✗ {name}: ")
    assert "asks for a function, not int" in line or "'int' object is not callable" in line


def respell(result, number, sequence=list):
    """The same result with its numbers in another type, and in another kind of sequence."""
    if isinstance(result, torch.Tensor) and result.dim() == 0 and not result.requires_grad:
        return number(result.item())
    if isinstance(result, tuple | list):
        return sequence([respell(part, number) for part in result])
    is_number = isinstance(result, int | float) and not isinstance(result, bool)
    return number(result) if is_number else result


SPELLINGS = {
    "NumPy numbers in a list": (np.float64, list),
    "arrays of one number in a tuple": (lambda value: np.array([value], dtype=float), tuple),
    "tensors without a dimension from a generator": (lambda value: torch.tensor(value, dtype=torch.float64), iter),
    "tensors of one number": (lambda value: torch.tensor([value], dtype=torch.float64), tuple),
}


@pytest.mark.parametrize(("number", "sequence"), SPELLINGS.values(), ids=SPELLINGS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_another_spelling_of_a_right_answer_passes(capsys, name, number, sequence):
    def answer(*arguments):
        return respell(RIGHT[name](*arguments), number, sequence)

    assert printed(capsys, name, answer).startswith(f"✓ {name}: ")


def each_tensor(value):
    if isinstance(value, torch.Tensor):
        yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ():
        yield from each_tensor(part)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_an_answer_that_first_changes_what_it_is_given_does_not_pass(capsys, name):
    found = []

    def answer(*arguments):
        found.extend(each_tensor(arguments))
        with torch.no_grad():
            for tensor in found:
                tensor.fill_(1)
        return RIGHT[name](*arguments)

    line = printed(capsys, name, answer)
    assert not found or not line.startswith("✓")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_nan_does_not_pass(capsys, name):
    found = []

    def nan(value):
        if isinstance(value, tuple | list):
            return type(value)(map(nan, value))
        if isinstance(value, dict):
            return {key: nan(part) for key, part in value.items()}
        if isinstance(value, bool | str) or not isinstance(value, int | float | torch.Tensor):
            return value
        found.append(value)
        return torch.full_like(value, math.nan, dtype=torch.float64) if isinstance(value, torch.Tensor) else math.nan

    line = printed(capsys, name, lambda *arguments: nan(RIGHT[name](*arguments)))
    assert not found or not line.startswith("✓")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_an_argument_is_not_the_answer(capsys, name):
    for place in range(4):
        line = printed(capsys, name, lambda *arguments, place=place: arguments[place % len(arguments)])
        assert not line.startswith("✓")
