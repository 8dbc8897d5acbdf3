"""What a receiver sees of a share, as events and as sentences."""

import time
from typing import TYPE_CHECKING

from ocft.cli.dialect import Dialect
from ocft.cli.terminal import format_size, printable

if TYPE_CHECKING:
    from ocft.share import ReceiveEvent


class Teller:
    """Tells what a receiver sees.

    Args:
        dialect: The way out.
    """

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._label = ""
        self.began = time.monotonic()
        """When the files were found, on the monotonic clock: waiting for them is no speed."""

    def tell(self, event: "ReceiveEvent") -> None:
        """Take in one event."""
        from ocft.share import ReceiveProgress, SenderFound, SessionJoined, Waiting

        dialect = self._dialect
        match event:
            case SessionJoined():
                dialect.event("session_joined")
            case SenderFound(manifest=manifest):
                self.began = time.monotonic()
                files = manifest.files
                dialect.event("sender_found", sender=manifest.sender, note=manifest.note)
                for file in files:
                    dialect.event("receiving_file", name=file.name, size=file.size)
                self._label = files[0].name if len(files) == 1 else f"{len(files)} files"
                sender = printable(manifest.sender)
                size = format_size(manifest.content_size)
                dialect.say(
                    f"Receiving {printable(self._label)} ({size})"
                    + (f" from somebody who says to be {sender}." if sender else ".")
                )
                if manifest.note:
                    dialect.say(f"Note: {printable(manifest.note)}")
            case ReceiveProgress(bytes_done=done, size=size):
                dialect.progress("receive", self._label, done, size)
            case Waiting(reason=reason, seconds=seconds):
                dialect.waiting("receive", reason, seconds)
