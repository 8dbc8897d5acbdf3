"""What the platform and the room can do with what they read: nothing that counts.

The ids (K7, R11, ...) are those of our list of hostile cases; T-n is of docs/threat-model.md.
"""

import asyncio
import logging
from pathlib import Path
from unittest import mock

import pytest

from ocft import ChannelLimits, Patience, TransferState
from ocft.crypto import make_pairing_code
from ocft.errors import PairingFailedError
from ocft.ids import TransferId
from ocft.testing import run
from ocft.wire import (
    FrameType,
    TransferAccept,
    decode,
)
from tests.runtime.hostility import (
    all_that_counts,
    an_offer,
    befriend,
    identity_key,
    replace_offer,
    say,
    session_of,
    text_of,
)
from tests.runtime.pair import DATA, wall_clock, write_source
from tests.runtime.sealed_pair import (
    ALICE,
    BOB,
    NARROW,
    Node,
    Room,
    identity_of,
    inside,
    peer_of,
    pump_of,
    sealed_nodes,
    write_files,
)

BIG = bytes(range(256)) * 4000
SLOW = ChannelLimits(max_text=100_000, texts_per_second=5)

# K: keys and secrets


@pytest.mark.parametrize("kind", ["bits", "cut", "spliced", "reflected"])
def test_forged_frames_change_nothing(tmp_path: Path, kind: str) -> None:
    """K1, K3, K5, K7: whatever is made from a recording without a key."""

    async def main() -> None:
        async with sealed_nodes(tmp_path) as (alice, bob):
            await befriend(alice, bob, tmp_path)
            await alice.end_of(await alice.manager.send_file("bob", write_files(tmp_path, a=DATA)))
            await asyncio.sleep(1)
            before = all_that_counts(alice), all_that_counts(bob)
            recorded = [
                (author, to, frame)
                for author, to, text in alice.room.said
                for frame in decode(text)
                if isinstance(frame, bytes)
            ]
            said = len(alice.room.said)
            for author, to, frame in recorded:
                match kind:
                    case "reflected":
                        forged = [(to, author, frame)]
                    case "bits":
                        places = {1, 8, 9, 20, len(frame) // 2, len(frame) - 1} & set(
                            range(len(frame))
                        )
                        forged = [
                            (author, to, frame[:n] + bytes([frame[n] ^ 1]) + frame[n + 1 :])
                            for n in places
                        ]
                    case "cut":
                        forged = [
                            (author, to, frame[:n]) for n in (1, 9, len(frame) // 2, len(frame) - 1)
                        ]
                    case _:
                        forged = [
                            (author, to, frame[:9] + other[9:])
                            for who, _, other in recorded
                            if other is not frame and other[0] == frame[0]
                        ]
                for one in forged:
                    alice.room.say(one[0], one[1], text_of(one[2]))
            await asyncio.sleep(30)
            assert (all_that_counts(alice), all_that_counts(bob)) == before
            # A handshake that was damaged where it does not show at once is answered, no more.
            answers = [text for _, _, text in alice.room.said[said:]]
            assert {FrameType(decode(one)[0][0]).name for one in answers} <= {"REPLY"}  # type: ignore[index]

    run(main())


def test_an_ephemeral_key_of_low_order_ends_in_an_error(tmp_path: Path) -> None:  # K9
    async def main() -> None:
        async with sealed_nodes(tmp_path) as (alice, bob):
            await befriend(alice, bob, tmp_path)
            offer = an_offer(ephemeral=bytes(32))
            await say(alice, BOB, offer)
            info = await bob.end_of(offer.transfer_id)
            assert info.error_code == "UNSEAL"
            # And as a receiver: the accept is not heard, the transfer goes on with a good one.
            hostile = await bob.manager.send_file("alice", write_source(tmp_path, BIG))
            await bob.until(lambda: pump_of(bob, hostile) and pump_of(bob, hostile)._offer)
            accept = TransferAccept(
                transfer_id=TransferId(hostile),
                epoch=1,
                ephemeral=bytes(32),
                is_decided=True,
                limit=10,
                ranges=(),
            )
            await say(alice, BOB, accept)
            await bob.manager.wait(hostile)

    run(main())


def test_no_secret_is_ever_written_said_or_shown(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """K13: not in logs, events, errors, representations, texts, nor (but for one) the journal."""
    caplog.set_level(logging.DEBUG)
    shown: list[str] = []

    async def main() -> None:
        secret = "the-secret-of-bob"
        peers = [peer_of("bob", fingerprint=None, secret=secret)]
        async with sealed_nodes(
            tmp_path, {"trusted_peers": []}, {"secret": secret, "trusted_peers": []}, limits=NARROW
        ) as (alice, bob):
            alice.manager.peers.add(peers[0])
            code = make_pairing_code()
            await befriend(alice, bob, tmp_path)
            source = write_source(tmp_path, BIG)
            transfer_id = await alice.manager.send_file("bob", source)
            await bob.until(lambda: pump_of(bob, transfer_id) and pump_of(bob, transfer_id)._epoch)
            epochs = [pump_of(node, transfer_id)._epoch for node in (alice, bob)]
            source.write_bytes(b"another")
            await alice.end_of(transfer_id)
            with pytest.raises(PairingFailedError) as failed:
                await alice.manager.pair(code.text, "bob", within=5)
            roots = [session_of(alice, BOB), session_of(bob, ALICE)]
            assert roots[0].root == roots[1].root
            session = roots[0]
            keys = [
                session.root,
                session.keys.seal_key,
                session.keys.open_key,
                *(identity_of(name).to_bytes()[:64] for name in ("alice", "bob")),
                *(identity_of(name).storage_key() for name in ("alice", "bob")),
            ]
            shown.append(caplog.text)
            shown.extend(repr(event) + str(event) for node in (alice, bob) for event in node.events)
            shown.append(repr(failed.value))
            for node in (alice, bob):
                wire = inside(node)
                things = (
                    wire,
                    wire.trust,
                    wire.sessions,
                    wire.handshakes,
                    wire.sessions._live,
                    list(wire.sessions._live.values()),
                    wire.sessions._store.all(wall_clock()),
                    node.manager,
                    vars(node.manager),
                    node.manager.peers.all(),
                    node.manager._admission,
                    code,
                    epochs,
                    node.manager.list_transfers(),
                )
                shown.extend(map(repr, things))
            everything = "\n".join(shown)
            for key in keys:
                for form in (key.hex(), repr(key)[2:-1], text_of(key)[7:40]):
                    assert form not in everything
            words = code.text.split("-", 1)[1]
            assert secret not in everything
            assert words not in everything
            texts = b"".join(alice.room.frames()) + "".join(
                text for _, _, text in alice.room.said
            ).encode("utf-8")
            for hidden in [*keys, secret.encode(), words.encode()]:
                assert hidden not in texts
            for node in (alice, bob):
                state = node.home / ".ocft"
                journal = b"".join(path.read_bytes() for path in state.glob("journal.db*"))
                assert all(key not in journal for key in keys)
                assert (secret.encode() in journal) is (node is alice)  # as a peer's, to prove it
                assert words.encode() not in journal

    run(main())


def test_nothing_of_a_file_can_be_read_in_the_chat(tmp_path: Path) -> None:  # R-CTL-1
    async def main() -> None:
        async with sealed_nodes(tmp_path, limits=NARROW) as (alice, _):
            lines = b"".join(b"the plan, step %d\n" % number for number in range(2000))
            folder = write_files(tmp_path, plan_for_monday__txt=lines)
            await alice.end_of(await alice.manager.send_file("bob", folder))
            frames = b"".join(alice.room.frames())
            texts = "".join(text for _, _, text in alice.room.said)
            for hidden in (b"plan_for_monday", b"set/", b"the plan", str(len(lines)).encode()):
                assert hidden not in frames
                assert hidden.decode() not in texts

    run(main())


# R: replay, order, authors


def test_a_recording_replayed_to_both_changes_nothing(tmp_path: Path) -> None:
    """R11, F19: at once, after a restart, and by the account that wrote it or another."""

    async def main() -> None:
        async with sealed_nodes(tmp_path) as (alice, bob):
            await befriend(alice, bob, tmp_path)
            back = await bob.manager.send_file("alice", write_files(tmp_path, a=DATA, b=b""))
            await bob.end_of(back)
            refused = await alice.manager.send_file("bob", write_source(tmp_path, BIG, "cancelled"))
            await alice.manager.cancel_transfer(refused)
            await asyncio.sleep(30)
            before = all_that_counts(alice), all_that_counts(bob)
            recorded = list(alice.room.said)
            for restart in (False, True):
                if restart:
                    await alice.restart()
                    await bob.restart()
                for author, _, text in recorded:
                    for who in (author, "mallory"):
                        for whom in ("alice", "bob"):
                            alice.room.say(who, whom, text)
                await asyncio.sleep(200)
                assert (all_that_counts(alice), all_that_counts(bob)) == before
            # Nothing in this makes two honest nodes talk without end.
            assert len(alice.room.said) < 3 * len(recorded)

    run(main())


def test_an_offer_that_was_forgotten_is_not_taken_again(tmp_path: Path) -> None:  # R11, R-CTL-4
    async def main() -> None:
        async with sealed_nodes(tmp_path) as (alice, bob):
            await befriend(alice, bob, tmp_path)
            first = an_offer(ephemeral=identity_key())
            await say(alice, BOB, first)
            await bob.manager.cancel_transfer(first.transfer_id)
            await bob.end_of(first.transfer_id)
            bob.manager._journal.remove(TransferId(first.transfer_id))
            old = replace_offer(first, transfer_id="xfer_another", offered_at=first.offered_at - 1)
            ahead = an_offer(offered_at=int(wall_clock() * 1000) + 25 * 3600 * 1000)
            for offer in (first, old, ahead):
                await say(alice, BOB, offer)
                assert bob.manager.get_transfer(offer.transfer_id) is None
            assert bob.ignored()[-3:] == ["replay"] * 3
            newer = an_offer(ephemeral=identity_key())
            await say(alice, BOB, newer)
            assert bob.state(newer.transfer_id) is not None

    run(main())


def test_texts_of_another_author_are_not_heard_even_if_they_come_first(tmp_path: Path) -> None:
    """R13, T-1: who copies a text out of the room is not its author, and does not use it up."""

    async def main() -> None:
        async with sealed_nodes(tmp_path) as (alice, bob):
            alice.room.ear = lambda author, to, text: (
                alice.room.say("mallory", to, text) or [text]  # type: ignore[func-returns-value]
            )
            transfer_id = await alice.manager.send_file("bob", write_files(tmp_path, a=DATA))
            await alice.manager.wait(transfer_id)
            assert asyncio.get_running_loop().time() < 3  # nothing had to be repeated
            copies = sum(reason == "wrong-author" for reason in bob.ignored())
            assert copies >= 3
            alice.room.ear = lambda author, to, text: (
                alice.room.say("mallory", to, text) or []  # type: ignore[func-returns-value]
            )
            alone = await alice.manager.send_file("bob", write_source(tmp_path))
            await asyncio.sleep(100)
            assert bob.manager.get_transfer(alone) is None

    run(main())


def test_frames_of_an_earlier_epoch_are_not_heard_after_a_resume(tmp_path: Path) -> None:  # R15
    async def main() -> None:
        patience = {"patience": Patience(idle=40)}
        async with sealed_nodes(tmp_path, patience, patience, limits=SLOW) as (alice, bob):
            held: list[str] = []
            transfer_id = await alice.manager.send_file("bob", write_source(tmp_path, BIG))
            await bob.until(lambda: bob.state(transfer_id) and bob.info(transfer_id).bytes_done)
            alice.room.ear = lambda author, to, text: (
                held.append(text) or [] if author == "alice" else []  # type: ignore[func-returns-value]
            )
            await alice.end_of(transfer_id)
            await bob.end_of(transfer_id)
            alice.room.ear = lambda author, to, text: [text]
            await alice.manager.resume_transfer(transfer_id)
            await bob.until(lambda: pump_of(bob, transfer_id) and pump_of(bob, transfer_id)._epoch)
            seen = pump_of(bob, transfer_id)._epoch.seen
            with mock.patch.object(seen, "record", wraps=seen.record) as record:
                numbers = len(held)
                for text in held:
                    alice.room.say("alice", "bob", text)
                await alice.manager.wait(transfer_id)
                assert numbers > 5
                assert record.call_count <= alice.room.count(FrameType.DATA)
            assert bob.tree() == {"report.bin": BIG}
            assert bob.info(transfer_id).state is TransferState.COMPLETED

    run(main())


def test_a_receiver_that_lost_its_database_gets_everything_again(tmp_path: Path) -> None:  # R19
    async def main() -> None:
        async with sealed_nodes(tmp_path, limits=SLOW) as (alice, bob):
            transfer_id = await alice.manager.send_file("bob", write_source(tmp_path, BIG))
            await bob.until(
                lambda: bob.state(transfer_id) and bob.info(transfer_id).bytes_done > len(BIG) * 0.8
            )
            await bob.stop()
            for path in (bob.home / ".ocft").glob("journal.db*"):
                path.unlink()
            await bob.start()
            await alice.manager.wait(transfer_id)
            await bob.manager.wait(transfer_id)
            assert bob.tree() == {"report.bin": BIG}
            assert bob.parts() == []

    run(main())


def test_two_receivers_of_one_offer_one_gets_it(tmp_path: Path) -> None:  # R21
    async def main() -> None:
        async with sealed_nodes(tmp_path, None, {"patience": Patience(idle=60)}) as (alice, bob):
            await befriend(alice, bob, tmp_path)
            # A clone of bob: the same identity and root keys, another folder.
            clone_room = Room()
            clone = Node(clone_room, "bob", tmp_path / "clone", **bob.options)
            await clone.start()
            session = session_of(bob, ALICE)
            inside(clone).sessions._store.add(
                ALICE, session.root, is_initiator=False, established_at=0, expires_at=None
            )
            forward = alice.room.say

            def answer(author: str, to: str, text: str) -> list[str]:
                forward(author, to, text)
                return []

            clone_room.ear = answer
            alice.room.ear = lambda author, to, text: (
                clone_room.say(author, to, text) or [text]  # type: ignore[func-returns-value]
            )
            transfer_id = await alice.manager.send_file("bob", write_source(tmp_path, BIG))
            await alice.manager.wait(transfer_id)
            infos = [await node.end_of(transfer_id) for node in (bob, clone)]
            states = {info.state for info in infos}
            assert states == {TransferState.COMPLETED, TransferState.FAILED}
            whole = [node.tree().get("report.bin") for node in (bob, clone)]
            assert sorted(one == BIG for one in whole) == [False, True]
            assert None in whole
            await clone.stop()

    run(main())
