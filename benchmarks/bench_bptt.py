"""Backpropagation through time by hand beside autograd: time, memory and error.

    python benchmarks/bench_bptt.py [time] [memory] [error]

One thread. Time and memory: float32, hidden size 128, batch 16, 32 inputs and 32 classes, cross-entropy over all
steps. Times are of processor time, so that other programs disturb little; the sides take turns and the median round
counts.
"""

import time
import weakref
from statistics import median

import torch
from sections import record, run
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from d2lrnn import cells, gradients

D, h, q, B, TAU = 32, 128, 32, 16, 32
LENGTHS = [16, 32, 64, 128, 256, 512, 1024]


def example(T):
    params = cells.init_rnn_params(D, h, q, scale=0.05)
    return torch.randn(T, B, D), torch.randint(q, (T, B)), params


def by_autograd(inputs, targets, params):
    outputs, _ = cells.rnn(inputs, None, params)
    loss = F.cross_entropy(outputs.flatten(0, 1), targets.flatten())
    return loss, dict(zip(params, torch.autograd.grad(loss, list(params.values())), strict=True))


def by_hand(inputs, targets, params):
    return gradients.bptt(inputs, targets, None, params)


def truncated(inputs, targets, params):
    xi = gradients.regular_truncation(len(inputs), TAU)
    return gradients.truncated_bptt(inputs, targets, None, params, xi)


SIDES = {"autograd": by_autograd, "by hand": by_hand, f"truncated, τ = {TAU}": truncated}


def slope(lengths, values):
    """The exponent p of values ∝ T^p: the least-squares line through the logarithms."""
    x, y = torch.tensor(lengths).double().log(), torch.tensor(values).double().log()
    x = x - x.mean()
    return ((x * y).sum() / (x * x).sum()).item()


def table(title, quantity, rows, number):
    """One row for each T and a last one with the exponents."""
    print(f"  {'T':>5}" + "".join(f"{name:>20}" for name in SIDES) + title)
    for T, values in zip(LENGTHS, rows, strict=True):
        for name, value in zip(SIDES, values, strict=True):
            record(f"{name}, T = {T}", **{quantity: value})
        print(f"  {T:>5}" + "".join(f"{number(value):>20}" for value in values) + f"{values[1] / values[0]:>20.2f}")
    whole = [slope(LENGTHS, column) for column in zip(*rows, strict=True)]
    tail = [slope(LENGTHS[2:], column[2:]) for column in zip(*rows, strict=True)]
    for label, exponents in (("p", whole), ("p*", tail)):
        print(f"  {label:>5}" + "".join(f"{p:>20.2f}" for p in exponents))
    for name, p, p_of_tail in zip(SIDES, whole, tail, strict=True):
        record(name, exponent=p, exponent_from_64_on=p_of_tail)


def measure_time():
    print("time: forward and backward, milliseconds of processor time; grows as T^p, and as T^p* from T = 64 on")
    rows = []
    for T in LENGTHS:
        inputs, targets, params = example(T)
        times = {name: [] for name in SIDES}
        for round in range(-1, max(7, 2048 // T)):
            for name, side in SIDES.items():
                start = time.process_time()
                side(inputs, targets, params)
                if round >= 0:  # the first round warms up
                    times[name].append(1000 * (time.process_time() - start))
        rows.append([median(values) for values in times.values()])
    table(f"{'by hand / autograd':>20}", "milliseconds", rows, lambda milliseconds: f"{milliseconds:.2f}")


class Meter(TorchDispatchMode):
    """Counts the bytes of all tensors that are made inside `with Meter() as meter` and still alive, and their peak."""

    def __enter__(self):
        self.alive = self.peak = 0
        self.known = set()
        return super().__enter__()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        given = {t.untyped_storage()._cdata for t in tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)}
        result = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor):
                storage = tensor.untyped_storage()
                if storage._cdata not in self.known | given:  # views share the storage of what they look at
                    self.known.add(storage._cdata)
                    self.alive += storage.nbytes()
                    weakref.finalize(storage, self.free, storage._cdata, storage.nbytes())
        self.peak = max(self.peak, self.alive)
        return result

    def free(self, key, num_bytes):
        self.known.discard(key)
        self.alive -= num_bytes


def peak_bytes(work):
    """The most bytes that tensors made by work() held at any time; what existed before does not count."""
    with Meter() as meter:
        result = work()
    del result
    return meter.peak


def measure_memory():
    print("memory: the most kilobytes that tensors made on the way held at once (inputs and targets not counted);")
    print("  targets: by hand linear in T, truncated flat from two segments on, but for the T factors (8 bytes each)")
    rows = []
    for T in LENGTHS:
        inputs, targets, params = example(T)
        rows.append([peak_bytes(lambda side=side: side(inputs, targets, params)) for side in SIDES.values()])  # noqa: B023
    table(f"{'by hand / autograd':>20}", "bytes", rows, lambda num_bytes: f"{num_bytes / 1000:.0f}")


def measure_error():
    print("error: the largest difference from autograd in any number of any gradient, by hand, float64; target ≤ 1e-10")
    print("  500 random networks each: sizes 1 to 6, weights of scale 0.5, both losses, with and without truncation")
    for activation, (phi, _) in gradients.ACTIVATIONS.items():
        errors = [error_of_random_network(activation, phi, case) for case in range(500)]
        print(f"  {activation:<10}{max(errors):.1e}")
        record(activation, largest_error=max(errors))


def error_of_random_network(activation, phi, case):
    T, B, D, h, q = torch.randint(1, 7, (5,)).tolist()
    shapes = {"W_xh": (D, h), "W_hh": (h, h), "b_h": (h,), "W_hq": (h, q), "b_q": (q,)}
    params = {name: (0.5 * torch.randn(shape).double()).requires_grad_() for name, shape in shapes.items()}
    inputs = torch.randn(T, B, D).double().requires_grad_()
    H = state = torch.randn(B, h).double().requires_grad_()
    xi = gradients.randomised_truncation(T, 0.5) if case % 2 else torch.ones(T)
    outputs = []
    for X_t, xi_t in zip(inputs, xi, strict=True):
        O_t, H = cells.rnn_step(X_t, xi_t * H + (1 - xi_t) * H.detach(), params, phi)
        outputs.append(O_t)
    outputs = torch.stack(outputs)
    if case % 4 < 2:
        loss, targets = "cross_entropy", torch.randint(q, (T, B))
        value = F.cross_entropy(outputs.flatten(0, 1), targets.flatten())
    else:
        loss, targets = "mse", torch.randn(T, B, q).double()
        value = F.mse_loss(outputs, targets)
    theirs = torch.autograd.grad(value, [*params.values(), inputs, state])
    _, ours, _ = gradients.bptt(inputs, targets, state, params, loss, activation, xi)
    return max((a - b).abs().max().item() for a, b in zip(ours.values(), theirs, strict=True))


if __name__ == "__main__":
    run({"time": measure_time, "memory": measure_memory, "error": measure_error})
