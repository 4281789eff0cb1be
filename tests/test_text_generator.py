import math

import pytest
import torch

from d2lrnn.checkpoints import ModelFileError, load_file, save_file
from d2lrnn.language_model import LanguageModel, generate
from d2lrnn.seq2seq import Seq2Seq
from d2lrnn.text import Tokenizer, Vocab
from d2lrnn.text_generator import TextGenerator
from d2lrnn.training import evaluate
from d2lrnn.translation import PairData, Translator

torch.set_num_threads(1)

TEXT = "The king sleeps, and the queen doesn't. The king can't sleep!"
WORDS = Tokenizer()


def make_generator(tokenizer=WORDS, cell="lstm", **options):
    vocab = Vocab(tokenizer(TEXT), reserved=("<pad>",))
    torch.manual_seed(0)
    return TextGenerator(LanguageModel(len(vocab), 6, cell, vocabulary=vocab.digest, **options), vocab, tokenizer)


@pytest.mark.parametrize("tokenizer", [WORDS, Tokenizer(level="char", lower=False), Tokenizer(elision=True)])
@pytest.mark.parametrize("options", [{}, {"cell": "gru", "num_layers": 2, "skip": True, "embedding_size": 3}])
def test_what_is_loaded_writes_what_was_saved(tmp_path, tokenizer, options):
    first = make_generator(tokenizer, **options)
    first.save(tmp_path / "model.pt")
    second = TextGenerator.load(tmp_path / "model.pt")
    texts = [
        one.generate("The king", 20, temperature=0.5, generator=torch.Generator().manual_seed(3))
        for one in (first, second)
    ]
    assert texts[0] == texts[1]
    assert first.perplexity(TEXT) == second.perplexity(TEXT)
    assert second.tokenizer == tokenizer and second.vocab.tokens == first.vocab.tokens
    assert not second.model.training


def test_it_writes_what_generate_writes_as_a_sentence():
    generator = make_generator()
    new = generate(generator.model, generator.vocab, ["the", "king"], 9, top_k=1)
    assert generator.generate("The king", 9, top_k=1) == WORDS.join(["the", "king", *new])


def test_surprise_is_minus_the_logarithm_of_the_probability():
    generator = make_generator()
    pairs = generator.surprise(TEXT)
    assert [token for token, _ in pairs] == WORDS(TEXT) and pairs[0][1] is None
    nats = [value for _, value in pairs[1:]]
    assert generator.perplexity(TEXT) == pytest.approx(math.exp(sum(nats) / len(nats)))
    ids = torch.tensor(generator.vocab.to_ids(WORDS(TEXT)))
    assert generator.perplexity(TEXT) == evaluate(generator.model, ids)
    logits, _ = generator.model(ids[None, :-1])
    assert nats[4] == pytest.approx(-logits[0].log_softmax(-1)[4, ids[5]].item(), rel=1e-5)


def test_an_unknown_word_is_scored_as_unk_and_refused_as_a_prefix():
    generator = make_generator()
    assert generator.perplexity("the zebra sleeps") == generator.perplexity("the xylophone sleeps")
    with pytest.raises(ValueError, match="'zebra'"):
        generator.generate("the zebra", 3)


def test_another_vocabulary_is_refused():
    generator = make_generator()
    words = WORDS(TEXT.replace("king", "lion"))
    with pytest.raises(ValueError, match="other ones"):
        TextGenerator(generator.model, Vocab(words, reserved=("<pad>",)), WORDS)
    with pytest.raises(ValueError, match="tokens and the vocabulary"):
        TextGenerator(generator.model, Vocab(words), WORDS)


def test_a_file_whose_vocabulary_was_changed_is_refused(tmp_path):
    path = tmp_path / "model.pt"
    make_generator().save(path)
    content = load_file(path)
    content["vocab"]["tokens"] = {token.replace("king", "lion"): n for token, n in content["vocab"]["tokens"].items()}
    save_file(content, path)
    with pytest.raises(ModelFileError, match="not the one"):
        TextGenerator.load(path)


def test_a_truncated_file_a_translator_and_no_file_are_refused(tmp_path):
    path = tmp_path / "model.pt"
    make_generator().save(path)
    whole = path.read_bytes()
    for cut in (0, 1, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:cut])
        with pytest.raises(ModelFileError, match="truncated"):
            TextGenerator.load(path)
    data = PairData([("go", "va")])
    Translator(Seq2Seq(len(data.source_vocab), len(data.target_vocab), 4), data).save(path)
    with pytest.raises(ModelFileError, match="holds a d2lrnn translator 2, not a d2lrnn language model 1"):
        TextGenerator.load(path)
    with pytest.raises(FileNotFoundError):
        TextGenerator.load(tmp_path / "nothing.pt")
    make_generator().save(path)
    with pytest.raises(ValueError, match="no device 'gpu'"):
        TextGenerator.load(path, device="gpu")


class Letters:
    """A tokenizer of somebody else's."""

    settings = {"kind": "letters"}

    def __call__(self, text):
        return list(text.upper())

    def join(self, tokens):
        return "".join(tokens)


def test_any_tokenizer_will_do_and_is_asked_for_when_the_file_is_read(tmp_path):
    make_generator(Letters()).save(tmp_path / "model.pt")
    with pytest.raises(ModelFileError, match=r"load with tokenizer=\.\.\..*letters"):
        TextGenerator.load(tmp_path / "model.pt")
    loaded = TextGenerator.load(tmp_path / "model.pt", tokenizer=Letters())
    assert loaded.generate("king", 5).startswith("KING")
    other = Letters()
    other.settings = {"kind": "others"}
    with pytest.raises(ModelFileError, match="another tokenizer"):
        TextGenerator.load(tmp_path / "model.pt", tokenizer=other)
