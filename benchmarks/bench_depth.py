"""Chapter 10's longer runs: when depth pays, dropout between layers, and the scale of the way up.

    python benchmarks/bench_depth.py [depth] [dropout] [scale]

Word models on 4,000 sentences of the grammar, about 34,500 parameters each, mean of three seeds. Each depth, without
and with skips, gets the same search over learning rates, on the validation part and with a seed of its own. Test
perplexities are those of whole sentences, each from a zero state. One thread, about 12 minutes.
"""

import math
from functools import cache

import torch
from sections import record, run
from torch import nn
from torch.nn import functional as F

from d2lrnn import grammar
from d2lrnn.batches import mask, pad, random_batches
from d2lrnn.language_model import LanguageModel
from d2lrnn.text import Vocab

WIDTHS = {1: 96, 2: 70, 4: 51, 8: 38}
SEEDS = range(3)
RATES, TUNING_SEED, NUM_UPDATES = (0.003, 0.006, 0.012, 0.024), 100, 1000
sentences = grammar.sample(6500, seed=0)
train, validation, test = sentences[:4000], sentences[4000:4500], sentences[5500:]
stream = [token for s in train for token in ("<eos>", *s.english)]
vocab = Vocab(stream)
train_ids = torch.tensor(vocab.to_ids(stream))


def train_model(num_layers, seed, lr, num_updates, skip=True, dropout=0.0, scale=None, between_only=False):
    torch.manual_seed(seed)
    model = LanguageModel(
        len(vocab), WIDTHS[num_layers], num_layers=num_layers, embedding_size=32, skip=skip, dropout=dropout
    )
    if between_only:
        model.dropout.p = 0.0  # the masks before the first and after the last layer
    if scale is not None:  # weights of standard deviation scale/√h on the way up, above the first layer
        for level in range(1, num_layers):
            bound = scale * math.sqrt(3 / WIDTHS[num_layers])
            nn.init.uniform_(getattr(model.recurrent, f"weight_ih_l{level}"), -bound, bound)
    draw = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, num_updates)
    updates = 0
    while updates < num_updates:
        for X, Y in random_batches(train_ids, 32, 20, draw):
            logits, _ = model(X)
            optimizer.zero_grad()
            F.cross_entropy(logits.flatten(0, 1), Y.flatten()).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            updates += 1
            if updates == num_updates:
                break
    return model.eval()


@torch.no_grad()
def sentence_perplexity(model, part):
    ids, lengths = pad([vocab.to_ids(["<eos>", *s.english, "<eos>"]) for s in part], vocab["<eos>"])
    logits, _ = model(ids[:, :-1])
    scored = mask(lengths - 1, ids.shape[1] - 1)
    return F.cross_entropy(logits[scored], ids[:, 1:][scored]).exp().item()


def row(name, num_layers, lr, num_updates, **options):
    values = []
    for seed in SEEDS:
        model = train_model(num_layers, seed, lr, num_updates, **options)
        values.append([sentence_perplexity(model, part) for part in (validation, test, train[:500])])
    values = torch.tensor(values)
    mean, seeds = values.mean(0).tolist(), " ".join(f"{value:.2f}" for value in values[:, 1])
    line = f"  {name:<30} lr {lr:<6} validation {mean[0]:6.2f}  test {mean[1]:6.2f} (seeds {seeds})"
    print(line + f"  training sentences {mean[2]:6.2f}", flush=True)
    spread = (values[:, 1].max() - values[:, 1].min()).item()
    record(name, rate=lr, validation=mean[0], test=mean[1], test_spread=spread, training_sentences=mean[2])


@cache
def best_rate(num_layers, skip):
    """The learning rate that is best on the validation part after NUM_UPDATES, with the tuning seed."""
    scores = {}
    for lr in RATES:
        model = train_model(num_layers, TUNING_SEED, lr, NUM_UPDATES, skip)
        scores[lr] = sentence_perplexity(model, validation)
    kind = "skip" if skip else "plain"
    tried = "  ".join(f"{lr}: {score:.2f}" for lr, score in scores.items())
    print(f"  {num_layers} layers, {kind:<5}  validation perplexity by learning rate  {tried}", flush=True)
    return min(scores, key=scores.get)


def depth():
    for part, name in ((test, "test"), (train[:500], "the training sentences scored")):
        floor = math.exp(-sum(grammar.log_prob(s.english) for s in part) / sum(len(s.english) + 1 for s in part))
        print(f"  floor of {name}: {floor:.3f}")
        record(f"floor of {name}", perplexity=floor)
    print(f"depth: {NUM_UPDATES} updates, each network at its best rate")
    kinds = [(num_layers, skip) for num_layers in WIDTHS for skip in ((False,) if num_layers == 1 else (False, True))]
    rates = {kind: best_rate(*kind) for kind in kinds}
    for (num_layers, skip), lr in rates.items():
        row(f"{num_layers} layers, {'skip' if skip else 'plain'}", num_layers, lr, NUM_UPDATES, skip=skip)


def dropout():
    lr = best_rate(2, False)
    print(f"dropout: two plain layers, {NUM_UPDATES} updates, the rate tuned without dropout")
    for p in (0.1, 0.2):
        row(f"p = {p}, between only", 2, lr, NUM_UPDATES, skip=False, dropout=p, between_only=True)
    row("p = 0.1, all masks", 2, lr, NUM_UPDATES, skip=False, dropout=0.1)


def scale(num_updates=200):
    print(f"scale: eight layers, weights of the way up of standard deviation s/√h, {num_updates} updates")
    for s in (0.58, 1.0, 1.3, 1.7):
        row(f"plain, s = {s}", 8, 0.012, num_updates, skip=False, scale=s)
    row("with skips", 8, 0.012, num_updates)


if __name__ == "__main__":
    run({"depth": depth, "dropout": dropout, "scale": scale})
