"""What the server does with strangers: each line of the list of bad input, by the wire alone."""

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from ocft.crypto import PasswordRun, parse_octets, password_verifier
from ocft.share import Limits, Sessions
from tests.share.server.hostility import (
    API,
    HEADERS_OF_ALL,
    NO_LIMIT,
    SEALED_RECORD,
    Reply,
    Share,
    Stranger,
    new_id,
    read_reply,
    strangers,
    text,
    within_patience,
)

Change = Callable[[str], str]
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def other_letter(letter: str) -> str:
    return LETTERS[(LETTERS.index(letter) + 7) % 64]


NEAR_MISSES: dict[str, Change] = {
    "first letter": lambda token: other_letter(token[0]) + token[1:],
    "last letter": lambda token: token[:-1] + other_letter(token[-1]),
    "shorter": lambda token: token[:-1],
    "longer": lambda token: token + "A",
    "padded": lambda token: token + "=",
    "lower case": str.lower,
    "swapped case": str.swapcase,
    "twice": lambda token: token + token,
    "empty": lambda _: "",
    "blank": lambda token: " " + token,
    "one letter": lambda _: "A",
    "the other alphabet": lambda token: token[:-1] + "+",
    "non-ASCII": lambda token: token[:-1] + "\u00e9",
    "look-alike": lambda token: "\u0430" + token[1:],
    "megabyte-like": lambda token: token * 100,
}


# Tokens


@pytest.mark.parametrize("change", NEAR_MISSES.values(), ids=NEAR_MISSES)
def test_a_token_that_is_nearly_right_is_wrong(change: Change) -> None:  # case H1
    async def work() -> None:
        async with strangers() as stranger:
            share = await stranger.share()
            download, token = await stranger.join(share)
            wrong = change(token)
            for reply in (
                await stranger.get(share, wrong),
                await stranger.get(share, wrong, "manifest"),
                await stranger.done(share, download, wrong),
            ):
                assert (reply.status, reply.code) == (401, "NOT_AUTHORISED")
            assert (await stranger.get(share, token)).body == share.content

    within_patience(work)


@pytest.mark.parametrize("change", NEAR_MISSES.values(), ids=NEAR_MISSES)
def test_a_sender_key_that_is_nearly_right_is_wrong(change: Change) -> None:
    async def work() -> None:
        async with strangers() as stranger:
            share = await stranger.begin()
            wrong = replace(share, sender_key=change(share.sender_key))
            auth = {"Authorization": f"Bearer {wrong.sender_key}"}
            assert (await stranger.put(wrong, 0, share.content)).status == 401
            for method, path in [("PUT", "/manifest"), ("POST", "/complete"), ("DELETE", "")]:
                reply = await stranger.ask(method, share.path + path, auth)
                assert (reply.status, reply.code) == (401, "NOT_AUTHORISED")
            assert (await stranger.put(share, 0, share.content)).status == 204

    within_patience(work)


def test_a_key_opens_only_what_it_is_for() -> None:
    async def work() -> None:
        async with strangers() as stranger:
            one, other = await stranger.share(), await stranger.share()
            _, token = await stranger.join(one)
            assert (await stranger.get(other, token)).status == 401  # another session's
            assert (await stranger.get(one, one.sender_key)).status == 401  # the sender's
            auth = {"Authorization": f"Bearer {token}"}
            assert (await stranger.ask("DELETE", one.path, auth)).status == 401
            assert (await stranger.get(one, token)).status == 200

    within_patience(work)


def test_the_receipt_of_another_download_is_refused() -> None:
    async def work() -> None:
        async with strangers() as stranger:
            share = await stranger.share(max_downloads=2)
            mine, my_token = await stranger.join(share)
            theirs, their_token = await stranger.join(share)
            assert (await stranger.get(share, their_token)).status == 200
            assert (await stranger.done(share, theirs, my_token)).status == 401
            assert (await stranger.done(share, "x" * 12, my_token)).status == 401
            assert (await stranger.get(share, their_token)).status == 200
            assert (await stranger.done(share, mine, my_token)).status == 204

    within_patience(work)


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [("Authorization", "TOKEN")],
        [("Authorization", "Basic TOKEN")],
        [("Authorization", "BearerTOKEN")],
        [("Authorization", "Bearer\tTOKEN")],
        [("Authorization", "Bearer  TOKEN")],
        [("Authorization", "Bearer TOKEN, Bearer TOKEN")],
        [("Authorization", "Bearer TOKEN"), ("Authorization", "Bearer TOKEN")],
        [("Authorization", "Bearer x"), ("Authorization", "Bearer TOKEN")],
        [("Proxy-Authorization", "Bearer TOKEN")],
        [("X-Authorization", "Bearer TOKEN")],
        [("Cookie", "token=TOKEN; Authorization=Bearer TOKEN")],
    ],
    ids=lambda rows: repr(rows)[:60],
)
def test_a_token_elsewhere_than_in_its_header_is_none(rows: list[tuple[str, str]]) -> None:
    async def work() -> None:
        async with strangers() as stranger:
            share = await stranger.share()
            _, token = await stranger.join(share)
            sent = [(name, value.replace("TOKEN", token)) for name, value in rows]
            assert (await stranger.ask("GET", f"{share.path}/content", sent)).status == 401

    within_patience(work)


@pytest.mark.parametrize("query", ["?token=TOKEN", "?Authorization=Bearer%20TOKEN", "/TOKEN"])
def test_a_token_in_the_address_is_none(query: str) -> None:
    async def work() -> None:
        async with strangers() as stranger:
            share = await stranger.share()
            _, token = await stranger.join(share)
            path = f"{share.path}/content{query.replace('TOKEN', token)}"
            assert (await stranger.ask("GET", path)).status in {401, 404}

    within_patience(work)


def test_a_token_is_used_up_with_its_session() -> None:
    async def work() -> None:
        async with strangers() as stranger:
            share = await stranger.share(max_downloads=1)
            late = (await stranger.join(share))[1]
            download, token = await stranger.join(share)
            assert (await stranger.get(share, token)).body == share.content
            assert (await stranger.get(share, late)).status == 404
            assert (await stranger.done(share, download, token)).status == 204
            unknown = await stranger.ask("GET", f"{API}/{new_id()}")
            for reply in (
                await stranger.get(share, token),
                await stranger.get(share, late),
                await stranger.done(share, download, token),
                await stranger.ask("GET", share.path),
                await stranger.post(f"{share.path}/downloads", {}),
                await stranger.ask(
                    "DELETE", share.path, {"Authorization": f"Bearer {share.sender_key}"}
                ),
            ):
                # Unknown, expired and used up look the same, to the byte.
                assert (reply.status, reply.body) == (404, unknown.body)

    within_patience(work)


def test_what_has_expired_looks_like_what_never_was() -> None:  # R-SHR-10
    async def work() -> None:
        async with strangers() as stranger:
            share = await stranger.share(expires_in=100)
            _, token = await stranger.join(share)
            stranger.clock.at += 99
            assert (await stranger.ask("GET", share.path)).status == 200
            stranger.clock.at += 1
            unknown = await stranger.ask("GET", f"{API}/{new_id()}")
            for reply in (
                await stranger.ask("GET", share.path),
                await stranger.get(share, token),
                await stranger.post(f"{share.path}/downloads", {}),
                await stranger.put(share, 0, b"x"),
            ):
                assert (reply.status, reply.body) == (404, unknown.body)
            assert stranger.sessions.room.used == 0

    within_patience(work)


def test_a_download_under_way_outlives_its_session_but_not_its_own_silence() -> None:  # R-SHR-10
    async def work() -> None:
        limits = replace(NO_LIMIT, resume_seconds=300)
        async with strangers(limits) as stranger:
            share = await stranger.share(SEALED_RECORD + 100, expires_in=100)
            _, token = await stranger.join(share)
            assert (await stranger.get(share, token)).status == 200
            stranger.clock.at += 200
            stranger.sessions.sweep()
            part = await stranger.get(share, token, Range=f"bytes={SEALED_RECORD}-")
            assert (part.status, part.body) == (206, share.content[SEALED_RECORD:])
            assert (await stranger.post(f"{share.path}/downloads", {})).status == 404
            stranger.clock.at += 301
            stranger.sessions.sweep()
            assert (await stranger.get(share, token)).status == 404
            assert stranger.sessions.room.used == 0

    within_patience(work)


def test_twenty_wrong_tokens_are_enough_for_a_minute() -> None:  # R-SHR-7
    async def work() -> None:
        async with strangers() as stranger:
            share = await stranger.share()
            _, token = await stranger.join(share)
            for _ in range(20):
                assert (await stranger.get(share, text(b"x" * 32))).status == 401
            for reply in (await stranger.get(share, token), await stranger.put(share, 0, b"x")):
                assert (reply.status, reply.code) == (429, "RATE_LIMITED")
                assert 1 <= int(reply.header("retry-after") or 0) <= 60
                assert reply.json["retry_after"] == int(reply.header("retry-after") or 0)
            stranger.clock.at += 61
            assert (await stranger.get(share, token)).status == 200

    within_patience(work)


def test_looking_at_the_head_counts_as_no_download() -> None:
    async def work() -> None:
        async with strangers() as stranger:
            share = await stranger.share(max_downloads=1)
            _, token = await stranger.join(share)
            auth = {"Authorization": f"Bearer {token}"}
            for _ in range(3):
                head = await stranger.ask("HEAD", f"{share.path}/content", auth)
                assert (head.status, head.header("content-length")) == (200, "1000")
            view = await stranger.ask("GET", share.path)
            assert view.json["downloads_left"] == 1
            assert (await stranger.get(share, token)).body == share.content

    within_patience(work)


@pytest.mark.parametrize(
    "method", ["POST", "DELETE", "TRACE", "CONNECT", "OPTIONS", "get", "LINK", "PUT"]
)
def test_another_method_changes_nothing(method: str) -> None:  # case H: one method
    async def work() -> None:
        async with strangers() as stranger:
            share = await stranger.share(max_downloads=1)
            _, token = await stranger.join(share)
            auth = {"Authorization": f"Bearer {token}"}
            reply = await stranger.ask(method, f"{share.path}/content", auth)
            assert reply.status == 405
            assert "GET" in (reply.header("allow") or "")
            assert (await stranger.get(share, token)).body == share.content

    within_patience(work)


# Ranges


@pytest.mark.parametrize(
    "value",
    [
        "bytes=-",
        "bytes=-1",
        "bytes=0-0",
        "bytes=1-",
        "bytes=1048576-",
        "bytes=1048591-",
        "bytes=0-,0-",
        "bytes=" + ",".join(["0-0"] * 1000),
        "bytes=0-18446744073709551616",
        "bytes=18446744073709551616-",
        "bytes=" + "9" * 5000 + "-",
        "bytes=2097184-",
        "bytes=3145776-",
        "bytes=+0-",
        "bytes=-0-",
        "bytes=0x0-",
        "bytes= 0-",
        "bytes=\u0660-",
        "Bytes=0-",
        "records=0-",
        "bytes",
        "",
    ],
    ids=lambda value: repr(value)[:30],
)
def test_a_range_that_is_none_of_ours_is_refused(value: str) -> None:  # case H3, CVE-2025-62727
    async def work() -> None:
        async with strangers() as stranger:
            share = await stranger.share(2 * SEALED_RECORD)
            _, token = await stranger.join(share)
            reply = await stranger.get(share, token, Range=value)
            assert reply.status == 416
            assert reply.header("content-range") == f"bytes */{2 * SEALED_RECORD}"
            assert len(reply.body) < 500
            assert (await stranger.ask("GET", share.path)).json["downloads_left"] is None

    within_patience(work)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_range_of_whole_records_is_the_rest(number: int) -> None:  # R-SHR-6
    async def work() -> None:
        async with strangers() as stranger:
            share = await stranger.share(2 * SEALED_RECORD + 17)
            _, token = await stranger.join(share)
            start = number * SEALED_RECORD
            reply = await stranger.get(share, token, Range=f"bytes={start}-")
            end = len(share.content)
            assert reply.status == 206
            assert reply.header("content-range") == f"bytes {start}-{end - 1}/{end}"
            assert reply.header("ocft-salt") == share.salt
            assert reply.body == share.content[start:]

    within_patience(work)


# Paths


@pytest.mark.parametrize(
    "path",
    [
        "/s/assets/../index.html",
        "/s/assets/../../__init__.py",
        "/s/assets/..%2f..%2f__init__.py",
        "/s/assets/%2e%2e/__init__.py",
        "/s/assets/%2e%2e%2f__init__.py",
        "/s/assets/..%5c__init__.py",
        "/s/assets/..\\__init__.py",
        "/s/assets/....//__init__.py",
        "/s/assets//etc/passwd",
        "/s/assets/%00",
        "/s/assets/index.html%00.js",
        "/s/assets/index.html/",
        "/s/assets/.",
        "/s/assets/..",
        "/s/assets/",
        "/s/assets",
        "/s//",
        "//s/",
        "/S/",
        "/s/%61ssets/style.css",
        "/s/;x",
        "/..%2f",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/../../etc/passwd",
        "/etc/passwd",
        "//host/s/",
        "http://127.0.0.1/s/",
        "http://evil.example/s/",
        "file:///etc/passwd",
        "s/",
        "*",
        "/api/v1/sessions/",
        "/api/v1/sessions/..",
        "/api/v1/sessions/%2e%2e/content",
        "/api/v1//sessions",
        "/%c0%ae%c0%ae/",
        "/%",
        "/%zz",
        "/\u00e9",
        "/.well-known/x",
        "/health/",
        "/metrics/../s/",
    ],
)
def test_a_path_leads_nowhere_else(path: str) -> None:  # case H5
    async def work() -> None:
        async with strangers() as stranger:
            reply = await stranger.ask("GET", path)
            assert reply.status in {400, 404, 405}
            assert b"root:" not in reply.body
            assert b"<" not in reply.body
            assert b"import" not in reply.body
            assert reply.code in {"BAD_REQUEST", "NOT_FOUND", "NO_SESSION", "WRONG_METHOD"}

    within_patience(work)


def test_an_id_in_another_form_is_no_session() -> None:
    async def work() -> None:
        async with strangers() as stranger:
            share = await stranger.share()
            forms = [
                share.id.upper(),
                share.id + "a",
                share.id[:-1],
                share.id + "%00",
                f"%{ord(share.id[0]):x}{share.id[1:]}",
                f"./{share.id}",
                share.id + ".",
            ]
            for one in forms:
                assert (await stranger.ask("GET", f"{API}/{one}")).status == 404

    within_patience(work)


@pytest.mark.parametrize("size", [20_000, 64 * 1024, 1 << 20])
def test_an_address_of_any_length_is_refused_soon(size: int) -> None:
    async def work() -> None:
        async with strangers() as stranger:
            reply = await stranger.ask_raw(stranger.head("GET", "/" + "x" * size))
            assert reply.status == 431

    within_patience(work)


def test_many_headers_are_refused() -> None:
    async def work() -> None:
        async with strangers() as stranger:
            rows = [(f"X-{number}", "y") for number in range(3000)]
            assert (await stranger.ask("GET", "/health", rows)).status == 431

    within_patience(work)


# Host, DNS rebinding, CORS


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:PORT",
        "localhost.evil.example:PORT",
        "127.0.0.1.nip.io:PORT",
        "localhost",
        "localhost:1",
        "127.0.0.1",
        "127.0.0.1:1",
        "127.0.0.2:PORT",
        "127.1:PORT",
        "2130706433:PORT",
        "0x7f000001:PORT",
        "0177.0.0.1:PORT",
        "0:PORT",
        "0.0.0.0:PORT",
        "[::1]:PORT",
        "[::ffff:127.0.0.1]:PORT",
        "[::]:PORT",
        "x@127.0.0.1:PORT",
        "127.0.0.1:PORT@evil.example",
        "127.0.0.1:PORT/evil",
        "127.0.0.1:PORT#",
        "127.0.0.1:PORT?",
        "127.0.0.1:PORT, evil.example",
        "127.0.0.1:+PORT",
        "127.0.0.1:0PORT",
        "127.0.0.1 :PORT",
        "127.0.0.1\u3002evil:PORT",
        "xn--localhost:PORT",
        "localhost.:PORT",
        ":PORT",
        "",
    ],
)
def test_another_name_is_refused(host: str) -> None:  # R-SHR-8
    async def work() -> None:
        async with strangers() as stranger:
            share = await stranger.share()
            name = host.replace("PORT", str(stranger.server.port))
            for method, path in [
                ("GET", "/s/"),
                ("GET", share.path),
                ("GET", "/health"),
                ("GET", "/metrics"),
                ("POST", API),
            ]:
                reply = await stranger.ask(
                    method, path, {"X-Forwarded-Host": stranger.host}, host=name
                )
                assert reply.status in {400, 421}
                assert reply.code in {"WRONG_HOST", "BAD_REQUEST"}

    within_patience(work)


@pytest.mark.parametrize("host", ["127.0.0.1:PORT", "localhost:PORT", "LOCALHOST:PORT"])
def test_its_own_names_are_answered(host: str) -> None:
    async def work() -> None:
        async with strangers() as stranger:
            name = host.replace("PORT", str(stranger.server.port))
            assert (await stranger.ask("GET", "/health", host=name)).status == 200
            forwarded = {"X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"}
            assert (await stranger.ask("GET", "/health", forwarded, host=name)).status == 200

    within_patience(work)


def test_the_public_address_is_one_of_its_names() -> None:
    async def work() -> None:
        async with strangers(public_url="https://share.example/base/") as stranger:
            for name in ("share.example", "share.example:443", "SHARE.example", stranger.host):
                assert (await stranger.ask("GET", "/base/s/", host=name)).status == 200
            for name in (
                "share.example:444",
                "share.example.evil",
                "xshare.example",
                "share.example.",
            ):
                assert (await stranger.ask("GET", "/base/s/", host=name)).status == 421

    within_patience(work)


@pytest.mark.parametrize("rows", [[("Host", "HERE"), ("Host", "HERE")], []])
def test_one_name_has_to_be_said(rows: list[tuple[str, str]]) -> None:
    async def work() -> None:
        async with strangers() as stranger:
            lines = "".join(f"{name}: {stranger.host}\r\n" for name, _ in rows)
            for version in ("1.1", "1.0"):
                sent = f"GET /health HTTP/{version}\r\n{lines}\r\n".encode()
                assert (await stranger.ask_raw(sent)).status in {400, 421}

    within_patience(work)


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "http://127.0.0.1:1",
        "http://localhost.evil.example",
        "file://",
        "",
        "http://HERE.evil.example",
    ],
)
def test_a_page_of_somebody_else_gets_nothing(origin: str) -> None:  # CORS
    async def work() -> None:
        async with strangers() as stranger:
            share = await stranger.share()
            _, token = await stranger.join(share)
            asks = {
                "Origin": origin.replace("HERE", stranger.host),
                "Access-Control-Request-Method": "GET",
                "Access-Control-Request-Headers": "authorization",
                "Authorization": f"Bearer {token}",
            }
            for method in ("OPTIONS", "GET", "HEAD"):
                for path in (f"{share.path}/content", share.path, API, "/s/"):
                    reply = await stranger.ask(method, path, asks)
                    assert not [
                        name for name, _ in reply.headers if name.startswith("access-control")
                    ]
                    if method != "OPTIONS":
                        assert reply.status in {405, 421}

    within_patience(work)


def test_its_own_page_may_send() -> None:
    async def work() -> None:
        async with strangers() as stranger:
            body = {"id": new_id(), "expires_in": 100}
            made = await stranger.post(API, body, Origin=f"http://{stranger.host}")
            assert made.status == 201
            assert not [name for name, _ in made.headers if name.startswith("access-control")]

    within_patience(work)


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "",
        "application/jsonx",
        "text/json",
    ],
)
def test_a_form_of_a_foreign_page_makes_nothing(kind: str) -> None:  # CSRF
    async def work() -> None:
        async with strangers() as stranger:
            body = json.dumps({"id": new_id(), "expires_in": 100}).encode()
            reply = await stranger.ask("POST", API, {"Content-Type": kind}, body)
            assert (reply.status, stranger.sessions.count) == (400, 0)

    within_patience(work)


def test_every_answer_has_the_headers_that_protect() -> None:  # R-SHR-8
    async def work() -> None:
        async with strangers() as stranger:
            share = await stranger.share()
            download, token = await stranger.join(share)
            replies: list[Reply] = [
                await stranger.ask("GET", "/s/"),
                await stranger.ask("GET", "/s"),
                await stranger.ask("GET", "/nowhere"),
                await stranger.ask("GET", "/health"),
                await stranger.ask("GET", "/metrics"),
                await stranger.ask("GET", share.path),
                await stranger.ask("DELETE", "/s/"),
                await stranger.ask("GET", "/s/", host="evil.example"),
                await stranger.get(share, "wrong"),
                await stranger.get(share, token),
                await stranger.get(share, token, "manifest"),
                await stranger.get(share, token, Range="bytes=1-"),
                await stranger.post(API, b"{"),
                await stranger.done(share, download, token),
            ]
            page = replies[0]
            replies.append(
                await stranger.ask("GET", "/s/", {"If-None-Match": page.header("etag") or ""})
            )
            assert replies[-1].status == 304
            for reply in replies:
                for name, value in HEADERS_OF_ALL.items():
                    assert reply.header(name) == value
                expected = "no-cache" if reply.header("etag") else "no-store"
                assert reply.header("cache-control") == expected
                assert reply.header("server") is None
                assert reply.header("set-cookie") is None

    within_patience(work)


# Bodies


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"1",
        b'"x"',
        b"\xff\xfe",
        b"\x00",
        b'{"id": "ID", "expires_in": 60, "id": "ID"}',  # case J3
        b"[" * 10_000,  # case J5
        b'{"id":' * 2000,
        b'{"id": "ID", "expires_in": "60"}',  # case J7
        b'{"id": "ID", "expires_in": 60.0}',
        b'{"id": "ID", "expires_in": true}',
        b'{"id": "ID", "expires_in": NaN}',
        b'{"id": "ID", "expires_in": Infinity}',
        b'{"id": "ID", "expires_in": 1e999}',
        b'{"id": "ID", "expires_in": -1}',
        b'{"id": "ID", "expires_in": 0}',
        b'{"id": "ID", "expires_in": 18446744073709551616}',
        b'{"id": "ID", "expires_in": ' + b"9" * 5000 + b"}",
        b'{"id": "ID"}',
        b'{"expires_in": 60}',
        b'{"id": "ID", "expires_in": 60, "__proto__": {}}',  # case J9
        b'{"id": "ID", "expires_in": 60, "sender_key": "x"}',
        b'{"id": "../../x", "expires_in": 60}',
        b'{"id": "ID/..", "expires_in": 60}',
        b'{"id": "ID\\u0000", "expires_in": 60}',
        b'{"id": "ID\\n", "expires_in": 60}',
        b'{"id": "\\ud800", "expires_in": 60}',
        b'{"id": "", "expires_in": 60}',
        b'{"id": ["ID"], "expires_in": 60}',
        b'{"id": "ID", "expires_in": 60, "max_downloads": 0}',
        b'{"id": "ID", "expires_in": 60, "max_downloads": -1}',
        b'{"id": "ID", "expires_in": 60, "max_downloads": true}',
        b'{"id": "ID", "expires_in": 60, "password": "secret"}',
        b'{"id": "ID", "expires_in": 60, "password": {"p": "x", "verifier": "y"}}',
        b'{"id": "ID", "expires_in": 60, "password": {"p": null, "verifier": null}}',
    ],
    ids=lambda body: repr(body)[:60],
)
def test_a_body_that_is_not_right_makes_nothing(body: bytes) -> None:
    async def work() -> None:
        async with strangers() as stranger:
            reply = await stranger.post(API, body.replace(b"ID", new_id().encode()))
            assert (reply.status, reply.code) == (400, "BAD_REQUEST")
            assert len(reply.body) < 300
            assert stranger.sessions.count == 0

    within_patience(work)


def test_a_body_that_is_too_long_is_refused_before_it_came() -> None:
    async def work() -> None:
        async with strangers() as stranger:
            kind = {"Content-Type": "application/json"}
            head = stranger.head("POST", API, kind, length=10**15)
            assert (await stranger.ask_raw(head)).status == 413

    within_patience(work)


def test_a_body_without_a_length_is_read_no_further_than_others() -> None:
    async def work() -> None:
        async with strangers() as stranger:
            rows = {"Content-Type": "application/json", "Transfer-Encoding": "chunked"}
            chunks = (b"10000\r\n" + b" " * 65536 + b"\r\n") * 10
            assert (await stranger.ask_raw(stranger.head("POST", API, rows) + chunks)).status in {
                411,
                413,
            }
            share = await stranger.begin()
            rows = {
                "Authorization": f"Bearer {share.sender_key}",
                "Upload-Offset": "0",
                "Upload-Length": "1000",
                "OCFT-Salt": share.salt,
                "Transfer-Encoding": "chunked",
            }
            head = stranger.head("PATCH", f"{share.path}/content", rows)
            assert (await stranger.ask_raw(head + b"3\r\nabc\r\n0\r\n\r\n")).status == 411
            assert stranger.sessions.room.used == 0

    within_patience(work)


# Uploads


@pytest.mark.parametrize("name", ["Upload-Offset", "Upload-Length"])
@pytest.mark.parametrize(
    "value",
    [
        "",
        "-1",
        "+1",
        "1_0",
        "0x10",
        "1e3",
        "1.0",
        "\u0661",
        "9" * 30,
        "9" * 5000,
        "1 2",
        "1,1",
        "NaN",
    ],
    ids=lambda value: repr(value)[:20],
)
def test_a_number_of_an_upload_that_is_none_is_refused(name: str, value: str) -> None:
    async def work() -> None:
        async with strangers() as stranger:
            share = await stranger.begin()
            reply = await stranger.put(share, 0, b"x", length=None, **{name: value})
            assert reply.status in {400, 413}
            assert stranger.sessions.room.used == 0

    within_patience(work)


@pytest.mark.parametrize(
    "salt",
    [
        "",
        "A",
        "A" * 21,
        "A" * 21 + "B",
        "A" * 23,
        "+" * 22,
        "A" * 21 + "=",
        "\u00e9" * 22,
        "A" * 5000,
    ],
)
def test_a_salt_that_is_none_is_refused(salt: str) -> None:
    async def work() -> None:
        async with strangers() as stranger:
            share = await stranger.begin()
            assert (await stranger.put(share, 0, b"x", OCFT_Salt=salt)).status == 400
            assert stranger.sessions.room.used == 0

    within_patience(work)


def test_an_upload_elsewhere_than_where_it_stopped_changes_nothing() -> None:  # case H13
    async def work() -> None:
        async with strangers() as stranger:
            share = await stranger.begin()
            assert (await stranger.put(share, 5, share.content[5:])).status == 409
            assert (await stranger.put(share, 0, share.content[:100])).status == 204
            for offset in (0, 99, 101, 999):
                reply = await stranger.put(share, offset, b"x")
                assert (reply.status, reply.header("upload-offset")) == (409, "100")
            assert (await stranger.put(share, 100, b"x", length=2000)).status == 409
            assert (await stranger.put(share, 100, b"x", OCFT_Salt="A" * 22)).status == 409
            assert (await stranger.put(share, 100, share.content[100:])).header(
                "upload-offset"
            ) == "1000"
            auth = {"Authorization": f"Bearer {share.sender_key}"}
            await stranger.ask("PUT", f"{share.path}/manifest", auth, share.manifest)
            await stranger.ask("POST", f"{share.path}/complete", auth)
            _, token = await stranger.join(share)
            assert (await stranger.get(share, token)).body == share.content

    within_patience(work)


def test_more_than_was_declared_is_not_taken() -> None:
    async def work() -> None:
        async with strangers() as stranger:
            share = await stranger.begin()
            assert (await stranger.put(share, 0, share.content + b"x")).status == 413
            assert (await stranger.put(share, 0, share.content)).status == 204
            assert (await stranger.put(share, 1000, b"x")).status == 413
            assert stranger.sessions.room.used == 1000

    within_patience(work)


def test_what_was_declared_has_to_be_complete() -> None:
    async def work() -> None:
        async with strangers() as stranger:
            share = await stranger.begin()
            auth = {"Authorization": f"Bearer {share.sender_key}"}
            complete = f"{share.path}/complete"
            assert (await stranger.ask("POST", complete, auth)).status == 409
            await stranger.put(share, 0, share.content[:999])
            await stranger.ask("PUT", f"{share.path}/manifest", auth, share.manifest)
            assert (await stranger.ask("POST", complete, auth)).status == 409
            assert (await stranger.ask("GET", share.path)).json["state"] == "waiting"
            await stranger.put(share, 999, share.content[999:])
            assert (await stranger.ask("POST", complete, auth)).status == 204

    within_patience(work)


def test_what_is_complete_does_not_change() -> None:
    async def work() -> None:
        async with strangers() as stranger:
            share = await stranger.share()
            auth = {"Authorization": f"Bearer {share.sender_key}"}
            assert (await stranger.put(share, 0, b"x" * 1000)).status == 409
            assert (await stranger.put(share, 0, b"x" * 1000, OCFT_Salt="A" * 22)).status == 409
            reply = await stranger.ask("PUT", f"{share.path}/manifest", auth, b"x" * 99)
            assert reply.status == 409
            _, token = await stranger.join(share)
            assert (await stranger.get(share, token)).body == share.content
            assert (await stranger.get(share, token, "manifest")).body == share.manifest

    within_patience(work)


@pytest.mark.parametrize("size", [0, 1, 31, (4 << 20) + 33, 10 << 20])
def test_a_manifest_that_cannot_be_one_is_refused(size: int) -> None:
    async def work() -> None:
        async with strangers() as stranger:
            share = await stranger.begin()
            auth = {"Authorization": f"Bearer {share.sender_key}"}
            reply = await stranger.ask("PUT", f"{share.path}/manifest", auth, bytes(size))
            assert reply.status in {400, 413}

    within_patience(work)


def test_room_is_limited_for_each_and_for_all() -> None:  # R-SHR-9
    async def work() -> None:
        limits = replace(NO_LIMIT, bytes_of_session=1500, bytes_in_total=2500)
        async with strangers(limits) as stranger:
            large = await stranger.begin(1501)
            assert (await stranger.put(large, 0, b"x")).status == 413
            one, other = await stranger.share(), await stranger.share()
            third = await stranger.begin()
            reply = await stranger.put(third, 0, third.content)
            assert (reply.status, reply.code) == (507, "NO_SPACE")
            auth = {"Authorization": f"Bearer {other.sender_key}"}
            assert (await stranger.ask("DELETE", other.path, auth)).status == 204
            assert (await stranger.put(third, 0, third.content)).status == 204
            assert stranger.sessions.room.used == 2000 + len(one.manifest)
            assert (await stranger.ask("GET", one.path)).status == 200

    within_patience(work)


def test_two_uploads_at_once_do_not_take_more_than_there_is() -> None:
    async def work() -> None:
        async with strangers(replace(NO_LIMIT, bytes_in_total=2500)) as stranger:
            shares = [await stranger.begin() for _ in range(5)]
            replies = await asyncio.gather(*(stranger.put(one, 0, one.content) for one in shares))
            assert sorted(reply.status for reply in replies) == [204, 204, 507, 507, 507]
            assert stranger.sessions.room.used == 2000

    within_patience(work)


def test_an_upload_that_breaks_off_goes_on_where_it_was() -> None:
    async def work() -> None:
        async with strangers() as stranger:
            share = await stranger.begin(300_000)
            rows = {
                "Authorization": f"Bearer {share.sender_key}",
                "Upload-Offset": "0",
                "Upload-Length": "300000",
                "OCFT-Salt": share.salt,
            }
            _, writer = await stranger.connect()
            head = stranger.head("PATCH", f"{share.path}/content", rows, length=300_000)
            writer.write(head + share.content[:200_000])
            await writer.drain()
            writer.close()
            while stranger.sessions.room.used != 200_000:
                await asyncio.sleep(0.01)
            auth = {"Authorization": f"Bearer {share.sender_key}"}
            seen = await stranger.ask("HEAD", f"{share.path}/content", auth)
            assert seen.header("upload-offset") == "200000"
            assert (await stranger.put(share, 200_000, share.content[200_000:])).status == 204

    within_patience(work)


def test_a_newer_upload_takes_over_from_one_that_hangs() -> None:
    async def work() -> None:
        async with strangers() as stranger:
            share = await stranger.begin()
            rows = {
                "Authorization": f"Bearer {share.sender_key}",
                "Upload-Offset": "0",
                "Upload-Length": "1000",
                "OCFT-Salt": share.salt,
            }
            reader, writer = await stranger.connect()
            writer.write(stranger.head("PATCH", f"{share.path}/content", rows, length=1000))
            (session,) = stranger.sessions
            while not session.upload_turn:
                await asyncio.sleep(0.01)
            assert (await stranger.put(share, 0, share.content)).status == 204
            writer.write(b"x" * 1000)
            assert (await read_reply(reader)).status == 409
            assert stranger.sessions.room.used == 1000

    within_patience(work)


# Slow, early, and all at once


def test_a_body_that_stops_coming_ends_the_request() -> None:  # case H7, R-SHR-9
    async def work() -> None:
        async with strangers(replace(NO_LIMIT, idle_seconds=0.2)) as stranger:
            share = await stranger.begin()
            rows = {
                "Authorization": f"Bearer {share.sender_key}",
                "Upload-Offset": "0",
                "Upload-Length": "1000",
                "OCFT-Salt": share.salt,
            }
            reader, writer = await stranger.connect()
            head = stranger.head("PATCH", f"{share.path}/content", rows, length=1000)
            writer.write(head + share.content[:10])
            assert (await read_reply(reader)).status == 408  # 400 would say: never again
            assert await reader.read() == b""
            assert (await stranger.put(share, 10, share.content[10:])).status == 204

    within_patience(work)


def test_a_body_that_comes_byte_by_byte_ends_too() -> None:  # slow-loris, of the body
    async def work() -> None:
        async with strangers(replace(NO_LIMIT, idle_seconds=0.3)) as stranger:
            reader, writer = await stranger.connect()
            kind = {"Content-Type": "application/json"}
            writer.write(stranger.head("POST", API, kind, length=1000))
            answer = asyncio.ensure_future(read_reply(reader))
            while not answer.done():
                writer.write(b" ")
                await asyncio.sleep(0.02)
            assert answer.result().status == 408
            assert len(answer.result().body) > 0

    within_patience(work)


def test_a_body_with_two_lengths_is_refused() -> None:  # request smuggling
    async def work() -> None:
        async with strangers() as stranger:
            share = await stranger.begin()
            rows = {
                "Authorization": f"Bearer {share.sender_key}",
                "Upload-Offset": "0",
                "Upload-Length": str(len(share.content)),
                "OCFT-Salt": share.salt,
                "Transfer-Encoding": "chunked",
            }
            head = stranger.head("PATCH", f"{share.path}/content", rows, length=10)
            body = b"1000\r\n" + bytes(4096) + b"\r\n0\r\n\r\n"
            assert (await stranger.ask_raw(head + body)).status == 400
            assert stranger.sessions.room.used == 0
            assert (await stranger.put(share, 0, share.content)).status == 204

    within_patience(work)


@pytest.mark.parametrize("sent", [b"", b"GET /health HT", b"GET /health HTTP/1.1\r\nX: "])
def test_a_head_that_stops_coming_ends_the_connection(sent: bytes) -> None:  # slow-loris
    async def work() -> None:
        async with strangers(replace(NO_LIMIT, head_seconds=0.2)) as stranger:
            reader, writer = await stranger.connect()
            writer.write(sent)
            assert (await read_reply(reader)).status == 408
            assert await reader.read() == b""

    within_patience(work)


def test_two_hundred_slow_heads_keep_nobody_else_out() -> None:
    async def work() -> None:
        limits = replace(NO_LIMIT, connections_of_address=250, head_seconds=1)
        async with strangers(limits) as stranger:
            slow = [await stranger.connect() for _ in range(200)]
            for _, writer in slow:
                writer.write(b"GET / HTTP/1.1\r\nX: ")
            for _ in range(10):
                assert (await stranger.ask("GET", "/health")).status == 200
            for reader, _ in slow:
                assert (await read_reply(reader)).status == 408

    within_patience(work)


def test_a_receiver_that_does_not_read_is_cut_and_can_go_on() -> None:
    async def work() -> None:
        async with strangers(replace(NO_LIMIT, idle_seconds=0.4)) as stranger:
            share = await stranger.share(40 * SEALED_RECORD, max_downloads=1)
            _, token = await stranger.join(share)
            reader, writer = await stranger.connect()
            auth = {"Authorization": f"Bearer {token}"}
            writer.write(stranger.head("GET", f"{share.path}/content", auth))
            await reader.readuntil(b"\r\n\r\n")
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            while stranger.sessions.counts["joined"] and not _is_quiet(stranger):
                await asyncio.sleep(0.02)
            part = await stranger.get(share, token, Range=f"bytes={39 * SEALED_RECORD}-")
            assert (part.status, part.body) == (206, share.content[39 * SEALED_RECORD :])

    within_patience(work)


def _is_quiet(stranger: Stranger) -> bool:
    """Say whether no answer is under way."""
    return not any(download.answers for session in stranger.sessions for download in session)


def test_a_receiver_that_vanishes_at_the_end_has_not_received() -> None:  # case H7
    async def work() -> None:
        async with strangers() as stranger:
            share = await stranger.share(20 * SEALED_RECORD, max_downloads=1)
            download, token = await stranger.join(share)
            auth = {"Authorization": f"Bearer {token}"}
            reader, writer = await stranger.connect()
            writer.write(stranger.head("GET", f"{share.path}/content", auth))
            await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(19 * SEALED_RECORD)
            writer.transport.abort()
            while not _is_quiet(stranger):
                await asyncio.sleep(0.01)
            assert stranger.sessions.counts["done"] == 0
            part = await stranger.get(share, token, Range=f"bytes={19 * SEALED_RECORD}-")
            assert part.body == share.content[19 * SEALED_RECORD :]
            assert (await stranger.done(share, download, token)).status == 204
            assert stranger.sessions.counts["done"] == 1

    within_patience(work)


def test_who_leaves_at_once_is_not_sent_the_rest() -> None:
    async def work() -> None:
        async with strangers() as stranger:
            share = await stranger.share(40 * SEALED_RECORD)
            _, token = await stranger.join(share)
            auth = {"Authorization": f"Bearer {token}"}
            for _ in range(5):
                reader, writer = await stranger.connect()
                writer.write(stranger.head("GET", f"{share.path}/content", auth))
                await reader.readuntil(b"\r\n\r\n")
                writer.transport.abort()
            while not _is_quiet(stranger):
                await asyncio.sleep(0.01)
            # Each connection had a few records in its buffers, not all 40.
            assert stranger.sessions.bytes_out < 100 * SEALED_RECORD

    within_patience(work)


def test_a_newer_answer_takes_over_from_an_older_one() -> None:
    async def work() -> None:
        async with strangers() as stranger:
            share = await stranger.share(40 * SEALED_RECORD, max_downloads=1)
            _, token = await stranger.join(share)
            auth = {"Authorization": f"Bearer {token}"}
            reader, writer = await stranger.connect()
            writer.write(stranger.head("GET", f"{share.path}/content", auth))
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200")
            assert (await stranger.get(share, token)).body == share.content
            rest = await _until_cut(reader)
            assert len(rest) < len(share.content)
            assert rest == share.content[: len(rest)]

    within_patience(work)


async def _until_cut(reader: asyncio.StreamReader) -> bytes:
    data = bytearray()
    try:
        while piece := await reader.read(1 << 20):
            data += piece
    except ConnectionError:
        pass
    return bytes(data)


@pytest.mark.parametrize("cut", [1, 10, 100, 150])
def test_a_request_that_is_cut_off_does_nothing(cut: int) -> None:
    async def work() -> None:
        async with strangers() as stranger:
            body = json.dumps({"id": new_id(), "expires_in": 100}).encode()
            kind = {"Content-Type": "application/json"}
            data = stranger.head("POST", API, kind, length=len(body)) + body
            _, writer = await stranger.connect()
            writer.write(data[:cut] if cut < 150 else data[:-1])
            writer.close()
            assert (await stranger.ask("GET", "/health")).status == 200
            assert stranger.sessions.count == 0

    within_patience(work)


def test_requests_one_behind_the_other_are_answered_in_order() -> None:  # pipelining
    async def work() -> None:
        async with strangers() as stranger:
            share = await stranger.share(3 * SEALED_RECORD)
            _, token = await stranger.join(share)
            auth = {"Authorization": f"Bearer {token}"}
            heads = [
                stranger.head("GET", path, auth).replace(b"Connection: close\r\n", b"")
                for path in [
                    f"{share.path}/manifest",
                    f"{share.path}/content",
                    "/nowhere",
                    "/health",
                ]
            ]
            reader, writer = await stranger.connect()
            writer.write(b"".join(heads * 5))
            for _ in range(5):
                assert (await read_reply(reader)).body == share.manifest
                assert (await read_reply(reader)).body == share.content
                assert (await read_reply(reader)).status == 404
                assert (await read_reply(reader)).json == {"status": "ok"}

    within_patience(work)


def test_a_body_of_nothing_does_not_end_the_connection() -> None:
    async def work() -> None:
        async with strangers() as stranger:
            share = await stranger.share()
            auth = {"Authorization": f"Bearer {share.sender_key}"}
            head = stranger.head("POST", f"{share.path}/complete", auth, length=0)
            reader, writer = await stranger.connect()
            for _ in range(3):
                writer.write(head.replace(b"Connection: close\r\n", b""))
                assert (await read_reply(reader)).status == 204

    within_patience(work)


@pytest.mark.parametrize(
    "rows",
    [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5, 6\r\n",
        "Content-Length: -5\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length : 5\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding:\x0bchunked\r\n",
        "Content-Length: 5\r\n\x00: x\r\n",
    ],
    ids=repr,
)
def test_one_request_is_never_two(rows: str) -> None:  # request smuggling
    async def work() -> None:
        async with strangers() as stranger:
            share = await stranger.share()
            auth = f"Authorization: Bearer {share.sender_key}\r\n"
            inner = f"DELETE {share.path} HTTP/1.1\r\nHost: {stranger.host}\r\n{auth}\r\n"
            sent = f"POST {API} HTTP/1.1\r\nHost: {stranger.host}\r\n{rows}\r\n0\r\n\r\n{inner}"
            reader, writer = await stranger.connect()
            writer.write(sent.encode())
            reply = await read_reply(reader)
            assert reply.status in {400, 411, 413}
            assert reply.status != 400 or await reader.read() == b""
            assert (await stranger.ask("GET", share.path)).status == 200

    within_patience(work)


def test_one_address_has_so_many_connections() -> None:  # R-SHR-9
    async def work() -> None:
        async with strangers() as stranger:
            kept = [await stranger.connect() for _ in range(64)]
            reader, _ = await stranger.connect()
            refused = await read_reply(reader)
            assert refused.status == 429
            assert int(refused.header("retry-after") or 0) > 0
            kept[0][1].close()
            while (await _health(stranger)) != 200:
                await asyncio.sleep(0.01)

    within_patience(work)


async def _health(stranger: Stranger) -> int:
    reader, writer = await stranger.connect()
    writer.write(stranger.head("GET", "/health"))
    try:
        return (await read_reply(reader)).status
    except (OSError, asyncio.IncompleteReadError):
        return 0
    finally:
        writer.close()


# Limits


async def _statuses(ask: Callable[[], Any], times: int) -> list[Reply]:
    return [await ask() for _ in range(times)]


def _check_limit(replies: list[Reply], most: int) -> None:
    assert all(reply.status < 300 for reply in replies[:most])
    for reply in replies[most:]:
        assert (reply.status, reply.code) == (429, "RATE_LIMITED")
        assert 1 <= int(reply.header("retry-after") or 0) <= 60
        assert reply.json["retry_after"] == int(reply.header("retry-after") or 0)


def test_so_many_sessions_are_made_a_minute() -> None:  # R-SHR-9
    async def work() -> None:
        async with strangers(Limits()) as stranger:

            def make() -> Any:
                forged = f"192.0.2.{stranger.sessions.count}"
                body = {"id": new_id(), "expires_in": 100}
                return stranger.post(API, body, X_Forwarded_For=forged, X_Real_IP=forged)

            _check_limit(await _statuses(make, 12), 10)
            stranger.clock.at += 61
            assert (await make()).status == 201

    within_patience(work)


def test_so_many_join_and_look_a_minute() -> None:  # R-SHR-9
    async def work() -> None:
        async with strangers(Limits()) as stranger:
            share = await stranger.share()

            def join() -> Any:
                return stranger.post(f"{share.path}/downloads", {})

            def look() -> Any:
                return stranger.ask("GET", share.path)

            _check_limit(await _statuses(join, 32), 30)
            _check_limit(await _statuses(look, 22), 20)
            stranger.clock.at += 61
            assert (await join()).status == 201
            assert (await look()).status == 200

    within_patience(work)


def test_guesses_at_ids_are_counted_as_looks() -> None:
    async def work() -> None:
        async with strangers(Limits()) as stranger:
            replies = [await stranger.ask("GET", f"{API}/{new_id()}") for _ in range(22)]
            assert [reply.status for reply in replies] == [404] * 20 + [429] * 2

    within_patience(work)


def test_only_a_proxy_of_ours_is_believed_whom_it_asks_for() -> None:
    async def work() -> None:
        limits = replace(NO_LIMIT, looked_a_minute=2)
        async with strangers(limits, trusted_proxies=["127.0.0.1"]) as stranger:
            share = await stranger.share()

            async def look(forwarded: str) -> int:
                return (
                    await stranger.ask("GET", share.path, {"X-Forwarded-For": forwarded})
                ).status

            # What stands before the last one, anybody may have written.
            assert [await look(f"10.0.0.{n}, 192.0.2.1") for n in range(4)] == [200, 200, 429, 429]
            assert [await look("192.0.2.2") for _ in range(3)] == [200, 200, 429]
            assert [await look(f"2001:db8::{n}") for n in range(3)] == [200, 200, 429]

    within_patience(work)


# Passwords


def _password(password: str, session_id: str) -> dict[str, str]:
    return {"p": text(b"p" * 32), "verifier": text(verifier_of(password, session_id))}


async def _shared_with_password(stranger: Stranger) -> Share:
    session_id = new_id()
    return await stranger.share(session_id=session_id, password=_password("right", session_id))


verifier_of = cache(password_verifier)
"""It is slow on purpose, and here it is the same again and again."""


async def _guess(stranger: Stranger, share: Share, password: str) -> Reply:
    """Run both steps as a hostile receiver does: it goes on when the server's mac is wrong."""
    run = PasswordRun(verifier_of(password, share.id), is_receiver=True)
    first = await stranger.post(f"{share.path}/downloads", {"spake": text(run.message)})
    if first.status != 401 or "try" not in first.json:
        return first
    proof = run.finish(parse_octets(first.json["spake"], 33))
    body = {"try": first.json["try"], "mac": text(proof.mac)}
    return await stranger.post(f"{share.path}/downloads", body)


def test_a_wrong_password_opens_nothing_and_the_right_one_does() -> None:
    async def work() -> None:
        async with strangers() as stranger:
            share = await _shared_with_password(stranger)
            assert (await stranger.post(f"{share.path}/downloads", {})).code == "PASSWORD_NEEDED"
            wrong = await _guess(stranger, share, "wrong")
            assert (wrong.status, wrong.code) == (401, "WRONG_PASSWORD")
            right = await _guess(stranger, share, "right")
            assert right.status == 201
            assert set(right.json) == {"download", "token", "p"}
            assert (await stranger.get(share, right.json["token"])).body == share.content

    within_patience(work)


@pytest.mark.parametrize(
    "spake",
    [
        "",
        "A",
        text(b"A" * 32),
        text(b"A" + b"\0" * 32),
        text(b"A" + b"\1" + b"\0" * 31),  # the neutral point, case K9
        text(b"A" + b"\xff" * 32),
        text(b"B" + b"\2" + b"\0" * 31),
        text(b"A" * 34),
        "\u00e9" * 44,
        "A" * 64,
    ],
    ids=lambda spake: repr(spake)[:20],
)
def test_what_is_no_message_of_a_password_is_refused(spake: str) -> None:
    async def work() -> None:
        async with strangers() as stranger:
            share = await _shared_with_password(stranger)
            reply = await stranger.post(f"{share.path}/downloads", {"spake": spake})
            assert (reply.status, reply.code) == (400, "BAD_REQUEST")

    within_patience(work)


def test_the_servers_own_message_sent_back_proves_nothing() -> None:  # case K7
    async def work() -> None:
        async with strangers() as stranger:
            share = await _shared_with_password(stranger)
            run = PasswordRun(verifier_of("wrong", share.id), is_receiver=True)
            path = f"{share.path}/downloads"
            first = (await stranger.post(path, {"spake": text(run.message)})).json
            assert (await stranger.post(path, {"spake": first["spake"]})).status == 400
            reply = await stranger.post(path, {"try": first["try"], "mac": first["mac"]})
            assert (reply.status, reply.code) == (401, "WRONG_PASSWORD")

    within_patience(work)


def test_a_try_is_good_for_one_guess() -> None:
    async def work() -> None:
        async with strangers() as stranger:
            share, other = (
                await _shared_with_password(stranger),
                await _shared_with_password(stranger),
            )
            path = f"{share.path}/downloads"
            for steps in (["x", "right"], ["elsewhere", "right"], ["right", "right"]):
                run = PasswordRun(verifier_of("right", share.id), is_receiver=True)
                first = (await stranger.post(path, {"spake": text(run.message)})).json
                mac = text(run.finish(parse_octets(first["spake"], 33)).mac)
                replies = []
                for step in steps:
                    where = f"{other.path}/downloads" if step == "elsewhere" else path
                    sent = text(b"x" * 32) if step == "x" else mac
                    replies.append(await stranger.post(where, {"try": first["try"], "mac": sent}))
                assert [one.status for one in replies] == {
                    "x": [401, 401],
                    "elsewhere": [401, 201],  # a guess at another session costs this one nothing
                    "right": [201, 401],
                }[steps[0]]

    within_patience(work)


def test_who_guesses_waits_longer_and_longer_and_then_for_ever() -> None:  # R-SHR-12
    async def work() -> None:
        async with strangers() as stranger:
            share = await _shared_with_password(stranger)
            for _ in range(5):
                assert (await _guess(stranger, share, "wrong")).code == "WRONG_PASSWORD"
            waits = []
            for _ in range(7):
                refused = await _guess(stranger, share, "right")
                assert (refused.status, refused.code) == (429, "RATE_LIMITED")
                waits.append(int(refused.header("retry-after") or 0))
                stranger.clock.at += waits[-1]
                assert (await _guess(stranger, share, "wrong")).code == "WRONG_PASSWORD"
            assert waits == [2, 4, 8, 16, 32, 60, 60]
            for _ in range(30 - 12):
                stranger.clock.at += 60
                assert (await _guess(stranger, share, "wrong")).code == "WRONG_PASSWORD"
            stranger.clock.at += 1000
            locked = await _guess(stranger, share, "right")
            assert (locked.status, locked.header("retry-after")) == (429, None)

    within_patience(work)


def test_tries_that_are_never_finished_are_guesses() -> None:
    async def work() -> None:
        async with strangers() as stranger:
            share = await _shared_with_password(stranger)
            run = PasswordRun(verifier_of("wrong", share.id), is_receiver=True)
            body = {"spake": text(run.message)}
            for _ in range(5):
                assert (await stranger.post(f"{share.path}/downloads", body)).status == 401
            assert (await stranger.post(f"{share.path}/downloads", body)).status == 429

    within_patience(work)


# What is told


def test_nothing_secret_is_logged_or_told(caplog: pytest.LogCaptureFixture) -> None:  # R-SHR-11
    caplog.set_level(logging.DEBUG)

    async def work() -> None:
        async with strangers() as stranger:
            share = await stranger.share(2 * SEALED_RECORD)
            download, token = await stranger.join(share)
            replies = [
                await stranger.get(share, token),
                await stranger.get(share, token, Range="bytes=5-"),
                await stranger.get(share, token[:-1] + "x"),
                await stranger.ask("GET", f"{share.path}?token={token}"),
                await stranger.ask("GET", f"/s/{token}"),
                await stranger.done(share, download, token),
                await stranger.post(API, {"id": share.id, "expires_in": 5}),
                await stranger.ask_raw(b"\0" + token.encode() + b"\r\n\r\n"),
                await stranger.ask("GET", "/metrics"),
            ]
            secret = [token, share.sender_key, share.id, share.salt, download]
            for reply in replies:
                told = reply.body + repr(reply.headers).replace(share.salt, "").encode()
                assert not [one for one in secret if one.encode() in told]
            for one in secret:
                assert one not in caplog.text
                assert one not in repr(list(stranger.sessions))

    within_patience(work)
    assert "Traceback" not in caplog.text


def test_connections_that_break_fill_no_log(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        async with strangers() as stranger:
            share = await stranger.share(30 * SEALED_RECORD)
            _, token = await stranger.join(share)
            head = stranger.head(
                "GET", f"{share.path}/content", {"Authorization": f"Bearer {token}"}
            )
            for sent in (
                b"\0\r\n\r\n",
                b"GET / HTTP/1.1\r\n\r\n",
                head,
                head[:20],
                head.replace(b"GET", b"POST"),
            ):
                reader, writer = await stranger.connect()
                writer.write(sent)
                await reader.read(100) if sent.endswith(b"\r\n\r\n") else None
                writer.transport.abort()
            while not _is_quiet(stranger):
                await asyncio.sleep(0.01)

    within_patience(work)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_the_metrics_are_for_this_machine_or_who_has_their_token() -> None:  # R-SHR-7
    async def work() -> None:
        async with strangers() as stranger:
            assert (await stranger.ask("GET", "/metrics")).status == 200
        for options in (
            {"public_url": "https://share.example"},
            {"trusted_proxies": ["127.0.0.1"]},
        ):
            async with strangers(metrics_token="m" * 20, **options) as stranger:
                for headers in (
                    {},
                    {"Authorization": "Bearer wrong"},
                    {"X-Forwarded-For": "127.0.0.1"},
                ):
                    assert (await stranger.ask("GET", "/metrics", headers)).status == 401
                right = {"Authorization": f"Bearer {'m' * 20}"}
                assert (await stranger.ask("GET", "/metrics", right)).status == 200

    within_patience(work)


# The server's end


def test_a_server_that_ends_takes_nothing_new_and_says_so() -> None:
    async def work() -> None:
        async with strangers() as stranger:
            share = await stranger.share()
            _, token = await stranger.join(share)
            stranger.sessions.is_closing = True
            assert (await stranger.ask("GET", "/health")).status == 503
            body = {"id": new_id(), "expires_in": 60}
            for reply in (
                await stranger.post(API, body),
                await stranger.post(f"{share.path}/downloads", {}),
            ):
                assert (reply.status, reply.code) == (503, "SHUTTING_DOWN")
                assert reply.header("retry-after")
            assert (await stranger.get(share, token)).body == share.content

    within_patience(work)


def test_a_server_of_ones_own_files_takes_none_of_others() -> None:
    async def work() -> None:
        async with strangers(sessions=Sessions(limits=NO_LIMIT)) as stranger:
            reply = await stranger.post(API, {"id": new_id(), "expires_in": 60})
            assert reply.status in {404, 405}
            assert stranger.sessions.count == 0

    within_patience(work)
