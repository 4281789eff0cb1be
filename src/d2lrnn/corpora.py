"""The texts and sentence pairs of the book: embedded ones, real ones by name, and your own files by path.

The embedded corpora need no network. The real ones are looked for in the folder
`$D2LRNN_DATA`, then in the user's cache, and are then downloaded with a checksum.
"""

import gzip
import hashlib
import os
import re
import time
import urllib.request
import warnings
import zipfile
import zlib
from dataclasses import dataclass
from http.client import HTTPException
from importlib import resources
from itertools import islice
from pathlib import Path

import pooch

from d2lrnn import grammar

TIMEOUT = 30  # seconds without one byte before a download is given up
TIME_LIMIT = 600  # seconds for a whole download
ANKI_HEADER = re.compile("#(separator|html|tags|columns|notetype|deck|guid)( column)?:")
LANGUAGE_CODE = re.compile("[a-z]{2,3}([-_][A-Za-z]{2,4})?")


class DownloadError(RuntimeError):
    """A corpus could not be downloaded. The message says what happened and what to do."""


@dataclass(frozen=True)
class Download:
    """A real corpus on the web.

    Attributes:
        name: what `load_text` or `load_pairs` calls it.
        file: the name of its text file in `$D2LRNN_DATA`.
        url: where it is downloaded from.
        sha1: the checksum of what the url serves.
        licence: under which terms it is used.
        member: the path of the text inside the zip archive, if the url serves one.
    """

    name: str
    file: str
    url: str
    sha1: str
    licence: str
    member: str | None = None


DOWNLOADS = {
    "time_machine": Download(
        name="time_machine",
        file="timemachine.txt",
        url="http://d2l-data.s3-accelerate.amazonaws.com/timemachine.txt",
        sha1="090b5e7e70c295757f55df93cb0a180b9691891a",
        licence="public domain (H. G. Wells, 1895)",
    ),
    "eng_fra": Download(
        name="eng_fra",
        file="fra.txt",
        url="http://d2l-data.s3-accelerate.amazonaws.com/fra-eng.zip",
        sha1="94646ad1522d915e7b0f9296181140edcf86a4f5",
        licence="CC BY 2.0 FR (Tatoeba, collected by manythings.org)",
        member="fra-eng/fra.txt",
    ),
}


def load_text(source="story"):
    """Load a text, in UTF-8. Every line ends in "\\n", and byte order marks are dropped.

    Args:
        source: "story" (English) or "chinese", which are embedded; "time_machine", which is
            downloaded; or the path of your own text file, which may be compressed (.gz).

    Returns:
        str

    Raises:
        FileNotFoundError: the source is neither a known name nor a file.
        ValueError: the text is empty or not UTF-8, or the file in `$D2LRNN_DATA` is a different one.
        DownloadError: the text could not be downloaded.
    """
    if source in ("story", "chinese"):
        embedded = resources.files("d2lrnn").joinpath("data", f"{source}.txt")
        return _decode(embedded.read_bytes(), source)
    if source == "time_machine":
        return _decode(_read_real(DOWNLOADS[source]), source)
    return _decode(_read_file(source, known=("story", "chinese", "time_machine")), source)


def load_pairs(source="grammar", num_pairs=None, seed=0, columns=None):
    """Load pairs of a sentence and its translation.

    A file holds one pair a line: a sentence, a tab, its translation. A third column (Anki's attributions), blank lines
    and Anki's header lines (`#separator:tab`) are ignored. Every line has as many columns as the first.

    Args:
        source: "grammar", English and French sampled from `d2lrnn.grammar`; "eng_fra", real pairs that
            are downloaded (a file fra.txt in `$D2LRNN_DATA` may hold any part of them);
            or the path of your own file, which may be compressed (.gz).
        num_pairs: how many pairs to sample (default 10,000), or to take at most from the
            start of the file (default: all).
        seed: the seed of the grammar. Files ignore it.
        columns: the columns of the sentence and of its translation, counted from 0; None for the first two. Tatoeba's
            exports (number, sentence, number, translation) need (1, 3).

    Returns:
        list of (sentence, translation) tuples of str.

    Raises:
        FileNotFoundError: the source is neither a known name nor a file.
        ValueError: num_pairs is below 1, the file is empty or not UTF-8, a line is no pair or has another number of
            columns than the first, columns are not in the file, or columns is None and one of the first two holds
            nothing but numbers or codes of languages.
        DownloadError: the pairs could not be downloaded.
    """
    _check_num_pairs(num_pairs)
    if columns is not None and not _are_columns(columns):
        raise ValueError(f"columns must be two different numbers, counted from 0, such as (1, 3), not {columns!r}")
    if source == "grammar":
        return [grammar.written(s) for s in grammar.sample(10_000 if num_pairs is None else num_pairs, seed)]
    if source == "eng_fra":
        data = _read_real(DOWNLOADS[source])
    else:
        data = _read_file(source, known=("grammar", "eng_fra"))
    pairs = list(islice(_split_pairs(_decode(data, source), source, columns), num_pairs))
    if columns is None:
        for i, column in enumerate(zip(*pairs, strict=True)):
            if _are_labels(column):
                raise ValueError(
                    f"column {i} of {source} holds only numbers or codes of languages, such as {column[0]!r}: choose "
                    "the columns of the sentences, counted from 0, as in columns=(1, 3)"
                )
    return pairs


def load_parallel(source_path, target_path, num_pairs=None):
    """Load pairs from two files: line by line, the second holds the translation of the first.

    Pairs of which one line is empty are left out; a warning says how many.

    Args:
        source_path, target_path: the two files, in UTF-8, which may be compressed (.gz).
        num_pairs: how many pairs to take at most from the start (default: all).

    Returns:
        list of (sentence, translation) tuples of str.

    Raises:
        FileNotFoundError: one of the files is missing.
        ValueError: num_pairs is below 1, a file is empty or not UTF-8, the files have different numbers of lines, or
            no pair is left.
    """
    _check_num_pairs(num_pairs)
    sides = []
    for path in (source_path, target_path):
        sides.append(_decode(_read_file(path), path).removesuffix("\n").split("\n"))
    sources, targets = sides
    if len(sources) != len(targets):
        raise ValueError(
            f"{source_path} has {len(sources):,} lines and {target_path} {len(targets):,}: line by line, the second "
            "must hold the translation of the first"
        )
    pairs = [pair for pair in zip(sources, targets, strict=True) if all(map(str.strip, pair))]
    if not pairs:
        raise ValueError(f"{source_path} and {target_path} have no line in common that is filled in both")
    if len(pairs) < len(sources):
        left_out = f"{len(sources) - len(pairs):,} of {len(sources):,} pairs have an empty side and are left out"
        warnings.warn(left_out, stacklevel=2)
    return pairs[:num_pairs]


def _check_num_pairs(num_pairs):
    if num_pairs is not None and (not isinstance(num_pairs, int) or num_pairs < 1):
        raise ValueError(f"num_pairs must be an integer of at least 1, or None, not {num_pairs!r}")


def _are_columns(columns):
    is_pair = isinstance(columns, tuple | list) and len(columns) == 2
    return is_pair and all(isinstance(i, int) and i >= 0 for i in columns) and columns[0] != columns[1]


def _are_labels(column):
    """Whether a column holds numbers, or few short words again and again, as codes of languages are."""
    if all(map(str.isdecimal, column)):
        return True
    codes = set(column)
    return len(codes) <= max(1, len(column) // 10) < len(column) and all(map(LANGUAGE_CODE.fullmatch, codes))


def _split_pairs(text, source, columns):
    first, second = columns or (0, 1)
    num_columns = None
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip() or (num_columns is None and ANKI_HEADER.match(line)):
            continue
        cells = line.split("\t")
        num_columns = num_columns or len(cells)
        if len(cells) != num_columns:
            raise ValueError(
                f"line {number} of {source} has {len(cells)} columns, but the first has {num_columns}: "
                f"is there a tab inside a sentence of {_shorten(line)}?"
            )
        if max(first, second) >= num_columns > 1:
            raise ValueError(f"columns {columns} are not in {source}: it has only {num_columns}, counted from 0")
        pair = tuple(cells[i] for i in (first, second) if i < num_columns and cells[i].strip())
        if len(pair) < 2:
            raise ValueError(
                f"line {number} of {source} must be: a sentence, a tab, its translation; it is {_shorten(line)}"
            )
        yield pair


def decode(data, source):
    """A part of a text from its bytes, UTF-8. Every line ends in "\\n", and byte order marks are dropped.

    Args:
        data: bytes.
        source: where they come from, for the error.

    Returns:
        str.

    Raises:
        ValueError: the bytes are not UTF-8.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{source} is not UTF-8 text: byte {error.start} cannot be decoded. "
            "Save the file again with the encoding UTF-8."
        ) from error
    return text.replace("\ufeff", "").replace("\r\n", "\n").replace("\r", "\n")  # joined files have many of these marks


def _decode(data, source):
    text = decode(data, source)
    if not text.strip():
        raise ValueError(f"{source} is empty: choose a file with text in it")
    return text


def _read_file(source, known=()):
    path = Path(source)
    if not os.path.isfile(path):
        names = ", ".join(f'"{name}"' for name in known)
        use = f"use {names} or a path to a file" if known else "give the path of a file"
        raise FileNotFoundError(f"no {'corpus and no ' if known else ''}file is called {_shorten(source)}: {use}")
    data = path.read_bytes()
    if path.suffix != ".gz":
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{source} cannot be decompressed ({error}): copy or download it again") from error


def _shorten(value):
    text = repr(str(value))
    return text if len(text) <= 60 else text[:57] + "..."


def _read_real(download):
    """The bytes of a real corpus: from `$D2LRNN_DATA`, from the cache, or from the web."""
    folder = os.environ.get("D2LRNN_DATA")
    if folder and Path(folder, download.file).is_file():
        path = Path(folder, download.file)
        data = path.read_bytes()
        found = hashlib.sha1(data).hexdigest()
        # An archive's checksum says nothing about the text inside it.
        if download.member is None and found != download.sha1:
            raise ValueError(
                f"{path} is not the file this book uses: its SHA-1 is {found}, expected {download.sha1}. "
                f"Remove it, or replace it with {download.url}"
            )
        return data

    path = _fetch(download)
    if download.member is None:
        return path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        return archive.read(download.member)


def _fetch(download):
    """The path of a download in the cache, where it is put first if it is missing or broken."""
    pooch.get_logger().setLevel("WARNING")  # its news would end up in the notebooks' outputs
    cache = Path(pooch.os_cache("d2lrnn"))
    path = cache / Path(download.url).name
    try:
        if path.is_file() and pooch.file_hash(path, alg="sha1") != download.sha1:
            path.unlink(missing_ok=True)
        pooch.retrieve(download.url, f"sha1:{download.sha1}", path.name, cache, downloader=_download)
    except (OSError, HTTPException, ValueError) as error:
        raise DownloadError(
            f'"{download.name}" could not be downloaded from {download.url}: {error}. Try again later, '
            f"or put the file {download.file} in a folder and set the environment variable D2LRNN_DATA to that folder."
        ) from error
    return path


def _download(url, output_file, _):
    """What pooch calls."""
    # pooch.HTTPDownloader passes all tests of bad servers but "trickles": it has no limit on the whole time.
    deadline = time.monotonic() + TIME_LIMIT
    with urllib.request.urlopen(url, timeout=TIMEOUT) as response, open(output_file, "wb") as file:
        while block := response.read1(2**16):
            file.write(block)
            if time.monotonic() > deadline:
                raise TimeoutError(f"not finished after {TIME_LIMIT} seconds")
        if response.length:
            raise ConnectionError(f"the connection broke off {response.length:,} bytes before the end")
