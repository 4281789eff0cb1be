"""What one reader's kernel needs to run a chapter from top to bottom: processor time and memory, one thread.

A teacher plans a class with it: CONTRIBUTING.md, "A class of hundreds".
"""

import json
import os
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from sections import record, run

BOOK = Path(__file__).resolve().parent.parent / "book"
USED = """\
import json, resource, sys
used = resource.getrusage(resource.RUSAGE_SELF)
unit = 1e6 if sys.platform == "darwin" else 1e3
print(json.dumps([used.ru_utime + used.ru_stime, used.ru_maxrss / unit]))"""


def measure(path):
    """Run a notebook, and record what its kernel has used at the end."""
    os.environ["OMP_NUM_THREADS"] = "1"
    notebook = nbformat.read(path, as_version=4)
    last = nbformat.v4.new_code_cell(USED)
    notebook.cells.append(last)
    NotebookClient(notebook, timeout=1800, resources={"metadata": {"path": path.parent}}).execute()
    seconds, megabytes = json.loads(last.outputs[0].text)
    print(f"{path.stem:40} {seconds:6.0f} s of processor time   {megabytes:6.0f} MB at most")
    record(path.stem, processor_seconds=seconds, peak_megabytes=megabytes)


if __name__ == "__main__":
    run({path.stem: lambda path=path: measure(path) for path in sorted(BOOK.glob("[01][0-9]_*.ipynb"))})
