"""How a reader comes to the book and back to it: the front page, shared links, buttons, what has been read."""

import html
import json
import re
from pathlib import Path

import pytest
import yaml
from PIL import Image

from conftest import HTML, ROOT

pytestmark = pytest.mark.site

CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
ADDRESS = CONFIG["html"]["baseurl"]
CHAPTERS = sorted(path.stem for path in ROOT.glob("book/[01][0-9]_*.ipynb"))
PAGES = [HTML / "index.html", *sorted(HTML.glob("book/**/*.html"))]


def tags(page):
    """What the head of a page says about it: {name: content}."""
    text = page.read_text(encoding="utf-8")
    found = re.findall(r'<meta (?:name|property)="([^"]+)" content="([^"]*)"', text)
    return {name: html.unescape(content) for name, content in found}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_shared_link_has_a_preview(page):
    about = tags(page)
    name = page.relative_to(HTML).as_posix()
    assert about["og:url"] == ADDRESS + ("" if name == "index.html" else name)
    assert about["og:site_name"] == CONFIG["title"]
    assert about["og:image"].startswith(ADDRESS)
    picture = Image.open(HTML / about["og:image"].removeprefix(ADDRESS))
    assert picture.size == (1200, 630) and len(picture.getcolors(1 << 24)) > 10
    assert len(about["og:image:alt"]) > 20
    assert about["og:description"] == about["description"]
    assert 30 <= len(about["description"]) <= 210 and not re.search(r"[\\{}]|_\w", about["description"])


def test_chapters_share_their_own_figure():
    pictures = {(HTML / tags(HTML / f"book/{name}.html")["og:image"].removeprefix(ADDRESS)) for name in CHAPTERS}
    assert {path.stem for path in pictures} == set(CHAPTERS)
    assert len({path.read_bytes() for path in pictures}) == len(CHAPTERS)


def test_the_pages_have_an_icon(addresses, visit):
    with visit(f"{addresses['server']}/book/09_gru.html") as page:
        for rel in ("icon", "apple-touch-icon"):
            icon = page.locator(f"link[rel={rel}]").evaluate("link => link.href")
            assert page.request.get(icon).ok


def test_the_sitemap_has_the_front_page():
    found = re.findall("<loc>(.*?)</loc>", (HTML / "sitemap.xml").read_text(encoding="utf-8"))
    assert ADDRESS in found and f"{ADDRESS}book/index.html" not in found


@pytest.mark.parametrize("width", [390, 1280])
def test_the_front_page_has_a_card_for_each_chapter(addresses, visit, width):
    with visit(f"{addresses['file']}/index.html", width) as page:
        cards = page.locator("ol.cards > li")
        assert cards.count() == len(CHAPTERS)
        for number, (card, name) in enumerate(zip(cards.all(), CHAPTERS, strict=True), 1):
            link = card.locator("a")
            assert Path(link.get_attribute("href")).stem == name
            assert link.text_content().strip().startswith(f"{number}. ")
            assert re.fullmatch(r"\d\d minutes", card.locator(".minutes").text_content().strip())
            drawing = card.locator("svg").bounding_box()
            assert drawing["width"] > 80 and drawing["height"] > 80
        cards.nth(6).locator("svg").click(force=True)  # the link lies over it: the whole card leads there
        page.wait_for_url(f"**/{CHAPTERS[6]}.html")


def test_the_contents_of_a_page_give_way_to_the_place_they_lead_to(addresses, visit):
    with visit(f"{addresses['file']}/book/{CHAPTERS[6]}.html", 390) as page:
        page.locator(".secondary-toggle").click()
        drawer = page.locator("#pst-secondary-sidebar-modal")
        drawer.locator("a[href='#exercises']").click()
        drawer.wait_for(state="hidden")
        assert -5 < page.locator("#exercises > h2").bounding_box()["y"] < 300
        cut = "links => links.filter((one) => one.scrollWidth > one.clientWidth).map((one) => one.textContent)"
        assert page.locator(".prev-next-area a").evaluate_all(cut) == []


def test_on_a_phone_four_buttons_have_their_names(addresses, visit):
    with visit(f"{addresses['file']}/book/07_vanishing_and_exploding_gradients.html", 390) as page:
        buttons = page.locator(".bd-header-article button:visible, .bd-header-article a:visible")
        names = buttons.evaluate_all("all => all.map(one => getComputedStyle(one, '::after').content)")
        assert names == ['"Menu"', '"Launch"', '"Search"', '"Contents"']
        for button in buttons.all():
            box = button.bounding_box()
            assert box["height"] >= 40 and box["width"] >= 44
        page.locator(".primary-toggle").click()
        page.locator(".bd-sidebar-primary .theme-switch-button").click()


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_can_be_launched_on_binder_and_in_colab(name):
    text = html.unescape((HTML / f"book/{name}.html").read_text(encoding="utf-8"))
    repository = CONFIG["repository"]["url"].removeprefix("https://github.com/")
    assert f'"https://mybinder.org/v2/gh/{repository}/main?urlpath=lab/tree/book/{name}.ipynb"' in text
    assert f'"https://colab.research.google.com/github/{repository}/blob/main/book/{name}.ipynb"' in text


def test_what_has_been_read_is_remembered(addresses, visit):
    with visit(f"{addresses['server']}/book/{CHAPTERS[0]}.html") as page:
        label = page.locator(".have-read")
        assert "in this browser only" in label.inner_text()
        label.locator("input").check()
        assert page.locator("nav.bd-links .read-mark").count() == 1
        page.goto(f"{addresses['server']}/")
        assert page.locator("ol.cards li").first.locator(".read-mark").get_attribute("aria-label") == "read"
        assert "1 of 15 chapters read (kept in this browser only)" in page.locator(".progress-note").inner_text()
        page.get_by_role("link", name="Go on with chapter 2").click()
        page.wait_for_url(f"**/{CHAPTERS[1]}.html")
        assert not page.locator(".have-read input").is_checked()
        assert json.loads(page.evaluate("localStorage.getItem('d2lrnn-read')")) == [CHAPTERS[0]]
        page.goto(f"{addresses['server']}/book/{CHAPTERS[0]}.html")
        page.locator(".have-read input").uncheck()
        assert page.locator(".read-mark").count() == 0


def test_a_browser_that_keeps_nothing_is_asked_nothing(addresses, browser):
    page = browser.new_page()
    page.add_init_script("Storage.prototype.setItem = () => { throw new DOMException('', 'QuotaExceededError'); }")
    errors = []
    page.on("pageerror", lambda error: errors.append(error.stack))
    page.goto(f"{addresses['file']}/book/{CHAPTERS[0]}.html")
    assert page.locator(".have-read").count() == 0
    assert not [error for error in errors if "reading.js" in error]
    page.close()


def test_chinese_terms_have_a_font_of_their_own(addresses, visit):
    with visit(f"{addresses['file']}/book/glossary.html") as page:
        for element in ("body", "dt"):
            fonts = page.locator(element).first.evaluate("one => getComputedStyle(one).fontFamily")
            for font in (
                "PingFang SC",
                "Hiragino Sans GB",
                "Microsoft YaHei",
                "Noto Sans CJK SC",
                "WenQuanYi Micro Hei",
            ):
                assert font in fonts
