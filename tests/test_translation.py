import hashlib
import io
import json
import os

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from d2lrnn.corpora import load_pairs
from d2lrnn.seq2seq import Seq2Seq, batch_loss
from d2lrnn.text import Tokenizer, normalize
from d2lrnn.training import fit_batches
from d2lrnn.translation import (
    ModelFileError,
    PairData,
    Translator,
    group_references,
    score_translations,
    split_by_source,
)

torch.set_num_threads(1)

PAIRS = [
    ("Go.", "Va !"),
    ("Run!", "Cours\u202f!"),
    ("go. ", "Allez-y."),
    ("It's the man.", "C'est l'homme."),
    ("It’s  the man.", "C’est l’homme\u2009!"),
    ("I run.", "Je cours."),
]


FRENCH = Tokenizer(elision=True)


def make_data(pairs=PAIRS, **options):
    return PairData(pairs, Tokenizer(), FRENCH, **options)


def make_model(data, **options):
    torch.manual_seed(0)
    return Seq2Seq(len(data.source_vocab), len(data.target_vocab), **{"hidden_size": 6, "embedding_size": 4} | options)


def make_translator(pairs=PAIRS, **options):
    data = make_data(pairs)
    return Translator(make_model(data, **options), data)


# Splits and references

random_pairs = st.lists(
    st.tuples(st.sampled_from(["a", "A ", "b", "C'", "c’", "d", "é", "e\u0301"]), st.sampled_from("xyz")), min_size=2
)


@given(random_pairs, st.integers(1, 6), st.integers(0, 99))
def test_no_source_sentence_is_in_both_parts(pairs, num_held_out, seed):
    sources = {normalize(source) for source, _ in pairs}
    if num_held_out >= len(sources):
        with pytest.raises(ValueError, match=f"there are {len(sources)}"):
            split_by_source(pairs, num_held_out, seed)
        return
    train, held_out = split_by_source(pairs, num_held_out, seed)
    held_out_sources = {normalize(source) for source, _ in held_out}
    assert len(held_out_sources) == num_held_out
    assert not held_out_sources & {normalize(source) for source, _ in train}
    inside = [normalize(source) in held_out_sources for source, _ in pairs]
    assert held_out == [pair for pair, held in zip(pairs, inside, strict=True) if held]
    assert train == [pair for pair, held in zip(pairs, inside, strict=True) if not held]
    assert split_by_source(pairs, num_held_out, seed) == (train, held_out)


def test_the_seed_decides_what_is_held_out():
    pairs = [(str(i), "x") for i in range(50)]
    assert len({tuple(split_by_source(pairs, 5, seed)[1]) for seed in range(8)}) == 8


def test_references_of_each_source_sentence():
    sources, references = group_references(PAIRS)
    assert sources == ["Go.", "Run!", "It's the man.", "I run."]
    assert references == [
        ["Va !", "Allez-y."],
        ["Cours\u202f!"],
        ["C'est l'homme.", "C’est l’homme\u2009!"],
        ["Je cours."],
    ]


@pytest.mark.parametrize(
    "pairs, error, words",
    [
        ([], ValueError, "no pairs: is the file empty"),
        (["Go."], TypeError, r"pairs\[0\] is 'Go.'"),
        ([("Go.", "Va !"), ("Run!",)], TypeError, r"pairs\[1\]"),
        ([("Go.", None)], TypeError, "two str"),
    ],
)
@pytest.mark.parametrize("function", [lambda pairs: split_by_source(pairs, 1), group_references, PairData])
def test_what_are_no_pairs_is_refused(function, pairs, error, words):
    with pytest.raises(error, match=words):
        function(pairs)


def test_the_number_held_out_is_an_int():
    with pytest.raises(TypeError, match="an int"):
        split_by_source(PAIRS, 0.2)
    with pytest.raises(ValueError, match="between 1 and 3, not 0"):
        split_by_source(PAIRS, 0)


def test_pairs_may_come_from_a_generator():
    assert split_by_source((pair for pair in PAIRS), 2) == split_by_source(PAIRS, 2)
    assert group_references(iter(PAIRS)) == group_references(PAIRS)
    data = PairData(iter(PAIRS))
    assert data.settings == PairData(PAIRS).settings
    assert data.encode(iter(PAIRS)) == data.encode(PAIRS)
    assert data.encode_sources(source for source, _ in PAIRS) == data.encode(PAIRS)[0]
    assert len(list(data.batches(iter(PAIRS), 2))) == 3


def test_one_str_is_no_list():
    with pytest.raises(TypeError, match="not one str"):
        PairData("Go.")
    with pytest.raises(TypeError, match="in brackets"):
        PairData(PAIRS).encode_sources("Go.")


def test_an_empty_pairs_file_is_refused(tmp_path):
    for content in ("", "\n \n", "\ufeff"):
        (tmp_path / "pairs.txt").write_text(content, encoding="utf-8")
        with pytest.raises(ValueError, match="is empty"):
            load_pairs(tmp_path / "pairs.txt")


# Pairs to ids


def test_ids_of_pairs():
    data = make_data()
    assert data.source_vocab.tokens[:4] == data.target_vocab.tokens[:4] == ["<unk>", "<pad>", "<bos>", "<eos>"]
    assert (data.pad_id, data.bos_id, data.eos_id) == (1, 2, 3)
    assert data.max_length == 5  # c' est l' homme .
    (source, unknown), (target, _) = data.encode([("It’s the man.", "C’est l’homme !"), ("Whatever!", "Va !")])
    assert data.source_vocab.to_tokens(source) == ["it's", "the", "man", ".", "<eos>"]
    assert data.target_vocab.to_tokens(target) == ["<bos>", "c'", "est", "l'", "homme", "!", "<eos>"]
    assert data.source_vocab.to_tokens(unknown) == ["<unk>", "!", "<eos>"]
    assert data.encode_sources(["It's the man."]) == [source]


@given(st.lists(st.tuples(st.text("ab ", min_size=1), st.text("xyz ", min_size=1)), min_size=1), st.integers(1, 5))
def test_sentences_are_cut_but_keep_their_end(pairs, max_length):
    pairs = [(f"a{source}", f"x{target}") for source, target in pairs]
    words = Tokenizer()
    data = PairData(pairs, words, words, max_length=max_length)
    for (source, target), source_ids, target_ids in zip(pairs, *data.encode(pairs), strict=True):
        assert source_ids == data.source_vocab.to_ids(words(source))[:max_length] + [3]
        assert target_ids == [2] + data.target_vocab.to_ids(words(target))[:max_length] + [3]
    assert PairData(pairs, words, words).max_length == max(len(words(side)) for pair in pairs for side in pair)


def test_rare_tokens_become_unknown():
    data = make_data(min_freq=2)
    assert "it's" in data.source_vocab and "i" not in data.source_vocab
    assert data.target_vocab.tokens[4:] == ["!", ".", "cours", "c'", "est", "l'", "homme"]


def test_settings_make_the_same_data_again():
    data = PairData(PAIRS, Tokenizer(lower=False), Tokenizer("char"), min_freq=2, max_length=4)
    again = PairData.from_settings(json.loads(json.dumps(data.settings)))
    assert again.settings == data.settings
    assert again.encode(PAIRS) == data.encode(PAIRS)
    assert again.source_vocab.tokens == data.source_vocab.tokens
    assert again.target_tokenizer == Tokenizer("char")


@pytest.mark.parametrize("shuffle", [True, False])
def test_minibatches_hold_the_ids_of_the_pairs(shuffle):
    data = PairData(PAIRS)
    drawn = list(data.batches(PAIRS, 4, torch.Generator().manual_seed(0), shuffle))
    assert [len(batch[0]) for batch in drawn] in ([4, 2], [2, 4])
    found = []
    for source, source_lengths, target, target_lengths in drawn:
        for x, n, y, m in zip(source, source_lengths, target, target_lengths, strict=True):
            assert (x[n:] == data.pad_id).all() and (y[m:] == data.pad_id).all()
            found.append((x[:n].tolist(), y[:m].tolist()))
    expected = list(zip(*data.encode(PAIRS), strict=True))
    assert sorted(found) == sorted(expected)
    assert shuffle or found == expected


@pytest.mark.parametrize(
    "options, error, words",
    [
        ({"max_length": 0}, ValueError, "max_length must be an int of at least 1"),
        ({"max_length": 2.5}, ValueError, "max_length must be an int"),
        ({"min_freq": 0}, ValueError, "min_freq must be at least 1"),
        ({"min_freq": 10**6}, ValueError, "no source token is seen 1000000 times .the most frequent 5 times"),
    ],
)
def test_settings_out_of_range_are_refused(options, error, words):
    with pytest.raises(error, match=words):
        PairData(PAIRS, **options)


def test_no_language_is_the_default():
    data = PairData([("How are you?", "Wie geht's?")])
    assert data.target_vocab.tokens[4:] == ["wie", "geht's", "?"]
    assert data.source_tokenizer == data.target_tokenizer == Tokenizer()


@pytest.mark.parametrize(
    "sentences",
    [["我喜欢你。", "你是谁？", "Tom来了。"], ["吾輩は猫である。", "名前はまだ無い。"], ["สวัสดีครับ", "ผมชอบอ่านหนังสือ"]],
    ids=["Chinese", "Japanese", "Thai"],
)
def test_words_without_spaces_are_refused(sentences):
    pairs = [("You.", sentence) for sentence in sentences]
    with pytest.raises(ValueError, match=r'without spaces.*Tokenizer\(level="char"\)'):
        PairData(pairs)
    with pytest.raises(ValueError, match="without spaces"):
        PairData([(target, source) for source, target in pairs])
    assert PairData(pairs, target_tokenizer=Tokenizer("char")).max_length >= 5


@pytest.mark.parametrize("sentence", ["나는 고양이를 좋아해요.", "我 喜欢 你 。", "She said 你好, and left."])
def test_words_with_spaces_are_welcome(sentence):
    assert len(PairData([("You.", sentence)]).target_vocab) >= 7


def test_a_pair_without_tokens_is_named():
    with pytest.raises(ValueError, match="sentence 1 is empty: ' ' has no tokens"):
        PairData([("Go.", "Va !"), (" ", "Va !")])
    with pytest.raises(ValueError, match="sentence 0 is empty"):
        PairData(PAIRS).encode([("Go.", "\u202f")])
    with pytest.raises(ValueError, match="sentence 0, .*, has no tokens"):
        PairData(PAIRS).encode([("Go.", "\u200b")])


# Translators


@pytest.fixture(scope="module")
def trained():
    """Learns PAIRS by heart, one translation of each source sentence."""
    data = make_data(PAIRS[:2] + PAIRS[3:4] + PAIRS[5:])
    model = make_model(data, hidden_size=16, attention="dot")
    pairs = PAIRS[:2] + PAIRS[3:4] + PAIRS[5:]
    fit_batches(model, lambda g: data.batches(pairs, 4, g), batch_loss, num_epochs=80, lr=0.02)
    return Translator(model, data)


@pytest.mark.parametrize("width", [1, 3])
def test_raw_sentences_in_raw_sentences_out(trained, width):
    assert trained.translate("IT’S the\u00a0man.", width) == "c'est l'homme."
    assert trained.translate(["Run!", "It's the man.", "I run."], width) == ["cours !", "c'est l'homme.", "je cours."]
    assert trained.translate([], width) == []


def test_held_out_scores_use_all_references(trained):
    scores = score_translations(trained.model, trained.data, PAIRS)
    # Everything was learned by heart; "Go." and "It's the man." have a second reference.
    assert scores["exact_match"] == 1 and scores["bleu"] == pytest.approx(1)
    assert score_translations(trained.model, trained.data, PAIRS[::-1]) == scores
    scores = score_translations(
        trained.model, trained.data, [("Run!", "Courez !"), ("It's the man.", "C'est l'homme.")], width=2
    )
    assert scores["exact_match"] == 0.5
    assert 0 < scores["bleu"] < 1
    assert (
        score_translations(trained.model, trained.data, [("Unheard of " * 9, "Inouï")])["exact_match"] == 0
    )  # no error


@pytest.mark.parametrize("attention", [None, "additive", "dot"])
@given(st.data())
def test_a_translation_does_not_depend_on_the_other_sentences(attention, draw):
    translator = make_translator(attention=attention, bidirectional=True, cell="lstm")
    translator.model.double()
    words = st.lists(st.sampled_from(["go", "run", "i", "the", "man", "it's", "."]), min_size=1, max_size=5)
    sentences = draw.draw(st.lists(words.map(" ".join), min_size=1, max_size=6))
    width = draw.draw(st.integers(1, 4))
    together = translator.translate(sentences, width)
    assert together == [translator.translate(sentence, width) for sentence in sentences]
    assert together[::-1] == translator.translate(sentences[::-1], width)


def test_many_sentences_keep_their_order(trained):
    sentences = ["Run!", "It's the man.", "I run."] * 50
    assert trained.translate(sentences) == ["cours !", "c'est l'homme.", "je cours."] * 50


def test_only_real_words_are_written():
    translator = make_translator()
    output = translator.model.decoder.output
    with torch.no_grad():
        output.weight.zero_(), output.bias.zero_()
        output.bias[[0, 1, 2]] = 9.0  # <unk>, <pad> and <bos> are the likeliest tokens by far
        output.bias[5] = 1.0
    word = translator.data.target_vocab.tokens[5]
    assert translator.translate("Go.") == translator.data.target_tokenizer.join([word] * 6)  # max_length + 1
    assert translator.translate("Go.", max_steps=2) == translator.data.target_tokenizer.join([word] * 2)
    with torch.no_grad():
        output.bias[3] = 5.0  # <eos>
    assert translator.translate(["Go.", "Run!"], width=3) == ["", ""]


def test_an_unknown_word_among_others_is_read_as_unknown(trained):
    assert trained.translate("It's the xyzzy.") == trained.translate("It's the plugh.")


@pytest.mark.parametrize(
    "sentence, error, words",
    [
        ("", ValueError, "empty"),
        (" \u202f\t", ValueError, "empty"),
        (["Go.", ""], ValueError, "sentence 1 is empty"),
        ("the man the man the man.", ValueError, "7 tokens, .* at most 5: cut it"),
        ("Xyzzy!", ValueError, "knows no word of 'Xyzzy!'"),
        ("我喜欢", ValueError, "knows no word"),
        ("?", ValueError, "knows no word"),
        (3, TypeError, "list of str, not int"),
        ([3], TypeError, "not int"),
        (None, TypeError, "not NoneType"),
    ],
)
def test_sentences_that_cannot_be_translated_are_refused(trained, sentence, error, words):
    with pytest.raises(error, match=words):
        trained.translate(sentence)


@pytest.mark.parametrize("options", [{"width": 0}, {"width": 2.5}, {"max_steps": 0}])
def test_searches_that_make_no_sense_are_refused(trained, options):
    with pytest.raises((ValueError, TypeError)):
        trained.translate("Go.", **options)
    with pytest.raises((ValueError, TypeError)):
        score_translations(trained.model, trained.data, PAIRS, **options)


def test_a_beam_wider_than_the_vocabulary_gives_a_translation(trained):
    assert trained.translate("Run!", width=1000) == "cours !"


def test_the_training_mode_and_the_random_numbers_are_left_alone():
    translator = make_translator(dropout=0.5)
    translator.model.train()
    before = torch.get_rng_state()
    assert translator.translate("Go.") == translator.translate("Go.")
    assert translator.model.training
    assert torch.equal(torch.get_rng_state(), before)


def test_a_model_for_other_vocabularies_is_refused():
    data, other = make_data(), make_data([(source, "Va !") for source, _ in PAIRS])
    with pytest.raises(ValueError, match="target tokens, but data has"):
        Translator(make_model(data), other)
    with pytest.raises(ValueError, match="target tokens, but data has"):
        score_translations(make_model(data), other, PAIRS)


def test_a_model_that_knows_its_vocabularies_refuses_others_of_the_same_size(tmp_path):
    data, other = make_data(), make_data([(source, target.replace("homme", "avion")) for source, target in PAIRS])
    assert len(data.target_vocab) == len(other.target_vocab) and data.digests[1] != other.digests[1]
    assert data.digests[0] == other.digests[0] == data.source_vocab.digest
    model = make_model(data, vocabularies=data.digests)
    for refused in (lambda: Translator(model, other), lambda: score_translations(model, other, PAIRS)):
        with pytest.raises(ValueError, match="as many tokens, but for others"):
            refused()
    Translator(model, data).save(tmp_path / "translator.pt")
    loaded = Translator.load(tmp_path / "translator.pt")
    assert loaded.model.settings["vocabularies"] == data.digests
    with pytest.raises(ValueError, match="for others"):
        Translator(loaded.model, other)
    Translator(make_model(data, vocabularies=tuple(data.digests)), data)
    Translator(make_model(data), other)  # knows only sizes


# Other languages

CHINESE = [("I like you.", "我喜欢你。"), ("You like me.", "你喜欢我。"), ("Who are you?", "你是谁？")]
HEBREW = [("שָׁלוֹם, עוֹלָם!", "Hello, world!"), ("מי את\u200fה?", "Who are you?"), ("אני כאן.", "I'm here.")]
HINDI = [("हिन्दी में लिखो।", "Write in Hindi."), ("तुम कौन हो?", "Who are you?"), ("मैं यहाँ हूँ।", "I'm here.")]


@pytest.mark.parametrize(
    "pairs, source_tokenizer, target_tokenizer",
    [
        (CHINESE, Tokenizer(), Tokenizer("char")),
        ([(b, a) for a, b in CHINESE], Tokenizer("char"), Tokenizer(lower=False)),
        (HEBREW, Tokenizer(), Tokenizer(lower=False)),
        (HINDI, Tokenizer(), Tokenizer(lower=False)),
    ],
    ids=["to Chinese", "from Chinese", "from Hebrew", "from Hindi"],
)
def test_other_languages_from_a_file_to_a_translation(tmp_path, pairs, source_tokenizer, target_tokenizer):
    path = tmp_path / "pairs.tsv"
    path.write_text("".join(f"{source}\t{target}\tsomeone\n" for source, target in pairs), encoding="utf-8")
    pairs = load_pairs(path)
    data = PairData(pairs, source_tokenizer, target_tokenizer)
    model = make_model(data, hidden_size=16)
    fit_batches(model, lambda g: data.batches(pairs, 3, g), batch_loss, num_epochs=70, lr=0.03)
    Translator(model, data).save(tmp_path / "translator.pt")
    translator = Translator.load(tmp_path / "translator.pt")
    for source, target in pairs:
        assert translator.translate(source) == target


# Tokenizers of others


class Pieces:
    """A sentencepiece model as a tokenizer."""

    def __init__(self, sentences):
        import sentencepiece

        file = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(sentences), model_writer=file, vocab_size=45, hard_vocab_limit=False, minloglevel=2
        )
        self.model = sentencepiece.SentencePieceProcessor(model_proto=file.getvalue())
        self.settings = {"sentencepiece": hashlib.sha256(file.getvalue()).hexdigest()}

    def __call__(self, sentence):
        return self.model.encode(sentence, out_type=str)

    def join(self, tokens):
        return self.model.decode(tokens)


def test_a_tokenizer_of_others_from_training_to_a_file(tmp_path):
    pairs = [("Go home.", "Geh nach Hause!"), ("How are you?", "Wie geht's?"), ("You run home.", "Du rennst heim.")]
    pieces = Pieces([target for _, target in pairs])
    data = PairData(pairs, Tokenizer(), pieces)
    assert any(token.startswith("▁") for token in data.target_vocab)
    model = make_model(data, hidden_size=16)
    fit_batches(model, lambda g: data.batches(pairs, 3, g), batch_loss, num_epochs=80, lr=0.03)
    path = tmp_path / "translator.pt"
    Translator(model, data).save(path)
    with pytest.raises(ModelFileError, match=r"target_tokenizer is not a text.Tokenizer: .*target_tokenizer=\.\.\."):
        Translator.load(path)
    for another in (Tokenizer(), Pieces(source for source, _ in pairs)):
        with pytest.raises(ModelFileError, match="another target_tokenizer was used"):
            Translator.load(path, target_tokenizer=another)
    loaded = Translator.load(path, target_tokenizer=pieces)
    assert [loaded.translate(source) for source, _ in pairs] == [target for _, target in pairs]
    assert score_translations(loaded.model, loaded.data, pairs)["exact_match"] == 1
    # As a source tokenizer too: a piece of "▁" and letters is a word.
    data = PairData([pair[::-1] for pair in pairs], pieces)
    assert isinstance(Translator(make_model(data), data).translate("Du rennst heim."), str)


# Files


@pytest.mark.parametrize(
    "options",
    [
        {"cell": "lstm", "num_layers": 2, "bidirectional": True, "dropout": 0.1},
        {"attention": "additive", "wiring": "initial_state"},
        {"attention": "dot", "wiring": "every_step", "cell": "rnn"},
    ],
    ids=str,
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_loaded_translator_is_the_same(tmp_path, options, dtype):
    translator = make_translator(**options)
    translator.model.to(dtype).train()
    path = tmp_path / "translator.pt"
    translator.save(path)
    loaded = Translator.load(path)
    assert not loaded.model.training
    assert loaded.model.settings == translator.model.settings
    assert loaded.data.settings == translator.data.settings
    for name, tensor in translator.model.state_dict().items():
        assert torch.equal(loaded.model.state_dict()[name], tensor)
        assert loaded.model.state_dict()[name].dtype == dtype
    sentences = [source for source, _ in PAIRS]
    for width in (1, 3):
        assert loaded.translate(sentences, width) == translator.translate(sentences, width)
    translator.save(path)  # again, over the old one
    assert os.listdir(tmp_path) == ["translator.pt"]


def test_the_file_holds_plain_values(tmp_path):
    translator = make_translator()
    translator.save(tmp_path / "translator.pt")
    content = torch.load(tmp_path / "translator.pt", weights_only=True)
    parameters = content.pop("parameters")
    assert all(isinstance(tensor, torch.Tensor) for tensor in parameters.values())
    assert json.loads(json.dumps(content)) == content


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "translator.pt"
    make_translator(hidden_size=2, embedding_size=2).save(path)
    return path.read_bytes()


def test_a_truncated_file_is_refused_wherever_it_is_cut(tmp_path, saved):
    path = tmp_path / "translator.pt"
    cuts = [*range(0, len(saved), 97), *range(len(saved) - 130, len(saved))]
    for cut in cuts:
        path.write_bytes(saved[:cut])
        with pytest.raises(ModelFileError, match="truncated"):
            Translator.load(path)
    path.write_bytes(saved)
    assert isinstance(Translator.load(path), Translator)


@pytest.mark.parametrize(
    "content",
    [b"", b"Go.\tVa !\n", b"PK\x03\x04" + bytes(100)],
    ids=["empty", "text", "zeros"],
)
def test_a_foreign_file_is_refused(tmp_path, content):
    path = tmp_path / "translator.pt"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=r"not a d2lrnn translator 2"):
        Translator.load(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda content: [1, 2],
        lambda content: {"model": {}},
        lambda content: content | {"format": "another"},
        lambda content: content | {"data": {}},
        lambda content: content | {"data": content["data"] | {"source_counts": {"a": 1}}},
        lambda content: content | {"data": content["data"] | {"source_tokenizer": {"level": "syllable"}}},
        lambda content: content | {"model": content["model"] | {"hidden_size": 7}},
        lambda content: content | {"model": content["model"] | {"colour": "red"}},
        lambda content: content | {"parameters": {}},
        lambda content: content | {"digests": content["digests"][::-1]},
    ],
)
def test_a_file_with_something_else_in_it_is_refused(tmp_path, saved, change):
    path = tmp_path / "translator.pt"
    path.write_bytes(saved)
    torch.save(change(torch.load(path, weights_only=True)), path)
    with pytest.raises(ModelFileError):
        Translator.load(path)


class Evil:
    def __reduce__(self):
        return os.mkdir, ("evil",)


def test_a_translator_file_cannot_run_code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"format": Evil()}, tmp_path / "translator.pt")
    with pytest.raises(ModelFileError):
        Translator.load(tmp_path / "translator.pt")
    assert os.listdir(tmp_path) == ["translator.pt"]


def test_a_missing_file_is_not_a_damaged_one(tmp_path):
    with pytest.raises(FileNotFoundError):
        Translator.load(tmp_path / "translator.pt")


def test_a_save_that_fails_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "translator.pt"
    path.write_bytes(b"old")

    def full(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        make_translator().save(path)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["translator.pt"]
    with pytest.raises(FileNotFoundError):
        make_translator().save(tmp_path / "no" / "folder" / "translator.pt")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_translator_moves_to_a_gpu_and_back(tmp_path, trained):
    trained.save(tmp_path / "translator.pt")
    loaded = Translator.load(tmp_path / "translator.pt", device="cuda")
    sentences = ["Run!", "It's the man.", "I run."]
    assert loaded.translate(sentences, 3) == trained.translate(sentences, 3)
    loaded.save(tmp_path / "translator.pt")
    assert Translator.load(tmp_path / "translator.pt").translate(sentences) == trained.translate(sentences)
