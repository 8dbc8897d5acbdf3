"""Wire 2 on channels as they are: narrow, slow, lying, and with peers that speak 1.0 only."""

import asyncio
import random
from pathlib import Path

import pytest

from ocft import ChannelLimits, Patience, TransferState, TrustedPeer
from ocft.errors import (
    ConfigError,
    MessageTooLongError,
    PeerTooOldError,
    TransferCancelledError,
    TransferTimeoutError,
)
from ocft.testing import run
from ocft.wire import FrameType, Message, decode
from tests.runtime.pair import DATA, write_source
from tests.runtime.sealed_pair import (
    NARROW,
    inside,
    sealed_nodes,
    write_files,
)

SET = {"a__txt": b"a" * 1000, "sub_0_b__bin": DATA, "sub_0_deep_0_c": b"", "z": b"zz"}
SET_TREE = {
    "set/a.txt": b"a" * 1000,
    "set/sub/b.bin": DATA,
    "set/sub/deep/c": b"",
    "set/z": b"zz",
}
BIG = bytes(range(256)) * 4000  # a million bytes: 21 wide frames

# The channel


def test_a_channel_that_carries_less_than_it_says_makes_frames_shorter(tmp_path: Path) -> None:
    noise = random.Random(0).randbytes(100_000)

    async def main() -> None:  # R-ARQ-12
        async with sealed_nodes(tmp_path, limits=ChannelLimits(max_text=4096)) as (alice, bob):
            send = alice.channel.send

            async def send_short(to: str, text: str) -> None:
                if len(text) > 3000:
                    raise MessageTooLongError("the platform counts otherwise")
                await send(to, text)

            alice.channel.send = send_short  # type: ignore[method-assign]
            transfer_id = await alice.manager.send_file("bob", write_source(tmp_path, noise))
            await alice.manager.wait(transfer_id)
            assert bob.tree() == {"report.bin": noise}
            assert max(len(text) for who, _, text in alice.room.said if who == "alice") > 2300
            assert asyncio.get_running_loop().time() < 120

    run(main())


def test_a_channel_that_carries_next_to_nothing_is_told_at_once(tmp_path: Path) -> None:
    async def main() -> None:
        for most in (20, 60, 80):
            folder = tmp_path / str(most)
            folder.mkdir()
            async with sealed_nodes(folder, limits=ChannelLimits(max_text=most)) as (alice, _):
                transfer_id = await alice.manager.send_file("bob", write_source(folder))
                info = await alice.end_of(transfer_id)
                assert info.error_code == "MESSAGE_TOO_LONG"
                assert asyncio.get_running_loop().time() < 100

    run(main())


def test_the_peer_is_told_of_an_end_that_leaves_no_room_for_data(tmp_path: Path) -> None:
    async def main() -> None:
        limits = ChannelLimits(max_text=100_000, texts_per_second=10)
        async with sealed_nodes(tmp_path, limits=limits) as (alice, bob):
            source = write_source(tmp_path, random.Random(0).randbytes(2_000_000))
            transfer_id = await alice.manager.send_file("bob", source)
            await bob.until(lambda: bob.state(transfer_id) and bob.info(transfer_id).bytes_done)
            post = inside(alice).post
            post._max_text = 60  # not a byte of data, but control messages in pieces
            post._capacities.clear()
            info = await alice.end_of(transfer_id)
            assert info.error_code == "MESSAGE_TOO_LONG"
            received = await bob.end_of(transfer_id)
            assert "MESSAGE_TOO_LONG" in (received.error or "")
            assert asyncio.get_running_loop().time() < 30

    run(main())


def test_a_channel_that_hangs_does_not_outlast_the_patience(tmp_path: Path) -> None:
    async def main() -> None:
        options = {"patience": Patience(decision=10, idle=10)}
        async with sealed_nodes(tmp_path, options) as (alice, _):

            async def hang(to: str, text: str) -> None:
                await asyncio.Event().wait()

            alice.channel.send = hang  # type: ignore[method-assign]
            transfer_id = await alice.manager.send_file("bob", write_source(tmp_path))
            with pytest.raises(TransferTimeoutError):
                await alice.manager.wait(transfer_id)
            cancelled = await alice.manager.send_file("bob", write_source(tmp_path))
            await asyncio.sleep(1)
            await alice.manager.cancel_transfer(cancelled)
            with pytest.raises(TransferCancelledError):
                await alice.manager.wait(cancelled)

    run(main())


# Wires


def test_a_set_is_not_sent_to_a_peer_that_speaks_1_0(tmp_path: Path) -> None:
    async def main() -> None:  # R-WIR-1
        both = {"wires": ("1.0", "2"), "trusted_peers": [TrustedPeer(id="bob")]}
        old = {"wires": ("1.0",), "trusted_peers": [TrustedPeer(id="alice")]}
        async with sealed_nodes(tmp_path, both, old) as (alice, bob):
            transfer_id = await alice.manager.send_file("bob", write_files(tmp_path, **SET))
            info = await alice.end_of(transfer_id)
            assert info.error_code == "PEER_TOO_OLD"
            assert bob.manager.list_transfers() == []

    run(main())


def test_a_peer_that_speaks_1_0_gets_it_after_three_hellos_and_at_once_the_next_time(
    tmp_path: Path,
) -> None:
    async def main() -> None:  # R-WIR-1
        both = {"wires": ("1.0", "2"), "trusted_peers": [TrustedPeer(id="bob")]}
        old = {"wires": ("1.0",), "trusted_peers": [TrustedPeer(id="alice")]}
        async with sealed_nodes(tmp_path, both, old) as (alice, bob):
            now = asyncio.get_running_loop().time
            info = await alice.end_of(await alice.manager.send_file("bob", write_source(tmp_path)))
            assert (info.state, info.wire) == (TransferState.COMPLETED, "1.0")
            assert alice.room.count(FrameType.HELLO) == 3
            assert 15 <= now() < 17
            assert alice.names("chunk-sent", "ack-received") == [
                "offer-sent",
                "transfer-started",
                "transfer-completed",
            ]
            began = now()
            await alice.end_of(await alice.manager.send_file("bob", write_source(tmp_path)))
            assert now() < began + 2
            assert alice.room.count(FrameType.HELLO) == 3
            await asyncio.sleep(24 * 3600)
            await bob.restart(wires=("1.0", "2"))
            info = await alice.end_of(await alice.manager.send_file("bob", write_source(tmp_path)))
            assert info.wire == "2"
            assert len(bob.tree()) == 2  # the third was there already

    run(main())


def test_a_peer_that_was_taken_for_1_0_speaks_wire_2_as_soon_as_it_says_hello(
    tmp_path: Path,
) -> None:
    async def main() -> None:  # R-WIR-1
        both = {"wires": ("1.0", "2"), "trusted_peers": [TrustedPeer(id="bob")]}
        old = {"wires": ("1.0",), "trusted_peers": [TrustedPeer(id="alice")]}
        async with sealed_nodes(tmp_path, both, old) as (alice, bob):
            await alice.end_of(await alice.manager.send_file("bob", write_source(tmp_path)))
            await bob.restart(wires=("1.0", "2"))
            await bob.end_of(await bob.manager.send_file("alice", write_source(tmp_path)))
            info = await alice.end_of(await alice.manager.send_file("bob", write_source(tmp_path)))
            assert info.wire == "2"

    run(main())


def test_a_known_fingerprint_is_never_brought_down_to_1_0(tmp_path: Path) -> None:
    async def main() -> None:  # R-WIR-2
        both = {"wires": ("1.0", "2"), "patience": Patience(decision=300)}
        old = {"wires": ("1.0",), "trusted_peers": [TrustedPeer(id="alice")]}
        async with sealed_nodes(tmp_path, both, old) as (alice, bob):
            info = await alice.end_of(await alice.manager.send_file("bob", write_source(tmp_path)))
            assert info.error_code == "TRANSFER_TIMEOUT"
            assert bob.manager.list_transfers() == []
            said = [text for author, _, text in alice.room.said if author == "alice"]
            assert said
            assert not any(isinstance(one, Message) for text in said for one in decode(text))
            back = await bob.manager.send_file("alice", write_source(tmp_path))
            await alice.until(lambda: "not-allowed" in alice.ignored())
            assert alice.manager.get_transfer(back) is None

    run(main())


@pytest.mark.parametrize("how", ["node", "peer"])
def test_1_0_can_be_forbidden(tmp_path: Path, how: str) -> None:
    async def main() -> None:  # R-WIR-3
        wires = ("2",) if how == "node" else ("1.0", "2")
        peers = [TrustedPeer(id="bob", allows_wire_1=how == "node")]
        options = {"wires": wires, "trusted_peers": peers, "patience": Patience(decision=300)}
        old = {"wires": ("1.0",), "trusted_peers": [TrustedPeer(id="alice")]}
        async with sealed_nodes(tmp_path, options, old) as (alice, bob):
            info = await alice.end_of(await alice.manager.send_file("bob", write_source(tmp_path)))
            assert info.state is TransferState.FAILED
            assert bob.manager.list_transfers() == []
            back = await bob.manager.send_file("alice", write_source(tmp_path))
            await alice.until(lambda: "not-allowed" in alice.ignored())
            assert alice.manager.get_transfer(back) is None

    run(main())


@pytest.mark.parametrize("how", ["node", "peer"])
def test_a_peer_that_can_only_speak_what_is_forbidden_is_told_apart_at_once(
    tmp_path: Path, how: str
) -> None:
    async def main() -> None:  # R-WIR-3
        both = {"wires": ("1.0", "2"), "trusted_peers": []}
        old = {"wires": ("1.0",), "trusted_peers": [TrustedPeer(id="alice")]}
        async with sealed_nodes(tmp_path, both, old) as (alice, bob):
            alice.manager.peers.add(TrustedPeer(id="bob"))
            await alice.end_of(await alice.manager.send_file("bob", write_source(tmp_path)))
            if how == "peer":
                alice.manager.peers.change("bob", allows_wire_1=False)
            else:
                await alice.restart(wires=("2",))
            began = asyncio.get_running_loop().time()
            again = await alice.manager.send_file("bob", write_source(tmp_path, name="again"))
            with pytest.raises(PeerTooOldError, match="--wire-1"):
                await alice.manager.wait(again)
            assert asyncio.get_running_loop().time() < began + 1
            # Allowed, or updated: then it goes on.
            alice.manager.peers.change("bob", allows_wire_1=True)
            await alice.restart(wires=("1.0", "2"))
            await alice.manager.resume_transfer(again)
            await alice.manager.wait(again)
            assert sorted(bob.tree()) == ["again", "report.bin"]

    run(main())


def test_who_was_only_silent_is_tried_in_wire_2_when_1_0_is_forbidden(tmp_path: Path) -> None:
    async def main() -> None:  # R-WIR-3: it may have been asleep, and speak wire 2
        both = {"wires": ("1.0", "2"), "trusted_peers": []}
        async with sealed_nodes(tmp_path, both, {"wires": ("1.0", "2")}) as (alice, bob):
            alice.manager.peers.add(TrustedPeer(id="bob", secret="s"))
            await bob.stop()
            transfer_id = await alice.manager.send_file("bob", write_source(tmp_path))
            await alice.until(lambda: alice.info(transfer_id).wire == "1.0")
            await alice.manager.cancel_transfer(transfer_id)
            alice.manager.peers.change("bob", allows_wire_1=False)
            await bob.start(secret="s")
            again = await alice.manager.send_file("bob", write_source(tmp_path))
            await alice.manager.wait(again)
            assert alice.info(again).wire == "2"

    run(main())


# Alphabets and compression


def test_the_dense_alphabet_is_tried_once_and_remembered(tmp_path: Path) -> None:  # R-FRM-5
    noise = random.Random(0).randbytes(60_000)

    async def main() -> None:
        async with sealed_nodes(tmp_path, limits=NARROW) as (alice, _bob):
            texts = 0
            for number in range(2):
                alice.room.said.clear()
                source = write_source(tmp_path, noise + bytes([number]), f"{number}")
                await alice.end_of(await alice.manager.send_file("bob", source))
                dense = [text for _, _, text in alice.room.said if text[6] >= "\u3400"]
                before, texts = texts, len(alice.room.said)
                assert dense
                if number:
                    assert texts <= before
                    assert len(dense) >= 8
            assert inside(alice).trust.nodes.dense_works("bob", "room", 2e9) is True

    run(main())


def test_a_chat_that_garbles_the_dense_alphabet_is_found_out_and_remembered(
    tmp_path: Path,
) -> None:
    noise = random.Random(0).randbytes(60_000)

    async def main() -> None:
        async with sealed_nodes(tmp_path, limits=NARROW) as (alice, bob):
            alice.room.ear = lambda author, to, text: [
                "".join("?" if one >= "\u3400" and one < "\ue000" else one for one in text)
            ]
            for number in range(2):
                alice.room.said.clear()
                source = write_source(tmp_path, noise + bytes([number]), f"{number}")
                await alice.end_of(await alice.manager.send_file("bob", source))
                dense = [text for _, _, text in alice.room.said if text[6] >= "\u3400"]
                assert len(dense) == (0 if number else 3)
            assert len(bob.tree()) == 2
            now = asyncio.get_running_loop().time
            assert now() < 30
            await asyncio.sleep(24 * 3600)
            alice.room.said.clear()
            source = write_source(tmp_path, noise, "again")
            await alice.end_of(await alice.manager.send_file("bob", source))
            assert any(text[6] >= "\u3400" for _, _, text in alice.room.said)

    run(main())


def test_what_can_be_compressed_takes_fewer_texts_on_a_narrow_channel(tmp_path: Path) -> None:
    async def main() -> None:  # R-FRM-4
        async with sealed_nodes(tmp_path, limits=NARROW) as (alice, bob):
            lines = b"".join(b"line %d of a log\n" % number for number in range(20_000))
            source = write_source(tmp_path, lines, "log.txt")
            await alice.end_of(await alice.manager.send_file("bob", source))
            assert bob.tree() == {"log.txt": lines}
            assert alice.room.count(FrameType.DATA) < len(lines) / 3000 / 2

    run(main())


def test_options_of_wire_2_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    from ocft import TransferManager

    async def send(to: str, text: str) -> None:
        """Go nowhere."""

    with pytest.raises(ConfigError, match="wires"):
        TransferManager(bot_id="a", download_dir=tmp_path, send=send, wires=("3",))
