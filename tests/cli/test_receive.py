"""`ocft receive` and its inbox, in this process."""

import asyncio
import re
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("starlette", reason="sharing is not installed: pip install 'ocft[share]'")

from ocft.cli.inbox import Inbox
from ocft.crypto import RECORD, make_share_code, share_keys
from ocft.errors import ServerUnreachableError, TransferTimeoutError
from ocft.share import ShareClient, ShareLink, Upload
from ocft.testing import run
from tests.cli.conftest import Ocft
from tests.cli.service_in_thread import Service, free_port
from tests.share.client.test_sending import files_of
from tests.share.served import random_file


@pytest.fixture
def service() -> Iterator[Service]:
    with Service() as service:
        yield service


def test_what_makes_no_sense_is_said_before_anything_is_asked(
    ocft: Ocft, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = make_share_code()
    link = f"http://127.0.0.1:9/s/#{code}"
    for words, stdin in (
        ((code,), None),
        (("x",), None),
        (("http://127.0.0.1:9/s/",), None),
        ((link, "more"), None),
        ((f"{link}.{'A' * 43}",), None),
        ((link, "--timeout", "-1"), None),
        ((link, "-o", "-", "--overwrite"), None),
        ((link, "--password-stdin", "--password"), "x"),
        (("-", "--password-stdin"), "x"),
        (("--password-stdin",), "x"),  # an inbox has none
    ):
        result = ocft("receive", *words, "-o", str(tmp_path / "inbox"), stdin=stdin)
        if "-o" in words:
            result = ocft("receive", *words, stdin=stdin)
        assert result.status == 1, (words, result)
        assert code not in result.err
    assert ocft("--json", "receive", link, "-o", "-").status == 1
    monkeypatch.setenv("OCFT_LINK", link)
    assert ocft("receive", "-o", str(tmp_path / "inbox")).status == 3
    assert not (tmp_path / "inbox" / ".ocft").exists()


def test_the_link_comes_from_stdin_or_the_environment(
    ocft: Ocft, tmp_path: Path, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    random_file(tmp_path / "file", 5)
    link = ocft("share", str(tmp_path / "file"), "--server", service.url).out
    assert ocft("receive", "-", "-o", str(tmp_path / "one"), stdin=link).status == 0
    monkeypatch.setenv("OCFT_LINK", link.strip())
    assert ocft("receive", "-o", str(tmp_path / "two")).status == 0
    assert (tmp_path / "one" / "file").read_bytes() == (tmp_path / "two" / "file").read_bytes()


def test_a_password_that_is_missing_or_wrong_is_status_4(
    ocft: Ocft, tmp_path: Path, service: Service
) -> None:
    random_file(tmp_path / "file", 5)
    (tmp_path / "password").write_text("right\n")
    words = ("--server", service.url, "--password-file", str(tmp_path / "password"))
    link = ocft("share", str(tmp_path / "file"), *words).out.strip()
    receive = ("receive", link, "-o", str(tmp_path / "inbox"))
    assert ocft(*receive).status == 4
    assert ocft(*receive, "--password-stdin", stdin="wrong\n").status == 4
    assert ocft(*receive, "--password-stdin", stdin="right\n").status == 0


def test_nobody_who_puts_files_there_in_time_is_status_5(ocft: Ocft, tmp_path: Path) -> None:
    result = ocft(
        *("--json", "receive", "-o", str(tmp_path / "inbox")),
        *("--host", "127.0.0.1", "--timeout", "0.3"),
    )
    assert result.status == 5
    assert [line.get("event") for line in result.lines] == [
        "session_created",
        "waiting_for_sender",
        "error",
        None,
    ]
    assert list((tmp_path / "inbox").iterdir()) == []


def test_an_inbox_takes_one_delivery(
    ocft: Ocft, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, port = make_share_code(), free_port()
    keys = share_keys(code)
    monkeypatch.setattr("ocft.crypto.make_share_code", lambda: code)
    monkeypatch.setattr("ocft.share.server.service.make_token", lambda: "k" * 43)
    data = random_file(tmp_path / "file", 2 * RECORD)

    async def put() -> None:
        async with ShareClient(f"http://127.0.0.1:{port}", keys.id) as client:
            for _ in range(1000):
                with suppress(ServerUnreachableError):
                    await Upload(client, keys, files_of(tmp_path / "file")).run("k" * 43)
                    return
                await asyncio.sleep(0.02)

    sending = threading.Thread(target=lambda: asyncio.run(put()))
    sending.start()
    result = ocft(
        *("--json", "receive", "-o", str(tmp_path / "inbox")),
        *("--host", "127.0.0.1", "--port", str(port)),
    )
    sending.join()
    assert result.status == 0
    names = [line.get("event") for line in result.lines if line.get("event") != "progress"]
    assert names == [
        "session_created",
        "waiting_for_sender",
        "session_joined",
        "sender_found",
        "receiving_file",
        "transfer_complete",
        None,
    ]
    assert result.lines[0]["upload_url"] == str(
        ShareLink(f"http://127.0.0.1:{port}", code, "k" * 43)
    )
    assert (tmp_path / "inbox" / "file").read_bytes() == data
    assert sorted(path.name for path in (tmp_path / "inbox").iterdir()) == ["file"]


@pytest.mark.parametrize(("comes_at", "ends_at"), [([], 60), ([50, 300, 590], 890)])
def test_an_inbox_waits_while_something_comes_and_not_for_ever(
    comes_at: list[float], ends_at: float
) -> None:
    async def work() -> None:
        make: Any = Inbox  # it is told, and it asks, nothing here
        inbox = make(None, None, hosts=None, port=0, public_url=None, qr=None)
        session: Any = SimpleNamespace(stored=SimpleNamespace(stored=0))
        loop = asyncio.get_running_loop()
        began = loop.time()

        def come() -> None:
            session.stored.stored += 1

        for moment in comes_at:
            loop.call_at(began + moment, come)
        with pytest.raises(TransferTimeoutError):
            await inbox._until_ready(session, 60.0)
        assert ends_at <= loop.time() - began < ends_at + 2

    run(work())


def test_what_a_crash_left_of_an_inbox_goes_away(ocft: Ocft, tmp_path: Path) -> None:
    left = tmp_path / "inbox" / ".ocft" / "inbox-left"
    (left / "sessions").mkdir(parents=True)
    (left / "sessions" / "content").write_bytes(b"x")
    words = ("--host", "127.0.0.1", "--timeout", "0.2")
    began = time.monotonic()
    assert ocft("receive", "-o", str(tmp_path / "inbox"), *words).status == 5
    assert time.monotonic() - began < 20
    assert not left.exists()


def test_an_inbox_says_its_link_and_how_to_end_it(ocft: Ocft, tmp_path: Path) -> None:
    words = ("--host", "127.0.0.1", "--timeout", "0.2")
    result = ocft("receive", "-o", str(tmp_path / "inbox"), *words)
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/s/#[0-9A-Z]{12}\.[\w-]{43}\n", result.out)
    assert "Ctrl-C" in result.err
    result = ocft("receive", "-o", "-", *words)
    assert result.out == "", "stdout is for the file alone"
    assert "/s/#" in result.err


def test_what_arrived_damaged_is_status_8(
    ocft: Ocft, tmp_path: Path, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    random_file(tmp_path / "file", 2 * RECORD)
    link = ocft("share", str(tmp_path / "file"), "--server", service.url).out.strip()
    (session,) = service.sessions
    assert session.stored is not None
    pieces = session.stored._pieces  # type: ignore[attr-defined]  # the store of the service
    pieces[-1] = bytearray(pieces[-1])
    pieces[-1][-100] ^= 1
    result = ocft("--json", "receive", link, "-o", str(tmp_path / "inbox"))
    assert result.status == 8
    assert result.lines[-1]["error"]["code"] == "DIGEST_MISMATCH"
    assert [path.name for path in (tmp_path / "inbox").iterdir()] == [".ocft"]
