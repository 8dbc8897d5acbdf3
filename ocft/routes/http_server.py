"""The port of the direct route: one HTTP/1.1 server for all transfers of a node.

It has no event loop: bytes are read, sealed and sent in threads, so that the bot's own handlers
never wait for them. It is there only while something is open.
"""

import errno
import logging
import selectors
import socket
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import h11

from ocft.errors import OcftError
from ocft.routes.addresses import Place
from ocft.routes.connection import shut_down
from ocft.routes.http_conversation import Conversation
from ocft.routes.http_words import PATH
from ocft.routes.tickets import Opened

_log = logging.getLogger(__name__)
_MOST_CONNECTIONS: Final = 32
_MOST_WRONG_TOKENS: Final = 20  # of one address; then it is not listened to any more
_MOST_GUESSERS: Final = 1024
_STOP_SECONDS: Final = 10.0  # for all threads to end
_NO_MORE_FILES: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_PAUSE: Final = 0.1  # seconds
_MOST_ENDED: Final = 64  # that are remembered


class DirectServer:
    """Serves what was opened, on the addresses that are announced and on no others.

    Args:
        addresses: Gives where to listen; asked each time when it begins.
        port: The port; 0: any that is free.
    """

    def __init__(self, addresses: Callable[[], Sequence[str]], port: int = 0) -> None:
        self._addresses = addresses
        self._port = port
        self._lock = threading.Lock()
        self._opened: dict[str, Opened] = {}
        self._ended: deque[Opened] = deque(maxlen=_MOST_ENDED)  # to be told from what never was
        self._listening: list[socket.socket] = []
        self._waker: socket.socket | None = None
        self._accepting: threading.Thread | None = None
        self._connections: dict[threading.Thread, socket.socket] = {}
        self._wrong: Counter[str] = Counter()

    def open(self, opened: Opened) -> list[Place]:
        """Let something be fetched, or brought; return where.

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
            ended = Opened(opened.id, opened.token)  # without what it held
            ended.is_over = True
            self._ended.append(ended)
            opened.end_former()
            if not self._opened:
                self._stop_listening()

    def stop(self) -> None:
        """End everything, and wait until no thread is left."""
        for opened in list(self._opened.values()):
            self.close(opened)
        with self._lock:
            threads = list(self._connections)
            for one in self._connections.values():
                shut_down(one)
            accepting, self._accepting = self._accepting, None
        until = time.monotonic() + _STOP_SECONDS
        for thread in [*threads, *([accepting] if accepting is not None else [])]:
            thread.join(max(0.0, until - time.monotonic()))

    def _listen(self) -> None:
        problem: OSError | None = None
        for address in self._addresses():
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
                    except OSError as error:
                        if error.errno in _NO_MORE_FILES:
                            time.sleep(_PAUSE)
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
            self._connections[thread] = connection
        try:
            thread.start()
        except RuntimeError:  # there are too many threads
            _log.warning("nobody can be served for a moment: too many threads")
            with self._lock:
                del self._connections[thread]
            connection.close()

    def _converse(self, connection: socket.socket, address: str) -> None:
        try:
            with connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                Conversation(connection, self._find, partial(self._note_wrong_token, address)).run()
        except (OSError, h11.RemoteProtocolError, h11.LocalProtocolError) as error:
            _log.debug("direct: a connection from %s ended: %s", address, error)
        except OcftError as error:  # of a file: whose `body` it is tells of it
            _log.info("direct: an answer to %s ended: %s", address, error)
        except Exception:  # noqa: BLE001 - a thread has nobody else to tell
            _log.exception("direct: a connection from %s failed", address)
        finally:
            with self._lock:
                self._connections.pop(threading.current_thread(), None)

    def _find(self, path: str) -> Opened | None:
        id_ = path.removeprefix(PATH)
        ended = (one for one in list(self._ended) if one.id == id_)
        return self._opened.get(id_) or next(ended, None)

    def _note_wrong_token(self, address: str) -> bool:
        """Note a wrong token; return whether that address may try again."""
        with self._lock:
            if len(self._wrong) >= _MOST_GUESSERS:
                self._wrong.clear()
            self._wrong[address] += 1
            return self._wrong[address] < _MOST_WRONG_TOKENS
