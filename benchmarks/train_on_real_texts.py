"""Train the networks of the two studies on real texts, and record what they score.

    python benchmarks/train_on_real_texts.py                 all runs that are not recorded yet
    python benchmarks/train_on_real_texts.py time_machine    those of one study
    python benchmarks/train_on_real_texts.py eng_fra

Each run is one line of src/d2lrnn/data/STUDY.csv, with the date and the machine, written as soon as the run has ended.
So the script can be stopped at any time and started again; to repeat a run, delete its line. All together takes about
half an hour of one core. The texts are looked for and downloaded as `d2lrnn.corpora` says.
"""

import csv
import sys
from datetime import date
from itertools import count
from pathlib import Path

import torch
from sections import processor

from d2lrnn.batches import pair_batches
from d2lrnn.corpora import load_pairs, load_text
from d2lrnn.language_model import LanguageModel
from d2lrnn.recipes import cosine, nearest_sentence
from d2lrnn.runtime import seed_everything
from d2lrnn.seq2seq import Seq2Seq, batch_loss
from d2lrnn.text import Tokenizer, Vocab
from d2lrnn.training import evaluate, fit, fit_batches, split
from d2lrnn.translation import PairData, score_translations, split_by_source

DATA = Path(__file__).resolve().parent.parent / "src/d2lrnn/data"
SEEDS = range(3)
# Cell, layers and learning rate. On the validation part bench_cells.py chose 0.002, 0.004 and 0.016, for rates that do
# not fall. Here they fall along a half cosine, so those of RNN and GRU start twice as high.
# Two layers learn words slowly with either rate: a validation perplexity of 120 with 0.016, of 117 with 0.008.
NETWORKS = {
    "RNN": ("rnn", 1, 0.004),
    "GRU": ("gru", 1, 0.008),
    "LSTM": ("lstm", 1, 0.016),
    "LSTM, 2 layers": ("lstm", 2, 0.008),
}
# Smallest frequency, embedding size, dropout and largest number of parameters.
LEVELS = {"letter": (1, None, 0.1, 100_000), "word": (2, 64, 0.3, 300_000)}
TEXT_EPOCHS = 8
TRANSLATORS = {
    "initial state": ("initial_state", None),
    "every step": ("every_step", None),
    "both": ("both", None),
    "both, attention": ("both", "dot"),
}
NUM_PAIRS = 18_065  # the short ones, which come first
PAIR_EPOCHS = 6


def width(most, vocab_size, *settings):
    """The largest number of hidden units with which a LanguageModel has at most so many parameters."""
    with torch.device("meta"):
        return next(h for h in count(1) if num_parameters(LanguageModel(vocab_size, h + 1, *settings)) > most)


def num_parameters(model):
    return sum(p.numel() for p in model.parameters())


def language_model(level, model, seed):
    cell, num_layers, lr = NETWORKS[model]
    min_freq, embedding_size, dropout, most = LEVELS[level]
    train, validation, test = split(Tokenizer(level)(load_text("time_machine")), (0.8, 0.1, 0.1))
    vocab = Vocab(train, min_freq)
    train, validation, test = (torch.tensor(vocab.to_ids(part)) for part in (train, validation, test))
    settings = cell, num_layers, embedding_size, dropout
    h = width(most, len(vocab), *settings)
    seed_everything(seed)
    network = LanguageModel(len(vocab), h, *settings)
    sizes = dict(batch_size=16, num_steps=32, sampling="sequential")
    epochs = dict(num_epochs=TEXT_EPOCHS, lr=lr, schedule=cosine(TEXT_EPOCHS), patience=TEXT_EPOCHS, seed=seed)
    history = fit(network, train, validation, **sizes, **epochs)
    return {
        "h": h,
        "parameters": num_parameters(network),
        "best_epoch": history.attrs["best_epoch"],
        "validation": evaluate(network, validation),
        "test": evaluate(network, test),
    }


def translator(model, seed):
    wiring, attention = TRANSLATORS[model]
    rest, test = split_by_source(load_pairs("eng_fra", NUM_PAIRS), 800, seed)
    train, validation = split_by_source(rest, 800, seed)
    data = PairData(train, Tokenizer(), Tokenizer(elision=True), min_freq=2)
    seed_everything(seed)
    sizes = len(data.source_vocab), len(data.target_vocab), 128
    network = Seq2Seq(*sizes, embedding_size=64, dropout=0.2, bidirectional=True, wiring=wiring, attention=attention)
    ids = data.encode(train)
    history = fit_batches(
        network,
        lambda generator: pair_batches(*ids, 64, data.pad_id, generator),
        batch_loss,
        list(data.batches(validation, 64, shuffle=False)),
        num_epochs=PAIR_EPOCHS,
        lr=0.005,
        schedule=cosine(PAIR_EPOCHS),
        patience=PAIR_EPOCHS,
        seed=seed,
    )
    found = {
        "parameters": num_parameters(network),
        "best_epoch": history.attrs["best_epoch"],
        "validation": history.held_out_perplexity.min(),
        "nearest": nearest_sentence(train, test, data),
    }
    for search, beam in {"greedy": 1, "beam": 5}.items():
        scores = score_translations(network, data, test, beam)
        found |= {search: scores["bleu"], f"exact_{search}": scores["exact_match"]}
    return found


STUDIES = {
    "time_machine": (
        language_model,
        [{"level": level, "model": model, "seed": seed} for seed in SEEDS for level in LEVELS for model in NETWORKS],
    ),
    "eng_fra": (translator, [{"model": model, "seed": seed} for seed in SEEDS for model in TRANSLATORS]),
}


def run(study):
    """Do what is missing in the study's table."""
    path = DATA / f"{study}.csv"
    measure, runs = STUDIES[study]
    done = list(csv.DictReader(path.open(encoding="utf-8"))) if path.exists() else []
    machine = {"date": date.today().isoformat(), "processor": processor(), "torch": torch.__version__}
    for key in runs:
        if any(all(row[name] == str(value) for name, value in key.items()) for row in done):
            continue
        found = {name: f"{value:.6g}" for name, value in measure(*key.values()).items()}
        print(study, key, found, flush=True)
        row = key | found | machine
        with path.open("a", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, row, lineterminator="\n")
            if not done:
                table.writeheader()
            table.writerow(row)
        done.append({name: str(value) for name, value in key.items()})


if __name__ == "__main__":
    torch.set_num_threads(1)
    for study in sys.argv[1:] or STUDIES:
        run(study)
