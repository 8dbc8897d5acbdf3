"""What docs/share-protocol.md, section 3, promises, over real sockets."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ocft.crypto import SEALED_RECORD, make_token, parse_octets, password_verifier
from ocft.share import DownloadEnded, DownloadProgress, Limits, PasswordLocked, SessionEnded
from tests.share.served import (
    FREE,
    at,
    bearer,
    keys_of,
    opened,
    prove,
    random_file,
    run,
    sealed_data,
    serving,
    share,
)


def test_files_reach_a_receiver_sealed(tmp_path: Path) -> None:
    one, two = random_file(tmp_path / "one", 3_000_000), random_file(tmp_path / "two", 7)

    async def work() -> None:
        keys = keys_of()
        async with serving(accepts_new=False) as served:
            share(served.sessions, keys, tmp_path / "one", tmp_path / "two", max_downloads=2)
            assert await served.download(keys) == one + two
            assert served.kinds() == ["ReceiverConnected", "DownloadStarted", "DownloadEnded"]
            assert (await served.client.get(at(keys))).json() == {
                "state": "ready",
                "needs_password": False,
                "live": True,
                "size": 3_000_007 + 3 * 16,
                "expires_at": None,
                "downloads_left": 1,
            }

    run(work)


def test_no_content_is_one_empty_record(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()

    async def work() -> None:
        async with serving() as served:
            share(served.sessions, keys_of(), tmp_path / "empty")
            assert await served.download(keys_of()) == b""

    run(work)


def test_each_answer_of_files_has_a_salt_of_its_own(tmp_path: Path) -> None:  # R-SHR-4
    data = random_file(tmp_path / "one", 2_500_000)

    async def work() -> None:
        keys = keys_of()
        async with serving() as served:
            share(served.sessions, keys, tmp_path / "one")
            headers = (await served.join(keys))["headers"]
            place = f"{at(keys)}/content"
            first = await served.client.get(place, headers=headers)
            rest = headers | {"Range": f"bytes={SEALED_RECORD}-"}
            second = await served.client.get(place, headers=rest)
            assert second.status_code == 206
            assert first.headers["ocft-salt"] != second.headers["ocft-salt"]
            assert opened(keys, second, len(data)) == data[SEALED_RECORD - 16 :]
            length = len(first.content)
            assert second.headers["content-range"] == f"bytes {SEALED_RECORD}-{length - 1}/{length}"

    run(work)


@pytest.mark.parametrize(
    "asked",
    [
        "bytes=-",
        "bytes=-5",
        "bytes=1-",
        f"bytes={SEALED_RECORD - 1}-",
        f"bytes=0-{SEALED_RECORD}",
        "bytes=" + "0-0," * 1000 + "0-",
        "bytes=0-18446744073709551616",
        "bytes=18446744073709551616-",
        f"bytes={SEALED_RECORD * 9}-",
        "records=0-",
        "",
    ],
)
def test_a_range_that_is_none_is_refused(tmp_path: Path, asked: str) -> None:  # R-SHR-6, case H3
    random_file(tmp_path / "one", 2_500_000)

    async def work() -> None:
        async with serving() as served:
            share(served.sessions, keys_of(), tmp_path / "one")
            headers = (await served.join(keys_of()))["headers"]
            answer = await served.client.get(
                f"{at(keys_of())}/content", headers=headers | {"Range": asked}
            )
            assert answer.status_code == 416
            assert answer.headers["content-range"] == f"bytes */{2_500_000 + 3 * 16}"
            assert "DownloadStarted" not in served.kinds()

    run(work)


def test_head_says_the_length_and_counts_as_nothing(tmp_path: Path) -> None:  # case H1
    random_file(tmp_path / "one", 100)

    async def work() -> None:
        async with serving() as served:
            share(served.sessions, keys_of(), tmp_path / "one", max_downloads=1)
            headers = (await served.join(keys_of()))["headers"]
            for _ in range(3):
                answer = await served.client.head(f"{at(keys_of())}/content", headers=headers)
                assert answer.status_code == 200
                assert answer.headers["content-length"] == "116"
                assert answer.headers["accept-ranges"] == "bytes"
            assert (await served.client.get(at(keys_of()))).json()["downloads_left"] == 1

    run(work)


def test_a_download_counts_when_its_first_byte_leaves_and_once(tmp_path: Path) -> None:
    random_file(tmp_path / "one", 100)

    async def work() -> None:
        keys = keys_of()
        async with serving() as served:
            share(served.sessions, keys, tmp_path / "one", max_downloads=1)
            first, second = await served.join(keys), await served.join(keys)
            place = f"{at(keys)}/content"
            for _ in range(2):
                answer = await served.client.get(place, headers=first["headers"])
                assert answer.status_code == 200
            late = await served.client.get(place, headers=second["headers"])
            for refused in (late, await served.client.get(at(keys))):
                assert refused.status_code == 404
                assert refused.json()["error"]["code"] == "NO_SESSION"

    run(work)


def test_unknown_expired_and_used_up_look_the_same(tmp_path: Path) -> None:
    random_file(tmp_path / "one", 100)

    async def work() -> None:
        async with serving() as served:
            share(served.sessions, keys_of(1), tmp_path / "one", expires_in=60)
            share(served.sessions, keys_of(2), tmp_path / "one", max_downloads=1)
            await served.download(keys_of(2))
            served.clock.now += 60
            answers = [await served.client.get(at(keys_of(number))) for number in (0, 1, 2)]
            assert {answer.status_code for answer in answers} == {404}
            assert len({answer.content for answer in answers}) == 1
            reasons = [event.reason for event in served.events if isinstance(event, SessionEnded)]
            assert reasons == ["used-up", "expired"]

    run(work)


def test_a_download_under_way_outlives_the_expiry_but_not_its_rest(
    tmp_path: Path,
) -> None:  # R-SHR-10
    random_file(tmp_path / "one", 100)

    async def work() -> None:
        keys = keys_of()
        async with serving() as served:
            share(served.sessions, keys, tmp_path / "one", expires_in=60)
            begun, waiting = await served.join(keys), await served.join(keys)
            place = f"{at(keys)}/content"
            await served.client.get(place, headers=begun["headers"])
            served.clock.now += 61
            served.sessions.sweep()
            again = await served.client.get(place, headers=begun["headers"])
            assert again.status_code == 200
            for refused in (place, f"{at(keys)}/manifest"):
                answer = await served.client.get(refused, headers=waiting["headers"])
                assert answer.status_code == 404
            served.clock.now += FREE.resume_seconds + 1
            served.sessions.sweep()
            assert not served.sessions.count
            assert DownloadEnded(keys.id, begun["download"], None, None) in served.events

    run(work)


def test_a_receipt_ends_a_download(tmp_path: Path) -> None:
    random_file(tmp_path / "one", 100)

    async def work() -> None:
        keys = keys_of()
        async with serving() as served:
            share(served.sessions, keys, tmp_path / "one")
            granted = await served.join(keys)
            place, headers = f"{at(keys)}/content", granted["headers"]
            await served.client.get(place, headers=headers)
            done = f"{at(keys)}/downloads/{granted['download']}/done"
            other = f"{at(keys)}/downloads/other/done"
            receipt = {"ok": False, "code": "NO_SPACE"}
            assert (
                await served.client.post(other, headers=headers, json=receipt)
            ).status_code == 401
            assert (
                await served.client.post(done, headers=headers, json=receipt)
            ).status_code == 204
            assert (await served.client.get(place, headers=headers)).status_code == 401
            ended = DownloadEnded(keys.id, granted["download"], ok=False, code="NO_SPACE")
            assert ended in served.events

    run(work)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Basic {token}",
        "Bearer {token}x",
        "Bearer {token} ",
        "Bearer  {token}",
        "{token}",
        "Bearer {shorter}",
        "Bearer {swapped}",
        "Bearer {other}",
    ],
)
def test_a_token_that_is_nearly_right_is_wrong(tmp_path: Path, header: str | None) -> None:
    random_file(tmp_path / "one", 100)  # case H1, R-SHR-7

    async def work() -> None:
        keys = keys_of()
        async with serving() as served:
            share(served.sessions, keys, tmp_path / "one")
            token = (await served.join(keys))["token"]
            values = {"token": token, "shorter": token[:-1], "swapped": token.swapcase()}
            text = header and header.format(**values, other=make_token()).rstrip(" ")
            if header == "Bearer {token} ":  # blanks at the end are no part of a header's value
                return
            headers = {} if text is None else {"Authorization": text}
            for path in ("manifest", "content"):
                answer = await served.client.get(f"{at(keys)}/{path}", headers=headers)
                assert answer.status_code == 401
                assert answer.json()["error"]["code"] == "NOT_AUTHORISED"
            query = await served.client.get(f"{at(keys)}/content?token={token}")
            assert query.status_code == 401
            assert token not in query.text

    run(work)


def test_a_token_of_one_session_is_wrong_at_another(tmp_path: Path) -> None:
    random_file(tmp_path / "one", 100)

    async def work() -> None:
        async with serving() as served:
            share(served.sessions, keys_of(0), tmp_path / "one")
            share(served.sessions, keys_of(1), tmp_path / "one")
            headers = (await served.join(keys_of(0)))["headers"]
            answer = await served.client.get(f"{at(keys_of(1))}/content", headers=headers)
            assert answer.status_code == 401

    run(work)


def test_twenty_wrong_tokens_are_followed_by_a_minute(tmp_path: Path) -> None:  # R-SHR-7
    random_file(tmp_path / "one", 100)

    async def work() -> None:
        keys = keys_of()
        async with serving() as served:
            share(served.sessions, keys, tmp_path / "one")
            place, right = f"{at(keys)}/content", (await served.join(keys))["headers"]
            for _ in range(20):
                wrong = await served.client.get(place, headers=bearer(make_token()))
                assert wrong.status_code == 401
            for headers in (right, bearer(make_token())):
                answer = await served.client.get(place, headers=headers)
                assert answer.status_code == 429
                assert answer.headers["retry-after"] == "60"
                assert answer.json()["retry_after"] == 60
            served.clock.now += 60
            assert (await served.client.get(place, headers=right)).status_code == 200

    run(work)


@pytest.mark.parametrize(
    ("limits", "method", "path", "most"),
    [
        (Limits(), "POST", "/api/v1/sessions", 10),
        (Limits(), "POST", "/api/v1/sessions/{id}/downloads", 30),
        (Limits(), "GET", "/api/v1/sessions/{id}", 20),
    ],
)
def test_an_address_may_ask_so_often_a_minute(
    limits: Limits, method: str, path: str, most: int
) -> None:  # R-SHR-9
    async def work() -> None:
        async with serving(limits=limits) as served:
            place = path.format(id=keys_of().id)
            for _ in range(most):
                answer = await served.client.request(method, place, json={})
                assert answer.status_code in {400, 404}
            answer = await served.client.request(method, place, json={})
            assert answer.status_code == 429
            assert answer.json()["error"]["code"] == "RATE_LIMITED"
            assert int(answer.headers["retry-after"]) == answer.json()["retry_after"] == 60
            served.clock.now += 60
            answer = await served.client.request(method, place, json={})
            assert answer.status_code != 429

    run(work)


def test_a_file_that_changed_ends_the_session_and_says_why(tmp_path: Path) -> None:
    random_file(tmp_path / "one", 100)

    async def work() -> None:
        keys = keys_of()
        async with serving() as served:
            share(served.sessions, keys, tmp_path / "one")
            headers = (await served.join(keys))["headers"]
            (tmp_path / "one").write_bytes(b"other")
            for _ in range(2):
                answer = await served.client.get(f"{at(keys)}/content", headers=headers)
                assert answer.status_code == 409
                assert answer.json()["error"]["code"] == "SOURCE_CHANGED"
            assert SessionEnded(keys.id, "source-changed") in served.events

    run(work)


def test_uploads_go_on_where_they_were() -> None:
    async def work() -> None:
        keys = keys_of()
        async with serving() as served:
            headers = await served.make(keys)
            data = bytes(2_500_000)
            sealed, salt = sealed_data(keys, data)
            length, half = len(sealed), 1_234_567
            first = await served.patch(keys, headers, sealed[:half], salt=salt, length=length)
            assert first.headers["upload-offset"] == str(half)
            for offset in (0, half - 1, half + 1):
                wrong = await served.patch(
                    keys, headers, b"x", salt=salt, offset=offset, length=length
                )
                assert wrong.status_code == 409  # case H13
                assert wrong.headers["upload-offset"] == str(half)
            head = await served.client.head(f"{at(keys)}/content", headers=headers)
            assert head.headers["upload-offset"] == str(half)
            assert head.headers["upload-length"] == str(length)
            assert parse_octets(head.headers["ocft-salt"], 16) == salt
            early = await served.client.post(f"{at(keys)}/complete", headers=headers)
            assert early.status_code == 409
            rest = await served.patch(
                keys, headers, sealed[half:], salt=salt, offset=half, length=length
            )
            assert rest.headers["upload-offset"] == str(length)

    run(work)


def test_what_a_sender_put_here_reaches_receivers() -> None:
    async def work() -> None:
        keys, data = keys_of(), bytes(range(256)) * 8192
        async with serving() as served:
            headers = await served.upload(keys, data)
            assert await served.download(keys) == data
            late = await served.patch(keys, headers, b"x" * 16, salt=bytes(16))
            assert late.status_code == 409
            manifest = await served.client.put(
                f"{at(keys)}/manifest", content=bytes(40), headers=headers
            )
            assert manifest.status_code == 409
            again = await served.client.post(f"{at(keys)}/complete", headers=headers)
            assert again.status_code == 204  # its answer may have been lost
            assert (await served.client.delete(at(keys), headers=headers)).status_code == 204
            assert (await served.client.get(at(keys))).status_code == 404
            assert served.sessions.room.used == 0

    run(work)


def test_another_salt_at_the_beginning_starts_the_content_anew() -> None:
    async def work() -> None:
        keys = keys_of()
        async with serving() as served:
            headers = await served.make(keys)
            await served.patch(keys, headers, bytes(1000), salt=bytes(16), length=5000)
            assert served.sessions.room.used == 1000
            other = await served.patch(
                keys, headers, bytes(10), salt=bytes(15) + b"1", offset=1000, length=5000
            )
            assert other.status_code == 409
            anew = await served.patch(keys, headers, bytes(10), salt=bytes(15) + b"1", length=700)
            assert anew.headers["upload-offset"] == "10"
            assert served.sessions.room.used == 10

    run(work)


def test_a_receiver_waits_for_a_sender() -> None:
    async def work() -> None:
        keys = keys_of()
        async with serving() as served:
            await served.make(keys)
            assert (await served.client.get(at(keys))).json()["state"] == "waiting"
            headers = (await served.join(keys))["headers"]
            for path in ("manifest", "content"):
                answer = await served.client.get(f"{at(keys)}/{path}", headers=headers)
                assert answer.status_code == 409

    run(work)


def test_room_is_held_for_an_upload_from_its_beginning() -> None:  # R-SHR-15
    limits = Limits(bytes_of_session=2000, bytes_in_total=3000, made_a_minute=0)

    async def work() -> None:
        async with serving(limits=limits) as served:
            one, two = await served.make(keys_of(0)), await served.make(keys_of(1))
            salt = bytes(16)
            await served.patch(keys_of(0), one, bytes(10), salt=salt, length=2000)
            full = await served.patch(keys_of(1), two, bytes(10), salt=salt, length=1500)
            assert full.status_code == 507
            served.clock.now += 61  # nothing came of the first one
            fits = await served.patch(keys_of(1), two, bytes(1500), salt=salt)
            assert fits.status_code == 204
            late = await served.patch(
                keys_of(0), one, bytes(1000), salt=salt, offset=10, length=2000
            )
            assert late.status_code == 507
            assert served.sessions.room.used == 1510  # told before any of it was taken

    run(work)


def test_uploads_stop_at_the_limits() -> None:  # R-SHR-9
    limits = Limits(bytes_of_session=2000, bytes_in_total=3000, made_a_minute=0)

    async def work() -> None:
        async with serving(limits=limits) as served:
            one, two = await served.make(keys_of(0)), await served.make(keys_of(1))
            large = await served.patch(keys_of(0), one, bytes(10), salt=bytes(16), length=2001)
            assert large.status_code == 413
            fits = await served.patch(keys_of(0), one, bytes(2000), salt=bytes(16))
            assert fits.status_code == 204
            full = await served.patch(keys_of(1), two, bytes(1500), salt=bytes(16))
            assert full.status_code == 507
            assert full.json()["error"]["code"] == "NO_SPACE"
            beyond = await served.patch(keys_of(1), two, bytes(200), salt=bytes(16), length=100)
            assert beyond.status_code == 413
            await served.client.delete(at(keys_of(0)), headers=one)
            assert served.sessions.room.used == 0

    run(work)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Upload-Offset": "x", "Upload-Length": "9"}, 400),
        ({"Upload-Offset": "-1", "Upload-Length": "9"}, 400),
        ({"Upload-Offset": "0"}, 400),
        ({"Upload-Offset": "0", "Upload-Length": "0", "OCFT-Salt": "A" * 22}, 400),
        ({"Upload-Offset": "0", "Upload-Length": "9" * 19, "OCFT-Salt": "A" * 22}, 400),
        ({"Upload-Offset": "0", "Upload-Length": "9", "OCFT-Salt": "A" * 21}, 400),
        ({"Upload-Offset": "0", "Upload-Length": "9", "OCFT-Salt": "\u0660" * 22}, 400),
    ],
)
def test_the_head_of_an_upload_is_checked(headers: dict[str, str], status: int) -> None:
    async def work() -> None:
        async with serving() as served:
            sender = await served.make(keys_of())
            raw = {name.encode(): value.encode() for name, value in (sender | headers).items()}
            answer = await served.client.patch(
                f"{at(keys_of())}/content", content=b"x", headers=raw
            )
            assert answer.status_code == status

    run(work)


def test_an_upload_without_a_length_is_refused() -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"x"

    async def work() -> None:
        async with serving() as served:
            sender = await served.make(keys_of())
            answer = await served.client.patch(
                f"{at(keys_of())}/content", content=body(), headers=sender
            )
            assert answer.status_code == 411

    run(work)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'{"id": 1}',
        b'{"id": "../../etc", "expires_in": 60}',
        b'{"id": "{id}", "expires_in": 0}',
        b'{"id": "{id}", "expires_in": true}',
        b'{"id": "{id}", "expires_in": 60.5}',
        b'{"id": "{id}", "expires_in": NaN}',
        b'{"id": "{id}", "expires_in": 60, "id": "{id}"}',
        b'{"id": "{id}", "expires_in": 60, "max_downloads": 0}',
        b'{"id": "{id}", "expires_in": 60, "more": 1}',
        b'{"id": "{id}", "expires_in": 60, "password": {"p": "AA", "verifier": "AA"}}',
        b'{"id": "\xff"}',
        b"[" * 10_000,
    ],
)
def test_a_body_that_is_none_makes_no_session(body: bytes) -> None:  # cases J1 to J9
    async def work() -> None:
        async with serving() as served:
            answer = await served.client.post(
                "/api/v1/sessions",
                content=body.replace(b"{id}", keys_of().id.encode()),
                headers={"Content-Type": "application/json"},
            )
            assert answer.status_code == 400
            assert answer.json()["error"]["code"] == "BAD_REQUEST"
            assert not served.sessions.count

    run(work)


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_a_body_that_any_page_could_send_is_refused(kind: str | None) -> None:  # R-SHR-8
    async def work() -> None:
        async with serving() as served:
            headers = {} if kind is None else {"Content-Type": kind}
            body = b'{"id": "%s", "expires_in": 60}' % keys_of().id.encode()
            answer = await served.client.post("/api/v1/sessions", content=body, headers=headers)
            assert answer.status_code == 400

    run(work)


def test_a_body_that_is_too_long_is_refused() -> None:
    async def work() -> None:
        async with serving() as served:
            answer = await served.client.post("/api/v1/sessions", json={"id": "x" * 20_000})
            assert answer.status_code == 413

    run(work)


def test_a_server_that_shares_its_own_files_takes_no_others() -> None:
    async def work() -> None:
        async with serving(accepts_new=False) as served:
            body = {"id": keys_of().id, "expires_in": 60}
            answer = await served.client.post("/api/v1/sessions", json=body)
            assert answer.status_code == 404

    run(work)


def test_an_id_is_taken_once() -> None:
    async def work() -> None:
        async with serving() as served:
            await served.make(keys_of())
            body = {"id": keys_of().id, "expires_in": 60}
            answer = await served.client.post("/api/v1/sessions", json=body)
            assert answer.status_code == 409

    run(work)


def test_who_proves_the_password_gets_p(tmp_path: Path) -> None:
    data = random_file(tmp_path / "one", 100)

    async def work() -> None:
        keys = keys_of()
        verifier = await asyncio.to_thread(password_verifier, "right", keys.id)
        async with serving() as served:
            session = share(served.sessions, keys, tmp_path / "one", verifier=verifier)
            without = await served.client.post(f"{at(keys)}/downloads", json={})
            assert without.status_code == 401
            assert without.json()["error"]["code"] == "PASSWORD_NEEDED"
            granted = await prove(served, keys, verifier)
            assert granted.status_code == 201
            assert len(parse_octets(granted.json()["p"], 48)) == 48
            content = await served.client.get(
                f"{at(keys)}/content", headers=bearer(granted.json()["token"])
            )
            assert session.gate is not None
            assert opened(keys, content, 100, p=session.gate.secret.p) == data

    run(work)


def test_wrong_passwords_are_slowed_down_and_then_locked_out(tmp_path: Path) -> None:  # R-SHR-12
    random_file(tmp_path / "one", 100)

    async def work() -> None:
        keys = keys_of()
        async with serving() as served:
            share(served.sessions, keys, tmp_path / "one", verifier=bytes(32))
            for count in range(30):
                answer = await prove(served, keys, bytes(31) + b"1")
                if count >= 5:
                    wait = min(2 ** (count - 4), 60)
                    assert answer.status_code == 429
                    assert answer.json()["retry_after"] == wait
                    served.clock.now += wait
                    answer = await prove(served, keys, bytes(31) + b"1")
                assert answer.status_code == 401
                assert answer.json()["error"]["code"] == "WRONG_PASSWORD"
            served.clock.now += 3600
            locked = await prove(served, keys, bytes(32))
            assert locked.status_code == 429
            assert "retry-after" not in locked.headers
            assert served.events.count(PasswordLocked(keys.id)) == 1

    run(work)


def test_the_page_is_there_and_says_nothing_of_a_session() -> None:
    async def work() -> None:
        async with serving() as served:
            page = await served.client.get("/s/")
            assert page.headers["content-type"] == "text/html; charset=utf-8"
            assert page.headers["cache-control"] == "no-cache"
            tag = {"If-None-Match": page.headers["etag"]}
            assert (await served.client.get("/s/", headers=tag)).status_code == 304
            weak = {"If-None-Match": f'"other", W/{page.headers["etag"]}'}  # a proxy compressed it
            kept = await served.client.get("/s/", headers=weak)
            assert (kept.status_code, kept.content) == (304, b"")
            other = await served.client.get("/s/", headers={"If-None-Match": '"other"'})
            assert other.content == page.content
            head = await served.client.head("/s/")
            assert (head.status_code, head.content) == (200, b"")
            assert head.headers["content-length"] == str(len(page.content))
            posted = await served.client.post("/s/assets/page.js")
            assert (posted.status_code, posted.headers["allow"]) == (405, "GET")
            script = await served.client.get("/s/assets/page.js")
            assert script.headers["content-type"] == "text/javascript; charset=utf-8"
            to_page = await served.client.get("/s")
            assert (to_page.status_code, to_page.headers["location"]) == (308, "s/")
            for name in ("nothing.js", "..%2fapp.py", "%2e%2e/app.py", "a/b.js", ""):
                answer = await served.client.get(f"/s/assets/{name}")
                assert answer.status_code == 404

    run(work)


def test_what_is_not_there_and_what_is_not_possible() -> None:
    async def work() -> None:
        async with serving() as served:
            assert (await served.client.get("/")).status_code == 404
            assert (await served.client.get("/api/v1/sessions/")).status_code == 404
            wrong = await served.client.put("/api/v1/sessions")
            assert wrong.status_code == 405
            assert wrong.headers["allow"] == "POST"
            asked = await served.client.options(at(keys_of()), headers={"Origin": "http://a.org"})
            assert asked.status_code == 421
            assert not [name for name in asked.headers if name.startswith("access-control")]

    run(work)


def test_health_and_metrics_are_for_who_runs_it(tmp_path: Path) -> None:
    data = random_file(tmp_path / "one", 100)

    async def work() -> None:
        async with serving() as served:
            share(served.sessions, keys_of(), tmp_path / "one")
            assert await served.download(keys_of()) == data
            assert (await served.client.get("/health")).json() == {"status": "ok"}
            metrics = await served.client.get("/metrics")
            assert 'ocft_downloads_total{receipt="ok"} 1' in metrics.text
            assert "ocft_sent_bytes_total 116" in metrics.text
            assert keys_of().id not in metrics.text
            served.sessions.is_closing = True
            assert (await served.client.get("/health")).status_code == 503

    run(work)


@pytest.mark.parametrize(
    "options",
    [{"public_url": "https://files.example.org"}, {"trusted_proxies": ["127.0.0.1"]}],
)
def test_behind_a_proxy_metrics_need_their_token(options: dict[str, Any]) -> None:
    async def work() -> None:
        async with serving(metrics_token="a long token", **options) as served:
            assert (await served.client.get("/metrics")).status_code == 401
            wrong = await served.client.get("/metrics", headers=bearer("a long tokem"))
            assert wrong.status_code == 401
            right = await served.client.get("/metrics", headers=bearer("a long token"))
            assert right.status_code == 200

    run(work)


def test_only_a_trusted_proxy_is_believed(tmp_path: Path) -> None:
    limits = Limits(looked_a_minute=1)

    async def work(trusted: list[str], statuses: list[int]) -> None:
        async with serving(limits=limits, trusted_proxies=trusted) as served:
            for forwarded, status in zip(
                ("1.1.1.1", "2.2.2.2", "9.9.9.9, 2.2.2.2"), statuses, strict=True
            ):
                answer = await served.client.get(
                    at(keys_of()), headers={"X-Forwarded-For": forwarded}
                )
                assert answer.status_code == status

    run(lambda: work([], [404, 429, 429]))
    run(lambda: work(["127.0.0.1"], [404, 404, 429]))


def test_who_has_gone_is_sent_no_more(tmp_path: Path) -> None:
    size = 48_000_000  # more than the system keeps for somebody who does not read
    random_file(tmp_path / "one", size)

    async def work() -> None:
        async with serving() as served:
            session = share(served.sessions, keys_of(), tmp_path / "one")
            headers = (await served.join(keys_of()))["headers"]
            async with served.client.stream(
                "GET", f"{at(keys_of())}/content", headers=headers
            ) as answer:
                assert answer.status_code == 200
            [download] = session
            while download.answers:
                await asyncio.sleep(0.01)
            sent = [event.sent for event in served.events if isinstance(event, DownloadProgress)]
            assert max(sent, default=0) < size

    run(work)


def test_a_server_that_ends_takes_no_more_of_an_upload() -> None:
    async def work() -> None:
        async with serving() as served:
            headers = await served.make(keys_of())
            served.sessions.is_closing = True
            answer = await served.patch(keys_of(), headers, b"x", salt=bytes(16), length=9)
            assert answer.status_code == 503
            assert answer.json()["error"]["code"] == "SHUTTING_DOWN"
            assert served.sessions.room.used == 0

    run(work)
