"""What a second process saves, and what more of them would: computation and communication of one training step.

    python benchmarks/bench_processes.py

A step of P processes, each on B/P rows, takes

    t(P) = a + b B/P + 2 (P − 1) (2 latency + bytes / (P · bandwidth)),

where a + b B is the time that one process needs for B rows, and the rest is that of a ring in which each process passes
on parts of the gradients, 2 (P − 1) times; the loss, a single number, goes round by itself. a and b come from one
process with B and B/2 rows, latency and bandwidth from two processes that only exchange numbers. The time of a training
step of two processes was not used: it checks the rest.
"""

import json
import os
import subprocess
import sys
import time

import torch
from sections import record, run
from torch import distributed

from d2lrnn import processes
from d2lrnn.language_model import LanguageModel
from d2lrnn.training import fit

V, T, UPDATES, EPOCHS = 64, 32, 8, 6
CASES = [(256, 16), (256, 64), (512, 16), (512, 64)]  # hidden units and rows
SMALL, LARGE = 2, 4_000_000  # numbers that are exchanged
MORE = 4, 8, 16


def step_seconds(hidden, batch_size):
    """The best epoch counts, since other programs can only make one slower. The first one starts up."""
    torch.manual_seed(0)
    ids = torch.randint(V, (batch_size * T * UPDATES + T,))
    history = fit(
        LanguageModel(V, hidden, "lstm"),
        ids,
        batch_size=batch_size,
        num_steps=T,
        sampling="sequential",
        num_epochs=EPOCHS,
        lr=0.001,
    )
    seconds = history.attrs["seconds"]
    return min(after - before for before, after in zip(seconds[:-1], seconds[1:], strict=True)) / UPDATES


def exchange_seconds(numbers, repetitions=20):
    tensor, times = torch.ones(numbers), []
    for _ in range(repetitions):
        processes.wait()
        start = time.perf_counter()
        distributed.all_reduce(tensor)
        times.append(time.perf_counter() - start)
    return min(times)


def work():
    """What each process does; the first one prints what it measured."""
    torch.set_num_threads(1)
    with processes.joined():
        two = processes.size() > 1
        found = {"steps": [step_seconds(h, B // part) for h, B in CASES for part in ((1,) if two else (1, 2))]}
        if two:
            found["exchange"] = [exchange_seconds(numbers) for numbers in (SMALL, LARGE)]
        if processes.rank() == 0:
            print(json.dumps(found))


def measured(number):
    command = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={number}", __file__]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(output.splitlines()[-1])


def scaling():
    alone, together = measured(1)["steps"], measured(2)
    latency, large = (seconds / 2 for seconds in together["exchange"])  # 2 (P − 1) = 2 messages, each of half of it
    bandwidth = 4 * LARGE / 2 / (large - latency)
    print(f"all-reduce of two: latency {1e3 * latency:.2f} ms, {bandwidth / 1e9:.2f} GB/s")
    record("exchange", latency_milliseconds=1e3 * latency, gigabytes_per_second=bandwidth / 1e9)
    for (h, B), whole, half, two in zip(CASES, alone[::2], alone[1::2], together["steps"], strict=True):
        size = 4 * sum(p.numel() for p in LanguageModel(V, h, "lstm").parameters())
        b = 2 * (whole - half) / B
        a = whole - b * B

        def step(P, a=a, b=b, B=B, size=size):
            return a + b * B / P + 2 * (P - 1) * (2 * latency + size / P / bandwidth)

        case = f"h = {h}, B = {B}"
        print(
            f"{case}: {1e3 * whole:.1f} ms alone, {1e3 * half:.1f} ms for half of the rows, {size / 1e6:.1f} MB; two: "
            f"{1e3 * two:.1f} ms, {whole / two:.2f} times as fast, worked out {whole / step(2):.2f}; "
            + ", ".join(f"{P}: {whole / step(P):.2f}" for P in MORE)
        )
        record(
            case,
            megabytes=size / 1e6,
            alone_milliseconds=1e3 * whole,
            half_milliseconds=1e3 * half,
            two_milliseconds=1e3 * two,
            speedup_of_2=whole / two,
            worked_out_2=whole / step(2),
            **{f"worked_out_{P}": whole / step(P) for P in MORE},
        )


if __name__ == "__main__":
    work() if "RANK" in os.environ else run({"scaling": scaling})
