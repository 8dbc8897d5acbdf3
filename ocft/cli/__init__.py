"""The command `ocft`.

Nothing heavy is imported with these modules: `ocft --help` has to be quick, so what a command
needs it imports when it runs.
"""

from ocft.cli.app import main

__all__ = ["main"]
