"""Claims of the chapters: what they assert holds with other seeds, and every decimal of their prose has an origin."""

import csv
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import other_seeds
import prose_numbers
import pytest
import sections
import train_on_real_texts

ROOT = Path(__file__).resolve().parent.parent
CHAPTERS = sorted((ROOT / "book").glob("[01][0-9]_*.ipynb"))
STUDIES = sorted((ROOT / "book/studies").glob("*.ipynb"))


# Other seeds


def draws(seed, shift):
    """What is drawn in every way in which the book uses a seed."""
    code = f"""
import random, numpy as np, torch
from d2lrnn import grammar, runtime
generator = runtime.seed_everything({seed})
print(random.random(), np.random.rand(), torch.rand(1), torch.rand(1, generator=generator))
print(torch.rand(1, generator=torch.Generator().manual_seed({seed})), torch.manual_seed({seed}) and torch.rand(1))
print(grammar.sample(2, seed={seed}))
"""
    environment = os.environ | {"D2LRNN_SEED_SHIFT": str(shift)}
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True).stdout


def test_every_seed_is_shifted():
    assert draws(7, shift=1000) == draws(1007, shift=0)


def toy(path, *cells):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbformat.write(notebook, path)
    return path


def test_a_claim_that_holds_for_one_seed_only_is_reported_and_not_recorded(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(other_seeds, "SHIFTS", [1000])
    draw = "import torch; x = torch.rand(1, generator=torch.Generator().manual_seed(0)).item()"
    shaky = toy(tmp_path / "01_shaky.ipynb", draw, "assert 0.49 < x < 0.5", "1 / 0")
    sound = toy(tmp_path / "02_sound.ipynb", draw, "assert 0 <= x < 1")
    record = tmp_path / "record.json"
    assert other_seeds.main([shaky, sound], record, tmp_path / "executed") == 2
    said = capsys.readouterr().out
    assert "01_shaky.ipynb, seeds + 1000, cell 2: AssertionError" in said and "assert 0.49 < x < 0.5" in said
    assert "cell 3: ZeroDivisionError" in said and "02_sound.ipynb, seeds + 1000: holds" in said
    passed = other_seeds.read_record(record)
    assert list(passed) == ["02_sound"] and other_seeds.has_passed(sound, passed)
    assert (tmp_path / "executed/02_sound+1000.ipynb").exists()
    toy(sound, draw, "assert x < 1")
    assert not other_seeds.has_passed(sound, passed)


def test_prose_and_outputs_do_not_count_as_changes(tmp_path):
    path = toy(tmp_path / "01_toy.ipynb", "print(1)")
    before = other_seeds.code_hash(path)
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[0].outputs = [nbformat.v4.new_output("stream", text="1\n")]
    notebook.cells.append(nbformat.v4.new_markdown_cell("One."))
    nbformat.write(notebook, path)
    assert other_seeds.code_hash(path) == before


def test_every_notebook_holds_with_other_seeds_as_it_is():
    record = other_seeds.read_record()
    changed = [str(path.relative_to(ROOT)) for path in CHAPTERS + STUDIES if not other_seeds.has_passed(path, record)]
    assert not changed, f"not run with other seeds as they are: make other-seeds NOTEBOOKS='{' '.join(changed)}'"
    assert set(record) <= {path.stem for path in (ROOT / "book").rglob("*.ipynb")}, "a notebook that is gone"


# Numbers in the prose


def chapter(tmp_path, prose, output="0.1234 99.5\n", code="lr = 0.02  # not 0.07", **numbers):
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": "# Title\n\n## One"},
        {"cell_type": "code", "metadata": {}, "source": code, "outputs": [{"text": output}]},
        {"cell_type": "markdown", "metadata": {"numbers": numbers}, "source": prose},
    ]
    (tmp_path / "book").mkdir(exist_ok=True)
    path = tmp_path / "book/01_toy.ipynb"
    path.write_text(json.dumps({"cells": cells}))
    return prose_numbers.without_origin(path, tmp_path)


@pytest.mark.parametrize(
    "prose",
    [
        "The rate is 0.02, the loss 0.123 or 0.12; 12.34 %, 99.5 and 12.3 %.",
        "See exercise 1.4, [this](https://doi.org/10.1000/1.25), `f(0.9)` and $$ 0.7 $$.",
        "By (1.1). $$ x \\tag{1.1} $$",
        "Nothing.\n\n## References\n\n0.777",
    ],
)
def test_numbers_of_the_section_are_held(tmp_path, prose):
    assert chapter(tmp_path, prose) == []


@pytest.mark.parametrize(
    ("prose", "found"),
    [
        ("a loss of 0.124", ["0.124"]),
        ("a loss of 0.1233, and $x = 0.5$", ["0.1233", "0.5"]),
        ("a rate of 0.07", ["0.07"]),
        ("12.34 of them", ["12.34"]),
        ("a change of (1.1)", ["1.1"]),
        ("In short.\n\n## Two\n\nThe rate was 0.02.", ["0.02"]),
    ],
)
def test_other_numbers_are_found(tmp_path, prose, found):
    assert chapter(tmp_path, prose) == [f"cell 3: {number}" for number in found]


def test_an_origin_is_checked(tmp_path):
    (tmp_path / "benchmarks/results").mkdir(parents=True)
    table = tmp_path / "benchmarks/results/toy.csv"
    table.write_text("section,case,quantity,value\nspeed,GRU,ratio,0.4567\nspeed,LSTM,ratio,0.8\n")
    for origin, written in [
        ("sqrt(2) / 2", "0.707"),
        ("benchmarks/results/toy.csv: GRU", "0.46"),
        ("book/01_toy.ipynb", "0.123"),
        ("https://doi.org/10.1000/1", "0.41"),
    ]:
        prose = "## Two\n\n{} in [a work](https://doi.org/10.1000/1)."
        assert chapter(tmp_path, prose.format(written), **{written: origin}) == []
        wrong = f"{float(written) + 0.1:.3f}"
        if not origin.startswith("http"):
            assert chapter(tmp_path, prose.format(wrong), **{wrong: origin}) == [f"cell 3: {wrong} is not {origin}"]
    assert chapter(tmp_path, "0.80", **{"0.80": "benchmarks/results/toy.csv: GRU"}) != []
    assert chapter(tmp_path, "0.41", **{"0.41": "https://doi.org/10.1000/1"}) != []
    assert chapter(tmp_path, "nothing", **{"0.80": "4 / 5"}) == ["cell 3: 0.80 is in the metadata only"]


@pytest.mark.parametrize("path", CHAPTERS + STUDIES, ids=lambda path: path.stem)
def test_every_decimal_of_the_prose_has_an_origin(path):
    found = prose_numbers.without_origin(path)
    assert not found, f"{path.stem}: print it, or give its origin (tools/prose_numbers.py): " + "; ".join(found)


# Results of benchmarks


def test_a_benchmark_saves_its_results(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sections, "RESULTS", tmp_path / "results")

    def measured(value):
        return lambda: sections.record("GRU, n = 64", milliseconds=value)

    for arguments, value in (([], 1.5), (["one"], 2.5)):
        monkeypatch.setattr(sys, "argv", ["bench_toy.py", *arguments])
        sections.run({"one": measured(value), "two": measured(value)})
    with open(tmp_path / "results/toy.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["section"], row["value"]) for row in rows] == [("one", "2.5"), ("two", "1.5")]
    assert all(row["date"] and row["processor"] and row["cores"] and row["torch"] for row in rows)


def test_a_long_section_runs_only_by_name(tmp_path, monkeypatch):
    monkeypatch.setattr(sections, "RESULTS", tmp_path)
    ran = []
    for arguments in ([], ["long"]):
        monkeypatch.setattr(sys, "argv", ["bench_toy.py", *arguments])
        sections.run({"short": lambda: ran.append("short"), "long": lambda: ran.append("long")}, only_by_name=("long",))
    assert ran == ["short", "long"]


@pytest.mark.parametrize("script", sorted((ROOT / "benchmarks").glob("bench_*.py")), ids=lambda path: path.stem)
def test_every_benchmark_records_what_it_measures(script):
    assert "record(" in script.read_text(encoding="utf-8")


@pytest.mark.parametrize("table", sorted((ROOT / "benchmarks/results").glob("*.csv")), ids=lambda path: path.stem)
def test_results_name_the_machine_and_belong_to_a_benchmark(table):
    assert (ROOT / f"benchmarks/bench_{table.stem}.py").exists()
    with open(table, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert rows and all(all(row.values()) and math.isfinite(float(row["value"])) for row in rows)


@pytest.mark.parametrize("table", sorted(train_on_real_texts.DATA.glob("*.csv")), ids=lambda path: path.stem)
def test_a_run_on_a_real_text_is_recorded_once_and_names_its_machine(table):
    with open(table, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    _, runs = train_on_real_texts.STUDIES[table.stem]
    known = [{name: str(value) for name, value in run.items()} for run in runs]
    found = [{name: row[name] for name in known[0]} for row in rows]
    assert all(key in known and found.count(key) == 1 for key in found)
    assert all(all(row.values()) for row in rows)


def test_a_run_that_is_recorded_is_not_repeated(tmp_path, monkeypatch):
    monkeypatch.setattr(train_on_real_texts, "DATA", tmp_path)
    measured = []

    def measure(seed):
        measured.append(seed)
        return {"test": 1.5}

    for seeds in ([0], [0, 1]):
        monkeypatch.setitem(train_on_real_texts.STUDIES, "toy", (measure, [{"seed": seed} for seed in seeds]))
        train_on_real_texts.run("toy")
    assert measured == [0, 1]
    with open(tmp_path / "toy.csv", newline="") as file:
        assert [(row["seed"], row["test"]) for row in csv.DictReader(file)] == [("0", "1.5"), ("1", "1.5")]
