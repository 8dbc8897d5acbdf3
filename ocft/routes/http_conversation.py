"""One connection at our port: requests, one after another, checked before anything is done."""

import socket
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import h11

from ocft.crypto import secrets_match
from ocft.ranges import Range
from ocft.routes.connection import LONGEST_HEAD, send_whole, shut_down
from ocft.routes.http_pushed import PushedConnection
from ocft.routes.http_words import (
    SALT_HEADER,
    body_has_left,
    headers_of,
    parse_ranges,
    token_of,
)
from ocft.routes.tickets import FORMER_SECONDS, Opened, OpenToBring, OpenToFetch, nothing

HEAD_SECONDS: Final = 10.0
"""For a whole head, however slowly it comes."""
_IDLE_SECONDS: Final = 60.0  # without a further request
_METHODS: Final = frozenset((b"GET", b"HEAD", b"POST"))


class Conversation:
    """Speaks with one peer, in a thread.

    Args:
        connection: Where it came; the caller closes it.
        find: Gives what is at a path, also what was there.
        note_wrong_token: Notes one; returns whether the peer may try again.
    """

    def __init__(
        self,
        connection: socket.socket,
        find: Callable[[str], Opened | None],
        note_wrong_token: Callable[[], bool],
    ) -> None:
        self._socket = connection
        self._find = find
        self._note_wrong_token = note_wrong_token
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=LONGEST_HEAD)

    def run(self) -> None:
        """Answer until there is nothing to be answered any more.

        Raises:
            OSError: The connection broke.
            h11.ProtocolError: What comes is not HTTP.
        """
        wait = HEAD_SECONDS
        while True:
            request = self._request(wait)
            if request is None or not self._answer(request):
                return
            if self._http.our_state is h11.MUST_CLOSE or self._http.their_state is not h11.DONE:
                return
            self._http.start_next_cycle()
            wait = _IDLE_SECONDS

    def _request(self, wait: float) -> h11.Request | None:
        until = time.monotonic() + wait
        while True:
            event = self._http.next_event()
            if isinstance(event, h11.Request):
                return event
            if isinstance(event, h11.ConnectionClosed):
                return None
            if event is h11.NEED_DATA:
                left = until - time.monotonic()
                if left <= 0:
                    return None
                self._socket.settimeout(left)
                self._http.receive_data(self._socket.recv(4096))

    def _answer(self, request: h11.Request) -> bool:
        """Answer a request; return whether another one may follow."""
        if not isinstance(self._http.next_event(), h11.EndOfMessage):
            return self._say(400)  # a body: nothing here takes one
        headers = headers_of(request)
        opened = self._find(request.target.decode("ascii", "replace"))
        # Also compared where there is nothing: how long it takes tells nothing.
        token = token_of(headers.get("authorization", b""))
        is_right = secrets_match(opened.token if opened is not None else "-", token)
        if request.method not in _METHODS:
            return self._say(405, (b"Allow", b"GET, HEAD, POST"))
        if opened is None or not is_right:
            may_go_on = opened is None or self._note_wrong_token()
            return may_go_on and self._say(403)
        return self._use(opened, request, parse_ranges(headers.get("range", b"")))

    def _use(self, opened: Opened, request: h11.Request, ranges: Sequence[Range] | None) -> bool:
        """Serve somebody who has the token."""
        if opened.is_over or request.method == b"HEAD":
            return self._say(410 if opened.is_over else 200)
        if request.method != opened.method:
            return self._say(405, (b"Allow", opened.method + b", HEAD"))
        opened.end_former()  # who comes again has lost that connection
        if not opened.busy.acquire(timeout=FORMER_SECONDS):
            return self._say(409)
        opened.end_former = partial(shut_down, self._socket)
        try:
            if isinstance(opened, OpenToFetch):
                return self._give(opened, ranges)
            if isinstance(opened, OpenToBring):
                self._take(opened, request)
            return False
        finally:
            opened.end_former = nothing
            opened.busy.release()

    def _take(self, opened: OpenToBring, request: h11.Request) -> None:
        pushed = PushedConnection(
            self._socket, self._http, target=request.target, token=opened.token
        )
        opened.end_former = pushed.close
        if opened.is_over:  # it ended while we waited for its turn
            return
        opened.came(pushed)
        pushed.wait_closed()

    def _give(self, opened: OpenToFetch, ranges: Sequence[Range] | None) -> bool:
        if ranges is None:
            return self._say(416)
        body = opened.body(ranges)
        if body is None:
            return self._say(503, (b"Retry-After", b"1"))
        head = h11.Response(
            status_code=206,
            headers=[
                (b"Content-Type", b"application/octet-stream"),
                (b"Content-Length", str(body.size).encode()),
                (b"Cache-Control", b"no-store"),
                (SALT_HEADER.encode(), body.salt.encode()),
            ],
        )
        send_whole(self._socket, self._http.send(head) or b"")
        try:
            for piece in body.pieces:
                if opened.is_over:
                    return False
                send_whole(self._socket, piece)
                opened.progress(len(piece))
        finally:
            opened.progress(0)
        body_has_left(self._http, body.size)
        return True

    def _say(self, status: int, *headers: tuple[bytes, bytes]) -> bool:
        response = h11.Response(status_code=status, headers=[(b"Content-Length", b"0"), *headers])
        self._socket.settimeout(HEAD_SECONDS)
        self._socket.sendall(self._http.send(response) or b"")
        self._http.send(h11.EndOfMessage())
        return status < 500 and status != 400  # noqa: PLR2004 - statuses
