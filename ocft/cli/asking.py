"""Secrets and addresses that a command needs: from its arguments, stdin, environment or a prompt.

Arguments are visible to every user of the machine while the command runs; the other three ways are
not.
"""

import os
import sys
from typing import Any, Final

import typer

TAKES_SECRET: Final[dict[str, Any]] = {"allow_extra_args": True, "ignore_unknown_options": True}
"""How a command with a secret among its arguments is parsed: a secret may begin with a dash, and
the parser's own complaints would repeat it."""

_MAX_LENGTH = 16 * 1024  # characters


def given_or_none(argument: str | None, *, what: str, variable: str) -> str | None:
    """Return a secret text, or None where neither arguments nor environment have one.

    Args:
        argument: What the command line says; "-" is the first line of stdin, which a terminal
            does not show.
        what: What it is, for the prompt.
        variable: The environment variable that may hold it.

    Raises:
        typer.BadParameter: What is named holds none.
    """
    if argument == "-":
        typed = _prompt(what) if _is_terminal() else _first_line()
        return _given(typed, f"stdin holds no {what}.")
    if argument is not None:
        return _given(argument, f"The {what} is empty.")
    if value := os.environ.get(variable):
        return _given(value, f"{variable} holds no {what}.")
    return None


def ask_for(argument: str | None, *, what: str, variable: str) -> str:
    """Return a secret text, if need be from whoever sits there.

    Args:
        argument: What the command line says; "-" is the first line of stdin.
        what: What it is, for the prompt.
        variable: The environment variable that may hold it.

    Raises:
        typer.BadParameter: It is nowhere, and there is nobody to ask.
    """
    given = given_or_none(argument, what=what, variable=variable)
    if given is not None:
        return given
    if _is_terminal():
        return _given(_prompt(what), f"The {what} is empty.")
    raise typer.BadParameter(f"Give the {what} on stdin (-), in {variable}, or as an argument.")


def refuse_extra(context: typer.Context) -> None:
    """Refuse arguments that nobody takes without repeating them: one may be a secret.

    Raises:
        typer.BadParameter: There are some.
    """
    if context.args:
        raise typer.BadParameter("Too many arguments, or an option that is not known.")


def _is_terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


def _prompt(what: str) -> str:
    from getpass import getpass

    return getpass(f"{what}: ")


def _first_line() -> str:
    try:
        return sys.stdin.readline(_MAX_LENGTH) if sys.stdin is not None else ""
    except UnicodeDecodeError:
        raise typer.BadParameter("What stdin holds is no text.") from None


def _given(text: str, complaint: str) -> str:
    text = text.strip()
    if not text:
        raise typer.BadParameter(complaint)
    return text
