"""LSTM and GRU: speed beside torch.nn and the textbook form, quality on few characters, and which cell to choose.

    python benchmarks/bench_cells.py [speed] [characters] [choice]

One thread. On the CPU speeds are tokens per second of processor time, on a GPU of wall-clock time; the sides take
turns and the median round counts. The sections `characters` and `choice` read The Time Machine. `choice` trains 33
networks, on a GPU if there is one; without one it takes hours.
"""

import math
import time
from functools import partial
from statistics import median

import torch
from bench_rnn import LETTERS, B, T, V, bare_loop
from sections import record, run
from torch import nn
from torch.nn import functional as F

from d2lrnn import cells, training
from d2lrnn.corpora import load_text
from d2lrnn.language_model import LanguageModel, ScratchLanguageModel
from d2lrnn.ngrams import LaplaceModel
from d2lrnn.text import keep_letters

HIDDEN_SIZE, ROUNDS = 256, 25


def textbook_params(gates):
    """A weight for the inputs, one for the state and a bias for each gate, and the output layer."""
    h = HIDDEN_SIZE
    shapes = {"W_hq": (h, V), "b_q": (V,)}
    for gate in gates:
        shapes |= {f"W_x{gate}": (V, h), f"W_h{gate}": (h, h), f"b_{gate}": (h,)}
    return {name: (0.01 * torch.randn(shape)).requires_grad_() for name, shape in shapes.items()}


def textbook_lstm(inputs, state, p):
    """The common way: two products for each gate and the output layer, at every step."""
    H = C = inputs.new_zeros(inputs.shape[1], HIDDEN_SIZE)
    outputs = []
    for X in inputs:
        I_t = torch.sigmoid(X @ p["W_xi"] + H @ p["W_hi"] + p["b_i"])
        F_t = torch.sigmoid(X @ p["W_xf"] + H @ p["W_hf"] + p["b_f"])
        O_t = torch.sigmoid(X @ p["W_xo"] + H @ p["W_ho"] + p["b_o"])
        C_tilde = torch.tanh(X @ p["W_xc"] + H @ p["W_hc"] + p["b_c"])
        C = F_t * C + I_t * C_tilde
        H = O_t * torch.tanh(C)
        outputs.append(H @ p["W_hq"] + p["b_q"])
    return torch.stack(outputs), (H, C)


def textbook_gru(inputs, state, p):
    """The common way: two products for each gate and the output layer, at every step; the reset gate before."""
    H, outputs = inputs.new_zeros(inputs.shape[1], HIDDEN_SIZE), []
    for X in inputs:
        Z = torch.sigmoid(X @ p["W_xz"] + H @ p["W_hz"] + p["b_z"])
        R = torch.sigmoid(X @ p["W_xr"] + H @ p["W_hr"] + p["b_r"])
        H_tilde = torch.tanh(X @ p["W_xc"] + (R * H) @ p["W_hc"] + p["b_c"])
        H = Z * H + (1 - Z) * H_tilde
        outputs.append(H @ p["W_hq"] + p["b_q"])
    return torch.stack(outputs), H


class BareModel(nn.Module):
    """A layer of torch.nn and a linear layer, with nothing around them."""

    def __init__(self, Layer):
        super().__init__()
        self.recurrent, self.linear = Layer(V, HIDDEN_SIZE), nn.Linear(HIDDEN_SIZE, V)

    def forward(self, ids, state=None):
        H, state = self.recurrent(F.one_hot(ids.T, V).float(), state)
        return self.linear(H).transpose(0, 1), state


def speed():
    print(f"speed: training steps (one-hot, forward, backward, clip, SGD), batch {B}, {T} steps, hidden {HIDDEN_SIZE}")
    lstm, gru = (
        partial(init, V, HIDDEN_SIZE, V, generator=torch.Generator().manual_seed(0))
        for init in (cells.init_lstm_params, cells.init_gru_params)
    )
    tables = {
        " LSTM; target: scratch ≥ 1 of the textbook form. What is missing to torch is what the fused layer gains": {
            "textbook: a product for each gate": (textbook_params("ifoc"), textbook_lstm),
            "scratch: cells.lstm": (lstm(), cells.lstm),
            "torch.nn.LSTM": nn.LSTM,
        },
        " GRU; target: cells.gru ≥ 1 of the textbook form. What is missing to torch is what the layer in C++ gains": {
            "textbook: a product for each gate": (textbook_params("zrc"), textbook_gru),
            "scratch: cells.gru": (gru(), cells.gru),
            "scratch: cells.gru, reset_after=False": (gru(), partial(cells.gru, reset_after=False)),
            "torch.nn.GRU": nn.GRU,
        },
    }
    for device in ["cpu"] + ["cuda"] * torch.cuda.is_available():
        X, Y = torch.randint(V, (2, B, T), device=device)
        for title, sides in tables.items():
            print(f"{title} ({device})")
            cell = title.split()[0].rstrip(";")
            take_turns({name: work_of(side, device, X, Y) for name, side in sides.items()}, device, cell)


def work_of(side, device, X, Y):
    model = ScratchLanguageModel(V, *side) if isinstance(side, tuple) else BareModel(side)
    model.to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    return lambda: bare_loop(model, optimizer, [(X, Y)])


def take_turns(sides, device, cell):
    """Median tokens per second of each side, and its median ratios to the first side and to torch."""
    clock = time.process_time if device == "cpu" else time.perf_counter
    rates = {name: [] for name in sides}
    for round in range(-3, ROUNDS):
        for name, work in sides.items():
            start = clock()
            work()
            if device == "cuda":
                torch.cuda.synchronize()
            if round >= 0:  # the first rounds warm up
                rates[name].append(B * T / (clock() - start))
    of_textbook = next(iter(rates.values()))
    of_torch = next(values for name, values in rates.items() if name.startswith("torch"))
    print(f"  {'':<44}{'tokens/s':>10}   of textbook   of torch")
    for name, values in rates.items():
        textbook, torchs = (median(a / b for a, b in zip(values, of, strict=True)) for of in (of_textbook, of_torch))
        print(f"  {name:<44}{median(values):>10,.0f}   {textbook:11.2f}   {torchs:8.2f}")
        record(f"{cell}, {device}, {name}", tokens_per_second=median(values), of_textbook=textbook, of_torch=torchs)


def characters():
    print("characters: The Time Machine, 10,000 to train on, the next 5,000 held out")
    print(" targets within 30 s: GRU < 5.6, LSTM < 5.3. All with embedding 64, hidden 192, dropout 0.4, AdamW")
    text = keep_letters(load_text("time_machine"))
    ids = torch.tensor([LETTERS.index(letter) for letter in text])
    train, held_out = training.split(ids, (10_000, 5_000))
    for n, name in enumerate(["uniform", "unigram", "bigram", "trigram", "4-gram", "5-gram"]):
        # ε is chosen on the held-out text itself, in the n-grams' favour.
        best = min(LaplaceModel(train, n, V, eps).perplexity(held_out[1:]) for eps in (1.0, 3.0, 10.0, 30.0))
        print(f"  {name:<10}{best:6.2f}")
        record(name, held_out_perplexity=best)
    options = dict(num_epochs=100, batch_size=16, num_steps=T, lr=0.005)
    part, validation = training.split(train, (9_000, 1_000))
    for cell, target in {"rnn": 6.0, "gru": 5.6, "lstm": 5.3}.items():
        print(f" {cell.upper()}, the best so far: the epoch is chosen on the held-out text, which flatters it a little")
        print("  seconds  epoch  training  held-out  best so far")
        clock = time.process_time()
        history = training.fit(character_model(cell), train, held_out, patience=8, **options)
        clock = time.process_time() - clock
        seconds, best = history.attrs["seconds"], history.held_out_perplexity.cummin()
        below = best.lt(target)
        first = below.idxmax() if below.any() else None
        for i in range(len(history)):
            if i % 5 == 4 or i in (first, best.idxmin()):
                of_train, of_held_out = history.train_perplexity[i], history.held_out_perplexity[i]
                print(f"  {seconds[i]:7.1f}  {i + 1:5d}  {of_train:8.2f}  {of_held_out:8.2f}  {best[i]:11.2f}")
        reached = "never" if first is None else f"after {seconds[first]:.1f} s"
        print(f"  below {target} {reached}; in all {seconds[-1]:.1f} s, of them {clock:.1f} s of processor time")

        # The number of epochs chosen on the last 1,000 of the 10,000, then all 10,000 for so many: the run above.
        chosen = training.fit(character_model(cell), part, validation, patience=8, **options).attrs
        best_epoch, in_all = chosen["best_epoch"], chosen["seconds"][-1] + seconds[chosen["best_epoch"] - 1]
        print(f"  with {best_epoch} epochs, chosen on the last 1,000 of the 10,000:", end=" ")
        result = history.held_out_perplexity[best_epoch - 1]
        print(f"{result:.2f} after {in_all:.1f} s, the choice included")
        record(cell, held_out_perplexity=result, seconds=in_all, best_held_out_perplexity=best.iloc[-1])


def character_model(cell):
    torch.manual_seed(0)
    return LanguageModel(V, 192, cell, embedding_size=64, dropout=0.4)


CELLS, BUDGET, EPOCHS = ("rnn", "gru", "lstm"), 100_000, 20
RATES = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032)


def choice():
    """RNN, GRU and LSTM: equal parameters, data and updates, each at its best rate; and their time at equal h."""
    print(f"choice: The Time Machine, at most {BUDGET:,} parameters, {EPOCHS} epochs of chunks of {T}, batch {B}")
    print(" one layer, one-hot; rate chosen on the validation part with a seed of its own; the best epoch is kept")
    text = keep_letters(load_text("time_machine"))
    ids = torch.tensor([LETTERS.index(letter) for letter in text])
    parts = training.split(ids, (0.8, 0.1, 0.1))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    for cell in CELLS:
        h = next(h for h in range(1, BUDGET) if num_parameters(cell, h + 1) > BUDGET)
        tried = {lr: trained(cell, h, lr, 100, parts, device)[0] for lr in RATES}
        best = min(tried, key=tried.get)
        print(f"  {cell}, h = {h}, {num_parameters(cell, h):,} parameters; validation: {tried}", flush=True)
        record(f"{cell}, choice", h=h, parameters=num_parameters(cell, h), lr=best)
        scores = [trained(cell, h, best, seed, parts, device)[1] for seed in range(5)]
        print(f"    lr {best}, five other seeds, test: {scores}", flush=True)
        for seed, perplexity in enumerate(scores):
            record(f"{cell}, seed {seed}", test_perplexity=perplexity)
        record(f"{cell}, choice", mean=sum(scores) / 5, lowest=min(scores), highest=max(scores))
    models = [LaplaceModel(parts[0], n, V, eps) for n in range(1, 7) for eps in (1.0, 3.0, 10.0, 30.0)]
    best = min(models, key=lambda model: model.perplexity(parts[1]))
    print(f"  {best.n}-gram: {best.perplexity(parts[2]):.3f}")
    record("n-gram, choice", n=best.n, test_perplexity=best.perplexity(parts[2]))
    for device in ["cpu"] + ["cuda"] * torch.cuda.is_available():
        milliseconds = time_of_updates(device)
        print(f"  h = 128, {device}: {milliseconds} ms for an update")
        for cell, value in milliseconds.items():
            record(f"{cell}, h = 128, {device}", milliseconds=value)


def num_parameters(cell, h):
    return sum(p.numel() for p in LanguageModel(V, h, cell).parameters())


def trained(cell, h, lr, seed, parts, device):
    """The perplexities on the validation and the test part."""
    torch.manual_seed(seed)
    model = LanguageModel(V, h, cell).to(device)
    options = dict(num_epochs=EPOCHS, batch_size=B, num_steps=T, lr=lr, seed=seed, patience=EPOCHS)
    try:
        training.fit(model, parts[0], parts[1], **options)
    except training.TrainingDiverged:
        return math.inf, math.inf
    return training.evaluate(model, parts[1]), training.evaluate(model, parts[2])


def time_of_updates(device, h=128):
    """Median milliseconds for an update of each cell at equal h; the cells take turns."""
    clock = time.process_time if device == "cpu" else time.perf_counter
    X, Y = torch.randint(V, (2, B, T), device=device)
    models = {cell: LanguageModel(V, h, cell).to(device) for cell in CELLS}
    optimizers = {cell: torch.optim.SGD(model.parameters(), lr=0.1) for cell, model in models.items()}
    times = {cell: [] for cell in CELLS}
    for round in range(-3, ROUNDS):
        for cell, model in models.items():
            start = clock()
            bare_loop(model, optimizers[cell], [(X, Y)])
            if round >= 0:
                times[cell].append(1000 * (clock() - start))
    return {cell: median(values) for cell, values in times.items()}


if __name__ == "__main__":
    run({"speed": speed, "characters": characters, "choice": choice}, only_by_name=("characters", "choice"))
