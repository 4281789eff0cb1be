"""Texts of any length: read block by block, and turned into ids that stay in a file.

A text of 100 MB has 100 million characters. As a list of str they take gigabytes, as ids on the disk 100 MB.
"""

import gzip
import shutil
import sys
import tempfile
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import torch

from d2lrnn.corpora import decode
from d2lrnn.text import Vocab

BLOCK = 1 << 20  # bytes
SPACES = b" \n\r\t"


class TextFiles:
    """The text of one or several files, one after the other, never whole in memory.

    Args:
        paths: list of paths of UTF-8 files, which may be compressed (.gz); "-" is standard input.

    Attributes:
        size: bytes.

    Raises:
        FileNotFoundError, IsADirectoryError: there is no such file.
        ValueError: a file is empty or cannot be decompressed.
    """

    def __init__(self, paths):
        self._files = [(str(path), _opened(path)) for path in paths]
        sizes = [file.seek(0, 2) for _, file in self._files]
        for (name, _), size in zip(self._files, sizes, strict=True):
            if size == 0:
                raise ValueError(f"{name} is empty: choose a file with text in it")
        self._starts = [sum(sizes[:i]) for i in range(len(sizes))]
        self.size = sum(sizes)

    def blocks(self, start=0.0, end=1.0):
        """The text between two positions, in blocks of about 1 MB that end where a word ends.

        Args:
            start, end: shares of the size, from 0 to 1. Blocks of (0, 0.8) and of (0.8, 1) are the whole text.

        Yields:
            str.

        Raises:
            ValueError: a file is not UTF-8.
        """
        start, end = round(start * self.size), round(end * self.size)
        for (name, file), first in zip(self._files, self._starts, strict=True):
            size = file.seek(0, 2)
            at, stop = (_word_end(file, min(max(place - first, 0), size)) for place in (start, end))
            while at < stop:
                after = min(stop, _word_end(file, min(at + BLOCK, size)))
                file.seek(at)
                data = file.read(after - at)
                if b"\0" in data:
                    raise ValueError(f"{name} is not UTF-8 text: it has zero bytes, as pictures and UTF-16 have")
                yield decode(data, name)
                at = after
            if at == size and stop == size and start < first + size < end:
                yield "\n"  # between two files

    def close(self):
        """Close the files; copies that were unpacked are deleted."""
        for _, file in self._files:
            file.close()


def _opened(path):
    """The file as bytes that can be read from any place; what cannot be is copied."""
    if str(path) == "-":
        return _copied(sys.stdin.buffer)
    if Path(path).is_dir():
        raise IsADirectoryError(f"{path} is a folder: give the path of a text file in it")
    try:
        if Path(path).suffix != ".gz":
            return open(path, "rb")
        with gzip.open(path) as file:
            return _copied(file)
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no file {path}: is its name spelled right?") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{path} cannot be decompressed ({error}): copy or download it again") from error


def _copied(file):
    copy = tempfile.TemporaryFile()
    shutil.copyfileobj(file, copy, BLOCK)
    return copy


def _word_end(file, place):
    """The first place from here on that comes after a space or, if spaces are rare, between two characters."""
    file.seek(place - 1 if place else 0)
    near = file.read(4096)
    if place == 0 or near[:1] in SPACES:
        return place
    space = next((i for i, byte in enumerate(near) if byte in SPACES), None)
    character = next((i for i, byte in enumerate(near[1:]) if byte & 0xC0 != 0x80), 0)
    return place + (character if space is None else space)


def tokens(blocks, tokenizer):
    """The tokens of a text, block by block.

    Args:
        blocks: iterable of str, as `TextFiles.blocks` yields them.
        tokenizer: `text.Tokenizer`.

    Yields:
        list of str. Together they are the tokens of the whole text.
    """
    space = ()  # between two blocks, where spaces are tokens
    for block in blocks:
        if block.strip():
            found = tokenizer(block) if tokenizer.level != "letter" or any(map(str.isalpha, block)) else []
            if space and found:
                found = [*space, *found]
            space = () if found else space
            if found:
                yield found
        if tokenizer.level != "word" and block[-1:].isspace():
            space = (" ",)


def vocabulary(blocks, tokenizer, min_freq=1):
    """The vocabulary of a text that is read in blocks.

    Args:
        blocks, tokenizer: see `tokens`.
        min_freq: see `text.Vocab`.

    Returns:
        Vocab.

    Raises:
        ValueError: the text has no tokens.
    """
    counts = Counter()
    for found in tokens(blocks, tokenizer):
        counts.update(found)
    return Vocab(dict(counts), min_freq)


def write_ids(blocks, tokenizer, vocab, path):
    """Write the ids of a text into a file, which `map_ids` reads.

    Args:
        blocks, tokenizer: see `tokens`.
        vocab: Vocab.
        path: the file.

    Raises:
        ValueError: the text has no tokens.
        OSError: the file could not be written.
    """
    with open(path, "wb") as file:
        for found in tokens(blocks, tokenizer):
            file.write(np.array(vocab.to_ids(found), dtype=_id_type(vocab)).tobytes())
        if file.tell() == 0:
            raise ValueError("a part of the text has no tokens: use a longer text")


def map_ids(path, vocab):
    """The ids in a file, which the system reads where they are needed, and forgets when memory is short.

    Several processes that map the same file share its memory. The file may be deleted at once, except on Windows: its
    ids stay as long as somebody uses them.

    Args:
        path: a file that `write_ids` wrote.
        vocab: the Vocab that it was written with.

    Returns:
        (N,) integer tensor, of the smallest type that holds the vocabulary. What is written to it stays in memory.
    """
    return torch.from_numpy(np.memmap(path, dtype=_id_type(vocab), mode="c"))


def _id_type(vocab):
    return next(kind for kind in (np.uint8, np.int16, np.int32) if len(vocab) - 1 <= np.iinfo(kind).max)
