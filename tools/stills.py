"""Draw the still pictures that a page shows without JavaScript: each figure of the built site as it opens.

    python tools/stills.py            # after `make book`: all figures
    python tools/stills.py book/08_lstm

A still is an SVG file in book/_static/stills with the figure's own drawing, and with its sentence as its title. It is
always light, because without JavaScript the pages are. Chromium draws it; the pictures are kept in the repository, so
that `make book` needs no browser.
"""

import html
import re
import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[1]
STILLS = ROOT / "book/_static/stills"
WIDTH = 1280

# The figure's panels and lines as XML, without what only moves; a canvas becomes an image.
STILL = """(figure) => {
    const copy = figure.cloneNode(true), canvases = [...figure.querySelectorAll("canvas")];
    copy.querySelectorAll("canvas").forEach((canvas, i) => {
        const image = document.createElement("img");
        image.src = canvases[i].toDataURL();
        image.style = "width: 100%; height: 100%; image-rendering: pixelated;";
        canvas.replaceWith(image);
    });
    const moves = copy.querySelectorAll(`form, textarea, button, input, select, details, .live-buttons, .live-area,
        .explorable-controls, .explorable-cover, .explorable-reading, .explorable-text, .handles, [hidden]`);
    moves.forEach((node) => node.remove());
    copy.querySelectorAll("*").forEach((node) => ["tabindex", "title", "role", "aria-label", "aria-live"].forEach(
        (name) => node.removeAttribute(name)));
    const style = [...figure.parentNode.querySelectorAll("style")].map((one) => one.textContent).join("");
    figure.replaceWith(copy);
    const { width, height } = copy.getBoundingClientRect();
    const xml = new XMLSerializer().serializeToString(copy);
    copy.replaceWith(figure);
    return { width, height, style, xml, text: figure.querySelector(".explorable-text").textContent };
}"""

# Goes to a live figure that waits until the reader is near, if there is one.
WAKE = """() => {
    const next = document.querySelector(".page-widget.waiting");
    next?.scrollIntoView();
    return next !== null;
}"""


def still(width, height, style, xml, text):
    """A figure as an SVG document."""
    colours = "svg { color: #222832 }"
    style = re.sub(r"\s+", " ", style).replace("&", "&amp;").replace("<", "&lt;")
    xml = re.sub(r"(\d+\.\d\d)\d+", r"\1", xml)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}">'
        f"<title>{html.escape(text, quote=False)}</title><style>{colours} {style} .explorable {{ margin: 0 }}</style>"
        f'<foreignObject width="100%" height="100%">{xml}</foreignObject></svg>\n'
    )


def figures(page):
    """Every figure of an open page: its name, and what `still` needs."""
    for figure in page.locator("figure.explorable").all():
        yield figure.get_attribute("data-name"), figure.evaluate(STILL)


def open_page(browser, address):
    """A page with all its figures drawn."""
    page = browser.new_page(viewport={"width": WIDTH, "height": 900})
    page.goto(address)
    while page.evaluate(WAKE):
        page.wait_for_timeout(100)
    page.wait_for_function(
        "document.querySelectorAll('.page-widget > :is(figure, .lab-note)').length === "
        "document.querySelectorAll('.page-widget').length"
    )
    page.wait_for_timeout(500)  # until a network that learns has been judged once
    return page


def main(names):
    pages = [ROOT / f"_build/html/{name}.html" for name in names] or sorted((ROOT / "_build/html").rglob("*.html"))
    pages = [path for path in pages if "widget-view+json" in path.read_text(encoding="utf-8")]
    STILLS.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for path in pages:
            page = open_page(browser, path.as_uri())
            for name, drawn in figures(page):
                (STILLS / f"{path.stem}-{name}.svg").write_text(still(**drawn), encoding="utf-8")
                print(f"{path.stem}: {name}")
            page.close()
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1:])
