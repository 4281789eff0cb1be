"""Print the built site as one PDF in reading order, with numbered pages, bookmarks and a table of contents.

    make pdf

Chromium prints each page of the site, as a reader's browser would, and pypdf joins them. The site's own address is
answered from _build/html, so a link from one page of the book to another leads to its place in the PDF.
"""

import html
import io
import posixpath
import re
import shutil
import sys
from collections import defaultdict
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import yaml
from playwright.sync_api import sync_playwright
from pypdf import PdfReader, PdfWriter
from pypdf.generic import ArrayObject, DictionaryObject, NameObject, NullObject, NumberObject, TextStringObject

ROOT = Path(__file__).resolve().parent.parent
SITE = ROOT / "_build/html"
PDF = SITE / "d2lrnn.pdf"
PLACE = "<!-- the link to the PDF -->"
WIDTH = 672  # CSS pixels, as wide as what is printed: A4 without margins of 16 mm
STYLE = """
@page { size: A4; margin: 18mm 16mm; @bottom-center { content: counter(page%s); font: 9pt sans-serif; } }
html { counter-reset: page %d; font-size: 14px; }
body, main, article { min-height: 0 !important; }
.headerlink, .prev-next-area, .bd-footer, .onlyprint { display: none !important; }
.bd-main .bd-content .bd-article h1 { display: block !important; }
h1, h2, h3, h4, summary { break-after: avoid; }
figure, img, svg, tr, div.math { break-inside: avoid; }
div.cell, div.cell :is(div, details, pre) { break-inside: auto !important; }
"""
# Everything is open and drawn, and what is wider than the page shrinks to it. Chromium gives a place in a page a name
# in the PDF if a link of that page leads to it, so there is one to each place that other pages link to.
PREPARE = """async (places) => {
    for (const folded of document.querySelectorAll("details")) {
        folded.open = true;
        const label = folded.querySelector("summary");
        if (!label.textContent.includes("Solution")) label.style.display = "none";
    }
    for (const id of places) {
        const link = Object.assign(document.createElement("a"), { href: `#${id}`, textContent: "." });
        link.style = "position: absolute; color: transparent; font-size: 1px";
        document.querySelector("article").append(link);
    }
    const end = Date.now() + 300_000;
    for (let next; (next = document.querySelector(".page-widget.waiting")); ) {
        if (Date.now() > end) throw new Error("a live figure does not come");
        next.scrollIntoView();
        await new Promise((go) => setTimeout(go, 50));
    }
    // A lazy picture that is not shown, as the dark one of two, would never come.
    const shown = [...document.images].filter((image) => image.checkVisibility());
    for (const image of shown) image.loading = "eager";
    await Promise.all(shown.map((image) => image.decode().catch(() => {})));
    await document.fonts.ready;
    const wide = "article :is(div.math, div.pst-scrollable-table-container, pre, svg, img)";
    for (const block of document.querySelectorAll(wide))
        if (block.scrollWidth > block.clientWidth + 1) block.style.zoom = block.clientWidth / block.scrollWidth;
}"""


def contents():
    """The site's pages in reading order: (caption of the part, its pages), without the front page."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    return [(part["caption"], [chapter["file"] for chapter in part["chapters"]]) for part in toc["parts"]]


@cache
def site_address():
    return yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["html"]["baseurl"]


def answer(route):
    """Take what the browser asks for from the built site, and nothing from elsewhere."""
    address = route.request.url.split("#")[0]
    file = SITE / unquote(urlsplit(address.removeprefix(site_address())).path)
    if address.startswith(("data:", "blob:")):
        route.continue_()
    elif address.startswith(site_address()) and file.is_file():
        route.fulfill(path=file)
    else:
        route.abort()


def linked_places():
    """For each page of the site, by its name, the ids in it that other pages link to."""
    places = defaultdict(set)
    for file in SITE.glob("book/**/*.html"):
        folder = file.parent.relative_to(SITE).as_posix()
        for page, place in re.findall(r'href="([^"#:?]+)\.html#([^"]+)"', file.read_text(encoding="utf-8")):
            places[posixpath.normpath(posixpath.join(folder, page))].add(html.unescape(place))
    return places


def open_page(browser, name, places=()):
    """A page of the site in a window as wide as the paper, ready to be printed."""
    window = browser.new_page(viewport={"width": WIDTH, "height": 950}, color_scheme="light")
    window.set_default_timeout(600_000)  # milliseconds: only against hanging, as a busy machine is slow
    window.route("**/*", answer)
    window.goto(f"{site_address()}{name}.html")
    window.emulate_media(media="print", color_scheme="light")
    window.add_style_tag(content=STYLE % ("", 0))
    window.evaluate(PREPARE, sorted(places))
    return window


def print_page(window, pages_before, numbers=""):
    """The PDF of a window, its pages numbered on from those before."""
    window.add_style_tag(content=STYLE % (numbers, pages_before))
    pdf = window.pdf(prefer_css_page_size=True, print_background=True, outline=True, tagged=True)
    pdf = PdfReader(io.BytesIO(pdf))
    # Chromium's bookmarks lack the space where a heading goes on in a new line.
    headings = window.locator("h1, h2, h3, h4, h5, h6").all_inner_texts()
    headings = {"".join(heading.split()): " ".join(heading.split()) for heading in headings}
    for item in bookmarks(pdf.root_object["/Outlines"]):
        title = headings.get("".join(item["/Title"].split()), item["/Title"])
        item[NameObject("/Title")] = TextStringObject(title)
    return pdf


def bookmarks(outline):
    """Every entry of an outline."""
    item = outline.get("/First")
    while item:
        item = item.get_object()
        yield item
        yield from bookmarks(item)
        item = item.get("/Next")


def front_matter(browser, toc, titles, starts):
    """The title and the table of contents, with roman page numbers."""
    rows = ""
    for caption, names in toc:
        rows += f"<h2>{html.escape(caption)}</h2>"
        for name in names:
            title, page = html.escape(titles[name]), starts[name] + 1
            rows += f'<p><a href="{site_address()}{name}.html">{title}</a><span></span>{page}</p>'
    window = browser.new_page(viewport={"width": WIDTH, "height": 950})
    window.set_content(
        f"""<html lang="en"><title>d2lrnn</title><style>
        body {{ font: 11pt/1.5 system-ui, sans-serif; }} h1 {{ font-size: 26pt; margin: 5rem 0 1rem; }}
        h2 {{ font-size: 11pt; margin: .8rem 0 .2rem; }} a {{ color: inherit; text-decoration: none; }}
        p {{ display: flex; margin: 0; }} span {{ flex: 1; border-bottom: 1px dotted; margin: 0 .4rem .35rem; }}
        </style><h1>Recurrent neural networks you can take apart</h1>
        <p>The figures move, and the code runs, on&nbsp;<a href="{site_address()}">{site_address()}</a></p>
        <p>Text and figures: CC BY 4.0. Code: MIT licence.</p>{rows}</html>"""
    )
    return print_page(window, 0, ", lower-roman")


def join(parts):
    """One PDF of several: (name of the page, PdfReader) each.

    Returns the writer, and where the links to each page and to each place in it lead: (page, left, top).
    """
    book, targets = PdfWriter(), {}
    for name, part in parts:
        start, places = len(book.pages), part.named_destinations
        targets[name] = (start, NullObject(), NullObject())
        for place, at in places.items():
            page = start + part.get_destination_page_number(at)
            targets[name + "#" + place.removeprefix("/")] = (page, at.left, at.top)
        for page in part.pages:  # two pages of the site may use one name
            for link in page.get("/Annots", []):
                target = link.get_object().get("/Dest")
                if isinstance(target, str) and target in places:
                    link.get_object()[NameObject("/Dest")] = places[target].dest_array
        book.append(part)
    return book, targets


def link_inside(book, targets):
    """Turn links to pages of the site into links to their place here."""
    for page in book.pages:
        for link in page.get("/Annots", []):
            link = link.get_object()
            address = link.get("/A", {}).get("/URI", "")
            place = address.removeprefix(site_address()).replace(".html", "", 1)
            target = targets.get(place) or targets.get(place.split("#")[0])
            if target and address.startswith(site_address()):
                page, left, top = target
                where = [book.pages[page].indirect_reference, NameObject("/XYZ"), left, top, NullObject()]
                del link["/A"]
                link[NameObject("/Dest")] = ArrayObject(where)


def number_pages(book, front):
    """What a reader calls the pages: i, ii, … and then 1, 2, …, as printed on them."""
    labels = []
    for first, style in [(0, "/r"), (front, "/D")]:
        labels += [NumberObject(first), DictionaryObject({NameObject("/S"): NameObject(style)})]
    book.root_object[NameObject("/PageLabels")] = DictionaryObject({NameObject("/Nums"): ArrayObject(labels)})


def offer(site=SITE):
    """Write the link to the PDF, with its size, into the front page."""
    front = site / "index.html"
    text = front.read_text(encoding="utf-8")
    size = f"{(site / PDF.name).stat().st_size / 1e6:.0f} MB"
    link = f'<a class="pdf" href="{PDF.name}">The book as a PDF ({size})</a>'
    text, found = re.subn(rf'{PLACE}|<a class="pdf".*?</a>', link, text)
    if found != 1:
        sys.exit(f"{front} should have one place for the link to the PDF, and has {found}: run make book")
    front.write_text(text, encoding="utf-8")


def print_book(browser, toc, path):
    """Print some parts of the site, as `contents` gives them all, to one PDF."""
    printed, titles, starts, pages = [], {}, {}, 0
    places = linked_places()
    for name in [name for _, names in toc for name in names]:
        window = open_page(browser, name, places[name])
        titles[name] = window.title().removesuffix(" — d2lrnn")
        part = print_page(window, pages)
        window.close()
        printed.append((name, part))
        starts[name] = pages
        pages += len(part.pages)
        print(f"{name}: {len(part.pages)} pages", flush=True)
    front = front_matter(browser, toc, titles, starts)
    book, targets = join([("contents", front), *printed])
    link_inside(book, targets)
    number_pages(book, len(front.pages))
    book.add_metadata({"/Title": "d2lrnn: recurrent neural networks you can take apart"})
    book.write(path)
    print(f"{path.name}: {len(book.pages)} pages, {path.stat().st_size / 1e6:.1f} MB")


def main():
    if not (SITE / "index.html").is_file():
        sys.exit("there is no site to print: run make book")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        print_book(browser, contents(), PDF)
    offer()


if __name__ == "__main__":
    main()
