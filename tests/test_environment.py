"""How the tests are run: the same from make, from an editor and in CI, on any machine, with the oldest packages too."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat
import pytest
from hypothesis import settings
from test_refresh import tool as refresh

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OLDEST = dict(re.findall(r"^([\w-]+)==([\d.]+)$", (ROOT / "tests/oldest.txt").read_text(encoding="utf-8"), re.M))


def test_pytest_sets_what_the_notebooks_need():
    assert refresh.QUIET.items() <= os.environ.items()


def test_nothing_else_sets_what_the_notebooks_need():
    """Whatever pytest did not set itself would be missing when it is started in another way."""
    for name in ("Makefile", "README.md", ".github/workflows/test.yml"):
        found = re.search(rf"^.*({'|'.join(refresh.QUIET)}).*pytest", (ROOT / name).read_text(encoding="utf-8"), re.M)
        assert not found, f"{name}: {found[0]}"


def test_a_limit_on_time_only_guards_against_hanging(pytestconfig):
    """The slowest cell takes less than a minute: what is stopped after more than half an hour has hung."""
    assert pytestconfig.option.nbval_cell_timeout >= 1800
    assert pytestconfig.option.nbval_kernel_startup_timeout >= 600
    assert refresh.refresh.__defaults__[0] >= 1800
    for name in ("Makefile", "README.md", ".github/workflows/test.yml"):
        assert "cell-timeout" not in (ROOT / name).read_text(encoding="utf-8")


def test_binder_installs_what_the_package_needs_as_it_is_pinned():
    lines = (ROOT / ".binder/requirements.txt").read_text(encoding="utf-8").splitlines()
    packages = [line for line in lines if not line.startswith(("#", "-"))]
    assert packages == [dependency.split(">=")[0] for dependency in PROJECT["dependencies"]]
    assert "-c ../requirements.txt" in lines and "--extra-index-url https://download.pytorch.org/whl/cpu" in lines
    for name in ("postBuild", "start"):
        assert os.access(ROOT / ".binder" / name, os.X_OK), f"chmod +x .binder/{name}"


def test_hypothesis_has_no_limit_on_time():
    assert settings.default.deadline is None


@pytest.mark.parametrize("dependency", [d for d in PROJECT["dependencies"] if not d.startswith("torch>=")])
def test_the_lower_bounds_are_the_versions_that_are_tested(dependency):
    name, version = dependency.split(">=")
    assert OLDEST[name] == version


def test_ci_runs_the_oldest_torch_and_the_newest():
    bounds = dict(d.split(">=") for d in PROJECT["dependencies"])
    [newest] = re.findall(r"^torch==([\d.]+)$", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.M)
    assert f"TORCH ?= {newest}\n" in (ROOT / "Makefile").read_text(encoding="utf-8")
    workflow = (ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8")
    assert f'torch: ["{bounds["torch"]}", "{newest}"]' in workflow


def test_no_test_sets_its_own_number_of_examples():
    """Otherwise `make test-long` would not try more of them."""
    for path in (ROOT / "tests").glob("test_*.py"):
        assert path == Path(__file__) or "max_examples=" not in path.read_text(encoding="utf-8"), path.name


def test_a_notebook_without_its_real_text_is_skipped_with_the_reason(tmp_path):
    cells = ["1 / 0", 'from d2lrnn.corpora import load_text\nload_text("time_machine")']
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbformat.write(notebook, tmp_path / "study.ipynb")
    nowhere = dict.fromkeys(["D2LRNN_DATA", "HOME", "XDG_CACHE_HOME"], str(tmp_path))
    no_network = dict.fromkeys(["http_proxy", "https_proxy"], "http://127.0.0.1:9")
    command = [sys.executable, "-m", "pytest", "--nbval", "--rootdir", ROOT, "-c", "pyproject.toml", "-p", "conftest"]
    run = subprocess.run(
        [*command, tmp_path / "study.ipynb"], cwd=ROOT, env=os.environ | nowhere | no_network, capture_output=True
    )
    said = run.stdout.decode()
    assert "2 skipped" in said and run.returncode == 0, said
    assert '"time_machine" could not be downloaded' in said and "D2LRNN_DATA to that folder" in said
