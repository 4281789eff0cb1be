"""Sphinx extension: pages that a screen reader reads well.

- Chinese words are marked as such, so that they are spoken in Chinese and set in a Chinese font.
- A table has no empty header cells: pandas writes one above the index, and a whole row if the index has a name.
- A wide table scrolls in a box that the keyboard can reach: to some browsers a table that scrolls is no table.
- A folded cell is called what its title says.
"""

import re

from markupsafe import Markup, escape

# Left as they are: tags, and what is not running text.
APART = re.compile(r"<(script|style|svg|math|title|textarea)\b.*?</\1>|<!--.*?-->|<[^>]*>", re.S)
HAN = re.compile(r"[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]*[\u4e00-\u9fff][\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]*")
# The header that pandas writes for an index with a name: an empty cell, and a second row that has the name alone.
NAMED_INDEX = re.compile(r"<th></th>((?:(?!</tr>).)*</tr>)\s*<tr>\s*(<th>[^<]+</th>)(?:\s*<th></th>)+\s*</tr>", re.S)
EMPTY_HEADER = re.compile(r"<th\b[^>]*>(<p></p>)?</th>")
TABLE = re.compile(r'<table border="1" class="dataframe">.*?</table>', re.S)


def mark_chinese(html):
    """Put each run of Chinese characters outside of tags and scripts into <span lang="zh">."""
    parts, end = [], 0
    for apart in APART.finditer(html):
        parts += [HAN.sub(r'<span lang="zh">\g<0></span>', html[end : apart.start()]), apart[0]]
        end = apart.end()
    return "".join(parts) + HAN.sub(r'<span lang="zh">\g<0></span>', html[end:])


def readable(html):
    """The body of a page as a screen reader should get it."""
    html = NAMED_INDEX.sub(r"\2\1", html)
    html = EMPTY_HEADER.sub("<td></td>", html)
    html = TABLE.sub(r'<div class="pst-scrollable-table-container">\g<0></div>', html)
    html = html.replace('<summary aria-label="Toggle hidden content">', "<summary>")
    # Docutils' roles of a bibliography: the list has no items for ARIA, and its entries' role was given up.
    html = html.replace(' role="doc-biblioentry"', "").replace('<div role="list" class="citation-list">', "<div>")
    return mark_chinese(html)


def marked(text):
    """Text for a template, with its Chinese words marked."""
    return Markup(mark_chinese(str(escape(text))))


def mend(app, pagename, templatename, context, doctree):
    if "body" in context:
        context["body"] = readable(context["body"])
    for _, entries in context.get("genindexentries", []):
        entries[:] = [
            (marked(name), [links, [(marked(part), *rest) for part, *rest in parts], *key])
            for name, (links, parts, *key) in entries
        ]


def setup(app):
    app.connect("html-page-context", mend, priority=600)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
