"""Peers that speak wire 1.0 only, from the command line."""

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest

from ocft import TransferManager, TrustedPeer
from ocft.channels import open_local
from ocft.config import Config
from ocft.errors import TransferError
from ocft.events import OfferReceived
from ocft.ids import NodeId
from ocft.storage import Database, NodeStore
from tests.e2e.old_node_process import OLD
from tests.e2e.people import Person, digest, finish, make_file


class OldNode:
    """A bot whose node speaks 1.0 only, in a thread."""

    def __init__(self, folder: Path, peer: Config, spool: Path, *, refuses: str = "") -> None:
        self.folder = folder
        self._peer = peer
        self._spool = spool
        self._refuses = refuses
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def __enter__(self) -> Self:
        self._thread.start()
        self._call(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def send(self, file: Path) -> str:
        """Send a file to its end; return what it ended with."""
        return str(self._call(self._send(file)))

    def received(self) -> list[Path]:
        return sorted(path for path in self.folder.glob("*") if path.is_file())

    def _call(self, work: object) -> object:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)  # type: ignore[arg-type]  # a coroutine

    async def _open(self) -> None:
        self._channel = await open_local(OLD.node_id, {"spool": str(self._spool)})
        self._manager = TransferManager(
            wires=("1.0",),
            bot_id=OLD.node_id,
            secret=OLD.secret,
            download_dir=self.folder,
            channel=self._channel,
            trusted_peers=[TrustedPeer(id=self._peer.node_id, secret=self._peer.secret)],
        )
        if self._refuses:
            self._manager.on("offer-received", self._refuse)
        await self._manager.start()

    async def _refuse(self, event: OfferReceived) -> None:
        await self._manager.reject_transfer(event.transfer_id, self._refuses)

    async def _close(self) -> None:
        await self._manager.close()
        await self._channel.close()

    async def _send(self, file: Path) -> str:
        try:
            await self._manager.wait(await self._manager.send_file(self._peer.node_id, file))
        except TransferError as error:
            return error.code
        return "sent"


def know_as_old(person: Person, *, secret: str | None = None, **known: Any) -> None:
    """Let somebody know the node as one of 1.0; to find that out takes 15 s (R-WIR-1)."""
    person.trust(OLD, secret=secret, **known)
    with Database(person.home / "state" / "journal.db") as database:
        NodeStore(database).learn(NodeId(OLD.node_id), wire="1.0", wire_learned_at=time.time())


@pytest.fixture
def old(bob: Person, tmp_path: Path) -> Iterator[OldNode]:
    """A node of 1.0 that bob knows."""
    know_as_old(bob)
    with OldNode(tmp_path / "old", bob.config, tmp_path / "spool") as node:
        yield node


def test_files_go_one_by_one_and_are_readable_by_all(
    bob: Person, old: OldNode, tmp_path: Path
) -> None:
    files = [make_file(tmp_path / name) for name in ("a", "b")]
    sent = bob.json("send", *map(str, files), "--to", "old")
    assert [info["wire"] for info in sent[-1]["transfers"]] == ["1.0", "1.0"]
    assert [digest(path) for path in old.received()] == [digest(file) for file in files]
    assert "readable by all" in bob("peers", "show", "old")


def test_a_folder_is_no_file_for_1_0(bob: Person, old: OldNode, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("a", "b"):
        make_file(folder / name, 10)
    sender = bob.start("send", str(folder), "--to", "old")
    status, _, err = finish(sender)
    assert status == 7, err
    assert "1.0" in err
    assert old.received() == []


def test_what_comes_from_1_0_is_taken_while_that_is_allowed(
    bob: Person, old: OldNode, tmp_path: Path
) -> None:
    bob.listen()
    file = make_file(tmp_path / "file")
    assert old.send(file) == "sent"
    assert [digest(path) for path in bob.received()] == [digest(file)]


def test_1_0_can_be_forbidden_for_a_peer(bob: Person, old: OldNode, tmp_path: Path) -> None:
    # R-WIR-3
    bob("peers", "limit", "old", "--no-wire-1")
    file = make_file(tmp_path / "file")
    bob("send", str(file), "--to", "old", "--timeout", "1.5", status=5)
    assert old.received() == []


def test_a_refusal_of_1_0_says_why_and_cannot_disturb_the_terminal(
    bob: Person, tmp_path: Path
) -> None:
    know_as_old(bob, secret="wrong secret")
    spool = tmp_path / "spool"
    with OldNode(tmp_path / "old", bob.config, spool, refuses="not \x1b[1A today"):
        sender = bob.start("send", str(make_file(tmp_path / "file")), "--to", "old")
        status, _, err = finish(sender)
    assert status == 7
    assert "not \\x1b[1A today" in err
