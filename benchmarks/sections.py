"""What the benchmarks share: they run the sections named on the command line, or all, on one thread."""

import sys

import torch


def run(sections):
    """Run sections by name.

    Args:
        sections: dict from a name to a function without arguments.
    """
    unknown = set(sys.argv[1:]) - set(sections)
    if unknown:
        sys.exit(f"unknown section {', '.join(sorted(unknown))}: choose among {', '.join(sections)}")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    for name in sys.argv[1:] or sections:
        sections[name]()
        print(flush=True)
