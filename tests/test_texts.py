"""The two embedded texts: long enough, clean, and never repeating themselves."""

import re
from collections import Counter
from importlib.resources import files

import pytest

DATA = files("d2lrnn") / "data"
STORY = (DATA / "story.txt").read_text(encoding="utf-8")
CHINESE = (DATA / "chinese.txt").read_text(encoding="utf-8")
TEXTS = pytest.mark.parametrize("text", [STORY, CHINESE], ids=["story", "chinese"])


def paragraphs(text):
    return [line for line in text.split("\n") if line]


def sentences(text):
    """Split at . ! ? and their Chinese forms; quotes around a sentence do not make it a different one."""
    pieces = re.split(r"""(?<=[.!?])["']*\s+|[。！？]|\n""", text)
    return [piece.strip(" \"'“”") for piece in pieces]


def words(text):
    return re.findall(r"[a-z]+(?:'[a-z]+)*", text.lower())


def more_than_once(items):
    return [item for item, count in Counter(items).items() if count > 1]


def test_story_is_long_and_ascii():
    assert len(STORY) >= 60_000
    assert STORY.isascii()


def test_story_has_a_title_and_numbered_chapters():
    numbers = "One Two Three Four Five Six Seven Eight Nine Ten Eleven Twelve Thirteen Fourteen Fifteen".split()
    assert paragraphs(STORY)[0] == "The Lamp on Tern Island"
    assert re.findall(r"^Chapter (\w+): \w", STORY, flags=re.MULTILINE) == numbers


def test_story_has_the_vocabulary_of_prose():
    counts = Counter(words(STORY))
    assert len(counts) >= 1_500
    assert {"the", "and", "of", "to"} <= {word for word, _ in counts.most_common(8)}


def test_chinese_is_long_and_mostly_han():
    han = re.findall(r"[\u4e00-\u9fff]", CHINESE)
    assert len(han) >= 3_000
    assert len(han) / len(CHINESE) > 0.8
    assert not re.search(r"[A-Za-z\"']", CHINESE)


@TEXTS
def test_layout(text):
    assert text.endswith("\n") and not text.endswith("\n\n")
    assert not re.search(r"\n{3}|[ \t]\n|\n[ \t]|  |\t|\r", text)
    assert re.fullmatch(r"([^\n]+\n\n)*[^\n]+\n", text), "one paragraph a line, a blank line between"


@TEXTS
def test_no_paragraph_occurs_twice(text):
    assert not more_than_once(paragraphs(text))


@TEXTS
def test_no_long_sentence_occurs_twice(text):
    # Chinese says in one character about what English says in three.
    limit = 40 if text is STORY else 13
    assert not more_than_once(s for s in sentences(text) if len(s) > limit)


def test_no_twelve_words_occur_twice():
    tokens = words(STORY)
    assert not more_than_once(zip(*(tokens[i:] for i in range(12)), strict=False))


def test_no_twenty_han_characters_occur_twice():
    han = "".join(re.findall(r"[\u4e00-\u9fff]", CHINESE))
    assert not more_than_once(han[i : i + 20] for i in range(len(han) - 19))


def test_quotes_are_closed_in_every_paragraph():
    assert [p for p in paragraphs(STORY) if p.count('"') % 2] == []
    assert [p for p in paragraphs(CHINESE) if re.sub("[^“”]", "", p).replace("“”", "")] == []
