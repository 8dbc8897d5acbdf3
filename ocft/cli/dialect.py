"""How sharing tells what happens: lines of JSON in Perkoon's order, or sentences and a bar."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from ocft.cli.bars import Bars, can_show_bars
from ocft.cli.output import Output
from ocft.cli.stopping import Stopped
from ocft.cli.terminal import printable
from ocft.errors import OcftError
from ocft.ids import TransferId

_PROGRESS_SECONDS: Final = 0.5  # between two lines of one transfer


class Dialect:
    """Takes what one command of sharing has to say.

    Args:
        output: Where it is written.
        clock: Seconds on a clock that does not go back.
    """

    def __init__(self, output: Output, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._output = output
        self._clock = clock
        is_seen = not (output.is_json or output.is_quiet) and can_show_bars()
        self._bars = Bars() if is_seen else None
        self._began: dict[str, tuple[float, int]] = {}
        self._told: dict[str, float] = {}
        self._moved: dict[str, tuple[int, int]] = {}  # bytes done, and of how many
        self._waits: set[str] = set()

    def event(self, name: str, /, **fields: Any) -> None:
        """Write an event as a line of JSON."""
        self._output.note(event=name, **fields)

    def say(self, words: str) -> None:
        """Tell people something."""
        if self._bars is None:
            self._output.say(words)
        else:
            with self._bars.hidden():
                self._output.say(words)

    def progress(self, transfer: str, label: str, done: int, size: int, **fields: Any) -> None:
        """Tell how far a transfer is, at most twice a second.

        Args:
            transfer: Which one; bars and pauses are its own.
            label: What to call it.
            done: Bytes of it.
            size: All its bytes.
            fields: What else stands in the line.
        """
        now = self._clock()
        self._moved[transfer] = done, size
        self._waits.discard(transfer)
        began, first = self._began.setdefault(transfer, (now, done))
        if self._bars is not None:
            self._bars.update(TransferId(transfer), printable(label), done, size)
        if not self._output.is_json:
            return
        if transfer in self._told and now - self._told[transfer] < _PROGRESS_SECONDS:
            return
        self._told[transfer] = now
        speed = round((done - first) / (now - began)) if now > began else 0
        self.event(
            "progress",
            percent=round(100 * done / size, 1) if size else 100.0,
            bytes_transferred=done,
            total=size,
            speed=speed,
            eta=round((size - done) / speed) if speed else None,
            **fields,
        )

    def waiting(self, transfer: str, reason: str, seconds: float) -> None:
        """Tell that a transfer does not move: once in words, and again and again in its bar.

        Args:
            transfer: Which one.
            reason: Why, as a sentence.
            seconds: How long it is waited for, from now.
        """
        if transfer not in self._waits:
            self._waits.add(transfer)
            self.event("waiting_for_connection", message=reason, seconds=round(seconds, 1))
            self.say(f"{printable(reason)} Waiting for up to {seconds:.0f} seconds.")
        if self._bars is not None and transfer in self._moved:
            label = f"waiting, {seconds:.0f} s more at most"
            self._bars.update(TransferId(transfer), label, *self._moved[transfer])

    def end(self, transfer: str) -> None:
        """Forget a transfer; its bar goes away."""
        self._began.pop(transfer, None)
        self._told.pop(transfer, None)
        self._moved.pop(transfer, None)
        self._waits.discard(transfer)
        if self._bars is not None:
            self._bars.remove(TransferId(transfer))

    @contextmanager
    def telling_errors(self) -> Iterator[None]:
        """Take the bars away at the end of a block, and tell what ended it.

        Raises:
            OcftError: What ended the block, after the line `error` was written.
            Stopped: The same.
        """
        try:
            yield
        except OcftError as error:
            self._error(error.code, str(error), error.exit_status)
            raise
        except Stopped as stop:
            self._error("INTERRUPTED", str(stop), stop.exit_status)
            raise
        finally:
            if self._bars is not None:
                self._bars.stop()

    def _error(self, code: str, message: str, exit_code: int) -> None:
        if self._bars is not None:
            self._bars.stop()
        self.event("error", message=message, code=code, exit_code=exit_code)
