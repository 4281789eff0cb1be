"""Run notebooks with other seeds: what they assert must hold with these too.

    python tools/other_seeds.py                                  all notebooks in book/ whose code has not passed yet
    python tools/other_seeds.py book/01_sequence_models.ipynb    one of them, whether it has passed or not

Each notebook runs once for each shift. All seeds, its own and the package's, are raised by the shift, so that seeds
that differ still differ. Outputs are not compared. A notebook in which no cell fails is recorded in
tests/other_seeds.json, with a hash of its code. The executed notebooks lie in _build/other_seeds: there one sees the
range of a number before one writes a sentence about it.
"""

import hashlib
import json
import os
import re
import resource
import sys
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from itertools import repeat
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parent.parent
RECORD = ROOT / "tests/other_seeds.json"
EXECUTED = ROOT / "_build/other_seeds"
SHIFTS = [1000, 2000, 3000]
QUIET = {"D2LRNN_QUIET": "1", "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}


def code_hash(path):
    """A hash of a notebook's code cells; prose, outputs and metadata do not count."""
    cells = json.loads(Path(path).read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    return hashlib.sha256("\0".join(code).encode()).hexdigest()[:16]


def has_passed(path, record):
    """Whether this code of the notebook has passed with every shift."""
    passed = record.get(Path(path).stem, {})
    return passed.get("code") == code_hash(path) and set(SHIFTS) <= set(passed["shifts"])


def read_record(path=RECORD):
    """What has passed: a dict from a notebook's name to its code's hash, the shifts and the date."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def failures(path, shift, executed=EXECUTED):
    """Run a notebook to its end, whatever fails on the way.

    Args:
        path: the .ipynb file; it is not changed.
        shift: what is added to every seed.
        executed: the folder in which the executed notebook is saved.

    Returns:
        list of str, one for each cell that raised.
    """
    notebook = nbformat.read(path, as_version=4)
    # Imported first, runtime shifts the seeds before anything can be drawn.
    notebook.cells.insert(0, nbformat.v4.new_code_cell("import d2lrnn.runtime"))
    folder = {"metadata": {"path": str(Path(path).parent)}}
    client = NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        extra_arguments=["--log-level=ERROR"],
        resources=folder,
        allow_errors=True,
    )
    client.execute(env=os.environ | QUIET | {"D2LRNN_SEED_SHIFT": str(shift)})
    del notebook.cells[0]
    executed.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, executed / f"{Path(path).stem}+{shift}.ipynb")
    found = []
    for number, cell in enumerate(notebook.cells, 1):
        for output in cell.get("outputs", []):
            if output.output_type == "error" and "raises-exception" not in cell.metadata.get("tags", []):
                traceback = re.sub(r"\x1b\[[\d;]*m", "", "\n".join(output.traceback))
                line = re.search(r"^-+> *\d+ *(.*)", traceback, re.M)
                where = f"{path}, seeds + {shift}, cell {number}"
                found.append(f"{where}: {output.ename} {output.evalue}\n    {line[1] if line else ''}")
    return found


def main(arguments, record_path=RECORD, executed=EXECUTED):
    """Run the notebooks, report what failed, record what passed; return the number of failed cells."""
    every, record = sorted((ROOT / "book").rglob("*.ipynb")), read_record(record_path)
    paths = [Path(a) for a in arguments] or [path for path in every if not has_passed(path, record)]
    if not paths:
        print("every notebook has passed with the code that it has")
        return 0
    runs = [(path, shift) for path in paths for shift in SHIFTS]
    arguments = *zip(*runs, strict=True), repeat(executed)
    codes = {path: code_hash(path) for path in paths}  # of what runs, should someone save a notebook meanwhile
    failed = []
    with ProcessPoolExecutor(max_workers=2) as pool:
        for (path, shift), found in zip(runs, pool.map(failures, *arguments), strict=True):
            print("\n".join(found) or f"{path}, seeds + {shift}: holds", flush=True)
            failed += [path] * len(found)
            if shift == SHIFTS[-1]:
                record = read_record(record_path)
                record.pop(path.stem, None)
                if path not in failed:
                    today = date.today().isoformat()
                    record[path.stem] = {"code": codes[path], "shifts": SHIFTS, "date": today}
                text = json.dumps(dict(sorted(record.items())), indent=1)
                record_path.write_text(text + "\n", encoding="utf-8")
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{len(runs)} runs, {(used.ru_utime + used.ru_stime) / 60:.0f} minutes of processor time")
    return len(failed)


if __name__ == "__main__":
    paths = sys.argv[1:]
    missing = [path for path in paths if not Path(path).is_file()]
    if missing:
        sys.exit(f"no such notebook: {', '.join(missing)}")
    sys.exit(1 if main(paths) else 0)
