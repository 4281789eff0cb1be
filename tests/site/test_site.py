"""The built site in a browser: no network, no error, two widths, light and dark, mouse and keyboard."""

import gzip
import json
import re

import pytest

from conftest import HTML, ROOT, read_through, wake

pytestmark = pytest.mark.site

NOTEBOOKS = {
    str(path.relative_to(ROOT).with_suffix("")): json.loads(path.read_text(encoding="utf-8"))
    for path in ROOT.glob("book/**/*.ipynb")
}
NOTEBOOKS["index"] = NOTEBOOKS.pop("book/index")  # the front page is what the site's address shows
PAGES = sorted([*NOTEBOOKS, *(str(path.relative_to(ROOT).with_suffix("")) for path in ROOT.glob("book/**/*.md"))])
LIVE = sorted(name for name, notebook in NOTEBOOKS.items() if '"_esm"' in json.dumps(notebook["metadata"]))
VIEWS = [(1280, "light"), (390, "dark"), (1280, "dark"), (390, "light"), (768, "light")]
SIDEWAYS = "blocks => blocks.filter((pre) => pre.scrollWidth > pre.clientWidth + 1).map((pre) => pre.innerText)"
every_page = pytest.mark.parametrize("name", PAGES + ["genindex", "search"])
every_address = pytest.mark.parametrize("where", ["file", "server"])


def markdown(name):
    path = ROOT / f"{name}.md"
    if path.is_file():
        return path.read_text(encoding="utf-8")
    cells = NOTEBOOKS.get(name, {"cells": []})["cells"]
    return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")


@every_address
@every_page
def test_page(name, where, addresses, visit):
    for width, scheme in VIEWS if where == "file" else VIEWS[:2]:
        with visit(f"{addresses[where]}/{name}.html", width, scheme) as page:
            assert page.evaluate("document.documentElement.scrollWidth") <= width, "the page scrolls sideways"
            assert page.evaluate("document.documentElement.dataset.theme") == scheme
            if "$" in re.sub(r"```.*?```|`[^`]*`", "", markdown(name), flags=re.S):
                assert page.locator("math").count() > 0, "no formula is rendered"
            read_through(page)
            page.wait_for_function(
                "() => [...document.images].every((image) => !image.checkVisibility() || image.naturalWidth > 0)"
            )
            for image in page.locator("article img:visible").all():  # the others are for the other colour
                assert image.get_attribute("alt")
                width, height, natural = image.evaluate(
                    "one => [one.width, one.height, one.naturalHeight / one.naturalWidth]"
                )
                assert abs(height / width - natural) < 0.03, "a picture is squeezed"
            hidden = "captions => captions.filter((one) => !one.checkVisibility()).map((one) => one.textContent)"
            assert page.locator("article figure:not(.still) > figcaption").evaluate_all(hidden) == []
            text = page.locator("main").evaluate("element => getComputedStyle(element).color")
            ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
            assert contrast(text, ground) >= 7


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_code_fits_and_what_it_prints_wraps(name, addresses, visit):
    for width in (1280, 768, 390):
        with visit(f"{addresses['file']}/{name}.html", width) as page:
            page.evaluate("document.querySelectorAll('details').forEach((folded) => (folded.open = true))")
            assert page.locator("div.cell_output pre").evaluate_all(SIDEWAYS) == []
            if width == 1280:
                assert page.locator("div.cell_input pre").evaluate_all(SIDEWAYS) == []
            page.emulate_media(media="print")
            assert page.locator("div.cell_input pre, div.cell_output pre").evaluate_all(SIDEWAYS) == []


@pytest.mark.parametrize("name", PAGES)
def test_formulas_are_in_the_page_with_their_numbers(name):
    page = (HTML / f"{name}.html").read_text(encoding="utf-8")
    own = page.split("<div hidden>")[0]  # behind it are those of other pages that this one refers to
    shown = re.findall(r'<span class="eqno">\((.*?)\)</span>', own)
    assert shown == re.findall(r"\\tag\{([^{}]*)\}", re.sub(r"```.*?```|`[^`]*`", "", markdown(name), flags=re.S))
    assert page.count("<math") == page.count('<annotation encoding="application/x-tex">')
    assert "mathjax" not in page.lower()


CHAPTER = "book/06_backpropagation_through_time"


@pytest.mark.parametrize("width", [390, 1280])
def test_formulas_fit_and_are_no_tab_stops(width, addresses, visit):
    for name in [name for name in NOTEBOOKS if r"\tag" in markdown(name)]:
        with visit(f"{addresses['file']}/{name}.html", width) as page:
            wide, cut, stops = page.evaluate(
                """() => [
                    [...document.querySelectorAll("div.math > .formula")].filter(
                        (f) => f.scrollWidth > f.clientWidth + 1),
                    [...document.querySelectorAll("article .eqno, article p math:not(table *)")].filter(
                        (f) => f.getBoundingClientRect().right > innerWidth),
                    document.querySelectorAll("math[tabindex], .formula[tabindex]"),
                ].map((found) => found.length)"""
            )
            assert wide <= (2 if width == 390 else 0), f"{name}: {wide} formulas scroll"
            assert (cut, stops) == (0, 0), name


def test_formulas_are_drawn_in_the_font_of_the_site(addresses, visit):
    with visit(f"{addresses['file']}/{CHAPTER}.html") as page:
        loaded = page.evaluate(
            "document.fonts.ready.then((all) => [...all].filter((f) => f.status === 'loaded').map((f) => f.family))"
        )
        assert any("Formulas" in family for family in loaded)
        assert page.evaluate(
            "[...document.fonts].some((font) => font.family === 'Formulas' && font.status === 'loaded')"
        )


def test_every_root_has_its_sign(addresses, visit):
    for name in [name for name in NOTEBOOKS if r"\sqrt" in markdown(name)]:
        with visit(f"{addresses['file']}/{name}.html") as page:
            widths = page.locator("article msqrt:visible").evaluate_all(
                """roots => roots.map((root) => root.getBoundingClientRect().width - [...root.children].reduce(
                    (sum, child) => sum + child.getBoundingClientRect().width, 0))"""
            )
            assert widths and min(widths) > 4, f"{name}: a root is drawn without its sign"


def test_formulas_are_copied_as_latex(addresses, visit):
    with visit(f"{addresses['file']}/{CHAPTER}.html") as page:
        copied = page.evaluate(
            """() => {
                getSelection().selectAllChildren(document.querySelector("article div.math").parentElement);
                const data = new DataTransfer();
                document.dispatchEvent(new ClipboardEvent("copy", { clipboardData: data }));
                return data.getData("text/plain");
            }"""
        )
        formulas = re.findall(r"\$\$(.*?)\$\$", markdown(CHAPTER), flags=re.S)
        first = re.sub(r"\\tag\{.*?\}|\s", "", formulas[0])
        assert f"$${first}$$" in re.sub(r"\s", "", copied)


@every_page
def test_pages_are_light(name):
    page = HTML / f"{name}.html"
    html = page.read_text(encoding="utf-8")
    files = {page, *(page.parent / file for file in re.findall(r'(?:src|href)="([^":?]+\.(?:css|js))', html))}
    assert sum(len(gzip.compress(file.read_bytes())) for file in files) < 300_000


def contrast(*colours):
    """The contrast ratio of two colours, as WCAG 2 defines it."""
    lightness = []
    for colour in colours:
        parts = [int(number) / 255 for number in re.findall(r"\d+", colour)[:3]]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        lightness.append(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2])
    return (max(lightness) + 0.05) / (min(lightness) + 0.05)


@every_address
@pytest.mark.parametrize("name", LIVE)
def test_explorables_answer_to_keyboard_and_mouse(name, where, addresses, visit):
    for width in (1280, 390):
        with visit(f"{addresses[where]}/{name}.html", width) as page:
            figures = page.locator("figure.explorable:not(.live)")  # the live ones have tests of their own
            figures.first.wait_for()
            for figure in figures.all():
                answers_to_keyboard(page, figure)
                answers_to_mouse(page, figure)


def state(figure):
    """What the figure shows: its drawings and lines of text, and its text alternative."""
    return figure.evaluate(
        """figure => [
            [...figure.querySelectorAll("[role=img]")].map(panel => panel.innerHTML).join(),
            [...figure.querySelectorAll("[role=img]")].map(panel => panel.getAttribute("aria-label")).join(),
            figure.querySelector(".explorable-text[aria-live=polite]").textContent,
        ]"""
    )


def answers_to_keyboard(page, figure):
    for control in figure.locator("input[type=range], select, input:checked").all():
        assert control.evaluate("control => control.labels.length") == 1, "a control without a label"
        before = state(figure)
        control.focus()
        at_the_end = control.evaluate(
            """control => {
                const last = control.form.querySelectorAll(`[name=${control.name}]`).length - 1;
                return control.value === (control.max || String(control.options?.length - 1 || last));
            }"""
        )
        page.keyboard.press("ArrowLeft" if at_the_end else "ArrowRight")
        after = state(figure)
        assert after[0] != before[0], "the drawing did not change"
        assert after[1] != before[1] and after[2] != before[2], "the text alternative did not change"


def answers_to_mouse(page, figure):
    for choices in figure.locator(".explorable-choices").all():
        before = state(figure)
        choices.locator("input:not(:checked)").last.click()
        after = state(figure)
        assert after[0] != before[0] and after[2] != before[2]
    for slider in figure.locator("input[type=range]").all():
        slider.scroll_into_view_if_needed()
        before = state(figure)
        box = slider.bounding_box()
        value = slider.evaluate("slider => (slider.value - slider.min) / (slider.max - slider.min)")
        page.mouse.click(box["x"] + box["width"] * (0.9 if value < 0.5 else 0.1), box["y"] + box["height"] / 2)
        after = state(figure)
        assert after[0] != before[0] and after[2] != before[2]


@pytest.mark.timed
@pytest.mark.parametrize("name", LIVE)
def test_explorables_answer_in_50_ms(name, addresses, visit):
    with visit(f"{addresses['file']}/{name}.html") as page:
        page.locator("figure.explorable").first.wait_for()
        # The median of ten moves: from setting a control to the page laid out again.
        slowest = page.evaluate(
            """() => Math.max(0, ...[...document.querySelectorAll("figure.explorable:not(.live)")].map((figure) => {
                const form = figure.querySelector("form"), first = form.elements["control-0"];
                const took = [...Array(10).keys()].map((i) => {
                    const start = performance.now();
                    first.value = i % 2 ? 0 : first.max || 1;
                    form.dispatchEvent(new Event("input"));
                    figure.getBoundingClientRect();
                    return performance.now() - start;
                });
                return took.sort((a, b) => a - b)[5];
            }))"""
        )
        assert slowest < 50


@pytest.mark.parametrize("name", LIVE)
def test_every_saved_widget_is_shown(name, addresses, visit):
    outputs = [out for cell in NOTEBOOKS[name]["cells"] for out in cell.get("outputs", [])]
    views = [out for out in outputs if "application/vnd.jupyter.widget-view+json" in out.get("data", {})]
    with visit(f"{addresses['file']}/{name}.html") as page:
        page.locator("figure.explorable").first.wait_for()
        wake(page)
        assert page.locator("figure.explorable, .lab-note").count() == len(views)


def test_the_script_of_the_figures_is_served_once():
    script = (ROOT / "src/d2lrnn/explore.js").read_text(encoding="utf-8")
    served = (HTML / "_static/figure_scripts.js").read_text(encoding="utf-8").splitlines()[0]
    texts = json.loads(served.removeprefix("const FIGURE_SCRIPTS = ").removesuffix(";"))
    assert texts == {"d2lrnn.explore.Explorable": script}
    holders = {path.name for path in HTML.rglob("*.[hj]*") if "addReadout(svg" in path.read_text(encoding="utf-8")}
    assert holders == {"figure_scripts.js", "live_figures.js"}


def test_the_address_alone_is_the_front_page(addresses, visit):
    with visit(f"{addresses['server']}/") as page:
        assert page.url == f"{addresses['server']}/"
        page.get_by_role("link", name="Start with chapter 1").click()
        page.wait_for_url("**/book/01_sequence_models.html")
        page.locator("nav.bd-links a").first.click()
        page.wait_for_url(f"{addresses['server']}/index.html")


def test_links_lead_somewhere():
    for page in [HTML / "index.html", *HTML.glob("book/**/*.html")]:
        for target, anchor in re.findall(r'href="([^"#:?]*)(?:#([^"]*))?"', page.read_text(encoding="utf-8")):
            file = (page.parent / target).resolve() if target else page
            assert file.exists(), f"{page.name} links to {target}"
            if anchor and file.suffix == ".html":
                assert f'id="{anchor}"' in file.read_text(encoding="utf-8"), f"{page.name}: no {target}#{anchor}"


def test_the_search_shows_chapters_before_the_package(addresses, visit):
    with visit(f"{addresses['server']}/search.html?q=perplexity") as page:
        page.get_by_text("Search finished").wait_for(state="attached")
        found = page.locator("#search-results li > a").evaluate_all("links => links.map(a => a.getAttribute('href'))")
        of_the_package = [bool(re.match("book/api|_modules", link)) for link in found]
        assert any(link.startswith("book/03_language_models") for link in found[:3])
        assert True in of_the_package and of_the_package == sorted(of_the_package)


def test_the_search_shows_text_without_latex(addresses, visit):
    with visit(f"{addresses['server']}/search.html?q=softmax") as page:
        page.get_by_text("Search finished").wait_for(state="attached")
        page.wait_for_load_state("networkidle")
        lines = page.locator("#search-results p.context").all_inner_texts()
        assert len(lines) > 5
        assert not [line for line in lines if re.search(r"\\[a-zA-Z(]|import |_\{", line)]


def test_the_icon_does_not_cover_the_query(addresses, visit):
    with visit(f"{addresses['server']}/search.html?q=perplexity", 390) as page:
        icon = page.locator(".bd-search-container .bd-search i").first.bounding_box()
        field = page.locator(".bd-search-container .bd-search input")
        starts = field.bounding_box()["x"] + float(
            field.evaluate("one => parseFloat(getComputedStyle(one).paddingLeft)")
        )
        assert icon["x"] + icon["width"] <= starts


def test_terms_link_to_the_glossary(addresses, visit):
    chapters = [name for name in PAGES if re.search(r"\*\*[^*]+\*\*\s\([^)]*[\u4e00-\u9fff]", markdown(name))]
    for name in chapters:
        with visit(f"{addresses['file']}/{name}.html") as page:
            link = page.locator("a.glossary-term").first
            assert len(link.get_attribute("title")) > 20
            link.click()
            page.wait_for_url("**/glossary.html#*")
            page.locator("dt:target").wait_for()


@pytest.mark.parametrize("name", PAGES)
def test_every_introduced_term_is_a_link(addresses, visit, name):
    # Smart quotes had hidden Heaps' law and Zipf's law from the glossary.
    introduced = re.findall(r"\*\*([^*]+)\*\*\s\([^)]*[\u4e00-\u9fff]", markdown(name))
    with visit(f"{addresses['file']}/{name}.html") as page:
        linked = page.locator("a.glossary-term").all_text_contents()
    assert [term.replace("’", "'") for term in linked] == introduced


def test_a_wrong_address_says_so(addresses, browser):
    page = browser.new_page()
    page.goto(f"{addresses['server']}/404.html")
    assert "not found" in page.locator("article h1").inner_text().lower()
    assert page.evaluate(
        "[...document.styleSheets].some((one) => one.href?.includes('site.css') && one.cssRules.length)"
    )
    assert page.evaluate("getComputedStyle(document.querySelector('.bd-main')).display") == "flex"
    page.close()


def test_the_colours_can_be_chosen(addresses, visit):
    with visit(f"{addresses['file']}/index.html") as page:
        seen = set()
        for _ in range(3):
            page.locator("button.theme-switch-button:visible").first.click()
            seen.add(page.evaluate("document.documentElement.dataset.theme"))
        assert seen == {"light", "dark"}


def test_there_is_one_search_field(addresses, visit):
    with visit(f"{addresses['file']}/index.html") as page:
        assert page.locator("input[type=search]:visible, button.search-button-field:visible").count() == 1


def test_a_figure_is_drawn_when_the_reader_comes_near(addresses, browser):
    waiting = "document.querySelectorAll('.page-widget.waiting:not(.live)').length"
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.goto(f"{addresses['file']}/book/06_backpropagation_through_time.html")
    page.wait_for_timeout(500)
    assert page.evaluate(waiting) > 0
    read_through(page)
    page.wait_for_function(f"{waiting} === 0")
    page.close()


# An observer may tell several sightings at once: here an old one, out of sight, stands before each.
TWICE = """
    const Real = IntersectionObserver;
    window.IntersectionObserver = class extends Real {
        constructor(tell, options) {
            const old = ({ target }) => ({ target, isIntersecting: false });
            super((seen, observer) => tell([...seen.map(old), ...seen], observer), options);
        }
    };
"""


def test_a_figure_comes_although_two_sightings_are_told_at_once(addresses, browser):
    page = browser.new_page()
    page.add_init_script(TWICE)
    page.goto(f"{addresses['file']}/book/06_backpropagation_through_time.html")
    wake(page)
    read_through(page)
    assert page.locator(".page-widget figure").count() == 2
    page.close()


def test_a_link_leads_to_its_place_in_a_page_that_is_not_laid_out(addresses, browser):
    page = browser.new_page()  # visit would lay it out
    page.goto(f"{addresses['file']}/book/06_backpropagation_through_time.html#exercises")
    page.wait_for_timeout(1000)
    assert page.evaluate("getComputedStyle(document.querySelector('#exercises')).contentVisibility") == "auto"
    assert -5 < page.evaluate("document.querySelector('#exercises h2').getBoundingClientRect().top") < 200
    page.close()


def test_who_comes_back_finds_the_place(addresses, browser):
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.goto(f"{addresses['server']}/book/06_backpropagation_through_time.html")
    read_through(page)
    page.evaluate("document.querySelector('#exercises').previousElementSibling.scrollIntoView()")
    page.wait_for_timeout(500)
    top = "document.querySelector('#exercises').previousElementSibling.getBoundingClientRect().top"
    before = page.evaluate(top)
    page.goto(f"{addresses['server']}/book/glossary.html")
    page.go_back(wait_until="load")
    page.wait_for_function("!document.querySelector('.page-widget.waiting:not(.live)')")
    page.wait_for_timeout(500)
    assert abs(page.evaluate(top) - before) < 200
    page.close()


@pytest.mark.parametrize("toggle, drawer", [("Menu", "primary"), ("Contents", "secondary")])
def test_a_drawer_has_a_button_that_closes_it(toggle, drawer, addresses, browser):
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.goto(f"{addresses['file']}/{CHAPTER}.html")
    page.wait_for_function("!document.querySelector('template#scripts')")
    opener = page.locator(f".{drawer}-toggle:visible").first
    for _ in range(2):  # once more, because the theme moves what is in it to and fro
        opener.click()
        close = page.locator(f"#pst-{drawer}-sidebar-modal[open]").get_by_role("button", name="Close", exact=True)
        assert close.bounding_box()["height"] >= 44
        close.click()
        assert page.locator(f"#pst-{drawer}-sidebar-modal[open]").count() == 0
        page.wait_for_function(f"document.activeElement?.matches('.{drawer}-toggle')")
    page.set_viewport_size({"width": 1280, "height": 800})
    assert page.locator(".drawer-close:visible").count() == 0
    page.close()


def test_a_button_that_copies_keeps_the_focus_and_says_so(addresses, visit):
    with visit(f"{addresses['file']}/{CHAPTER}.html") as page:
        button = page.locator("div.cell_input .copybtn:visible").first
        button.focus()
        page.keyboard.press("Enter")
        page.locator("[role=status]", has_text="copied").wait_for(state="attached")
        assert button.evaluate("one => one === document.activeElement")


def test_tab_stops_at_code_that_scrolls_and_at_no_other(addresses, visit):
    with visit(f"{addresses['file']}/book/06_backpropagation_through_time.html", 390) as page:
        read_through(page)
        wrong = page.evaluate(
            """() => [...document.querySelectorAll(".cell_input pre")]
                .filter((code) => !code.closest("details:not([open])"))
                .filter((code) => (code.tabIndex === 0) !== (code.scrollWidth > code.clientWidth))
                .map((code) => code.textContent.slice(0, 80))"""
        )
        assert wrong == []
