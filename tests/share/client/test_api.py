"""`ocft.share.client.api`: what it makes of answers, of which none is trusted."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from ocft.crypto import SEALED_RECORD, make_token
from ocft.errors import (
    ExtraNotInstalledError,
    FileTooLargeError,
    MalformedAnswerError,
    NoSessionError,
    NotAuthorisedError,
    OcftError,
    RateLimitedError,
    ServerRefusedError,
    ServerUnreachableError,
    SessionConflictError,
    SourceChangedError,
    WrongPasswordError,
)
from ocft.share import ShareClient
from ocft.share.client.api import Grant
from tests.share.served import run

ID = "a" * 26
GRANT = Grant("d", make_token())
SALT = "A" * 22
Ask = Callable[[ShareClient], Awaitable[Any]]


def answer(status: int, body: bytes | dict[str, Any] = b"", **headers: str) -> bytes:
    """Return an answer as it goes over the wire."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {"Content-Length": str(len(data))} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in named.items() if value)
    return f"HTTP/1.1 {status} Words\r\n{lines}\r\n".encode() + data


def refusal(status: int, code: str, message: str = "words", **headers: str) -> bytes:
    return answer(status, {"error": {"code": code, "message": message}}, **headers)


class Scripted:
    """A server that says what it was told to, whatever is asked."""

    def __init__(self, *answers: bytes) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            self.asked.append(head)
            length = [line[15:] for line in head.lower().split("\r\n") if "content-length" in line]
            if length:
                await reader.readexactly(int(length[0]))
            writer.write(self._answers.pop(0) if len(self._answers) > 1 else self._answers[0])
            await writer.drain()
        writer.close()


@asynccontextmanager
async def asking(*answers: bytes) -> Any:
    scripted = Scripted(*answers)
    server = await asyncio.start_server(scripted, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, ShareClient(f"http://127.0.0.1:{port}", ID) as client:
        yield client, scripted


def ends_in(kind: type[OcftError], ask: Ask, *answers: bytes) -> OcftError:
    """See that a question ends in an error of this kind and no other, and return it."""
    caught: list[OcftError] = []

    async def work() -> None:
        async with asking(*answers) as (client, _):
            with pytest.raises(OcftError) as raised:
                await ask(client)
            caught.append(raised.value)

    run(work)
    assert type(caught[0]) is kind, caught[0]
    return caught[0]


async def look(client: ShareClient) -> Any:
    return await client.look()


async def join(client: ShareClient) -> Any:
    return await client.join()


async def join_with_password(client: ShareClient) -> Any:
    return await client.join("password")


async def manifest(client: ShareClient) -> Any:
    return await client.manifest(GRANT)


async def content(client: ShareClient, first: int = 0) -> Any:
    async with client.content(GRANT, first=first, size=2 * SEALED_RECORD) as got:
        return b"".join([chunk async for chunk in got.chunks])


async def rest_of_content(client: ShareClient) -> Any:
    return await content(client, 1)


async def create(client: ShareClient) -> Any:
    return await client.create(expires_in=60, max_downloads=None, password=None)


async def stored(client: ShareClient) -> Any:
    return await client.stored("key")


@pytest.mark.parametrize(
    ("status", "code", "kind", "exit_status"),
    [
        (401, "NOT_AUTHORISED", NotAuthorisedError, 4),
        (401, "PASSWORD_NEEDED", WrongPasswordError, 4),
        (401, "WRONG_PASSWORD", WrongPasswordError, 4),
        (404, "NO_SESSION", NoSessionError, 3),
        (409, "CONFLICT", SessionConflictError, 3),
        (409, "SOURCE_CHANGED", SourceChangedError, 2),
        (413, "TOO_LARGE", FileTooLargeError, 2),
        (416, "WRONG_RANGE", MalformedAnswerError, 3),
        (421, "WRONG_HOST", MalformedAnswerError, 3),
        (503, "SHUTTING_DOWN", ServerUnreachableError, 3),
        (507, "NO_SPACE", ServerRefusedError, 7),
        (400, "BAD_REQUEST", MalformedAnswerError, 3),
        (408, "BAD_REQUEST", ServerUnreachableError, 3),
        (500, "INTERNAL", ServerUnreachableError, 3),
    ],
)
def test_each_refusal_has_its_error(
    status: int, code: str, kind: type[OcftError], exit_status: int
) -> None:
    assert ends_in(kind, look, refusal(status, code)).exit_status == exit_status


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504, 520])
def test_a_proxy_whose_server_starts_anew_is_worth_waiting_for(status: int) -> None:
    error = ends_in(ServerUnreachableError, look, answer(status, b"<html>Bad Gateway</html>"))
    assert error.retryable


def test_a_pause_is_what_the_server_says_within_reason() -> None:
    for said, wait in [("7", 7.0), ("0", 0.0), ("999999999", 3600.0)]:
        error = ends_in(RateLimitedError, look, refusal(429, "RATE_LIMITED", Retry_After=said))
        assert isinstance(error, RateLimitedError)
        assert error.retry_after == wait
    for said in ("", "-1", "soon", "Wed, 21 Oct 2026 07:28:00 GMT", "9" * 17):
        ends_in(WrongPasswordError, look, refusal(429, "RATE_LIMITED", Retry_After=said))
    for page in (b"<html>Too many</html>", b""):  # of a proxy: nobody locked a password
        error = ends_in(RateLimitedError, look, answer(429, page))
        assert isinstance(error, RateLimitedError)
        assert error.retry_after == 10.0


def test_what_a_server_says_is_cut_short() -> None:
    error = ends_in(SessionConflictError, look, refusal(409, "CONFLICT", "x" * 5000))
    assert len(str(error)) == 300


VIEW = {"state": "ready", "needs_password": False, "expires_at": None}


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (look, answer(200, b"no JSON")),
        (look, answer(200, b"[]")),
        (look, answer(200, b'{"state": "ready", "state": "ready"}')),
        (look, answer(200, b"[" * 60_000)),
        (look, answer(200, VIEW | {"state": "else"})),
        (look, answer(200, VIEW | {"state": ["ready"]})),
        (look, answer(200, VIEW | {"more": "x" * 70_000})),
        (look, answer(200, VIEW, Content_Encoding="gzip")),
        (look, answer(201, VIEW)),
        (look, answer(302, Location="http://127.0.0.1:1/")),
        (look, answer(404, b"<html>nginx</html>")),
        (join, answer(201, {"download": "../x", "token": make_token()})),
        (join, answer(201, {"download": "x", "token": "a\r\nb"})),
        (join, answer(201, {"download": "x", "token": 1})),
        (join, answer(201, {"download": "x", "token": "a" * 129})),
        (join_with_password, answer(401, {"try": 1})),
        (join_with_password, answer(401, {"try": "x", "spake": "AAAA", "mac": "A" * 43})),
        (join_with_password, answer(401, {"try": "x", "spake": "A" * 44, "mac": "A" * 43})),
        (create, answer(201, {"sender_key": ""})),
        (create, answer(201, {"sender_key": "a b"})),
        (stored, answer(200, Upload_Offset="-1")),
        (stored, answer(200, Upload_Offset="9" * 17)),
        (stored, answer(200, Upload_Offset="1", OCFT_Salt="A")),
        (content, answer(200, b"x", OCFT_Salt=SALT)),
        (content, answer(200, b"", Content_Length=str(2 * SEALED_RECORD), OCFT_Salt="?")),
        (content, answer(200, b"", Content_Length=str(2 * SEALED_RECORD))),
        (content, answer(206, b"", Content_Length=str(2 * SEALED_RECORD), OCFT_Salt=SALT)),
        (rest_of_content, answer(200, b"", Content_Length=str(SEALED_RECORD), OCFT_Salt=SALT)),
        (
            rest_of_content,
            answer(
                206,
                b"",
                Content_Length=str(SEALED_RECORD),
                OCFT_Salt=SALT,
                Content_Range=f"bytes 0-9/{2 * SEALED_RECORD}",
            ),
        ),
    ],
)
def test_what_is_no_answer_of_the_protocol_is_said_so(ask: Ask, said: bytes) -> None:
    ends_in(MalformedAnswerError, ask, said)


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 50_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_what_is_no_whole_http_is_a_broken_connection(said: bytes) -> None:
    ends_in(ServerUnreachableError, look, said)


def test_a_manifest_without_end_is_not_read_to_its_end() -> None:
    ends_in(MalformedAnswerError, manifest, answer(200, b"x" * (4 * 1024 * 1024 + 100)))


def test_content_that_ends_early_is_a_broken_connection() -> None:
    said = answer(200, b"x" * 1000, Content_Length=str(2 * SEALED_RECORD), OCFT_Salt=SALT)
    ends_in(ServerUnreachableError, content, said)


def test_nobody_who_listens_there_is_known_from_a_broken_connection() -> None:
    async def work() -> None:
        server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        for is_refused in (False, True):
            async with ShareClient(f"http://127.0.0.1:{port}", ID) as client:
                with pytest.raises(ServerUnreachableError) as raised:
                    await client.look()
            assert raised.value.is_refused is is_refused
            server.close()
            await server.wait_closed()

    run(work)


def test_a_token_goes_in_a_header_and_nowhere_else() -> None:
    async def work() -> None:
        async with asking(answer(200, b"x")) as (client, scripted):
            await client.manifest(GRANT)
            (head,) = scripted.asked
            assert f"authorization: bearer {GRANT.token}".lower() in head.lower()
            assert head.count(GRANT.token) == 1
            assert GRANT.token not in head.split("\r\n")[0]

    run(work)


def test_without_its_packages_it_says_which_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(ExtraNotInstalledError, match=r"ocft\[share\]"):
        ShareClient("http://127.0.0.1:1", ID)


def test_secrets_are_not_in_what_is_shown() -> None:
    assert GRANT.token not in repr(GRANT)


def test_it_loads_no_command_line_of_others() -> None:
    code = (
        "import sys; from ocft.share import ShareClient; ShareClient('http://127.0.0.1:1', 'a');"
        "print([name for name in ('pygments', 'rich', 'httpx._main') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
