"""The repository's own checks: what every notebook, page and file of the book keeps to."""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from d2lrnn.exercises import CHECKERS

ROOT = Path(__file__).resolve().parent.parent
BOOK = ROOT / "book"
CHAPTERS = sorted(BOOK.glob("[01][0-9]_*.ipynb"))
STUDIES = sorted(BOOK.glob("studies/*.ipynb"))
NOTEBOOKS = [*CHAPTERS, BOOK / "index.ipynb", BOOK / "your_own_text.ipynb", *STUDIES]
PAGES = NOTEBOOKS + sorted(BOOK.rglob("*.md"))
CITED = re.compile(
    r"https?://(?:dx\.)?doi\.org/([^\s)\"]+)|https?://arxiv\.org/(?:abs|pdf)/([\d.]+)|urn:isbn:([\dX-]+)"
    r"|(https?://(?:aclanthology\.org|openreview\.net|proceedings\.mlr\.press|www\.jmlr\.org)/[^\s)\"]+)"
)
# What would differ on another machine or in another run: an address in memory, a folder, a time, a device.
CHANGING = re.compile(
    r"\bat 0x[0-9a-f]{6,}|/(?:home|Users|root|tmp|work|usr|content)/|[A-Z]:\\Users"
    r"|\b\d+(?:\.\d+)? ?(?:ms|µs|us|seconds?|secs?|minutes?|it/s|s/it|s)(?=[\s,.;)]|$)|\bcuda(?::\d)?\b|device\(type="
)


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def source(cell):
    return "".join(cell["source"])


def code_cells(path):
    """The number of each code cell that holds something, from 1 over all cells, and the cell."""
    cells = enumerate(read(path)["cells"], 1)
    return [(number, cell) for number, cell in cells if cell["cell_type"] == "code" and source(cell).strip()]


def markdown(path):
    if path.suffix == ".md":
        return path.read_text(encoding="utf-8")
    return "\n\n".join(source(cell) for cell in read(path)["cells"] if cell["cell_type"] == "markdown")


def tags(cell):
    return cell["metadata"].get("tags", [])


def output_text(cell):
    """What a cell printed or returned, without its pictures and widgets."""
    text = []
    for output in cell["outputs"]:
        text += output.get("text", [])
        for kind in ("text/plain", "text/html"):
            text += output.get("data", {}).get(kind, [])
    return "".join(text)


def load_tool(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    return tool


def by_name(path):
    return path.stem


every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=by_name)
every_chapter = pytest.mark.parametrize("path", CHAPTERS, ids=by_name)
every_page = pytest.mark.parametrize("path", PAGES, ids=by_name)
every_retold = pytest.mark.parametrize("path", CHAPTERS + STUDIES, ids=by_name)


# The repository


def test_the_linter_finds_nothing():
    run = subprocess.run([sys.executable, "-m", "ruff", "check", "."], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


def test_every_page_is_in_the_table_of_contents():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    listed = [toc["root"]] + [chapter["file"] for part in toc["parts"] for chapter in part["chapters"]]
    assert sorted(listed) == sorted(str(path.relative_to(ROOT).with_suffix("")) for path in PAGES)


def test_every_module_is_in_the_api_reference():
    modules = {path.stem for path in (ROOT / "src/d2lrnn").glob("[!_]*.py")}
    packages = {path.parent.name for path in (ROOT / "src/d2lrnn").glob("*/__init__.py")}
    documented = re.findall(r"automodule:: d2lrnn\.(\w+)", markdown(BOOK / "api.md"))
    assert sorted(documented) == sorted(modules | packages)


def test_the_address_is_the_same_everywhere():
    address = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["repository"]["url"]
    colab = address.replace("https://github.com", "https://colab.research.google.com/github")
    for path in [ROOT / "README.md", *NOTEBOOKS]:
        text = path.read_text(encoding="utf-8")
        for found in re.findall(r"git\+(https://[^\"\\\s]+)|git clone (https://[^\s\"\\]+)", text):
            assert "".join(found) == address, path.name
        for found in re.findall(r"https://colab\.research\.google\.com/github/[\w.-]+/[\w.-]+", text):
            assert found == colab, path.name
    assert f'repository-code: "{address}"' in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_set_address_moves_the_whole_repository(tmp_path):
    tool = load_tool("set_address")
    (tmp_path / "book").mkdir()
    (tmp_path / "_config.yml").write_text("repository:\n  url: https://github.com/someone/rnn-book\n")
    old = json.dumps({"cells": [{"source": 'git+https://github.com/d2lrnn/d2lrnn"'}]})
    (tmp_path / "book/index.ipynb").write_text(old)
    links = "https://colab.research.google.com/github/d2lrnn/d2lrnn/blob https://d2lrnn.github.io/d2lrnn/"
    links += " https://mybinder.org/v2/gh/d2lrnn/d2lrnn/main"
    (tmp_path / "README.md").write_text(f"{links} github.com/d2lrnn/d2lrnn2")
    assert [path.name for path in tool.main(tmp_path)] == ["README.md", "index.ipynb"]
    assert "git+https://github.com/someone/rnn-book" in (tmp_path / "book/index.ipynb").read_text()
    new = "https://colab.research.google.com/github/someone/rnn-book/blob https://someone.github.io/rnn-book/"
    new += " https://mybinder.org/v2/gh/someone/rnn-book/main"
    assert (tmp_path / "README.md").read_text() == f"{new} github.com/d2lrnn/d2lrnn2"
    assert tool.main(tmp_path) == []


# Notebooks


@every_notebook
def test_starts_with_the_setup_cell(path):
    _, first = code_cells(path)[0]
    assert source(first) == load_tool("set_address").setup_cell(), "run python tools/set_address.py, or copy the cell"
    assert "nbval-ignore-output" in tags(first)
    assert first["outputs"] == []


@every_notebook
def test_was_executed_in_order_without_errors(path):
    counts = [cell["execution_count"] for _, cell in code_cells(path)]
    assert counts == list(range(1, len(counts) + 1)), "run make refresh"
    for number, cell in code_cells(path):
        kinds = {output["output_type"] for output in cell["outputs"]}
        assert "error" not in kinds or "raises-exception" in tags(cell), f"cell {number} raised"
        streams = {output["name"] for output in cell["outputs"] if output["output_type"] == "stream"}
        assert "stderr" not in streams, f"cell {number} wrote to stderr"


@every_notebook
def test_outputs_are_the_same_on_every_machine(path):
    for number, cell in code_cells(path):
        # What trains from the command line reports how fast the machine is, as its page says.
        if re.search(r"^!.*d2lrnn.* train ", source(cell).replace("\\\n", " ")):
            continue
        found = CHANGING.search(output_text(cell))
        assert not found, f"cell {number} shows {found[0]!r}: no time, device, path or memory address in an output"


@every_notebook
def test_is_normalised(path):
    notebook = read(path)
    assert set(notebook["metadata"]) <= {"kernelspec", "language_info", "widgets"}, "run make refresh"
    assert notebook["metadata"]["language_info"] == {"name": "python"}, "run make refresh"
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(ids) == len(set(ids))
    assert path.stat().st_size < 500_000


@every_notebook
def test_code_cells_are_short(path):
    hidden = {"remove-cell", "remove-input"}
    for number, cell in code_cells(path):
        lines = source(cell).splitlines()
        assert len(lines) <= 25 or hidden & set(tags(cell)), f"cell {number} has {len(lines)} lines"


@every_notebook
def test_pictures_have_a_text_alternative(path):
    for number, cell in code_cells(path):
        if any("image/png" in output.get("data", {}) for output in cell["outputs"]):
            alt = cell["metadata"].get("mystnb", {}).get("image", {}).get("alt", "")
            assert len(alt) >= 15, f"cell {number}: say what the picture shows in metadata mystnb.image.alt"
    for alt in re.findall(r"!\[([^\]]*)\]\(", markdown(path)):
        assert len(alt) >= 15, f"an image needs a text alternative, not {alt!r}"


@every_page
def test_links_within_the_book_lead_somewhere(path):
    for target in re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)[^)]*\)", markdown(path)):
        assert (path.parent / target).is_file(), f"{target} does not exist"


@every_retold
def test_says_at_the_top_how_long_it_takes_and_what_it_needs(path):
    top = source(read(path)["cells"][0])
    assert re.search(r"^\*\d+ minutes · (\d+ figures? to move · )?you need: .+\*$", top, re.M)


@every_retold
def test_takes_as_long_as_it_says(path):
    """At least the time for its words, 200 a minute, and its visible lines of code, 15 a minute."""
    folded = {"remove-cell", "remove-input", "hide-cell", "hide-input"}
    lines = [source(cell).count("\n") + 1 for _, cell in code_cells(path) if not folded & set(tags(cell))]
    words = re.sub(r"\$\$.*?\$\$|\]\(\S+\)", "", markdown(path), flags=re.S).split()
    needed = len(words) / 200 + sum(lines) / 15
    [said] = re.findall(r"^\*(\d+) minutes", markdown(path), re.M)
    assert round(needed) <= int(said) <= 3 * needed


@every_retold
def test_code_fits_the_page(path):
    for number, cell in code_cells(path)[1:]:  # the setup cell is not shown
        for line in source(cell).splitlines():
            assert len(line) <= 80, f"cell {number}: {line}"


@every_retold
def test_imports_are_folded(path):
    for number, cell in code_cells(path)[1:]:
        if re.search(r"^(import|from) ", source(cell), re.M):
            assert {"hide-input", "hide-cell"} & set(tags(cell)), f"cell {number} shows imports"


@pytest.mark.parametrize("path", STUDIES, ids=by_name)
def test_a_study_is_short_and_answers_its_question(path):
    text = markdown(path)
    assert len(text.split()) <= 1000 and re.match(r"# .+\?\n", text)
    assert f"({path.name})" in markdown(BOOK / "studies/index.md"), "name it in the table of studies"


# Chapters


def exercises(path):
    """The names that are checked in a chapter."""
    return re.findall(r"check\(\s*[\"']([^\"']+)[\"']", "\n".join(source(cell) for _, cell in code_cells(path)))


@every_chapter
def test_has_exercises_with_checkers(path):
    names = set(exercises(path))
    assert len(names) >= 4
    assert {name[:3] for name in names} == {f"{path.name[:2]}."}
    assert names <= set(CHECKERS), "register them in d2lrnn.exercises"
    registered = {name for name in CHECKERS if name.startswith(f"{path.name[:2]}.")}
    assert registered <= names, "a checker without an exercise"


@every_chapter
def test_every_exercise_has_a_folded_solution(path):
    solutions = [cell for _, cell in code_cells(path) if source(cell).startswith("# @title Solution")]
    for cell in solutions:
        assert "hide-cell" in tags(cell)
        assert cell["metadata"].get("cellView") == "form"  # folded in Colab
        assert cell["metadata"].get("jupyter", {}).get("source_hidden") is True  # folded in JupyterLab
    solved = "\n".join(source(cell) for cell in solutions)
    for name in set(exercises(path)):
        assert f'"{name}"' in solved, f"the solution of {name} does not check its answer"
    for cell in solutions:
        shown = output_text(cell)
        assert "✗" not in shown and "not answered" not in shown


@every_chapter
def test_equation_numbers_are_in_order(path):
    numbers = [int(n) for n in re.findall(rf"\\tag\{{{int(path.name[:2])}\.(\d+)\}}", markdown(path))]
    assert numbers == list(range(1, len(numbers) + 1))
    for inner in re.findall(r"\\begin\{(?:aligned|split)\}.*?\\end\{", markdown(path), re.S):
        assert r"\tag" not in inner, "a \\tag inside aligned is an error: put it after \\end{aligned}"


@every_chapter
def test_reads_as_plain_markdown(path):
    found = re.search(r"^(:::|```\{)|\{(ref|eq|cite|numref|term)[:}]", markdown(path), re.M)
    assert not found, f"{found[0]}: Colab shows no MyST directives or roles"


# Glossary and bibliography


def glossary():
    return re.findall(r"^(\S.*) \((.+)\)\n  \S", markdown(BOOK / "glossary.md"), re.M)


def test_glossary_is_in_alphabetical_order():
    terms = [term.lower() for term, _ in glossary()]
    assert len(terms) > 60
    assert terms == sorted(set(terms))


@every_chapter
def test_introduced_terms_are_in_the_glossary(path):
    entries = {term.lower(): chinese for term, chinese in glossary()}
    introduced = re.findall(r"\*\*([^*\n]+)\*\*\s\(([^)]*[\u4e00-\u9fff][^)]*)\)", markdown(path))
    assert introduced, "introduce terms as **perplexity** (困惑度)"
    for term, chinese in introduced:
        known = entries.get(term.lower()) or entries.get(term.lower().removesuffix("s"))
        assert known == chinese, f"{term} ({chinese}) is not in book/glossary.md, or with another Chinese term"


@every_page
def test_cited_works_are_in_the_bibliography(path):
    bibliography = (BOOK / "references.bib").read_text(encoding="utf-8").lower()
    for found in CITED.findall(markdown(path)):
        work = "".join(found).rstrip(".").lower()
        assert f"{{{work}}}" in bibliography, f"{work} is not in book/references.bib"


def test_works_in_the_bibliography_are_cited():
    pages = "\n".join(markdown(path) for path in PAGES).lower()
    cited = {"".join(found).rstrip(".") for found in CITED.findall(pages)}
    bibliography = (BOOK / "references.bib").read_text(encoding="utf-8").lower()
    for key, entry in re.findall(r"^@\w+\{(\S+),\n(.*?)^\}", bibliography, re.M | re.S):
        fields = dict(re.findall(r"^\s*(doi|eprint|isbn|url|title)\s*=\s*\{(.+?)\},?$", entry, re.M | re.S))
        title = " ".join(re.sub("[{}]", "", fields.pop("title")).split())
        found = cited & set(fields.values()) or fields.get("url", title) in pages
        assert found, f"no page cites {key}: link its doi, arXiv or web address, or print its title; or take it out"


def test_a_symbol_stands_in_the_chapter_that_the_notation_names():
    def plain(formula):
        return re.sub(r"\\mathbf|[{} ]", "", formula).replace(r"\tau", "τ").replace(r"\alpha", "α")

    for row in re.findall(r"^\| .*chapter \d.*$", markdown(BOOK / "notation.md"), re.M):
        first = re.findall(r"\$(.+?)\$", row.split(" | ")[0])
        for number, named in re.findall(r"chapter (\d+)(?:, \$(.+?)\$)?", row):
            [chapter] = BOOK.glob(f"{int(number):02}_*.ipynb")
            for symbol in [named] if named else first:
                assert plain(symbol) in plain(markdown(chapter)), f"{symbol} is not in chapter {number}: {row}"


def test_bibliography_names_no_work_twice():
    bibliography = (BOOK / "references.bib").read_text(encoding="utf-8").lower()
    for field in (r"^@\w+\{(.+),$", r"^\s*doi\s*=\s*\{(.+)\}", r"^\s*eprint\s*=\s*\{(.+)\}"):
        found = re.findall(field, bibliography, re.M)
        assert found and len(found) == len(set(found))
