"""What `d2lrnn train` reaches by its defaults on real text, and in what time, with all of the machine's cores.

    python benchmarks/bench_command_line.py pairs          # English to French, three seeds, a quarter of an hour
    python benchmarks/bench_command_line.py time_machine   # The Time Machine by letters

The texts are looked for and downloaded as `d2lrnn.corpora` says. Nothing else should run meanwhile, so `make bench`
leaves both out.
"""

import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sections import record, run
from train_on_real_texts import NUM_PAIRS

from d2lrnn.corpora import load_pairs, load_text

SCORE = re.compile(r"^((?:test|validation) (?:BLEU|exact|perplexity).*?|.*BLEU|uniform|unigram|trigram)\s+([\d.]+)$")


def scores(output):
    """What the command has printed at its end: name to value."""
    return {found[1]: float(found[2]) for line in output.splitlines() if (found := SCORE.match(line))}


def train(text, *options):
    """Train on a text (str) by the command line's defaults: its scores, and "minutes"."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "text").write_text(text, encoding="utf-8")
        command = [sys.executable, "-m", "d2lrnn", "train", f"{folder}/text", *options, "--out", f"{folder}/model.pt"]
        start = time.perf_counter()
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            sys.exit(done.stderr)
        return scores(done.stderr) | {"minutes": (time.perf_counter() - start) / 60}


def pairs():
    text = "".join("\t".join(pair) + "\n" for pair in load_pairs("eng_fra", NUM_PAIRS))
    runs = [train(text, "--translate", "--seed", str(seed)) for seed in range(3)]
    for name in runs[0]:
        values = [one[name] for one in runs]
        print(f"{name:35} {statistics.mean(values):.3f}  ({min(values):.3f} to {max(values):.3f})")
        record(f"pairs, mean of three seeds, {name}", mean=statistics.mean(values), least=min(values), most=max(values))


def time_machine():
    for name, value in train(load_text("time_machine"), "--level", "letter").items():
        print(f"{name:35} {value:.3f}")
        record(f"time machine, {name}", value=value)


if __name__ == "__main__":
    sections = {"pairs": pairs, "time_machine": time_machine}
    run(sections, only_by_name=sections)
