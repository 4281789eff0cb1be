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
