"""The texts and sentence pairs of the book: embedded ones, real ones by name, and your own files by path.

The embedded corpora need no network. The real ones are looked for in the folder
`$D2LRNN_DATA`, then in the user's cache, and are then downloaded with a checksum.
"""

import hashlib
import os
import time
import urllib.request
import zipfile
from dataclasses import dataclass
from http.client import HTTPException
from importlib import resources
from itertools import islice
from pathlib import Path

import pooch

from d2lrnn import grammar

TIMEOUT = 30  # seconds without one byte before a download is given up
TIME_LIMIT = 600  # seconds for a whole download


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
    """Load a text, in UTF-8. Every line ends in "\\n", and a byte order mark is dropped.

    Args:
        source: "story" (English) or "chinese", which are embedded; "time_machine", which is
            downloaded; or the path of your own text file.

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


def load_pairs(source="grammar", num_pairs=None, seed=0):
    """Load pairs of an English sentence and its French translation.

    A file holds one pair a line: English, a tab, French. Further tabs and what follows them
    (attributions) are ignored, and so are blank lines.

    Args:
        source: "grammar", which is sampled from `d2lrnn.grammar`; "eng_fra", real pairs that
            are downloaded (a file fra.txt in `$D2LRNN_DATA` may hold any part of them);
            or the path of your own file.
        num_pairs: how many pairs to sample (default 10,000), or to take at most from the
            start of the file (default: all).
        seed: the seed of the grammar. Files ignore it.

    Returns:
        list of (English, French) tuples of str.

    Raises:
        FileNotFoundError: the source is neither a known name nor a file.
        ValueError: num_pairs is below 1, the file is empty or not UTF-8, or a line is no pair.
        DownloadError: the pairs could not be downloaded.
    """
    if num_pairs is not None and (not isinstance(num_pairs, int) or num_pairs < 1):
        raise ValueError(f"num_pairs must be an integer of at least 1, or None, not {num_pairs!r}")
    if source == "grammar":
        sentences = grammar.sample(10_000 if num_pairs is None else num_pairs, seed)
        return [
            (grammar.detokenize(s.english, "english"), grammar.detokenize(s.french, "french")) for s in sentences
        ]
    if source == "eng_fra":
        data = _read_real(DOWNLOADS[source])
    else:
        data = _read_file(source, known=("grammar", "eng_fra"))
    return list(islice(_split_pairs(_decode(data, source), source), num_pairs))


def _split_pairs(text, source):
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        english, _, rest = line.partition("\t")
        french = rest.partition("\t")[0]
        if not (english.strip() and french.strip()):
            raise ValueError(f"line {number} of {source} must be: English, a tab, French; it is {_shorten(line)}")
        yield english, french


def _decode(data, source):
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{source} is not UTF-8 text: byte {error.start} cannot be decoded. "
            "Save the file again with the encoding UTF-8."
        ) from error
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        raise ValueError(f"{source} is empty: choose a file with text in it")
    return text


def _read_file(source, known):
    path = Path(source)
    if not os.path.isfile(path):
        names = ", ".join(f'"{name}"' for name in known)
        raise FileNotFoundError(f"no corpus and no file is called {_shorten(source)}: use {names} or a path to a file")
    return path.read_bytes()


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
