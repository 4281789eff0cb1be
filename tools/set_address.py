"""Carry the repository's address from _config.yml to the notebooks, the README and wherever else it stands.

After the `url` under `repository` in _config.yml has been changed:

    python tools/set_address.py
"""

import re
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
# The cell that every notebook starts with. Colab has all of the package's dependencies but two, and keeps its torch.
SETUP = """\
try:
    import d2lrnn
except ModuleNotFoundError:  # in Colab
    %pip install --quiet anywidget pooch
    %pip install --quiet --no-deps "git+{address}\""""


def address(root=ROOT):
    """The address in _config.yml, for example https://github.com/d2lrnn/d2lrnn."""
    return yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))["repository"]["url"]


def setup_cell(root=ROOT):
    """The source of the setup cell."""
    return SETUP.format(address=address(root))


def replace(text, old, new):
    """The text with the repository `old` (owner/name) replaced: on GitHub, in Colab links, on GitHub Pages."""
    pages = "{}.github.io/{}".format
    for before, after in [
        (f"github.com/{old}", f"github.com/{new}"),
        (f"colab.research.google.com/github/{old}", f"colab.research.google.com/github/{new}"),
        (f"mybinder.org/v2/gh/{old}", f"mybinder.org/v2/gh/{new}"),
        (pages(*old.split("/")), pages(*new.split("/"))),
    ]:
        text = re.sub(re.escape(before) + r"(?![\w-])", after, text)
    return text


def main(root=ROOT):
    """Replace the address that the front page's setup cell has by the one in _config.yml; return what changed."""
    front = (root / "book/index.ipynb").read_text(encoding="utf-8")
    old = re.search(r"git\+https://github\.com/([\w.-]+/[\w.-]+)", front)[1]
    new = address(root).removeprefix("https://github.com/")
    changed = []
    for pattern in ["_config.yml", "*.md", "CITATION.cff", "book/**/*.md", "book/**/*.ipynb"]:
        for path in sorted(root.glob(pattern)):
            text = path.read_text(encoding="utf-8")
            if replace(text, old, new) != text:
                path.write_text(replace(text, old, new), encoding="utf-8")
                changed.append(path)
    return changed


if __name__ == "__main__":
    sys.stdout.writelines(f"{path.relative_to(ROOT)}\n" for path in main())
