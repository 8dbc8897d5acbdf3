"""`ocft.runtime.wire2.sealing`: what a manager needs of wire 2, and that it ends."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from ocft.crypto import make_pairing_code
from ocft.errors import ConfigError
from ocft.testing import run
from tests.runtime.pair import write_source
from tests.runtime.sealed_pair import BOB, inside, peer_of, sealed_nodes


def test_nothing_runs_after_the_end(tmp_path: Path) -> None:
    async def main() -> None:
        before = asyncio.all_tasks()
        peers = {"trusted_peers": [peer_of("bob"), peer_of("carol")]}
        async with sealed_nodes(tmp_path, peers) as (alice, _):
            alice.room.ear = lambda author, to, text: []
            await alice.manager.send_file("carol", write_source(tmp_path))
            waiting = asyncio.create_task(inside(alice).handshakes.session_with(BOB))
            showing = asyncio.create_task(alice.manager.show_pairing_code(make_pairing_code()))
            await asyncio.sleep(5)
            assert len(asyncio.all_tasks()) > len(before) + 4
            await alice.stop()
            await asyncio.wait([waiting])
            showing.cancel()
            await asyncio.wait([showing])
            await alice.start()
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == before

    run(main())


def test_without_wire_2_there_is_no_identity_and_no_pairing(tmp_path: Path) -> None:
    async def main() -> None:
        options: dict[str, Any] = {"wires": ("1.0",), "identity": None, "trusted_peers": []}
        async with sealed_nodes(tmp_path, options) as (alice, _):
            assert not (alice.home / ".ocft" / "identity").exists()
            with pytest.raises(ConfigError):
                await alice.manager.show_pairing_code(make_pairing_code())

    run(main())


def test_an_identity_is_made_once_and_kept(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, {"identity": None}) as (alice, _):
            fingerprint = alice.manager.fingerprint()
            path = alice.home / ".ocft" / "identity"
            assert path.stat().st_mode & 0o077 == 0
            await alice.restart()
            assert alice.manager.fingerprint() == fingerprint

    run(main())
