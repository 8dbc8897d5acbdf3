"""`ocft.runtime.wire2.handshakes`: who asks, who answers, and what is shared."""

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest

from ocft.errors import (
    ChannelError,
    MessageTooLongError,
    PeerTooOldError,
    UnknownPeerError,
)
from ocft.ids import NodeId
from ocft.storage import TrustedPeer
from ocft.testing import run
from ocft.wire import FrameType, Reply, parse_frame
from tests.runtime.pair import write_source
from tests.runtime.sealed_pair import ALICE, BOB, Node, inside, peer_of, sealed_nodes
from tests.runtime.wire2.test_answers import an_initiator, finish_of, hello_of


def test_all_who_wait_for_a_peer_share_one_handshake(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path) as (alice, _):
            handshakes = inside(alice).handshakes
            waiting = [handshakes.session_with(BOB) for _ in range(5)]
            sessions = await asyncio.gather(*waiting)
            assert len({id(one) for one in sessions}) == 1
            assert alice.room.count(FrameType.HELLO) == 1
            assert await handshakes.session_with(BOB) is sessions[0]
            assert alice.room.count(FrameType.HELLO) == 1
            anew = await handshakes.session_with(BOB, anew=True)  # R-HSK-7
            assert anew.root != sessions[0].root
            assert handshakes._attempts == {}

    run(main())


def test_a_handshake_ends_with_the_last_who_waits(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path) as (alice, _):
            alice.room.ear = lambda author, to, text: []
            handshakes = inside(alice).handshakes
            waiting = [asyncio.create_task(handshakes.session_with(BOB)) for _ in range(2)]
            await asyncio.sleep(3)
            waiting[0].cancel()
            await asyncio.sleep(3)
            assert BOB in handshakes._attempts
            waiting[1].cancel()
            await asyncio.sleep(0)
            # Who comes in this very moment has one of its own.
            late = asyncio.create_task(handshakes.session_with(BOB))
            alice.room.ear = lambda author, to, text: [text]
            assert (await late).peer_id == BOB
            said = alice.room.count(FrameType.HELLO)
            await asyncio.sleep(200)
            assert alice.room.count(FrameType.HELLO) == said

    run(main())


def test_what_ended_a_handshake_is_told_to_all_who_wait(tmp_path: Path) -> None:
    async def main() -> None:
        options = {"wires": ("1.0", "2"), "trusted_peers": [TrustedPeer(id="bob")]}
        async with sealed_nodes(tmp_path, options) as (alice, bob):
            await bob.stop()
            handshakes = inside(alice).handshakes
            waiting = [handshakes.session_with(BOB) for _ in range(3)]
            results = await asyncio.gather(*waiting, return_exceptions=True)
            assert [type(one) for one in results] == [PeerTooOldError] * 3
            assert handshakes._attempts == {}
            await bob.start()

    run(main())


def test_a_channel_that_cannot_carry_it_is_told_at_once(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path) as (alice, _):

            async def refuse(to: str, text: str) -> None:
                raise MessageTooLongError("not one letter")

            alice.channel.send = refuse  # type: ignore[method-assign]
            with pytest.raises(MessageTooLongError):
                await inside(alice).handshakes.session_with(BOB)
            assert asyncio.get_running_loop().time() < 1

    run(main())


def test_a_text_that_does_not_leave_is_repeated_as_one_that_was_lost(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path) as (alice, bob):
            for node in (alice, bob):
                send, failures = node.channel.send, [True]

                async def send_or_not(
                    to: str, text: str, send: object = send, failures: list[bool] = failures
                ) -> None:
                    if failures:
                        failures.pop()
                        raise ChannelError("the network is gone")
                    await send(to, text)  # type: ignore[operator]

                node.channel.send = send_or_not  # type: ignore[method-assign]
            await inside(alice).handshakes.session_with(BOB)
            assert asyncio.get_running_loop().time() < 10

    run(main())


def test_frames_for_others_from_others_and_from_ourselves_are_told_apart(tmp_path: Path) -> None:
    async def main() -> None:  # R-HSK-0, K7
        async with sealed_nodes(tmp_path) as (alice, bob):
            handshakes = inside(bob).handshakes
            hello = hello_of(an_initiator())
            others = hello.model_copy(update={"recipient": NodeId("carol")})
            ours = hello.model_copy(update={"sender": BOB})
            assert handshakes.take("alice", others) == "not-for-us"
            assert handshakes.take("bob", ours) == "echo"
            assert handshakes.take("mallory", hello) == "wrong-author"
            assert handshakes.take("alice", hello) is None
            await asyncio.sleep(0.1)
            reply = next(
                parsed
                for frame in alice.room.frames("bob")
                if isinstance(parsed := parse_frame(frame), Reply)
            )
            # Nobody asked, or somebody else did.
            assert inside(alice).handshakes.take("bob", reply) == "unknown-handshake"
            waiting = asyncio.create_task(inside(alice).handshakes.session_with(BOB))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert inside(alice).handshakes.take("mallory", reply) == "wrong-author"
            assert inside(alice).handshakes.take("bob", reply) == "not-proved"
            await waiting  # and that did no harm

    run(main())


def test_a_peer_with_an_address_is_heard_only_from_there(tmp_path: Path) -> None:  # R-TRU-1
    async def main() -> None:
        options = {"trusted_peers": [peer_of("alice", address="account 7")]}
        async with sealed_nodes(tmp_path, None, options) as (_, bob):
            handshakes = inside(bob).handshakes
            hello = hello_of(an_initiator())
            assert handshakes.take("alice", hello) == "wrong-author"
            assert handshakes.take("account 7", hello) is None

    run(main())


def _claim(node: Node, author: str, **names: Any) -> str | None:
    """Let an account say HELLO and FINISH in the name of alice; return the reason of the last."""
    handshakes = inside(node).handshakes
    initiator = an_initiator("alice", **names)
    result: str | None = handshakes.take(author, hello_of(initiator))
    if result is None:
        answer = list(handshakes._answers._answers.values())[-1]
        result = handshakes.take(author, finish_of(initiator, answer.responder.reply))
    return result


def test_who_knows_our_secret_does_not_answer_for_whom_we_ask(tmp_path: Path) -> None:
    """Mallory was given bob's secret, and waits until bob has something for alice."""

    async def main() -> None:  # R-HSK-0
        options = {"trusted_peers": [], "secret": "of-bob", "wires": ("1.0", "2")}
        async with sealed_nodes(tmp_path, None, options) as (alice, bob):
            alice.room.ear = lambda author, to, text: [text] if author == "bob" else []
            await bob.manager.send_file("alice", write_source(tmp_path))
            await asyncio.sleep(0.1)
            handshakes, trust = inside(bob).handshakes, inside(bob).trust
            assert ALICE in handshakes._attempts
            claimed = _claim(bob, "mallory", keys="mallory", secret="of-bob")
            assert claimed == "wrong-author"
            assert inside(bob).sessions.newest(ALICE) is None
            assert trust.address_of(ALICE) == "alice"
            # Her own account is heard.
            assert _claim(bob, "alice", secret="of-bob") is None
            assert trust.knows_our_secret(ALICE)

    run(main())


def test_who_began_before_we_asked_does_not_end_it_while_we_do(tmp_path: Path) -> None:
    async def main() -> None:  # R-HSK-0
        options = {"trusted_peers": [], "secret": "of-bob", "wires": ("1.0", "2")}
        async with sealed_nodes(tmp_path, None, options) as (alice, bob):
            alice.room.ear = lambda author, to, text: []
            handshakes = inside(bob).handshakes
            mallory = an_initiator("alice", keys="mallory", secret="of-bob")
            assert handshakes.take("mallory", hello_of(mallory)) is None
            (answer,) = handshakes._answers._answers.values()
            finish = finish_of(mallory, answer.responder.reply)
            await bob.manager.send_file("alice", write_source(tmp_path))
            await asyncio.sleep(0.1)
            assert handshakes.take("mallory", finish) == "wrong-author"
            assert inside(bob).sessions.newest(ALICE) is None

    run(main())


def test_a_peer_whose_identity_is_known_is_heard_from_its_new_account_while_we_ask(
    tmp_path: Path,
) -> None:
    async def main() -> None:  # R-HSK-0: an address that was learnt is no rule
        async with sealed_nodes(tmp_path) as (alice, bob):
            inside(bob).trust.note_address(ALICE, "old account")
            waiting = asyncio.create_task(inside(bob).handshakes.session_with(ALICE))
            await asyncio.sleep(0.1)
            assert _claim(bob, "mallory", keys="mallory") == "fingerprint-changed"
            assert _claim(bob, "new account") is None
            session = await waiting
            assert session.peer_id == ALICE
            assert inside(bob).trust.address_of(ALICE) == "new account"
            assert alice.room.count(FrameType.HELLO, "bob") >= 1

    run(main())


@pytest.mark.parametrize("name", ["b\u202eob", "b\nob", "b" * 257])
def test_who_has_a_name_that_no_node_has_is_not_asked(tmp_path: Path, name: str) -> None:
    async def main() -> None:  # R-HSK-0
        async with sealed_nodes(tmp_path) as (alice, _):
            with pytest.raises(UnknownPeerError):
                await alice.manager.send_file(name, write_source(tmp_path))
            assert alice.room.said == []

    run(main())


def test_what_hostile_texts_make_us_warn_of_is_spaced_and_quoted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path) as (_, bob):
            inside(bob).trust.note_address(ALICE, "another account")
            caplog.set_level(logging.DEBUG)
            for _ in range(10):
                assert _claim(bob, "a\nccount", keys="mallory") == "fingerprint-changed"
            assert len(caplog.records) == 1
            await asyncio.sleep(61)
            _claim(bob, "a\nccount", keys="mallory")
            told = "'alice', in a text of 'a\\nccount', has another identity than before"
            assert [one.getMessage() for one in caplog.records if one.levelname == "WARNING"] == [
                told,
                f"{told} (and 9 more of this kind)",
            ]

    run(main())
