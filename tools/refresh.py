"""Run notebooks and save their outputs in a form that does not change from run to run.

    python tools/refresh.py                                  all notebooks in book/
    python tools/refresh.py book/01_sequence_models.ipynb    one of them

A notebook is written only if every cell ran without an error and without a word on stderr.
A cell tagged `keep-output` is run, but keeps the outputs it has: a measured speed would differ each time, and a
real text may not be on this machine. To renew them, clear the cell's outputs first.
Figures are saved without the script that draws them and without the trained networks that some of them read: the site
has both once, and a cell that is run brings its own.
"""

import base64
import hashlib
import io
import json
import os
import re
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from PIL import Image

STATE = "application/vnd.jupyter.widget-state+json"
VIEW = "application/vnd.jupyter.widget-view+json"
# Saved in the place of a figure's script. JupyterLab shows it where a notebook is trusted but has not been run; Colab
# and VS Code show no saved figures.
NO_SCRIPT = 'export default { render({ el }) { el.textContent = "Run the cells down to this figure to see it."; } };'
QUIET = {"D2LRNN_QUIET": "1", "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
TRAINED = {"networks", "translator"}  # what live figures read: see d2lrnn.live.figures.DATA
# What JupyterLab, VS Code and Colab leave in the metadata of a cell.
EDITOR_NOTES = {"execution", "ExecuteTime", "collapsed", "scrolled", "id", "outputId", "colab", "vscode", "trusted"}


class RefreshError(Exception):
    """A cell failed, and which one."""


def refresh(path, timeout=2000):
    """Run one notebook and save it.

    Args:
        path: the .ipynb file.
        timeout: seconds after which a cell is taken to hang.

    Returns:
        bool: whether the file changed.

    Raises:
        RefreshError: a cell raised, wrote to stderr, took too long or killed the kernel; the file is as it was.
    """
    path = Path(path)
    notebook = nbformat.read(path, as_version=4)
    execute(notebook, path, timeout)
    normalise(notebook, path.stem)
    new = nbformat.writes(notebook).rstrip("\n") + "\n"
    if new == path.read_text(encoding="utf-8"):
        return False
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(new, encoding="utf-8")
    os.replace(unfinished, path)
    return True


def execute(notebook, path, timeout):
    """Run every cell in order, from a fresh kernel, in the notebook's folder."""
    notebook.metadata.pop("widgets", None)
    kept = kept_outputs(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    started = []
    client = NotebookClient(
        notebook,
        timeout=timeout,
        kernel_name="python3",
        extra_arguments=["--log-level=ERROR"],
        resources={"metadata": {"path": str(path.parent)}},
        store_widget_state=True,
        record_timing=False,
        coalesce_streams=True,
        on_cell_start=lambda cell, cell_index: started.append(cell_index + 1),
    )
    try:
        client.execute(env=os.environ | QUIET)
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        raise RefreshError(f"{path}: cell {started[-1]} failed; the file is as it was\n{error}") from None
    for number, cell in enumerate(notebook.cells, 1):
        for output in cell.get("outputs", []):
            if output.output_type == "stream" and output.name == "stderr":
                message = f"{path}: cell {number} wrote to stderr; the file is as it was\n{output.text}"
                raise RefreshError(message)
    for number, outputs in kept.items():
        notebook.cells[number].outputs = outputs


def kept_outputs(notebook):
    """The outputs of the cells tagged `keep-output` that have any, by the cell's place in the notebook."""
    tagged = {i: cell for i, cell in enumerate(notebook.cells) if "keep-output" in cell.metadata.get("tags", [])}
    return {i: cell.outputs for i, cell in tagged.items() if cell.outputs}


def normalise(notebook, name):
    """Remove from an executed notebook, in place, whatever another run would write differently."""
    widgets = notebook.metadata.get("widgets")
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    for position, cell in enumerate(notebook.cells):
        if "id" not in cell:
            cell.id = f"cell-{position}"
        for note in EDITOR_NOTES & set(cell.metadata):
            del cell.metadata[note]
        for output in cell.get("outputs", []):
            image = output.get("data", {}).get("image/png")
            if image:
                output.data["image/png"] = base64.b64encode(small_png(base64.b64decode(image))).decode() + "\n"
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    if widgets:
        models = rename_models(notebook.cells, widgets[STATE]["state"], name)
        if models:
            notebook.metadata.widgets = {STATE: {"state": models, "version_major": 2, "version_minor": 0}}


def rename_models(cells, models, name):
    """Give widget models ids that depend on nothing but their place in the notebook.

    Models that no output shows, not even as a part of another one, are left out, and so are the scripts and networks
    of figures.
    """
    new_ids = {}

    def visit(old_id, place):
        if old_id not in new_ids and old_id in models:
            new_ids[old_id] = hashlib.sha256(place.encode()).hexdigest()[:32]
            state = json.dumps(models[old_id], sort_keys=True)
            for count, part in enumerate(re.findall(r"IPY_MODEL_(\w+)", state)):
                visit(part, f"{place}/{count}")

    for position, cell in enumerate(cells):
        for count, output in enumerate(cell.get("outputs", [])):
            view = output.get("data", {}).get(VIEW)
            if view:
                visit(view["model_id"], f"{name}/{position}/{count}")
                view["model_id"] = new_ids.get(view["model_id"], view["model_id"])
    for model in models.values():
        if "_esm" in model["state"]:
            model["state"]["_esm"] = NO_SCRIPT
        for name in TRAINED & model["state"].get("data", {}).keys():
            model["state"]["data"][name] = None
    text = json.dumps({new: models[old] for old, new in new_ids.items()})
    for old, new in new_ids.items():
        text = text.replace(f"IPY_MODEL_{old}", f"IPY_MODEL_{new}")
    return nbformat.from_dict(json.loads(text))


def small_png(image):
    """A picture in 256 colours: a quarter of the size, and without the version that matplotlib writes into the file."""
    picture = Image.open(io.BytesIO(image))
    if picture.mode != "P":  # what a cell kept has been here before
        picture = picture.convert("RGB").quantize(256)
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True)
    return file.getvalue()


def _report(path):
    try:
        changed = refresh(path)
    except RefreshError as error:
        return False, str(error)
    return True, f"{path}: {'saved' if changed else 'unchanged'}"


def main(arguments):
    paths = [Path(argument) for argument in arguments or ["book"]]
    notebooks = sorted(nb for path in paths for nb in (path.rglob("*.ipynb") if path.is_dir() else [path]))
    missing = [str(notebook) for notebook in notebooks if not notebook.is_file()]
    if missing:
        sys.exit(f"no such notebook: {', '.join(missing)}")
    all_ran = True
    with ProcessPoolExecutor(max_workers=2) as pool:
        for ran, message in pool.map(_report, notebooks):
            print(message, flush=True)
            all_ran = all_ran and ran
    sys.exit(0 if all_ran else 1)


if __name__ == "__main__":
    main(sys.argv[1:])
