"""Whom a node takes files from on wire 2, how many, and until when."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from ocft import ChannelLimits, Patience, TransferState, TrustedPeer
from ocft.crypto import make_pairing_code
from ocft.errors import (
    PairingFailedError,
    TransferRejectedError,
    TrustExpiredError,
    UnknownPeerError,
    UnsealError,
    WrongStateError,
    error_for,
)
from ocft.events import OfferRefused, TransferResumed
from ocft.runtime.wire2 import Sessions
from ocft.storage import Database, PeerStore
from ocft.testing import run
from ocft.wire import FrameType
from tests.runtime.pair import DATA, EPOCH, wall_clock, write_source
from tests.runtime.sealed_pair import (
    ALICE,
    BOB,
    Node,
    Room,
    identity_of,
    inside,
    peer_of,
    pump_of,
    sealed_nodes,
)

SLOW = ChannelLimits(max_text=100_000, texts_per_second=2)
BIG = bytes(range(256)) * 4000


def trusting(**fields: Any) -> dict[str, Any]:
    """Return options of a node that knows its peer, alice, with some limits."""
    return {"trusted_peers": [peer_of("alice", **fields)]}


async def send(alice: Node, folder: Path, data: bytes = DATA, name: str = "report.bin") -> str:
    """Send a file; return its transfer's id when it has ended."""
    transfer_id = await alice.manager.send_file("bob", write_source(folder, data, name))
    await alice.end_of(transfer_id)
    return transfer_id


# R-LIM-1: what a peer may do


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"may_send": False}, "NOT_ALLOWED"),
        ({"max_file_size": len(DATA) - 1}, "FILE_TOO_LARGE"),
        ({"bytes_per_day": len(DATA) - 1}, "DAILY_LIMIT"),
    ],
    ids=["may send", "largest file", "bytes a day"],
)
def test_what_a_peer_may_not_send_is_refused_with_a_code(
    tmp_path: Path, fields: dict[str, Any], code: str
) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, None, trusting(**fields)) as (alice, bob):
            transfer_id = await send(alice, tmp_path)
            with pytest.raises(TransferRejectedError, match=code):
                await alice.manager.wait(transfer_id)
            assert bob.manager.list_transfers() == []
            assert bob.tree() == {}

    run(main())


def test_the_largest_transfer_of_the_node_is_looked_up_at_every_offer(tmp_path: Path) -> None:
    async def main() -> None:
        largest = [len(DATA)]
        options = trusting() | {"max_file_size": lambda: largest[0]}
        async with sealed_nodes(tmp_path, None, options) as (alice, bob):
            assert alice.state(await send(alice, tmp_path, name="a")) is TransferState.COMPLETED
            largest[0] -= 1
            assert alice.state(await send(alice, tmp_path, name="b")) is TransferState.REJECTED
            # What is said of the peer stands instead, be it less or more.
            bob.manager._given_peers.clear()
            largest[0] = 100
            await bob.restart(**trusting(max_file_size=len(DATA)))
            assert alice.state(await send(alice, tmp_path, name="c")) is TransferState.COMPLETED

    run(main())


def test_the_owner_is_told_of_an_offer_that_was_refused(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, None, trusting(max_file_size=9)) as (alice, bob):
            transfer_id = await send(alice, tmp_path)
            (event,) = bob.events
            assert isinstance(event, OfferRefused)
            assert (event.transfer_id, event.peer_id, event.size, event.code) == (
                transfer_id,
                "alice",
                len(DATA),
                "FILE_TOO_LARGE",
            )
            assert str(len(DATA)) in event.reason

    run(main())


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"may_send": False}, TransferRejectedError),
        ({"max_file_size": len(DATA) - 1}, TransferRejectedError),
        ({"bytes_per_day": len(DATA) - 1}, TransferRejectedError),
        ({"expires_at": EPOCH}, TrustExpiredError),
    ],
    ids=["may send", "largest file", "bytes a day", "expiry"],
)
def test_a_yes_of_the_owner_is_no_way_around_what_was_said_of_the_peer(
    tmp_path: Path, change: dict[str, Any], error: type[Exception]
) -> None:
    async def main() -> None:
        options = {"trusted_peers": [], "auto_accept": False}
        async with sealed_nodes(tmp_path, None, options) as (alice, bob):
            bob.manager.peers.add(peer_of("alice"))
            transfer_id = await alice.manager.send_file("bob", write_source(tmp_path))
            await bob.until(lambda: "offer-received" in bob.names())
            bob.manager.peers.change("alice", **change)
            with pytest.raises(error):
                await bob.manager.accept_transfer(transfer_id)
            assert bob.state(transfer_id) is TransferState.PENDING
            # What changes its mind again changes that, too.
            bob.manager.peers.change(
                "alice", may_send=True, max_file_size=None, bytes_per_day=None, expires_at=None
            )
            await bob.manager.accept_transfer(transfer_id)
            await alice.manager.wait(transfer_id)

    run(main())


def test_the_bytes_of_a_day_are_counted_for_a_day(tmp_path: Path) -> None:
    async def main() -> None:
        options = trusting(bytes_per_day=2 * len(DATA) + 200)  # their manifests count
        async with sealed_nodes(tmp_path, None, options) as (alice, _):
            states = [alice.state(await send(alice, tmp_path, DATA, f"{n}")) for n in range(3)]
            assert [one.value for one in states if one] == ["completed", "completed", "rejected"]
            await asyncio.sleep(24 * 3600)
            assert alice.state(await send(alice, tmp_path)) is TransferState.COMPLETED

    run(main())


def test_going_on_does_not_count_twice(tmp_path: Path) -> None:
    async def main() -> None:
        options = trusting(bytes_per_day=len(BIG) + 100) | {"patience": Patience(idle=30)}
        async with sealed_nodes(
            tmp_path, {"patience": Patience(idle=30)}, options, limits=SLOW
        ) as (alice, bob):
            transfer_id = await alice.manager.send_file("bob", write_source(tmp_path, BIG))
            await bob.until(lambda: bob.state(transfer_id) and bob.info(transfer_id).bytes_done)
            alice.room.ear = lambda author, to, text: []
            await alice.end_of(transfer_id)
            await bob.end_of(transfer_id)
            alice.room.ear = lambda author, to, text: [text]
            await alice.manager.resume_transfer(transfer_id)
            await alice.manager.wait(transfer_id)
            assert bob.tree() == {"report.bin": BIG}

    run(main())


@pytest.mark.parametrize(("of_node", "of_peer"), [(True, False), (False, True)])
def test_what_is_said_of_a_peer_beats_what_is_said_of_all(
    tmp_path: Path, *, of_node: bool, of_peer: bool
) -> None:
    async def main() -> None:  # R-LIM-3
        options = trusting(auto_accept=of_peer) | {"auto_accept": of_node}
        async with sealed_nodes(tmp_path, None, options) as (alice, bob):
            transfer_id = await alice.manager.send_file("bob", write_source(tmp_path))
            await asyncio.sleep(10)
            assert (alice.state(transfer_id) is TransferState.COMPLETED) is of_peer
            assert bool(bob.tree()) is of_peer

    run(main())


def test_a_limit_that_is_set_meanwhile_ends_the_transfer_at_its_next_offer(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, None, {"trusted_peers": []}, limits=SLOW) as (alice, bob):
            bob.manager.peers.add(peer_of("alice"))
            transfer_id = await alice.manager.send_file("bob", write_source(tmp_path, BIG))
            await bob.until(lambda: bob.state(transfer_id) and bob.info(transfer_id).bytes_done)
            bob.manager.peers.change("alice", may_send=False)
            await alice.restart()
            with pytest.raises(TransferRejectedError, match="NOT_ALLOWED"):
                await alice.manager.wait(transfer_id)
            assert bob.state(transfer_id) is TransferState.REJECTED
            assert bob.parts() == []

    run(main())


@pytest.mark.parametrize("how", ["expiry", "revoke", "another process"])
@pytest.mark.parametrize("side", ["sender", "receiver"])
def test_the_end_of_trust_ends_what_is_under_way(tmp_path: Path, how: str, side: str) -> None:
    async def main() -> None:
        fields = {"expires_at": EPOCH + 8} if how == "expiry" else {}
        options: dict[str, Any] = {"trusted_peers": []}
        async with sealed_nodes(tmp_path, options, options, limits=SLOW) as (alice, bob):
            alice.manager.peers.add(peer_of("bob", **(fields if side == "sender" else {})))
            bob.manager.peers.add(peer_of("alice", **(fields if side == "receiver" else {})))
            await asyncio.sleep(0 if how == "expiry" else 11)  # somebody looks every 10 seconds
            judge, other = (alice, "bob") if side == "sender" else (bob, "alice")
            transfer_id = await alice.manager.send_file("bob", write_source(tmp_path, BIG * 4))
            await bob.until(lambda: bob.state(transfer_id) and bob.info(transfer_id).bytes_done)
            if how == "revoke":
                judge.manager.revoke(other)
            elif how == "another process":
                with Database(judge.home / ".ocft" / "journal.db") as database:
                    PeerStore(database).remove(other)
            info = await judge.end_of(transfer_id)
            assert info.error_code == "TRUST_EXPIRED"
            assert asyncio.get_running_loop().time() < 40
            assert bob.tree() == {}
            # What runs out can be renewed; what is revoked is over.
            assert info.is_resumable is (how == "expiry")
            if judge is bob:
                assert bool(bob.parts()) is (how == "expiry")
                # And it gets nothing more.
                again = await alice.manager.send_file("bob", write_source(tmp_path))
                await asyncio.sleep(200)
                assert alice.state(again) is TransferState.PENDING
                assert bob.manager.get_transfer(again) is None

    run(main())


@pytest.mark.parametrize("side", ["sender", "receiver"])
def test_what_ended_with_the_trust_goes_on_after_it_was_extended(tmp_path: Path, side: str) -> None:
    async def main() -> None:
        fields = {"expires_at": EPOCH + 8}
        options: dict[str, Any] = {"trusted_peers": [], "patience": Patience(decision=300)}
        async with sealed_nodes(tmp_path, options, options, limits=SLOW) as (alice, bob):
            alice.manager.peers.add(peer_of("bob", **(fields if side == "sender" else {})))
            bob.manager.peers.add(peer_of("alice", **(fields if side == "receiver" else {})))
            judge, judged = (alice, bob) if side == "sender" else (bob, alice)
            transfer_id = await alice.manager.send_file("bob", write_source(tmp_path, BIG * 4))
            ends = [await node.end_of(transfer_id) for node in (judge, judged)]
            assert [one.error_code for one in ends] == ["TRUST_EXPIRED", "NOT_TRUSTED"]
            assert all(one.is_resumable for one in ends)
            assert [error_for(one.error_code, "").exit_status for one in ends] == [4, 4]
            stored = bob.info(transfer_id).bytes_done
            assert stored > 0
            # Not before: R-LIM-1, also where the other side goes on.
            with pytest.raises(TrustExpiredError):
                await judge.manager.resume_transfer(transfer_id)
            await judged.manager.resume_transfer(transfer_id)
            await asyncio.sleep(30)
            assert bob.info(transfer_id).bytes_done == stored
            assert judge.info(transfer_id).state is TransferState.FAILED

            judge.manager.peers.extend(judged.name, 3600, wall_clock())
            if alice.info(transfer_id).is_resumable:
                await alice.manager.resume_transfer(transfer_id)
            await alice.until(lambda: alice.state(transfer_id) is TransferState.COMPLETED, 5000)
            assert bob.tree() == {"report.bin": BIG * 4}
            resumed = [one for one in bob.events if isinstance(one, TransferResumed)]
            assert resumed[-1].bytes_done >= stored

    run(main())


def test_an_offer_that_waits_when_the_trust_runs_out_waits_again_when_it_is_renewed(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        options = {"trusted_peers": [], "auto_accept": False}
        async with sealed_nodes(tmp_path, None, options) as (alice, bob):
            bob.manager.peers.add(peer_of("alice", expires_at=EPOCH + 8))
            transfer_id = await alice.manager.send_file("bob", write_source(tmp_path))
            assert (await bob.end_of(transfer_id)).is_resumable
            await alice.end_of(transfer_id)
            bob.manager.peers.extend("alice", 3600, wall_clock())
            await alice.manager.resume_transfer(transfer_id)
            await bob.until(lambda: bob.state(transfer_id) is TransferState.PENDING)
            await asyncio.sleep(5)
            assert bob.tree() == {}
            await bob.manager.accept_transfer(transfer_id)
            await alice.manager.wait(transfer_id)

    run(main())


def test_who_cannot_send_to_a_peer_any_more_can_when_the_trust_was_renewed(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, {"trusted_peers": []}, limits=SLOW) as (alice, bob):
            alice.manager.peers.add(peer_of("bob", expires_at=EPOCH + 8))
            transfer_id = await alice.manager.send_file("bob", write_source(tmp_path, BIG * 4))
            await bob.until(lambda: bob.state(transfer_id) and bob.info(transfer_id).bytes_done)
            await alice.stop()
            await asyncio.sleep(10)
            await alice.start()  # what was under way cannot even be launched
            assert (await alice.end_of(transfer_id)).is_resumable
            alice.manager.peers.extend("bob", 3600, wall_clock())
            await alice.manager.resume_transfer(transfer_id)
            await alice.manager.wait(transfer_id)

    run(main())


@pytest.mark.parametrize("side", ["sender", "receiver"])
def test_a_revocation_is_final_also_for_what_only_could_go_on(tmp_path: Path, side: str) -> None:
    async def main() -> None:
        options: dict[str, Any] = {"trusted_peers": [], "patience": Patience(idle=30)}
        async with sealed_nodes(tmp_path, options, options, limits=SLOW) as (alice, bob):
            alice.manager.peers.add(peer_of("bob"))
            bob.manager.peers.add(peer_of("alice"))
            transfer_id = await alice.manager.send_file("bob", write_source(tmp_path, BIG * 4))
            await bob.until(lambda: bob.state(transfer_id) and bob.info(transfer_id).bytes_done)
            alice.room.ear = lambda author, to, text: []
            judge, other = (alice, "bob") if side == "sender" else (bob, "alice")
            assert (await judge.end_of(transfer_id)).is_resumable
            judge.manager.revoke(other)
            await judge.end_of(transfer_id)
            assert not judge.info(transfer_id).is_resumable
            assert judge.info(transfer_id).error_code == "TRUST_EXPIRED"
            if judge is bob:
                assert bob.parts() == []
            with pytest.raises(WrongStateError):
                await judge.manager.resume_transfer(transfer_id)

    run(main())


def test_a_revoke_while_files_get_their_names_comes_too_late(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, None, {"trusted_peers": []}) as (alice, bob):
            bob.manager.peers.add(peer_of("alice"))
            transfer_id = await alice.manager.send_file("bob", write_source(tmp_path))
            await bob.until(lambda: pump_of(bob, transfer_id))
            publish = pump_of(bob, transfer_id)._publish

            async def revoke_and_publish() -> None:
                bob.manager.revoke("alice")
                await publish()

            pump_of(bob, transfer_id)._publish = revoke_and_publish
            info = await bob.end_of(transfer_id)
            assert info.state is TransferState.COMPLETED
            assert bob.tree() == {"report.bin": DATA}

    run(main())


# R-HSK-3: secrets


def knowing(secret: str = "secret-of-bob") -> dict[str, Any]:
    return {"trusted_peers": [TrustedPeer(id="bob", secret=secret)]}


def test_who_proves_our_secret_needs_no_entry_and_no_approval(tmp_path: Path) -> None:
    async def main() -> None:
        options: dict[str, Any] = {
            "trusted_peers": [],
            "secret": "secret-of-bob",
            "auto_accept": False,
        }
        async with sealed_nodes(tmp_path, knowing(), options) as (alice, bob):
            assert alice.state(await send(alice, tmp_path)) is TransferState.COMPLETED
            assert bob.manager.trust_requests() == []
            # Both have pinned the other's identity.
            for node, peer_id in ((alice, BOB), (bob, ALICE)):
                known = inside(node).trust.nodes.find(peer_id)
                assert known.fingerprint == identity_of(peer_id).public.fingerprint

    run(main())


def test_two_nodes_with_one_secret_need_no_approval_in_either_direction(tmp_path: Path) -> None:
    async def main() -> None:  # R-HSK-3
        def sharing(peer: str) -> dict[str, Any]:
            peers = [TrustedPeer(id=peer, secret="one for both")]
            return {"trusted_peers": peers, "secret": "one for both", "auto_accept": False}

        async with sealed_nodes(tmp_path, sharing("bob"), sharing("alice")) as (alice, bob):
            source = write_source(tmp_path)
            for sender, receiver in ((alice, "bob"), (bob, "alice")):
                transfer_id = await sender.manager.send_file(receiver, source)
                await sender.manager.wait(transfer_id)
            assert alice.tree() == bob.tree() == {"report.bin": DATA}

    run(main())


@pytest.mark.parametrize("secret", ["", "another"])
def test_an_empty_or_wrong_secret_proves_nothing(tmp_path: Path, secret: str) -> None:
    async def main() -> None:  # K11, T-3
        options: dict[str, Any] = {"trusted_peers": [], "secret": secret and "secret-of-bob"}
        async with sealed_nodes(tmp_path, knowing(secret), options) as (alice, bob):
            transfer_id = await alice.manager.send_file("bob", write_source(tmp_path))
            await asyncio.sleep(600)
            assert not alice.info(transfer_id).state.is_final
            assert bob.manager.list_transfers() == []
            # R-HSK-1: a wrong one is as good as none.
            assert [one.id for one in bob.manager.trust_requests()] == [ALICE]

    run(main())


def test_who_claims_to_be_a_peer_without_its_secret_gets_nothing(tmp_path: Path) -> None:
    async def main() -> None:  # R-HSK-4: it must prove the secret that we know of it
        async with sealed_nodes(tmp_path, knowing(), trusting() | {"secret": "secret-of-bob"}) as (
            alice,
            bob,
        ):
            # It says that it is bob, trusts alice, and cannot prove bob's secret.
            await bob.restart(secret="another")
            transfer_id = await send(alice, tmp_path)
            assert alice.info(transfer_id).error_code == "UNSEAL"
            assert bob.manager.list_transfers() == []
            assert inside(alice).sessions.newest(BOB) is None

    run(main())


def test_a_peer_of_which_nothing_is_known_is_not_believed_unless_1_0_is_allowed(
    tmp_path: Path,
) -> None:
    async def main(wires: tuple[str, ...], folder: Path) -> str | None:  # R-HSK-4
        folder.mkdir()
        options = {"trusted_peers": [], "wires": wires}
        async with sealed_nodes(folder, options) as (alice, _):
            transfer_id = await send(alice, folder)
            if alice.state(transfer_id) is TransferState.COMPLETED:
                return None
            with pytest.raises(UnsealError):
                await alice.manager.wait(transfer_id)
            assert alice.info(transfer_id).is_resumable
            return alice.info(transfer_id).error_code

    assert run(main(("2",), tmp_path / "2")) == "UNSEAL"
    assert run(main(("1.0", "2"), tmp_path / "both")) is None


def test_a_former_secret_counts_while_it_overlaps(tmp_path: Path) -> None:
    def secrets(now: float) -> tuple[str, ...]:
        return ("new", "secret-of-bob") if now < EPOCH + 100 else ("new",)

    async def main() -> None:
        options = {"trusted_peers": [], "secrets": secrets, "auto_accept": False}
        async with sealed_nodes(tmp_path, knowing(), options) as (alice, bob):
            assert alice.state(await send(alice, tmp_path)) is TransferState.COMPLETED
            transfer_id = await alice.manager.send_file("bob", write_source(tmp_path, BIG))
            await alice.end_of(transfer_id)
            await asyncio.sleep(100)
            # T-4: the trust that came from it is over, although the root key is still there.
            later = await alice.manager.send_file("bob", write_source(tmp_path, DATA * 2))
            await asyncio.sleep(300)
            assert not alice.info(later).state.is_final
            assert bob.manager.get_transfer(later) is None
            assert "not-allowed" in bob.ignored()

    run(main())


def test_what_is_under_way_ends_with_the_secret_that_let_it_in(tmp_path: Path) -> None:
    def secrets(now: float) -> tuple[str, ...]:
        return ("secret-of-bob",) if now < EPOCH + 10 else ()

    async def main() -> None:
        options = {"trusted_peers": [], "secrets": secrets}
        async with sealed_nodes(tmp_path, knowing(), options, limits=SLOW) as (alice, bob):
            transfer_id = await alice.manager.send_file("bob", write_source(tmp_path, BIG * 4))
            await bob.until(lambda: bob.state(transfer_id) and bob.info(transfer_id).bytes_done)
            assert (await bob.end_of(transfer_id)).error_code == "TRUST_EXPIRED"
            assert wall_clock() < EPOCH + 30

    run(main())


def test_an_expired_peer_that_proves_the_secret_is_asked_about(tmp_path: Path) -> None:
    async def main() -> None:
        options = trusting(expires_at=EPOCH) | {"secret": "secret-of-bob"}
        async with sealed_nodes(tmp_path, knowing(), options) as (alice, bob):
            transfer_id = await alice.manager.send_file("bob", write_source(tmp_path))
            await asyncio.sleep(60)
            assert not alice.info(transfer_id).state.is_final
            assert [one.id for one in bob.manager.trust_requests()] == ["alice"]
            assert inside(bob).sessions.newest(ALICE) is None

    run(main())


# Requests


def test_an_unknown_peer_waits_until_it_is_approved_and_then_goes_on(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, None, {"trusted_peers": []}) as (alice, bob):
            transfer_id = await alice.manager.send_file("bob", write_source(tmp_path))
            await bob.until(bob.manager.trust_requests)
            await asyncio.sleep(1000)
            assert alice.state(transfer_id) is TransferState.PENDING
            assert bob.manager.list_transfers() == []
            (request,) = bob.manager.trust_requests()
            assert request.fingerprint == identity_of("alice").public.fingerprint
            assert (
                bob.names().count("trust-requested") == 1
            )  # it asks again, its owner is told once
            peer = bob.manager.approve(alice.manager.fingerprint())
            assert peer.fingerprint == request.fingerprint
            await alice.manager.wait(transfer_id)
            assert bob.tree() == {"report.bin": DATA}
            assert bob.manager.trust_requests() == []

    run(main())


def test_a_request_that_is_denied_is_forgotten_and_the_stranger_learns_nothing(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        patience = {"patience": Patience(decision=100)}
        async with sealed_nodes(tmp_path, patience, {"trusted_peers": []}) as (alice, bob):
            transfer_id = await alice.manager.send_file("bob", write_source(tmp_path))
            await bob.until(bob.manager.trust_requests)
            said = len(alice.room.frames("bob"))
            bob.manager.deny("alice")
            assert bob.manager.trust_requests() == []
            assert len(alice.room.frames("bob")) == said
            with pytest.raises(UnknownPeerError):
                bob.manager.approve("alice")
            info = await alice.end_of(transfer_id)
            assert info.state is TransferState.FAILED
            assert inside(bob).sessions.newest(ALICE) is None

    run(main())


def test_an_approval_is_of_the_fingerprint_that_asked(tmp_path: Path) -> None:
    async def main() -> None:  # T-5
        async with sealed_nodes(tmp_path, None, {"trusted_peers": []}) as (alice, bob):
            await alice.manager.send_file("bob", write_source(tmp_path))
            await bob.until(bob.manager.trust_requests)
            fingerprint = alice.manager.fingerprint()
            await alice.restart(identity=identity_of("mallory"))  # somebody took over its account
            await bob.until(
                lambda: (
                    bob.manager.trust_requests()[0].fingerprint
                    == identity_of("mallory").public.fingerprint
                )
            )
            with pytest.raises(UnknownPeerError):
                bob.manager.approve(fingerprint)

    run(main())


# R-HSK-2: another identity


def test_another_identity_of_the_receiver_ends_the_handshake_and_nothing_is_sent(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, None, {"identity": identity_of("mallory")}) as nodes:
            alice, bob = nodes
            transfer_id = await send(alice, tmp_path)
            info = alice.info(transfer_id)
            assert info.error_code == "FINGERPRINT_CHANGED"
            assert info.is_resumable  # once the owners have spoken
            assert alice.room.count(FrameType.FINISH) == alice.room.count(FrameType.CONTROL) == 0
            await bob.restart(identity=identity_of("bob"))
            await alice.manager.resume_transfer(transfer_id)
            await alice.manager.wait(transfer_id)
            assert bob.tree() == {"report.bin": DATA}

    run(main())


def test_another_identity_of_the_sender_meets_silence(tmp_path: Path) -> None:
    async def main() -> None:
        options = {"identity": identity_of("mallory"), "patience": Patience(decision=100)}
        async with sealed_nodes(tmp_path, options) as (alice, bob):
            await send(alice, tmp_path)
            assert "fingerprint-changed" in bob.ignored()
            assert alice.room.frames("bob") == []
            assert bob.manager.trust_requests() == []

    run(main())


def test_an_identity_that_was_seen_once_is_pinned(tmp_path: Path) -> None:  # R-HSK-3
    async def main() -> None:
        options = {"trusted_peers": [], "secret": "secret-of-bob"}
        alice_options = knowing() | {"patience": Patience(decision=100)}
        async with sealed_nodes(tmp_path, alice_options, options) as (alice, bob):
            await send(alice, tmp_path)
            await bob.stop()
            (bob.home / ".ocft" / "journal.db").unlink()
            await bob.start(identity=identity_of("mallory"))
            info = alice.info(await send(alice, tmp_path))
            assert info.error_code == "FINGERPRINT_CHANGED"

    run(main())


# Root keys


def test_a_receiver_that_lost_its_root_keys_gets_new_ones(tmp_path: Path) -> None:  # R-HSK-7
    async def main() -> None:
        async with sealed_nodes(tmp_path) as (alice, bob):
            await send(alice, tmp_path)
            inside(bob).sessions.forget(ALICE)
            transfer_id = await send(alice, tmp_path, BIG, "second")
            assert alice.state(transfer_id) is TransferState.COMPLETED
            # Four offers in vain: 3 + 6 + 12 + 24 seconds.
            assert asyncio.get_running_loop().time() < 60

    run(main())


def test_a_handshake_that_nobody_waits_for_is_given_up_and_a_new_one_begins_at_once(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path) as (alice, bob):
            alice.room.ear = lambda author, to, text: []
            first = await alice.manager.send_file("bob", write_source(tmp_path))
            await asyncio.sleep(5)
            second = write_source(tmp_path, BIG, "second")
            await alice.manager.cancel_transfer(first)
            alice.room.ear = lambda author, to, text: [text]
            for pause in range(8):  # wherever the end of the first one is at the moment
                transfer_id = await alice.manager.send_file("bob", second)
                for _ in range(pause):
                    await asyncio.sleep(0)
                await alice.manager.cancel_transfer(transfer_id)
            transfer_id = await alice.manager.send_file("bob", second)
            await alice.manager.wait(transfer_id)
            assert bob.tree() == {"second": BIG}

    run(main())


def test_many_handshakes_that_wait_keep_no_answer_from_others(tmp_path: Path) -> None:
    async def main() -> None:
        names = [f"peer-{number}" for number in range(40)]
        peers = [peer_of("bob"), *(peer_of(name, fingerprint=bytes(32)) for name in names)]
        async with sealed_nodes(tmp_path, {"trusted_peers": peers}) as (alice, bob):
            source = write_source(tmp_path)
            for name in names:
                await alice.manager.send_file(name, source)
            await asyncio.sleep(1)
            await bob.manager.wait(await bob.manager.send_file("alice", source))
            assert alice.tree() == {"report.bin": DATA}

    run(main())


def test_many_handshakes_of_a_peer_leave_two_root_keys(tmp_path: Path) -> None:
    async def main() -> None:  # R-HSK-4
        async with sealed_nodes(tmp_path) as (alice, bob):
            for _ in range(10):
                await inside(alice).handshakes.session_with(BOB, anew=True)
            await asyncio.sleep(1)
            for node in (alice, bob):
                sessions: Sessions = inside(node).sessions
                assert len(sessions._live) <= 2
            assert alice.state(await send(alice, tmp_path)) is TransferState.COMPLETED

    run(main())


# R-PAI: pairing


def strangers() -> tuple[dict[str, Any], dict[str, Any]]:
    return {"trusted_peers": [], "node_name": "Alice's"}, {"trusted_peers": []}


async def pair(shows: Node, types: Node, **options: Any) -> tuple[TrustedPeer, TrustedPeer]:
    code = make_pairing_code()
    showing = asyncio.create_task(shows.manager.show_pairing_code(code, **options))
    await asyncio.sleep(0)
    typed = await types.manager.pair(code.text, shows.name)
    return await showing, typed


def test_a_code_makes_two_strangers_peers(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, *strangers()) as (alice, bob):
            shown, typed = await pair(alice, bob)
            assert (shown.id, typed.id, typed.name) == ("bob", "alice", "Alice's")
            assert shown.fingerprint == identity_of("bob").public.fingerprint
            assert typed.fingerprint == identity_of("alice").public.fingerprint
            for node in (alice, bob):
                assert node.names() == ["peer-paired"]
            assert alice.state(await send(alice, tmp_path)) is TransferState.COMPLETED
            there = await bob.manager.send_file("alice", write_source(tmp_path))
            await bob.manager.wait(there)

    run(main())


def test_a_code_works_although_every_other_text_is_lost_or_comes_twice(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, *strangers()) as (alice, bob):
            alice.room.ear = lambda author, to, text: [text, text][: len(alice.room.said) % 3]
            await pair(alice, bob)
            for node in (alice, bob):
                assert node.names("message-ignored") == ["peer-paired"]

    run(main())


def test_a_wrong_code_ends_on_both_sides_and_makes_no_peer(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, *strangers()) as (alice, bob):
            code, other = make_pairing_code(), make_pairing_code()
            wrong = f"{code.number}-{other.text.split('-', 1)[1]}"
            showing = asyncio.create_task(alice.manager.show_pairing_code(code, within=30))
            with pytest.raises(PairingFailedError):
                await bob.manager.pair(wrong, "alice")
            # The code is burned: the right one comes too late (R-PAI-2).
            with pytest.raises(PairingFailedError):
                await bob.manager.pair(code.text, "alice", within=10)
            with pytest.raises(PairingFailedError):
                await showing
            assert alice.manager.peers.all() == bob.manager.peers.all() == []

    run(main())


def test_a_code_lives_for_a_while_only(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, *strangers()) as (alice, bob):
            code = make_pairing_code()
            with pytest.raises(PairingFailedError):
                await alice.manager.show_pairing_code(code, within=600)
            with pytest.raises(PairingFailedError):
                await bob.manager.pair(code.text, "alice")

    run(main())


def test_who_pairs_cannot_take_the_place_of_another_peer(tmp_path: Path) -> None:
    async def main() -> None:  # T-1: a code makes a peer of its account, not of every name
        room = Room()
        bob = Node(room, "bob", tmp_path, trusted_peers=[])
        mallory = Node(room, "alice", tmp_path / "m", identity=identity_of("mallory"))
        await bob.start()
        bob.manager.peers.add(peer_of("alice"))
        room.ear = lambda author, to, text: []
        await mallory.start()
        # Its account is called "mallory"; it says that it is alice.
        room.ear = lambda author, to, text: (
            room.say("mallory" if author == "alice" else author, to, text) or []  # type: ignore[func-returns-value]
        )
        room._here["mallory"] = mallory.channel
        code = make_pairing_code()
        showing = asyncio.create_task(bob.manager.show_pairing_code(code, within=20))
        with pytest.raises(PairingFailedError):
            await mallory.manager.pair(code.text, "bob", within=20)
        with pytest.raises(PairingFailedError):
            await showing
        assert bob.manager.peers.get("alice") == peer_of("alice")
        await mallory.stop()
        await bob.stop()

    run(main())


def test_pairing_again_keeps_what_a_peer_may_do_and_replaces_its_identity(tmp_path: Path) -> None:
    async def main() -> None:  # R-HSK-4
        async with sealed_nodes(tmp_path, {"trusted_peers": []}, {"trusted_peers": []}) as nodes:
            alice, bob = nodes
            alice.manager.peers.add(peer_of("bob"))
            bob.manager.peers.add(
                peer_of("alice", bytes_per_day=9, may_send=False, secret="s", expires_at=EPOCH)
            )
            await alice.restart(identity=identity_of("mallory"))  # it was set up anew
            await pair(alice, bob)
            peer = bob.manager.peers.get("alice")
            assert peer.fingerprint == identity_of("mallory").public.fingerprint
            assert (peer.bytes_per_day, peer.may_send, peer.secret) == (9, False, "s")
            assert peer.expires_at is None
            with pytest.raises(TransferRejectedError, match="NOT_ALLOWED"):
                await alice.manager.wait(await send(alice, tmp_path))

    run(main())
