"""Listening to a client of discord.py beside whoever else listens to it.

`Client.wait_for` asks a check about every event, at once and in the order of the events, before
any handler runs; a check that never says yes listens for ever. So neither a handler of the bot's
owner nor a subclass is needed, and commands, listeners and `on_message` stay as they are.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

import discord

from ocft.errors import ChannelError

_log = logging.getLogger(__name__)


class Ears:
    """Hears a client's messages, and when some may have been missed.

    Args:
        client: A client that has logged in, or is about to.
        on_message: Called with each new message of any channel; must not wait for anything.
        on_gap: Called when a connection to the gateway is there again.

    Raises:
        ChannelError: The client does not run yet.
    """

    def __init__(
        self,
        client: discord.Client,
        *,
        on_message: Callable[[discord.Message], None],
        on_gap: Callable[[], None],
    ) -> None:
        self._on_message = on_message
        self._on_gap = on_gap
        try:
            waits: list[Coroutine[Any, Any, Any]] = [
                client.wait_for("message", check=self._hear),
                client.wait_for("connect", check=self._connected),
                client.wait_for("resumed", check=self._connected),
            ]
        except AttributeError:
            raise ChannelError(
                "This client does not run yet: attach OCFT in its setup_hook, or later."
            ) from None
        self._tasks = [asyncio.ensure_future(wait) for wait in waits]

    async def close(self) -> None:
        """Listen no more. Closing twice is fine."""
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)

    def _hear(self, message: discord.Message) -> bool:
        try:
            self._on_message(message)
        except Exception:  # noqa: BLE001
            # Nothing of ours may reach the client: it would stop listening.
            _log.exception("a message of Discord was not taken")
        return False

    def _connected(self) -> bool:
        self._on_gap()
        return False
