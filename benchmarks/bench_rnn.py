"""Recurrent language models: speed beside torch.nn and the textbook form, and quality beside n-grams.

    python benchmarks/bench_rnn.py [speed] [wrapper] [grammar] [memory]

One thread. Speeds are tokens per second of processor time, so that other programs disturb little; the sides take
turns and the median round counts. The section `memory` reads The Time Machine; quality on a few of its
characters is in bench_cells.py.
"""

import math
import time
from statistics import median

import torch
from sections import record, run
from torch import nn
from torch.nn import functional as F

from d2lrnn import cells, grammar, training
from d2lrnn.corpora import load_text
from d2lrnn.language_model import LanguageModel, ScratchLanguageModel
from d2lrnn.ngrams import LaplaceModel
from d2lrnn.text import Vocab, keep_letters

V, B, T = 27, 32, 35
LETTERS = " abcdefghijklmnopqrstuvwxyz"


def textbook_rnn(inputs, state, params):
    """The common way: both products, the bias and the output layer at every step."""
    H, outputs = state if state is not None else inputs.new_zeros(inputs.shape[1], len(params["W_hh"])), []
    for X in inputs:
        H = torch.tanh(torch.mm(X, params["W_xh"]) + torch.mm(H, params["W_hh"]) + params["b_h"])
        outputs.append(torch.mm(H, params["W_hq"]) + params["b_q"])
    return torch.stack(outputs), H


class BareModel(nn.Module):
    """torch.nn.RNN and a linear layer, with nothing around them."""

    def __init__(self, hidden_size):
        super().__init__()
        self.rnn, self.linear = nn.RNN(V, hidden_size), nn.Linear(hidden_size, V)

    def forward(self, ids, state=None):
        H, state = self.rnn(F.one_hot(ids.T, V).float(), state)
        return self.linear(H).transpose(0, 1), state


def bare_loop(model, optimizer, batches):
    for X, Y in batches:
        logits, _ = model(X)
        loss = F.cross_entropy(logits.flatten(0, 1), Y.flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        loss.item()


def take_turns(title, sides, tokens, rounds):
    """Median tokens per processor second of each side, and the median ratio to the first side."""
    rates = {name: [] for name in sides}
    for round in range(-1, rounds):
        for name, work in sides.items():
            start = time.process_time()
            work()
            if round >= 0:  # the first round warms up
                rates[name].append(tokens / (time.process_time() - start))
    first = next(iter(rates.values()))
    for name, values in rates.items():
        ratio = median(a / b for a, b in zip(values, first, strict=True))
        print(f"  {name:<48}{median(values):>10,.0f} tokens/s   {ratio:.2f}")
        record(f"{title}, {name}", tokens_per_second=median(values), of_first=ratio)


def speed():
    print(f"speed: training steps (one-hot, forward, backward, clip, SGD), batch {B}, {T} steps; target scratch ≥ 0.95")
    X, Y = torch.randint(V, (2, B, T))
    for hidden_size in (256, 512):
        print(f" hidden {hidden_size}")
        models = {
            "torch.nn.RNN": BareModel(hidden_size),
            "scratch: cells.rnn": ScratchLanguageModel(V, cells.init_rnn_params(V, hidden_size, V)),
            "concise: LanguageModel": LanguageModel(V, hidden_size),
            "textbook: every product at every step": ScratchLanguageModel(
                V, cells.init_rnn_params(V, hidden_size, V), textbook_rnn
            ),
        }
        sides = {name: step_of(model, X, Y) for name, model in models.items()}
        take_turns(f"hidden {hidden_size}", sides, B * T, rounds=25)


def step_of(model, X, Y):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    return lambda: bare_loop(model, optimizer, [(X, Y)])


def wrapper():
    print("wrapper: training.fit on LanguageModel beside a bare loop on torch.nn.RNN, batches ready; target ≥ 0.95")
    ids = torch.randint(V, (20 * B * T + T,))
    for hidden_size in (256, 512):
        print(f" hidden {hidden_size}")
        bare, concise = BareModel(hidden_size), LanguageModel(V, hidden_size)
        optimizer = torch.optim.SGD(bare.parameters(), lr=0.1)
        batches = list(training.random_batches(ids, B, T))
        options = dict(num_epochs=1, batch_size=B, num_steps=T, lr=0.1, optimizer="sgd")
        sides = {
            "bare loop": lambda bare=bare, optimizer=optimizer, batches=batches: bare_loop(bare, optimizer, batches),
            "training.fit": lambda concise=concise, options=options: training.fit(concise, ids, **options),
        }
        take_turns(f"hidden {hidden_size}", sides, len(batches) * B * T, rounds=5)


def grammar_floor():
    floor = grammar.perplexity_floor()
    print("grammar: 80,000 English sentences to train, 2,000 others held out, words; target ≤ 1.03 of the floor")
    train, sentences = with_ends(grammar.sample(80_000, seed=0)), grammar.sample(2_000, seed=1)
    held_out = with_ends(sentences)
    vocab = Vocab(train)
    train_ids, held_out_ids = torch.tensor(vocab.to_ids(train)), torch.tensor(vocab.to_ids(held_out))
    own = math.exp(-sum(grammar.log_prob(s.english) for s in sentences) / len(held_out))
    print(f"  {'exact floor':<28}{floor:7.3f}   1.000")
    print(f"  {'the grammar, these sentences':<28}{own:7.3f}   {own / floor:.3f}")
    record("the grammar, these sentences", perplexity=own, of_floor=own / floor)
    for n in range(6):
        best = min(LaplaceModel(train_ids, n, len(vocab), eps).perplexity(held_out_ids) for eps in (3.0, 10.0, 30.0))
        print(f"  {f'{n}-gram' if n else 'uniform':<28}{best:7.3f}   {best / floor:.3f}")
        record(f"{n}-gram" if n else "uniform", perplexity=best, of_floor=best / floor)
    # A tanh network needs a second layer and the state carried on to come as close as the gated ones.
    gated = {"num_epochs": 3, "batch_size": B, "sampling": "random"}
    runs = {
        "lstm": (128, 1, gated | {"lr": 0.01}),
        "gru": (128, 1, gated | {"lr": 0.008}),
        "rnn": (192, 2, {"num_epochs": 4, "batch_size": 2 * B, "sampling": "sequential", "lr": 0.003}),
    }
    for cell, (hidden_size, num_layers, settings) in runs.items():
        torch.manual_seed(0)
        model = LanguageModel(len(vocab), hidden_size, cell, num_layers, embedding_size=64)
        num_epochs = settings["num_epochs"]
        start, clock = time.perf_counter(), time.process_time()
        training.fit(
            model,
            train_ids,
            num_steps=T,
            schedule=lambda epoch, n=num_epochs: 0.5 * (1 + math.cos(math.pi * (epoch - 1) / n)),
            **settings,
        )
        seconds, clock = time.perf_counter() - start, time.process_time() - clock
        result = training.evaluate(model, held_out_ids)
        name = f"{cell}, {num_layers} × {hidden_size}"
        print(f"  {name:<28}{result:7.3f}   {result / floor:.3f}   {seconds:.0f} s ({clock:.0f} s of processor time)")
        record(name, perplexity=result, of_floor=result / floor, seconds=clock)


def with_ends(sentences):
    return [token for sentence in sentences for token in (*sentence.english, "<eos>")]


def memory():
    print("memory: resident memory (MB) while training on the whole Time Machine; target: flat after the first epoch")
    ids = torch.tensor([LETTERS.index(letter) for letter in keep_letters(load_text("time_machine"))])
    num_epochs = 6
    for sampling in ("random", "sequential"):
        model, sizes = LanguageModel(V, 64), []
        model.register_forward_hook(lambda *_, sizes=sizes: sizes.append(resident_megabytes()))
        training.fit(model, ids, num_epochs=num_epochs, batch_size=B, num_steps=T, lr=0.003, sampling=sampling)
        steps = math.ceil(len(sizes) / num_epochs)
        epochs = [max(sizes[i : i + steps]) for i in range(0, len(sizes), steps)]
        print(f"  {sampling:<12}" + "".join(f"{size:8.1f}" for size in epochs))
        record(sampling, **{f"megabytes_epoch_{i}": size for i, size in enumerate(epochs, 1)})


def resident_megabytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 1e6


if __name__ == "__main__":
    sections = {"speed": speed, "wrapper": wrapper, "grammar": grammar_floor, "memory": memory}
    run(sections, only_by_name=("grammar", "memory"))
