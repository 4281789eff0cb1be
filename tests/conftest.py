"""How many examples hypothesis tries: few and always the same ones, or, with `make test-long`, many and new ones."""

from hypothesis import settings

settings.register_profile("short", max_examples=10, deadline=None, derandomize=True)
settings.register_profile("long", max_examples=400, deadline=None, print_blob=True)
settings.load_profile("short")
