"""Train the translator of the live figure, and write it where the figure finds it.

    python tools/train_live_translator.py

A small encoder–decoder with attention, that of chapter 15, learns short sentences of the book's grammar. Prints how
many held-out sentences it translates exactly, with the stored float16 numbers. Takes less than a minute on one core.
"""

import json
import math
from pathlib import Path

from d2lrnn import training
from d2lrnn.batches import pair_batches
from d2lrnn.corpora import load_pairs
from d2lrnn.live import translator
from d2lrnn.runtime import seed_everything
from d2lrnn.seq2seq import Seq2Seq, batch_loss
from d2lrnn.text import Tokenizer
from d2lrnn.translation import PairData, score_translations, split_by_source

TARGET = Path(__file__).resolve().parent.parent / "src/d2lrnn/live/translator.json"
LONGEST = 10  # tokens of an English sentence
HELD_OUT = 500
SIZES = {"hidden_size": 56, "embedding_size": 32}  # with more units it would not fit into 300 kB
EPOCHS = 6


def sentences():
    """The pairs to train with, and the held-out ones: no source sentence is in both."""
    english, french = Tokenizer(), Tokenizer(elision=True)
    pairs = load_pairs("grammar", 30_000)
    pairs = [(en, fr) for en, fr in pairs if len(english(en)) <= LONGEST and len(french(fr)) <= LONGEST + 1]
    return split_by_source(dict.fromkeys(pairs), HELD_OUT)


def half_cosine(epoch):
    """What is left of the learning rate: from 1 down to almost 0."""
    return 0.5 * (1 + math.cos(math.pi * (epoch - 1) / EPOCHS))


def trained(data, pairs):
    """The model, after EPOCHS passes over the pairs."""
    seed_everything(0)
    sizes = len(data.source_vocab), len(data.target_vocab)
    model = Seq2Seq(*sizes, bidirectional=True, wiring="initial_state", attention="dot", **SIZES)
    ids = data.encode(pairs)

    def batches(generator):
        return pair_batches(*ids, 64, data.pad_id, generator)

    training.fit_batches(model, batches, batch_loss, num_epochs=EPOCHS, lr=0.01, schedule=half_cosine, seed=0)
    return model


def main():
    train_pairs, held_out = sentences()
    data = PairData(train_pairs, Tokenizer(), Tokenizer(elision=True))
    text = json.dumps(translator.saved(trained(data, train_pairs), data), indent=1, ensure_ascii=False)
    TARGET.write_text(text + "\n", encoding="utf-8")
    print(f"{TARGET.name}: {len(text.encode()) / 1000:.0f} kB")
    model, data = translator.loaded(json.loads(text))
    for width in (1, 5):
        found = score_translations(model, data, held_out, width)
        print(f"held-out sentences, k = {width}: {found['exact_match']:.1%} exact, BLEU {found['bleu']:.3f}")


if __name__ == "__main__":
    main()
