"""Putting messages into a channel, each once.

Discord gives the earlier message back when its author repeats a nonce. So a request whose answer
was lost is simply made again, and only one that fails again and again leaves a doubt.
"""

import asyncio
import io
import logging
import secrets
from collections.abc import Awaitable, Callable
from typing import BinaryIO, Final

import discord

from ocft.errors import ChannelError, DeliveryUnknownError, RateLimitedError
from ocft_discord.refusals import (
    UNKNOWN_MESSAGE,
    explain,
    explain_question,
    explain_upload,
    is_unsent,
    is_worth_a_repeat,
)

_log = logging.getLogger(__name__)

PATIENCE: Final = 60.0
"""Seconds for one try of a text: discord.py itself waits and repeats for up to 25 s of them.
Files take as long as they take; discord.py ends them after 300 s."""
_PAUSES: Final = (0.1, 1.0, 3.0)
"""Seconds between tries."""
_NONCE_BYTES: Final = 12
"""24 characters of the 25 that a nonce may have."""


class Poster:
    """Posts in one channel.

    Args:
        room: The channel's id.
        client: Returns the client to use; it may be another one after a reconnect. Raises
            ChannelError if there is none.
    """

    def __init__(self, room: int, client: Callable[[], Awaitable[discord.Client]]) -> None:
        self._room = room
        self._client = client

    async def post(
        self, text: str, *, ping: int | None, file: BinaryIO | None = None, name: str = ""
    ) -> int | None:
        """Post a message.

        Args:
            text: What it says.
            ping: The id of the only user who is pinged.
            file: What hangs on it; read from its beginning at every try, and left open.
            name: What the file is called.

        Returns:
            The message's id; None if it was posted and is gone already.

        Raises:
            FileRefusedError: Discord does not take the file.
            DeliveryUnknownError: Nobody can tell whether the message is there.
            RateLimitedError: Discord asks for a pause; the message is not there.
            ChannelError: It is not there.
        """
        nonce = secrets.token_hex(_NONCE_BYTES)
        is_doubtful = False
        has_waited = False
        for pause in (*_PAUSES, None):
            try:
                return await self._try(text, nonce, ping, file, name)
            except Exception as error:  # noqa: BLE001 - discord.py lets through what aiohttp raises
                if is_doubtful and _is_gone(error):
                    return None
                explained = explain(error) if file is None else explain_upload(error)
                is_doubtful = is_doubtful or not is_unsent(error)
                wait = _wait_before_repeat(error, pause, explained, is_doubtful=is_doubtful)
                if isinstance(error, TimeoutError):
                    # Waiting twice for nothing was long enough: a file may have 300 s.
                    wait, has_waited = None if has_waited else wait, True
                if wait is None and is_doubtful and explained.retryable:
                    raise DeliveryUnknownError(str(explained)) from None
                if wait is None:
                    raise explained from None
                _log.debug("a message to channel %d is tried again: %s", self._room, explained)
            await asyncio.sleep(wait)
        raise AssertionError("unreachable")

    async def _try(
        self, text: str, nonce: str, ping: int | None, file: BinaryIO | None, name: str
    ) -> int:
        client = await self._client()
        room = client.get_partial_messageable(self._room)
        mentions = discord.AllowedMentions(
            everyone=False,
            roles=False,
            replied_user=False,
            users=[] if ping is None else [discord.Object(ping)],
        )
        if file is not None:
            upload = discord.File(Borrowed(file), name)
            message = await room.send(
                text or None,
                file=upload,
                nonce=nonce,
                allowed_mentions=mentions,
                suppress_embeds=True,
                silent=True,
            )
            return message.id
        async with asyncio.timeout(PATIENCE):
            message = await room.send(
                text, nonce=nonce, allowed_mentions=mentions, suppress_embeds=True, silent=True
            )
        return message.id

    async def delete(self, room_id: int, message_id: int) -> None:
        """Delete a message, perhaps of another channel; one that is gone already is fine.

        Raises:
            RateLimitedError: Discord asks for a pause.
            ChannelError: It is still there.
        """
        client = await self._client()
        room = client.get_partial_messageable(room_id)
        try:
            await room.get_partial_message(message_id).delete()
        except Exception as error:  # noqa: BLE001 - as above
            if not _is_gone(error):
                raise explain_question(error) from None


class Borrowed(io.BufferedIOBase):
    """A file for discord.py, which closes what it was given and wants it at its beginning."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        file.seek(0)

    def readable(self) -> bool:
        """Say yes."""
        return True

    def seekable(self) -> bool:
        """Say yes."""
        return True

    def fileno(self) -> int:
        """Return the file's descriptor: its size is asked of it."""
        return self._file.fileno()

    def read(self, size: int | None = -1, /) -> bytes:
        """Read a piece."""
        return self._file.read(-1 if size is None else size)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to a place."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the place."""
        return self._file.tell()

    def close(self) -> None:
        """Leave it open: its owner closes it."""


def _wait_before_repeat(
    error: Exception, pause: float | None, explained: ChannelError, *, is_doubtful: bool
) -> float | None:
    """Return the seconds until the request may be made again; None: it is not."""
    if pause is None:
        return None
    if isinstance(explained, RateLimitedError):
        # The library waits, but would come back with another nonce: not while there is a doubt.
        is_short = explained.retry_after <= PATIENCE
        return max(pause, explained.retry_after) if is_doubtful and is_short else None
    return pause if is_worth_a_repeat(error) else None


def _is_gone(error: Exception) -> bool:
    return isinstance(error, discord.NotFound) and error.code == UNKNOWN_MESSAGE
