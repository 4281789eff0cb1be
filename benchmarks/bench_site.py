"""The built site as Lighthouse measures it for a phone: the median of three runs of each page.

    make lighthouse
    python benchmarks/bench_site.py [pages]

Needs Node with npx, and Chromium. Times and scores depend on the machine and on what else it does; bytes and layout
shift do not. `make bench` leaves it out: the pages take half an hour.
"""

import functools
import gzip
import http.server
import json
import os
import shutil
import statistics
import subprocess
import sys
import threading
from pathlib import Path

import yaml
from sections import record, run

ROOT = Path(__file__).resolve().parents[1]
HTML = ROOT / "_build/html"
LIGHTHOUSE = "lighthouse@12.8.2"
RUNS = 3
TEXTS = (".html", ".css", ".js", ".svg", ".json")
AUDITS = {
    "seconds_to_largest": ("largest-contentful-paint", 1000),
    "layout_shift": ("cumulative-layout-shift", 1),
    "kilobytes": ("total-byte-weight", 1000),
}


class Gzipped(http.server.SimpleHTTPRequestHandler):
    """Serve files as GitHub Pages does: texts gzipped."""

    def do_GET(self):
        path = Path(self.translate_path(self.path))
        if path.suffix not in TEXTS or not path.is_file():
            return super().do_GET()
        content = gzip.compress(path.read_bytes())
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(path))
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args):
        pass


def measure(address):
    """One run of Lighthouse: name of a measure to its value."""
    command = ["npx", "--yes", LIGHTHOUSE, address, "--output=json", "--quiet", "--only-categories=performance"]
    command += ["--chrome-flags=--headless=new --no-sandbox"]
    environment = {**os.environ}
    if chromium := shutil.which("chromium"):
        environment.setdefault("CHROME_PATH", chromium)
    report = json.loads(subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True).stdout)
    if error := report.get("runtimeError"):
        sys.exit(f"Lighthouse could not measure {address}: {error['message']}")
    values = {"performance": 100 * report["categories"]["performance"]["score"]}
    return values | {name: report["audits"][audit]["numericValue"] / unit for name, (audit, unit) in AUDITS.items()}


def pages():
    if not shutil.which("npx"):
        sys.exit("Lighthouse runs in Node: install Node with npm, then try again.")
    if not (HTML / "index.html").is_file():
        sys.exit("There is no site to measure: run make book")
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Gzipped, directory=HTML))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for page in ["index", *(chapter["file"] for part in toc["parts"] for chapter in part["chapters"])]:
        runs = [measure(f"http://127.0.0.1:{server.server_port}/{page}.html") for _ in range(RUNS)]
        values = {name: round(statistics.median(run[name] for run in runs), 3) for name in runs[0]}
        print(page, *(f"{name} {value:g}" for name, value in values.items()), sep="  ", flush=True)
        record(page, **values)
    server.shutdown()


if __name__ == "__main__":
    run({"pages": pages})
