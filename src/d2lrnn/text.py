"""From text to token ids and back."""

import hashlib
import json
import operator
import re
import unicodedata
from collections import Counter
from dataclasses import asdict, dataclass

import torch

UNKNOWN = "<unk>"
PAD, BOS, EOS = "<pad>", "<bos>", "<eos>"

# A word keeps its inner apostrophes (don't, l'eau); any other sign, "_" included, is its own token.
# The Thai vowels and tones that Unicode calls marks are letters here.
LETTERS = r"(?:[^\W_]|[\u0e31-\u0e3a\u0e47-\u0e4e])+"
WORD_OR_SIGN = re.compile(rf"{LETTERS}(?:['’]{LETTERS})*|[^\w\s]|_")

# Signs that nobody sees: they only say where to break a line or in which direction to write.
INVISIBLE = re.compile("[\u00ad\u061c\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069]")
SPACES = re.compile(r"[\s\u200b\ufeff]+")
QUOTES = str.maketrans(dict.fromkeys("‘’‚‛‹›ʼ", "'") | dict.fromkeys("“”„‟«»", '"'))
JOINERS = "\u200c\u200d"
# Where a sentence is written from tokens: no space before the one, none after the other.
CLOSING = set(",.…)]}?!;:%،؛؟।、。，！？；：）")
OPENING = set("([{¿¡（")
CURRENCY = set("$£€¥")  # they open a number
# Where a space is missing between two words: after a comma or an ellipsis, and around a dash.
MISSING_SPACE = re.compile(
    r"(?<=[,;…،؛؟।、。，！？；：])(?=[^\W\d_])|(?<=\.\.\.)(?=[^\W\d_])|(?<=—)(?=\S)|(?<=\S)(?=—)"
)
ELIDED = re.compile(r"(?!aujourd'hui)[^\W\d_]+'(?=[^\W_])", re.IGNORECASE)
SIGN_INSIDE = re.compile(r"[!-&(-,./:-@\[-`{-~]")  # any of ASCII but the apostrophe and the hyphen
BEFORE_HYPHEN = re.compile(r"[^\W_][^-]*(?<!')(?=-[^\W_])")
# Letters of scripts that are written without spaces: Chinese, Japanese, Thai, Lao, Burmese and Khmer.
UNSPACED = (
    "\u0e01-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff"
)
UNSPACED_LETTER = re.compile(f"[{UNSPACED}]")
SPACED_OUT = re.compile(f"(?<=[{UNSPACED}]) (?=[{UNSPACED}])")
NO_WORDS = (
    "is written without spaces, as Chinese, Japanese and Thai are: at the word level whole clauses would count as "
    'words. Use level="char": tokenize(text, level="char") or Tokenizer(level="char")'
)


def tokenize(text, level="word"):
    """Split a text into tokens.

    Nothing is lower-cased and no sign is lost. Spaces are tokens at the character level and are
    dropped at the word level. Chinese, Japanese and Thai are written without spaces: use the character
    level for them (`Vocab` refuses their "words"). For sentences that are written again, see `Tokenizer`.

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
    space; curly apostrophes become ', curly and French quotes ", two or more hyphens —; marks that nobody sees are
    dropped. The Turkish İ becomes i. Ligatures (ﬁ) and full-width forms (Ａ, ，) stay: NFKC would replace them, and
    with them ², ½ and … as well.

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
    text = unicodedata.normalize("NFC", INVISIBLE.sub("", text))
    if lower:  # Python's own lower-case İ is i with a second dot above
        text = unicodedata.normalize("NFC", text.replace("İ", "i").lower())
    return re.sub("--+", "—", SPACES.sub(" ", text.translate(QUOTES)).strip())


@dataclass(frozen=True)
class Tokenizer:
    """Splits sentences of one language into tokens, and joins tokens to sentences.

    `tokenizer(sentence)` normalizes a sentence and gives its tokens, a list of str; it raises what `normalize` and
    `tokenize` raise. Signs are cut off at both ends of a word, and a hyphen inside is a token of its own: "est-ce" is
    three. With any other sign inside, what is written in one piece stays one token (10:30, 3,5, e.g, a.b@c.org,
    and/or), as does a hyphen at one end (Zwei- und vierbeinige). A hyphen that stands alone is a dash, –. Marks that
    Unicode cannot compose stay with their letters (हिन्दी is one word). Chinese, Japanese and Thai are written without
    spaces: use level "char".

    Args:
        level: "word", "char", or "letter": what `keep_letters` leaves, the 26 letters and the space.
        lower: lower-case the sentences.
        elision: cut words after their apostrophes, as French spells an article before a vowel ("l'", "homme"). Without
            it words keep them (English "don't"). "aujourd'hui" is one word either way.

    Attributes:
        settings: dict of the arguments, from which Tokenizer(**settings) makes the same again.

    Raises:
        ValueError: an unknown level, or elision at another level than words.
    """

    level: str = "word"
    lower: bool = True
    elision: bool = False

    def __post_init__(self):
        if self.level not in ("word", "char", "letter"):
            raise ValueError(f'level must be "word", "char" or "letter", not {self.level!r}')
        if self.elision and self.level != "word":
            raise ValueError(f'elision cuts words: with level="{self.level}" leave it out')

    @property
    def settings(self):
        return asdict(self)

    def __call__(self, sentence):
        text = keep_letters(sentence) if self.level == "letter" else normalize(sentence, self.lower)
        if not text:
            what = "has no letter from a to z" if self.level == "letter" else "is empty or only spaces"
            raise ValueError(f"the sentence has no tokens: it {what}")
        if self.level != "word":
            return list(text)
        tokens, is_open = [], {"'": False, '"': False}
        for piece in MISSING_SPACE.sub(" ", text).split():
            tokens += self._split(piece, is_open)
        return tokens

    def _split(self, piece, is_open):
        """The tokens of a piece without spaces; is_open says which quotes are open, and is updated."""
        opening = []
        while piece and (piece[0] in OPENING or _opens_number(piece) or is_open.get(piece[0]) is False):
            if piece[0] in is_open:
                is_open[piece[0]] = True
            opening.append(piece[0])
            piece = piece[1:]
        word = piece.rstrip("".join([*CLOSING, *filter(is_open.get, is_open)]))
        closing = piece[len(word) :]
        for quote in is_open:
            is_open[quote] ^= closing.count(quote) % 2 == 1
        return [*opening, *self._split_word(word), *closing]

    def _split_word(self, word):
        if self.elision and (elided := ELIDED.match(word)):
            return [elided[0], *self._split_word(word[elided.end() :])]
        if not SIGN_INSIDE.search(word) and (part := BEFORE_HYPHEN.match(word)):
            return [part[0], "-", *self._split_word(word[part.end() + 1 :])]
        if word == "-":
            return ["–"]
        return [word] if word else []

    def join(self, tokens):
        """Write tokens as a readable sentence, the way back.

        Punctuation closes up as usual; with elision there is no space after "l'", and one before ? ! ; : and %, as
        French wants it. Of a sentence's own tokens the result has the same tokens again.

        Args:
            tokens: list of str.

        Returns:
            str.

        Raises:
            TypeError: tokens is one str, or holds something else than str.
        """
        tokens = _list_of_str(tokens, "tokens")
        if self.level != "word":
            return "".join(tokens)
        closing = CLOSING - set("?!;:%") if self.elision else CLOSING
        text, before, is_open = "", "", {"'": False, '"': False}
        for token in tokens:
            closes = token in closing or token == "-" or is_open.get(token)
            opens = before in OPENING or before == "-" or is_open.get(before) or _opens_number(before + token)
            text += token if closes or opens or self._elides(before, token) else f" {token}"
            if token in is_open:
                is_open[token] = not is_open[token]
            before = token
        return text.strip()

    def _elides(self, before, token):
        elided = self.elision and ELIDED.match(before + token)
        return elided and elided.end() == len(before)


def _opens_number(piece):
    """Whether a piece begins with the sign of a currency and a digit ($5)."""
    return piece[:1] in CURRENCY and piece[1:2].isdigit()


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


def learn_merges(words, number):
    """Learn the merges of byte-pair encoding (Sennrich and others, 2016).

    Each merge joins the pair of neighbouring symbols that is most frequent in the text (of equally frequent pairs the
    last in alphabetical order), in every word. At the start each character is a symbol. Nothing is merged across words.

    Args:
        words: dict from the words of the text to their counts.
        number: how many merges.

    Returns:
        list of pairs of str, in the order of the merges; shorter than number if every word has become one symbol.
    """
    spelled, pairs, merges = {word: list(word) for word in words}, Counter(), []
    for word in words:
        for pair in _neighbours(word):
            pairs[pair] += words[word]
    while len(merges) < number and pairs:
        merge = max(pairs, key=lambda pair: (pairs[pair], pair))
        merges.append(merge)
        for word, symbols in spelled.items():
            if merge[0] not in symbols or merge not in _neighbours(symbols):
                continue
            spelled[word] = apply_merges(symbols, [merge])
            for pair in _neighbours(symbols):
                pairs[pair] -= words[word]
            for pair in _neighbours(spelled[word]):
                pairs[pair] += words[word]
        pairs = +pairs  # without those that are gone
    return merges


def _neighbours(symbols):
    return list(zip(symbols, symbols[1:], strict=False))


def apply_merges(word, merges):
    """Cut a word into pieces by the merges of byte-pair encoding, one after the other, each from left to right.

    Args:
        word: a str, or a list of the symbols that earlier merges have left.
        merges: list of pairs of str, from `learn_merges`.

    Returns:
        list of str, which joined are the word.
    """
    symbols = list(word)
    for pair in merges:
        if pair[0] in symbols:
            result = []
            for symbol in symbols:
                if result and (result[-1], symbol) == pair:
                    result[-1] += symbol
                else:
                    result.append(symbol)
            symbols = result
    return symbols


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
        min_freq, reserved: as given, reserved as a tuple.
        settings: dict of the arguments, from which Vocab(**settings) makes the same again.

    Raises:
        TypeError: tokens or reserved is one str, or holds something else than str; min_freq is not an int.
        ValueError: no tokens, min_freq below 1, a reserved token twice, `<unk>` as a reserved
            token, a reserved token that occurs in the text, or whole clauses in place of words (Chinese, Japanese or
            Thai at the word level).
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
        _refuse_clauses(self.counts)
        # A text may mark its rare words as <unk> itself; they share id 0.
        frequent = [t for t, count in self.counts.most_common() if count >= min_freq and t != UNKNOWN]
        self.min_freq, self.reserved = min_freq, tuple(reserved)
        self.tokens = [UNKNOWN, *reserved, *frequent]
        self._ids = {token: i for i, token in enumerate(self.tokens)}

    @property
    def settings(self):
        return {"tokens": dict(self.counts), "min_freq": self.min_freq, "reserved": list(self.reserved)}

    @property
    def digest(self):
        """SHA-256 of the tokens in order, as JSON, in hexadecimal: vocabularies with the same ids have the same."""
        return hashlib.sha256(json.dumps(self.tokens).encode()).hexdigest()

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


def refuse_unspaced(sentences):
    """Refuse sentences of a script without spaces between words, which at the word level become whole clauses.

    Judged by the share of such letters among all letters. Text that was cut into words before, with spaces, is
    let through; so is Korean, which has spaces.

    Args:
        sentences: list of str.

    Raises:
        ValueError: more than half of the letters are Chinese, Japanese, Thai, Lao, Burmese or Khmer, and spaces
            between them are rare.
    """
    text = "\n".join(sentences)
    unspaced = len(UNSPACED_LETTER.findall(text))
    if 2 * unspaced > sum(map(str.isalpha, text)) and unspaced > 8 * len(SPACED_OUT.findall(text)):
        raise ValueError(f"{sentences[0][:20]!r} … {NO_WORDS}")


def _refuse_clauses(counts):
    letters = sum(len(token) * count for token, count in counts.items() if token[:1].isalpha())
    words = [(len(token), count) for token, count in counts.items() if UNSPACED_LETTER.match(token)]
    total = sum(length * count for length, count in words)
    if 2 * total > letters and total > 5 * sum(count for _, count in words):
        raise ValueError(f"{max(counts, key=len)[:20]!r} … {NO_WORDS}")


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
