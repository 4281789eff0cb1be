"""What the benchmarks share: sections chosen by name, one thread, and a table of what was measured.

A benchmark `bench_NAME.py` calls `record` beside its prints. `run` writes that to results/NAME.csv, one row for each
number, with the date and the machine. A section that is run again replaces its rows; the others stay. Without names all
sections run but those that take long, or that need what not every machine has: `make bench` does so, in ten minutes.
"""

import csv
import os
import platform
import re
import sys
from datetime import date
from pathlib import Path

import torch

RESULTS = Path(__file__).with_name("results")
COLUMNS = ["section", "case", "quantity", "value", "date", "processor", "cores", "torch"]
_measured = []


def record(case, **values):
    """Note numbers for the table of results.

    Args:
        case: what was measured, for example "GRU, n = 64".
        values: the numbers, by what they are: `milliseconds=1.5`.
    """
    _measured.extend({"case": case, "quantity": name, "value": f"{value:.6g}"} for name, value in values.items())


def run(sections, only_by_name=()):
    """Run the sections named on the command line, or all others than `only_by_name`, and save what they record.

    Args:
        sections: dict from a name to a function without arguments.
        only_by_name: names of sections.
    """
    unknown = set(sys.argv[1:]) - set(sections)
    if unknown:
        sys.exit(f"unknown section {', '.join(sorted(unknown))}: choose among {', '.join(sections)}")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    path = RESULTS / f"{Path(sys.argv[0]).stem.removeprefix('bench_')}.csv"
    for name in sys.argv[1:] or [name for name in sections if name not in only_by_name]:
        _measured.clear()
        sections[name]()
        _save(path, name, sections)
        print(flush=True)


def _save(path, section, sections):
    machine = {"date": date.today().isoformat(), "processor": processor(), "cores": os.cpu_count()}
    rows = {name: [] for name in sections}
    if path.exists():
        with open(path, newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                rows.get(row["section"], []).append(row)
    rows[section] = [{"section": section, **row, **machine, "torch": torch.__version__} for row in _measured]
    path.parent.mkdir(exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows(row for part in rows.values() for row in part)


def processor():
    """The name of the processor, and no other name of the machine."""
    try:
        return re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())[1]
    except (OSError, TypeError):
        return platform.processor() or platform.machine()
