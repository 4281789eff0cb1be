"""The command line: what it writes, what it says, and that it ends in one line where it cannot go on."""

import csv
import math
import os
import signal
import subprocess
import sys

import pytest
import torch
from click.testing import CliRunner

from d2lrnn import recipes
from d2lrnn.checkpoints import load_file, save_file
from d2lrnn.cli import main
from d2lrnn.corpora import load_pairs, load_text
from d2lrnn.ngrams import LaplaceModel
from d2lrnn.text import Tokenizer
from d2lrnn.text_generator import TextGenerator
from d2lrnn.training import evaluate
from d2lrnn.translation import Translator

SMALL = ["--hidden", "8", "--epochs", "2", "--seed", "3"]


def run(*arguments, input=None):
    return CliRunner().invoke(main, [str(argument) for argument in arguments], input=input)


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(load_text("story")[:8000], encoding="utf-8")
    return path


@pytest.fixture
def model(text, tmp_path):
    path = tmp_path / "model.pt"
    assert run("train", text, "--out", path, *SMALL).exit_code == 0
    return path


@pytest.fixture
def pairs(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("".join(f"{x}\t{y}\n" for x, y in load_pairs("grammar", 300)), encoding="utf-8")
    return path


def one_error(found, *words):
    assert found.exit_code == 2
    lines = found.output.strip().splitlines()
    assert lines[-1].startswith("Error: ") and "Traceback" not in found.output
    for word in words:
        assert word in lines[-1]


# Training


def test_training_leaves_a_model_its_history_and_a_picture(model, text):
    assert sorted(path.name for path in model.parent.iterdir()) == ["model.csv", "model.png", "model.pt", "text.txt"]
    rows = list(csv.DictReader(model.with_suffix(".csv").read_text(encoding="utf-8").splitlines()))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    writer = TextGenerator.load(model)
    assert writer.tokenizer == Tokenizer("char")
    whole = load_text(text).encode()
    validation = whole[round(0.8 * len(whole)) : round(0.9 * len(whole))].decode()
    # The model is that of the best epoch; the parts are cut at the next space.
    best = min(float(row["held_out_perplexity"]) for row in rows)
    assert writer.perplexity(validation.split(" ", 1)[1]) == pytest.approx(best, rel=0.05)


def test_the_report_has_the_scores_and_the_baselines(text, tmp_path):
    found = run("train", text, "--out", tmp_path / "model.pt", "--level", "letter", *SMALL)
    said = dict(line.rsplit("  ", 1) for line in found.stderr.splitlines() if "  " in line)
    said = {name.strip(): value for name, value in said.items()}
    job = recipes.text_job(
        [text], level="letter", hidden=8, batch_size=32, num_steps=64, num_epochs=1, lr=1, seed=3, patience=1
    )
    baselines = job.baselines()
    assert said["uniform"] == f"{len(TextGenerator.load(tmp_path / 'model.pt').vocab)}"
    for name in ("unigram", "trigram"):
        assert said[name] == f"{baselines[name]:.4g}"
    assert float(said["test perplexity"]) < baselines["uniform"]


def test_the_trigram_is_smoothed_by_the_validation_part():
    ids = torch.randint(5, (600,), generator=torch.Generator().manual_seed(0))
    train, validation, test = ids[:400], ids[400:500], ids[500:]
    scores = {eps: LaplaceModel(train, 3, 5, eps).perplexity(validation) for eps in recipes.EPSILONS}
    best = LaplaceModel(train, 3, 5, min(scores, key=scores.get)).perplexity(test)
    assert recipes.ngram_baselines(train, validation, test, 5)["trigram"] == best


def test_the_parts_are_eight_one_and_one_tenth_and_the_rate_falls(text):
    job = recipes.text_job([text], hidden=8, batch_size=8, num_steps=16, num_epochs=4, lr=0.01, seed=0, patience=1)
    whole = len(load_text(text).encode())
    training = int(job.facts["text"].split(" bytes, ")[1].split(" ")[0].replace(",", ""))
    assert training == pytest.approx(0.8 * whole, rel=0.02)
    assert job.settings.rates == pytest.approx([0.01, 0.01 * 0.8535534, 0.005, 0.01 * 0.1464466])


def test_a_dry_run_writes_nothing_and_says_what_it_would_do(text, tmp_path):
    found = run("train", text, "--dry-run", *SMALL)
    assert found.exit_code == 0
    for word in ("training tokens", "parameters", "MB", "tokens/s", "at most"):
        assert word in found.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["text.txt"]


def test_measuring_the_speed_changes_nothing(text):
    job = recipes.text_job([text], hidden=8, batch_size=8, num_steps=16, num_epochs=1, lr=0.01, seed=0, patience=1)
    before = {name: tensor.clone() for name, tensor in job.model.state_dict().items()}
    random = torch.get_rng_state()
    assert recipes.tokens_per_second(job) > 0
    assert all((tensor == before[name]).all() for name, tensor in job.model.state_dict().items())
    assert (torch.get_rng_state() == random).all() and all(p.grad is None for p in job.model.parameters())


def test_several_files_and_standard_input_are_one_text(text, tmp_path):
    halves = [tmp_path / "a.txt", tmp_path / "b.txt"]
    whole = text.read_text(encoding="utf-8")
    for path, part in zip(halves, (whole[:4000], whole[4000:]), strict=True):
        path.write_text(part, encoding="utf-8")
    for arguments, given in ((halves, None), (["-"], whole)):
        found = run("train", *arguments, "--dry-run", *SMALL, input=given)
        assert found.exit_code == 0 and "8,0" in found.stderr


def test_words_and_capitals(text, tmp_path):
    assert run("train", text, "--out", tmp_path / "m.pt", "--level", "word", "--keep-case", *SMALL).exit_code == 0
    writer = TextGenerator.load(tmp_path / "m.pt")
    assert writer.tokenizer == Tokenizer("word", lower=False)
    assert "The" in writer.vocab and writer.vocab.min_freq == 2


def test_a_large_text_is_not_read_whole_in_each_epoch(text, monkeypatch):
    monkeypatch.setattr(recipes, "EPOCH", 1000)
    job = recipes.text_job([text], hidden=8, batch_size=4, num_steps=16, num_epochs=1, lr=0.01, seed=0, patience=1)
    epochs = [list(job.data.batches(torch.Generator().manual_seed(seed))) for seed in (0, 1)]
    assert [len(epoch) for epoch in epochs] == [job.updates] * 2 == [15, 15]
    assert not torch.equal(epochs[0][0][0], epochs[1][0][0])
    assert job.data.identity()["updates"] == 15


# Translators


def test_a_translator_from_pairs(pairs, tmp_path):
    path = tmp_path / "fr.pt"
    found = run("train", pairs, "--translate", "--out", path, *SMALL)
    assert found.exit_code == 0 and "nearest training sentence" in found.stderr
    assert (
        Translator.load(path).data.target_tokenizer.elision and not Translator.load(path).data.source_tokenizer.elision
    )
    given = "the girl is happy .\n\nthe boys sing .\n"
    lines = run("translate", path, "--beam", 2, input=given).stdout.splitlines()
    translator = Translator.load(path)
    assert lines == [translator.translate(given.splitlines()[0], 2), "", translator.translate("the boys sing .", 2)]


def test_two_files_of_sentences(pairs, tmp_path):
    sides = list(zip(*(line.split("\t") for line in pairs.read_text(encoding="utf-8").splitlines()), strict=True))
    for name, side in zip(("a.en", "a.fr"), sides, strict=True):
        (tmp_path / name).write_text("\n".join(side), encoding="utf-8")
    options = ["--source", tmp_path / "a.en", "--target", tmp_path / "a.fr", "--dry-run"]
    assert run("train", *options, *SMALL).exit_code == 0
    assert run("train", pairs, *options, *SMALL).exit_code == 2
    assert run("train", *options[:2], "--dry-run").exit_code == 2


def test_the_nearest_sentence_is_found_by_brute_force(pairs):
    job_pairs = load_pairs(pairs)
    rest, test = recipes.split_by_source(job_pairs, 20)
    data = recipes.PairData(rest)
    words = lambda sentence: set(data.source_tokenizer(sentence))  # noqa: E731
    sources, translations = recipes.group_references(test)
    nearest = [
        max(rest, key=lambda pair, x=x: len(words(x) & words(pair[0])) / len(words(x) | words(pair[0])))[1]
        for x in sources
    ]
    tokens = data.target_tokenizer
    wanted = recipes.bleu([tokens(y) for y in nearest], [[tokens(y) for y in ys] for ys in translations])
    assert recipes.nearest_sentence(rest, test, data) == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("sentences", "elided"),
    [
        (["L’eau est là.", "J'ai faim."], True),
        (["I don't know.", "It's Tom's."], False),
        (["c'est"] + ["oui"] * 200, False),
    ],
)
def test_french_is_recognised(sentences, elided):
    assert recipes.has_elision(sentences) is elided


# Interruption


def test_an_interrupted_run_goes_on_to_the_last_digit(text, tmp_path, monkeypatch):
    options = ["--hidden", "8", "--epochs", "4"]
    assert run("train", text, "--out", tmp_path / "whole.pt", *options).exit_code == 0
    path, epochs = tmp_path / "model.pt", recipes.epochs

    def interrupted(*arguments):
        for row in epochs(*arguments):
            yield row
            if row["epoch"] == 2:
                raise KeyboardInterrupt

    monkeypatch.setattr(recipes, "epochs", interrupted)
    stopped = run("train", text, "--out", path, *options)
    assert stopped.exit_code == 130 and "Saved after epoch 2" in stopped.stderr
    assert TextGenerator.load(path).generate("a", 3)
    monkeypatch.setattr(recipes, "epochs", epochs)
    one_error(run("train", text, "--out", path, *options), "add --resume")
    one_error(run("train", text, "--out", path, "--hidden", "9", "--epochs", "4", "--resume"), "another run", "model")
    assert run("train", text, "--out", path, *options, "--resume").exit_code == 0
    histories = [(tmp_path / name).read_text(encoding="utf-8") for name in ("whole.csv", "model.csv")]
    without_time = [[row | {"seconds": 0} for row in csv.DictReader(text.splitlines())] for text in histories]
    assert without_time[0] == without_time[1] and len(without_time[0]) == 4
    weights = [load_file(tmp_path / name)["parameters"] for name in ("whole.pt", "model.pt")]
    assert all(torch.equal(tensor, weights[1][name]) for name, tensor in weights[0].items())
    one_error(run("train", text, "--out", path, *options, "--resume"), "nothing to resume")


@pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")
def test_control_c_in_a_terminal_keeps_the_last_epoch(text, tmp_path):
    command = [
        sys.executable,
        "-m",
        "d2lrnn",
        "train",
        text,
        "--out",
        tmp_path / "m.pt",
        "--hidden",
        "8",
        "--epochs",
        "9999",
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [*map(str, command), "--patience", "9999"],
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a job in the background ignores it
    )
    for line in process.stderr:
        if line.startswith("epoch   2"):
            break
    process.send_signal(signal.SIGINT)
    try:
        _, rest = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130 and "Stopped. Saved after epoch" in rest and "Traceback" not in rest
    assert TextGenerator.load(tmp_path / "m.pt").generate("a", 3)


# Using a model


def test_generate_perplexity_and_info(model, text):
    first, again, other = (run("generate", model, "The lamp", "-n", 30, "--seed", seed).stdout for seed in (1, 1, 2))
    assert first == again != other and first.startswith("the lamp")
    assert run("generate", model, "The lamp", "-n", 5, "--top-k", 1).stdout.startswith("the lamp")
    writer = TextGenerator.load(model)
    ids = torch.tensor(writer.vocab.to_ids(Tokenizer("char")(load_text(text))))
    assert float(run("perplexity", model, text).stdout) == pytest.approx(evaluate(writer.model, ids), abs=1e-4)
    said = run("info", model).stdout
    for word in ("language model", "lstm", f"{len(writer.vocab)} tokens", "level char"):
        assert word in said


def test_info_of_a_translator(pairs, tmp_path):
    run("train", pairs, "--translate", "--out", tmp_path / "fr.pt", "--hidden", "8", "--epochs", "1")
    said = run("info", tmp_path / "fr.pt").stdout
    for word in ("translator", "attention", "source tokenizer", "elision True"):
        assert word in said


# What goes wrong


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", ["empty"]),
        (b"\x89PNG\r\n\x1a\n\x00", ["not UTF-8"]),
        ("The lamp.".encode("utf-16"), ["not UTF-8"]),
        (b"   \n ", ["empty"]),
        (b"too short", ["text"]),
    ],
)
def test_a_file_that_is_no_text_ends_in_one_line(content, words, tmp_path):
    (tmp_path / "file.txt").write_bytes(content)
    one_error(run("train", tmp_path / "file.txt", "--out", tmp_path / "m.pt"), *words)
    assert [path.name for path in tmp_path.iterdir()] == ["file.txt"]


def test_what_is_missing_or_of_another_kind_is_said(model, text, pairs, tmp_path):
    one_error(run("train", "nowhere.txt", "--out", tmp_path / "m.pt"), "no file nowhere.txt")
    one_error(run("generate", tmp_path / "nowhere.pt", "a"), "nowhere.pt")
    one_error(run("generate", text, "a"), "text.txt", "not a model")
    one_error(run("translate", model, text), "language model", "d2lrnn generate")
    one_error(run("generate", model, "春"), "not in the vocabulary")
    content = load_file(model)
    save_file(content | {"format": "d2lrnn language model 2"}, tmp_path / "newer.pt")
    one_error(run("info", tmp_path / "newer.pt"), "newer d2lrnn")
    model.write_bytes(model.read_bytes()[:1000])
    one_error(run("info", model), "damaged")
    one_error(run("train", text, "--out", tmp_path / "no" / "m.pt", *SMALL), "no")
    one_error(run("train", text, pairs, "--translate", "--out", tmp_path / "m.pt"), "one file")
    one_error(run("train", text), "--out")
    one_error(run("train", "--out", tmp_path / "m.pt"), "file to learn from")


@pytest.mark.parametrize(
    ("out", "words"),
    [
        ("text.txt", ["write over", "text.txt"]),
        ("model.csv", ["another ending"]),
        ("model.png", ["another ending"]),
        ("text.pt", []),
    ],
)
def test_training_writes_over_nothing_that_it_reads(out, words, text, tmp_path):
    before = text.read_bytes()
    found = run("train", text, "--out", tmp_path / out, *SMALL)
    one_error(found, *words) if words else None
    assert text.read_bytes() == before and (found.exit_code == 0) == (not words)


def test_a_table_of_pairs_is_not_replaced_by_the_history(pairs, tmp_path):
    table = pairs.rename(tmp_path / "fr.csv")
    before = table.read_bytes()
    one_error(run("train", table, "--translate", "--out", tmp_path / "fr.pt", *SMALL), "write over", "fr.csv")
    assert table.read_bytes() == before


def test_options_that_do_not_go_together_are_refused(text, pairs, tmp_path):
    out = ["--out", tmp_path / "m.pt"]
    one_error(run("train", text, *out, "--level", "letter", "--keep-case"), "letter")
    one_error(run("train", pairs, "--translate", *out, "--level", "letter"), "letter")
    one_error(run("train", text, "--dry-run", "--resume"), "nothing to resume")


def test_a_translator_keeps_capitals_where_asked(pairs, tmp_path):
    options = ["--out", tmp_path / "fr.pt", "--hidden", "8", "--epochs", "1", "--keep-case"]
    assert run("train", pairs, "--translate", *options).exit_code == 0
    data = Translator.load(tmp_path / "fr.pt").data
    assert not data.source_tokenizer.lower and not data.target_tokenizer.lower


def test_a_line_that_cannot_be_translated_is_named(pairs, tmp_path):
    run("train", pairs, "--translate", "--out", tmp_path / "fr.pt", "--hidden", "8", "--epochs", "1")
    one_error(run("translate", tmp_path / "fr.pt", input="the girl is happy .\nqqq zzz\n"), "line 2")


def test_training_that_diverges_says_so(text, tmp_path):
    one_error(run("train", text, "--out", tmp_path / "m.pt", "--lr", "1e25", *SMALL), "diverged")


def test_a_large_vocabulary_has_an_adaptive_softmax(text, tmp_path, monkeypatch):
    monkeypatch.setattr(recipes, "ADAPTIVE", 100)
    found = run("train", text, "--out", tmp_path / "m.pt", "--level", "word", *SMALL, "--hidden", 16)
    assert found.exit_code == 0 and "an adaptive softmax" in found.stderr
    writer = TextGenerator.load(tmp_path / "m.pt")
    assert writer.model.adaptive and writer.generate("the", 5, temperature=0.5)
    ids = torch.tensor([writer.vocab.to_ids(Tokenizer("word")(load_text(text)))])
    log_probs = writer.model(ids[:, :-1])[0][0].gather(1, ids[0, 1:, None])
    assert writer.perplexity(load_text(text)) == pytest.approx(math.exp(-log_probs.mean().item()), rel=1e-4)


def test_precision_is_said_and_refused_where_there_is_none(text, tmp_path, monkeypatch):
    def without(*_):
        raise RuntimeError("could not create a primitive descriptor")

    monkeypatch.setattr("torch.autocast.__enter__", without)
    one_error(run("train", text, "--out", tmp_path / "m.pt", "--precision", "bf16", *SMALL), "no LSTM in bf16")
