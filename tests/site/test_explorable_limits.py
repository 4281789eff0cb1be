"""Numbers at the edge of what a figure can show, drawn by explore.js on a page of its own: no site is needed."""

import io
import math
import re

import numpy as np
import pytest
from PIL import Image
from test_explorable_values import background, show

from d2lrnn.explore import Bars, Control, Dots, Explorable, Line, Nodes, Panel, Text, TextPanel, TreePanel

pytestmark = pytest.mark.site

ONE = {"k": Control("k", [1])}
MAGENTA = "#ff00ff"
NUMBERS = {
    "constant 0.3": [0.3] * 4,
    "constant 1": [1] * 4,
    "constant 1e20": [1e20] * 4,
    "constant -1e20": [-1e20] * 4,
    "zero": [0] * 4,
    "one point": [0.3],
    "a missing value": [0.3, math.nan, 2, 3],
    "alone between gaps": [math.nan, 0.3, math.inf],
    "the widest": [-1e300, 1e300, math.inf],
    "the smallest": [1e-300, 1e-320, 2e-300],
    "all missing": [math.nan] * 3,
}


@pytest.fixture
def page(tmp_path, visit):
    """An empty page, opened as a file; an error on the console fails the test."""
    file = tmp_path / "page.html"
    file.write_text('<!doctype html><meta charset="utf-8"><article></article>', encoding="utf-8")
    with visit(file.as_uri()) as page:
        yield page


def drawing(page, marks, panel):
    """The panel's node, after a look at every attribute, with the pointer on it as well."""
    page.evaluate("document.querySelector('article').replaceChildren()")
    figure = show(page, Explorable("edge", lambda k: ("", [marks]), ONE, [panel]))
    node = figure.locator("[role=img]")
    node.hover()
    assert re.findall(r'[-\w]+="[^"]*(?:NaN|Infinity|undefined)[^"]*"', figure.evaluate("f => f.outerHTML")) == []
    page.mouse.move(0, 0)  # what is said under the pointer has the mark's colour
    return node


def magenta(svg):
    """How many pixels between the axes have the marks' colour."""
    area = svg.evaluate("s => [...JSON.parse(s.dataset.x).slice(2, 4), ...JSON.parse(s.dataset.y).slice(2, 4)]")
    left, right, bottom, top = area
    picture = Image.open(io.BytesIO(svg.screenshot())).convert("RGB").crop((left - 3, top - 3, right + 3, bottom + 3))
    red, green, blue = np.asarray(picture).transpose(2, 0, 1)
    return ((red > 180) & (blue > 180) & (green < 120)).sum()


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_what_can_be_drawn_is_seen_and_what_cannot_is_refused(scale, page):
    panel = Panel("x", "y", xscale=scale, yscale=scale)
    for case, numbers in NUMBERS.items():
        finite = [v for v in numbers if math.isfinite(v)]
        for mark in (
            Line("", range(1, len(numbers) + 1), numbers, MAGENTA),
            Line("", numbers, range(1, len(numbers) + 1), MAGENTA),
            Dots("", numbers, numbers, MAGENTA),
            Bars("", "abcd"[: len(numbers)], numbers, MAGENTA),
        ):
            if scale == "log" and finite and max(finite) <= 0:
                with pytest.raises(ValueError, match="above 0"):
                    Explorable("edge", lambda k, mark=mark: ("", [[mark]]), ONE, [panel])
                continue
            seen = magenta(drawing(page, [mark], panel))
            no_height = isinstance(mark, Bars) and scale == "linear" and not any(finite)
            assert seen >= 9 if finite and not no_height else seen == 0, f"{case}: {seen} pixels of {mark}"


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_tokens_are_shaded(scale, page):
    for case, numbers in NUMBERS.items():
        mark = Text("", "abcd"[: len(numbers)], numbers, MAGENTA)
        tokens = drawing(page, [mark], TextPanel(yscale=scale)).locator("[data-token]").all()
        shades = [background(token)[3] for token in tokens]
        assert all(0 <= shade <= 0.5501 for shade in shades), case
        shown = [v for v in numbers if math.isfinite(v) and (v > 0 if scale == "log" else v != 0)]
        assert (max(shades) > 0.25) == bool(shown), case


def test_every_bar_of_a_log_axis_has_a_height(page):
    svg = drawing(page, [Bars("", "abc", [1, 10, 100], MAGENTA)], Panel("x", "y", yscale="log"))
    assert min(svg.locator(".mark rect").evaluate_all("bars => bars.map(bar => +bar.getAttribute('height'))")) > 20


def test_a_missing_value_is_a_gap_in_the_line(page):
    line = Line("", range(6), [0, 1, math.nan, 3, math.nan, 5], MAGENTA)
    mark = drawing(page, [line], Panel("x", "y")).locator(".mark")
    assert re.sub(r"[\d. ]+", "", mark.locator("path").get_attribute("d")) == "MLMM"
    assert mark.locator("circle").count() == 2  # points without a neighbour would not be seen


def test_a_line_over_bars_is_where_its_numbers_are(page):
    marks = [Bars("", "abc", [1, 2, 3], "#000"), Dots("", [2], [3], MAGENTA)]
    svg = drawing(page, marks, Panel("x", "y", xscale="log"))
    assert float(svg.locator("circle").get_attribute("cx")) == float(svg.locator(".tick").last.get_attribute("x"))


def test_a_setting_without_bars_is_drawn(page):
    drawing(page, [Bars("", [], [], MAGENTA)], Panel("x", "y"))
    drawing(page, [], Panel("x", "y", xscale="log", yscale="log"))


def test_a_node_without_a_value_is_drawn(page):
    nodes = [Nodes("ended", [1, 2], [-math.inf, -1], MAGENTA, ranked=True)]
    tree = drawing(page, nodes, TreePanel(["a", "b", "c"], [None, 0, 0]))
    assert tree.locator("text").all_text_contents()[-3:] == ["1.  no value", "c", "2.  −1"]


@pytest.mark.parametrize(("value", "text"), [(5e-300, "5·10⁻³⁰⁰"), (-1.5e-7, "−1.5·10⁻⁷")])
def test_large_and_small_numbers_are_written_as_powers_of_ten(value, text, page):
    node = drawing(page, [Text("", "a", [value], MAGENTA)], TextPanel(ylim=(-1e6, 1e6)))
    assert node.locator("[data-token]").get_attribute("title") == f"{text} at “a”"
