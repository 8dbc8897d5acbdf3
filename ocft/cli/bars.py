"""Progress bars on stderr, with speed and time left, for people who look at a terminal."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from ocft.ids import TransferId

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn, TaskID

_NARROW: Final = 60  # columns; below, only the bar and the percentage fit
_LONGEST_LABEL: Final = 32


def can_show_bars() -> bool:
    """Whether stderr is a terminal that can move its cursor."""
    is_terminal = sys.stderr is not None and sys.stderr.isatty()
    return is_terminal and os.environ.get("TERM") not in {None, "", "dumb", "unknown"}


class Bars:
    """One bar for each transfer that moves."""

    def __init__(self) -> None:
        self._progress = _make_progress()
        self._tasks: dict[TransferId, TaskID] = {}

    def update(self, transfer_id: TransferId, label: str, bytes_done: int, size: int) -> None:
        """Show how far a transfer is.

        Args:
            transfer_id: The transfer.
            label: What to call it; printable.
            bytes_done: How far it is.
            size: How far it has to go.
        """
        if len(label) > _LONGEST_LABEL:
            label = label[: _LONGEST_LABEL - 3] + "..."
        if transfer_id not in self._tasks:
            # Speed and time left are those of this run, so what was done before is no progress.
            self._tasks[transfer_id] = self._progress.add_task(
                label, total=size, completed=bytes_done
            )
            self._progress.start()
        self._progress.update(self._tasks[transfer_id], completed=bytes_done, description=label)

    def remove(self, transfer_id: TransferId) -> None:
        """Take the bar of a transfer away."""
        task = self._tasks.pop(transfer_id, None)
        if task is not None:
            self._progress.remove_task(task)
        if not self._tasks:
            self._progress.stop()

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """Hide the bars for a block that writes to the terminal by itself."""
        self._progress.stop()
        try:
            yield
        finally:
            if self._tasks:
                self._progress.start()

    def stop(self) -> None:
        """Take all bars away."""
        self._progress.stop()


def _make_progress() -> "Progress":
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    # NO_COLOR is rich's own to honour.
    console = Console(stderr=True, highlight=False)
    columns: list[ProgressColumn] = [BarColumn(bar_width=None), TaskProgressColumn()]
    if console.width >= _NARROW:
        columns = [
            # markup=False: a file's name is no markup.
            TextColumn("{task.description}", markup=False),
            *columns,
            DownloadColumn(binary_units=True),
            TransferSpeedColumn(),
            TimeRemainingColumn(compact=True),
        ]
    # stdout is data and stays what it is; stderr is printed above the bars.
    return Progress(
        *columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=True
    )
