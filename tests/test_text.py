import hashlib
import json
import os
import re
import unicodedata
from collections import Counter
from pathlib import Path

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from d2lrnn.corpora import load_pairs, load_text
from d2lrnn.text import (
    Tokenizer,
    Vocab,
    apply_merges,
    keep_letters,
    learn_merges,
    normalize,
    refuse_unspaced,
    tokenize,
)

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
        ("İSTANBUL I\u0307I", "istanbul ii"),
        ("ﬁn Ａ１，", "ﬁn ａ１，"),
        ("no--yes---", "no—yes—"),
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
    "abéÉ'’«»\"“”.,?!:;…()-–—_$%/¿ \u202f\u00a0\u0301\u0338<12中שלהְ\u200dि\u200cन\u200f", min_size=1, max_size=20
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
        (Tokenizer(), "¿Qué? – 'No' -", ["¿", "qué", "?", "–", "'", "no", "'", "–"], "¿qué? – 'no' –"),
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
        assert "".join(tokens).replace("–", "-") == normal.replace(" ", "").replace("–", "-")  # a lone - is a dash
        assert not any(" " in token for token in tokens)
    else:
        assert "".join(tokens) == normal


@tokenizers
def test_a_tokenizer_is_plain_settings(tokenizer):
    assert Tokenizer(**json.loads(json.dumps(tokenizer.settings))) == tokenizer


WRITTEN = [
    "at 10:30 or 10:30pm, it's $5.00 (not £7).",
    "3,5 oder 1.234,50 €, am 24.12.2020.",
    "zwei- und vierbeinige, ein- oder zweimal; -5 grad",
    "see http://a.b/c, e.g. here; i.e. bob@x.org, and/or r&d!",
    "\"she said 'no'.\" - 'he said \"yes\".' - (\"'a'\")",
    "the boys' books, rock 'n' roll, 5'10\" tall, 'the boys' books'",
    "a well-known state-of-the-art c++",
    "100% of 5 $ and 20 °c",
]


@pytest.mark.parametrize("sentence", WRITTEN)
def test_a_joined_sentence_reads_as_it_was_written(sentence):
    tokenizer = Tokenizer()
    assert tokenizer.join(tokenizer(sentence)) == sentence.replace(" - ", " – ")


def test_what_is_written_in_one_piece_is_one_token():
    forms = "10:30 3,5 1.234,50 http://a.b/c?d=e.f e.g i.e p.m 24.12.2020 and/or a.b@c.org zwei- boys' 5'10\""
    assert Tokenizer()(forms) == forms.split()
    assert Tokenizer()("$5.00, (10:30).") == ["$", "5.00", ",", "(", "10:30", ")", "."]
    assert Tokenizer(elision=True)("d'1.5 l'e-mail, est-ce") == [
        "d'",
        "1.5",
        "l'",
        "e",
        "-",
        "mail",
        ",",
        "est",
        "-",
        "ce",
    ]


def test_a_forgotten_space_makes_no_long_word():
    assert Tokenizer()("well,yes...no;so") == ["well", ",", "yes", ".", ".", ".", "no", ";", "so"]
    assert Tokenizer()("wait—what--no - yes") == ["wait", "—", "what", "—", "no", "–", "yes"]


def up_to_spaces(text):
    """Normalized, and without the spaces before signs, and inside quotes, that languages set in different ways."""
    text = re.sub(r" (?=[?!;:.,…%])", "", normalize(text))
    return re.sub(r'" (.*?) "', r'"\1"', text)


def shares_that_come_back(pairs):
    shares = []
    for tokenizer, side in zip((Tokenizer(), Tokenizer(elision=True)), zip(*pairs, strict=True), strict=True):
        tokens = [tokenizer(sentence) for sentence in side]
        written = [tokenizer.join(sentence) for sentence in tokens]
        assert [tokenizer(sentence) for sentence in written] == tokens
        equal = [up_to_spaces(a) == up_to_spaces(b) for a, b in zip(written, side, strict=True)]
        shares.append(sum(equal) / len(equal))
    return shares


def test_the_sentences_of_the_grammar_come_back():
    assert shares_that_come_back(load_pairs("grammar")) == [1, 1]


FRA = Path(os.environ.get("D2LRNN_DATA") or "no folder", "fra.txt")


@pytest.mark.skipif(not FRA.is_file(), reason="needs the real fra.txt in the folder $D2LRNN_DATA")
def test_real_sentences_come_back():
    english, french = shares_that_come_back(load_pairs("eng_fra"))
    print(f"come back character for character: {english:.3%} of the English, {french:.3%} of the French sentences")
    assert english > 0.999 and french > 0.999


def test_nothing_to_join_is_an_empty_sentence():
    assert Tokenizer().join([]) == Tokenizer("char").join(()) == ""


def test_tokenizer_errors():
    with pytest.raises(ValueError, match='"word", "char" or "letter"'):
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


def test_equal_tokens_have_equal_digests():
    vocab = Vocab(["a", "a", "b"])
    assert vocab.digest == Vocab({"a": 5, "b": 3}).digest
    assert vocab.digest == hashlib.sha256(b'["<unk>", "a", "b"]').hexdigest()
    others = [
        Vocab(["b", "b", "a"]),
        Vocab(["a"]),
        Vocab(["a", "a", "b"], reserved=["<pad>"]),
        Vocab(["ab"]),
        Vocab(["a", "c"]),
    ]
    assert len({vocab.digest, *(other.digest for other in others)}) == 6


THAI = "สวัสดีครับ วันนี้อากาศดีมาก ผมชอบอ่านหนังสือในห้องสมุดใกล้บ้าน"


@pytest.mark.parametrize("text", [load_text("chinese"), "吾輩は猫である。名前はまだ無い。どこで生れたか", THAI])
def test_clauses_are_no_words(text):
    for tokens in (tokenize(text), Counter(tokenize(text)), text.split(), Tokenizer()(text)):
        with pytest.raises(ValueError, match=r"written without spaces, .* tokenize\(text, level=\"char\"\)"):
            Vocab(tokens)
    assert len(Vocab(tokenize(text, level="char"))) > 10


@pytest.mark.parametrize(
    "text",
    [
        "我 喜欢 你 ， 你 也 喜欢 人工智能 吗 ？",
        "나는 고양이를 좋아합니다. 너도 좋아합니까?",
        "The temple is called 北京大学红楼博物馆 in Chinese, and nobody minds.",
        "Ceci n'est pas une pipe.",
        "12 + 30 = 42",
    ],
)
def test_words_between_spaces_are_words(text):
    assert len(Vocab(tokenize(text))) > 4
    refuse_unspaced([text])


def test_sentences_without_spaces_are_judged_by_their_letters():
    with pytest.raises(ValueError, match="我喜欢你"):
        refuse_unspaced(["我喜欢你。", "你是谁？"])
    with pytest.raises(ValueError, match="level"):
        refuse_unspaced([THAI])
    refuse_unspaced(["我喜欢你。", "I like you, and you are who you are."])


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


# Byte-pair encoding


def test_merges_of_a_small_text():
    words = {"low": 5, "lot": 2, "newer": 3}
    assert learn_merges(words, 3) == [("l", "o"), ("lo", "w"), ("w", "e")]
    assert learn_merges({"aa": 1}, 5) == [("a", "a")]
    assert apply_merges("slower", [("l", "o"), ("lo", "w")]) == ["s", "low", "e", "r"]
    assert apply_merges("aaa", [("a", "a")]) == ["aa", "a"]


@given(st.dictionaries(st.text("abc", min_size=1, max_size=6), st.integers(1, 9), max_size=8), st.integers(0, 9))
def test_each_merge_joins_a_most_frequent_pair_and_loses_nothing(words, number):
    merges = learn_merges(words, number)
    spelled = {word: list(word) for word in words}
    for merge in merges:
        pairs = Counter()
        for word, symbols in spelled.items():
            for pair in zip(symbols, symbols[1:], strict=False):
                pairs[pair] += words[word]
        assert pairs[merge] == max(pairs.values())
        spelled = {word: apply_merges(symbols, [merge]) for word, symbols in spelled.items()}
    for word, symbols in spelled.items():
        assert "".join(symbols) == word
        assert symbols == apply_merges(word, merges)
    assert len(merges) == number or all(len(symbols) == 1 for symbols in spelled.values())
