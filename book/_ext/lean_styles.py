"""Sphinx extension: stylesheets without the rules that no page of the site can use.

A rule goes if each of its selectors asks for a class or an id that is in no page and in no script.
"""

import re
from pathlib import Path

import tinycss2

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


def purge_site(app, error):
    if error or app.builder.format != "html":
        return
    site = Path(app.outdir)
    used = used_words(site)
    for sheet in (site / "_static").rglob("*.css"):
        sheet.write_text(purge(sheet.read_text(encoding="utf-8"), used), encoding="utf-8")


def setup(app):
    app.connect("build-finished", purge_site, priority=950)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
