"""Sphinx extension: light pages that ask no other host for anything.

- Thebe goes: it refers to a foreign host, and its script stops with an error on every page.
- Font Awesome's script goes (540 kB gzipped): the theme's own stylesheet has the same icons as a font, and the
  font is cut down to the icons that the pages use.
- The search index is loaded by the search page alone.
- Scripts in the head no longer hold up the page.
- The script that draws explorable figures is in one file for all pages, and that of live figures in another one,
  which a page fetches when such a figure comes near. So are the trained networks that some of them read.
"""

import json
import re
import shutil
from pathlib import Path
from urllib.parse import urlparse

import pydata_sphinx_theme
from fontTools import subset

from d2lrnn.live.figures import DATA, bundle, source

UNUSED = ["scripts/fontawesome.js", "sphinx-thebe", "sphinx-design", "design-tabs.js"]
SEARCH = ["searchtools.js", "language_data.js", "searchindex.js"]
# What a saved figure calls its class, and the JavaScript module that draws it.
FIGURE_SCRIPTS = {"d2lrnn.explore.Explorable": "src/d2lrnn/explore.js"}
LIVE = "d2lrnn.live.figures.Live"
LIVE_SCRIPT = "live_figures.js"
DATA_SCRIPTS = {name: f"live_{name}.js" for name in DATA}
# Rules of the theme's stylesheet: one icon each, and one font each.
ICON = re.compile(r'(?:\.fa-[a-z0-9-]+:before,?)+\{content:"[^"]+"\}')
FONT = re.compile(r"url\(\.\./vendor/fontawesome/webfonts/([a-z0-9-]+)\.woff2\)[^}]*\}")


def lean(html, pagename):
    """Rewrite the tags of a page's head."""
    dropped = UNUSED if pagename == "search" else UNUSED + SEARCH
    names = "|".join(re.escape(name) for name in dropped)
    html = re.sub(rf'<(script|link)\b[^>]*"[^"]*({names})[^>]*>(</script>)?\n?', "", html)
    if pagename == "search":  # its own scripts expect the others to have run
        return html
    # documentation_options.js must have run before the inline script after it.
    return re.sub(r"<script (?!defer|[^>]*(documentation_options|defer|async))(?=[^>]*src=)", "<script defer ", html)


def leave_thebe_out(app):
    for listeners in app.events.listeners.values():
        listeners[:] = [one for one in listeners if not one.handler.__module__.startswith("sphinx_thebe")]


def write_figure_scripts(app):
    """The modules as texts in a plain script: a page that is opened as a file may not import a module from another."""
    texts = {name: Path(app.srcdir, path).read_text(encoding="utf-8") for name, path in FIGURE_SCRIPTS.items()}
    static = Path(app.outdir) / "_static"
    static.mkdir(parents=True, exist_ok=True)
    script = f"const FIGURE_SCRIPTS = {json.dumps(texts, ensure_ascii=False)};\n"
    script += f"const LIVE_SCRIPTS = {json.dumps({LIVE: LIVE_SCRIPT})};\n"
    script += f"const DATA_SCRIPTS = {json.dumps(DATA_SCRIPTS)}, LIVE_DATA = {{}};\n"
    (static / "figure_scripts.js").write_text(script, encoding="utf-8")
    live = f"FIGURE_SCRIPTS[{json.dumps(LIVE)}] = {json.dumps(bundle(), ensure_ascii=False)};\n"
    (static / LIVE_SCRIPT).write_text(live, encoding="utf-8")
    for name, file in DATA_SCRIPTS.items():
        (static / file).write_text(f"LIVE_DATA.{name} = {source(DATA[name])};\n", encoding="utf-8")


def place_404(app, config):
    """The 404 page is shown at any depth, so its links start at the folder that the site is in."""
    config.notfound_urls_prefix = urlparse(config.html_baseurl).path


def add_to_page(app, pagename, templatename, context, doctree):
    context["lean"] = lambda html: lean(html, pagename)


def cut_icons(app, error):
    """Keep only the icons that the pages use, in the theme's stylesheet and in its fonts."""
    if error or app.builder.format != "html":
        return
    static = Path(app.outdir) / "_static"
    theme = Path(pydata_sphinx_theme.__file__).parent / "theme/pydata_sphinx_theme/static"
    pages = "".join(page.read_text(encoding="utf-8") for page in Path(app.outdir).rglob("*.html"))
    used = set(re.findall(r"\bfa-[a-z0-9-]+", pages))

    def keep_used(rule):
        return rule[0] if used & set(re.findall(r"fa-[a-z0-9-]+", rule[0])) else ""

    css = (theme / "styles/pydata-sphinx-theme.css").read_text(encoding="utf-8")
    css = FONT.sub(r'url(../fonts/\1.woff) format("woff")}', ICON.sub(keep_used, css))
    (static / "styles/pydata-sphinx-theme.css").write_text(css, encoding="utf-8")
    other_styles = "".join(one.read_text(encoding="utf-8") for one in static.glob("*.css"))
    characters = [int(code, 16) for code in re.findall(r"\\([ef][0-9a-f]{3})\b", css + other_styles)]

    (static / "fonts").mkdir(exist_ok=True)
    for whole in (theme / "vendor/fontawesome/webfonts").glob("*.ttf"):
        options = subset.Options(flavor="woff", notdef_outline=True)
        font = subset.load_font(whole, options)
        subsetter = subset.Subsetter(options)
        subsetter.populate(unicodes=characters)
        subsetter.subset(font)
        subset.save_font(font, static / "fonts" / f"{whole.stem}.woff", options)
    for unused in ("vendor/fontawesome", "scripts/fontawesome.js", "scripts/fontawesome.js.map"):
        path = static / unused
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def setup(app):
    app.connect("config-inited", place_404)
    app.connect("builder-inited", leave_thebe_out, priority=1)
    app.connect("builder-inited", write_figure_scripts)
    app.connect("html-page-context", add_to_page)
    app.connect("build-finished", cut_icons, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
