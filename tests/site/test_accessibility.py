"""Every page as axe sees it, wide and light, narrow and dark, folded cells open; and what axe does not look at."""

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from test_site import contrast

from conftest import HTML, read_through, wake

pytestmark = pytest.mark.site

PAGES = sorted(str(path.relative_to(HTML)) for path in HTML.rglob("*.html") if "_static" not in path.parts)
VIEWS = [(1280, "light"), (390, "dark")]

# All that is folded is opened. Two things that are alike to axe a thousand times are left once, because it looks
# slowly: coloured words in code, of which one for each colour stays, and the inside of formulas.
OPEN = """() => {
    document.querySelectorAll("details").forEach((details) => { details.open = true; });
    document.querySelectorAll("math").forEach((formula) => formula.replaceChildren("formula"));
    const seen = new Set();
    for (const word of document.querySelectorAll(".highlight span[class]")) {
        const kind = word.className + word.closest("div[class*=highlight-], .cell_output")?.className;
        if (word.children.length || !seen.has(kind)) seen.add(kind);
        else word.replaceWith(word.textContent);
    }
    document.querySelectorAll(".highlight").forEach((code) => code.normalize());
}"""

AXE = """async () => (await axe.run(document, { preload: false, resultTypes: ["violations"] })).violations.flatMap(
    ({ id, impact, nodes }) => nodes.map(({ html, failureSummary }) =>
        `${id} (${impact}): ${html.slice(0, 150)} ${failureSummary.slice(-150)}`))"""

# Formulas are not places where the Tab key stops.
FORMULAS = """() => [...document.querySelectorAll("math, .math *")].filter((part) => part.tabIndex >= 0).length"""

# Words in Chinese that are not marked as Chinese. A sentence that a figure writes may mix both languages.
CHINESE = r"""() => {
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), missing = [];
    while (texts.nextNode()) {
        const node = texts.currentNode.parentElement, text = texts.currentNode.data;
        const marked = node.closest("[lang=zh], script, .explorable-text, textarea, option");
        if (/\p{Script=Han}/u.test(text) && !marked) missing.push(text.trim().slice(0, 60));
    }
    return missing;
}"""

# Words of a drawing, with their colour as it is seen on the page; axe does not look at these.
WORDS = """() => [...document.querySelectorAll(".explorable svg text:not(:empty)")].map((text) => {
    const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    canvas.fillStyle = getComputedStyle(document.querySelector("body")).backgroundColor;
    canvas.fillRect(0, 0, 1, 1);
    const ground = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).join();
    canvas.fillStyle = getComputedStyle(text).fill;
    canvas.globalAlpha = getComputedStyle(text).opacity;
    canvas.fillRect(0, 0, 1, 1);
    return [[...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).join(), ground, text.textContent];
})"""


@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing(name, addresses, visit):
    where = addresses["server" if name == "404.html" else "file"]
    with visit(f"{where}/{name}") as page:
        wake(page)
        assert page.evaluate(FORMULAS) == 0
        assert page.evaluate(CHINESE) == []
        page.evaluate(OPEN)
        page.evaluate(AXE_SCRIPT)
        for width, scheme in VIEWS:
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            page.set_viewport_size({"width": width, "height": 900})
            page.wait_for_function("scheme => document.documentElement.dataset.theme === scheme", arg=scheme)
            page.wait_for_timeout(350)  # then keyboard.js measures anew
            read_through(page)
            assert page.evaluate(AXE) == [], (width, scheme)
            pale = [word for word in page.evaluate(WORDS) if contrast(*word[:2]) < 4.5]
            assert pale == [], (width, scheme)
