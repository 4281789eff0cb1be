"""A text of 100 MB beside one of 1 MB: memory, speed, and what reading it takes.

    python benchmarks/bench_streams.py [characters] [words]

The texts are made of the sentences of the book's story in random order, in which every third word gets one of some
endings, so that there are more than 50,000 different words. Memory is what the process holds for itself (RssAnon of
Linux): pages of a mapped file are not counted, since the system takes them back when memory is short.
"""

import json
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path

import torch
from sections import record, run

from d2lrnn import recipes
from d2lrnn.corpora import load_text
from d2lrnn.training import epochs

ENDINGS = ["", "a", "an", "ar", "ath", "e", "el", "en", "eth", "ik", "in", "ol", "on", "or", "u", "un", "ur", "yth"]
SIZES = {"1 MB": 1, "100 MB": 100}
UPDATES, ROUNDS = {"char": 40, "word": 4}, 5


def write_text(path, megabytes):
    generator = random.Random(0)
    sentences = [sentence.split() for sentence in re.split(r"(?<=[.!?])\s+", load_text("story"))]
    with open(path, "w", encoding="utf-8") as file:
        written = 0
        while written < megabytes * 1_000_000:
            words = [
                word + generator.choice(ENDINGS) if word.isalpha() and generator.random() < 1 / 3 else word
                for word in generator.choice(sentences)
            ]
            written += file.write(" ".join(words) + "\n")


def anonymous_megabytes():
    return int(re.search(r"RssAnon:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1000


@contextmanager
def watched(peak):
    """While the `with` runs, peak["megabytes"] is the most memory that was held beyond what was held before."""
    before, done = anonymous_megabytes(), threading.Event()

    def watch():
        while not done.wait(0.02):
            peak["megabytes"] = max(peak.get("megabytes", 0), anonymous_megabytes() - before)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def job_of(path, level):
    job = recipes.text_job(
        [path], level=level, hidden=256, batch_size=16, num_steps=32, num_epochs=ROUNDS, lr=0.001, seed=0, patience=None
    )
    data = job.data
    few = replace(
        data, batches=lambda generator: islice(data.batches(generator), UPDATES[level]), held_out_perplexity=None
    )
    return replace(job, data=few)


def work(path, level):
    """In a process of its own: memory of reading, of training with a checkpoint, and of the scores."""
    torch.set_num_threads(1)
    found = {}
    peak, start = {}, time.perf_counter()
    with watched(peak):
        job = job_of(path, level)
    found |= {"reading_megabytes": peak["megabytes"], "reading_seconds": time.perf_counter() - start}
    found["vocabulary"] = job.model.vocab_size
    peak = {}
    with watched(peak), tempfile.TemporaryDirectory() as folder:
        settings = replace(job.settings, num_epochs=1, checkpoint=Path(folder, "checkpoint"))
        list(epochs(job.model, job.data, settings))
        job.save(Path(folder, "model.pt"))
    found["training_megabytes"] = peak["megabytes"]
    peak = {}
    with watched(peak):
        job.baselines()
    found["baselines_megabytes"] = peak["megabytes"]
    print(json.dumps(found))


def measured(level):
    """Each size by itself for its memory, then both in turns for the speed."""
    with tempfile.TemporaryDirectory() as folder:
        paths = {name: Path(folder, f"{megabytes}.txt") for name, megabytes in SIZES.items()}
        for name, path in paths.items():
            write_text(path, SIZES[name])
            command = [sys.executable, __file__, "measure", str(path), level]
            output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            found = json.loads(output.splitlines()[-1])
            print(f"{name}, {level}: " + ", ".join(f"{key} {value:,.1f}" for key, value in found.items()))
            record(f"{name}, {level}", **found)
        if level == "char":  # with words, the longer text has a larger vocabulary, which slows training down
            compare_speeds(paths)


def compare_speeds(paths):
    jobs = {name: job_of(path, "char") for name, path in paths.items()}
    running = {name: epochs(job.model, job.data, job.settings) for name, job in jobs.items()}
    seconds = {name: [] for name in jobs}
    for _ in range(ROUNDS):
        for name, rows in running.items():
            start = time.perf_counter()
            next(rows)
            seconds[name].append(time.perf_counter() - start)
    speeds = {name: UPDATES["char"] * 16 * 32 / min(times) for name, times in seconds.items()}
    ratio = speeds["100 MB"] / speeds["1 MB"]
    print(", ".join(f"{name} {speed:,.0f} tokens/s" for name, speed in speeds.items()), f"ratio {ratio:.2f}")
    for name, speed in speeds.items():
        record(f"{name}, char", tokens_per_second=speed)
    record("speed of 100 MB over 1 MB", ratio=ratio)


if __name__ == "__main__":
    if sys.argv[1:2] == ["measure"]:
        work(*sys.argv[2:])
    else:
        run({"characters": lambda: measured("char"), "words": lambda: measured("word")}, only_by_name=("words",))
