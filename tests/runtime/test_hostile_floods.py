"""How much work, memory and words others can cost a node on wire 2: a little.

The ids (K7, R11, ...) are those of our list of hostile cases; T-n is of docs/threat-model.md.
"""

import asyncio
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ocft import ChannelLimits, Patience, TransferState
from ocft.crypto import make_pairing_code
from ocft.errors import PairingFailedError, RateLimitedError
from ocft.ids import NodeId, TransferId
from ocft.protocol import Initiator
from ocft.testing import run
from ocft.wire import (
    FrameType,
    OfferAgain,
    Pair,
    TransferAccept,
    TransferReject,
    TransferStop,
    pack_handshake,
    split_frame,
)
from tests.runtime.hostility import (
    all_that_counts,
    an_offer,
    befriend,
    befriend_slowly,
    catching,
    identity_key,
    replace_offer,
    say,
    session_of,
    text_of,
)
from tests.runtime.pair import write_source
from tests.runtime.sealed_pair import (
    ALICE,
    BOB,
    Node,
    identity_of,
    inside,
    peer_of,
    pump_of,
    sealed_nodes,
)

BIG = bytes(range(256)) * 4000
SLOW = ChannelLimits(max_text=100_000, texts_per_second=5)

# X: resources


def test_ten_thousand_offers_of_a_peer_are_64_transfers(tmp_path: Path) -> None:  # X1, R-LIM-2
    async def main() -> None:
        peers = {"trusted_peers": [peer_of("alice"), peer_of("carol")], "auto_accept": False}
        async with sealed_nodes(tmp_path, None, peers) as (alice, bob):
            await befriend_slowly(alice, bob, tmp_path)
            session = session_of(alice, BOB)
            said = len(alice.room.said)
            for number in range(10_000):
                offer = an_offer(ephemeral=identity_key() if number < 64 else bytes(32))
                await bob.manager.handle_message("alice", text_of(session.seal(offer)))
            live = [one for one in bob.manager.list_transfers() if not one.state.is_final]
            assert len(live) == 64
            await asyncio.sleep(5)
            assert len(alice.room.said) - said <= 10_000 + 64  # a word for each, at most
            # Another peer has its place.
            carol = Node(alice.room, "carol", tmp_path, trusted_peers=[peer_of("bob")])
            await carol.start()
            transfer_id = await carol.manager.send_file("bob", write_source(tmp_path))
            await bob.until(lambda: bob.state(transfer_id))
            await carol.stop()

    run(main())


def test_a_sender_that_offers_and_stops_again_and_again_makes_no_work(tmp_path: Path) -> None:
    async def main() -> None:  # X5
        async with sealed_nodes(tmp_path) as (alice, bob):
            await befriend(alice, bob, tmp_path)
            offer = an_offer(ephemeral=identity_key())
            for epoch in range(1, 300):
                stop = TransferStop(
                    transfer_id=offer.transfer_id, epoch=epoch, code="X", is_recoverable=True
                )
                await say(alice, BOB, replace_offer(offer, epoch=epoch), stop)
            assert len(bob.manager.list_transfers()) == 2
            assert len(inside(bob).tags._owners) <= 256
            assert alice.room.count(FrameType.CONTROL, "bob") < 1000
            assert len(asyncio.all_tasks()) < 50

    run(main())


def test_a_receiver_that_changes_its_mind_is_taken_at_its_first_end(tmp_path: Path) -> None:
    async def main() -> None:  # X5
        async with sealed_nodes(tmp_path, limits=SLOW) as (alice, bob):
            transfer_id = await alice.manager.send_file("bob", write_source(tmp_path, BIG))
            await bob.until(lambda: bob.state(transfer_id) and bob.info(transfer_id).bytes_done)
            common: dict[str, Any] = {"transfer_id": TransferId(transfer_id), "epoch": 1}
            accept = TransferAccept(
                **common, ephemeral=identity_key(), is_decided=True, limit=2**40, ranges=()
            )
            for _ in range(20):
                await say(bob, ALICE, TransferReject(**common, code="NO"), accept)
            assert alice.state(transfer_id) is TransferState.REJECTED
            said = alice.room.count(FrameType.DATA, "alice")
            await asyncio.sleep(100)
            assert alice.room.count(FrameType.DATA, "alice") == said

    run(main())


def test_a_receiver_that_asks_anew_for_ever_is_answered_ever_more_rarely(tmp_path: Path) -> None:
    async def main() -> None:  # R-ARQ-5
        async with sealed_nodes(tmp_path, None, {"auto_accept": False}) as (alice, bob):
            transfer_id = await alice.manager.send_file("bob", write_source(tmp_path))
            await bob.until(lambda: "offer-received" in bob.names())
            said = alice.room.count(FrameType.CONTROL, "alice")
            for _ in range(1000):
                machine = pump_of(alice, transfer_id).machine
                await say(
                    bob,
                    ALICE,
                    OfferAgain(transfer_id=TransferId(transfer_id), epoch=machine.epoch),
                )
            assert alice.room.count(FrameType.CONTROL, "alice") - said < 12

    run(main())


def test_a_long_backlog_takes_time_in_proportion(tmp_path: Path) -> None:  # X7
    async def main() -> None:
        async with sealed_nodes(tmp_path) as (alice, bob):
            await befriend(alice, bob, tmp_path)
            before = all_that_counts(bob)
            backlog = [text for _, _, text in alice.room.said]
            kinds = ["hello there, how are you?", *backlog, text_of(b"\x27" + bytes(60))]

            async def took(count: int) -> float:
                began = time.perf_counter()
                for number in range(count):
                    await bob.manager.handle_message("alice", kinds[number % len(kinds)])
                return time.perf_counter() - began

            await took(200)
            few, many = await took(1000), await took(4000)
            assert many < 4 * few * 2.5, (few, many)
            began = time.perf_counter()
            for number in range(100_000):
                await bob.manager.handle_message("alice", f"human words, number {number}")
            assert time.perf_counter() - began < 10
            await asyncio.sleep(200)
            assert all_that_counts(bob) == before

    run(main())


@pytest.mark.parametrize("retry_after", [3600.0, -1.0, float("nan"), float("inf"), 0.0])
def test_pauses_that_make_no_sense_end_neither_the_node_nor_the_transfer(
    tmp_path: Path, retry_after: float
) -> None:
    async def main() -> None:  # X11
        patience = {"patience": Patience(decision=20_000, idle=20_000)}
        async with sealed_nodes(tmp_path, patience, patience) as (alice, bob):
            send, limited = alice.channel.send, [True] * 3

            async def send_or_not(to: str, text: str) -> None:
                if limited and len(alice.room.said) > 3:
                    limited.pop()
                    raise RateLimitedError("slow down", retry_after=retry_after)
                await send(to, text)

            alice.channel.send = send_or_not  # type: ignore[method-assign]
            await alice.manager.wait(
                await alice.manager.send_file("bob", write_source(tmp_path, BIG))
            )
            assert bob.tree() == {"report.bin": BIG}
            assert limited == []

    run(main())


# Floods


def a_hello(name: str, to: NodeId = BOB) -> bytes:
    return Initiator(
        identity_of("mallory"),
        node_id=NodeId(name),
        peer_id=to,
        nonce=secrets.token_bytes(32),
        known=None,
        peer_secret="",
    ).hello


def test_a_flood_of_handshakes_is_answered_a_little_and_trusted_ones_come_through(
    tmp_path: Path,
) -> None:
    async def main() -> None:  # R-HSK-5, T-10
        async with sealed_nodes(tmp_path) as (alice, bob):
            for number in range(500):
                bob.room.say(f"stranger-{number}", "bob", text_of(a_hello(f"stranger-{number}")))
            await asyncio.sleep(1)
            answers = inside(bob).handshakes._answers
            assert len(answers._answers) <= 16
            assert sum(one.is_stranger for one in answers._answers.values()) <= 8
            assert bob.room.count(FrameType.REPLY) <= 18
            transfer_id = await alice.manager.send_file("bob", write_source(tmp_path))
            await alice.manager.wait(transfer_id)
            assert asyncio.get_running_loop().time() < 3
            assert bob.manager.trust_requests() == []
            assert len(inside(bob).handshakes._tasks) < 40
            # Nothing of them is kept.
            rows = bob.manager._journal.database.query("SELECT id FROM nodes")
            assert [row["id"] for row in rows] == ["alice"]
            await asyncio.sleep(121)
            answers._forget_old(asyncio.get_running_loop().time())
            assert answers._answers == {}

    run(main())


def test_one_author_has_one_handshake(tmp_path: Path) -> None:  # T-10
    async def main() -> None:
        async with sealed_nodes(tmp_path) as (_, bob):
            for _ in range(10):
                bob.room.say("mallory", "bob", text_of(a_hello("mallory")))
            await asyncio.sleep(1)
            assert len(inside(bob).handshakes._answers._answers) == 1

    run(main())


def test_a_hello_in_the_name_of_another_costs_that_one_nothing(tmp_path: Path) -> None:
    async def main() -> None:  # R-HSK-0
        async with sealed_nodes(tmp_path) as (_, bob):
            for name in ("alice", "bob"):
                bob.room.say("mallory", "bob", text_of(a_hello(name)))
                bob.room.say("mallory", "bob", text_of(a_hello(name, ALICE)))
            await asyncio.sleep(1)
            assert set(bob.ignored()) == {"wrong-author", "echo", "not-for-us"}
            assert inside(bob).handshakes._answers._answers == {}
            assert bob.room.said == []

    run(main())


def test_many_strangers_that_finish_leave_32_requests(tmp_path: Path) -> None:  # R-HSK-3
    async def main() -> None:
        async with sealed_nodes(tmp_path, None, {"trusted_peers": []}) as (alice, bob):
            heard: list[tuple[str, bytes]] = []
            alice.room.ear = catching(heard)
            for number in range(40):
                await _ask_for_trust(bob, heard, f"stranger-{number}")
                await asyncio.sleep(16)  # eight of them hold a handshake at once, for 120 s
            requests = bob.manager.trust_requests()
            assert [one.id for one in requests] == [f"stranger-{n}" for n in range(8, 40)]
            assert bob.manager._journal.database.query("SELECT * FROM sessions") == []
            assert bob.manager._journal.database.query("SELECT * FROM nodes") == []

    run(main())


async def _ask_for_trust(
    bob: Node, heard: list[tuple[str, bytes]], name: str, secret: str = ""
) -> None:
    """Do a whole handshake by hand, as a stranger."""
    from ocft.wire import Reply, parse_frame

    initiator = Initiator(
        identity_of("mallory"),
        node_id=NodeId(name),
        peer_id=BOB,
        nonce=secrets.token_bytes(32),
        known=None,
        peer_secret=secret,
    )
    heard.clear()
    bob.room.say(name, "bob", text_of(initiator.hello))
    await asyncio.sleep(0.1)
    for to, frame in heard:
        if to == name and frame[0] == FrameType.REPLY:
            reply = parse_frame(frame)
            assert isinstance(reply, Reply)
            initiator.take_reply(reply)
    if initiator.finish is not None:
        bob.room.say(name, "bob", text_of(initiator.finish))
    await asyncio.sleep(0.1)


def test_guessing_our_secret_is_stopped_after_eight_tries_an_hour(tmp_path: Path) -> None:
    async def main() -> None:  # R-HSK-5, K11
        options = {"trusted_peers": [], "secret": "1234"}
        async with sealed_nodes(tmp_path, None, options) as (alice, bob):
            heard: list[tuple[str, bytes]] = []
            alice.room.ear = catching(heard)
            for guess in range(1220, 1240):
                await _ask_for_trust(bob, heard, "mallory", str(guess))
                await asyncio.sleep(2)
            assert bob.manager._journal.database.query("SELECT * FROM sessions") == []
            # R-HSK-1: eight are told what every stranger is told, the others nothing.
            assert bob.room.count(FrameType.CONTROL, "bob") == 8
            assert bob.ignored() == ["busy"] * 12
            assert [one.id for one in bob.manager.trust_requests()] == ["mallory"]
            # Nobody else is held up.
            await _ask_for_trust(bob, heard, "carol", "1234")
            assert len(bob.manager._journal.database.query("SELECT * FROM sessions")) == 1
            await asyncio.sleep(3700)
            await _ask_for_trust(bob, heard, "mallory", "1234")
            assert len(bob.manager._journal.database.query("SELECT * FROM sessions")) == 2

    run(main())


def test_a_flood_of_garbage_is_bounded_in_memory_and_answers(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path) as (alice, bob):
            await befriend(alice, bob, tmp_path)
            before, said = all_that_counts(bob), len(bob.room.said)
            tag = session_of(alice, BOB).keys.seal_tag
            makers: list[Callable[[int], bytes]] = [
                lambda n: split_frame(b"\x26" + secrets.token_bytes(3000), 1000)[n % 4],
                lambda n: b"\x26" + secrets.token_bytes(8 + 16 + 100),
                lambda n: b"\x26" + tag + secrets.token_bytes(16 + 100),
                lambda n: b"\x27" + secrets.token_bytes(8) + b"\x05" + secrets.token_bytes(60),
                lambda n: b"\x28" + secrets.token_bytes(8) + b"\x05" + secrets.token_bytes(60),
                lambda n: pack_handshake(
                    Pair(
                        n=1 + n % 999,
                        sender=NodeId("mallory"),
                        step=1,
                        spake=b"\x53" + secrets.token_bytes(32),
                    )
                ),
                lambda n: bytes([0x20 + n % 16]) + secrets.token_bytes(40),
            ]
            for number in range(3000):
                frame = makers[number % len(makers)](number // len(makers))
                for author in ("alice", f"stranger-{number}"):
                    await bob.manager.handle_message(author, text_of(frame))
            await asyncio.sleep(1)
            assert len(inside(bob).post._assembler._unfinished) <= 64
            assert len(inside(bob).sessions._live) <= 2
            assert len(session_of(bob, ALICE)._salts) <= 1024
            reception = bob.manager._engine._inbox._reception  # type: ignore[union-attr]
            assert len(reception._seen) <= 1  # type: ignore[union-attr]
            assert len(bob.room.said) == said
            assert all_that_counts(bob) == before
            assert len(asyncio.all_tasks()) < 30

    run(main())


def test_a_stranger_can_burn_a_code_but_gets_no_second_guess(tmp_path: Path) -> None:  # R-PAI-2
    async def main() -> None:
        options: dict[str, Any] = {"trusted_peers": []}
        async with sealed_nodes(tmp_path, options, options) as (alice, bob):
            code = make_pairing_code()
            showing = asyncio.create_task(alice.manager.show_pairing_code(code, within=30))
            await asyncio.sleep(0)
            for number in range(20):
                guess = Pair(
                    n=code.number,
                    sender=NodeId(f"m-{number}"),
                    step=1,
                    spake=_spake(make_pairing_code().text.split("-", 1)[1], code.number),
                )
                alice.room.say(f"m-{number}", "alice", text_of(pack_handshake(guess)))
            await asyncio.sleep(1)
            assert alice.room.count(FrameType.PAIR, "alice") == 1
            with pytest.raises(PairingFailedError):
                await bob.manager.pair(code.text, "alice", within=10)
            with pytest.raises(PairingFailedError):
                await showing

    run(main())


def _spake(words: str, number: int) -> bytes:
    from ocft.crypto import PairingCode, Spake

    return Spake(PairingCode(number, f"{number}-{words}"), is_prover=False).message
