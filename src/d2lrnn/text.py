"""From text to token ids and back."""

import operator
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass

import torch

UNKNOWN = "<unk>"
PAD, BOS, EOS = "<pad>", "<bos>", "<eos>"

# A word keeps its inner apostrophes (don't, l'eau); any other sign, "_" included, is its own token.
WORD_OR_SIGN = re.compile(r"[^\W_]+(?:['’][^\W_]+)*|[^\w\s]|_")

# Signs that nobody sees: they only say where to break a line or in which direction to write.
INVISIBLE = re.compile("[\u00ad\u061c\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069]")
SPACES = re.compile(r"[\s\u200b\ufeff]+")
QUOTES = str.maketrans(dict.fromkeys("‘’‚‛‹›ʼ", "'") | dict.fromkeys("“”„‟«»", '"'))
JOINERS = "\u200c\u200d"
ELIDED = re.compile(r"aujourd'hui$|[^']+'?", re.IGNORECASE)
# Where a sentence is written from tokens: no space before the one, none after the other.
CLOSING = set(",.…)]}?!;:،؟؛।、。，！？；：）")
OPENING = set("([{¿¡$£（")


def tokenize(text, level="word"):
    """Split a text into tokens.

    Nothing is lower-cased and no sign is lost. Spaces are tokens at the character level and are
    dropped at the word level. Chinese is written without spaces: use the character level for it.

    Args:
        text: a str.
        level: "word" (words with their inner apostrophes; each punctuation mark is a token) or "char".

    Returns:
        list of str.

    Raises:
        TypeError: text is not a str.
        ValueError: an unknown level, or a text without any token.
    """
    if not isinstance(text, str):
        raise TypeError(f"text must be a str, not {type(text).__name__}; for many lines, tokenize them one by one")
    if level == "word":
        tokens = WORD_OR_SIGN.findall(text)
    elif level == "char":
        tokens = list(text)
    else:
        raise ValueError(f'level must be "word" or "char", not {level!r}')
    if not tokens:
        raise ValueError("the text has no tokens: it is empty or only spaces")
    return tokens


def normalize(text, lower=True):
    """Write the same sentence always with the same characters.

    Unicode's composed form NFC (é is one character, not e and an accent); every kind of space becomes one plain
    space; curly apostrophes become ', curly and French quotes "; marks that nobody sees are dropped.

    Args:
        text: a str.
        lower: lower-case the text.

    Returns:
        str, without spaces at its ends.

    Raises:
        TypeError: text is not a str.
    """
    if not isinstance(text, str):
        raise TypeError(f"text must be a str, not {type(text).__name__}")
    text = INVISIBLE.sub("", text)
    text = unicodedata.normalize("NFC", text.lower() if lower else text)
    return SPACES.sub(" ", text.translate(QUOTES)).strip()


@dataclass(frozen=True)
class Tokenizer:
    """Splits sentences of one language into tokens, and joins tokens to sentences.

    `tokenizer(sentence)` normalizes a sentence and gives its tokens, a list of str; it raises what `normalize` and
    `tokenize` raise. Marks that Unicode cannot compose stay with their letters (हिन्दी is one word). Chinese, Japanese
    and Thai are written without spaces: use level "char".

    Args:
        level: "word" or "char", as in `tokenize`.
        lower: lower-case the sentences.
        elision: cut words after their apostrophes, as French spells an article before a vowel ("l'", "homme"). Without
            it words keep them (English "don't"). "aujourd'hui" is one word either way.

    Raises:
        ValueError: an unknown level, or elision at the level of characters.
    """

    level: str = "word"
    lower: bool = True
    elision: bool = False

    def __post_init__(self):
        if self.level not in ("word", "char"):
            raise ValueError(f'level must be "word" or "char", not {self.level!r}')
        if self.elision and self.level == "char":
            raise ValueError('elision cuts words: with level="char" leave it out')

    def __call__(self, sentence):
        text = normalize(sentence, self.lower)
        tokens = tokenize(text, self.level)
        if self.level == "char":
            return tokens
        if any(map(_is_mark, text)):
            tokens = [word for part in text.split() for word in _with_marks(tokenize(part))]
        if not self.elision:
            return tokens
        return [part for token in tokens for part in (ELIDED.findall(token) if token[0].isalnum() else [token])]

    def join(self, tokens):
        """Write tokens as a readable sentence, the way back.

        Punctuation closes up as usual; with elision there is no space after "l'", and one before ? ! ; and :, as
        French wants it. Of a sentence's own tokens the result has the same tokens again.

        Args:
            tokens: list of str.

        Returns:
            str.

        Raises:
            TypeError: tokens is one str, or holds something else than str.
        """
        tokens = _list_of_str(tokens, "tokens")
        if self.level == "char":
            return "".join(tokens)
        closing = CLOSING - set("?!;:") if self.elision else CLOSING
        text, open_quote, close_up = "", False, True
        for i, token in enumerate(tokens):
            closes = token in closing or (token == '"' and open_quote)
            hyphen = token == "-" and 0 < i < len(tokens) - 1
            text += token if closes or close_up or hyphen else f" {token}"
            if token == '"':
                open_quote = not open_quote
            elided = self.elision and len(token) > 1 and token.endswith("'")
            close_up = token in OPENING or hyphen or elided or (token == '"' and open_quote)
        return text


def _is_mark(character):
    """Whether a character belongs to the one before it, as an accent that cannot be composed."""
    return unicodedata.category(character).startswith("M") or character in JOINERS


def _with_marks(tokens):
    """Put marks back to their letters; tokens are those of a text without spaces."""
    words = []
    for token in tokens:
        inside_a_word = words and _is_mark(words[-1][-1]) and words[-1][0].isalnum() and token[0].isalnum()
        if words and (_is_mark(token[0]) or inside_a_word):
            words[-1] += token
        else:
            words.append(token)
    return words


def keep_letters(text):
    """Lower-case a text and turn every run of anything but a–z into one space.

    What is left has at most 27 characters: 26 letters and the space. Accented letters and
    Chinese characters are lost, so a text without Latin letters becomes "".

    Args:
        text: a str.

    Returns:
        str, without spaces at its ends.

    Raises:
        TypeError: text is not a str.
    """
    if not isinstance(text, str):
        raise TypeError(f"text must be a str, not {type(text).__name__}")
    return re.sub("[^a-z]+", " ", text.lower()).strip()


class Vocab:
    """A table between tokens and ids.

    Id 0 is `<unk>`, the unknown token. Then come the reserved tokens, then the text's tokens by
    falling frequency (equal frequency: first seen first). `len(vocab)` is |V|, `vocab[token]` the
    id (0 for an unknown token), `token in vocab` whether it has an id of its own.

    Args:
        tokens: list of str, the tokens of the training text (not of the held-out text); or their counts, a dict.
        min_freq: tokens seen less often get no id: they become `<unk>`.
        reserved: tokens that are not in the text, such as `("<pad>", "<bos>", "<eos>")`.

    Attributes:
        tokens: list of str; the index is the id.
        counts: Counter of the text's tokens, before rare ones are cut.

    Raises:
        TypeError: tokens or reserved is one str, or holds something else than str; min_freq is not an int.
        ValueError: no tokens, min_freq below 1, a reserved token twice, `<unk>` as a reserved
            token, or a reserved token that occurs in the text.
    """

    def __init__(self, tokens, min_freq=1, reserved=()):
        self.counts = _count(tokens)
        reserved = _list_of_str(reserved, "reserved")
        if not self.counts:
            raise ValueError("tokens is empty: a vocabulary needs a text")
        if not isinstance(min_freq, int):
            raise TypeError(f"min_freq must be an int, not {min_freq!r}")
        if min_freq < 1:
            raise ValueError(f"min_freq must be at least 1, not {min_freq}; 1 keeps every token")
        if UNKNOWN in reserved:
            raise ValueError(f"leave {UNKNOWN} out of reserved: it always has id 0")
        if len(set(reserved)) < len(reserved):
            raise ValueError(f"reserved holds a token twice: {reserved}")
        for token in reserved:
            if token in self.counts:
                raise ValueError(f"the reserved token {token!r} occurs in the text: choose another name for it")
        # A text may mark its rare words as <unk> itself; they share id 0.
        frequent = [t for t, count in self.counts.most_common() if count >= min_freq and t != UNKNOWN]
        self.tokens = [UNKNOWN, *reserved, *frequent]
        self._ids = {token: i for i, token in enumerate(self.tokens)}

    def __len__(self):
        return len(self.tokens)

    def __contains__(self, token):
        return token in self._ids

    def __getitem__(self, token):
        if not isinstance(token, str):
            raise TypeError(f"vocab[...] takes one token, a str, not {token!r}; see to_ids, to_tokens and tokens")
        return self._ids.get(token, 0)

    def __iter__(self):
        return iter(self.tokens)

    def to_ids(self, tokens):
        """The id of each token, 0 where it is unknown.

        A str is refused: whether it means one word or its characters depends on the vocabulary.

        Args:
            tokens: list of str.

        Returns:
            list of int, as long as tokens.

        Raises:
            TypeError: tokens is one str, or holds something else than str.
        """
        return [self._ids.get(token, 0) for token in _list_of_str(tokens, "tokens")]

    def to_tokens(self, ids):
        """The token of each id.

        Args:
            ids: list of int, or a 1-D integer tensor.

        Returns:
            list of str, as long as ids.

        Raises:
            TypeError: ids is one number, or holds something else than integers.
            ValueError: an id is not in 0 … len(vocab) − 1.
        """
        if isinstance(ids, torch.Tensor):
            ids = ids.tolist()
        if isinstance(ids, int):
            raise TypeError(f"to_tokens takes a list of ids; for one id write vocab.tokens[{ids}]")
        ids = [operator.index(i) for i in ids]
        for i in ids:
            if not 0 <= i < len(self):
                raise ValueError(f"id {i} is not in 0 … {len(self) - 1}: was it made with another vocabulary?")
        return [self.tokens[i] for i in ids]


def _count(tokens):
    _refuse_one_str(tokens, "tokens")
    try:
        counts = Counter(tokens)
    except TypeError:
        raise TypeError("tokens must be one list of str; join lists of lists into one list") from None
    _refuse_other_types(counts, "tokens")
    return counts


def _list_of_str(tokens, name):
    _refuse_one_str(tokens, name)
    tokens = list(tokens)
    _refuse_other_types(tokens, name)
    return tokens


def _refuse_one_str(tokens, name):
    if isinstance(tokens, str):
        raise TypeError(f"{name} must be a list of tokens, not one str; tokenize(text, level) makes a list")


def _refuse_other_types(tokens, name):
    # The set of types first: far quicker than asking each of a million tokens.
    for kind in set(map(type, tokens)):
        if not issubclass(kind, str):
            raise TypeError(f"{name} must hold str, not {kind.__name__}; join lists of lists into one list")
