"""What every test and every executed notebook finds in its environment, however pytest was started."""

import importlib.util
import os
from pathlib import Path

spec = importlib.util.spec_from_file_location("refresh", Path(__file__).parent / "tools" / "refresh.py")
refresh = importlib.util.module_from_spec(spec)
spec.loader.exec_module(refresh)

# Before torch is imported here, and before a notebook's kernel starts: it inherits this environment.
os.environ |= refresh.QUIET


def pytest_configure(config):
    config.option.nbval_kernel_startup_timeout = 600  # seconds: on a busy machine a kernel starts slowly
