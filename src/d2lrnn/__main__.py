"""`python -m d2lrnn` is the command line."""

from d2lrnn.cli import main

main(prog_name="d2lrnn")
