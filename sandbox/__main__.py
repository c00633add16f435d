"""Run the command line with ``python -m sandbox``."""

from sandbox.cli import main

main()
