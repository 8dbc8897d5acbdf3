"""What a program says about strangers and peers: approve, deny, revoke."""

from pathlib import Path
from typing import Any

import pytest

from ocft import TrustedPeer
from ocft.crypto import format_fingerprint
from ocft.errors import FingerprintChangedError, UnknownPeerError
from ocft.testing import run
from tests.runtime.sealed_pair import ALICE, Node, identity_of, sealed_nodes, write_files

STRANGER: dict[str, Any] = {"trusted_peers": []}
SHOWN = format_fingerprint(identity_of("alice").public.fingerprint)


def ask(bob: Node) -> None:
    """Let alice ask to be trusted."""
    fingerprint = identity_of("alice").public.fingerprint
    bob.manager._trust_or_fail().approvals.add(ALICE, "U1", fingerprint, 1_800_000_000.0)


@pytest.mark.parametrize("named", ["alice", SHOWN, SHOWN.upper().replace("-", "")])
def test_a_stranger_is_approved_by_all_of_its_id_or_fingerprint(tmp_path: Path, named: str) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, bob=STRANGER) as (_, bob):
            ask(bob)
            for part in (SHOWN[:4], SHOWN[:-1]):
                with pytest.raises(UnknownPeerError):
                    bob.manager.approve(part)
            peer = bob.manager.approve(named, name="friend", expires_at=1_900_000_000.0)
            assert (peer.name, peer.address, peer.expires_at) == ("friend", None, 1_900_000_000.0)
            assert bob.manager.trust_requests() == []

    run(main())


def test_approving_a_peer_keeps_its_secret_and_limits_and_never_exchanges_its_keys(
    tmp_path: Path,
) -> None:  # R-HSK-2
    async def main() -> None:
        async with sealed_nodes(tmp_path, bob=STRANGER) as (_, bob):
            peers = bob.manager.peers
            peers.add(TrustedPeer(id="alice", secret="s", max_file_size=9))
            ask(bob)
            peer = bob.manager.approve("alice")
            assert (peer.secret, peer.max_file_size) == ("s", 9)
            peers.change("alice", fingerprint=bytes(32))
            ask(bob)
            with pytest.raises(FingerprintChangedError):
                bob.manager.approve("alice")
            assert peers.get("alice").fingerprint == bytes(32)

    run(main())


def test_who_is_no_peer_but_proved_our_secret_can_be_revoked(tmp_path: Path) -> None:  # R-HSK-3
    async def main() -> None:
        secret = {"trusted_peers": [TrustedPeer(id="bob", secret="open sesame")]}
        options = STRANGER | {"secret": "open sesame"}
        async with sealed_nodes(tmp_path, alice=secret, bob=options) as (alice, bob):
            folder = write_files(tmp_path, a__txt=b"a")
            await alice.manager.wait(await alice.manager.send_file("bob", folder))
            trust = bob.manager._trust_or_fail()
            assert trust.knows_our_secret(ALICE)
            bob.manager.revoke("alice")
            assert not trust.is_trusted(ALICE)
            for name in ("alice", "carol"):
                with pytest.raises(UnknownPeerError):
                    bob.manager.revoke(name)

    run(main())
