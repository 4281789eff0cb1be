"""Sphinx extension: how a page looks where its address is shared and where it is found.

- Its address is absolute, its description plain text, and its picture the chapter's main figure.
- The search page shows the book's pages before those of the package.
"""

import re
from pathlib import Path

import matplotlib
import resvg_py
from docutils import nodes
from main_figures import main_figure

FONTS = Path(matplotlib.get_data_path()) / "fonts/ttf"  # the same on every machine
OBJECT = "\ufffc"  # stands for what is not text
CARD = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1200 630">{}</svg>'  # the size that is asked for


def picture(svg, path, **size):
    """Write an SVG as PNG on white."""
    path.parent.mkdir(parents=True, exist_ok=True)
    png = resvg_py.svg_to_bytes(
        svg_string=svg, background="white", skip_system_fonts=True, font_dirs=[str(FONTS)],
        font_family="DejaVu Sans", sans_serif_family="DejaVu Sans", **size,
    )  # fmt: skip
    path.write_bytes(png)


def description(doctree, length=200):
    """The question of a chapter, or the first sentences of a page without those that hold a formula, or its title."""
    words = ""
    top = next(doctree.findall(nodes.section))
    for paragraph in (child for child in top if isinstance(child, nodes.paragraph)):
        text = re.sub(r"\s+", " ", readable(paragraph))
        if text.endswith("?") and text == "".join(part.astext() for part in paragraph.findall(nodes.strong)):
            return text
        if not re.match(r"\d+ minutes ·", text):
            sentences = re.split(r"(?<=[.?!:])\s+", text)
            words += " ".join(sentence for sentence in sentences if OBJECT not in sentence) + " "
    return shortened(words.strip() or top.next_node(nodes.title).astext(), length)


def readable(paragraph):
    """A paragraph's text, with OBJECT for each formula and each piece of HTML."""
    paragraph = paragraph.deepcopy()
    for formula in [*paragraph.findall(nodes.math), *paragraph.findall(nodes.raw)]:
        formula.replace_self(nodes.Text(OBJECT))
    return paragraph.astext()


def shortened(text, length):
    """As many whole sentences as fit, or whole words of the first one."""
    if len(text) <= length:
        return text
    ends = [match.end() for match in re.finditer(r"[.?!](?=\s)", text[:length])]
    return text[: ends[-1]] if ends else text[: text.rindex(" ", 0, length)] + " …"


def set_up(app, config):
    config.ogp_site_url = config.html_baseurl
    config.html_search_scorer = str(Path(app.confdir, "book/_ext/search_scorer.js"))


def draw_icon(app):
    icon = Path(app.confdir, app.config.html_favicon).read_text(encoding="utf-8")
    picture(icon, Path(app.outdir, "_static/favicon.png"), width=180, height=180)


def add_to_page(app, pagename, templatename, context, doctree):
    icon = context["pathto"]("_static/favicon.png", 1)
    context["metatags"] = context.get("metatags", "") + f'<link rel="apple-touch-icon" href="{icon}" />\n'
    if not doctree:
        return
    tags = {"og:description": description(doctree)}
    if pagename == app.config.root_doc:
        tags["og:url"] = context["pageurl"] = app.config.html_baseurl
    plain = tags["og:description"].replace("&", "&amp;").replace('"', "&quot;")
    context["metatags"] += f'<meta name="description" content="{plain}" />\n'
    notebook = Path(app.srcdir, pagename + ".ipynb")
    figure = main_figure(notebook) if notebook.is_file() else None
    if figure:
        name = f"_static/cards/{Path(pagename).name}.png"
        inner = re.sub(r'<svg(.*?) width="100%"', r'<svg\1 x="80" y="45" width="1040" height="540"', figure, count=1)
        picture(CARD.format(inner), Path(app.outdir, name), width=1200)
        alt = re.search(r"<title>(.*?)</title>", figure, re.S)[1]
        tags |= {"og:image": app.config.html_baseurl + name, "og:image:alt": alt}
        tags |= {"og:image:width": "1200", "og:image:height": "630"}
    context["meta"] = {**(context["meta"] or {}), **tags}


def setup(app):
    app.connect("config-inited", set_up)
    app.connect("builder-inited", draw_icon)
    app.connect("html-page-context", add_to_page, priority=400)  # before sphinxext-opengraph
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
