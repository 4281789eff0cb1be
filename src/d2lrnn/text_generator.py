"""A trained language model that reads and writes raw text, in one file."""

from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from d2lrnn.checkpoints import ModelFileError, load_model, restore, restore_tokenizer, save_model
from d2lrnn.language_model import LanguageModel, check_vocab, generate
from d2lrnn.runtime import as_device
from d2lrnn.streams import TextFiles, map_ids, write_ids
from d2lrnn.text import Vocab
from d2lrnn.training import evaluate, log_probs

FORMAT = "d2lrnn language model 1"


class TextGenerator:
    """A language model with its vocabulary and its tokenizer.

    Args:
        model: LanguageModel, used in evaluation mode.
        vocab: the `text.Vocab` that it was trained with.
        tokenizer: what made the tokens of the training text: `text.Tokenizer`, or any object with `tokenizer(text)`,
            `join(tokens)` and `settings`, a dict of plain values.

    Raises:
        ValueError: the vocabulary is not the model's.
    """

    def __init__(self, model, vocab, tokenizer):
        check_vocab(model, vocab)
        self.model, self.vocab, self.tokenizer = model, vocab, tokenizer

    def generate(self, prefix, num_tokens, **options):
        """Continue a text.

        Args:
            prefix: str, not empty, all of whose tokens are in the vocabulary.
            num_tokens: how many tokens to write.
            options: temperature, top_k, generator, write_reserved: see `language_model.generate`.

        Returns:
            str, the prefix and what comes after it, as the tokenizer joins tokens.

        Raises:
            TypeError, ValueError: see `language_model.generate`.
        """
        tokens = self.tokenizer(prefix)
        return self.tokenizer.join(tokens + generate(self.model, self.vocab, tokens, num_tokens, **options))

    def perplexity(self, text):
        """How surprising a text is: exp of the mean cross-entropy in nats per token, the first token not scored.

        Args:
            text: str of at least 2 tokens. An unknown token is read, and scored, as `<unk>`.

        Returns:
            float.

        Raises:
            TypeError, ValueError: see `training.evaluate`.
        """
        return evaluate(self.model, self.vocab.to_ids(self.tokenizer(text)))

    def perplexity_of_files(self, paths):
        """The perplexity of files of any length, which are read block by block.

        Args:
            paths: see `streams.TextFiles`.

        Returns:
            float: as `perplexity` of the whole text.

        Raises:
            OSError, TypeError, ValueError: see `streams.TextFiles` and `training.evaluate`.
        """
        with closing(TextFiles(paths)) as text, TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            write_ids(text.blocks(), self.tokenizer, self.vocab, Path(folder, "ids"))
            return evaluate(self.model, map_ids(Path(folder, "ids"), self.vocab))

    def surprise(self, text):
        """How surprising each token of a text is: −log P(token | the tokens before it).

        Args:
            text: as for `perplexity`.

        Returns:
            list of (token, nats); of the first token, before which there is nothing, the nats are None.

        Raises:
            TypeError, ValueError: see `training.log_probs`.
        """
        tokens = self.tokenizer(text)
        nats = (-log_probs(self.model, self.vocab.to_ids(tokens))).tolist()
        return list(zip(tokens, [None, *nats], strict=True))

    def save(self, path):
        """Write model, vocabulary and tokenizer into one file, whole or not at all.

        Args:
            path: the file; one that is there is replaced.

        Raises:
            OSError: the file could not be written; an old one is still there.
        """
        parts = {"vocab": self.vocab.settings, "digest": self.vocab.digest, "tokenizer": self.tokenizer.settings}
        save_model(path, FORMAT, self.model, **parts)

    @classmethod
    def load(cls, path, device=None, tokenizer=None):
        """Read what `save` wrote. No code in the file is ever run.

        Args:
            path: the file.
            device: where the model goes; None for the CPU.
            tokenizer: needed only if it was not a `text.Tokenizer`: the same as then.

        Returns:
            TextGenerator, its model in evaluation mode.

        Raises:
            FileNotFoundError: there is no such file.
            ModelFileError: the file is truncated or damaged, it holds something else, or it needs another tokenizer.
        """

        target = as_device(device)

        def make(content):
            vocab = Vocab(**content["vocab"])
            if vocab.digest != content["digest"]:
                raise ModelFileError(f"the vocabulary in {path} is not the one that it was saved with")
            used = restore_tokenizer("tokenizer", content["tokenizer"], tokenizer)
            return cls(restore(LanguageModel(**content["model"]), content["parameters"]).to(target), vocab, used)

        return load_model(path, FORMAT, make)
