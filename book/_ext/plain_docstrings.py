"""Sphinx extension: docstrings are plain text with `code` in backticks, not reStructuredText.

Signs that reStructuredText would take for markup, as in |V|, w**k or x_, are escaped, and an indented
block after a colon is code. So a docstring is written for the person who reads it in a terminal.
"""

import re

CODE = re.compile(r"(`+[^`]+`+)")
MARKUP = re.compile(r"[*|\\]|(?<=\w)_(?!\w)")


def escape(line):
    parts = CODE.split(line)
    parts[::2] = [MARKUP.sub(r"\\\g<0>", part) for part in parts[::2]]
    return "".join(parts)


def plain(app, what, name, item, options, lines):
    code_indent = None
    for i, line in enumerate(lines):
        indent = len(line) - len(line.lstrip())
        if line.strip() and code_indent is not None and indent < code_indent:
            code_indent = None
        if line.strip() and code_indent is None:
            lines[i] = escape(line)
            following = next((later for later in lines[i + 2 :] if later.strip()), "")
            indented = following.startswith(" " * (indent + 4))
            if line.endswith(":") and lines[i + 1 : i + 2] == [""] and indented:
                code_indent = indent + 4
                lines[i] += ":"


def setup(app):
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("autodoc-process-docstring", plain, priority=400)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
