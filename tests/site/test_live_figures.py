"""Live figures: what they draw equals what torch computes, and what they need is fetched when they come near."""

import math
import re

import pytest
import torch
from test_explorable_values import assert_drawn, drawn, read

from conftest import wake
from d2lrnn.live.figures import Live

pytestmark = [pytest.mark.site, pytest.mark.timed]
CHAPTER_7 = "book/07_vanishing_and_exploding_gradients"
NEXT_FRAME = "() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))"
PHI = {"tanh": torch.tanh, "ReLU": torch.relu, "sigmoid": torch.sigmoid, "linear": lambda z: z}


def hand_set(figure, **values):
    """Move the controls whose labels begin so, as a reader would, and wait for the next frame."""
    for label, value in values.items():
        control = figure.locator(f"label:has-text('{label}')").locator("input, select")
        control.evaluate("(c, value) => { c.value = value; c.dispatchEvent(new Event('input')); }", str(value))
    figure.evaluate(NEXT_FRAME)


def left_of_an_impulse(size, degrees, real, shear, activation):
    """‖∂h_t/∂h_1‖ by autograd and the states, for t = 1 … 41."""
    a, b = size * math.cos(math.radians(degrees)), size * math.sin(math.radians(degrees))
    W = torch.tensor([[a, -b, shear], [b, a, shear], [0, 0, real]], dtype=torch.float64)
    phi = PHI[activation]
    h_1 = phi(torch.ones(3, dtype=torch.float64))

    def state(h, steps):
        for _ in range(steps):
            h = phi(h @ W)
        return h

    jacobians = [torch.autograd.functional.jacobian(lambda h, k=k: state(h, k), h_1) for k in range(41)]
    return [torch.linalg.matrix_norm(J, 2).item() for J in jacobians], [state(h_1, k) for k in range(41)], W


@pytest.mark.parametrize(
    "setting",
    [
        {"size": 0.8, "degrees": 34, "real": 0.5, "shear": 0, "activation": "tanh"},
        {"size": 1.1, "degrees": 80, "real": -1.2, "shear": 2.5, "activation": "ReLU"},
        {"size": 1.4, "degrees": 10, "real": 1.4, "shear": 5, "activation": "sigmoid"},
        {"size": 0.9, "degrees": 0, "real": 0.9, "shear": 1.5, "activation": "linear"},
    ],
    ids=lambda setting: setting["activation"],
)
def test_eigenvalues_by_hand_draws_what_autograd_computes(setting, addresses, visit):
    norms, states, W = left_of_an_impulse(**setting)
    with visit(f"{addresses['file']}/{CHAPTER_7}.html") as page:
        wake(page)
        figure = page.locator('figure[data-name="eigenvalues_by_hand"]')
        hand_set(figure, **{"pair: size": setting["size"], "pair: angle": math.radians(setting["degrees"])})
        hand_set(figure, **{"the real one": setting["real"], "non-normal": setting["shear"]})
        hand_set(figure, activation=setting["activation"])
        panels = read(figure)
        assert_drawn(drawn(figure, "gradient", 1), range(41), norms, panels[1], rounding=1e-6)
        for j, label in enumerate(("h₁", "h₂", "h₃")):
            assert_drawn(drawn(figure, label, 2), range(41), [h[j].item() for h in states], panels[2], rounding=1e-6)
        sigma = torch.linalg.matrix_norm(W, 2).item()
        shown = figure.locator(".explorable-text").inner_text()
        assert f"σ_max = {sigma:.3g}".rstrip("0").rstrip(".") in shown


@pytest.mark.parametrize("width", [1280, 390])
def test_an_eigenvalue_follows_the_pointer(width, addresses, visit):
    with visit(f"{addresses['file']}/{CHAPTER_7}.html", width) as page:
        wake(page)
        figure = page.locator('figure[data-name="eigenvalues_by_hand"]')
        handle = figure.locator(".handles circle").nth(0)
        handle.scroll_into_view_if_needed()
        box = handle.bounding_box()
        assert min(box["width"], box["height"]) >= 44
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        low, high, start, end, _ = read(figure)[0]["x"]
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x - 0.3 * (end - start) / (high - low), y, steps=4)
        page.mouse.up()
        page.evaluate(NEXT_FRAME)
        assert figure.locator("label:has-text('the real one') b").inner_text() == "0.20"
        assert "and 0.20:" in figure.locator(".explorable-text").inner_text()


def test_each_control_answers_to_the_keyboard(addresses, visit):
    with visit(f"{addresses['file']}/{CHAPTER_7}.html") as page:
        wake(page)
        figure = page.locator('figure[data-name="eigenvalues_by_hand"]')
        text, picture = figure.locator(".explorable-text"), figure.locator("svg[role=img]").nth(1)
        for control in figure.locator("input[type=range], select").all():
            assert control.evaluate("control => control.labels.length") == 1
            said, drawn_before = text.inner_text(), picture.inner_html()
            control.focus()
            for _ in range(3):
                page.keyboard.press("ArrowRight")
            page.evaluate(NEXT_FRAME)
            assert text.inner_text() != said and picture.inner_html() != drawn_before


def test_each_story_says_what_its_name_says(addresses, visit):
    says = {
        "it fades": "vanishes, and the impulse is forgotten",
        "it explodes": "explodes",
        "it grows first": "grows first and vanishes",
        "kept, but not learnable": "still tells which impulse came",
        "a sigmoid": "vanishes",
    }
    with visit(f"{addresses['file']}/{CHAPTER_7}.html") as page:
        wake(page)
        figure = page.locator('figure[data-name="eigenvalues_by_hand"]')
        for story, words in says.items():
            figure.get_by_role("button", name=story, exact=True).click()
            assert words in figure.locator(".explorable-text").inner_text()
            assert figure.locator("button[aria-pressed=true]").all_inner_texts() == [story]


def test_the_script_is_fetched_when_a_live_figure_comes_near(addresses, visit):
    for name, wanted in (("book/01_sequence_models", False), (CHAPTER_7, True)):
        with visit(f"{addresses['server']}/{name}.html") as page:
            asked = []
            page.on("request", lambda request, asked=asked: asked.append(request.url))
            page.locator("figure.explorable").first.wait_for()
            assert not [url for url in asked if "live_figures" in url]
            page.evaluate("window.scrollTo(0, document.body.scrollHeight / 2)")
            wake(page)
            assert len([url for url in asked if "live_figures" in url]) == wanted


def test_a_script_that_does_not_come_is_said(addresses, browser):
    page = browser.new_page()
    page.route("**/live_figures.js", lambda route: route.abort())
    page.goto(f"{addresses['server']}/{CHAPTER_7}.html")
    wake(page)
    assert page.get_by_text("This figure could not be loaded.").count() == 2
    page.close()


def test_a_figure_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="no live figure 'eigenvalue', only eigenvalues, your_sentence"):
        Live("mine", "eigenvalue")


@pytest.fixture
def by_touch(addresses, browser):
    """Chapter 7 on a phone, its figure, and a function that puts down a finger, moves it in steps, and lifts it."""
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto(f"{addresses['file']}/{CHAPTER_7}.html")
    wake(page)
    fingers = context.new_cdp_session(page)

    def drag(start, by, steps=5):
        for i in range(steps + 1):
            point = {"x": start[0] + by[0] * i / steps, "y": start[1] + by[1] * i / steps}
            kind = "touchMove" if i else "touchStart"
            fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [point]})
        fingers.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        page.evaluate(NEXT_FRAME)

    yield page, page.locator('figure[data-name="eigenvalues_by_hand"]'), drag
    context.close()


def test_a_finger_drags_an_eigenvalue_and_does_not_scroll(by_touch):
    page, figure, drag = by_touch
    figure.get_by_role("button", name="it grows first", exact=True).tap()
    handle = figure.locator(".handles circle").last
    handle.scroll_into_view_if_needed()
    box, scrolled = handle.bounding_box(), page.evaluate("scrollY")
    low, high, start, end, _ = read(figure)[0]["y"]
    off_centre = (box["x"] + 8, box["y"] + box["height"] / 2 + 5)
    drag(off_centre, (0, 0.6 * (end - start) / (high - low)))
    assert page.evaluate("scrollY") == scrolled
    size, angle, real = (
        figure.locator(f"label:has-text('{name}') b").inner_text() for name in ("size", "angle", "real")
    )
    assert (size, angle, real) == ("1.00", "37°", "0.80")  # 0.8 + 0.6i: no jump, and one of the pair, not the real one


def test_a_curve_beyond_its_panel_is_cut_off_and_has_an_arrow(addresses, visit):
    with visit(f"{addresses['file']}/{CHAPTER_7}.html") as page:
        wake(page)
        figure = page.locator('figure[data-name="eigenvalues_by_hand"]')
        assert figure.locator(".leaves").count() == 0
        hand_set(figure, activation="linear", **{"pair: size": 1.5})
        panel = figure.locator("svg[role=img]").nth(1)
        gradient = panel.locator('.mark[data-label="gradient"]')
        top = read(figure)[1]["y"][3]
        path = gradient.locator("path")
        assert min(map(float, re.findall(r" ([-\d.]+)", path.get_attribute("d")))) < top - 2  # not along the edge
        assert panel.locator("svg.inside").evaluate("svg => getComputedStyle(svg).overflow") == "hidden"
        colour = path.get_attribute("stroke")
        assert panel.locator(f'.leaves[fill="{colour}"]').count() == 1
