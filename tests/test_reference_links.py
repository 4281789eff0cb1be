"""The links that book/_ext/references.py makes, on a small book of two chapters."""

import io

import pytest

sphinx = pytest.importorskip("sphinx.application", reason="the site's tools are not installed")
docutils = pytest.importorskip("sphinx.util.docutils")
links = pytest.importorskip("references")  # book/_ext/references.py

CONFIG = """
extensions = ["myst_parser", "sphinxcontrib.bibtex", "references"]
myst_enable_extensions = ["dollarmath"]
bibtex_bibfiles = ["works.bib"]
bibtex_cite_id = "cite-{key}"
root_doc = "book/index"
"""
WORKS = """
@article{elman1990,
  author = {Elman, Jeffrey L.}, title = {Finding Structure in Time}, journal = {Cognitive Science}, year = {1990},
  doi = {10.1207/s15516709cog1402_1},
}
@article{huang2017,
  author = {Huang, Gao and Liu, Zhuang and van der Maaten, Laurens}, title = {Dense}, journal = {CVPR}, year = {2017},
  eprint = {1608.06993},
}
"""
ONE = r"""# The first

$$ a = b \tag{1.1} $$

$$
\begin{aligned} c &= d \\ e &= f \end{aligned} \tag{1.2}
$$

## Exercises

### Exercise 1.1 By hand

Do it.
"""
TWO = r"""# The second

$$ g = h \tag{2.1} $$

By (2.1), (1.2) and exercise
1.1; chapter 1, chapter 1's and chapter 2. `(1.1)` $(1.1)$

[Huang and others, 2017](https://arxiv.org/abs/1608.06993), Elman (1990) and Huang, Liu and van der
Maaten (2017).

## Is (1.1) it?
"""
INDEX = "# A book\n\n```{toctree}\n01_one\n02_two\nworks\n```\n"
BIBLIOGRAPHY = "# Works\n\n```{bibliography}\n:all:\n:style: plain\n```\n"


@pytest.fixture
def built(tmp_path):
    """A function that builds a book whose second chapter is given; it returns that page and the warnings."""

    def build(two):
        book = tmp_path / "book"
        book.mkdir(exist_ok=True)
        (tmp_path / "conf.py").write_text(CONFIG)
        (tmp_path / "works.bib").write_text(WORKS)
        for name, text in {"index": INDEX, "01_one": ONE, "02_two": two, "works": BIBLIOGRAPHY}.items():
            path = book / f"{name}.md"
            if not path.exists() or path.read_text() != text:  # only what has changed is read again
                path.write_text(text)
        warnings = io.StringIO()
        with docutils.docutils_namespace():
            out = tmp_path / "out"
            sphinx.Sphinx(tmp_path, tmp_path, out, out / "doctrees", "html", status=None, warning=warnings).build()
        return (out / "book/02_two.html").read_text(), warnings.getvalue()

    return build


@pytest.mark.parametrize(
    "text, found",
    [
        ("By (7.3) and (7.10),", {"(7.3)": "(7.3)", "(7.10)": "(7.10)"}),
        ("Equation 7.3 says", {"Equation 7.3": "(7.3)"}),
        ("Chapter 4's loop", {"Chapter 4": "chapter 4"}),
        ("chapters 6 to 10 say", {"chapters 6": "chapter 6", "10": "chapter 10"}),
        (
            "exercises 6.1, 6.2 and 6.3.",
            {"exercises 6.1": "exercise 6.1", "6.2": "exercise 6.2", "6.3": "exercise 6.3"},
        ),
        ("in Fig. 7.2", {"Fig. 7.2": "figure 7.2"}),
        ("as in Elman (1990), who", {"Elman (1990)": ("Elman", "1990")}),
        ("Y. Wu and others (2016)", {"Wu and others (2016)": ("Wu and others", "2016")}),
        ("pairs (Sennrich et al., 2016)", {"Sennrich et al., 2016)": ("Sennrich et al.", "2016")}),
        ("Huang, van der Maaten and Wu (2017)", {"Huang, van der Maaten and Wu (2017)": None}),
        ("In chapter 7, 20 steps; in 2016; (0.94), (4.25 to 4.33), (7), (7.123), 2.5 and (100.0)", {"chapter 7": None}),
    ],
)
def test_what_is_a_reference(text, found):
    keys = {text[start:end]: key for start, end, key in links.references(text)}
    assert list(keys) == list(found)
    assert all(keys[written] == key for written, key in found.items() if key)


def test_text_of_a_link_that_is_a_citation():
    for text in ("Elman (1990)", "Elman, 1990", "Elman 1990", "Marcellino, Stock and Watson, 2006"):
        assert links.CITATION.match(text)["year"] in text
    assert not links.CITATION.match("Unicode form") and not links.CITATION.match("GPT in 2020")


def test_links(built):
    page, warnings = built(TWO)
    assert warnings == ""
    assert 'id="eq-2-1"' in page
    assert 'href="#eq-2-1">(2.1)</a>' in page
    assert 'href="01_one.html#eq-1-2">(1.2)</a>' in page
    assert 'href="01_one.html#exercise-1-1-by-hand">exercise\n1.1</a>' in page
    assert 'href="01_one.html" title="The first">chapter 1</a>, chapter 1’s and chapter 2.' in page
    assert 'href="works.html#cite-huang2017">Huang and others, 2017</a>' in page
    assert 'href="works.html#cite-elman1990">Elman (1990)</a>' in page
    assert 'href="works.html#cite-huang2017">Huang, Liu and van der\nMaaten (2017)</a>' in page
    assert "eq-1-1" not in page, "code, formulas and headings hold no links"


def test_previews(built):
    page, _ = built("# The second\n\nBy (1.2) and [Elman (1990)](https://doi.org/10.1207/s15516709cog1402_1).\n")
    body, hidden = page.split("<div hidden>")
    assert 'id="quote-eq-1-2"' in hidden and r"\tag{1.2}" in hidden and "The first" in hidden
    assert 'id="quote-cite-elman1990"' in hidden and "Finding structure in time" in hidden
    assert 'href="https://doi.org/10.1207/s15516709cog1402_1"' in hidden and "https://doi.org" not in body
    assert "references.js" in page
    page, _ = built("# The second\n\nNothing.\n")
    assert "references.js" not in page and "<div hidden>" not in page


def test_what_leads_nowhere_is_a_warning(built):
    nowhere = {
        "By (1.3).": "there is no (1.3) in the book",
        "Exercise 1.2 asks.": "there is no exercise 1.2",
        "See Figure 1.1.": "there is no figure 1.1",
        "See chapter 3.": "there is no chapter 3",
        "As Elman (1991) says.": "no work by Elman of 1991",
        "As Huang and Liu (2017) say.": "no work by Huang and Liu of 2017",
        "As [Elman (1992)](https://doi.org/10.1207/s15516709cog1402_1) says.": "'Elman (1992)' links to no such work",
        "As [Elman (1990)](https://arxiv.org/abs/1608.06993) says.": "'Elman (1990)' links to no such work",
    }
    _, warnings = built("# The second\n\n" + "\n\n".join(nowhere))
    for warning in nowhere.values():
        assert warning in warnings
    assert warnings.count("02_two.md") == len(nowhere)


def test_a_page_is_built_again_when_what_it_refers_to_is_gone(built, tmp_path, monkeypatch):
    assert built("# The second\n\nBy (1.2).\n")[1] == ""
    monkeypatch.setitem(globals(), "ONE", ONE.replace("1.2", "1.3"))
    assert "there is no (1.2)" in built("# The second\n\nBy (1.2).\n")[1]
