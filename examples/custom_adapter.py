"""A complete adapter in one file: texts travel through plain text files.

Each node has a mailbox file that its peers append lines to, and remembers beside it how far it has
read. Run as a script, it puts its own channel through the checks that every channel has to pass:

    python examples/custom_adapter.py

A package would name the record in its pyproject.toml, and the config file could then have a
section `channels.mailbox` with the option "folder":

    [project.entry-points."ocft.adapters"]
    mailbox = "custom_adapter:ADAPTER"
"""

import asyncio
import itertools
import json
import tempfile
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path

from ocft.channels import Adapter, Channel, ChannelLimits, IncomingText
from ocft.errors import ChannelClosedError, ChannelError, ConfigError
from ocft.testing import check_channel

POLL_PAUSE = 0.01  # seconds between looks at the mailbox


class MailboxChannel(Channel):
    """One node's mailbox, and those of its peers, in one folder."""

    name = "mailbox"
    limits = ChannelLimits(max_text=100_000)

    def __init__(self, folder: Path, node_id: str) -> None:
        self._folder = folder
        self._node_id = node_id
        self._mailbox = self._file(node_id)
        self._bookmark = self._mailbox.with_suffix(".bookmark")
        self._closed = asyncio.Event()

    async def send(self, to: str, text: str) -> None:
        """Append a line to the peer's mailbox."""
        if self._closed.is_set():
            raise ChannelClosedError("the mailbox was closed")
        self.limits.require_fit(text)
        line = json.dumps([self._node_id, text]) + "\n"
        try:
            await asyncio.to_thread(_append, self._file(to), line)
        except OSError as error:
            # What the platform raises is said as a ChannelError, with the cause.
            raise ChannelError(f"the mailbox cannot be written: {error}") from error

    async def texts(self) -> AsyncGenerator[IncomingText, None]:
        """Yield one line after the other."""
        position = await asyncio.to_thread(_read_number, self._bookmark)
        while not self._closed.is_set():
            line = await asyncio.to_thread(_read_line, self._mailbox, position)
            if not line.endswith(b"\n"):
                # Nothing yet, or a line that is still being written.
                await asyncio.sleep(POLL_PAUSE)
                continue
            author, text = json.loads(line)
            yield IncomingText(author, text)
            # Only now, because the text counts as handled when the next one is asked for: a node
            # that crashes before this line gets it again.
            position += len(line)
            await asyncio.to_thread(self._bookmark.write_text, str(position))

    async def close(self) -> None:
        """End `texts()`."""
        self._closed.set()

    def _file(self, node_id: str) -> Path:
        # An address never becomes a path as it is.
        return self._folder / f"{node_id.encode().hex()}.mailbox"


async def open_mailbox(node_id: str, options: Mapping[str, object]) -> MailboxChannel:
    """Open the channel, as the section `channels.mailbox` of the config file says."""
    folder = options.get("folder")
    if not isinstance(folder, str):
        raise ConfigError("channels.mailbox.folder must be a path")
    return MailboxChannel(Path(folder), node_id)


ADAPTER = Adapter(
    name="mailbox",
    summary="Plain text files in a folder, as an example.",
    extra=None,
    open=open_mailbox,
)


def _append(path: Path, line: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(line)


def _read_line(path: Path, position: int) -> bytes:
    if not path.exists():
        return b""
    with path.open("rb") as file:
        file.seek(position)
        return file.readline()


def _read_number(path: Path) -> int:
    return int(path.read_text(encoding="utf-8")) if path.exists() else 0


def main() -> None:
    """Check the channel; prints "ok", or ends with the sentence of the check that failed."""
    with tempfile.TemporaryDirectory() as folder:
        runs = itertools.count()

        async def open_pair() -> tuple[Channel, Channel]:
            # Each check wants mailboxes in which nothing waits.
            fresh = Path(folder) / str(next(runs))
            await asyncio.to_thread(fresh.mkdir)
            options = {"folder": str(fresh)}
            return await ADAPTER.open("alice", options), await ADAPTER.open("bob", options)

        asyncio.run(check_channel(open_pair))
    print("ok")


if __name__ == "__main__":
    main()
