"""Options that `ocft share` and `ocft receive` have in common, and what they mean."""

import os
import sys
from pathlib import Path
from typing import Any, Final

import typer

from ocft.errors import ConfigError

_PASSWORD: Final = "OCFT_PASSWORD"  # noqa: S105 - the name of a variable
_SERVER: Final = "OCFT_SERVER"
_MAX_SECRET: Final = 1024  # characters
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 24 * 3600}
_LONGEST: Final = 365 * 24 * 3600  # seconds


def prompt_option() -> Any:
    """Return the option `--password`."""
    return typer.Option("--password", help="Ask for the password, hidden.")


def file_option() -> Any:
    """Return the option `--password-file`."""
    return typer.Option(
        "--password-file", metavar="FILE", help="Read the password from a file [OCFT_PASSWORD]."
    )


def stdin_option() -> Any:
    """Return the option `--password-stdin`."""
    return typer.Option("--password-stdin", help="Read the password from the first line of stdin.")


def server_option() -> Any:
    """Return the option `--server`."""
    return typer.Option(
        "--server", metavar="URL", help="Where a service keeps sessions [OCFT_SERVER]."
    )


def host_option() -> Any:
    """Return the option `--host`."""
    return typer.Option(
        "--host", metavar="ADDRESS", help="Be there only; left out: private addresses, loopback."
    )


def port_option() -> Any:
    """Return the option `--port`."""
    return typer.Option("--port", metavar="NUMBER", min=0, max=65535, help="0: any that is free.")


def public_option() -> Any:
    """Return the option `--public-url`."""
    return typer.Option(
        "--public-url", metavar="URL", help="What the link begins with: your proxy or tunnel."
    )


def qr_option() -> Any:
    """Return the option `--qr`."""
    return typer.Option("--qr/--no-qr", help="Draw the link for a phone's camera.")


def given_password(
    *, is_prompted: bool, file: str | None, is_stdin: bool, is_new: bool
) -> str | None:
    """Return the password that the options mean, or None.

    Args:
        is_prompted: Whether `--password` was said.
        file: What `--password-file` says.
        is_stdin: Whether `--password-stdin` was said.
        is_new: Whether it is made up now: then a person types it twice.

    Raises:
        ConfigError: It cannot be read, is empty, or there are two of them.
    """
    if is_prompted + (file is not None) + is_stdin > 1:
        raise ConfigError("--password, --password-file and --password-stdin: take one of them.")
    if file is not None:
        return _checked(read_secret_file(file), "The password's file is empty.")
    if is_stdin:
        return _checked(_first_line(), "stdin holds no password.")
    if is_prompted:
        return typed_password(is_new=is_new)
    if _PASSWORD in os.environ:
        return _checked(os.environ[_PASSWORD], f"{_PASSWORD} holds no password.")
    return None


def typed_password(*, is_new: bool = False) -> str:
    """Ask whoever sits there for a password.

    Args:
        is_new: Whether it is made up now: then it is typed twice.

    Raises:
        ConfigError: Nobody is there, or the two are not the same.
    """
    from getpass import getpass

    if sys.stdin is None or not sys.stdin.isatty():
        raise ConfigError(
            f"There is nobody to type a password. Use --password-file, --password-stdin or"
            f" {_PASSWORD}."
        )
    password = _checked(getpass("Password: "), "The password is empty.")
    if is_new and getpass("The same again: ") != password:
        raise ConfigError("That was not the same password twice.")
    return password


def read_secret_file(path: str) -> str:
    """Return the first line of a small file.

    Raises:
        ConfigError: It cannot be read.
    """
    try:
        with Path(path).open(encoding="utf-8") as file:
            return file.readline(_MAX_SECRET + 1).rstrip("\r\n")
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise ConfigError(f"{path} is no text.") from error


def chosen_server(option: str | None) -> str | None:
    """Return the address of the service that is meant, or None.

    Raises:
        ConfigError: It is none.
    """
    from ocft.share import parse_server

    address = option if option is not None else os.environ.get(_SERVER)
    return parse_server(address) if address else None


def parse_duration(text: str) -> int:
    """Return the seconds that a duration like "90s", "30m", "24h" or "7d" means.

    Raises:
        ConfigError: It is none, or not between a second and a year.
    """
    number, unit = text.strip()[:-1], text.strip()[-1:].lower()
    if unit not in _UNITS or not number.isascii() or not number.isdecimal() or len(number) > 9:  # noqa: PLR2004 - digits
        raise ConfigError(f"{text!r} is no duration. Write for example 90s, 30m, 24h or 7d.")
    seconds = int(number) * _UNITS[unit]
    if not 1 <= seconds <= _LONGEST:
        raise ConfigError(f"{text!r} is not possible: from one second to 365 days.")
    return seconds


def draw_qr(link: str, *, wanted: bool | None) -> None:
    """Draw a link on the terminal that stderr is.

    Args:
        link: What the camera reads.
        wanted: What `--qr` says; None: if there is room for it.
    """
    if wanted is False or sys.stderr is None or not sys.stderr.isatty():
        return
    import segno

    code = segno.make(link, error="l", micro=False)
    width = code.symbol_size()[0]
    # Of stderr: stdout may be a pipe.
    columns, rows = os.get_terminal_size(sys.stderr.fileno())
    if wanted or (width <= columns and width // 2 + 3 <= rows):
        code.terminal(out=sys.stderr, compact=True)


def _first_line() -> str:
    try:
        line = sys.stdin.readline(_MAX_SECRET + 1) if sys.stdin is not None else ""
    except UnicodeDecodeError:
        raise ConfigError("What stdin holds is no text.") from None
    return line.rstrip("\r\n")


def _checked(password: str, complaint: str) -> str:
    if not password:
        raise ConfigError(complaint)
    if len(password) > _MAX_SECRET:
        raise ConfigError(f"A password has at most {_MAX_SECRET} characters.")
    return password
