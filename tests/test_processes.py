"""Two processes that train one model do what one process does with the whole minibatches."""

import contextlib
import io
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from d2lrnn import processes, seq2seq
from d2lrnn.batches import pair_batches
from d2lrnn.checkpoints import load_file, save_file
from d2lrnn.cli import main
from d2lrnn.language_model import LanguageModel
from d2lrnn.text_generator import TextGenerator
from d2lrnn.training import fit, fit_batches

IDS = torch.randint(2, (300,), generator=torch.Generator().manual_seed(0)).cumsum(0) % 7
TEXT = "the lamp on the hill was lit, and the boats came home. " * 60


def text_model(dropout=0.0):
    torch.manual_seed(0)
    return LanguageModel(7, 8, "lstm", dropout=dropout)


def train_text(folder, name=None, dropout=0.0, **settings):
    """A batch of 5 rows, so that one process gets 3 and the other one 2."""
    model, checkpoint = text_model(dropout), name and folder / name
    settings = dict(num_epochs=2, lr=0.05) | settings
    history = fit(model, IDS, IDS, batch_size=5, num_steps=8, sampling="sequential", checkpoint=checkpoint, **settings)
    return {"parameters": model.state_dict(), "history": history.to_dict("list")}


def train_pairs(num_pairs):
    """Minibatches of at most 4 pairs of many lengths; of 5 pairs, the last minibatch has one."""
    lengths = [1, 7, 2, 9, 3][:num_pairs]
    source = [[4 + i % 3] * n + [3] for i, n in enumerate(lengths)]
    target = [[2] + [4 + i % 3] * (n + 2) + [3] for i, n in enumerate(reversed(lengths))]
    torch.manual_seed(0)
    model = seq2seq.Seq2Seq(8, 8, 8, embedding_size=4, bidirectional=True, attention="dot")
    batches = lambda generator: pair_batches(source, target, 4, 1, generator)  # noqa: E731
    history = fit_batches(model, batches, seq2seq.batch_loss, num_epochs=1, lr=1.0, optimizer="sgd", clip=None)
    return {"parameters": model.state_dict(), "history": history.to_dict("list")}


def update(folder):
    return train_text(folder, num_epochs=1, lr=1.0, optimizer="sgd", clip=None)


def work(folder):
    """What each of the two processes does; the second one then disappears."""
    with processes.joined():
        found = {"update": update(folder), "pairs": train_pairs(4), "one row": train_pairs(5)}
        train_text(folder, "from_two")
        found["from one"] = train_text(folder, "from_one", num_epochs=4)
        found["dropout"] = train_text(folder, dropout=0.5, num_epochs=4)
        train_text(folder, "dropout", dropout=0.5, num_epochs=2)
        found["dropout resumed"] = train_text(folder, "dropout", dropout=0.5, num_epochs=4)
        found["rows"] = [[processes.rows(B).start or 0, processes.rows(B).stop] for B in (1, 2, 5)]
    os.environ["MASTER_PORT"] = os.environ["SECOND_PORT"]
    with contextlib.redirect_stderr(io.StringIO()) as said:
        command = ["train", str(folder / "text.txt"), "--out", str(folder / "two.pt"), "--hidden", "8"]
        main([*command, "--epochs", "2", "--dropout", "0"], standalone_mode=False)
    found["said"] = said.getvalue()
    os.environ["MASTER_PORT"] = os.environ["THIRD_PORT"]
    save_file(found, folder / f"found_{processes.rank()}")
    with processes.joined():
        processes.wait()
        if processes.rank() == 1:
            os._exit(9)
        train_text(folder)


def free_ports(number):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for one in sockets:
            one.bind(("localhost", 0))
        return [str(one.getsockname()[1]) for one in sockets]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("processes")
    (folder / "text.txt").write_text(TEXT, encoding="utf-8")
    train_text(folder, "from_one")
    ports = dict(zip(("MASTER_PORT", "SECOND_PORT", "THIRD_PORT"), free_ports(3), strict=True))
    environment = {**os.environ, **ports, "OMP_NUM_THREADS": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "localhost"}
    command = [sys.executable, __file__, str(folder)]
    started = [
        subprocess.Popen(command, env=environment | {"RANK": str(rank)}, stderr=subprocess.PIPE, text=True)
        for rank in range(2)
    ]
    try:
        errors = [process.communicate(timeout=300)[1] for process in started]
    finally:
        for process in started:
            process.kill()
    assert started[1].returncode == 9, errors
    (folder / "error").write_text(errors[0], encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def found(folder):
    return [load_file(folder / f"found_{rank}") for rank in range(2)]


def same(a, b, tolerance=1e-6):
    for name, tensor in a["parameters"].items():
        torch.testing.assert_close(tensor, b["parameters"][name], atol=tolerance, rtol=0)
    for name, column in a["history"].items():
        assert column == pytest.approx(b["history"][name], rel=1e-5 if tolerance else 0, abs=0)


def test_the_gradients_are_those_of_the_joint_batch(found, folder):
    """With SGD and a rate of 1, the parameters after an epoch are those before less the gradients."""
    for rank in range(2):
        same(found[rank]["update"], update(folder))
        same(found[rank]["pairs"], train_pairs(4))
        same(found[rank]["one row"], train_pairs(5))


def test_a_checkpoint_of_two_goes_on_in_one_and_the_other_way_round(found, folder):
    whole = train_text(folder, num_epochs=4)
    for resumed in (train_text(folder, "from_two", num_epochs=4), found[0]["from one"]):
        same(resumed, whole, 1e-4)  # AdamW divides by small numbers


def test_interrupted_training_with_dropout_is_the_same_to_the_last_digit(found):
    same(found[0]["dropout"], found[0]["dropout resumed"], 0)
    # Both processes have the same model, though each zeroes features of its own.
    same(found[0]["dropout"], found[1]["dropout"], 0)


def test_each_row_belongs_to_one_process(found):
    assert found[0]["rows"] == [[0, 1], [0, 1], [0, 3]]
    assert found[1]["rows"] == [[0, 1], [1, 2], [3, 5]]  # of one row the second process has none: it weighs nothing


def test_the_first_process_writes_and_says(found, folder, tmp_path):
    assert "epoch   2" in found[0]["said"] and "Saved:" in found[0]["said"] and found[1]["said"] == ""
    options = ["--hidden", "8", "--epochs", "2", "--dropout", "0"]
    main(["train", str(folder / "text.txt"), "--out", str(tmp_path / "one.pt"), *options], standalone_mode=False)
    one, two = (TextGenerator.load(path).model for path in (tmp_path / "one.pt", folder / "two.pt"))
    for a, b in zip(one.parameters(), two.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=0)


def test_a_process_that_is_killed_ends_the_others_with_a_word(folder):
    last = (folder / "error").read_text(encoding="utf-8").strip().splitlines()[-1]
    assert "ProcessLost" in last and "--resume" in last


def test_several_machines_are_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    with pytest.raises(ValueError, match="use one machine"), processes.joined():
        pass


if __name__ == "__main__":
    torch.set_num_threads(1)
    work(Path(sys.argv[1]))
