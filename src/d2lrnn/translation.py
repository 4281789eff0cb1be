"""From sentence pairs to a translator of raw sentences, for any two languages.

`PairData` turns pairs of sentences into ids and minibatches. `Translator` holds it and a trained model, in one file.
`score_translations` scores a model on pairs it has not seen; `split_by_source` has kept them apart.
"""

import torch

from d2lrnn.batches import pad, pair_batches
from d2lrnn.checkpoints import ModelFileError, load_model, restore, restore_tokenizer, save_model
from d2lrnn.decoding import beam_search
from d2lrnn.metrics import bleu
from d2lrnn.runtime import as_device
from d2lrnn.seq2seq import Seq2Seq
from d2lrnn.text import BOS, EOS, PAD, UNKNOWN, Tokenizer, Vocab, normalize, refuse_unspaced

FORMAT = "d2lrnn translator 2"
RESERVED = (PAD, BOS, EOS)
WORDS = Tokenizer()
BATCH_SIZE = 64  # sentences translated at once


def split_by_source(pairs, num_held_out, seed=0):
    """Hold out source sentences, each with all its translations.

    Many sentences have several translations. Held-out *pairs* would leave other translations of the same sentence in
    the training part. Sentences that differ only in case, spaces or the form of quotes count as the same.

    Args:
        pairs: list of (source, target) tuples of str.
        num_held_out: how many source sentences to hold out.
        seed: decides which.

    Returns:
        the training pairs and the held-out pairs, two lists in the order of pairs.

    Raises:
        TypeError: pairs are not tuples of two str, or num_held_out is not an int.
        ValueError: there are no pairs, or num_held_out leaves nothing to one of the two.
    """
    pairs = _checked_pairs(pairs)
    sources = [normalize(source) for source, _ in pairs]
    unique = list(dict.fromkeys(sources))
    if not isinstance(num_held_out, int):
        raise TypeError(f"num_held_out must be an int, a number of source sentences, not {num_held_out!r}")
    if not 1 <= num_held_out < len(unique):
        raise ValueError(
            f"num_held_out must be between 1 and {len(unique) - 1}, not {num_held_out}: there are {len(unique)} "
            "different source sentences, and both parts need one"
        )
    order = torch.randperm(len(unique), generator=torch.Generator().manual_seed(seed))
    held_out = {unique[i] for i in order[:num_held_out]}
    parts = [], []
    for pair, source in zip(pairs, sources, strict=True):
        parts[source in held_out].append(pair)
    return parts


def group_references(pairs):
    """Put the translations of each source sentence together.

    Args:
        pairs: list of (source, target) tuples of str.

    Returns:
        the different source sentences, in order (as first written; see `split_by_source` for which are the same), and
        for each the list of its translations.

    Raises:
        TypeError: pairs are not tuples of two str.
        ValueError: there are no pairs.
    """
    groups = {}
    for source, target in _checked_pairs(pairs):
        groups.setdefault(normalize(source), (source, []))[1].append(target)
    sources, references = zip(*groups.values(), strict=True)
    return list(sources), list(references)


class PairData:
    """Turns sentence pairs into ids: two tokenizers, two vocabularies, and the longest sentence.

    In both vocabularies `<unk>` has id 0, `<pad>` 1, `<bos>` 2 and `<eos>` 3.

    Args:
        train_pairs: list of (source, target) tuples of str, the training pairs only.
        source_tokenizer, target_tokenizer: `text.Tokenizer`; for French give Tokenizer(elision=True). Any other object
            will do: `tokenizer(sentence)` gives a list of str, `tokenizer.join(tokens)` a sentence, and
            `tokenizer.settings` is a dict of plain values that says which tokenizer it is.
        min_freq: tokens seen less often in train_pairs become `<unk>`.
        max_length: longer sentences are cut after so many tokens, `<bos>` and `<eos>` not counted; None for the length
            of the longest one of train_pairs, on either side.

    Attributes:
        source_tokenizer, target_tokenizer: as given.
        source_vocab, target_vocab: see `text.Vocab`.
        max_length: int.
        pad_id, bos_id, eos_id: 1, 2 and 3, in both languages.
        digests: list of the digests of source_vocab and target_vocab; a `Seq2Seq(..., vocabularies=data.digests)` is
            refused with any others.
        settings: dict of numbers, str and dicts, from which `PairData.from_settings` makes the same again.

    Raises:
        TypeError: train_pairs are not tuples of two str, or an argument is of the wrong type.
        ValueError: there are no pairs, a sentence without a token, an argument out of range, a min_freq that leaves no
            word, or the words of a language that is written without spaces (use Tokenizer("char")).
    """

    pad_id, bos_id, eos_id = 1, 2, 3

    def __init__(self, train_pairs, source_tokenizer=WORDS, target_tokenizer=WORDS, min_freq=1, max_length=None):
        sides = list(zip(*_checked_pairs(train_pairs), strict=True))
        tokenizers = source_tokenizer, target_tokenizer
        for tokenizer, side in zip(tokenizers, sides, strict=True):
            if isinstance(tokenizer, Tokenizer) and tokenizer.level == "word":
                refuse_unspaced(side)
        tokens = [_tokens(tokenizer, side) for tokenizer, side in zip(tokenizers, sides, strict=True)]
        counts = [[token for sentence in side for token in sentence] for side in tokens]
        longest = max(len(sentence) for side in tokens for sentence in side)
        self._set(*tokenizers, *counts, min_freq, longest if max_length is None else max_length)

    @classmethod
    def from_settings(cls, settings, source_tokenizer=None, target_tokenizer=None):
        """What `settings` was taken from.

        Args:
            settings: dict, see Attributes.
            source_tokenizer, target_tokenizer: needed only where it was not a `text.Tokenizer`: the same as then.

        Returns:
            PairData.

        Raises:
            ValueError: a tokenizer is missing, or has other settings than that of then.
        """
        data = cls.__new__(cls)
        data._set(
            restore_tokenizer("source_tokenizer", settings["source_tokenizer"], source_tokenizer),
            restore_tokenizer("target_tokenizer", settings["target_tokenizer"], target_tokenizer),
            settings["source_counts"],
            settings["target_counts"],
            settings["min_freq"],
            settings["max_length"],
        )
        return data

    def _set(self, source_tokenizer, target_tokenizer, source_counts, target_counts, min_freq, max_length):
        if not isinstance(max_length, int) or max_length < 1:
            raise ValueError(f"max_length must be an int of at least 1, or None, not {max_length!r}")
        self.source_tokenizer, self.target_tokenizer = source_tokenizer, target_tokenizer
        self.source_vocab = Vocab(source_counts, min_freq, RESERVED)
        self.target_vocab = Vocab(target_counts, min_freq, RESERVED)
        for side, vocab in (("source", self.source_vocab), ("target", self.target_vocab)):
            if len(vocab) == 1 + len(RESERVED):
                raise ValueError(
                    f"no {side} token is seen {min_freq} times (the most frequent {max(vocab.counts.values())} times): "
                    "choose a smaller min_freq"
                )
        self.min_freq, self.max_length = min_freq, max_length

    @property
    def digests(self):
        return [self.source_vocab.digest, self.target_vocab.digest]

    @property
    def settings(self):
        return {
            "source_tokenizer": self.source_tokenizer.settings,
            "target_tokenizer": self.target_tokenizer.settings,
            "source_counts": dict(self.source_vocab.counts),
            "target_counts": dict(self.target_vocab.counts),
            "min_freq": self.min_freq,
            "max_length": self.max_length,
        }

    def encode(self, pairs):
        """The ids of sentence pairs.

        Args:
            pairs: list of (source, target) tuples of str.

        Returns:
            source_ids and target_ids, two lists of N lists of int. A source sentence is its tokens and `<eos>`, a
            target sentence `<bos>`, its tokens and `<eos>`; of one that is too long, the first max_length tokens.

        Raises:
            TypeError: pairs are not tuples of two str.
            ValueError: there are no pairs, or a sentence has no tokens.
        """
        sources, targets = zip(*_checked_pairs(pairs), strict=True)
        target_tokens = _tokens(self.target_tokenizer, targets)
        target_ids = [
            [self.bos_id, *self.target_vocab.to_ids(tokens[: self.max_length]), self.eos_id] for tokens in target_tokens
        ]
        return self.encode_sources(sources), target_ids

    def encode_sources(self, sentences):
        """The ids of source sentences, as in `encode`.

        Args:
            sentences: list of str.

        Returns:
            list of lists of int.

        Raises:
            TypeError: sentences is one str, or a sentence is not a str.
            ValueError: a sentence has no tokens.
        """
        if isinstance(sentences, str):
            raise TypeError("sentences must be a list of str, not one str: put it in brackets, [sentence]")
        return [self._source_ids(tokens) for tokens in _tokens(self.source_tokenizer, sentences)]

    def _source_ids(self, tokens):
        return [*self.source_vocab.to_ids(tokens[: self.max_length]), self.eos_id]

    def batches(self, pairs, batch_size, generator=None, shuffle=True):
        """Minibatches of sentence pairs: `batches.pair_batches` of their ids.

        To train for many epochs, encode the pairs once and call `batches.pair_batches` in each.

        Args:
            pairs: list of (source, target) tuples of str.
            batch_size: B.
            generator: torch.Generator on the CPU; None takes torch's global one.
            shuffle: False keeps the order of pairs.

        Returns:
            iterator of (source (B, S), source_lengths (B,), target (B, T), target_lengths (B,)), all long.

        Raises:
            TypeError: pairs are not tuples of two str.
            ValueError: there are no pairs, a sentence has no tokens, or batch_size is below 1.
        """
        return pair_batches(*self.encode(pairs), batch_size, self.pad_id, generator, shuffle=shuffle)


class Translator:
    """A trained model with all it needs to translate raw sentences.

    Args:
        model: `seq2seq.Seq2Seq`, used in evaluation mode.
        data: the `PairData` that it was trained with.

    Raises:
        ValueError: the model was made for other vocabularies. Their tokens are compared if the model knows them
            (see `PairData.digests`), else their sizes.
    """

    def __init__(self, model, data):
        _check_vocabularies(model, data)
        self.model, self.data = model, data

    def translate(self, sentences, width=1, alpha=0.75, max_steps=None):
        """Translate sentences.

        An unknown word among others is read as `<unk>`. `<unk>`, `<pad>` and `<bos>` are never written.

        Args:
            sentences: a str, one sentence, or a list of them.
            width: of the beam; 1 is greedy search.
            alpha: see `decoding.beam_search`.
            max_steps: the largest number of tokens to write, `<eos>` included; None for data.max_length + 1.

        Returns:
            a str, or a list of str in the order of sentences.

        Raises:
            TypeError: a sentence is not a str.
            ValueError: a sentence is empty, longer than data.max_length, or has only unknown words; or width, alpha
                or max_steps is out of range.
        """
        if isinstance(sentences, str):
            return self.translate([sentences], width, alpha, max_steps)[0]
        if not isinstance(sentences, list | tuple):
            raise TypeError(f"sentences must be a str or a list of str, not {type(sentences).__name__}")
        tokenized = _tokens(self.data.source_tokenizer, sentences)
        source_ids = [self._checked_ids(*both) for both in zip(sentences, tokenized, strict=True)]
        tokens = _best_translations(self.model, self.data, source_ids, width, alpha, max_steps)
        return [self.data.target_tokenizer.join(sentence) for sentence in tokens]

    def _checked_ids(self, sentence, tokens):
        data = self.data
        if len(tokens) > data.max_length:
            raise ValueError(
                f"{_shorten(sentence)} has {len(tokens)} tokens, but the model was trained on sentences of at most "
                f"{data.max_length}: cut it into shorter ones, or train with a larger max_length"
            )
        words = [token for token in tokens if any(map(str.isalnum, token))] or tokens  # known punctuation is not enough
        if not any(word in data.source_vocab for word in words):
            raise ValueError(
                f"the model knows no word of {_shorten(sentence)}: is it in the language of the training sentences?"
            )
        return data._source_ids(tokens)

    def save(self, path):
        """Write the translator into one file, whole or not at all.

        Args:
            path: the file; one that is there is replaced.

        Raises:
            OSError: the file could not be written; an old one is still there.
        """
        save_model(path, FORMAT, self.model, data=self.data.settings, digests=self.data.digests)

    @classmethod
    def load(cls, path, device=None, source_tokenizer=None, target_tokenizer=None):
        """Read a translator that `save` wrote. No code in the file is ever run.

        Args:
            path: the file.
            device: where the model goes; None for the CPU.
            source_tokenizer, target_tokenizer: see `PairData.from_settings`.

        Returns:
            Translator, its model in evaluation mode.

        Raises:
            FileNotFoundError: there is no such file.
            ModelFileError: the file is truncated or damaged, it is no translator file, or it needs another tokenizer.
        """
        target = as_device(device)

        def make(content):
            data = PairData.from_settings(content["data"], source_tokenizer, target_tokenizer)
            if data.digests != content["digests"]:
                raise ModelFileError(f"the vocabularies in {path} are not those that it was saved with")
            model = restore(Seq2Seq(**content["model"]), content["parameters"])
            return cls(model.to(target), data)

        return load_model(path, FORMAT, make)


def score_translations(model, data, pairs, width=1, alpha=0.75, max_steps=None):
    """Translate held-out source sentences and compare with all their translations.

    Both measures are of the target tokenizer's tokens. Sentences longer than data.max_length are read cut.

    Args:
        model: `seq2seq.Seq2Seq`, used in evaluation mode.
        data: the `PairData` that it was trained with.
        pairs: list of (source, target) tuples of str; each source sentence is translated once.
        width, alpha, max_steps: see `Translator.translate`.

    Returns:
        dict of floats from 0 to 1: "bleu", see `metrics.bleu`, and "exact_match", the share of the source sentences
        whose translation is one of their references.

    Raises:
        TypeError: pairs are not tuples of two str.
        ValueError: there are no pairs, width, alpha or max_steps is out of range, or the model was made for other
            vocabularies.
    """
    _check_vocabularies(model, data)
    sources, translations = group_references(pairs)
    references = [_tokens(data.target_tokenizer, sentences) for sentences in translations]
    candidates = _best_translations(model, data, data.encode_sources(sources), width, alpha, max_steps)
    exact = [candidate in sentences for candidate, sentences in zip(candidates, references, strict=True)]
    return {"bleu": bleu(candidates, references), "exact_match": sum(exact) / len(exact)}


@torch.no_grad()
def _best_translations(model, data, source_ids, width, alpha, max_steps):
    """The tokens of the best hypothesis of each sentence, without <eos>."""
    max_steps = data.max_length + 1 if max_steps is None else max_steps
    banned = (data.target_vocab[UNKNOWN], data.pad_id, data.bos_id)
    device, was_training = next(model.parameters()).device, model.training
    by_length = sorted(range(len(source_ids)), key=lambda i: len(source_ids[i]))
    tokens = [None] * len(source_ids)
    model.eval()
    try:
        for start in range(0, len(by_length), BATCH_SIZE):
            rows = by_length[start : start + BATCH_SIZE]
            source, lengths = pad([source_ids[i] for i in rows], data.pad_id)
            state = model.start(source.to(device), lengths.to(device))
            found = beam_search(model.step, state, data.bos_id, data.eos_id, max_steps, width, alpha, banned, 1)
            for i, hypotheses in zip(rows, found, strict=True):
                ids = [token for token in hypotheses[0].tokens if token != data.eos_id]
                tokens[i] = data.target_vocab.to_tokens(ids)
    finally:
        model.train(was_training)
    return tokens


def _check_vocabularies(model, data):
    for side in ("source", "target"):
        expected, size = model.settings[f"{side}_vocab_size"], len(getattr(data, f"{side}_vocab"))
        if size != expected:
            raise ValueError(
                f"the model was made for {expected} {side} tokens, but data has {size}: use the data that the "
                "model was trained with"
            )
    digests = model.settings.get("vocabularies")
    if digests and list(digests) != data.digests:
        raise ValueError(
            "the model was made for as many tokens, but for others: use the data that the model was trained with"
        )


def _checked_pairs(pairs):
    if isinstance(pairs, str):
        raise TypeError("pairs must be (source, target) tuples of two str, not one str: load_pairs reads a file")
    pairs = list(pairs)
    if not pairs:
        raise ValueError("there are no pairs: is the file empty?")
    for i, pair in enumerate(pairs):
        if not (isinstance(pair, tuple | list) and len(pair) == 2 and all(isinstance(side, str) for side in pair)):
            raise TypeError(f"pairs must be (source, target) tuples of two str, but pairs[{i}] is {_shorten(pair)}")
    return pairs


def _tokens(tokenizer, sentences):
    tokens = []
    for i, sentence in enumerate(sentences):
        if not isinstance(sentence, str):
            raise TypeError(f"sentence {i} must be a str, not {type(sentence).__name__}")
        try:
            tokens.append(tokenizer(sentence) if sentence.strip() else [])
        except ValueError as error:
            raise ValueError(f"sentence {i}, {_shorten(sentence)}, has no tokens: {error}") from error
        if not tokens[-1]:
            raise ValueError(f"sentence {i} is empty: {_shorten(sentence)} has no tokens; leave it out")
    return tokens


def _shorten(value):
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
