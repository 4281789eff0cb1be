"""Sphinx extension: where a page introduces **term** (术语), the term links to its glossary entry.

The chapters stay plain Markdown, which Colab and JupyterLab show as well. The first sentence of the
definition is the link's tooltip.
"""

import re

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform

GLOSSARY = "book/glossary"
TRANSLATION = re.compile(r"\s\(([^)]*[\u4e00-\u9fff][^)]*)\)")


def plain(text):
    """Lower case and a straight apostrophe: on the page, smart quotes make Heaps’ law of Heaps' law."""
    return text.lower().replace("’", "'")


def introduced_terms(doctree):
    """Yield (bold node, possible glossary entries) for every bold term with its Chinese one in brackets after it."""
    for bold in doctree.findall(nodes.strong):
        siblings = bold.parent.children
        after = siblings[siblings.index(bold) + 1 :][:1]
        match = after and isinstance(after[0], nodes.Text) and TRANSLATION.match(after[0].astext())
        if match:
            term = plain(bold.astext())
            yield bold, [plain(f"{form} ({match[1]})") for form in (term, term.removesuffix("s"))]


def first_sentences(glossary):
    """Map each glossary entry to the first sentence of its definition."""
    sentences = {}
    for item in glossary.findall(nodes.definition_list_item):
        definition = item.next_node(nodes.definition).astext()
        for term in item.findall(nodes.term):
            sentences[plain(term.astext())] = re.split(r"(?<=\.)\s", definition, maxsplit=1)[0]
    return sentences


def note_glossary(app, doctree):
    """Have a page built again when the glossary has changed."""
    if app.env.docname != GLOSSARY and any(introduced_terms(doctree)):
        app.env.note_dependency(app.env.doc2path(GLOSSARY))


class GlossaryLinks(SphinxPostTransform):
    default_priority = 500

    def run(self, **kwargs):
        if self.env.docname == GLOSSARY or GLOSSARY not in self.env.all_docs:
            return
        terms = list(introduced_terms(self.document))
        if not terms:
            return
        targets = self.env.get_domain("std")._terms
        sentences = first_sentences(self.env.get_doctree(GLOSSARY))
        for bold, entries in terms:
            entry = next((entry for entry in entries if entry in targets), None)
            if entry is None:
                continue
            page, anchor = targets[entry]
            address = self.app.builder.get_relative_uri(self.env.docname, page) + "#" + anchor
            link = nodes.reference("", "", internal=True, refuri=address, classes=["glossary-term"])
            link["reftitle"] = sentences.get(entry, "")
            link += bold.deepcopy()
            bold.replace_self(link)


def setup(app):
    app.connect("doctree-read", note_glossary)
    app.add_post_transform(GlossaryLinks)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
