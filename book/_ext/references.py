r"""Sphinx extension: what the chapters refer to in plain text becomes a link.

The chapters stay plain Markdown, which Colab and JupyterLab show as well. On the page these lead to their place:

- "(7.3)" to the formula with `\tag{7.3}`, "exercise 6.1" to its heading, "chapter 5" to the page, in this or another
  chapter. So a bracket that holds nothing but a number such as 7.3 is always a reference. A paragraph links to a
  chapter once.
- A link to the paper, as in [Elman (1990)](https://doi.org/10.1207/s15516709cog1402_1), and plain "Elman (1990)" or
  "(Elman, 1990)", to the entry in the bibliography, from which it goes on to the paper.

What does not exist is a warning. At its end a page holds, hidden, the formulas of other pages and the works that it
refers to; references.js shows them beside the link.
"""

import re
from itertools import groupby

from docutils import nodes
from sphinx import addnodes
from sphinx.environment.collectors import EnvironmentCollector
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.nodes import make_refnode

CHAPTER = re.compile(r"book/(\d\d)_")
EXERCISE = re.compile(r"Exercise (\d+\.\d+) ")
TAG = re.compile(r"\\tag\{(\d+\.\d+)\}")

NUMBER = r"\d+\.\d+"
LIST = r"(?:(?:,\s|\sand\s|\sto\s|–)\d[\d.]*\b)*"
NAME = r"(?:(?:van|der|de|von|Della)\s)*[A-Z][\w’'-]+"
NAMES = rf"{NAME}(?:,\s{NAME})*(?:\sand\s(?:{NAME}|others)|\set\sal\.)?"
REFERENCE = re.compile(
    rf"\((?P<equation>[1-9]\d?\.[1-9]\d?)\)"
    rf"|\b(?P<kind>[Ee]quation|[Ee]xercise|[Ff]igure|Fig\.)(?:\s{NUMBER}|s\s{NUMBER}{LIST})"
    rf"|\b(?P<chapter>[Cc]hapter)(?:\s\d+|s\s\d+{LIST})\b"
    rf"|(?P<names>{NAMES}),?\s\(?(?P<year>(?:19|20)\d\d)\)"
)
# "Elman (1990)", "Elman, 1990" and "Elman 1990": the text of a link that is a citation.
CITATION = re.compile(rf"(?P<names>{NAMES}),? \(?(?P<year>(?:19|20)\d\d)\)?$")
# No reference is looked for in these.
CLOSED = (
    *(nodes.reference, nodes.title, nodes.literal, nodes.literal_block, nodes.math, nodes.math_block, nodes.raw),
    *(nodes.citation, nodes.comment, addnodes.desc_signature, addnodes.toctree),
)

logger = logging.getLogger(__name__)


def references(text):
    """Find the references in a text.

    Yields:
        (start, end, key): `key` is "(7.3)", "exercise 6.1", "figure 6.1" or "chapter 5", or for a citation the pair
        (names, year).
    """
    for found in REFERENCE.finditer(text):
        if found["names"]:
            yield *found.span(), (found["names"], found["year"])
        elif found["equation"]:
            yield *found.span(), found[0]
        else:  # "chapters 8 and 9": the first link is "chapters 8", the second "9"
            kind = (found["kind"] or found["chapter"]).lower().replace("fig.", "figure")
            start = found.start()
            for number in re.finditer(r"\d+(?:\.\d+)?", found[0]):
                end = found.start() + number.end()
                yield start, end, f"({number[0]})" if kind == "equation" else f"{kind} {number[0]}"
                start = found.start() + number.end() + len(re.match(r"\D*", found[0][number.end() :])[0])


def numbered(docname, doctree):
    """Yield (key, anchor, formula or None) for all that a page holds for others to refer to; formulas get anchors."""
    if chapter := CHAPTER.match(docname):
        yield f"chapter {int(chapter[1])}", "", None
    for section in doctree.findall(nodes.section):
        if exercise := EXERCISE.match(section[0].astext()):
            yield f"exercise {exercise[1]}", section["ids"][0], None
    for formula in doctree.findall(nodes.math_block):
        copy = formula.deepcopy()
        for number in TAG.findall(formula.astext()):
            formula["ids"].append("eq-" + number.replace(".", "-"))
            yield f"({number})", formula["ids"][-1], copy


def join_texts(doctree):
    """Make one text of those that the lines of a paragraph were read into."""
    for element in doctree.findall(nodes.TextElement):
        children, element.children = element.children, []
        for are_texts, group in groupby(children, lambda child: isinstance(child, nodes.Text)):
            pieces = list(group)
            element += nodes.Text("".join(pieces)) if are_texts else pieces


def open_texts(doctree):
    """The texts in which references are looked for."""
    for text in list(doctree.findall(nodes.Text)):
        above = text.parent
        while above and not isinstance(above, CLOSED):
            above = above.parent
        if not above:
            yield text


class Targets(EnvironmentCollector):
    """Keeps, for each page, what others can refer to: `env.numbered[docname][key] = (anchor, formula or None)`."""

    def clear_doc(self, app, env, docname):
        env.numbered = {name: found for name, found in getattr(env, "numbered", {}).items() if name != docname}

    def merge_other(self, app, env, docnames, other):
        env.numbered |= {name: other.numbered[name] for name in docnames}

    def process_doc(self, app, doctree):
        env = app.env
        join_texts(doctree)
        env.numbered[env.docname] = {key: found for key, *found in numbered(env.docname, doctree)}
        # Have this page built again when a page that it refers to has changed.
        keys = [key for text in open_texts(doctree) for *_, key in references(text.astext()) if isinstance(key, str)]
        mentioned = {int(re.search(r"\d+", key)[0]) for key in keys}
        for docname in env.found_docs:
            chapter = CHAPTER.match(docname)
            if chapter and int(chapter[1]) in mentioned and docname != env.docname:
                env.note_dependency(env.doc2path(docname))


def surname(person):
    return " ".join(str(name) for name in person.rich_prelast_names + person.rich_last_names)


def is_by(entry, names, year):
    """Whether a work of the bibliography is the one cited as, for example, "Elman" or "He and others" of that year."""
    authors = [surname(person) for person in entry.persons["author"]]
    cited = re.split(", | and | et al\\.", " ".join(names.replace("’", "'").split()))
    short = cited[-1] in ("others", "")
    agree = cited[0] == authors[0] if short and len(authors) > 2 else cited == authors
    return agree and entry.fields["year"] == year


def addresses(entry):
    """The web addresses under which the chapters may link to a work."""
    fields = {"doi": "https://doi.org/{}", "eprint": "https://arxiv.org/abs/{}", "url": "{}"}
    return {form.format(entry.fields[field]).lower() for field, form in fields.items() if field in entry.fields}


class References(SphinxPostTransform):
    default_priority = 400  # after links between pages are known, before formulas are rendered

    def run(self, **kwargs):
        pages = self.env.numbered.items()
        self.targets = {key: (page, *found) for page, targets in pages for key, found in targets.items()}
        self.works = self.env.get_domain("cite").citations
        self.quoted = {}
        links = list(self.document.findall(nodes.reference))
        self.linked = {(block(link), link.get("refuri")) for link in links}
        for link in links:
            self.cite(link)
        for text in open_texts(self.document):
            self.link(text)
        if self.quoted:
            self.document += nodes.container("", *self.quoted.values(), classes=["quoted"])

    def cite(self, link):
        """Have a link to a paper lead to its entry in the bibliography."""
        works = [work for work in self.works if link.get("refuri", "").lower() in addresses(work.entry)]
        text = CITATION.match(link.astext())
        wrong = text and not any(is_by(work.entry, text["names"], text["year"]) for work in works)
        if wrong and not link.get("internal"):
            logger.warning("%r links to no such work of references.bib", link.astext(), location=link)
        elif works and not isinstance(block(link).parent, nodes.citation):
            link.replace_self(self.to_work(works[0], *link.children))

    def link(self, text):
        """Replace a text by pieces of text and links."""
        pieces, done, whole = [], 0, text.astext()
        for start, end, key in references(whole):
            link = self.find(key, whole[start:end], text)
            if link is not None:
                pieces += [nodes.Text(whole[done:start]), link]
                done = end
        if pieces:
            text.parent.replace(text, pieces + [nodes.Text(whole[done:])])

    def find(self, key, written, text):
        """The link for a reference, or None."""
        if isinstance(key, tuple):
            works = [work for work in self.works if is_by(work.entry, *key)]
            if not works:
                logger.warning("references.bib has no work by %s of %s", *key, location=block(text))
            return self.to_work(works[0], nodes.Text(written)) if works else None
        if key not in self.targets:
            logger.warning("there is no %s in the book", key, location=block(text))
            return None
        page, anchor, formula = self.targets[key]
        title = self.env.titles[page].astext()
        link = make_refnode(self.app.builder, self.env.docname, page, anchor, nodes.Text(written))
        if key.startswith("chapter"):
            link["reftitle"] = title
            once = (block(text), link["refuri"])
            if page == self.env.docname or once in self.linked:
                return None
            self.linked.add(once)
        if formula:
            link["classes"] = ["preview-of"]
            if page != self.env.docname:
                chapter = key[1:].split(".")[0]
                self.quote(anchor, formula.deepcopy(), nodes.paragraph("", f"Chapter {chapter}: {title}"))
        return link

    def to_work(self, work, *children):
        page = work.bibliography_key.docname
        link = make_refnode(self.app.builder, self.env.docname, page, work.citation_id, list(children))
        link["classes"] = ["preview-of"]
        entry = work.formatted_entry.text.render(self.env.get_domain("cite").backend)
        self.quote(work.citation_id, nodes.paragraph("", "", *entry))
        return link

    def quote(self, anchor, *children):
        """Keep what is behind a link to another page, for references.js."""
        self.quoted[anchor] = nodes.container("", *children, ids=[f"quote-{anchor}"])


def block(node):
    """The paragraph, table cell or the like that a text or link stands in."""
    while isinstance(node, nodes.Text | nodes.Inline):
        node = node.parent
    return node


def take_out_quoted(app, doctree, docname):
    """What is quoted is rendered like the page, but is no part of it: the search does not find it here."""
    for quoted in list(doctree.findall(lambda node: "quoted" in getattr(node, "attributes", {}).get("classes", []))):
        quoted.parent.remove(quoted)
        doctree.quoted = quoted


def add_to_page(app, pagename, templatename, context, doctree):
    if quoted := getattr(doctree, "quoted", None):
        context["body"] += f"<div hidden>{app.builder.render_partial(quoted)['fragment']}</div>"
    if "preview-of" in context.get("body", ""):
        app.add_js_file("references.js", loading_method="defer")
        app.add_css_file("references.css")


def setup(app):
    app.add_env_collector(Targets)
    app.add_post_transform(References)
    app.connect("doctree-resolved", take_out_quoted, priority=900)
    app.connect("html-page-context", add_to_page, priority=400)
    return {"version": "1", "env_version": 1, "parallel_read_safe": True, "parallel_write_safe": True}
