"""Reads messages from events and from the history; pure. Every byte of them is hostile."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ocft_slack.text import from_slack

_TS = re.compile(r"([0-9]{1,12})\.([0-9]{6})")
_ID = re.compile(r"[A-Z0-9]{2,32}")
_SUBTYPES: Final = (None, "bot_message", "file_share", "thread_broadcast")
_LONGEST_TEXT: Final = 200_000
"""Characters. Slack cuts at 40,000; escaping makes five of one."""
_MOST_FILES: Final = 16
_LONGEST_NAME: Final = 1024
OTHER_THREAD: Final = "another thread"
"""Why a message is dropped that may be for another node."""
_GONE_MODES: Final = ("external", "hidden_by_limit", "tombstone")


@dataclass(frozen=True, slots=True)
class HeardFile:
    """A file that hangs on a message; in shared channels Slack tells only its id."""

    id: str
    name: str
    size: int | None
    url: str | None
    is_page: bool = False
    """Whether it is an HTML page itself."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A message of somebody else."""

    at: int
    """Its time stamp in microseconds: unique in its channel, and in order."""
    author: str
    text: str
    files: tuple[HeardFile, ...] = ()


@dataclass(frozen=True, slots=True)
class Room:
    """Where this node listens, and who it is there."""

    channel: str
    thread: str | None
    user_id: str
    bot_id: str | None

    def read(self, message: object, *, is_event: bool = True) -> Heard | str:
        """Read a message.

        Args:
            message: As an event or the history has it.
            is_event: Whether it has to say in which channel it is.

        Returns:
            The message, or why it is dropped.
        """
        if not isinstance(message, dict):
            return "malformed"
        if reason := self._why_not(message, is_event=is_event):
            return reason
        at, author, text = moment(message.get("ts")), message.get("user"), message.get("text") or ""
        if at is None or not isinstance(text, str) or len(text) > _LONGEST_TEXT:
            return "malformed"
        return Heard(at, str(author), from_slack(text), _files(message.get("files")))

    def _why_not(self, message: Mapping[str, object], *, is_event: bool) -> str | None:
        if is_event and message.get("channel") != self.channel:
            return "another channel"
        is_message = message.get("type") == "message" and not message.get("hidden")
        if not is_message or message.get("subtype") not in _SUBTYPES:
            return "no message of somebody"
        if not _is_id(message.get("user")):
            return "malformed, or of a webhook"
        if self.is_own(message):
            return "our own"
        is_reply = message.get("thread_ts") == self.thread != message.get("ts")
        return None if self.thread is None or is_reply else OTHER_THREAD

    def is_own(self, message: Mapping[str, object]) -> bool:
        """Return whether this node's app wrote a message."""
        bot_id = message.get("bot_id")
        return message.get("user") == self.user_id or (bot_id is not None and bot_id == self.bot_id)


def moment(ts: object) -> int | None:
    """Return a time stamp in microseconds; None if it is none."""
    if not isinstance(ts, str) or (found := _TS.fullmatch(ts)) is None:
        return None
    return int(found[1]) * 1_000_000 + int(found[2])


def stamp(at: int) -> str:
    """Return the time stamp of a moment, as Slack writes it."""
    return f"{at // 1_000_000}.{at % 1_000_000:06d}"


def read_file(view: object) -> HeardFile | None:
    """Read Slack's view of a file; None: there is nothing to download."""
    if not isinstance(view, dict) or not _is_id(view.get("id")):
        return None
    if view.get("mode") in _GONE_MODES or view.get("is_external"):
        return None
    size, name = view.get("size"), view.get("name")
    url = view.get("url_private_download") or view.get("url_private")
    is_named = isinstance(name, str) and 0 < len(name) <= _LONGEST_NAME
    is_sized = isinstance(size, int) and not isinstance(size, bool) and size >= 0
    return HeardFile(
        id=str(view["id"]),
        name=str(name if is_named else view["id"]),
        size=size if is_sized else None,
        url=url if isinstance(url, str) else None,
        is_page=view.get("mimetype") == "text/html",
    )


def file_ids(message: Mapping[str, object]) -> list[str]:
    """Return the ids of the files that hang on a message."""
    return [file.id for file in _files(message.get("files"))]


def _files(views: object) -> tuple[HeardFile, ...]:
    if not isinstance(views, list):
        return ()
    files = (read_file(view) for view in views[:_MOST_FILES])
    return tuple(file for file in files if file is not None)


def _is_id(value: object) -> bool:
    return isinstance(value, str) and _ID.fullmatch(value) is not None
