"""The live figures: how fast their engine trains, beside torch, and how long a reader waits for an answer.

    python benchmarks/bench_live.py [batch_1] [batch_16] [answers]

*batch_1, batch_16*: the engine under Node beside torch, training small recurrent networks. One thread. Hidden 64,
28 symbols, 32 steps: forward, backward, clipping, Adam, the state carried on. Speeds are tokens per second of
processor time, so that other programs disturb little; the sides take turns and the median round counts.
karpathy/recurrentjs trains such networks with batch 1 under Node, on one core of the machine this book was made on, at
6,800 tokens/s (RNN) and 1,800 (LSTM); wanted are five times that.

*answers*: the built site in headless Chromium. From a move of a control, or a letter typed, to the next frame that is
drawn: the median and the largest of 40, in milliseconds. Wanted are 50.
"""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import torch
from playwright.sync_api import sync_playwright
from sections import record, run
from torch import nn
from torch.nn import functional as F

from d2lrnn import live
from d2lrnn.layers import CELLS

V, h, T, ROUNDS = 28, 64, 32, 7
UPDATES = {1: 100, 16: 20}  # of each turn, by the batch size

# Reads the engine and the batch size, then makes some updates for each line and answers with the seconds they took.
NODE = """
import { createInterface } from "node:readline";
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const ask = async () => (await lines.next()).value;
const engine = await import("data:text/javascript," + encodeURIComponent(JSON.parse(await ask())));
const { cell, B, V, h, T, updates, ids, Float } = JSON.parse(await ask());
const net = engine.network({ cell, D: V, h, q: V }, { Float: globalThis[Float] });
const batches = engine.textBatches(Int32Array.from(ids), B, T);
const training = engine.train(net, batches, { optimizer: "adam", lr: 0.001, theta: 1 });
while (await ask()) {
  const start = process.cpuUsage();
  for (let i = 0; i < updates; i++) training.next();
  const { user, system } = process.cpuUsage(start);
  console.log((user + system) / 1e6);
}
"""


def engine_side(cell, B, ids, number):
    """A function that makes some updates in a Node process of its own and returns the seconds they took."""
    command = ["node", "--input-type=module", "--eval", NODE]
    node = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")
    settings = {"cell": cell, "B": B, "V": V, "h": h, "T": T, "ids": ids.tolist(), "Float": number}
    settings["updates"] = UPDATES[B]
    print(json.dumps(live.ENGINE), json.dumps(settings), sep="\n", file=node.stdin, flush=True)

    def work():
        print("on", file=node.stdin, flush=True)
        return float(node.stdout.readline())

    return work


def torch_side(cell, B, ids):
    layer, linear = CELLS[cell](V, h), nn.Linear(h, V)
    parameters = [*layer.parameters(), *linear.parameters()]
    optimizer, state = torch.optim.Adam(parameters, lr=0.001), None
    X, Y = ids[: T * B].view(T, B), ids[1 : T * B + 1].view(T, B)

    def update():
        nonlocal state
        H, last = layer(F.one_hot(X, V).float(), state)
        state = tuple(part.detach() for part in last) if cell == "lstm" else last.detach()
        loss = F.cross_entropy(linear(H).flatten(0, 1), Y.flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        loss.item()

    def work():
        start = time.process_time()
        for _ in range(UPDATES[B]):
            update()
        return time.process_time() - start

    return work


def speed(B):
    if not shutil.which("node"):
        sys.exit("this benchmark needs Node: install it from your system's packages (nodejs)")
    print(f"batch {B}: tokens per second of processor time, and as a share of torch's")
    ids = torch.randint(V, (4 * B * T + 1,))
    for cell in CELLS:
        sides = {
            f"{cell}, torch": torch_side(cell, B, ids),
            f"{cell}, engine, 64 bits": engine_side(cell, B, ids, "Float64Array"),
            f"{cell}, engine, 32 bits": engine_side(cell, B, ids, "Float32Array"),
        }
        rates = {name: [] for name in sides}
        for round in range(-3, ROUNDS):
            for name, work in sides.items():
                rate = UPDATES[B] * B * T / work()
                if round >= 0:  # the first rounds warm up
                    rates[name].append(rate)
        first = median(rates[f"{cell}, torch"])
        for name, values in rates.items():
            print(f"  {name:<24}{median(values):>10,.0f}   {median(values) / first:.2f}")
            record(name, tokens_per_second=median(values), of_torch=median(values) / first)


SITE = Path(__file__).parent.parent / "_build/html/book"
# A page, a figure, and which of its inputs is moved.
MOVED = {
    "eigenvalues": ("07_vanishing_and_exploding_gradients", "eigenvalues_by_hand", "input[type=range]"),
    "your sentence, letter": ("08_lstm", "your_sentence_08", "input[type=range]"),
    "your sentence, typing": ("08_lstm", "your_sentence_08", "textarea"),
    "translate, alpha": ("14_beam_search", "translate_14", "input[type=range]:last-of-type"),
    "translate, typing": ("14_beam_search", "translate_14", "textarea"),
}
# Live figures come when the reader is near.
WAKE = """async () => {
    for (let next; (next = document.querySelector(".page-widget.waiting")); ) {
        next.scrollIntoView();
        await new Promise((come) => setTimeout(come, 50));
    }
}"""
# In the page: 40 moves, and for each the milliseconds until the frame after it is drawn. A long text is typed on.
MOVE = """async (input) => {
    const { min, max, value } = input, found = [];
    for (let i = 0; i < 40; i++) {
        const start = performance.now();
        input.value = input.type === "range" ? +min + ((max - min) * i) / 39 : value + " and the lamp".slice(0, i % 13);
        input.dispatchEvent(new Event("input", { bubbles: true }));
        await new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn)));
        found.push(performance.now() - start);
    }
    return found;
}"""


def answers():
    print("milliseconds until a reader sees the answer: median, largest")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name, (page_name, figure, control) in MOVED.items():
            page = chromium.new_page(viewport={"width": 390, "height": 844})
            page.goto((SITE / f"{page_name}.html").as_uri())
            page.evaluate(WAKE)
            input = page.locator(f'figure[data-name="{figure}"]').locator(control).first
            input.scroll_into_view_if_needed()
            found = input.evaluate(MOVE)
            print(f"  {name:<24}{median(found):>8.1f}{max(found):>8.1f}")
            record(name, median_milliseconds=median(found), largest_milliseconds=max(found))
            page.close()
        chromium.close()


if __name__ == "__main__":
    sections = {"batch_1": lambda: speed(1), "batch_16": lambda: speed(16), "answers": answers}
    run(sections, only_by_name=("answers",) if shutil.which("node") else sections)
