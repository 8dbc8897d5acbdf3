"""The sender's end of the direct route: one HTTP/1.1 server for all transfers of a node.

It has no event loop: bytes are read, sealed and sent in threads, so that the bot's own handlers
never wait for them. It is there only while something is open.
"""

import logging
import selectors
import socket
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import h11

from ocft.crypto import secrets_match
from ocft.ranges import Range
from ocft.routes.addresses import Place
from ocft.routes.http_words import SALT_HEADER, parse_ranges, token_of

_log = logging.getLogger(__name__)
_LONGEST_HEAD: Final = 16 * 1024  # bytes
_HEAD_SECONDS: Final = 10.0  # for a whole head, however slowly it comes
_IDLE_SECONDS: Final = 60.0  # without a byte being taken, or a further request
_MOST_CONNECTIONS: Final = 32
_MOST_WRONG_TOKENS: Final = 20  # of one address; then it is not listened to any more
_MOST_ENDED: Final = 64  # that are remembered
_ALLOW: Final = (b"Allow", b"GET, HEAD")


@dataclass(frozen=True, slots=True)
class Body:
    """What answers a request."""

    salt: str
    """What the receiver needs to open it."""
    size: int
    """Bytes of all pieces."""
    pieces: Iterable[memoryview | bytes]


@dataclass(slots=True, eq=False)
class Opened:
    """Something that may be fetched by who has its token, by one at a time."""

    id: str
    token: str = field(repr=False)
    body: Callable[[Sequence[Range]], Body | None]
    """Called in a thread; gives what these ranges need, or None when that cannot be now."""
    progress: Callable[[int], None]
    """Called in a thread with the bytes that left since the last time, and with 0 at the end of
    an answer."""
    is_over: bool = False
    busy: threading.Lock = field(default_factory=threading.Lock)
    sockets: set[socket.socket] = field(default_factory=set)


class DirectServer:
    """Serves what was opened, on the addresses that are announced and on no others.

    Args:
        addresses: Where to listen.
        port: The port; 0: any that is free.
    """

    def __init__(self, addresses: Sequence[str], port: int = 0) -> None:
        self._addresses = list(addresses)
        self._port = port
        self._lock = threading.Lock()
        self._opened: dict[str, Opened] = {}
        self._ended: deque[Opened] = deque(maxlen=_MOST_ENDED)  # to be told from what never was
        self._listening: list[socket.socket] = []
        self._waker: socket.socket | None = None
        self._accepting: threading.Thread | None = None
        self._connections: set[threading.Thread] = set()
        self._wrong: Counter[str] = Counter()

    def open(self, opened: Opened) -> list[Place]:
        """Let something be fetched; return where.

        Raises:
            OSError: None of the addresses can be listened to.
        """
        with self._lock:
            if not self._listening:
                self._listen()
            self._opened[opened.id] = opened
            return [one.getsockname()[:2] for one in self._listening]

    def close(self, opened: Opened) -> None:
        """End it: connections are cut, later requests are told that it is gone."""
        opened.is_over = True
        with self._lock:
            if self._opened.pop(opened.id, None) is None:
                return
            self._ended.append(opened)
            for one in tuple(opened.sockets):  # others come and go meanwhile
                _cut(one)
            if not self._opened:
                self._stop_listening()

    def stop(self) -> None:
        """End everything, and wait until no thread is left."""
        for opened in list(self._opened.values()):
            self.close(opened)
        with self._lock:
            threads = list(self._connections)
            accepting, self._accepting = self._accepting, None
        for thread in [*threads, *([accepting] if accepting is not None else [])]:
            thread.join(_HEAD_SECONDS)

    def _listen(self) -> None:
        problem: OSError | None = None
        for address in self._addresses:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            listening = socket.socket(family, socket.SOCK_STREAM)
            try:
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                listening.bind((address, self._port))
                listening.listen(_MOST_CONNECTIONS)
                listening.setblocking(False)
            except OSError as error:
                listening.close()
                problem = error
                _log.info("nobody can be served on %s: %s", address, error)
            else:
                self._listening.append(listening)
        if not self._listening:
            raise problem or OSError("no address to listen on")
        self._wrong.clear()
        woken, self._waker = socket.socketpair()
        self._accepting = threading.Thread(
            target=self._accept,
            args=(list(self._listening), woken),
            name="ocft-direct",
            daemon=True,
        )
        self._accepting.start()

    def _stop_listening(self) -> None:
        for one in self._listening:
            one.close()
        self._listening = []
        if self._waker is not None:
            self._waker.close()  # the thread sees its end

    def _accept(self, listening: list[socket.socket], woken: socket.socket) -> None:
        with woken, selectors.DefaultSelector() as selector:
            selector.register(woken, selectors.EVENT_READ)
            try:
                for one in listening:
                    selector.register(one, selectors.EVENT_READ)
            except ValueError:  # closed already
                return
            while True:
                for key, _ in selector.select():
                    if key.fileobj is woken:
                        return
                    try:
                        connection, address = key.fileobj.accept()  # type: ignore[union-attr]
                    except OSError:
                        continue
                    self._begin(connection, str(address[0]))

    def _begin(self, connection: socket.socket, address: str) -> None:
        with self._lock:
            is_welcome = (
                len(self._connections) < _MOST_CONNECTIONS
                and self._wrong[address] < _MOST_WRONG_TOKENS
                and self._opened
            )
            if not is_welcome:
                connection.close()
                return
            thread = threading.Thread(
                target=self._converse,
                args=(connection, address),
                name="ocft-direct-peer",
                daemon=True,
            )
            self._connections.add(thread)
        thread.start()

    def _converse(self, connection: socket.socket, address: str) -> None:
        try:
            with connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                _Conversation(self, connection, address).run()
        except (OSError, h11.RemoteProtocolError, h11.LocalProtocolError) as error:
            _log.debug("direct: a connection from %s ended: %s", address, error)
        except Exception:  # noqa: BLE001 - a thread has nobody else to tell
            _log.exception("direct: a connection from %s failed", address)
        finally:
            with self._lock:
                self._connections.discard(threading.current_thread())

    def find(self, path: str) -> Opened | None:
        """Return what is at a path."""
        id_ = path.removeprefix("/ocft/2/")
        ended = (one for one in list(self._ended) if one.id == id_)
        return self._opened.get(id_) or next(ended, None)

    def note_wrong_token(self, address: str) -> bool:
        """Note a wrong token; return whether that address may try again."""
        with self._lock:
            self._wrong[address] += 1
            return self._wrong[address] < _MOST_WRONG_TOKENS


class _Conversation:
    """One connection: requests, one after another."""

    def __init__(self, server: DirectServer, connection: socket.socket, address: str) -> None:
        self._server = server
        self._socket = connection
        self._address = address
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=_LONGEST_HEAD)

    def run(self) -> None:
        wait = _HEAD_SECONDS
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
        headers = {name.decode("ascii"): value for name, value in request.headers}
        opened = self._server.find(request.target.decode("ascii", "replace"))
        # Also compared where there is nothing: how long it takes tells nothing.
        token = token_of(headers.get("authorization", b""))
        is_right = secrets_match(opened.token if opened is not None else "-", token)
        if request.method not in (b"GET", b"HEAD"):
            return self._say(405, _ALLOW)
        if opened is None or not is_right:
            return self._server.note_wrong_token(self._address) and self._say(403)
        if opened.is_over or request.method == b"HEAD":
            return self._say(410 if opened.is_over else 200)
        return self._give(opened, parse_ranges(headers.get("range", b"")))

    def _give(self, opened: Opened, ranges: Sequence[Range] | None) -> bool:
        """Answer who may have something."""
        if ranges is None:
            return self._say(416)
        if not opened.busy.acquire(blocking=False):
            return self._say(409)
        opened.sockets.add(self._socket)
        try:
            return self._serve(opened, ranges)
        finally:
            opened.sockets.discard(self._socket)
            opened.busy.release()

    def _serve(self, opened: Opened, ranges: Sequence[Range]) -> bool:
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
        self._socket.settimeout(_IDLE_SECONDS)
        self._socket.sendall(self._http.send(head) or b"")
        try:
            for piece in body.pieces:
                if opened.is_over:
                    return False
                self._socket.sendall(piece)
                opened.progress(len(piece))
        finally:
            opened.progress(0)
        # The pieces went around h11, which only has to know that they are complete.
        self._http.send_with_data_passthrough(h11.Data(data=_Length(body.size)))  # type: ignore[arg-type]
        self._http.send(h11.EndOfMessage())
        return True

    def _say(self, status: int, *headers: tuple[bytes, bytes]) -> bool:
        response = h11.Response(status_code=status, headers=[(b"Content-Length", b"0"), *headers])
        self._socket.settimeout(_HEAD_SECONDS)
        self._socket.sendall(self._http.send(response) or b"")
        self._http.send(h11.EndOfMessage())
        return status < 500 and status != 400  # noqa: PLR2004 - statuses


class _Length:
    """Stands for bytes that left already: h11 asks for their number only."""

    def __init__(self, length: int) -> None:
        self._length = length

    def __len__(self) -> int:
        return self._length


def _cut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
