import io
import random
import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tqdm import tqdm

from d2lrnn import runtime
from d2lrnn.runtime import as_device, load_file, progress, save_file, seed_everything


@pytest.fixture(autouse=True)
def keep_random_states():
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    yield
    random.setstate(states[0])
    np.random.set_state(states[1])
    torch.set_rng_state(states[2])


def machine(monkeypatch, kind, count):
    """Let torch report a machine with this many accelerators of this kind."""
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: count)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device(kind) if count else None)


@pytest.mark.parametrize(
    ("kind", "count", "names"),
    [("cuda", 0, ["cpu"]), ("cuda", 2, ["cpu", "cuda", "cuda:0", "cuda:1"]), ("mps", 1, ["cpu", "mps", "mps:0"])],
)
def test_a_device_of_this_machine_by_its_name(monkeypatch, kind, count, names):
    machine(monkeypatch, kind, count)
    for name in names:
        assert as_device(name) == as_device(torch.device(name)) == torch.device(name)


@pytest.mark.parametrize(
    ("kind", "count", "device", "message"),
    [
        ("cuda", 0, "cuda", "no device 'cuda' here: use 'cpu' or None"),
        ("cuda", 0, torch.device("cuda"), "no device 'cuda' here: use 'cpu' or None"),
        ("cuda", 0, "gpu", "'gpu' here, and torch calls an NVIDIA GPU cuda: use 'cpu' or None"),
        ("cuda", 1, "GPU:0", "'GPU:0' here, and torch calls an NVIDIA GPU cuda: use 'cpu', 'cuda', 'cuda:0' or"),
        ("cuda", 2, "cuda:2", "no device 'cuda:2' here: use 'cpu', 'cuda', 'cuda:0', 'cuda:1' or None"),
        ("cuda", 2, "mps", "no device 'mps' here"),
        ("mps", 1, "cuda", "no device 'cuda' here: use 'cpu', 'mps', 'mps:0' or None"),
        ("cuda", 2, 0, "no device '0' here"),
        ("cuda", 0, "", "no device '' here"),
    ],
)
def test_a_device_that_is_not_there(monkeypatch, kind, count, device, message):
    machine(monkeypatch, kind, count)
    with pytest.raises(ValueError, match=message):
        as_device(device)


def test_no_device_is_the_default():
    assert as_device(None) == torch.device("cpu")
    assert as_device(None, default=torch.device("cuda:1")) == torch.device("cuda:1")


def test_the_devices_that_torch_reports_can_hold_a_tensor():
    with pytest.raises(ValueError, match="use") as error:
        as_device("nowhere")
    for name in re.findall("'(.*?)'", str(error.value).partition("use")[2]):
        assert torch.ones(2, device=as_device(name)).sum().item() == 2


def draws(generator):
    return random.random(), np.random.rand(), torch.rand(1).item(), torch.rand(1, generator=generator).item()


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**64 - 1))
def test_same_seed_gives_the_same_numbers(seed):
    assert draws(seed_everything(seed)) == draws(seed_everything(seed))


def test_another_seed_gives_other_numbers():
    first, second = draws(seed_everything(0)), draws(seed_everything(1))
    assert all(a != b for a, b in zip(first, second, strict=True))


def test_the_generator_is_its_own_cpu_stream():
    generator = seed_everything(7)
    assert generator.device.type == "cpu"
    torch.rand(100)  # draws from torch's global stream, not from the generator
    assert torch.equal(torch.rand(3, generator=generator), torch.rand(3, generator=torch.Generator().manual_seed(7)))


@pytest.mark.parametrize("seed", [-1, 2**64, 1.0, "0", None])
def test_bad_seed_is_an_error(seed):
    with pytest.raises(ValueError, match="seed must be an integer from 0"):
        seed_everything(seed)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def run(monkeypatch, stderr, quiet=None, shell=None, **options):
    """Loop with a bar and return what it wrote."""
    if quiet is None:
        monkeypatch.delenv("D2LRNN_QUIET", raising=False)
    else:
        monkeypatch.setenv("D2LRNN_QUIET", quiet)
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setattr(sys, "stderr", stderr)
    monkeypatch.setattr(runtime, "tqdm", tqdm)  # a bar of text, whatever runs this test
    assert list(progress(range(3), "epochs", **options)) == [0, 1, 2]
    return stderr.getvalue()


def test_bar_shows_in_a_terminal(monkeypatch):
    written = run(monkeypatch, Terminal())
    assert "epochs" in written
    assert not written.endswith("\n")  # erased, not left behind


def test_bar_is_silent_in_a_pipe(monkeypatch):
    assert run(monkeypatch, io.StringIO()) == ""


def test_bar_shows_in_a_notebook(monkeypatch):
    # JupyterLab's and Colab's shells have a kernel; their standard error is no terminal.
    assert "epochs" in run(monkeypatch, io.StringIO(), shell=SimpleNamespace(kernel=object()))


def test_ipython_in_a_pipe_is_no_notebook(monkeypatch):
    assert run(monkeypatch, io.StringIO(), shell=SimpleNamespace()) == ""


def test_importing_ipykernel_makes_no_notebook(monkeypatch):
    monkeypatch.setitem(sys.modules, "ipykernel", SimpleNamespace())
    assert run(monkeypatch, io.StringIO()) == ""


def test_no_ipython_is_no_notebook(monkeypatch):
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    assert runtime._in_notebook() is False


def test_quiet_silences_terminal_and_notebook(monkeypatch):
    assert run(monkeypatch, Terminal(), quiet="1") == ""
    assert run(monkeypatch, io.StringIO(), quiet="1", shell=SimpleNamespace(kernel=object())) == ""


@pytest.mark.parametrize("value", ["", "0"])
def test_quiet_can_be_switched_off(monkeypatch, value):
    assert "epochs" in run(monkeypatch, Terminal(), quiet=value)


def test_enabled_decides(monkeypatch):
    assert "epochs" in run(monkeypatch, io.StringIO(), quiet="1", enabled=True)
    assert run(monkeypatch, Terminal(), enabled=False) == ""


def test_takes_an_iterable_without_length(monkeypatch):
    monkeypatch.setenv("D2LRNN_QUIET", "1")
    assert list(progress(n * n for n in range(4))) == [0, 1, 4, 9]


# Files; what happens when the writing is interrupted is in test_training.py


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
