"""Two processes that know a spoken code, one folder, twenty `kill -9`, and nothing to overhear.

The channel carries 2,000 characters a text, loses some, and all that is said on it is recorded.
"""

import asyncio
import json
import multiprocessing
import random
import sqlite3
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import closing, suppress
from functools import partial
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from ocft.channels import Channel, IncomingText
from ocft.crypto import make_pairing_code
from ocft.wire import decode, encode_cbor
from tests.e2e.paired_node_process import LIMITS, make_manager, run_node

KILLS = 20
FOLDER = "quarterly-figures"
SIZES = {
    "summary-of-all.bin": 370_001,
    "maps/northern-coast.bin": 490_017,
    "maps/deep/southern-coast.bin": 823_457,
    "nothing-at-all.txt": 0,
}
_PATIENCE = 60.0  # seconds, many times what the test takes
_BLOCK = 8  # 16 bytes in a row hold 8 at a place that is a multiple of 8
_TABLES = ("transfers", "peers", "sessions", "manifests", "synced", "requests_for_trust")

Texts = list[tuple[str, str, str]]


def test_a_folder_survives_twenty_kills_and_nobody_can_read_it(tmp_path: Path) -> None:
    chance = random.Random(1)
    files = {f"{FOLDER}/{name}": chance.randbytes(size) for name, size in SIZES.items()}
    for name, data in files.items():
        (tmp_path / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "source" / name).write_bytes(data)

    _send_with_kills(tmp_path, tmp_path / "source" / FOLDER, chance)

    arrived = _files(tmp_path / "bob")
    assert {name: data == files[name] for name, data in arrived.items()} == dict.fromkeys(
        files, True
    )
    assert list((tmp_path / "bob" / ".ocft" / "partial").iterdir()) == []
    texts = _recorded(tmp_path / "record")
    _assert_nothing_can_be_read(texts, files)
    for name in ("alice", "bob"):
        before = _state(tmp_path / name)
        asyncio.run(_replay(name, tmp_path, texts))
        assert _state(tmp_path / name) == before


def _send_with_kills(folder: Path, source: Path, chance: random.Random) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.e2e.paired_node_process"])
    code = make_pairing_code().text  # spoken on the telephone

    def start(name: str) -> ForkServerProcess:
        file = source if name == "alice" else None
        process = context.Process(target=run_node, args=(name, folder, code, file))
        process.start()
        return process

    record = folder / "record"
    nodes = {name: start(name) for name in ("alice", "bob")}
    for name in nodes:
        _wait_until((folder / f"{name}.paired").exists)
    for _ in range(KILLS):
        # Every kill hits a transfer that has moved on since the one before, at a random moment.
        goal = _lines(record) + chance.randrange(1, 16)
        _wait_until(partial(_has_come_to, goal, record, folder))
        assert not list(folder.glob("*.done")), "all was over before the last kill"
        time.sleep(chance.random() * 0.01)
        for name in chance.choice([["alice"], ["bob"], ["alice", "bob"]]):
            nodes[name].kill()
            nodes[name].join()
            nodes[name] = start(name)
    for node in nodes.values():
        node.join(_PATIENCE)
        assert node.exitcode == 0


def _recorded(record: Path) -> Texts:
    """Return what was said, without the few lines in whose midst a process was killed."""
    texts: Texts = []
    lines = record.read_text().splitlines()
    for line in lines:
        with suppress(ValueError):
            author, to, text = json.loads(line)
            texts.append((author, to, text))
    assert len(texts) >= len(lines) - KILLS
    return texts


def _assert_nothing_can_be_read(texts: Texts, files: dict[str, bytes]) -> None:
    sizes = [*SIZES.values(), sum(SIZES.values())]
    names = {part.encode() for name in files for part in (name, *name.split("/")) if len(part) > 9}
    readable = names | {str(size).encode() for size in sizes if size}
    # As CBOR: 5 bytes, which turn up in some of the noise once in a million tests.
    readable |= {encode_cbor(size) for size in sizes if size}
    blocks = {
        data[place : place + _BLOCK]
        for data in files.values()
        for place in range(len(data) - _BLOCK + 1)
    }
    assert len(texts) > 100
    for _, _, text in texts:
        frames = decode(text)
        assert len(frames) == 1
        frame = frames[0]
        assert isinstance(frame, bytes)
        for one in readable:
            assert one not in frame
            assert one.decode("latin-1") not in text or len(one) < _BLOCK
        assert not any(
            frame[place : place + _BLOCK] in blocks
            for place in range(0, len(frame) - _BLOCK + 1, _BLOCK)
        )


class _DeafChannel(Channel):
    """Takes the place of the local channel: nobody is there."""

    name = "local"
    limits = LIMITS

    def __init__(self) -> None:
        self.said = 0

    async def send(self, to: str, text: str) -> None:
        self.said += 1

    async def texts(self) -> AsyncGenerator[IncomingText, None]:
        await asyncio.Event().wait()
        yield IncomingText("", "")

    async def close(self) -> None:
        pass


async def _replay(name: str, folder: Path, texts: Texts) -> None:
    """Say everything to a node again, in order and in disorder."""
    channel = _DeafChannel()
    async with make_manager(name, folder, channel) as manager:
        happened: list[str] = []
        for event in ("offer-received", "transfer-resumed", "transfer-completed", "peer-paired"):
            manager.on(event, lambda event: happened.append(event.name))
        for one in (texts, random.Random(2).sample(texts, len(texts))):
            for author, _, text in one:
                assert await manager.handle_message(author, text)
        await asyncio.sleep(0.5)  # for answers to what ended long ago
        assert happened == []
        # Its answers are a few `done`, not a file.
        assert channel.said < len(texts) / 2


def _state(home: Path) -> dict[str, Any]:
    """Return the files and the journal, but for the moment when the peer was seen last."""
    path = home / ".ocft" / "journal.db"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        tables = {
            table: connection.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608
            for table in _TABLES
        }
        nodes = connection.execute("SELECT id, fingerprint, wire, secret_tag FROM nodes").fetchall()
    return {**tables, "nodes": nodes, "files": _files(home)}


def _files(home: Path) -> dict[str, bytes]:
    return {
        path.relative_to(home).as_posix(): path.read_bytes()
        for path in home.rglob("*")
        if path.is_file() and ".ocft" not in path.parts
    }


def _has_come_to(goal: int, record: Path, folder: Path) -> bool:
    return _lines(record) >= goal or any(folder.glob("*.done"))


def _lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def _wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not is_so():
        assert time.monotonic() < deadline, "the transfer stands still"
        time.sleep(0.002)
