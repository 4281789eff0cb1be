"""Chapter 15: what a layer costs over length and size, and the bottleneck with more of everything, in longer runs.

    python benchmarks/bench_layers.py [layers] [bottleneck]

One thread. Times are of processor time on the CPU and of wall-clock time on a GPU, the best of a few runs. About ten
minutes.
"""

import math
import time

import torch
from sections import record, run
from torch import nn
from torch.nn import functional as F

from d2lrnn import training
from d2lrnn.attention import scaled_dot_product
from d2lrnn.batches import pad, pair_batches
from d2lrnn.corpora import load_pairs
from d2lrnn.decoding import greedy
from d2lrnn.metrics import bleu
from d2lrnn.seq2seq import Seq2Seq, batch_loss
from d2lrnn.text import Tokenizer
from d2lrnn.translation import PairData, group_references, split_by_source

LENGTHS, SIZES, WIDTH = (16, 64, 256, 1024, 2048), (16, 64, 256, 512), 3


class Convolution(nn.Conv1d):
    """(B, n, d) to (B, n, d): each output reads WIDTH inputs, up to its own, that stand gap apart."""

    def __init__(self, d, gap=1):
        super().__init__(d, d, WIDTH, dilation=gap)
        self.before = gap * (WIDTH - 1)

    def forward(self, X):
        return super().forward(F.pad(X.transpose(1, 2), (self.before, 0))).transpose(1, 2)


class Recurrence(nn.GRU):
    def forward(self, X):
        return super().forward(X)[0]


class SelfAttention(nn.Module):
    """One head; `fused` leaves the product and the softmax to torch, which does not keep the weights."""

    def __init__(self, d, fused=False):
        super().__init__()
        self.W_qkv, self.W_o = nn.Linear(d, 3 * d, bias=False), nn.Linear(d, d, bias=False)
        self.fused = fused

    def forward(self, X):
        Q, K, V = self.W_qkv(X).chunk(3, dim=2)
        if self.fused:  # torch is fast only with an axis for heads
            return self.W_o(F.scaled_dot_product_attention(Q[:, None], K[:, None], V[:, None])[:, 0])
        return self.W_o(scaled_dot_product(Q, K, V)[0])


def num_layers(n):
    """How many dilated convolutions let the last output depend on the first input."""
    return math.ceil(round(math.log(n, WIDTH), 9))


def make(d, n):
    return {
        "convolution": Convolution(d),
        "stack of convolutions": nn.Sequential(*[Convolution(d, WIDTH**i) for i in range(num_layers(n))]),
        "GRU": Recurrence(d, d, batch_first=True),
        "self-attention": SelfAttention(d),
        "self-attention, fused": SelfAttention(d, fused=True),
    }


CONNECTING = ("stack of convolutions", "GRU", "self-attention", "self-attention, fused")


def multiplications(name, n, d):
    if name == "convolution":
        return WIDTH * n * d**2
    if name == "stack of convolutions":
        return num_layers(n) * WIDTH * n * d**2
    return 6 * n * d**2 if name == "GRU" else 4 * n * d**2 + 2 * n**2 * d


def best_time(work, device, rounds=3):
    clock, best = (time.process_time if device == "cpu" else time.perf_counter), math.inf
    for _ in range(rounds + 1):  # the first one warms up
        start = clock()
        work()
        if device == "cuda":
            torch.cuda.synchronize()
        best = min(best, clock() - start)
    return best


def kept_numbers(layer, X):
    """How many numbers the forward pass keeps for the backward pass, without the layer's own parameters."""
    kept = {}

    def note(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        layer(X)
    own = {p.untyped_storage().data_ptr() for p in layer.parameters()}
    return sum(t.untyped_storage().nbytes() // 4 for place, t in kept.items() if place not in own)


def exponent(x, y):
    """The slope of log y over log x by least squares, and its standard error."""
    x, y = (torch.tensor(values, dtype=torch.float64).log() for values in (x, y))
    x = x - x.mean()
    slope = (x * y).sum() / x.square().sum()
    rest = y - y.mean() - slope * x
    return slope.item(), (rest.square().sum() / (len(x) - 2) / x.square().sum()).sqrt().item()


def layers():
    for device in ["cpu"] + ["cuda"] * torch.cuda.is_available():
        for B in (1, 16):
            measure(device, B)


def measure(device, B):
    forward, both, kept = {}, {}, {}
    for d in SIZES:
        for n in LENGTHS:
            if B * n * max(n, 4 * d) > 20_000_000 and device == "cpu":
                continue
            X = torch.randn(B, n, d, device=device)
            for name, layer in make(d, n).items():
                layer = layer.to(device)
                with torch.no_grad():
                    forward[name, n, d] = best_time(lambda layer=layer, X=X: layer(X), device)
                both[name, n, d] = best_time(lambda layer=layer, X=X: layer(X).sum().backward(), device)
                kept[name, n, d] = kept_numbers(layer, X)
    print(f"layers: batch {B}, {device}; exponents of multiplications, forward, forward and backward, kept numbers")
    for axis, at in (("n", 64), ("d", 256)):
        for name in make(4, 4):
            chosen = [key for key in forward if key[0] == name and key[2 if axis == "n" else 1] == at]
            chosen = [key for key in chosen if axis == "d" or key[1] >= 64]
            x = [key[1 if axis == "n" else 2] for key in chosen]
            line = f"  {axis}, at {'d' if axis == 'n' else 'n'} = {at}: {name:<22}"
            counted = exponent(x, [multiplications(*key) for key in chosen])[0]
            measured = [exponent(x, [table[key] for key in chosen]) for table in (forward, both, kept)]
            print(line + f"{counted:6.2f}" + "".join(f"{slope:8.2f} ± {error:.2f}" for slope, error in measured))
            slopes = dict(zip(("forward", "both", "kept"), (slope for slope, _ in measured), strict=True))
            record(f"exponent of {axis}, batch {B}, {device}, {name}", multiplications=counted, **slopes)
    print("  fastest way to connect n positions, forward / forward and backward (milliseconds)")
    for d in SIZES:
        for n in LENGTHS:
            if ("GRU", n, d) in forward:
                line = f"   d {d:4d}  n {n:5d}  fewest multiplications: "
                line += f"{min(CONNECTING[:3], key=lambda name: multiplications(name, n, d)):<22}"
                for table in (forward, both):
                    best = min(CONNECTING, key=lambda name: table[name, n, d])
                    line += f"  {best:<22}{1e3 * table[best, n, d]:9.3f} (GRU {1e3 * table['GRU', n, d]:9.3f})"
                print(line, flush=True)
    for name, n, d in forward:
        times = {"milliseconds_forward": forward, "milliseconds_both": both}
        case = f"batch {B}, {device}, d = {d}, n = {n}, {name}"
        record(case, **{quantity: 1e3 * table[name, n, d] for quantity, table in times.items()})


BINS = ((3, 5), (6, 8), (9, 11), (12, 14), (15, 17), (18, 99))


def bottleneck():
    print("bottleneck: BLEU of chapter 15's models on its 1,000 held-out sentences, by source length")
    print(f"  {'':<38}" + "".join(f"{low:>4}–{high:<3}" for low, high in BINS) + "    all")
    train, held_out = split_by_source(load_pairs("grammar", 7_000), 1_000)
    sources = {source for source, _ in held_out}
    more = [pair for pair in load_pairs("grammar", 28_000) if pair[0] not in sources]
    report("fixed, as in the chapter", train, held_out, None, 72, 3)
    report("fixed, 4 times the epochs", train, held_out, None, 72, 12)
    report("fixed, 192 units", train, held_out, None, 192, 3, lr=0.007)
    report("fixed, 4 times the pairs", more, held_out, None, 72, 3)
    report("dot, as in the chapter", train, held_out, "dot", 64, 3)
    report("additive", train, held_out, "additive", 64, 3)
    report("dot, 4 times the pairs", more, held_out, "dot", 64, 3)


def report(name, train, held_out, attention, hidden_size, epochs, lr=0.015, seed=0):
    data = PairData(train, target_tokenizer=Tokenizer(elision=True))
    ids = data.encode(train)
    torch.manual_seed(seed)
    sizes = len(data.source_vocab), len(data.target_vocab), hidden_size
    model = Seq2Seq(*sizes, embedding_size=48, bidirectional=True, attention=attention)
    setting = dict(num_epochs=epochs, lr=lr, schedule=lambda epoch: 1 - (epoch - 1) / epochs, seed=seed)
    clock = time.process_time()
    training.fit_batches(model, lambda g: pair_batches(*ids, 64, data.pad_id, g), batch_loss, **setting)
    clock = time.process_time() - clock
    sources, translations = group_references(held_out)
    references = [[data.target_tokenizer(text) for text in group] for group in translations]
    source, lengths = pad(data.encode_sources(sources), data.pad_id)
    model.eval()
    with torch.no_grad():
        state = model.start(source, lengths)
    written = greedy(model.step, state, data.bos_id, data.eos_id, 45)
    candidates = [data.target_vocab.to_tokens([i for i in h.tokens if i != data.eos_id]) for h in written]
    line = f"  {name:<30}{clock:5.0f} s  "
    for low, high in (*BINS, (0, 99)):
        rows = [i for i, n in enumerate((lengths - 1).tolist()) if low <= n <= high]
        score = bleu([candidates[i] for i in rows], [references[i] for i in rows])
        line += f"{score:8.3f}"
        record(f"{name}, " + (f"{low} to {high} tokens" if low else "all"), bleu=score)
    print(line, flush=True)


if __name__ == "__main__":
    run({"layers": layers, "bottleneck": bottleneck})
