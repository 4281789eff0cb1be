"""Sphinx extension: light pages that ask no other host for anything.

- A page gets the styles and scripts that it uses; no script holds it up. templates/layout.html leaves out more.
- Thebe goes: it refers to a foreign host, and its script stops with an error on every page.
- The theme's search for boxes that scroll goes: _static/keyboard.js does it when the reader is near.
- The theme's icons are cut down to those that the pages use. They come from its font, not from its script (540 kB).
- Pictures say how large they are, so that nothing moves when they come, and come when the reader is near.
- The script that draws explorable figures is in one file for all pages, and that of live figures in another one,
  which a page fetches when such a figure comes near. So are the trained networks that some of them read.
"""

import json
import re
import shutil
from importlib import metadata
from pathlib import Path
from urllib.parse import unquote, urlparse

import imagesize
import pydata_sphinx_theme
from fontTools import subset
from sphinx.errors import ConfigError

from d2lrnn.live.figures import DATA, bundle, source

# The versions that this file and templates/layout.html were written for.
THEMES = {"pydata-sphinx-theme": "0.17.1", "sphinx-book-theme": "1.3.0"}
UNUSED = ["sphinx-thebe", "sphinx-design", "design-tabs", "togglebutton", "toggleHint", "toggleOpen"]
FOR_CODE = ["clipboard", "copybutton"]
OWN = ("reading.js", "keyboard.js")
ICONS, FONTS = 1881, 3  # in the theme's stylesheet
# What a saved figure calls its class, and the JavaScript module that draws it.
FIGURE_SCRIPTS = {"d2lrnn.explore.Explorable": "src/d2lrnn/explore.js"}
LIVE = "d2lrnn.live.figures.Live"
LIVE_SCRIPT = "live_figures.js"
DATA_SCRIPTS = {name: f"live_{name}.js" for name in DATA}
# In the theme's script: the function that looks for boxes that scroll; book/_static/keyboard.js takes its place.
SCROLLING = re.compile(
    r'function (\w)\(\)\{const e=\(\)=>\{document\.querySelectorAll\(\["pre",.{,600}?,e\(\)\}(?=function)'
)
IMAGE = re.compile(r'(<img\b(?![^>]*\b(?:width|height)=)[^>]*?src="(?:\.\./)*_images/([^"]+)")')
# Rules of the theme's stylesheet: one icon each, and one font each.
ICON = re.compile(r'(?:\.fa-[a-z0-9-]+:before,?)+\{content:"[^"]+"\}')
FONT = re.compile(r"url\(\.\./vendor/fontawesome/webfonts/([a-z0-9-]+)\.woff2\)[^}]*\}")


def check_themes(app, config):
    for name, version in THEMES.items():
        if (installed := metadata.version(name)) != version:
            raise ConfigError(
                f"book/_ext is written for {name} {version}, and this is {installed}: compare templates/layout.html "
                "with the theme's, run make test-site, and change THEMES in lean_pages.py"
            )


def needed(file, body):
    """Whether a page with this body (str) uses a style or script of Sphinx."""
    text = f"{file.filename} {file.attributes.get('body', '')}"
    dropped = UNUSED if "cell_input" in body else UNUSED + FOR_CODE
    return not any(name in text for name in dropped)


def sized(body, sizes):
    """A page's body (str) whose pictures have the sizes given (file name to width and height).

    The first may be what the reader waits for, if it comes before the first section.
    """
    above = IMAGE.search(body.split("<h2")[0])

    def add(tag):
        width, height = sizes.get(unquote(tag[2]), (None, None))
        if width is None:
            return tag[0]
        late = "" if above and tag.start() == above.start() else ' loading="lazy" decoding="async"'
        return f'{tag[1]} width="{width}" height="{height}"{late}'

    return IMAGE.sub(add, body)


def add_to_page(app, pagename, templatename, context, doctree):
    body = context.get("body", "")
    for kind in ("css_files", "script_files"):
        context[kind] = [file for file in context[kind] if needed(file, body)]
    for script in context["script_files"]:  # the same objects for every page
        script.attributes.pop("defer", None)
        # Those of the search page expect Sphinx's others to have run, and the inline script after
        # documentation_options.js expects it.
        name = script.filename or ""
        if name.endswith(OWN) or (pagename != "search" and name and "documentation_options" not in name):
            script.attributes["defer"] = "defer"
    if body:
        sizes = {name: imagesize.get(Path(app.srcdir, path)) for path, name in app.builder.images.items()}
        context["body"] = sized(body, sizes)


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
    css, icons = ICON.subn(keep_used, css)
    css, fonts = FONT.subn(r'url(../fonts/\1.woff2) format("woff2")}', css)
    if (icons, fonts) != (ICONS, FONTS):
        raise ConfigError(f"the theme's stylesheet has {icons} icons and {fonts} fonts, not {ICONS} and {FONTS}")
    (static / "styles/pydata-sphinx-theme.css").write_text(css, encoding="utf-8")
    other_styles = "".join(one.read_text(encoding="utf-8") for one in static.glob("*.css"))
    characters = [int(code, 16) for code in re.findall(r"\\([ef][0-9a-f]{3})\b", css + other_styles)]

    (static / "fonts").mkdir(exist_ok=True)
    for whole in (theme / "vendor/fontawesome/webfonts").glob("*.ttf"):
        options = subset.Options(flavor="woff2", notdef_outline=True)
        font = subset.load_font(whole, options)
        subsetter = subset.Subsetter(options)
        subsetter.populate(unicodes=characters)
        subsetter.subset(font)
        subset.save_font(font, static / "fonts" / f"{whole.stem}.woff2", options)
    for unused in ("vendor/fontawesome", "scripts/fontawesome.js", "scripts/fontawesome.js.map"):
        path = static / unused
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def cut_script(app, error):
    """Take out of the theme's script what lays out the whole page again and again."""
    if error or app.builder.format != "html":
        return
    path = Path(pydata_sphinx_theme.__file__).parent / "theme/pydata_sphinx_theme/static/scripts/pydata-sphinx-theme.js"
    script, found = SCROLLING.subn(r"function \1(){}", path.read_text(encoding="utf-8"))
    if found != 1:
        raise ConfigError(f"the theme's script looks for boxes that scroll in {found} places, not in 1")
    (Path(app.outdir) / "_static/scripts" / path.name).write_text(script, encoding="utf-8")


def setup(app):
    app.connect("config-inited", check_themes)
    app.connect("config-inited", place_404)
    app.connect("builder-inited", leave_thebe_out, priority=1)
    app.connect("builder-inited", write_figure_scripts)
    app.connect("html-page-context", add_to_page, priority=900)  # after all who add styles and scripts
    app.connect("build-finished", cut_icons, priority=900)
    app.connect("build-finished", cut_script, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
