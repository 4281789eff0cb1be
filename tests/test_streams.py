"""Texts read block by block are the whole text, and their tokens and ids are those of the whole text."""

import gzip
import io

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from d2lrnn import streams
from d2lrnn.text import Tokenizer, Vocab

TEXT = "The lamp at Tern.\n\nIt was Café-lit; 春眠不觉晓，处处闻啼鸟。 Don’t turn!  " * 60
LEVELS = [Tokenizer("char"), Tokenizer("letter"), Tokenizer("word")]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


@pytest.mark.parametrize("block", [7, 64, 1000, 1 << 20])
def test_blocks_are_the_whole_text(block, file, monkeypatch):
    monkeypatch.setattr(streams, "BLOCK", block)
    text = streams.TextFiles([file])
    assert "".join(text.blocks()) == TEXT
    assert text.size == len(TEXT.encode())


@given(st.floats(0, 1), st.floats(0, 1), st.sampled_from([5, 200, 1 << 20]))
def test_parts_are_disjoint_and_together_the_text(first, second, block):
    first, second = sorted((first, second))
    streams.BLOCK, whole = block, streams.BLOCK
    try:
        text = streams.TextFiles.__new__(streams.TextFiles)
        data = TEXT.encode()
        text._files, text._starts, text.size = [("text", io.BytesIO(data))], [0], len(data)
        parts = ["".join(text.blocks(*part)) for part in ((0, first), (first, second), (second, 1))]
    finally:
        streams.BLOCK = whole
    assert "".join(parts) == TEXT


@pytest.mark.parametrize("tokenizer", LEVELS, ids=lambda tokenizer: tokenizer.level)
@pytest.mark.parametrize("block", [40, 500])
def test_tokens_are_those_of_the_whole_text(tokenizer, block, file, monkeypatch):
    monkeypatch.setattr(streams, "BLOCK", block)
    found = [token for part in streams.tokens(streams.TextFiles([file]).blocks(), tokenizer) for token in part]
    assert found == tokenizer(TEXT)


def test_spaces_at_the_end_of_a_block_are_one_space(tmp_path):
    blocks = ["a  ", " \n ", "12 ", "b", "c"]
    for tokenizer, wanted in ((Tokenizer("char"), "a 12 bc"), (Tokenizer("letter"), "a bc")):
        assert "".join(sum(streams.tokens(blocks, tokenizer), [])) == wanted == "".join(tokenizer("".join(blocks)))


@pytest.mark.parametrize("tokenizer", LEVELS, ids=lambda tokenizer: tokenizer.level)
def test_ids_and_vocabulary_are_those_of_the_whole_text(tokenizer, file, monkeypatch):
    monkeypatch.setattr(streams, "BLOCK", 100)
    text, wanted = streams.TextFiles([file]), Vocab(tokenizer(TEXT), min_freq=2)
    vocab = streams.vocabulary(text.blocks(), tokenizer, min_freq=2)
    assert vocab.tokens == wanted.tokens
    streams.write_ids(text.blocks(), tokenizer, vocab, file.with_name("ids"))
    ids = streams.map_ids(file.with_name("ids"), vocab)
    assert ids.dtype == torch.uint8 and ids.tolist() == wanted.to_ids(tokenizer(TEXT))


def test_a_larger_vocabulary_has_larger_ids(tmp_path):
    words = [f"w{chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(400)]
    vocab = Vocab(words)
    streams.write_ids([" ".join(words)], Tokenizer("word"), vocab, tmp_path / "ids")
    ids = streams.map_ids(tmp_path / "ids", vocab)
    assert ids.dtype == torch.int16 and ids.tolist() == vocab.to_ids(words)


def test_several_files_compressed_ones_and_standard_input(tmp_path, monkeypatch):
    (tmp_path / "a.txt").write_text("one\ntwo", encoding="utf-8")
    with gzip.open(tmp_path / "b.txt.gz", "wt", encoding="utf-8") as file:
        file.write("three")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("fünf".encode())))
    text = streams.TextFiles([tmp_path / "a.txt", tmp_path / "b.txt.gz", "-"])
    assert "".join(text.blocks()) == "one\ntwo\nthree\nfünf"
    assert "".join(text.blocks(0, 0.5)) + "".join(text.blocks(0.5, 1)) in (
        "one\ntwo\nthree\nfünf",
        "one\ntwothree\nfünf",
    )
    text.close()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        ("Hé".encode("latin-1"), "not UTF-8"),
        ("The lamp".encode("utf-16"), "not UTF-8"),
        ("The lamp".encode("utf-16-le"), "zero bytes"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "not UTF-8"),
    ],
)
def test_what_is_no_text_is_refused(content, message, tmp_path):
    path = tmp_path / "file.txt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        list(streams.TextFiles([path]).blocks())


def test_what_is_not_there_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no file nowhere.txt"):
        streams.TextFiles(["nowhere.txt"])
    with pytest.raises(IsADirectoryError, match="is a folder"):
        streams.TextFiles([tmp_path])
    (tmp_path / "cut.gz").write_bytes(gzip.compress(b"abc" * 100)[:20])
    with pytest.raises(ValueError, match="cannot be decompressed"):
        streams.TextFiles([tmp_path / "cut.gz"])
