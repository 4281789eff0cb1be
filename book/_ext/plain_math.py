r"""Sphinx extension: a displayed formula reaches MathJax as it was written.

Sphinx would wrap a formula of several lines in an environment in which \tag{3.1} is an error.
"""

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform


class PlainMath(SphinxPostTransform):
    default_priority = 500
    formats = ("html",)

    def run(self, **kwargs):
        for formula in self.document.findall(nodes.math_block):
            if not formula.get("nowrap"):
                lines = [line for line in formula.astext().splitlines() if line.strip()]
                formula["nowrap"] = True
                formula.children = [nodes.Text("\\[" + "\n".join(lines) + "\\]")]


def setup(app):
    app.add_post_transform(PlainMath)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
