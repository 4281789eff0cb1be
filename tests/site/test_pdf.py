"""The book as a PDF: a part of it is printed here, and what `make pdf` has made is looked at where it is."""

import unicodedata

import make_pdf
import pytest
from pypdf import PdfReader

from conftest import HTML

pytestmark = pytest.mark.site

PAGES = [name for _, names in make_pdf.contents() for name in names]
PART = [("One", ["book/09_gru", "book/studies/three_truncations"]), ("Two", ["book/glossary"])]


def plain(text):
    """Without spaces, which the lines of a page do not keep, and without ligatures."""
    return "".join(unicodedata.normalize("NFKC", text).split())


def top_of_outline(pdf):
    return [(item.title, pdf.get_destination_page_number(item)) for item in pdf.outline if not isinstance(item, list)]


def check(pdf, toc):
    """Bookmarks, page numbers and links of a PDF."""
    outline = top_of_outline(pdf)
    assert len(outline) == 1 + sum(len(names) for _, names in toc), "the contents, and each page of the site"
    front = outline[1][1]
    labels = pdf.page_labels
    assert labels[front:] == [str(number) for number in range(1, len(pdf.pages) - front + 1)]
    for number in (front, front + 1, len(pdf.pages) - 1):
        assert labels[number] in pdf.pages[number].extract_text().split()[:1], "the printed number is the page's"
    contents = plain("".join(page.extract_text() for page in pdf.pages[:front]))
    for title, page in outline[1:]:
        assert plain(title) + labels[page] in contents
        assert plain(title) in plain(pdf.pages[page].extract_text())
    return outline


@pytest.fixture(scope="module")
def part(tmp_path_factory, browser):
    path = tmp_path_factory.mktemp("pdf") / "part.pdf"
    make_pdf.print_book(browser, PART, path)
    return PdfReader(path)


def test_a_part_is_printed_with_bookmarks_numbers_and_links(part):
    outline = check(part, PART)
    assert [title for title, _ in outline[:3]] == [
        "Recurrent neural networks you can take apart",
        "9. Gated recurrent units",
        "Full, truncated or randomised: which gradient trains best?",
    ]
    chapter, glossary = outline[1][1], outline[3][1]
    targets = [link.get_object().get("/Dest") for page in part.pages[chapter:] for link in page.get("/Annots", [])]
    pages = [part.get_page_number(target[0].get_object()) for target in targets if target]
    # From the chapter into the glossary, to more than one of its pages: the terms have places of their own.
    assert len({page for page in pages if page >= glossary}) > 1


def test_formulas_figures_and_solutions_are_printed(part):
    first, after = (page for _, page in top_of_outline(part)[1:3])
    text = "".join(page.extract_text() for page in part.pages[first:after])
    assert "(9.1)" in text and "Solution 9.1" in text and "layer_parameters" in text
    assert any(page.images for page in part.pages[first:after])


@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_cut_in_print(name, browser):
    window = make_pdf.open_page(browser, name)
    cut = window.evaluate(
        """width => [...document.querySelectorAll("article *")].filter((one) => {
            const box = one.getBoundingClientRect(), style = getComputedStyle(one);
            const unseen = !box.width || style.visibility === "hidden";
            if (unseen || one.closest("mjx-assistive-mml, math, svg *")) return false;
            const hides = style.overflowX !== "visible" && one.scrollWidth > one.clientWidth + 2 && one.clientWidth > 2;
            return hides || box.right > width + 2 || box.left < -2;
        }).map((one) => one.outerHTML.slice(0, 200))""",
        make_pdf.WIDTH,
    )
    window.close()
    assert cut == []


def test_the_whole_book_is_offered_where_it_was_printed():
    offered = f'href="{make_pdf.PDF.name}"' in (HTML / "index.html").read_text(encoding="utf-8")
    assert not offered or make_pdf.PDF.is_file()
    if not make_pdf.PDF.is_file():
        pytest.skip("make pdf has not been run")
    check(PdfReader(make_pdf.PDF), make_pdf.contents())
