"""Runs the command line: `python -m ocft`."""

import sys

from ocft.cli import main

if __name__ == "__main__":
    sys.exit(main())
