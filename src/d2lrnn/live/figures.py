"""Live figures: they compute in the page what the reader asks, with no kernel and no network."""

import json
import re
from importlib.resources import files

import anywidget
import traitlets

from d2lrnn.plotting import COLORS

# The modules of the figures, in the order in which they need each other, and the host that shows one.
MODULES = {
    "drawing": "explore.js",
    "engine": "live/engine.js",
    "words": "live/words.js",
    "eigenvalues": "live/eigenvalues.js",
    "your_sentence": "live/your_sentence.js",
    "learning": "live/learning.js",
    "learns_to_write": "live/learns_to_write.js",
    "train_copy": "live/train_copy.js",
    "translator": "live/translator.js",
    "translate": "live/translate.js",
}
HOST = "live/page.js"
FIGURES = [name for name in MODULES if name not in ("drawing", "engine", "words", "learning", "translator")]
# Trained networks, written by the scripts tools/train_live_….py, and the figures that read them.
DATA = {"networks": "live/networks.json", "translator": "live/translator.json"}
READS = {"your_sentence": "networks", "translate": "translator"}


def source(path):
    """The text of one of the package's JavaScript files."""
    return files("d2lrnn").joinpath(path).read_text(encoding="utf-8")


def as_object(name, text):
    """A JavaScript module as an object with what it exports.

    A page that is opened as a file may not import one module from another, and neither may a widget.
    The function that makes the object is kept as well, so that its text can be given to a worker.
    """
    exported = re.findall(r"^export (?:function\*?|const|class) (\w+)", text, re.M)
    body = re.sub(r"^export default .*\n", "", text, flags=re.M)
    body = re.sub(r"^export ", "", body, flags=re.M)
    made = f"make_{name}"
    return f"const {made} = () => {{\n{body}\nreturn {{ {', '.join(exported)} }};\n}};\nconst {name} = {made}();\n"


def bundle():
    """Everything that live figures need, as one module."""
    return "\n".join(as_object(name, source(path)) for name, path in MODULES.items()) + source(HOST)


class Live(anywidget.AnyWidget):
    """A figure that computes in the reader's browser.

    Args:
        name: identifies the figure in tests and in the notebook's text output.
        figure: which one, a name of FIGURES.
        data: what this figure needs beside that: text, a str, for "learns_to_write"; cell, "RNN", "GRU" or
            "LSTM", for "train_copy".

    Raises:
        ValueError: there is no such figure.
    """

    _esm = bundle()
    data = traitlets.Dict().tag(sync=True)

    def __init__(self, name, figure, **data):
        if figure not in FIGURES:
            raise ValueError(f"there is no live figure {figure!r}, only {', '.join(FIGURES)}")
        self.name = name
        if name_of_data := READS.get(figure):
            data[name_of_data] = json.loads(source(DATA[name_of_data]))
        super().__init__(data={"name": name, "figure": figure, "colors": COLORS, **data})

    def __repr__(self):
        return f"Live({self.name!r})"
