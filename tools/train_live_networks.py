"""Train the three networks of the live figures, and write them where the figures find them.

    python tools/train_live_networks.py

An RNN, a GRU and an LSTM with the same number of hidden units read the letters of the book's story and learn to predict
the next one. The learning rates were chosen on the tenth of the story before the last. The last tenth is held out for
the perplexities in the file, which are those of the stored float16 numbers. Takes about two minutes on one core.
"""

import json
import math
from pathlib import Path

import torch

from d2lrnn import cells, live, training
from d2lrnn.corpora import load_text
from d2lrnn.language_model import LanguageModel, ScratchLanguageModel
from d2lrnn.runtime import seed_everything
from d2lrnn.text import Vocab, keep_letters

TARGET = Path(__file__).resolve().parent.parent / "src/d2lrnn/live/networks.json"
RECURRENCES = {"rnn": cells.rnn, "gru": cells.gru, "lstm": cells.lstm}
HIDDEN = 96  # with more of them the three networks would not fit into 300 kB
EPOCHS = 24
LEARNING_RATES = {"rnn": 0.01, "gru": 0.02, "lstm": 0.03}


def half_cosine(epoch):
    """What is left of the learning rate: from 1 down to almost 0."""
    return 0.5 * (1 + math.cos(math.pi * (epoch - 1) / EPOCHS))


def story():
    """The vocabulary of the story's first part, and the ids of its parts: to train, to choose, and the held-out end."""
    parts = training.split(list(keep_letters(load_text("story"))), (0.8, 0.1, 0.1))
    vocab = Vocab(parts[0])
    return vocab, *(torch.tensor(vocab.to_ids(part)) for part in parts)


def trained(cell, vocab, train_ids):
    """The parameters of a trained network, under the names of `d2lrnn.cells`."""
    seed_everything(0)
    model = LanguageModel(len(vocab), HIDDEN, cell)
    if cell == "lstm":
        with torch.no_grad():  # torch adds two biases: set one, clear the other
            model.recurrent.bias_ih_l0[HIDDEN : 2 * HIDDEN] = 1.0
            model.recurrent.bias_hh_l0[HIDDEN : 2 * HIDDEN] = 0.0
    settings = dict(num_epochs=EPOCHS, batch_size=32, num_steps=64, lr=LEARNING_RATES[cell], schedule=half_cosine)
    training.fit(model, train_ids, **settings)
    output = {"W_hq": model.output.weight.T, "b_q": model.output.bias}
    return cells.from_torch(model.recurrent) | output


def perplexity(network, ids):
    """Perplexity of a saved network, with the numbers that the page computes with."""
    model = ScratchLanguageModel(network["D"], live.loaded(network), RECURRENCES[network["cell"]])
    return training.evaluate(model, ids)


def main():
    vocab, train_ids, _, held_out_ids = story()
    networks = []
    for cell in RECURRENCES:
        network = live.saved(cell, trained(cell, vocab, train_ids))
        network["perplexity"] = round(perplexity(network, held_out_ids), 4)
        print(f"{cell}: held-out perplexity {network['perplexity']}", flush=True)
        networks.append(network)
    text = json.dumps({"vocabulary": vocab.tokens, "networks": networks}, indent=1)
    TARGET.write_text(text + "\n", encoding="utf-8")
    print(f"{TARGET.name}: {len(text.encode()) / 1000:.0f} kB")


if __name__ == "__main__":
    main()
