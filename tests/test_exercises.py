import math

import numpy as np
import pytest
import torch

from d2lrnn import exercises


@pytest.fixture(autouse=True)
def toy():
    @exercises.checker("test.double", praise="Twice as much.")
    def double(answer):
        if not exercises.close(exercises.call(answer, 3), 6):
            return "double(3) is not twice 3."

    yield
    del exercises.CHECKERS["test.double"]


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        (lambda x: 2 * x, "✓ test.double: Twice as much."),
        (lambda x: x + 1, "✗ test.double: double(3) is not twice 3."),
        (lambda x: None, "… test.double: not answered yet."),
        (lambda x: ..., "… test.double: not answered yet."),
        (None, "… test.double: not answered yet."),
        (..., "… test.double: not answered yet."),
        (lambda x: (None, ...), "… test.double: not answered yet."),
        ((..., None), "… test.double: not answered yet."),
        (lambda x: x + "", "✗ test.double: your answer stopped with TypeError: unsupported operand"),
        (6, "✗ test.double: your answer stopped with TypeError: this exercise asks for a function, not int"),
    ],
)
def test_check_prints_one_line(capsys, answer, line):
    assert exercises.check("test.double", answer) is None
    out = capsys.readouterr().out
    assert out.startswith(line) and out.count("\n") == 1


def test_an_answer_that_fails_is_reported_with_its_own_line(capsys):
    exercises.check("test.double", lambda x: x / 0)
    assert "ZeroDivisionError" in capsys.readouterr().out


@pytest.mark.parametrize("answer", [3, lambda share: "3"])
def test_an_error_outside_of_the_reader_s_code_does_not_say_that_it_stopped(capsys, answer):
    exercises.check("03.small_eps", answer)
    out = capsys.readouterr().out
    assert out.startswith("✗ 03.small_eps: your answer has not the form that is asked for. TypeError: ")
    assert "asks for a function" in out or "numbers are asked for, not str" in out


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match="no exercise is called 'test.treble'.*test.double"):
        exercises.check("test.treble", 1)


def test_two_checkers_may_not_share_a_name():
    with pytest.raises(ValueError, match="two checkers"):
        exercises.checker("test.double")(lambda answer: None)


def test_close_compares_shape_and_value():
    assert exercises.close(torch.ones(2), [1.0, 1.0 + 1e-9])
    assert not exercises.close(torch.ones(2), 1.0)
    assert not exercises.close(1.0, 1.001)
    assert exercises.close(1e9, 1e9 + 1)
    assert exercises.close(torch.ones(1, 1), 1.0)  # one number, in any shape
    assert exercises.close([torch.ones(()), 1], torch.ones(2))
    assert not exercises.close(math.nan, math.nan)


@pytest.mark.parametrize("one", [1, 1.0, True, np.float32(1), np.array([1]), torch.ones(1, 1, requires_grad=True), [1]])
def test_one_number_may_have_any_type(one):
    assert exercises.number(one) == exercises.whole(one) == 1


@pytest.mark.parametrize("other", ["1", None, {1}, (1, 2), [], torch.zeros(0), 1j])
def test_what_is_not_one_number_is_refused(other):
    with pytest.raises(TypeError, match="asked for"):
        exercises.number(other)


@pytest.mark.parametrize("broken", [1.5, math.nan, math.inf])
def test_a_number_that_is_not_whole_is_refused(broken):
    with pytest.raises(ValueError, match="not a whole number"):
        exercises.whole(broken)


@pytest.mark.parametrize(
    ("answer", "found"),
    [("ab", "AB"), ("a, B.", "AB"), (["A", "b"], "AB"), ({"a"}, "A"), ("", ""), ("AD", None), ("A1", None), (3, None)],
)
def test_letters_may_come_in_many_forms(answer, found):
    assert exercises.letters(answer, "ABC") == (None if found is None else set(found))


def test_a_read_only_array_is_copied_without_a_warning(recwarn):
    array = np.arange(3.0)
    array.flags.writeable = False
    before = torch.is_warn_always_enabled()
    torch.set_warn_always(True)  # otherwise torch warns once in a process
    try:
        copy = exercises.as_tensor(array)
    finally:
        torch.set_warn_always(before)
    copy += 1
    assert array.tolist() == [0, 1, 2]
    assert not recwarn
