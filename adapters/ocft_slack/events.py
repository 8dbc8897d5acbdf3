"""Takes in events, from wherever they come, and tells which of them are OCFT's.

What a platform says can be broken or forged; here nothing is raised, so that the bot of the user
goes on whatever comes.
"""

import logging
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient

from ocft_slack.backlog import Backlog
from ocft_slack.messages import OTHER_THREAD, Heard, Room, file_ids
from ocft_slack.text import looks_like_ocft

_log = logging.getLogger(__name__)
_MOST_FILES: Final = 256
_COPIES: Final = ("message", "previous_message")
"""Where edits and deletions hold the message that they are about."""


class Events:
    """The way in for events.

    Args:
        room: What is listened to.
        backlog: Where messages of others go.
        fall_behind: Called when messages may be missing.
    """

    def __init__(self, room: Room, backlog: Backlog, fall_behind: Callable[[], None]) -> None:
        self._room = room
        self._backlog = backlog
        self._fall_behind = fall_behind
        # `file_shared` tells only ids, and comes after the message with the file.
        self._own_files: deque[str] = deque(maxlen=_MOST_FILES)
        self._is_closed = False
        self._has_warned = False
        self.dropped = 0
        """How many events were none for us, or broken."""

    def close(self) -> None:
        """Take in nothing more."""
        self._is_closed = True

    def connected(self, others: int) -> None:
        """Note that a connection was made: what was said before it may be missing.

        Args:
            others: How many other connections the app has.
        """
        if others and not self._has_warned:
            self._has_warned = True
            _log.warning(
                "another process is connected as the same Slack app: each of them gets only a part "
                "of what is said. Every node needs an app of its own"
            )
        self._fall_behind()

    def take_event(self, event: Mapping[str, Any]) -> bool:
        """Take in an event, or the body around it; return whether it is one of OCFT's."""
        if self._is_closed:
            return False
        try:
            inner = event.get("event", event)
            return isinstance(inner, dict) and self._take(inner)
        except Exception as error:  # noqa: BLE001 - hostile, and not worth a bot
            self._drop(type(error).__name__)
            return False

    def take_payload(self, payload: Mapping[str, Any]) -> bool:
        """Take in what an own connection brought; all of it may be acknowledged."""
        if payload.get("type") == "app_rate_limited":
            _log.warning("Slack drops events of this app, because there are too many")
            self._fall_behind()
        else:
            self.take_event(payload)
        return True

    async def take_envelope(
        self,
        client: AsyncBaseSocketModeClient,
        envelope: dict[str, Any],
        raw: str | None = None,  # noqa: ARG002 - slack-sdk hands it over
    ) -> None:
        """Listen to the Socket Mode client of the user's bot."""
        if envelope.get("type") == "hello":
            self._fall_behind()
            return
        payload = envelope.get("payload")
        if not isinstance(payload, dict) or not self.take_event(payload):
            return
        response = {"envelope_id": envelope.get("envelope_id")}
        # The bot's own listeners are given this dictionary after us: an empty one is no request.
        envelope.clear()
        try:
            await client.send_socket_mode_response(response)
        except Exception as error:  # noqa: BLE001 - it comes again, and is known then
            _log.debug("an event could not be acknowledged: %s", type(error).__name__)

    def _take(self, event: dict[str, Any]) -> bool:
        if event.get("type") == "file_shared":
            return event.get("file_id") in self._own_files
        heard = self._room.read(event)
        if isinstance(heard, Heard):
            if not self._backlog.add(heard):
                self._fall_behind()
            is_ours = looks_like_ocft(heard.text)
        else:
            self._drop(heard)
            # Our own ones, and what edits and deletions repeat.
            is_here = event.get("channel") == self._room.channel and heard != OTHER_THREAD
            is_ours = is_here and _repeats_ocft(event)
        if is_ours:
            self._own_files.extend(file_ids(event))
        return is_ours

    def _drop(self, reason: str) -> None:
        self.dropped += 1
        _log.debug("an event was dropped: %s", reason)


def _repeats_ocft(event: Mapping[str, Any]) -> bool:
    messages = [event, *(event.get(name) for name in _COPIES)]
    texts = (message.get("text") for message in messages if isinstance(message, dict))
    return any(isinstance(text, str) and looks_like_ocft(text) for text in texts)
