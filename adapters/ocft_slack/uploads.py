"""Native files, up and away again: streamed from the disk, never whole in memory.

An upload has three steps: an address is asked for, the bytes go there, and the file is shared in
the channel. Until the third step nobody sees it, and Slack forgets it if that never comes.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any, BinaryIO, Final

import aiohttp
from slack_sdk.web.async_client import AsyncWebClient

from ocft.errors import (
    ChannelClosedError,
    ChannelError,
    DeliveryUnknownError,
    FileRefusedError,
    RateLimitedError,
)
from ocft_slack.calls import (
    CALL_SECONDS,
    ApiError,
    answer_of,
    body_of,
    retry_after,
    transport,
)
from ocft_slack.messages import Room
from ocft_slack.options import MAX_FILE
from ocft_slack.text import to_slack

_log = logging.getLogger(__name__)
_PIECE: Final = 256 * 1024
_SLOWEST: Final = 32 * 1024  # bytes a second; an upload that is slower is given up
_LOOKS: Final = (0.0, 1.0, 3.0)
"""Seconds to wait before each look whether a file was shared, where the answer was lost."""


class Uploads:
    """The way out for files.

    Args:
        web: The client.
        session: Carries the bytes.
        room: Where files are shared.
    """

    def __init__(self, web: AsyncWebClient, session: aiohttp.ClientSession, room: Room) -> None:
        self._web = web
        self._session = session
        self._room = room

    async def send(self, file: BinaryIO, *, name: str, text: str) -> str:
        """Share a file.

        Args:
            file: Open for reading; all of it is sent.
            name: What Slack should call it.
            text: What is said with it.

        Returns:
            Slack's id of the file.

        Raises:
            FileRefusedError: Slack does not take it.
            DeliveryUnknownError: It may be shared, or not.
            ChannelError: It was not shared; see `answer_of`.
        """
        size = file.seek(0, 2)
        if not 0 < size <= MAX_FILE:
            raise FileRefusedError(f"Slack takes files of 1 to {MAX_FILE} bytes, not {size}.")
        file.seek(0)
        try:
            call = self._web.files_getUploadURLExternal(filename=name, length=size)
            ticket = body_of(await answer_of(call))
            file_id, address = ticket.get("file_id"), ticket.get("upload_url")
            if not isinstance(file_id, str) or not isinstance(address, str):
                raise ChannelClosedError("Slack gave no address for an upload.")
            await self._put(address, file, size)
            await self._share(file_id, name, text)
        except ApiError as error:
            if error.word == "missing_scope":
                raise FileRefusedError(
                    "The app may not upload: it lacks the scope files:write."
                ) from error
            raise
        return file_id

    async def delete(self, file_id: str) -> None:
        """Delete a file and the message that it came with.

        Raises:
            ChannelError: It is still there.
        """
        try:
            view = body_of(await answer_of(self._web.files_info(file=file_id))).get("file")
            for ts in _shares(view, self._room.channel):
                await self._delete_message(ts)
            await answer_of(self._web.files_delete(file=file_id))
        except ApiError as error:
            if error.word not in ("file_not_found", "file_deleted"):
                raise

    async def _delete_message(self, ts: str) -> None:
        """Delete what was said with a file: Slack leaves it, with a note of the deletion."""
        try:
            await answer_of(self._web.chat_delete(channel=self._room.channel, ts=ts))
        except ApiError as error:
            if error.word not in ("message_not_found", "cant_delete_message"):
                raise

    async def _put(self, address: str, file: BinaryIO, size: int) -> None:
        timeout = aiohttp.ClientTimeout(
            total=2 * CALL_SECONDS + size / _SLOWEST, sock_read=2 * CALL_SECONDS
        )
        try:
            async with self._session.post(
                address,
                data=_pieces(file, size),
                # With its length Slack gets it in one piece, without chunked encoding.
                headers={"Content-Length": str(size), "Content-Type": "application/octet-stream"},
                allow_redirects=False,
                timeout=timeout,
                **transport(self._web),
            ) as answer:
                _require_taken(answer, size)
        # `from None`: the address is as good as a token.
        except (aiohttp.ClientError, OSError) as error:
            raise ChannelClosedError(f"An upload broke off ({type(error).__name__}).") from None
        except (RuntimeError, ValueError) as error:  # the session was closed; no address at all
            raise ChannelClosedError(f"An upload failed ({type(error).__name__}).") from None

    async def _share(self, file_id: str, name: str, text: str) -> None:
        """Share what was uploaded; where nobody can tell whether it was, look, and try again."""
        for pause in _LOOKS:
            call = self._web.files_completeUploadExternal(
                files=[{"id": file_id, "title": name}],
                channel_id=self._room.channel,
                thread_ts=self._room.thread,
                initial_comment=to_slack(text) or None,
            )
            try:
                await answer_of(call, is_repeatable=False)
            except DeliveryUnknownError as doubt:
                await asyncio.sleep(pause)
                if await self._is_shared(file_id, doubt):
                    _log.info("%s, but the file is there", doubt)
                    return
            else:
                return
        raise DeliveryUnknownError("Slack does not say whether it shared a file.")

    async def _is_shared(self, file_id: str, doubt: DeliveryUnknownError) -> bool:
        """Look at a file; it can be shared once, so what is there was shared."""
        try:
            await answer_of(self._web.files_info(file=file_id))
        except ApiError as error:
            if error.word == "file_not_found":
                return False
            raise DeliveryUnknownError(f"{doubt} Nor can it be looked up: {error}") from None
        except (ChannelClosedError, RateLimitedError) as error:
            raise DeliveryUnknownError(f"{doubt} Nor can it be looked up: {error}") from None
        return True


def _require_taken(answer: aiohttp.ClientResponse, size: int) -> None:
    match answer.status:
        case 200:
            return
        case 413:
            raise FileRefusedError(f"Slack refuses a file of {size} bytes.")
        case 429:
            pause = retry_after(answer.headers)
            raise RateLimitedError(f"Slack asks for a pause of {pause:g} s.", retry_after=pause)
        case status if status >= 500:  # noqa: PLR2004 - the server's own failures
            raise ChannelClosedError(f"An upload failed (status {status}).")
        case status:
            raise ChannelError(f"Slack does not take an upload (status {status}).")


async def _pieces(file: BinaryIO, size: int) -> AsyncIterator[bytes]:
    """Read a file piece by piece, for as long as it was when this began."""
    while size and (piece := file.read(min(_PIECE, size))):
        size -= len(piece)
        yield piece


def _shares(view: Any, channel: str) -> Iterator[str]:
    """Yield the time stamps of the messages in a channel that a file hangs on."""
    shares = view.get("shares") if isinstance(view, dict) else None
    for kind in ("public", "private"):
        places = shares.get(kind) if isinstance(shares, dict) else None
        messages = places.get(channel) if isinstance(places, dict) else None
        for message in messages if isinstance(messages, list) else ():
            ts = message.get("ts") if isinstance(message, dict) else None
            if isinstance(ts, str):
                yield ts
