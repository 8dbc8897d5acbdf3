"""`ocft.runtime.wire2.sending`: reads, compresses, seals, and tries the dense alphabet."""

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

from ocft import ChannelLimits
from ocft.crypto import FrameCipher
from ocft.protocol import SayData
from ocft.runtime.wire2 import Wire2
from ocft.runtime.wire2.sending import _DenseProbe
from ocft.testing import run
from ocft.wire import (
    Alphabet,
    Data,
    FrameType,
    OfferAgain,
    SealedFrame,
    TransferAccept,
    parse_frame,
    unpack_data,
)
from tests.runtime.hostility import befriend, identity_key, say, session_of
from tests.runtime.pair import wall_clock, write_source
from tests.runtime.sealed_pair import (
    ALICE,
    BOB,
    NARROW,
    Node,
    inside,
    pump_of,
    sealed_nodes,
)

NOISE = random.Random(0).randbytes(40_000)
SLOW = ChannelLimits(max_text=4096, texts_per_second=5)


async def offering(alice: Node, folder: Path, data: bytes = NOISE) -> Any:
    """Return the pump of a transfer whose offer has left."""
    transfer_id = await alice.manager.send_file("bob", write_source(folder, data))
    await alice.until(lambda: pump_of(alice, transfer_id) and pump_of(alice, transfer_id)._offer)
    return pump_of(alice, transfer_id)


def test_every_offer_of_an_epoch_is_the_same_and_every_epoch_has_a_key_of_its_own(
    tmp_path: Path,
) -> None:
    async def main() -> None:  # R-CTL-2, R-CTL-5
        async with sealed_nodes(tmp_path) as (alice, bob):
            await befriend(alice, bob, tmp_path)
            offers: list[Any] = []
            seal = session_of(alice, BOB).__class__.seal
            from unittest import mock

            def spy(session: Any, message: Any) -> bytes:
                offers.append(message)
                return seal(session, message)

            await bob.stop()
            with mock.patch.object(session_of(alice, BOB).__class__, "seal", spy):
                pump = await offering(alice, tmp_path)
                await asyncio.sleep(8)
                assert len(offers) == 2
                assert all(one == offers[0] for one in offers)
                await bob.start()
                again = OfferAgain(transfer_id=pump.id, epoch=1)
                pump.receive(again, session_of(alice, BOB))
                await asyncio.sleep(3.1)
            later = next(one for one in offers if one.epoch == 2)
            assert later.ephemeral != offers[0].ephemeral
            changed = {"epoch": 1, "ephemeral": offers[0].ephemeral}
            assert later.model_copy(update=changed) == offers[0]

    run(main())


def test_only_the_first_accept_of_an_epoch_makes_keys(tmp_path: Path) -> None:
    async def main() -> None:  # R-CTL-3: with two, numbers would be used twice under one key
        async with sealed_nodes(tmp_path, limits=SLOW) as (alice, bob):
            await befriend(alice, bob, tmp_path)
            pump = await offering(alice, tmp_path)
            await alice.until(lambda: pump._epoch)
            epoch, accepted = pump._epoch, pump._accepted
            other = TransferAccept(
                transfer_id=pump.id,
                epoch=1,
                ephemeral=identity_key(),
                is_decided=True,
                limit=2**40,
                ranges=(),
            )
            await say(bob, ALICE, accepted, other, other.model_copy(update={"epoch": 7}))
            assert pump._epoch is epoch
            assert pump._accepted is accepted
            await alice.manager.wait(pump.id)

    run(main())


def test_no_number_is_ever_sealed_twice_under_one_key(tmp_path: Path) -> None:  # R-SEA-1
    from unittest import mock

    used: set[tuple[int, int]] = set()
    seal = FrameCipher.seal

    def spy(cipher: FrameCipher, number: int, header: bytes, plain: bytes) -> bytes:
        assert (id(cipher), number) not in used
        kept.append(cipher)  # so that no other one gets its id
        used.add((id(cipher), number))
        return seal(cipher, number, header, plain)

    kept: list[FrameCipher] = []

    async def main() -> None:
        async with sealed_nodes(tmp_path, limits=NARROW) as (alice, bob):
            chance = random.Random(3)
            alice.room.ear = lambda author, to, text: [text] * chance.choice([0, 1, 1, 2])
            transfer_id = await alice.manager.send_file("bob", write_source(tmp_path, NOISE * 5))
            await bob.until(lambda: bob.state(transfer_id) and bob.info(transfer_id).bytes_done)
            await bob.restart()
            await alice.restart()
            await alice.manager.wait(transfer_id)
            assert bob.tree() == {"report.bin": NOISE * 5}

    with mock.patch.object(FrameCipher, "seal", spy):
        run(main())
    assert len(used) > 20


def bodies(alice: Node, keys: list[FrameCipher]) -> list[Data]:
    """Return what the data frames held."""
    found = []
    for frame in alice.room.frames("alice"):
        parsed = parse_frame(frame)
        if isinstance(parsed, SealedFrame) and parsed.type is FrameType.DATA:
            body = keys[0].open(parsed.number, parsed.header, parsed.sealed)
            found.append(unpack_data(body))
    return found


def test_data_is_compressed_where_texts_are_short_and_it_helps(tmp_path: Path) -> None:
    async def main() -> None:  # R-FRM-4
        lines = b"".join(b"line %d\n" % number for number in range(8000))
        for limits, data, is_smaller in (
            (NARROW, lines, True),
            (NARROW, NOISE, False),
            (ChannelLimits(max_text=200_000), lines, False),
        ):
            folder = tmp_path / f"{limits.max_text}-{len(data)}"
            folder.mkdir()
            async with sealed_nodes(folder, limits=limits) as (alice, bob):
                pump = await offering(alice, folder, data)
                await alice.until(lambda pump=pump: pump._epoch)  # type: ignore[misc]
                keys = [pump._epoch.out]
                await alice.manager.wait(pump.id)
                assert bob.tree() == {"report.bin": data}
                sent = sum(len(one) for one in alice.room.frames("alice") if one[0] == 0x27)
                assert (sent < len(data) * 0.7) is is_smaller
                held = [one for one in bodies(alice, keys) if one.data]
                assert held[0].offset == 0
                assert held[0].wants_ack  # R-ARQ-9: it ends the manifest
                assert held[-1].wants_ack

    run(main())


def test_a_session_is_made_anew_after_two_offers_in_vain(tmp_path: Path) -> None:  # R-HSK-7
    async def main() -> None:
        async with sealed_nodes(tmp_path) as (alice, bob):
            await befriend(alice, bob, tmp_path)
            await bob.stop()
            said = alice.room.count(FrameType.HELLO)
            await offering(alice, tmp_path)
            await asyncio.sleep(3 + 5)
            assert alice.room.count(FrameType.HELLO) == said
            await asyncio.sleep(10)
            assert alice.room.count(FrameType.HELLO) > said
            await bob.start()

    run(main())


# The dense alphabet, R-FRM-5


def data(number: int, first: int, end: int) -> SayData:
    return SayData(number, first, end, wants_ack=False, is_repeat=False)


def a_probe(node: Node) -> _DenseProbe:
    wire: Wire2 = inside(node)
    return _DenseProbe(wire, BOB, "room")


def test_a_probe_that_is_acknowledged_opens_the_alphabet(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, limits=NARROW) as (alice, _):
            probe = a_probe(alice)

            def flags() -> tuple[bool, bool, Alphabet]:
                return probe.is_probing, probe.is_awaited, probe.alphabet()

            assert flags() == (True, False, Alphabet.CJK15)
            probe.sends(data(0, 0, 100), wall_clock())
            assert flags() == (False, True, Alphabet.BASE64URL)
            assert probe.alphabet_of(0) is Alphabet.CJK15
            probe.learn(None, (), wall_clock())
            probe.learn(0, ((0, 100),), wall_clock())
            assert flags() == (False, False, Alphabet.CJK15)
            assert probe.alphabet_of(5) is Alphabet.CJK15
            assert a_probe(alice).alphabet_of(0) is Alphabet.CJK15  # remembered

    run(main())


def test_what_another_frame_brought_says_nothing_of_the_probe(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, limits=NARROW) as (alice, _):
            probe = a_probe(alice)
            probe.sends(data(0, 0, 100), wall_clock())
            probe.sends(data(1, 50, 150), wall_clock())  # its bytes again, in base64url
            probe.learn(1, ((0, 150),), wall_clock())
            assert probe.is_probing
            assert inside(alice).trust.nodes.dense_works(BOB, "room", wall_clock()) is None

    run(main())


def test_three_probes_in_vain_are_enough_for_a_day(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, limits=NARROW) as (alice, _):
            probe = a_probe(alice)
            for number in range(3):
                assert probe.is_probing
                probe.sends(data(2 * number, 100 * number, 100 * number + 100), wall_clock())
                probe.learn(2 * number + 1, (), wall_clock())
            assert not probe.is_probing
            assert probe.alphabet() is Alphabet.BASE64URL
            assert not a_probe(alice).is_probing
            await asyncio.sleep(24 * 3600)
            assert a_probe(alice).is_probing

    run(main())


@pytest.mark.parametrize("limits", [ChannelLimits(max_text=200_000)], ids=str)
def test_where_texts_are_long_nothing_is_tried(tmp_path: Path, limits: ChannelLimits) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, limits=limits) as (alice, _):
            probe = a_probe(alice)
            assert not probe.is_probing
            assert probe.alphabet() is Alphabet.BASE64URL

    run(main())


def test_an_epoch_without_an_ack_casts_doubt_on_the_alphabet(tmp_path: Path) -> None:
    """A chat that carried it once and garbles it now must not stop all transfers for ever."""

    async def main() -> None:
        async with sealed_nodes(tmp_path, limits=NARROW) as (alice, bob):
            await alice.manager.wait(
                await alice.manager.send_file("bob", write_source(tmp_path, NOISE, "first"))
            )
            nodes = inside(alice).trust.nodes
            assert nodes.dense_works(BOB, "room", wall_clock()) is True
            alice.room.ear = lambda author, to, text: (
                ["?" * len(text)] if text[6] >= "\u3400" else [text]  # garbled
            )
            transfer_id = await alice.manager.send_file("bob", write_source(tmp_path, NOISE))
            await alice.manager.wait(transfer_id)
            assert nodes.dense_works(BOB, "room", wall_clock()) is False
            assert bob.tree()["report.bin"] == NOISE

    run(main())


def test_an_epoch_with_acks_casts_none(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, limits=SLOW) as (alice, bob):
            transfer_id = await alice.manager.send_file("bob", write_source(tmp_path, NOISE * 5))
            await alice.until(
                lambda: pump_of(alice, transfer_id) and pump_of(alice, transfer_id)._acks_heard
            )
            await bob.restart()  # which begins the next epoch
            await alice.manager.wait(transfer_id)
            nodes = inside(alice).trust.nodes
            assert nodes.dense_works(BOB, "room", wall_clock()) is True

    run(main())
