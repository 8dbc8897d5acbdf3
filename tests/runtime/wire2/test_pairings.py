"""`ocft.runtime.wire2.pairings`: how many at once, who is heard, and what they leave."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from ocft.crypto import PairingCode, make_pairing_code
from ocft.errors import (
    ChannelClosedError,
    ConfigError,
    FingerprintChangedError,
    PairingFailedError,
    PairingTimeoutError,
    WrongStateError,
)
from ocft.events import PeerPaired
from ocft.ids import NodeId
from ocft.protocol import Guesser, Prover
from ocft.runtime.wire2 import CODE_SECONDS, Pairings, Trust
from ocft.storage import TrustedPeer
from ocft.testing import run
from ocft.wire import FrameType, Pair, parse_frame
from tests.runtime.sealed_pair import Node, identity_of, inside, peer_of, sealed_nodes

NOBODY: dict[str, Any] = {"trusted_peers": []}


def pairings_of(node: Node) -> Pairings:
    sealing = node.manager._sealing
    assert sealing is not None
    return sealing.pairings


async def pair(shows: Node, types: Node, **options: Any) -> tuple[TrustedPeer, TrustedPeer]:
    code = make_pairing_code()
    showing = asyncio.create_task(pairings_of(shows).show(code, **options))
    await asyncio.sleep(0)
    typed = await pairings_of(types).type_in(code, to=shows.name)
    return await showing, typed


def test_four_texts_make_two_peers(tmp_path: Path) -> None:  # R-PAI-1
    async def main() -> None:
        async with sealed_nodes(tmp_path, NOBODY, NOBODY) as (alice, bob):
            await pair(alice, bob)
            steps = [parse_frame(frame) for frame in alice.room.frames()]
            assert [(one.sender, one.step) for one in steps if isinstance(one, Pair)] == [
                ("bob", 1),
                ("alice", 2),
                ("bob", 3),
                ("alice", 4),
            ]
            (event,) = alice.events
            assert isinstance(event, PeerPaired)
            assert (event.peer_id, event.transfer_id) == ("bob", "")
            # R-PAI-3: their handshake needs no proof.
            sealing = alice.manager._sealing
            assert sealing is not None
            trust = sealing.wire.trust
            assert trust.fingerprint_of(event.peer_id) == identity_of("bob").public.fingerprint
            assert not trust.may_use_wire_1(event.peer_id)

    run(main())


def test_a_step_is_repeated_with_the_same_bytes_until_it_is_answered(tmp_path: Path) -> None:
    async def main() -> None:  # R-PAI-2
        async with sealed_nodes(tmp_path, NOBODY, NOBODY) as (alice, bob):
            at: list[float] = []

            def ear(author: str, to: str, text: str) -> list[str]:
                if author == "bob":
                    at.append(round(asyncio.get_running_loop().time()))
                return [text] if author == "bob" or len(at) > 6 else []

            alice.room.ear = ear
            await pair(alice, bob)
            assert at[:7] == [0, 1, 3, 7, 15, 31, 47]
            steps = list(alice.room.frames("bob")[:7])
            assert len(set(steps)) == 1
            answers = alice.room.frames("alice")
            assert len(set(answers)) == 2

    run(main())


def test_the_last_step_is_repeated_for_a_minute_for_who_missed_it(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, NOBODY, NOBODY) as (alice, bob):
            lost: list[str] = []

            def ear(author: str, to: str, text: str) -> list[str]:
                is_last = author == "alice" and alice.room.count(FrameType.PAIR, "alice") > 1
                if is_last and len(lost) < 3:
                    lost.append(text)
                    return []
                return [text]

            alice.room.ear = ear
            await pair(alice, bob)
            assert len(lost) == 3
            assert len(set(lost)) == 1
            pairings = pairings_of(alice)
            assert len(pairings._shown) == 1
            await asyncio.sleep(60)
            pairings._forget_old()
            assert pairings._shown == {}
            assert pairings_of(bob)._typed == {}

    run(main())


def test_eight_pairings_at_once_are_the_most_and_a_number_is_used_once(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, NOBODY, NOBODY) as (alice, bob):
            codes = [PairingCode(number, f"{number}-zoo-zoo") for number in range(1, 10)]

            async def show(code: PairingCode) -> None:
                await pairings_of(alice).show(code, within=100)

            async def type_in(code: PairingCode) -> None:
                await pairings_of(bob).type_in(code, to="nobody", within=100)

            for node, begin in ((alice, show), (bob, type_in)):
                running = [asyncio.create_task(begin(code)) for code in codes[:8]]
                await asyncio.sleep(0.1)
                for code in (codes[0], codes[8]):
                    with pytest.raises(WrongStateError):
                        await begin(code)
                results = await asyncio.gather(*running, return_exceptions=True)
                assert {type(one) for one in results} == {PairingTimeoutError}, node
                assert not pairings_of(node)._shown
                assert not pairings_of(node)._typed

    run(main())


def test_the_first_who_answers_is_the_one_others_are_told_apart(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, NOBODY, NOBODY) as (alice, bob):
            code = make_pairing_code()
            showing = asyncio.create_task(pairings_of(alice).show(code))
            typing = asyncio.create_task(pairings_of(bob).type_in(code, to="alice"))
            await alice.until(lambda: alice.room.count(FrameType.PAIR, "alice"))
            step = parse_frame(alice.room.frames("bob")[0])
            assert isinstance(step, Pair)
            take = pairings_of(alice).take
            # Who only repeats it gets the same answer; a guess of somebody else gets none.
            assert take("mallory", step) is None
            assert take("mallory", step.model_copy(update={"sender": "m"})) == "unexpected"
            unknown = step.model_copy(update={"n": code.number % 999 + 1})
            assert take("bob", unknown) == "unknown-handshake"
            assert take("alice", step.model_copy(update={"sender": "alice"})) == "echo"
            await typing
            await showing

    run(main())


def test_a_text_that_is_no_step_keeps_nobodys_answer_away(tmp_path: Path) -> None:  # R-PAI-2
    async def main() -> None:
        async with sealed_nodes(tmp_path, NOBODY, NOBODY) as (alice, bob):
            code = make_pairing_code()
            typing = asyncio.create_task(pairings_of(bob).type_in(code, to="alice"))
            await asyncio.sleep(0)
            junk = Pair(
                n=code.number,
                sender=NodeId("m"),
                recipient=NodeId("bob"),
                step=4,
                sealed=bytes(64),
            )
            assert pairings_of(bob).take("mallory", junk) == "unexpected"
            showing = asyncio.create_task(pairings_of(alice).show(code))
            peer = await typing
            await showing
            assert peer.id == "alice"
            assert inside(bob).trust.address_of(peer.id) == "alice"

    run(main())


def test_who_repeats_the_last_step_does_not_become_the_peers_account(tmp_path: Path) -> None:
    async def main() -> None:  # R-HSK-0
        async with sealed_nodes(tmp_path, NOBODY, NOBODY) as (alice, bob):
            code = make_pairing_code()
            showing = asyncio.create_task(pairings_of(alice).show(code))
            took = pairings_of(alice).take

            def take(author: str, message: Pair) -> str | None:
                reason = took(author, message)
                if message.step == 3:  # before whoever shows the code has heard of its success
                    assert took("mallory", message) is None
                return reason

            pairings_of(alice).take = take  # type: ignore[method-assign]
            await pairings_of(bob).type_in(code, to="alice")
            await showing
            assert inside(alice).trust.address_of(NodeId("bob")) == "bob"

    run(main())


def test_after_a_wrong_answer_no_other_one_is_looked_at(tmp_path: Path) -> None:  # R-PAI-2
    async def main() -> None:
        async with sealed_nodes(tmp_path, NOBODY, NOBODY) as (_, bob):
            code = PairingCode(7, "7-zebra-zoo")
            typing = asyncio.create_task(pairings_of(bob).type_in(code, to="nobody"))
            await bob.until(lambda: bob.room.count(FrameType.PAIR, "bob"))
            step = parse_frame(bob.room.frames("bob")[0])
            assert isinstance(step, Pair)
            answers = []
            for text in ("7-zebra-abandon", "7-zebra-zoo"):
                prover = Prover(
                    PairingCode(7, text),
                    node_id=NodeId("alice"),
                    identity=identity_of("alice").public,
                    name="",
                )
                answer = parse_frame(prover.take(step) or b"")
                assert isinstance(answer, Pair)
                answers.append(answer)
            assert [pairings_of(bob).take("alice", one) for one in answers] == [
                None,
                "unknown-handshake",
            ]
            with pytest.raises(PairingFailedError):
                await typing

    run(main())


def test_who_waits_for_a_pairing_is_told_that_the_manager_was_closed(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, NOBODY, NOBODY) as (alice, _):
            manager = alice.manager
            waiting = [
                asyncio.create_task(manager.show_pairing_code(PairingCode(7, "7-zebra-zoo"))),
                asyncio.create_task(manager.pair("8-zebra-zoo", "nobody")),
            ]
            await asyncio.sleep(1)
            await manager.close()
            async with asyncio.timeout(0.1):  # at once
                outcomes = await asyncio.gather(*waiting, return_exceptions=True)
            assert [type(one) for one in outcomes] == [ChannelClosedError] * 2

    run(main())


def test_a_name_that_cannot_be_shown_or_is_taken_is_left_out(tmp_path: Path) -> None:
    async def main() -> None:
        for number, (name, given) in enumerate(
            [("\x1b[2J", None), ("carol", None), (" padded", None), ("good", "good")]
        ):
            folder = tmp_path / str(number)
            folder.mkdir()
            options = NOBODY | {"node_name": name}
            async with sealed_nodes(folder, NOBODY, options) as (alice, bob):
                alice.manager.peers.add(peer_of("carol"))
                peer, _ = await pair(alice, bob)
                assert peer.name == given
                assert alice.manager.peers.get("bob").name == given

    run(main())


def test_the_owners_name_for_a_peer_beats_its_own(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, NOBODY, NOBODY | {"node_name": "Bob's"}) as (alice, bob):
            peer, _ = await pair(alice, bob, name="my colleague")
            assert peer.name == "my colleague"

    run(main())


def test_a_name_that_the_owner_chose_and_another_has_is_an_error(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, NOBODY, NOBODY) as (alice, bob):
            alice.manager.peers.add(peer_of("carol", name="friend"))
            with pytest.raises(ConfigError):
                await pair(alice, bob, name="friend")

    run(main())


def test_the_account_that_a_peer_wrote_from_is_its_address(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, NOBODY, NOBODY) as (alice, bob):
            room, say = alice.room, alice.room.say
            room._here["account 7"] = bob.channel  # what bob is called on the platform

            def rename(author: str, to: str, text: str) -> list[str]:
                say("account 7" if author == "bob" else author, to, text)
                return []

            room.ear = rename
            peer, other = await pair(alice, bob)
            assert (peer.id, peer.address) == ("bob", None)
            assert inside(alice).trust.address_of(peer.id) == "account 7"
            assert (other.id, other.address) == ("alice", None)
            transfer_id = await alice.manager.send_file("bob", Path(__file__))
            await alice.manager.wait(transfer_id)

    run(main())


@pytest.mark.parametrize("is_listed", [True, False])
@pytest.mark.parametrize("account", ["mallory", "carol"])
def test_who_has_a_code_does_not_take_the_place_of_a_node_that_is_known(
    tmp_path: Path, account: str, *, is_listed: bool
) -> None:
    async def main() -> None:  # R-PAI-2
        async with sealed_nodes(tmp_path, NOBODY, NOBODY) as (alice, _):
            trust = know_carol(alice, is_listed=is_listed)
            with pytest.raises(FingerprintChangedError):
                await pair_as_carol(alice, account, "mallory")
            assert trust.fingerprint_of(CAROL) == identity_of("carol").public.fingerprint
            assert trust.address_of(CAROL) == "account 7"

    run(main())


@pytest.mark.parametrize(
    ("account", "identity"),
    [("account 7", "set up anew"), ("account 8", "carol")],
    ids=["by its account", "by its identity"],
)
def test_a_node_that_is_known_can_pair_again(tmp_path: Path, account: str, identity: str) -> None:
    async def main() -> None:  # R-PAI-2
        async with sealed_nodes(tmp_path, NOBODY, NOBODY) as (alice, _):
            trust = know_carol(alice, is_listed=True)
            await pair_as_carol(alice, account, identity)
            assert trust.fingerprint_of(CAROL) == identity_of(identity).public.fingerprint
            assert trust.address_of(CAROL) == account

    run(main())


CAROL = NodeId("carol")


def know_carol(node: Node, *, is_listed: bool) -> Trust:
    """Let a node know carol and her account."""
    trust: Trust = inside(node).trust
    if is_listed:
        node.manager.peers.add(peer_of("carol"))
    trust.pin(CAROL, identity_of("carol").public, None, address="account 7")
    return trust


async def pair_as_carol(node: Node, account: str, identity: str) -> None:
    """Type a node's code from an account, as carol, with whatever identity."""
    pairings, code = pairings_of(node), make_pairing_code()
    showing = asyncio.create_task(pairings.show(code, within=5))
    await asyncio.sleep(0)
    guesser = Guesser(code, node_id=CAROL, identity=identity_of(identity).public, name="carol")
    while not showing.done() and guesser.paired is None:
        step = parse_frame(guesser.to_send)
        assert isinstance(step, Pair)
        pairings.take(account, step)
        await asyncio.sleep(0.1)
        answer = parse_frame(node.room.frames(node.name)[-1])
        assert isinstance(answer, Pair)
        guesser.take(answer)
    await showing


def test_a_pairing_that_is_given_up_leaves_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        assert CODE_SECONDS == 600
        async with sealed_nodes(tmp_path, NOBODY, NOBODY) as (alice, bob):
            code = make_pairing_code()
            showing = asyncio.create_task(pairings_of(alice).show(code))
            typing = asyncio.create_task(pairings_of(bob).type_in(code, to="nobody"))
            await asyncio.sleep(1)
            for task in (showing, typing):
                task.cancel()
            await asyncio.wait([showing, typing])
            assert not pairings_of(alice)._shown
            assert not pairings_of(bob)._typed

    run(main())


def test_codes_are_in_no_representation(tmp_path: Path) -> None:  # K13
    async def main() -> None:
        async with sealed_nodes(tmp_path, NOBODY, NOBODY) as (alice, _):
            code = make_pairing_code()
            showing = asyncio.create_task(pairings_of(alice).show(code))
            await asyncio.sleep(0)
            words = code.text.split("-", 1)[1]
            assert words not in repr(vars(pairings_of(alice)))
            showing.cancel()

    run(main())
