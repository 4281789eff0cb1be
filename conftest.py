"""What every test and every executed notebook finds in its environment, however pytest was started."""

import importlib.util
import os
import re
from functools import cache
from pathlib import Path

import pytest

spec = importlib.util.spec_from_file_location("refresh", Path(__file__).parent / "tools" / "refresh.py")
refresh = importlib.util.module_from_spec(spec)
spec.loader.exec_module(refresh)

# Before torch is imported here, and before a notebook's kernel starts: it inherits this environment.
os.environ |= refresh.QUIET


def pytest_configure(config):
    config.option.nbval_kernel_startup_timeout = 600  # seconds: on a busy machine a kernel starts slowly


def pytest_collection_modifyitems(items):
    """Skip the notebooks on a real text where the text is neither on this machine nor can be downloaded."""
    cells = {}
    for item in items:
        if hasattr(item, "cell"):
            cells.setdefault(item.parent, []).append(item)
    for notebook in cells.values():
        code = "\n".join(item.cell.source for item in notebook if not item.options["skip"])
        for load, name in re.findall(r'(load_text|load_pairs)\("(time_machine|eng_fra)"', code):
            if reason := missing(load, name):
                for item in notebook:
                    item.add_marker(pytest.mark.skip(reason=reason))


@cache
def missing(load, name):
    """Why a real text cannot be had, or None."""
    from d2lrnn import corpora

    try:
        getattr(corpora, load)(name)
    except corpora.DownloadError as error:
        return str(error)
