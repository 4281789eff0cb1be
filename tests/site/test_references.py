"""References on the built site: everything referred to is a link, and shows what it leads to."""

import re

import pytest
from bs4 import BeautifulSoup
from test_site import PAGES

from conftest import HTML

pytestmark = pytest.mark.site

# What holds no running text.
CLOSED = "a, h1, h2, h3, h4, pre, code, script, style, svg, summary, .math, .cell_output, .sig, .quoted"
PLAIN = re.compile(r"\(\d\d?\.\d\d?\)|[Ee]xercise\s\d+\.\d|[A-Z]\w+,?\s(?:and\sothers,?\s)?\(?(?:19|20)\d\d\)")


def article(name):
    return BeautifulSoup((HTML / f"{name}.html").read_text(encoding="utf-8"), "html.parser").article


@pytest.mark.parametrize("name", PAGES)
def test_every_reference_is_a_link(name):
    page = article(name)
    for link in page.select("a.preview-of"):
        anchor = link["href"].split("#")[1]
        shown = page.find(id=f"quote-{anchor}") or page.find(id=anchor)
        assert shown.get_text().strip(), f"nothing to show for {link}"
    for closed in page.select(CLOSED):
        closed.replace_with("·")
    assert not PLAIN.findall(page.get_text())


def test_there_are_many():
    pages = "".join((HTML / f"{name}.html").read_text(encoding="utf-8") for name in PAGES)
    links = re.findall(r'<a class="[^"]*preview-of[^"]*" href="[^"]*#(eq|cite)-', pages)
    assert links.count("eq") > 120 and links.count("cite") > 120


def test_the_bibliography_leads_to_the_papers():
    entries = article("book/references").select(".citation")
    without = [entry.get_text() for entry in entries if not entry.select("a.external")]
    assert len(entries) > 80 and [bool(re.search("Zipf", text)) for text in without] == [True]


# Where the formula or the work is: on the same page, in another chapter, in the bibliography.
PLACES = {
    "a.preview-of[href^='#eq-']": "(7.",
    "a.preview-of[href*='.html#eq-']": "Chapter 8",
    "a.preview-of[href*='#cite-']": "19",
}


@pytest.mark.parametrize("where, shown", PLACES.items())
@pytest.mark.parametrize("width, scheme", [(1280, "light"), (390, "dark")])
def test_a_reference_shows_what_it_leads_to(where, shown, width, scheme, addresses, visit):
    name = "book/10_deep_rnns" if shown == "Chapter 8" else "book/07_vanishing_and_exploding_gradients"
    with visit(f"{addresses['file']}/{name}.html", width, scheme) as page:
        link, box = page.locator(f"article {where}").first, page.locator(".preview")
        link.scroll_into_view_if_needed()
        link.hover()
        box.wait_for()
        assert shown in box.inner_text()
        formulas = box.evaluate("box => [...box.querySelectorAll('.formula')].map((one) => one.clientWidth)")
        assert all(width > 30 for width in formulas), "a formula is seen"
        inside = box.bounding_box()
        assert inside["x"] >= 0 and inside["x"] + inside["width"] <= width
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        box.hover()  # the pointer may go into the box
        page.wait_for_timeout(400)
        assert box.is_visible()
        page.keyboard.press("Escape")
        assert box.count() == 0
        page.mouse.move(0, 0)

        link.evaluate("link => link.focus({focusVisible: true})")
        assert box.is_visible() and link.get_attribute("aria-describedby") == "preview"
        page.keyboard.press("Escape")
        assert box.count() == 0 and link.get_attribute("aria-describedby") is None
        assert page.evaluate("document.activeElement.matches('a.preview-of')"), "the focus stays where it was"


@pytest.mark.parametrize("block", ["start", "center", "end"])
def test_what_a_reference_shows_is_in_the_window(block, addresses, visit):
    with visit(f"{addresses['file']}/book/07_vanishing_and_exploding_gradients.html", 390) as page:
        outside = page.evaluate(
            """async (block) => {
                const outside = [];
                for (const link of document.querySelectorAll("article p a.preview-of")) {
                    if (link.closest("details:not([open]), .preview")) continue;
                    link.scrollIntoView({ block, behavior: "instant" });
                    link.focus({ focusVisible: true, preventScroll: true });
                    const { top, bottom } = document.querySelector(".preview").getBoundingClientRect();
                    if (top < 0 || bottom > innerHeight) outside.push([link.textContent, top, bottom]);
                    link.blur();
                }
                return outside;
            }""",
            block,
        )
        assert outside == []


def test_tab_leads_to_the_paper_and_on(addresses, visit):
    with visit(f"{addresses['file']}/book/10_deep_rnns.html") as page:
        link, box = page.locator("article a[href*='#cite-']").first, page.locator(".preview")
        link.evaluate("link => link.focus({focusVisible: true})")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.href").startswith("https://") and box.is_visible()
        page.keyboard.press("Tab")
        assert box.count() == 0

        link.evaluate("link => link.focus({focusVisible: true})")
        page.keyboard.press("Tab")
        page.keyboard.press("Escape")
        assert box.count() == 0
        assert link.evaluate("link => link === document.activeElement"), "the focus goes back to the link"


def test_the_first_tap_shows_and_the_second_follows(addresses, browser):
    context = browser.new_context(viewport={"width": 390, "height": 800}, has_touch=True)
    page = context.new_page()
    page.goto(f"{addresses['file']}/book/10_deep_rnns.html")
    link, box = page.locator("article a.preview-of[href*='.html#eq-']").first, page.locator(".preview")
    link.tap()
    assert box.is_visible() and "10_deep_rnns" in page.url
    page.locator("article h1").first.tap()
    assert box.count() == 0, "a tap elsewhere hides it"
    link.tap()
    link.tap()
    page.wait_for_url("**/08_lstm.html#eq-8-*")
    assert page.evaluate("document.querySelector(':target').closest('.math') !== null")
    context.close()
