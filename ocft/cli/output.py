"""What a command writes: data to stdout, talk to stderr, or all of it as NDJSON with `--json`."""

import json
import logging
import os
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO

from ocft.cli.terminal import printable
from ocft.errors import StorageError

if TYPE_CHECKING:
    from ocft.events import Event

# One line a chunk would drown the others; `--verbose` has them.
_CHATTY = frozenset({"chunk-sent", "chunk-received", "ack-received", "message-ignored"})


_REPEATED: Final = 600.0  # seconds in which a warning is not said again
_MOST_SAID: Final = 64  # warnings in that time, so that no peer can fill a log


class ReaderGoneError(Exception):
    """Whoever read our stdout closed it; the command ends quietly, as others do in a pipe."""


class Output:
    """The way out for one run of a command.

    Args:
        is_json: Write one JSON object a line to stdout, and nothing for people.
        is_quiet: Leave out the talk; data and errors stay.
        is_verbose: Write every event, and tracebacks.
    """

    def __init__(
        self, *, is_json: bool = False, is_quiet: bool = False, is_verbose: bool = False
    ) -> None:
        self.is_json = is_json
        self.is_quiet = is_quiet
        self.is_verbose = is_verbose
        self.keeps_stdout = False
        """Whether stdout is for something else than lines: the content of a file."""

    def say(self, text: str) -> None:
        """Tell people something, on stderr."""
        if not (self.is_json or self.is_quiet):
            _write(sys.stderr, printable_lines(text))

    def data(self, text: str) -> None:
        """Write a line of what the command is for, on stdout."""
        if not (self.is_json or self.keeps_stdout):
            # A terminal shows it, another program wants it as it is.
            shown = printable_lines(text) if sys.stdout and sys.stdout.isatty() else text
            _write(sys.stdout, shown)

    def path(self, path: str | Path) -> None:
        """Write a path as a line of data."""
        self.data(str(path))

    def event(self, event: "Event") -> None:
        """Write an event as a line of JSON."""
        if self.is_json and (self.is_verbose or event.name not in _CHATTY):
            self._line({"event": event.name, **asdict(event)})

    def result(self, command: str, **fields: Any) -> None:
        """Write the line of JSON that ends a command that did what it should."""
        if self.is_json:
            self._line({"result": command, **fields})

    def note(self, **fields: Any) -> None:
        """Write another line of JSON."""
        if self.is_json:
            self._line(fields)

    def error(self, code: str, message: str, exit_status: int) -> int:
        """Write the line that ends a command that failed; return its exit status."""
        if self.is_json:
            error = {"code": code, "message": message, "exit_status": exit_status}
            with suppress(StorageError):  # then there is nobody to tell, and the status says it
                self._line({"error": error})
        else:
            _write(sys.stderr, printable_lines(f"ocft: {message}"))
        return exit_status

    def drop_stdout(self) -> None:
        """Let what is still to be written to stdout go nowhere: nobody reads it any more."""
        if sys.stdout is not None:
            _forget(sys.stdout)

    def take_log(self) -> None:
        """Show the library's warnings as talk, and all that it logs with `--verbose`."""
        log = logging.getLogger("ocft")
        log.handlers = [_LogHandler(self)]  # not added: tests run several commands in a process
        log.setLevel(logging.DEBUG if self.is_verbose else logging.WARNING)
        log.propagate = False

    def _line(self, content: dict[str, Any]) -> None:
        # ASCII: nothing in it can disturb a terminal, and no locale can fail to write it.
        _write(sys.stdout, json.dumps(content, ensure_ascii=True, default=str))


class _LogHandler(logging.Handler):
    """Hands what is logged to an output."""

    def __init__(self, output: Output) -> None:
        super().__init__()
        self._output = output
        self._said: dict[str, float] = {}  # and when, in seconds since the epoch

    def emit(self, record: logging.LogRecord) -> None:
        words = f"{record.levelname.lower()}: {self.format(record)}"
        is_warning = record.levelno == logging.WARNING and not self._output.is_verbose
        if not is_warning or self._is_news(words, record.created):
            self._output.say(words)

    def _is_news(self, words: str, at: float) -> bool:
        """Say whether people have not just been told the same: peers try again and again."""
        self._said = {one: then for one, then in self._said.items() if 0 <= at - then < _REPEATED}
        if words in self._said or len(self._said) >= _MOST_SAID:
            return False
        self._said[words] = at
        return True


def printable_lines(text: str) -> str:
    """Return a text of ours, made harmless for terminals, with its line breaks."""
    return "\n".join(printable(line) for line in text.split("\n"))


def _write(stream: TextIO | None, line: str) -> None:
    if stream is None:  # it was closed before we started
        return
    try:
        stream.write(line + "\n")
        stream.flush()
    except BrokenPipeError:
        _forget(stream)
        if stream is sys.stdout:
            raise ReaderGoneError from None
    except OSError as error:  # a full disk, for one
        _forget(stream)
        if stream is sys.stdout:
            raise StorageError(f"stdout cannot be written: {error.strerror}.") from error


def _forget(stream: TextIO) -> None:
    """Let later writes, and the interpreter's flush at its end, go nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def prepare_streams() -> None:
    """Let every text be written, whatever the locale can express."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            # stdout may carry the name of a file that is no UTF-8; it must come out as it is.
            is_utf8 = "utf" in (stream.encoding or "").lower()
            handler = "surrogateescape" if stream is sys.stdout and is_utf8 else "backslashreplace"
            reconfigure(errors=handler)
