import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from d2lrnn.text import Vocab, keep_letters, tokenize

token_lists = st.lists(st.text("abcdeé中", min_size=1, max_size=2), min_size=1, max_size=40)


def test_words_keep_inner_apostrophes_and_case():
    assert tokenize("Don't go, l'eau!") == ["Don't", "go", ",", "l'eau", "!"]
    assert tokenize("It’s 'fine'.") == ["It’s", "'", "fine", "'", "."]
    assert tokenize("_so_\n\n802,701") == ["_", "so", "_", "802", ",", "701"]


def test_characters():
    assert tokenize("a b\n中", level="char") == ["a", " ", "b", "\n", "中"]


@given(st.text(min_size=1))
@settings(deadline=None)
def test_nothing_but_space_is_lost(text):
    assert "".join(tokenize(text, level="char")) == text
    if text.strip():
        assert "".join(tokenize(text)) == "".join(text.split())


@pytest.mark.parametrize("text, level", [("", "char"), ("", "word"), (" \n", "word")])
def test_empty_text(text, level):
    with pytest.raises(ValueError, match="no tokens"):
        tokenize(text, level)


def test_tokenize_errors():
    with pytest.raises(ValueError, match='"word" or "char"'):
        tokenize("a", level="words")
    with pytest.raises(TypeError, match="one by one"):
        tokenize(["a line"])


def test_keep_letters():
    assert keep_letters("  The Time-Machine,\n by H. G. Wells [1898] ") == "the time machine by h g wells"
    assert keep_letters("时光机器") == ""
    with pytest.raises(TypeError):
        keep_letters(["a"])


@given(st.text())
@settings(deadline=None)
def test_keep_letters_leaves_27_characters(text):
    kept = keep_letters(text)
    assert set(kept) <= set("abcdefghijklmnopqrstuvwxyz ")
    assert "  " not in kept and kept == kept.strip() and kept == keep_letters(kept)


def test_order_of_ids():
    vocab = Vocab(["b", "a", "c", "a", "c", "d"], reserved=("<pad>", "<bos>"))
    assert vocab.tokens == ["<unk>", "<pad>", "<bos>", "a", "c", "b", "d"]
    assert len(vocab) == 7
    assert vocab["<unk>"] == 0 and vocab["<bos>"] == 2 and vocab["c"] == 4 and vocab["new"] == 0
    assert "c" in vocab and "new" not in vocab
    assert list(vocab) == vocab.tokens


def test_rare_tokens_become_unknown():
    vocab = Vocab(["a", "a", "b"], min_freq=2)
    assert vocab.tokens == ["<unk>", "a"]
    assert vocab.to_ids(["b", "a"]) == [0, 1]
    assert vocab.counts == {"a": 2, "b": 1}


def test_a_text_may_mark_unknown_words_itself():
    vocab = Vocab(["<unk>", "<unk>", "a"])
    assert vocab.tokens == ["<unk>", "a"]


@given(token_lists, st.integers(1, 3))
@settings(deadline=None)
def test_round_trip(tokens, min_freq):
    vocab = Vocab(tokens, min_freq)
    known = [t if tokens.count(t) >= min_freq else "<unk>" for t in tokens]
    assert vocab.to_tokens(vocab.to_ids(tokens)) == known
    assert vocab.to_tokens(torch.tensor(vocab.to_ids(tokens))) == known
    frequencies = [vocab.counts[t] for t in vocab.tokens[1:]]
    assert frequencies == sorted(frequencies, reverse=True)
    assert len(set(vocab.tokens)) == len(vocab)


@pytest.mark.parametrize(
    "arguments, error, words",
    [
        (dict(tokens=[]), ValueError, "empty"),
        (dict(tokens="abc"), TypeError, "tokenize"),
        (dict(tokens=[["a"], ["b"]]), TypeError, "one list"),
        (dict(tokens=["a", 1]), TypeError, "hold str, not int"),
        (dict(tokens=["a"], min_freq=0), ValueError, "at least 1"),
        (dict(tokens=["a"], min_freq=1.5), TypeError, "int"),
        (dict(tokens=["a"], reserved="<pad>"), TypeError, "reserved"),
        (dict(tokens=["a"], reserved=["<pad>", "<pad>"]), ValueError, "twice"),
        (dict(tokens=["a"], reserved=["<unk>"]), ValueError, "id 0"),
        (dict(tokens=["a", "<pad>"], reserved=["<pad>"]), ValueError, "occurs in the text"),
    ],
)
def test_vocab_errors(arguments, error, words):
    with pytest.raises(error, match=words):
        Vocab(**arguments)


def test_lookup_errors():
    vocab = Vocab(["a", "b"])
    with pytest.raises(TypeError, match="tokenize"):
        vocab.to_ids("ab")
    with pytest.raises(TypeError, match="hold str"):
        vocab.to_ids(["a", 1])
    with pytest.raises(TypeError, match="one token"):
        vocab[1]
    with pytest.raises(TypeError, match="vocab.tokens"):
        vocab.to_tokens(1)
    with pytest.raises(TypeError):
        vocab.to_tokens([1.0])
    for wrong in (3, -1):
        with pytest.raises(ValueError, match=r"0 … 2"):
            vocab.to_tokens([wrong])
