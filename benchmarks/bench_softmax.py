"""The full softmax beside the adaptive one of Grave et al. (2017), for large vocabularies: speed, and what is learned.

    python benchmarks/bench_softmax.py [speed] [learned]

Times are processor times of one thread. The text is that of bench_streams.py, its rare words cut so that V are left.
"""

import time
from contextlib import closing
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from bench_streams import write_text
from sections import record, run

from d2lrnn import streams
from d2lrnn.batches import random_batches
from d2lrnn.language_model import LanguageModel
from d2lrnn.text import Tokenizer, Vocab
from d2lrnn.training import evaluate, text_data

B, T, MEGABYTES, UPDATES = 16, 32, 20, 4
SIZES, HIDDEN = (2_000, 10_000, 50_000), (256, 512)
SECONDS, LR, HELD_OUT = 120, 0.002, 10_000


def word_ids(V):
    """The ids of the text's words, of which the V − 1 most frequent have one of their own."""
    tokenizer = Tokenizer("word")
    with TemporaryDirectory() as folder:
        path = Path(folder, "text.txt")
        write_text(path, MEGABYTES)
        with closing(streams.TextFiles([path])) as text:
            counts = streams.vocabulary(text.blocks(), tokenizer).counts
            vocab = Vocab(dict(counts.most_common(V - 1)))
            streams.write_ids(text.blocks(), tokenizer, vocab, Path(folder, "ids"))
        return streams.map_ids(Path(folder, "ids"), vocab)


def both(V, h):
    for name, adaptive in (("full", False), ("adaptive", True)):
        torch.manual_seed(0)
        yield name, LanguageModel(V, h, "lstm", embedding_size=256, adaptive=adaptive)


def updates(model, ids):
    """Train; yields after each update, of B · T tokens."""
    data, optimizer = text_data(model, ids, None, B, T), torch.optim.AdamW(model.parameters(), lr=LR)
    while True:
        for batch in random_batches(ids, B, T):
            loss, _, _ = data.batch_loss(model, batch, None)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            yield


def speed():
    for V in SIZES:
        ids = word_ids(V)
        for h in HIDDEN:
            speeds = {}
            for name, model in both(V, h):
                steps = updates(model, ids)
                next(steps)
                start = time.process_time()
                for _ in islice(steps, UPDATES):
                    pass
                speeds[name] = UPDATES * B * T / (time.process_time() - start)
            ratio = speeds["adaptive"] / speeds["full"]
            print(f"V = {V:,}, h = {h}: {speeds} tokens/s, ratio {ratio:.2f}", flush=True)
            record(f"V = {V}, h = {h}", **{f"{name}_tokens_per_second": s for name, s in speeds.items()}, ratio=ratio)


def learned():
    """Held-out perplexity after the same processor time."""
    for V in SIZES:
        ids = word_ids(V)
        for name, model in both(V, 256):
            steps, number, start = updates(model, ids[:-HELD_OUT]), 0, time.process_time()
            while time.process_time() - start < SECONDS:
                next(steps)
                number += 1
            perplexity = evaluate(model, ids[-HELD_OUT:])
            print(f"V = {V:,}, {name}: perplexity {perplexity:.1f} after {number} updates", flush=True)
            record(f"V = {V}, {name}", perplexity=perplexity, updates=number)


if __name__ == "__main__":
    run({"speed": speed, "learned": learned}, only_by_name=("learned",))
