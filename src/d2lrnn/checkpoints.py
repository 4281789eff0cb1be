"""Files that are whole or absent: saving and loading models and half-done training, and what must be the same in both.

No code in a file is ever run: a file holds tensors and plain values.
"""

import hashlib
import io
import os
from functools import partial
from pathlib import Path

import torch

from d2lrnn.text import Tokenizer


class ModelFileError(ValueError):
    """A model's file is truncated or damaged, holds another kind of model, or needs a tokenizer that is missing."""


class CheckpointError(ValueError):
    """A checkpoint file is damaged, or it belongs to another model, text or setting."""


def save_file(content, path):
    """Write a file with torch.save: whole, or not at all.

    Args:
        content: tensors, numbers and str, in dicts, lists and tuples, so that `load_file` can read them.
        path: where to write; a file that is there is replaced.

    Raises:
        OSError: the file could not be written. The old file, if there was one, is still there.
        TypeError: content holds something that `load_file` could not read. Nothing is written.
    """
    if Path(path).is_dir():
        raise IsADirectoryError(f"{path} is a folder: give the path of a file in it")
    # The old file stays whole until the new one is on the disk; then one rename replaces it.
    unfinished = Path(f"{path}.unfinished")
    try:
        whole = io.BytesIO()  # in memory first: writing to a full disk, torch raises an error that does not say so
        torch.save(content, whole)
        with open(unfinished, "wb") as file:
            file.write(whole.getbuffer())
            file.flush()
            os.fsync(file.fileno())
        load_file(unfinished)
        os.replace(unfinished, path)
    except OSError as error:
        raise OSError(error.errno, f"{error.strerror or error}; nothing was changed", str(path)) from error
    except Exception as error:  # pickle fails in many ways
        raise TypeError(
            f"{path} was not written: content must be tensors, numbers, str, dicts, lists and tuples only; of anything "
            "else save what it is made from, such as vocab.tokens of a Vocab"
        ) from error
    finally:
        unfinished.unlink(missing_ok=True)


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


def save_model(path, kind, model, **parts):
    """Write a model and what belongs to it into one file, whole or not at all.

    Args:
        path: the file; one that is there is replaced.
        kind: the name and version of the format, which `load_model` compares.
        model: nn.Module with `settings`, from which its class makes it again.
        parts: what else is needed, as for `save_file`.

    Raises:
        OSError: the file could not be written; an old one is still there.
    """
    parameters = model.state_dict()
    save_file({"format": kind, "model": model.settings, "parameters": parameters, **parts}, path)


def load_model(path, kind, make):
    """Read what `save_model` wrote.

    Args:
        path: the file.
        kind: the format that is wanted.
        make: function (model class's settings and parts, as a dict) → what to return.

    Returns:
        what make gives.

    Raises:
        FileNotFoundError: there is no such file.
        ModelFileError: the file is truncated or damaged, or it holds something else.
    """
    try:
        content = load_file(path)
        found = content["format"]
        if found != kind:
            raise ModelFileError(
                f"{path} holds a {found}, not a {kind}: is it the right file, and this version of d2lrnn?"
            )
        return make(content)
    except (OSError, ModelFileError):
        raise
    except Exception as error:  # what is no model fails in many ways
        raise ModelFileError(f"{path} is truncated, damaged, or not a {kind}: save the model again") from error


def restore(model, parameters):
    """Give a new model its saved parameters, in their type.

    Args:
        model: nn.Module.
        parameters: its state_dict, as saved.

    Returns:
        the model, in evaluation mode.
    """
    model.to(next(iter(parameters.values())).dtype).load_state_dict(parameters)
    return model.eval()


def restore_tokenizer(name, settings, tokenizer=None):
    """The tokenizer of these settings.

    Args:
        name: what it is called in the error.
        settings: its settings, as saved.
        tokenizer: needed only where it was not a `text.Tokenizer`: the same as then.

    Returns:
        the given tokenizer, or a `text.Tokenizer`.

    Raises:
        ModelFileError: the tokenizer is missing, or it has other settings.
    """
    if tokenizer is None and set(settings) != set(Tokenizer().settings):
        raise ModelFileError(f"the {name} is not a text.Tokenizer: load with {name}=...; its settings are {settings}")
    tokenizer = Tokenizer(**settings) if tokenizer is None else tokenizer
    if tokenizer.settings != settings:
        raise ModelFileError(f"another {name} was used: its settings were {settings}, not {tokenizer.settings}")
    return tokenizer


def load_checkpoint(path, settings):
    """Read a file of half-done training, and compare what it was made with.

    Args:
        path: the file, a dict that `save_file` wrote.
        settings: dict of plain values, which must equal those in the file under "settings".

    Returns:
        the dict.

    Raises:
        CheckpointError: the file is damaged, or settings differ; the message names them.
    """
    try:
        checkpoint = load_file(path)
        changed = [name for name in settings if settings[name] != checkpoint["settings"][name]]
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise CheckpointError(
            f"{path} is truncated, damaged or not a checkpoint of training: delete it to start again"
        ) from error
    if changed:
        raise CheckpointError(
            f"the checkpoint {path} belongs to another run: {', '.join(changed)} changed. "
            "Use the same model, text and settings, or another checkpoint file"
        )
    return checkpoint


def digest(*tensors):
    """A short text that differs when the tensors differ.

    Args:
        tensors: any number of tensors.

    Returns:
        str, a SHA-256 in hexadecimal.
    """
    sha = hashlib.sha256()
    for tensor in tensors:
        sha.update(f"{tensor.dtype} {tuple(tensor.shape)} ".encode())
        sha.update(tensor.cpu().contiguous().numpy())
    return sha.hexdigest()


def describe(function, closure=True):
    """What a function does, as far as it can be seen from outside.

    Its name, its code, its default values, and the numbers, texts, tensors and functions that it took from where it
    was written. Not seen are the code of functions that it calls by name, and the values of global variables.

    Args:
        function: a function, a functools.partial, a bound method or another object that can be called.
        closure: whether to look at what it took from where it was written.

    Returns:
        str, the same in every process of the same Python version.
    """
    if isinstance(function, partial):
        parts = [describe(function.func, closure), _shown(function.args), _shown(function.keywords)]
        return f"partial({', '.join(parts)})"
    function = getattr(function, "__func__", function)
    name = f"{function.__module__}.{getattr(function, '__qualname__', type(function).__qualname__)}"
    if not hasattr(function, "__code__"):
        return name
    values = [function.__defaults__, function.__kwdefaults__]
    if closure:
        values += [cell.cell_contents for cell in function.__closure__ or ()]
    text = f"{_code(function.__code__)} {_shown(values)}"
    return f"{name} {hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _code(code):
    """The instructions of a function and of those inside it, but not the lines where they stand."""
    return f"{code.co_code.hex()} {code.co_names} {_shown(code.co_consts)}"


def _shown(value):
    if isinstance(value, torch.Tensor):
        return digest(value)
    if isinstance(value, dict):
        return str({key: _shown(part) for key, part in value.items()})
    if isinstance(value, list | tuple):
        return str([_shown(part) for part in value])
    if isinstance(value, frozenset | set):
        return str(sorted(map(_shown, value)))
    if value is None or isinstance(value, bool | int | float | str):
        return repr(value)
    if hasattr(value, "co_code"):
        return _code(value)
    return describe(value, closure=False) if callable(value) else type(value).__qualname__
