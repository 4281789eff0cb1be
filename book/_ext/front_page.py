"""Sphinx extension: the front page is what the site's own address shows, with the chapters as cards.

In the notebook a chapter is an item of a numbered list that begins with a link to it, so Colab and JupyterLab show a
list. On the site the item gets the chapter's main figure and its reading time.
"""

import re
from pathlib import Path

from docutils import nodes
from main_figures import main_figure, reading_time
from sphinx.builders.html import StandaloneHTMLBuilder


class SiteBuilder(StandaloneHTMLBuilder):
    """The front page is index.html, wherever its source is."""

    def get_target_uri(self, docname, typ=None):
        return super().get_target_uri("index" if docname == self.config.root_doc else docname, typ)

    def get_outfilename(self, pagename):
        return super().get_outfilename("index" if pagename == self.config.root_doc else pagename)


def keep_out_of_search(app, doctree):
    """The search page would look for the front page under the name of its source, and it only repeats the chapters."""
    if app.env.docname == app.config.root_doc:
        app.env.metadata[app.env.docname]["nosearch"] = True


def chapter_of(app, item):
    """The path of the notebook that a list item begins with a link to, or None."""
    link = item.next_node(nodes.reference)
    if link is None or not item.astext().startswith(link.astext()):
        return None
    path = Path(app.srcdir, link["refuri"]).with_suffix(".ipynb")
    return path if path.is_file() else None


def make_cards(app, doctree, docname):
    """Give every item of the front page's lists of chapters its picture and its reading time."""
    if docname != app.config.root_doc or app.builder.format != "html":
        return
    for bold in doctree.findall(nodes.strong):
        if isinstance(bold[0], nodes.reference):
            bold[0]["classes"].append("start")
    for chapters in doctree.findall(nodes.enumerated_list):
        paths = [chapter_of(app, item) for item in chapters]
        if not all(paths):
            continue
        chapters["classes"].append("cards")
        for number, (item, path) in enumerate(zip(chapters, paths, strict=True), chapters.get("start", 1)):
            item.next_node(nodes.reference).insert(0, nodes.Text(f"{number}. "))
            picture = re.sub(r"<title>.*?</title>", "", main_figure(path), flags=re.S)  # the text beside it says it
            picture = picture.replace('role="img"', 'aria-hidden="true"')
            item.insert(0, nodes.raw("", picture, format="html"))
            item += nodes.inline("", f"{reading_time(path)} minutes", classes=["minutes"])


def correct_the_sitemap(app, error):
    """sphinx-sitemap takes every page's address from the name of its source."""
    sitemap = Path(app.outdir, app.config.sitemap_filename)
    if sitemap.is_file():
        front = f"{app.config.html_baseurl}{app.config.root_doc}.html"
        sitemap.write_text(
            sitemap.read_text(encoding="utf-8").replace(front, app.config.html_baseurl), encoding="utf-8"
        )


def setup(app):
    app.add_builder(SiteBuilder, override=True)
    app.connect("doctree-read", keep_out_of_search)
    app.connect("doctree-resolved", make_cards)
    app.connect("build-finished", correct_the_sitemap, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
