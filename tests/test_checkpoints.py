import os
import subprocess
import sys
from functools import partial

import pytest
import torch

from d2lrnn import cells
from d2lrnn.checkpoints import describe, digest, load_file, save_file
from d2lrnn.text import Vocab

# What happens when the writing is interrupted is in test_training.py.


def test_a_file_holds_what_was_saved(tmp_path):
    path = tmp_path / "file.pt"
    for number in (1, 2):
        save_file({"number": number, "tensors": [torch.arange(3)]}, path)
    content = load_file(path)
    assert content["number"] == 2 and torch.equal(content["tensors"][0], torch.arange(3))
    assert [entry.name for entry in tmp_path.iterdir()] == ["file.pt"]


def test_a_truncated_file_is_refused(tmp_path):
    path = tmp_path / "file.pt"
    save_file({"tensor": torch.arange(3)}, path)
    whole = path.read_bytes()
    for cut in range(0, len(whole), 19):
        path.write_bytes(whole[:cut])
        with pytest.raises(ValueError, match="truncated"):
            load_file(path)
    with pytest.raises(FileNotFoundError):
        load_file(tmp_path / "nothing.pt")


@pytest.mark.parametrize("content", [{"vocab": Vocab(["a"])}, {"f": lambda: 0}, [{1: object()}]])
def test_what_could_not_be_read_again_is_not_written(tmp_path, content):
    path = tmp_path / "file.pt"
    save_file({"old": 1}, path)
    with pytest.raises(TypeError, match="save what it is made from"):
        save_file(content, path)
    assert load_file(path) == {"old": 1}
    assert os.listdir(tmp_path) == ["file.pt"]


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(IsADirectoryError, match="is a folder"):
        save_file({}, tmp_path)
    assert not os.path.exists(f"{tmp_path}.unfinished")


def test_a_digest_sees_values_shapes_and_types():
    tensors = [torch.arange(4), torch.arange(4).view(2, 2), torch.arange(4.0), torch.arange(1, 5)]
    assert len({digest(tensor) for tensor in tensors}) == 4
    assert digest(torch.arange(4)) == digest(torch.arange(4)) != digest(torch.arange(2), torch.arange(2, 4))


def scaled(factor, names=("a",)):
    def loss(x, *, power=2):
        return [factor * x**power for _ in names]

    return loss


def test_functions_that_do_something_else_are_described_otherwise():
    functions = [
        scaled(1.0),
        scaled(2.0),
        scaled(torch.tensor(1.0)),
        scaled(1.0, ("b",)),
        lambda x: x + 1,
        lambda x: x + 2,
        lambda x: [y + 1 for y in x],
        lambda x: [y + 2 for y in x],
        lambda x, n=1: x + n,
        torch.tanh,
        torch.relu,
        cells.gru,
        partial(cells.gru, reset_after=False),
        partial(cells.rnn, activation=torch.relu),
        partial(cells.rnn, activation=torch.tanh),
        {}.get,
        torch.nn.ReLU(),
    ]
    descriptions = [describe(function) for function in functions]
    assert len(set(descriptions)) == len(functions)
    assert describe(scaled(1.0)) == descriptions[0]


def test_a_description_is_the_same_in_every_process():
    program = (
        "from d2lrnn.checkpoints import describe\n"
        "def outer(names):\n    def f(x): return x in {'a', 'b', 'c'} and names\n    return f\n"
        "print(describe(outer(['d'])))"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", program], env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, text=True
        ).stdout
        for seed in "12"
    }
    assert len(seen) == 1 and seen != {""}


def test_a_function_that_calls_itself_is_described():
    def count(n):
        return n and count(n - 1)

    assert describe(count) == describe(count)
