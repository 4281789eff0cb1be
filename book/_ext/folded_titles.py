"""Sphinx extension: a folded cell that begins with `# @title Solution 1` is labelled "Solution 1".

Colab shows the same line as the title of a folded cell. A cell without a title is labelled with its first line, so
that no two are called the same.
"""

import re
from textwrap import shorten

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform

TITLE = re.compile(r"# @title (.+)\n?")


class FoldedTitles(SphinxPostTransform):
    default_priority = 150  # before myst-nb folds the cells

    def run(self, **kwargs):
        for cell in self.document.findall(nodes.container):
            code = cell.next_node(nodes.literal_block) if cell.get("hide_mode") else None
            if not code:
                continue
            title = TITLE.match(code.rawsource or code.astext())
            first = shorten(code.astext().strip().partition("\n")[0].lstrip("# "), 60, placeholder=" …")
            cell["prompt_show"], cell["prompt_hide"] = f"Show code: {first}", f"Hide code: {first}"
            if title:
                cell["prompt_show"] = cell["prompt_hide"] = title[1]
                rest = code.astext()[title.end() :]
                code.replace_self(nodes.literal_block(rest, rest, language=code.get("language", "ipython3")))


def setup(app):
    app.add_post_transform(FoldedTitles)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
