"""`ocft share`, in this process: what it refuses, and its way through a service."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette", reason="sharing is not installed: pip install 'ocft[share]'")

from ocft.crypto import RECORD, make_share_code
from ocft.errors import ServerUnreachableError
from ocft.share import (
    FolderSink,
    ShareLink,
    parse_link,
    receive,
)
from tests.cli.conftest import Ocft
from tests.cli.service_in_thread import Service, free_port
from tests.share.served import FREE, random_file


@pytest.fixture
def service() -> Iterator[Service]:
    with Service() as service:
        yield service


@pytest.fixture
def in_background() -> Iterator[Callable[[Callable[[], object]], list[object]]]:
    """Run something beside the command; what it returned is in the list that is returned."""
    threads: list[threading.Thread] = []

    def start(work: Callable[[], object]) -> list[object]:
        results: list[object] = []
        threads.append(threading.Thread(target=lambda: results.append(work())))
        threads[-1].start()
        return results

    yield start
    for thread in threads:
        thread.join()


def fetch(link: ShareLink, folder: Path, **options: Any) -> object:
    """Receive as soon as somebody shares."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with suppress(ServerUnreachableError):
            return asyncio.run(receive(link, FolderSink(folder), **options))
        time.sleep(0.02)
    raise AssertionError("nobody shares")


def test_what_makes_no_sense_is_said_before_anything_is_read(ocft: Ocft, tmp_path: Path) -> None:
    file = str(tmp_path / "missing")
    for words in (
        (),
        ("-",),
        (file, "--once", "--max-downloads", "2"),
        (file, "--expires", "soon"),
        (file, "--timeout", "0"),
        (file, "--server", "ftp://x"),
        (file, "--password", "--password-file", file),
        (file, "--password"),  # nobody is there to type one
        (file, "--server", "http://x", "--host", "127.0.0.1"),
        (file, "--server", "http://x", "--port", "80"),
        (file, "--server", "http://x", "--public-url", "http://y"),
        (file, "--session", "http://x/s/#7KQ2M9XWTB4E.key", "--timeout", "5"),
    ):
        result = ocft("share", *words)
        assert result.status == 1, (words, result)
    assert ocft("share", "").status == 2
    assert ocft("share", file).status == 2


def test_a_session_of_somebody_else_needs_its_key_and_has_its_own_rules(
    ocft: Ocft, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    link = f"http://127.0.0.1:9/s/#{make_share_code()}"
    assert "sender key" in ocft("share", str(file), "--session", link).err
    monkeypatch.setenv("OCFT_SENDER_KEY", "a key")
    assert "sender key" in ocft("share", str(file), "--session", link).err
    monkeypatch.setenv("OCFT_SENDER_KEY", "key")
    for words in (("--once",), ("--expires", "1h"), ("--max-downloads", "3")):
        result = ocft("share", str(file), "--session", link, *words)
        assert (result.status, "chosen by who made" in result.err) == (1, True)
    assert ocft("share", str(file), "--session", link).status == 3


def test_files_go_through_a_service_to_a_folder(
    ocft: Ocft, tmp_path: Path, service: Service
) -> None:
    data = random_file(tmp_path / "file", 2 * RECORD + 5)
    shared = ocft("share", str(tmp_path / "file"), "--server", service.url, "--note", "Hi\x1b")
    assert shared.status == 0
    assert shared.out.startswith(f"{service.url}/s/#")
    assert "is there, sealed" in shared.err
    received = ocft("receive", shared.out.strip(), "-o", str(tmp_path / "inbox"))
    assert received.out == f"{tmp_path}/inbox/file\n"
    assert "Note: Hi\\x1b" in received.err
    assert (tmp_path / "inbox" / "file").read_bytes() == data


def test_quiet_leaves_the_link_and_the_path(ocft: Ocft, tmp_path: Path, service: Service) -> None:
    random_file(tmp_path / "file", 5)
    shared = ocft("--quiet", "share", str(tmp_path / "file"), "--server", service.url)
    received = ocft("--quiet", "receive", shared.out.strip(), "-o", str(tmp_path / "inbox"))
    assert (shared.err, received.err) == ("", "")
    assert shared.out.count("\n") == received.out.count("\n") == 1


def test_programs_get_the_events_in_their_order(
    ocft: Ocft, tmp_path: Path, service: Service
) -> None:
    random_file(tmp_path / "file", 5)
    shared = ocft("--json", "share", str(tmp_path / "file"), "--server", service.url, "--once")
    names = [line.get("event") for line in shared.lines]
    assert names == [
        "file_ready",
        "session_created",
        "mode",
        "progress",
        "relay_complete",
        "transfer_complete",
        None,
    ]
    link = shared.lines[1]["share_url"]
    received = ocft("--json", "receive", link, "-o", str(tmp_path / "inbox"))
    names = [line.get("event") for line in received.lines]
    assert names == [
        "session_joined",
        "sender_found",
        "receiving_file",
        "progress",
        "transfer_complete",
        None,
    ]
    assert ocft("--json", "receive", link, "-o", str(tmp_path / "x")).status == 3


def test_too_many_sessions_are_status_6(ocft: Ocft, tmp_path: Path) -> None:
    random_file(tmp_path / "file", 5)
    with Service(replace(FREE, made_a_minute=1)) as service:
        words = ("--json", "share", str(tmp_path / "file"), "--server", service.url)
        assert ocft(*words).status == 0
        result = ocft(*words)
    assert result.status == 6
    assert [line for line in result.lines if line.get("event") == "error"] == [
        {
            "event": "error",
            "code": "RATE_LIMITED",
            "exit_code": 6,
            "message": result.lines[-1]["error"]["message"],
        }
    ]


def test_who_may_not_join_yet_and_waits_no_longer_is_status_6(ocft: Ocft, tmp_path: Path) -> None:
    random_file(tmp_path / "file", 5)
    with Service(replace(FREE, joined_a_minute=1)) as service:
        link = ocft("share", str(tmp_path / "file"), "--server", service.url).out.strip()
        assert ocft("receive", link, "-o", str(tmp_path / "one")).status == 0
        assert ocft("receive", link, "-o", str(tmp_path / "two"), "--timeout", "1").status == 6


def test_this_process_serves_what_it_shares(
    ocft: Ocft,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    in_background: Callable[[Callable[[], object]], list[object]],
) -> None:
    code, port = make_share_code(), free_port()
    monkeypatch.setattr("ocft.crypto.make_share_code", lambda: code)
    monkeypatch.setenv("OCFT_PASSWORD", "secret")
    data = random_file(tmp_path / "file", 3 * RECORD)
    link = ShareLink(f"http://127.0.0.1:{port}", code)
    in_background(lambda: fetch(link, tmp_path / "inbox", password="secret"))
    words = ("--host", "127.0.0.1", "--port", str(port), "--once")
    shared = ocft("--json", "share", str(tmp_path / "file"), *words)
    assert shared.status == 0
    names = [line.get("event") for line in shared.lines if line.get("event") != "progress"]
    assert names == [
        "file_ready",
        "session_created",
        "mode",
        "waiting_for_receiver",
        "receiver_connected",
        "waiting_for_acceptance",
        "transfer_accepted",
        "transfer_complete",
        None,
    ]
    assert parse_link(shared.lines[1]["share_url"]) == link
    assert (tmp_path / "inbox" / "file").read_bytes() == data


def test_a_receiver_that_fails_is_told_and_is_no_end(
    ocft: Ocft,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    in_background: Callable[[Callable[[], object]], list[object]],
) -> None:
    code, port = make_share_code(), free_port()
    monkeypatch.setattr("ocft.crypto.make_share_code", lambda: code)
    random_file(tmp_path / "file", 3 * RECORD)
    link = ShareLink(f"http://127.0.0.1:{port}", code)
    (tmp_path / "inbox" / "file").mkdir(parents=True)

    def work() -> str:
        sink = FolderSink(tmp_path / "inbox", overwrite=True)  # but a folder is in the way
        fetch_error = ""
        try:
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline:
                with suppress(ServerUnreachableError):
                    asyncio.run(receive(link, sink))
                time.sleep(0.02)
        except Exception as error:  # noqa: BLE001 - its kind is what is looked at
            fetch_error = type(error).__name__
        return fetch_error

    failed = in_background(work)
    words = ("--host", "127.0.0.1", "--port", str(port), "--timeout", "3")
    shared = ocft("--json", "share", str(tmp_path / "file"), *words)
    (told,) = [line for line in shared.lines if line.get("event") == "transfer_failed"]
    assert told["code"] == "STORAGE"
    assert shared.status == 2
    assert failed == ["StorageError"]
