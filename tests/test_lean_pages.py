"""Light pages: styles, scripts and pictures of the site."""

from pathlib import Path

import pytest

pytest.importorskip("pydata_sphinx_theme", reason="only the site needs it")

import lean_pages
import lean_styles
from lean_styles import purge
from sphinx.builders.html._assets import _CascadingStyleSheet, _JavaScript
from sphinx.errors import ConfigError


def test_a_rule_stays_if_a_selector_can_match():
    css = ".a, .b:hover { color: red } #c .a { x: y } .b { x: y } .a:not(.b) { x: y } body { x: y } :root { --v: 1 }"
    assert purge(css, {"a"}).splitlines() == [
        ".a{color: red}",
        ".a:not(.b){x: y}",
        "body{x: y}",
        ":root{--v: 1}",
    ]


def test_rules_in_media_queries_are_cut_and_empty_ones_go():
    css = "@media print { .a { x: y } .b { x: y } } @media screen { .b { x: y } } @font-face { font-family: b }"
    cut = purge(css, {"a"})
    assert ".a{x: y}" in cut and ".b" not in cut and "screen" not in cut and "@font-face" in cut


def test_cutting_twice_changes_nothing():
    css = "@charset 'utf-8'; @media print { .a > .c, a { content: ','; } } .a { background: url(data:image/png) }"
    once = purge(css, {"a", "c"})
    assert purge(once, {"a", "c"}) == once


def test_a_broken_stylesheet_is_an_error():
    with pytest.raises(ValueError, match="line 1"):
        purge(".a } .b", {"a"})


def write_sheets(static, text=".a { background: url(a.png) }"):
    (static / "styles").mkdir()
    for name in lean_styles.SHEETS:
        (static / name.replace("*", "1")).write_text(text)


def test_one_sheet_has_all_rules_in_order(tmp_path):
    write_sheets(tmp_path)
    (tmp_path / "styles/sphinx-book-theme.css").write_text('@import url("../basic.css");\n.b { x: y }')
    lean_styles.combine(tmp_path)
    lean_styles.combine(tmp_path)  # as a second build does
    one = (tmp_path / lean_styles.ONE).read_text().split()
    addresses = [word for word in one if word.startswith("url")]
    assert addresses == ["url(a.png)"] * 2 + ["url(../a.png)"] * 2 + ["url(../a.png)"] * 4
    assert "@import" not in one and one.count(".b") == 1


def test_an_unknown_stylesheet_is_an_error(tmp_path):
    write_sheets(tmp_path, "@import url(other.css);")
    with pytest.raises(ConfigError, match="another stylesheet"):
        lean_styles.combine(tmp_path)
    context = {"css_files": [_CascadingStyleSheet(f"_static/{name}") for name in ("pygments.css", "formulas.css")]}
    lean_styles.leave_to_one(None, "page", "", context, None)
    assert [sheet.filename for sheet in context["css_files"]] == ["_static/formulas.css"]
    with pytest.raises(ConfigError, match="new.css"):
        lean_styles.leave_to_one(None, "page", "", {"css_files": [_CascadingStyleSheet("_static/new.css")]}, None)


def test_the_themes_search_for_boxes_that_scroll_is_found_once():
    theme = Path(lean_pages.pydata_sphinx_theme.__file__).parent / "theme/pydata_sphinx_theme/static/scripts"
    script = (theme / "pydata-sphinx-theme.js").read_text(encoding="utf-8")
    cut, found = lean_pages.SCROLLING.subn(r"function \1(){}", script)
    assert found == 1 and "scrollWidth" in script and "scrollWidth" not in cut


def test_pages_without_code_have_no_copy_buttons():
    copy = _JavaScript("_static/copybutton.js")
    assert lean_pages.needed(copy, '<div class="cell_input">')
    assert not lean_pages.needed(copy, "<p>")


@pytest.mark.parametrize("unused", lean_pages.UNUSED)
def test_what_no_page_uses_goes(unused):
    assert not lean_pages.needed(_CascadingStyleSheet(f"_static/{unused}.css"), "")
    assert not lean_pages.needed(_JavaScript("", body=f"let {unused} = 1;"), "")
    assert lean_pages.needed(_CascadingStyleSheet("_static/book.css"), "")


def test_pictures_say_their_size_and_all_but_the_first_come_late():
    body = '<img src="../_images/a.png" /><img src="../_images/b%20c.png"><img src="../_images/a.png" width="3">'
    assert lean_pages.sized(body, {"a.png": (20, 10), "b c.png": (4, 3)}) == (
        '<img src="../_images/a.png" width="20" height="10" />'
        '<img src="../_images/b%20c.png" width="4" height="3" loading="lazy" decoding="async">'
        '<img src="../_images/a.png" width="3">'
    )
    later = '<h2>Later</h2><img src="_images/a.png">'
    assert 'loading="lazy"' in lean_pages.sized(later, {"a.png": (20, 10)})


def test_another_version_of_the_theme_stops_the_build(monkeypatch):
    lean_pages.check_themes(None, None)
    monkeypatch.setitem(lean_pages.THEMES, "sphinx-book-theme", "0.1")
    with pytest.raises(ConfigError, match="THEMES"):
        lean_pages.check_themes(None, None)
