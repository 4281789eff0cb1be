"""What a reader does with a figure: read a value and keep it, compare with before, start again, send a link."""

from pathlib import Path

import pytest
from test_site import LIVE as FIGURES

from conftest import ROOT, wake

pytestmark = [pytest.mark.site, pytest.mark.timed]


@pytest.fixture
def front(addresses, visit):
    """A function that opens the front page and gives it and its figure; the address may say what that shows."""

    def front(state="", **view):
        return visit(f"{addresses['file']}/index.html{state}", **view)

    return front


def figure_on(page, name="one_unit"):
    figure = page.locator(f'figure[data-name="{name}"]')
    figure.wait_for()
    return figure


def test_a_link_opens_the_figure_in_its_state(front):
    for width in (1280, 390):
        with front("#one_unit=1.1,linear", width=width) as page:
            figure = figure_on(page)
            assert figure.locator("label b").inner_text() == "1.1"
            assert figure.locator("input:checked + span").inner_text() == "linear"
            assert "1.1" in figure.locator(".explorable-text").inner_text()
            box = figure.bounding_box()
            assert box["y"] < 900 and box["y"] + box["height"] > 0, "the page is not scrolled to the figure"


def test_a_state_that_does_not_exist_is_left_out(front):
    for state in ("#one_unit=9,linear", "#one_unit=%", "#no_figure=1", "#one_unit="):
        with front(state) as page:
            figure = figure_on(page)
            assert figure.locator("label b").inner_text() == "0.8"


def test_the_address_follows_the_reader_and_reset_goes_back(front):
    with front() as page:
        figure = figure_on(page)
        start = figure.locator(".explorable-text").inner_text()
        assert "#" not in page.url, "a page that nobody has touched keeps its address"
        figure.locator("input[type=range]").focus()
        page.keyboard.press("ArrowRight")
        figure.locator(".explorable-choices input").last.click()
        page.wait_for_url("**#one_unit=0.85,linear")
        assert figure.locator(".ghost").count() > 0, "the curve before is not shown"
        shown = figure.locator(".explorable-text").inner_text()
        page.reload()
        assert figure_on(page).locator(".explorable-text").inner_text() == shown
        figure.get_by_role("button", name="Reset").click()
        assert figure.locator(".explorable-text").inner_text() == start
        assert figure.locator(".ghost").count() == 0
        page.wait_for_timeout(300)  # an address follows after 200 ms
        assert "#" not in page.url


def test_an_address_typed_later_moves_the_figure(front):
    with front() as page:
        figure = figure_on(page)
        page.evaluate("location.hash = '#one_unit=1.1,linear'")
        page.wait_for_function("document.querySelector('.explorable-text').textContent.includes('1.1')")
        assert figure.locator("label b").inner_text() == "1.1"


def test_a_tap_leaves_its_reading(front):
    with front() as page:
        figure = figure_on(page)
        reading = figure.locator(".explorable-reading")
        assert "Tap" in reading.inner_text()
        chart = figure.locator("svg[role=img]").first
        chart.scroll_into_view_if_needed()
        chart.click(position={"x": 150, "y": 100})
        page.mouse.move(0, 0)
        kept = reading.inner_text()
        assert kept.startswith("step t ") and "heard +1" in kept
        assert figure.locator(".guide").first.get_attribute("visibility") == "visible"
        # It moves with the curve, and says the new value.
        figure.locator("input[type=range]").focus()
        page.keyboard.press("ArrowRight")
        assert reading.inner_text() != kept and reading.inner_text().split(":")[0] == kept.split(":")[0]


def test_the_arrow_keys_read_a_chart(front):
    with front() as page:
        figure = figure_on(page)
        reading = figure.locator(".explorable-reading")
        figure.locator("svg[role=img]").last.focus()
        for key, start in {
            "ArrowRight": "step t 0:",
            "End": "step t 30:",
            "ArrowLeft": "step t 29:",
            "Home": "step t 0:",
        }.items():
            page.keyboard.press(key)
            assert reading.inner_text().startswith(start)
        page.keyboard.press("Escape")
        assert figure.locator(".guide").last.get_attribute("visibility") == "hidden"


def test_what_can_be_touched_is_large_enough(front):
    with front(width=390) as page:
        for control in figure_on(page).locator("input, button:visible, select").all():
            assert control.bounding_box()["height"] >= 43.9


LIVE = {
    "07_vanishing_and_exploding_gradients": ("eigenvalues_by_hand", ",1.1,1.5707963267949,0.3,0,ReLU", "ReLU"),
    "14_beam_search": ("translate_14", ",The%20old%20lamp%20burns.,2,0.5", ""),
    "08_lstm": ("your_sentence_08", ",a%20small%20lamp,3,memory", "letter 3 of 12"),
}


@pytest.mark.parametrize("page_name", LIVE)
def test_a_link_opens_a_live_figure_in_its_state(page_name, addresses, visit):
    name, state, says = LIVE[page_name]
    with visit(f"{addresses['file']}/book/{page_name}.html#{name}={state}") as page:
        wake(page)
        figure = figure_on(page, name)
        assert says in figure.locator(".explorable-text").inner_text()
        assert figure.locator(".live-buttons [aria-pressed=true]").count() == 0
        for control, value in zip(figure.locator("textarea, input, select").all(), state.split(",")[1:], strict=True):
            assert control.input_value() == value.replace("%20", " ")


def test_a_curve_to_predict_is_covered_until_asked(addresses, visit):
    with visit(f"{addresses['file']}/book/09_gru.html") as page:
        figure = figure_on(page, "gru_by_hand")
        panels, show = figure.locator(".explorable-panels"), figure.locator(".explorable-cover")
        assert panels.is_visible() and not show.is_visible()
        figure.locator("input[type=range], input:checked").first.focus()
        page.keyboard.press("ArrowRight")
        assert not panels.is_visible()
        show.click()
        assert panels.is_visible() and not show.is_visible()
        figure.locator("input[type=range], input:checked").first.focus()
        page.keyboard.press("ArrowRight")
        assert panels.is_visible(), "whoever has asked is not asked again"


@pytest.mark.parametrize("name", FIGURES)
def test_without_javascript_a_page_shows_its_figures_and_their_sentences(name, addresses, browser, visit):
    address = f"{addresses['file']}/{name}.html"
    with visit(address) as page:
        wake(page)
        page.locator("figure.explorable").first.wait_for()
        sentences = {
            figure.get_attribute("data-name"): figure.locator(".explorable-text").text_content()
            for figure in page.locator("figure.explorable").all()
        }
        learns = set(page.evaluate("[...document.querySelectorAll('.explorable.live')].map(f => f.dataset.name)"))
        paths = page.evaluate(
            "[...document.querySelectorAll('.explorable:not(.live) .mark path')].map(path => path.getAttribute('d'))"
        )
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    shown = dict(zip(sentences, page.locator("figure.still figcaption").all_text_contents(), strict=True))
    for figure in sentences.keys() - learns:  # a network that learns starts anew each time
        assert shown[figure] == sentences[figure], "run make stills"
    for image in page.locator("figure.still img").all():
        image.scroll_into_view_if_needed()
        assert image.bounding_box()["height"] > 100
    context.close()
    drawn = "".join(
        (ROOT / f"book/_static/stills/{Path(name).name}-{figure}.svg").read_text("utf-8") for figure in sentences
    )
    assert all(path in drawn for path in paths), "the figure is drawn differently now: run make stills"


@pytest.mark.parametrize("page_name", LIVE)
def test_reset_takes_a_live_figure_back_to_how_it_opened(page_name, addresses, visit):
    name, state, _ = LIVE[page_name]
    address = f"{addresses['file']}/book/{page_name}.html"
    with visit(address) as page:
        wake(page)
        opened = figure_on(page, name).locator(".explorable-text").inner_text()
        page.evaluate(f"location.hash = '#{name}={state}'")
        text = page.locator(f'figure[data-name="{name}"] .explorable-text')
        page.wait_for_function(
            "([name, opened]) => document.querySelector(`[data-name=${name}] .explorable-text`).innerText !== opened",
            arg=[name, opened],
        )
        button = figure_on(page, name).get_by_role("button", name="Reset", exact=True)
        button.focus()
        page.keyboard.press("Enter")
        assert text.inner_text() == opened
        assert figure_on(page, name).locator(".live-buttons [aria-pressed=true]").count() == 1
        assert button.evaluate("button => button === document.activeElement")
        page.wait_for_function(f"!location.hash.includes({state!r})")
        page.reload()
        wake(page)
        assert figure_on(page, name).locator(".explorable-text").inner_text() == opened


@pytest.mark.parametrize("where", ["file", "server"])
@pytest.mark.parametrize("allowed", [True, False])
def test_a_link_to_what_a_figure_shows_can_be_copied(allowed, where, addresses, visit):
    with visit(f"{addresses[where]}/index.html#exercises") as page:
        page.evaluate(
            """allowed => Object.defineProperty(navigator, "clipboard", { value: { writeText: async (text) => {
                if (!allowed) throw new DOMException("refused", "NotAllowedError");
                window.copied = text;
            } } })""",
            allowed,
        )
        figure = figure_on(page)
        figure.locator("input[type=range]").focus()
        page.keyboard.press("ArrowRight")
        figure.get_by_role("button", name="Copy link").click()
        said = figure.get_by_role("status")
        address = f"{addresses[where]}/index.html#one_unit=0.85,tanh"
        if allowed:
            assert (said.inner_text(), page.evaluate("copied")) == ("copied", address)
        else:
            assert said.inner_text() == "Copy this address:"
            assert page.evaluate("getSelection().toString() || document.activeElement.value") == address
            assert figure.get_by_label("address of what the figure shows").input_value() == address


def test_a_link_to_an_untouched_live_figure_opens_it(addresses, visit):
    name, _, _ = LIVE["08_lstm"]
    with visit(f"{addresses['file']}/book/08_lstm.html") as page:
        wake(page)
        figure = figure_on(page, name)
        page.evaluate(
            "Object.defineProperty(navigator, 'clipboard', { value: { writeText: (t) => { window.copied = t; } } })"
        )
        figure.get_by_role("button", name="Copy link").click()
        opened, address = figure.locator(".explorable-text").inner_text(), page.evaluate("copied")
        assert "#" not in page.url
        page.goto(address)
        page.reload()
        assert figure_on(page, name).locator(".explorable-text").inner_text() == opened
