"""The built site, a browser that may reach nothing else, and what went wrong on a page."""

import functools
import http.server
import shutil
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[2]
HTML = ROOT / "_build/html"
PREFIX = "/d2lrnn"  # as on GitHub Pages, where a project's site is in a folder


class Handler(http.server.SimpleHTTPRequestHandler):
    def translate_path(self, path):
        return super().translate_path(path.removeprefix(PREFIX))

    def log_message(self, *args):
        pass


@pytest.fixture(scope="session")
def addresses():
    """Where the site is: as files, and on a server of this machine."""
    if not (HTML / "index.html").is_file():
        pytest.fail("there is no site to test: run make book")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=HTML))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield {"file": HTML.as_uri(), "server": f"http://127.0.0.1:{server.server_port}{PREFIX}"}
    server.shutdown()


@pytest.fixture(scope="session")
def browser():
    with sync_playwright() as playwright:
        # The system's Chromium, or else the one that Playwright has installed.
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser):
    """A function that opens a page with the network cut, and fails if anything went wrong on it."""

    @contextmanager
    def visit(url, width=1280, scheme="light"):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        problems = []

        def only_local(route):
            if route.request.url.startswith(("file:", "http://127.0.0.1:", "blob:", "data:")):
                route.continue_()
            else:
                problems.append(f"request to {route.request.url}")
                route.abort()

        def failed(request):
            # What a page still waits for when it is left, its icon or a late picture, is given up by the browser.
            if not (request.url.endswith((".svg", ".png")) and request.failure == "net::ERR_ABORTED"):
                problems.append(f"failed: {request.url}")

        context.route("**/*", only_local)
        page = context.new_page()
        page.on("console", lambda message: message.type == "error" and problems.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: problems.append(f"error: {error}"))
        page.on("requestfailed", failed)
        page.on("response", lambda answer: answer.status >= 400 and problems.append(f"{answer.status}: {answer.url}"))
        page.goto(url, wait_until="load")
        page.wait_for_function("!document.querySelector('template#scripts')")  # the theme's scripts come last
        # A figure is drawn when the reader is near, or before the page is printed: here at once.
        # So are sections laid out, and no text is read in one that is not.
        page.evaluate("document.documentElement.classList.add('whole'), dispatchEvent(new Event('beforeprint'))")
        page.wait_for_function("!document.querySelector('.page-widget.waiting:not(.live)')")
        yield page
        assert problems == []
        context.close()

    return visit


def wake(page):
    """Live figures come when the reader is near: go to each."""
    page.evaluate(
        """async () => {
            const end = Date.now() + 60_000;
            for (let next; (next = document.querySelector(".page-widget.waiting")); ) {
                if (Date.now() > end) throw new Error(`a live figure does not come: ${next.className}`);
                next.scrollIntoView();
                await new Promise((go) => setTimeout(go, 50));
            }
        }"""
    )


def read_through(page):
    """Scroll from the top to the bottom, as a reader does: what waits until it is near sees the reader."""
    page.evaluate(
        """async () => {
            for (let y = 0; y < document.documentElement.scrollHeight; y += innerHeight) {
                scrollTo(0, y);
                await new Promise((go) => requestAnimationFrame(() => setTimeout(go)));
            }
        }"""
    )
