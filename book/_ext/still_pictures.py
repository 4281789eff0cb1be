"""Sphinx extension: without JavaScript a page shows each figure as it opens, and the figure's sentence.

`make stills` draws the pictures; their titles are the sentences.
"""

import html
import json
import re
from pathlib import Path

STILLS = Path(__file__).parents[1] / "_static/stills"
VIEW = re.compile(r'<script type="application/vnd.jupyter.widget-view\+json">(.*?)</script>', re.S)
TITLE = re.compile(r"<title>(.*?)</title>", re.S)


def figure_names(notebook):
    """The name of every figure that a notebook has saved, by the id of its widget."""
    saved = json.loads(Path(notebook).read_text(encoding="utf-8"))["metadata"].get("widgets", {})
    models = saved.get("application/vnd.jupyter.widget-state+json", {"state": {}})["state"]
    return {key: model["state"]["data"]["name"] for key, model in models.items() if "data" in model["state"]}


def add_stills(app, pagename, templatename, context, doctree):
    if not VIEW.search(context.get("body", "")):
        return
    names = figure_names(app.env.doc2path(pagename))

    def with_still(view):
        name = names.get(json.loads(view[1])["model_id"])
        file = STILLS / f"{Path(pagename).name}-{name}.svg"
        if not file.is_file():  # a lab, which needs a kernel, or a new figure: a test of the site finds it
            return view[0]
        sentence = TITLE.search(file.read_text(encoding="utf-8"))[1]
        address = context["pathto"](f"_static/stills/{file.name}", 1)
        image = f'<img src="{address}" alt="The figure {html.escape(name)} as it opens">'
        return (
            f'{view[0]}<noscript><figure class="still">{image}<figcaption>{sentence}</figcaption></figure></noscript>'
        )

    context["body"] = VIEW.sub(with_still, context["body"])


def setup(app):
    app.connect("html-page-context", add_stills)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
