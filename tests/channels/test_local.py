import asyncio
import contextlib
import errno
import itertools
import logging
import os
import subprocess
import sys
import time
from collections import deque
from pathlib import Path

import pytest
import watchfiles

from ocft.channels import Channel, IncomingText, LocalChannel, open_local
from ocft.channels import local as local_module
from ocft.channels import spool as spool_module
from ocft.channels.spool import Spool
from ocft.errors import ChannelClosedError, ChannelError, ConfigError
from ocft.testing import check_channel, check_transfers, run

PATIENCE = 10.0  # seconds; bounds waits that end at once if all is well


async def _open(spool: Path, node_id: str, *, poll: bool = False) -> LocalChannel:
    return await open_local(node_id, {"spool": str(spool), "poll": poll})


async def _read(channel: Channel, count: int) -> list[IncomingText]:
    """Read some texts; the last one is not handled, since no other is asked for."""
    async with asyncio.timeout(PATIENCE), contextlib.aclosing(channel.texts()) as texts:
        return [await anext(texts) for _ in range(count)]


def _new(spool: Path, node_id: str) -> list[Path]:
    return sorted((spool / node_id / "new").iterdir())


@pytest.mark.parametrize("poll", [False, True])
def test_it_keeps_the_contract(tmp_path: Path, poll: bool) -> None:  # noqa: FBT001
    runs = itertools.count()

    async def open_pair() -> tuple[Channel, Channel]:
        spool = tmp_path / str(next(runs))
        return await _open(spool, "alice", poll=poll), await _open(spool, "bob", poll=poll)

    asyncio.run(check_channel(open_pair))


def test_nodes_keep_the_contract(tmp_path: Path) -> None:
    async def open_pair() -> tuple[Channel, Channel]:
        spool = tmp_path / "spool"
        return await _open(spool, "alice"), await _open(spool, "bob")

    asyncio.run(check_transfers(open_pair, tmp_path / "nodes"))


def test_polling_keeps_the_contract_in_virtual_time(tmp_path: Path) -> None:
    runs = itertools.count()

    async def open_pair() -> tuple[Channel, Channel]:
        spool = tmp_path / str(next(runs))
        return await _open(spool, "alice", poll=True), await _open(spool, "bob", poll=True)

    run(check_channel(open_pair))


def test_a_text_waits_for_a_peer_that_has_not_started_yet(tmp_path: Path) -> None:
    async def main() -> None:
        async with await _open(tmp_path, "alice") as alice:
            await alice.send("bob", "early")
        async with await _open(tmp_path, "bob") as bob:
            assert await _read(bob, 1) == [IncomingText("alice", "early")]

    asyncio.run(main())


def test_a_text_that_was_not_handled_comes_again_after_a_crash(tmp_path: Path) -> None:
    async def send() -> None:
        async with await _open(tmp_path, "alice") as alice:
            for text in ["one", "two", "three"]:
                await alice.send("bob", text)

    asyncio.run(send())
    # Asks for a second text, so that the first is handled, and dies with it in its hands.
    program = """
import asyncio, os, sys
from ocft.channels import open_local
async def main():
    bob = await open_local("bob", {"spool": sys.argv[1]})
    async for text in bob.texts():
        if text.text == "two":
            os._exit(9)
asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], timeout=PATIENCE, check=False
    )
    assert done.returncode == 9

    async def read() -> list[str]:
        async with await _open(tmp_path, "bob") as bob:
            return [text.text for text in await _read(bob, 2)]

    assert asyncio.run(read()) == ["two", "three"]


def test_two_processes_that_send_at_once_lose_nothing_and_keep_their_order(
    tmp_path: Path,
) -> None:
    program = """
import asyncio, sys
from ocft.channels import open_local
async def main():
    async with await open_local(sys.argv[2], {"spool": sys.argv[1]}) as channel:
        for number in range(200):
            await channel.send("bob", str(number))
asyncio.run(main())
"""

    async def main() -> dict[str, list[str]]:
        received: dict[str, list[str]] = {"alice": [], "carol": []}
        async with (
            await _open(tmp_path, "bob") as bob,
            asyncio.timeout(PATIENCE),
            contextlib.aclosing(bob.texts()) as texts,
        ):
            senders = [
                await asyncio.create_subprocess_exec(
                    sys.executable, "-c", program, str(tmp_path), author
                )
                for author in received
            ]
            for _ in range(400):
                text = await anext(texts)
                received[text.author].append(text.text)
            assert [await sender.wait() for sender in senders] == [0, 0]
        return received

    expected = [str(number) for number in range(200)]
    assert asyncio.run(main()) == {"alice": expected, "carol": expected}


def test_texts_sort_by_time_even_if_the_clock_goes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter([3_000, 2_000, 2_000, 5_000])
    monkeypatch.setattr(time, "time_ns", lambda: next(times))

    async def main() -> list[str]:
        alice, bob = await _open(tmp_path, "alice"), await _open(tmp_path, "bob")
        async with alice, bob:
            for text in ["1", "2", "3", "4"]:
                await alice.send("bob", text)
            return [text.text for text in await _read(bob, 4)]

    assert asyncio.run(main()) == ["1", "2", "3", "4"]


# Case X7: a backlog at startup.
def test_a_backlog_of_20000_texts_is_read_at_once_in_order_and_in_bounded_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So small that the names have to be fetched several times.
    monkeypatch.setattr(spool_module, "NAMES_AT_ONCE", 500)

    async def main() -> list[str]:
        bob = await _open(tmp_path, "bob")
        new = tmp_path / "bob" / "new"
        for number in range(2_000):
            (new / f"{number:06}").write_bytes(b'"alice"\n%d' % number)
        for number in range(2_000, 20_000):
            # Links are made faster than files, and these are only listed.
            os.link(new / "001999", new / f"{number:06}")
        async with bob:
            started = time.monotonic()
            await _read(bob, 1)
            assert time.monotonic() - started < 1
            return [text.text for text in await _read(bob, 1_501)]

    assert asyncio.run(main()) == [str(number) for number in range(1_501)]
    assert len(_new(tmp_path, "bob")) == 20_000 - 1_500


def test_little_is_read_ahead_of_a_slow_reader(tmp_path: Path) -> None:
    async def main() -> None:
        alice, bob = await _open(tmp_path, "alice"), await _open(tmp_path, "bob")
        async with alice, bob:
            for _ in range(20):
                await alice.send("bob", "x" * bob.limits.max_text)
            names: deque[str] = deque()
            assert len(bob._next_batch(names)) <= 5
            assert len(names) >= 15

    asyncio.run(main())


def test_hostile_files_are_passed_over(tmp_path: Path) -> None:
    async def main() -> None:
        alice, bob = await _open(tmp_path, "alice"), await _open(tmp_path, "bob")
        new = tmp_path / "bob" / "new"
        secret = tmp_path / "secret"
        secret.write_text('"alice"\nsecret')
        (new / "01").symlink_to(secret)
        (new / "02").write_bytes(b'"alice"\n' + b"x" * (5 * bob.limits.max_text))
        (new / "03").write_bytes(b"\xff\xfe garbage")
        (new / "04").mkdir()
        os.mkfifo(new / "05")
        (new / "06").write_bytes(b"")
        async with alice, bob:
            await alice.send("bob", "good")
            assert await _read(bob, 1) == [IncomingText("alice", "good")]

    asyncio.run(main())
    left = {path.name for path in _new(tmp_path, "bob")}
    assert {"01", "04", "05"} <= left
    # And the good one, which was not handled, since no other was asked for.
    assert len(left) == 4


@pytest.mark.parametrize("node_id", ["../x", "a/b", "CON", "", "..", "\N{LINK SYMBOL}", "~"])
def test_any_node_id_is_safe_and_arrives_as_the_author(tmp_path: Path, node_id: str) -> None:
    async def main() -> None:
        spool = tmp_path / "root" / "spool"
        channel, peer = await _open(spool, node_id), await _open(spool, "peer")
        async with channel, peer:
            await channel.send("peer", "hello")
            assert await _read(peer, 1) == [IncomingText(node_id, "hello")]
            await peer.send(node_id, "hello yourself")
            assert await _read(channel, 1) == [IncomingText("peer", "hello yourself")]

    asyncio.run(main())
    assert len(list((tmp_path / "root" / "spool").iterdir())) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["root"]


def test_a_spool_that_cannot_be_made_is_a_channel_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(ChannelError, match="the spool cannot be used"):
        asyncio.run(_open(tmp_path / "file", "alice"))


def test_a_spool_that_becomes_unwritable_is_a_channel_error(tmp_path: Path) -> None:
    async def main() -> None:
        async with await _open(tmp_path, "alice") as alice:
            (tmp_path / "bob").write_text("in the way")
            with pytest.raises(ChannelError, match="the spool cannot be used"):
                await alice.send("bob", "x")

    asyncio.run(main())


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_said_to_be_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def rename(self: Path, target: Path) -> None:
        raise OSError(code, os.strerror(code))

    async def main() -> None:
        async with await _open(tmp_path, "alice") as alice:
            monkeypatch.setattr(Path, "rename", rename)
            with pytest.raises(ChannelError, match="disk of the spool is full"):
                await alice.send("bob", "x")
            assert list((tmp_path / "bob" / "tmp").iterdir()) == []

    asyncio.run(main())


def test_a_peer_that_does_not_read_stops_its_senders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_module, "MAX_WAITING", 10)
    monkeypatch.setattr(local_module, "_SENDS_PER_COUNT", 4)

    async def send_many(channel: Channel) -> None:
        for _ in range(100):
            await channel.send("bob", "x")

    async def main() -> None:
        alice, bob = await _open(tmp_path, "alice"), await _open(tmp_path, "bob")
        async with alice, bob:
            with pytest.raises(ChannelError, match="does it run"):
                await send_many(alice)
            assert 10 < len(_new(tmp_path, "bob")) <= 10 + 4
            with pytest.raises(ChannelError):
                await alice.send("bob", "still full")
            await alice.send("carol", "others can be reached")
            await _read(bob, 8)
            await alice.send("bob", "room again")

    asyncio.run(main())


def test_a_waiting_reader_is_woken_within_a_bounded_time(tmp_path: Path) -> None:
    async def main() -> float:
        alice, bob = await _open(tmp_path, "alice"), await _open(tmp_path, "bob")
        async with alice, bob, contextlib.aclosing(bob.texts()) as texts:
            delays = []
            for _ in range(5):
                reading = asyncio.ensure_future(anext(texts))
                # Longer than the quick looks, so that only the watch can wake the reader.
                await asyncio.sleep(0.15)
                started = time.monotonic()
                await alice.send("bob", "x")
                await asyncio.wait_for(reading, PATIENCE)
                delays.append(time.monotonic() - started)
            return min(delays)

    # 16 ms as measured; far below the 5 seconds of the looks that nothing asks for.
    assert asyncio.run(main()) < 0.2


def test_without_a_watch_it_looks_at_intervals_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_watch(*args: object, **kwargs: object) -> None:
        raise OSError(errno.ENOSPC, "OS file watch limit reached")

    monkeypatch.setattr(watchfiles, "awatch", no_watch)

    async def main() -> None:
        alice, bob = await _open(tmp_path, "alice"), await _open(tmp_path, "bob")
        async with alice, bob:
            reading = asyncio.create_task(_read(bob, 1))
            await asyncio.sleep(0.1)
            await alice.send("bob", "x")
            assert await asyncio.wait_for(reading, 2) == [IncomingText("alice", "x")]

    with caplog.at_level(logging.WARNING):
        asyncio.run(main())
    assert "looking at intervals" in caplog.text


def test_texts_are_not_announced_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        alice, bob = await _open(tmp_path, "alice"), await _open(tmp_path, "bob")
        async with alice, bob:
            reading = asyncio.create_task(_read(bob, 1))
            await asyncio.sleep(0.1)
            await alice.send("bob", "x")
            await reading
            await asyncio.sleep(0.1)

    with caplog.at_level(logging.INFO):
        asyncio.run(main())
    assert caplog.records == []


def test_a_spool_removed_under_a_reader_heals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_module, "_WATCH_PAUSE", 0.05)

    async def main() -> None:
        alice, bob = await _open(tmp_path, "alice"), await _open(tmp_path, "bob")
        async with alice, bob:
            reading = asyncio.create_task(_read(bob, 1))
            await asyncio.sleep(0.1)
            (tmp_path / "bob" / "new").rmdir()
            (tmp_path / "bob" / "tmp").rmdir()
            (tmp_path / "bob").rmdir()
            await asyncio.sleep(0.1)
            await alice.send("bob", "x")
            assert await reading == [IncomingText("alice", "x")]

    asyncio.run(main())


def test_cancelling_the_program_while_it_reads_leaves_no_warning(tmp_path: Path) -> None:
    program = """
import asyncio, sys
from ocft.channels import open_local
async def read(spool):
    bob = await open_local("bob", {"spool": spool})
    async for text in bob.texts():
        pass
async def main():
    asyncio.get_running_loop().slow_callback_duration = 60  # a busy machine is no fault of ours
    reader = asyncio.create_task(read(sys.argv[1]))
    await asyncio.sleep(0.3)
    # Neither closed nor awaited: asyncio.run cancels it.
asyncio.run(main())
print("ended")
"""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", program, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("ended\n", "")


def test_a_closed_channel_tells_so_and_keeps_what_was_not_handled(tmp_path: Path) -> None:
    async def main() -> None:
        alice, bob = await _open(tmp_path, "alice"), await _open(tmp_path, "bob")
        await alice.send("bob", "one")
        await _read(bob, 1)
        await bob.close()
        with pytest.raises(ChannelClosedError):
            await bob.send("alice", "x")
        await alice.close()
        assert len(_new(tmp_path, "bob")) == 1

    asyncio.run(main())


def test_opening_removes_what_a_crashed_sender_left(tmp_path: Path) -> None:
    Spool(tmp_path, "bob").make()
    stale = tmp_path / "bob" / "tmp" / "stale"
    stale.write_text("half a te")
    os.utime(stale, (0, 0))

    async def main() -> None:
        async with await _open(tmp_path, "bob"):
            assert not stale.exists()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("options", "setting"),
    [
        ({"spol": "/tmp"}, r"channels\.local\.spol"),
        ({"spool": 7}, r"channels\.local\.spool"),
        ({"spool": ""}, r"channels\.local\.spool"),
        ({"spool": "relative/path"}, r"channels\.local\.spool must be an absolute path"),
        ({"poll": "yes"}, r"channels\.local\.poll"),
    ],
)
def test_a_wrong_option_is_refused_by_name(options: dict[str, object], setting: str) -> None:
    with pytest.raises(ConfigError, match=setting):
        asyncio.run(open_local("alice", options))


def test_a_node_id_that_no_reader_would_accept_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="too long"):
        asyncio.run(_open(tmp_path, "x" * 2000))


def test_the_spool_is_where_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OCFT_SPOOL", str(tmp_path / "from environment"))
    asyncio.run(open_local("alice", {}))
    assert (tmp_path / "from environment" / "alice" / "new").is_dir()
    monkeypatch.setenv("OCFT_SPOOL", "relative")
    with pytest.raises(ConfigError, match="OCFT_SPOOL must be an absolute path"):
        asyncio.run(open_local("alice", {}))


def test_the_spool_is_else_in_the_users_data_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OCFT_SPOOL", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    asyncio.run(open_local("alice", {}))
    assert [path.name for path in tmp_path.rglob("alice")] == ["alice"]
