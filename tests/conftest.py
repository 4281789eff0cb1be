"""What the unit tests share: how many examples hypothesis tries, and the device of those that compare it with the CPU.

Hypothesis tries few examples and always the same ones, or, with `make test-long`, many and new ones.
"""

import pytest
import torch
from hypothesis import settings

settings.register_profile("short", max_examples=10, deadline=None, derandomize=True)
settings.register_profile("long", max_examples=400, deadline=None, print_blob=True)
settings.load_profile("short")


@pytest.fixture
def device():
    """A GPU where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
