"""The study of what a sequence layer costs, over more lengths and sizes.

    python benchmarks/bench_layers.py [growth] [layers]

One thread. Times are of processor time on the CPU and of wall-clock time on a GPU, the best of a few runs. *growth*
lets the length, the size and the batch grow, one at a time; *layers* takes all pairs of length and size, about ten
minutes.
"""

import math
import time

import torch
from sections import record, run
from torch import nn
from torch.nn import functional as F

from d2lrnn.attention import scaled_dot_product

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


# Where each of them is while another one grows, and where it grows to.
AT = {"n": 128, "d": 128, "B": 8}
GROWING = {"n": (32, 64, 128, 256, 512, 1024), "d": (32, 64, 128, 256), "B": (1, 2, 4, 8, 16, 32)}


def growth():
    print("growth: milliseconds forward and backward, megabytes kept for the backward pass")
    for axis, values in GROWING.items():
        for value in values:
            sizes = AT | {axis: value}
            X = torch.randn(sizes["B"], sizes["n"], sizes["d"])
            for name, layer in make(sizes["d"], sizes["n"]).items():
                milliseconds = 1e3 * best_time(lambda layer=layer, X=X: layer(X).sum().backward(), "cpu")
                megabytes = 4 * kept_numbers(layer, X) / 1e6
                print(f"  {axis} = {value:<5} {name:<22}{milliseconds:9.2f}{megabytes:9.2f}", flush=True)
                record(f"{axis} = {value}, {name}", milliseconds=milliseconds, megabytes=megabytes)


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


if __name__ == "__main__":
    run({"growth": growth, "layers": layers}, only_by_name=("layers",))
