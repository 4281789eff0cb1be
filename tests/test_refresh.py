"""tools/refresh.py: the same bytes every time, and nothing written when a cell fails."""

import importlib.util
from pathlib import Path

import nbformat
import pytest

SCRIPT = Path(__file__).resolve().parent.parent / "tools/refresh.py"
spec = importlib.util.spec_from_file_location("refresh", SCRIPT)
tool = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tool)

WIDGETS = [
    "import ipywidgets, matplotlib.pyplot as plt\nprint('one'); print('two')",
    "plt.plot([1, 2]); plt.show()",
    "slider = ipywidgets.FloatSlider(description='rate')\nipywidgets.VBox([slider, ipywidgets.HTML('<b>still</b>')])",
    "from d2lrnn.explore import Control, Explorable, Line, Panel\n"
    "Explorable('toy', lambda n: (f'n is {n}', [[Line('n', [0, 1], [0, n], 'black')]]),"
    " {'n': Control('n', [1, 2])}, [Panel('x', 'y')])",
    "from d2lrnn.live.figures import Live\nLive('toy', 'your_sentence')",
    "Live('toy translator', 'translate')",
]


def write(path, sources):
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    cells[0].metadata["execution"] = {"iopub.status.busy": "2026-01-01T00:00:00Z"}
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def test_a_second_run_changes_nothing(tmp_path):
    path = write(tmp_path / "01_toy.ipynb", WIDGETS)
    assert tool.refresh(path) is True
    first = path.read_bytes()
    assert tool.refresh(path) is False
    assert path.read_bytes() == first
    assert [file.name for file in tmp_path.iterdir()] == ["01_toy.ipynb"]

    notebook = nbformat.read(path, as_version=4)
    assert "execution" not in notebook.cells[0].metadata
    assert [output.text for output in notebook.cells[0].outputs] == ["one\ntwo\n"]
    png = tool.base64.b64decode(notebook.cells[1].outputs[0].data["image/png"])
    assert b"atplotlib version" not in png and tool.Image.open(tool.io.BytesIO(png)).mode == "P"
    assert tool.small_png(png) == png
    models = notebook.metadata.widgets[tool.STATE]["state"]
    for cell in notebook.cells[2:]:
        assert cell.outputs[0].data[tool.VIEW]["model_id"] in models
    for reference in tool.re.findall(r"IPY_MODEL_(\w+)", tool.json.dumps(models)):
        assert reference in models
    box = models[notebook.cells[2].outputs[0].data[tool.VIEW]["model_id"]].state
    html = models[box.children[1].removeprefix("IPY_MODEL_")].state
    assert html.value == "<b>still</b>"
    assert [model.state._esm for model in models.values() if "_esm" in model.state] == [tool.NO_SCRIPT] * 3
    datas = [model.state.data for model in models.values() if "data" in model.state]
    assert [data.networks for data in datas if "networks" in data] == [None]
    assert [data.translator for data in datas if "translator" in data] == [None]


@pytest.mark.parametrize("path", sorted(SCRIPT.parent.parent.glob("book/**/*.ipynb")), ids=lambda path: path.stem)
def test_the_notebooks_hold_no_copy_of_the_script_that_draws_figures(path):
    widgets = nbformat.read(path, as_version=4).metadata.get("widgets", {tool.STATE: {"state": {}}})
    states = [model.state for model in widgets[tool.STATE]["state"].values()]
    assert {state._esm for state in states if "_esm" in state} <= {tool.NO_SCRIPT}, "make refresh saves it without"


@pytest.mark.parametrize(
    "source, says",
    [
        ("1 / 0", "cell 2 failed"),
        ("import sys; print('careful', file=sys.stderr)", "cell 2 wrote to stderr"),
        ("import os; os._exit(1)", "cell 2 failed"),
    ],
)
def test_a_failing_cell_leaves_the_file_as_it_was(tmp_path, source, says):
    path = write(tmp_path / "01_toy.ipynb", ["print(1)", source, "print(3)"])
    before = path.read_bytes()
    with pytest.raises(tool.RefreshError, match=f"01_toy.ipynb: {says}"):
        tool.refresh(path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["01_toy.ipynb"]


@pytest.mark.parametrize(("saved", "after"), [("of last week\n", "of last week\n"), (None, "of today\n")])
def test_a_cell_tagged_keep_output_keeps_what_it_has(tmp_path, saved, after):
    path = write(tmp_path / "01_toy.ipynb", ["print('of today')"])
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[0].metadata["tags"] = ["keep-output"]
    notebook.cells[0].outputs = [nbformat.v4.new_output("stream", text=saved)] if saved else []
    nbformat.write(notebook, path)
    tool.refresh(path)
    assert nbformat.read(path, as_version=4).cells[0].outputs[0].text == after


def test_an_expected_exception_is_saved(tmp_path):
    path = write(tmp_path / "01_toy.ipynb", ["1 / 0"])
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[0].metadata["tags"] = ["raises-exception"]
    nbformat.write(notebook, path)
    assert tool.refresh(path) is True
