"""Still figures in one style. Every function draws on the axes it is given."""

from importlib.resources import as_file, files
from xml.etree import ElementTree

import matplotlib.pyplot as plt
from IPython import get_ipython
from IPython.display import HTML
from matplotlib_inline.backend_inline import set_matplotlib_formats

# One colour for one model in the whole book, legible on white and on a dark page.
COLORS = {
    "data": "#767b84",
    "uniform": "#767b84",
    "mean": "#767b84",
    "naive": "#b07a3f",
    "unigram": "#b08b15",
    "bigram": "#cf7720",
    "trigram": "#c8553d",
    "ngram": "#c8553d",
    "linear": "#3a7ca5",
    "mlp": "#7a5ea8",
    "rnn": "#2f9e77",
    "gru": "#2b7fd4",
    "lstm": "#8a4fc4",
    "deep": "#c2467f",
    "birnn": "#0f9fb0",
    "attention": "#d64545",
    "train": "#767b84",
    "held_out": "#2b7fd4",
}


def use_style():
    """Use the book's matplotlib style for all figures that follow; in a notebook with twice as many pixels."""
    with as_file(files("d2lrnn") / "d2lrnn.mplstyle") as path:
        plt.style.use(path)
    if get_ipython():
        set_matplotlib_formats("retina")


def label_lines(ax, gap=0.055):
    """Write each labelled line's name at its right end, in its colour, and make room for it.

    Labels that would overlap are moved apart. This replaces a legend: the eye need not travel.

    Args:
        ax: matplotlib axes that hold lines with labels.
        gap: least distance between two labels, as a fraction of the axes' height.

    Raises:
        ValueError: no line on the axes has a label.
    """
    lines = [line for line in ax.get_lines() if not line.get_label().startswith("_")]
    if not lines:
        raise ValueError("no line has a label: pass label=… to ax.plot before calling label_lines")
    to_axes = ax.transData + ax.transAxes.inverted()
    ends = [(*to_axes.transform((line.get_xdata()[-1], line.get_ydata()[-1])), line) for line in lines]
    height = -gap
    for x, y, line in sorted(ends, key=lambda end: end[1]):
        height = max(y, height + gap)
        ax.annotate(
            line.get_label(),
            xy=(x, height),
            xycoords="axes fraction",
            xytext=(6, 0),
            textcoords="offset points",
            color=line.get_color(),
            va="center",
            annotation_clip=False,
        )


def diagram(name):
    """Show one of the book's diagrams inside the page, in the page's own text colour.

    Args:
        name: the file's name in `d2lrnn/diagrams`, without `.svg`.

    Returns:
        IPython.display.HTML

    Raises:
        ValueError: there is no such diagram.
    """
    folder = files("d2lrnn") / "diagrams"
    path = folder / f"{name}.svg"
    if not path.is_file():
        known = ", ".join(sorted(p.name.removesuffix(".svg") for p in folder.iterdir() if p.name.endswith(".svg")))
        raise ValueError(f"no diagram is called {name!r}; there are: {known}")
    svg = path.read_text(encoding="utf-8")
    ElementTree.fromstring(svg)
    return HTML(f'<div class="diagram" style="max-width: 720px; margin: auto">{svg}</div>')
