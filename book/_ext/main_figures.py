"""What a chapter's notebook says about itself: its main figure and its reading time."""

import json
import re


def main_figure(path):
    """The SVG of a notebook's main figure, which is the first diagram, or the one whose cell is tagged `main-figure`.

    Args:
        path: pathlib.Path of a notebook.

    Returns:
        str, or None if the notebook has no diagram.
    """
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    for cell in sorted(cells, key=lambda cell: "main-figure" not in cell["metadata"].get("tags", [])):
        for output in cell.get("outputs", []):
            diagram = re.search(r'<div class="diagram".*?(<svg.*</svg>)', "".join(html(output)), re.S)
            if diagram:
                return diagram[1]
    return None


def html(output):
    return output.get("data", {}).get("text/html", [])


def reading_time(path):
    """The minutes that a notebook says at its top, as in *40 minutes · you need: chapter 4*."""
    top = "".join(json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"])
    return int(re.search(r"^\*(\d+) minutes", top, re.M)[1])
