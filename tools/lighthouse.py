"""Measure the built site with Lighthouse, as a phone: the median of three runs a page.

    python tools/lighthouse.py [--runs 3] [PAGE ...]

Needs Node with npx, and Chromium. Prints a table and writes benchmarks/results/lighthouse.csv. Times and scores depend
on the machine and on what else it does; bytes and layout shift do not.
"""

import argparse
import csv
import functools
import gzip
import http.server
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import threading
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HTML = ROOT / "_build/html"
RESULTS = ROOT / "benchmarks/results/lighthouse.csv"
LIGHTHOUSE = "lighthouse@12.8.2"
PAGES = ["index", "07_vanishing_and_exploding_gradients", "glossary", "your_own_text", "api"]
TEXTS = (".html", ".css", ".js", ".svg", ".json")
AUDITS = {
    "LCP (s)": ("largest-contentful-paint", 1000),
    "shift": ("cumulative-layout-shift", 1),
    "kB": ("total-byte-weight", 1000),
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


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pages", nargs="*", default=PAGES, help="pages in book/, such as 08_lstm")
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    if not shutil.which("npx"):
        sys.exit("Lighthouse runs in Node: install Node with npm, then try again.")
    if not (HTML / "index.html").is_file():
        sys.exit("There is no site to measure: run make book")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Gzipped, directory=HTML))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    rows = []
    for page in arguments.pages:
        runs = [measure(f"http://127.0.0.1:{server.server_port}/book/{page}.html") for _ in range(arguments.runs)]
        row = {"page": page} | {name: round(statistics.median(run[name] for run in runs), 2) for name in runs[0]}
        print(*(f"{name} {value}" for name, value in row.items()), sep="  ", flush=True)
        rows.append(row | {"runs": arguments.runs, "cores": os.cpu_count(), "date": date.today().isoformat()})
        rows[-1]["machine"] = platform.machine()
    server.shutdown()
    with RESULTS.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
