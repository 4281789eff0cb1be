import json
import unicodedata
from dataclasses import asdict

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from d2lrnn.text import Tokenizer, Vocab, keep_letters, normalize, tokenize

token_lists = st.lists(st.text("abcdeé中", min_size=1, max_size=2), min_size=1, max_size=40)


def test_words_keep_inner_apostrophes_and_case():
    assert tokenize("Don't go, l'eau!") == ["Don't", "go", ",", "l'eau", "!"]
    assert tokenize("It’s 'fine'.") == ["It’s", "'", "fine", "'", "."]
    assert tokenize("_so_\n\n802,701") == ["_", "so", "_", "802", ",", "701"]


def test_characters():
    assert tokenize("a b\n中", level="char") == ["a", " ", "b", "\n", "中"]


@given(st.text(min_size=1))
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
def test_keep_letters_leaves_27_characters(text):
    kept = keep_letters(text)
    assert set(kept) <= set("abcdefghijklmnopqrstuvwxyz ")
    assert "  " not in kept and kept == kept.strip() and kept == keep_letters(kept)


# Sentences


@pytest.mark.parametrize(
    "text, normal",
    [
        ("Où vas-tu\u202f?", "où vas-tu ?"),
        ("\u00a0Les\u2009années\t1920\u3000\n", "les années 1920"),
        ("E\u0301TE\u0301", "été"),
        ("L’eau, l‘eau, lʼeau", "l'eau, l'eau, l'eau"),
        ("« Oui », “yes”, „ja“", '" oui ", "yes", "ja"'),
        ("\ufeffzero\u200bwidth", "zero width"),
        ("שלום\u200f, so\u00adlo", "שלום, solo"),
        ("ΟΔΟΣ", "οδος"),
        ("我喜欢。", "我喜欢。"),
        ("", ""),
    ],
)
def test_normalize(text, normal):
    assert normalize(text) == normal


def test_normalize_can_keep_capitals_and_refuses_other_types():
    assert normalize("L’Été", lower=False) == "L'Été"
    with pytest.raises(TypeError, match="not NoneType"):
        normalize(None)


# Signs that normalizing and joining treat in a special way, and letters of several scripts with marks.
sentences = st.text(
    "abéÉ'’«»\"“”.,?!:;…()-_$¿ \u202f\u00a0\u0301\u0338<12中שלהְ\u200dि\u200cन\u200f", min_size=1, max_size=20
)


@given(st.one_of(sentences, st.text()))
def test_a_normalized_text_stays_as_it_is(text):
    normal = normalize(text)
    assert normalize(normal) == normal
    assert unicodedata.is_normalized("NFC", normal)
    assert normal == " ".join(normal.split())
    assert normal == normalize(unicodedata.normalize("NFD", text)) == normalize(f" \u00a0{text}\t")


@pytest.mark.parametrize(
    "tokenizer, sentence, tokens, joined",
    [
        (Tokenizer(), "Don’t go (yet)!", ["don't", "go", "(", "yet", ")", "!"], "don't go (yet)!"),
        (Tokenizer(lower=False), "Mr. A  left…", ["Mr", ".", "A", "left", "…"], "Mr. A left…"),
        (
            Tokenizer(elision=True),
            "L’homme n'est pas là\u202f!",
            ["l'", "homme", "n'", "est", "pas", "là", "!"],
            "l'homme n'est pas là !",
        ),
        (
            Tokenizer(elision=True),
            "« Qu’est-ce ? » : rien.",
            ['"', "qu'", "est", "-", "ce", "?", '"', ":", "rien", "."],
            '"qu\'est-ce ?" : rien.',
        ),
        (
            Tokenizer(elision=True, lower=False),
            "Aujourd’hui, jusqu'aujourd'hui, quelqu’un",
            ["Aujourd'hui", ",", "jusqu'", "aujourd'hui", ",", "quelqu'", "un"],
            "Aujourd'hui, jusqu'aujourd'hui, quelqu'un",
        ),
        (Tokenizer(), "¿Qué? – 'No' -", ["¿", "qué", "?", "–", "'", "no", "'", "-"], "¿qué? – ' no ' -"),
        (Tokenizer("char"), "我\u3000喜欢 。", ["我", " ", "喜", "欢", " ", "。"], "我 喜欢 。"),
        (Tokenizer("char"), "E\u0301te\u0301", ["é", "t", "é"], "été"),
        (Tokenizer(), "هل تفهم، يا صديقي؟", ["هل", "تفهم", "،", "يا", "صديقي", "؟"], "هل تفهم، يا صديقي؟"),
        (Tokenizer(), "שָׁלוֹם עוֹלָם!", ["שָׁלוֹם", "עוֹלָם", "!"], "שָׁלוֹם עוֹלָם!"),
        (Tokenizer(), "हिन्दी में।", ["हिन्दी", "में", "।"], "हिन्दी में।"),
        (Tokenizer(), "می\u200cخواهم.", ["می\u200cخواهم", "."], "می\u200cخواهم."),
    ],
)
def test_tokens_of_a_sentence_and_back(tokenizer, sentence, tokens, joined):
    tokens = [unicodedata.normalize("NFC", token) for token in tokens]
    assert tokenizer(sentence) == tokens
    assert tokenizer.join(tokens) == unicodedata.normalize("NFC", joined)
    assert tokenizer(unicodedata.normalize("NFD", sentence)) == tokens


TOKENIZERS = [Tokenizer(), Tokenizer(elision=True), Tokenizer(elision=True, lower=False), Tokenizer("char")]
tokenizers = pytest.mark.parametrize("tokenizer", TOKENIZERS, ids=str)


MARKS = {"Mn", "Mc", "Me", "Cf"}  # categories of Unicode; no word begins with such a character


@tokenizers
@given(text=st.one_of(sentences, st.text()))
def test_a_joined_sentence_has_the_same_tokens_again(tokenizer, text):
    normal = normalize(text, tokenizer.lower)
    if not normal:
        with pytest.raises(ValueError, match="no tokens"):
            tokenizer(text)
        return
    starts = "".join(word[0] for word in normal.split())
    assume("char" == tokenizer.level or not MARKS & {unicodedata.category(start) for start in starts})
    tokens = tokenizer(text)
    assert tokenizer(tokenizer.join(tokens)) == tokens
    if tokenizer.level == "word":
        assert "".join(tokens) == normal.replace(" ", "")
        assert not any(" " in token for token in tokens)
    else:
        assert "".join(tokens) == normal


@tokenizers
def test_a_tokenizer_is_plain_settings(tokenizer):
    assert Tokenizer(**json.loads(json.dumps(asdict(tokenizer)))) == tokenizer


def test_nothing_to_join_is_an_empty_sentence():
    assert Tokenizer().join([]) == Tokenizer("char").join(()) == ""


def test_tokenizer_errors():
    with pytest.raises(ValueError, match='"word" or "char"'):
        Tokenizer("words")
    with pytest.raises(ValueError, match="leave it out"):
        Tokenizer("char", elision=True)
    with pytest.raises(TypeError, match="not list"):
        Tokenizer()(["a"])
    with pytest.raises(TypeError, match="list of tokens"):
        Tokenizer().join("abc")
    with pytest.raises(TypeError, match="hold str"):
        Tokenizer("char").join(["a", 1])


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


@given(token_lists, st.integers(1, 3))
def test_counts_make_the_same_vocabulary(tokens, min_freq):
    vocab = Vocab(tokens, min_freq, ("<pad>",))
    again = Vocab(json.loads(json.dumps(dict(vocab.counts))), min_freq, ("<pad>",))
    assert again.tokens == vocab.tokens and again.counts == vocab.counts


def test_a_text_may_mark_unknown_words_itself():
    vocab = Vocab(["<unk>", "<unk>", "a"])
    assert vocab.tokens == ["<unk>", "a"]


@given(token_lists, st.integers(1, 3))
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
