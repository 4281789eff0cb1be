"""Where the decimals of the prose are from: an output or the code of the same section, or an origin that is given.

    python tools/prose_numbers.py                                  list those of which nothing is known
    python tools/prose_numbers.py book/01_sequence_models.ipynb    of one notebook

A section goes from one "## " to the next. An origin stands in the metadata of the cell, under "numbers":

    {"0.869": "(4 / 7) ** (1 / 4)"}                               arithmetic
    {"6.25": "book/05_rnn_concise.ipynb"}                         another section or chapter
    {"0.33": "benchmarks/results/layers.csv: 4 times the pairs"}  the rows of a result file that have these words
    {"0.41": "https://doi.org/…"}                                 a publication, which the cell cites

Numbers count as equal when one is the other, rounded to the digits of the prose; "12.3 %" may be 0.123 in an output.
"""

import csv
import json
import math
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# A percent sign may stand after the last number of a list: "98.3 and 98.7 %".
DECIMAL = re.compile(r"(?<![\w.])(\d+\.\d+)(?![\w]|\.\d)((?:\s*(?:,|–|and|to|or)\s*\d+(?:\.\d+)?)*\s*%)?")
NUMBER = re.compile(r"(?<![\w.])\d+(?:,\d{3})*(?:\.\d+)?(?:e[+-]?\d+)?(?![\w]|\.\d)")
# What states no result: code, displayed formulas, addresses, numbers of exercises.
NO_STATEMENT = re.compile(
    r"```.*?```|`[^`\n]*`|\$\$.*?\$\$|(?<=\])\([^)\s]*\)|\b(?:exercise|solution)s? \d+\.\d+", re.S | re.I
)


def source(cell):
    return "".join(cell["source"])


def equation_numbers(root=ROOT):
    """The numbers of all equations of the book, such as "3.1"."""
    return {n for path in (root / "book").glob("*.ipynb") for n in re.findall(r"\\\\tag\{([\d.]+)\}", path.read_text())}


def decimals(text, equations=frozenset()):
    """The decimals of a text in Markdown: pairs of the number as it is written, and whether it is a percentage."""
    text = NO_STATEMENT.sub(" ", text)
    text = re.sub(r"\((\d+\.\d+)\)", lambda found: " " if found[1] in equations else found[0], text)
    return [(found[1], found[2] is not None) for found in DECIMAL.finditer(text)]


def numbers_in(text):
    return {float(number.replace(",", "")) for number in NUMBER.findall(text)}


def known_numbers(cells):
    """The numbers in the text outputs of code cells and in their code, without the comments, which are prose."""
    known = set()
    for cell in cells:
        known |= numbers_in(re.sub(r"#.*", "", source(cell)))
        for output in cell["outputs"]:
            known |= numbers_in("".join(output.get("text", []) or output.get("data", {}).get("text/plain", [])))
    return known


def is_rounded(written, percentage, known):
    """Whether `written` is one of the known numbers, rounded to as many digits."""
    half = 0.5 * 10.0 ** -len(written.partition(".")[2]) * (1 + 1e-6)
    factors = (1, 100) if percentage else (1,)
    return any(abs(factor * number - float(written)) <= half for number in known for factor in factors)


def comes_from(written, percentage, origin, cell, root=ROOT):
    """Whether a number is what the metadata say of it."""
    if origin.startswith("http"):
        return origin in source(cell)
    if origin.startswith("benchmarks/"):
        file, _, words = origin.partition(": ")
        if not (root / file).exists():
            return False
        with open(root / file, newline="", encoding="utf-8") as rows:
            known = {float(row["value"]) for row in csv.DictReader(rows) if words in f"{row['section']}, {row['case']}"}
    elif origin.startswith("book/"):
        cells = json.loads((root / origin).read_text(encoding="utf-8"))["cells"]
        known = known_numbers(cell for cell in cells if cell["cell_type"] == "code")
    else:
        known = {eval(origin, {"__builtins__": {}}, vars(math))}
    return is_rounded(written, percentage, known)


def sections(notebook):
    """The parts of a notebook from one "## " to the next, up to the references.

    Returns:
        list of (prose, code): prose a list of (place of the cell from 1, cell, its text in this part), code the cells.
    """
    parts = [([], [])]
    for place, cell in enumerate(notebook["cells"], 1):
        if cell["cell_type"] == "code":
            parts[-1][1].append(cell)
            continue
        before, *others = re.split(r"^(?=## )", source(cell), flags=re.M)
        parts[-1][0].append((place, cell, before))
        parts += [([(place, cell, text)], []) for text in others]
        if "## References" in source(cell):
            return parts[:-1]
    return parts


def without_origin(path, root=ROOT):
    """The decimals of a notebook's prose that nothing holds.

    Args:
        path: the .ipynb file.
        root: the repository, with benchmarks/results and the book.

    Returns:
        list of str, such as "cell 3: 0.983".
    """
    notebook = json.loads(Path(path).read_text(encoding="utf-8"))
    equations, found = equation_numbers(root), []
    for prose, code in sections(notebook):
        known = known_numbers(code)
        for place, cell, text in prose:
            origins = cell["metadata"].get("numbers", {})
            for written, percentage in decimals(text, equations):
                if written not in origins and not is_rounded(written, percentage, known):
                    found.append(f"cell {place}: {written}")
                if written in origins and not comes_from(written, percentage, origins[written], cell, root):
                    found.append(f"cell {place}: {written} is not {origins[written]}")
            # Origins of numbers that have been rewritten since.
            for written in set(origins) - {number for number, _ in decimals(source(cell), equations)}:
                found.append(f"cell {place}: {written} is in the metadata only")
    return found


def main(paths):
    for path in paths or sorted((ROOT / "book").rglob("*.ipynb")):
        found = without_origin(path)
        print(f"{path}: {len(found)} without an origin", *found, sep="\n  ")


if __name__ == "__main__":
    main(sys.argv[1:])
