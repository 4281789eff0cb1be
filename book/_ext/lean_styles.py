"""Sphinx extension: one stylesheet for all pages, without the rules that no page of the site can use.

A rule goes if each of its selectors asks for a class or an id that is in no page and in no script. One sheet, because a
page is shown only when all of its sheets have come, and each of them is a way to the server and back. formulas.css,
with its font, stays apart: only pages with formulas load it. templates/layout.html names the one sheet.
"""

import re
from pathlib import Path

import tinycss2
from sphinx.errors import ConfigError

# In the order in which the theme's layout, Sphinx and the book name them; the theme's own imports basic.css.
SHEETS = [
    "styles/theme.css",
    "styles/pydata-sphinx-theme.css",
    "pygments.css",
    "basic.css",
    "styles/sphinx-book-theme.css",
    "copybutton.css",
    "mystnb.*.css",
    "references.css",
    "book.css",
]
ONE = "styles/site.css"
APART = "formulas.css"
WORD = re.compile(r"[\w-]+")
NESTING = ("media", "supports", "layer")


def used_words(site):
    """The set of words that may be a class or an id in a folder of HTML pages (Path): all in attributes and scripts."""
    pages = (page.read_text(encoding="utf-8") for page in site.rglob("*.html"))
    words = {word for page in pages for value in re.findall(r'(?:class|id)="([^"]*)"', page) for word in value.split()}
    for script in site.rglob("*.js"):
        words.update(WORD.findall(script.read_text(encoding="utf-8")) if script.name != "searchindex.js" else ())
    return words


def selectors(prelude):
    """Cut what stands before a rule's { at its commas: lists of tokens."""
    parts = [[]]
    for token in prelude:
        if token == ",":
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def can_match(selector, used):
    """Whether all its classes and ids are used. Those in :not(…) and :is(…) do not count."""
    names = {token.value for token in selector if token.type == "hash"}
    names |= {
        name.value for dot, name in zip(selector, selector[1:], strict=False) if dot == "." and name.type == "ident"
    }
    return names <= used


def purge(css, used):
    """A stylesheet (str, or the content of an at-rule) with the rules that the used words (set of str) can match."""
    kept = []
    for rule in tinycss2.parse_rule_list(css, skip_comments=True, skip_whitespace=True):
        if rule.type == "qualified-rule":
            matching = [tinycss2.serialize(one).strip() for one in selectors(rule.prelude) if can_match(one, used)]
            if matching:
                kept.append(f"{','.join(matching)}{{{tinycss2.serialize(rule.content).strip()}}}")
        elif rule.type == "at-rule" and rule.lower_at_keyword in NESTING and rule.content:
            if inner := purge(rule.content, used):
                kept.append(f"@{rule.at_keyword}{tinycss2.serialize(rule.prelude)}{{{inner}}}")
        elif rule.type == "error":
            raise ValueError(f"line {rule.source_line} of a stylesheet: {rule.message}")
        else:
            kept.append(rule.serialize())
    return "\n".join(kept)


def leave_to_one(app, pagename, templatename, context, doctree):
    """Take from a page's own list of sheets those that are in the one."""
    apart = []
    for sheet in context["css_files"]:
        name = Path(sheet.filename).relative_to("_static")
        if name.name == APART:
            apart.append(sheet)
        elif not any(name.match(one) for one in SHEETS):
            raise ConfigError(f"{pagename} has a stylesheet {name} that SHEETS in lean_styles.py does not know")
    context["css_files"] = apart


def combine(static):
    """Write the one sheet from the others of a folder _static (Path)."""
    whole = ""
    for name in SHEETS:
        found = list(static.glob(name))
        if len(found) != 1:
            raise ConfigError(f"{static} has {len(found)} stylesheets {name}, not 1: run make clean, then make book")
        [sheet] = found
        css = re.sub(r"@import[^;]*basic\.css[^;]*;", "", sheet.read_text(encoding="utf-8"))
        if "@import" in css:
            raise ConfigError(f"{name} imports another stylesheet: put it into SHEETS in lean_styles.py")
        if "/" not in name:  # an address in a sheet starts where the sheet is
            css = re.sub(r"url\((?!data:)", "url(../", css)
        whole += css + "\n"
    (static / ONE).write_text(whole, encoding="utf-8")


def purge_site(app, error):
    if error or app.builder.format != "html":
        return
    site = Path(app.outdir)
    used = used_words(site)
    for sheet in (site / "_static").rglob("*.css"):
        sheet.write_text(purge(sheet.read_text(encoding="utf-8"), used), encoding="utf-8")
    combine(site / "_static")


def setup(app):
    app.connect("html-page-context", leave_to_one, priority=950)  # after all who add one
    app.connect("build-finished", purge_site, priority=950)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
