"""A bot's view: what the manager promises."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from ocft import (
    ChannelLimits,
    Event,
    OcftError,
    Patience,
    TransferManager,
    TransferState,
    TrustedPeer,
)
from ocft.channels import memory_channels
from ocft.errors import (
    ChannelClosedError,
    ChannelHeldError,
    ConfigError,
    SourceChangedError,
    SourceNotFoundError,
    TransferCancelledError,
    TransferRejectedError,
    TransferTimeoutError,
    TrustExpiredError,
    UnknownTransferError,
    WrongStateError,
)
from ocft.testing import run
from ocft.wire import Accept, Message, Offer, decode
from tests.runtime.pair import DATA, EPOCH, make_manager, two_managers, write_source


def test_a_file_arrives_whole_once_and_under_its_own_name(tmp_path: Path) -> None:
    async def main() -> None:
        async with two_managers(tmp_path) as (alice, bob):
            transfer_id = await alice.send_file("bob", write_source(tmp_path))
            sent = await alice.wait(transfer_id)
            received = await bob.wait(transfer_id)
            assert sent.state is received.state is TransferState.COMPLETED
            assert received.local_path == str(tmp_path / "bob" / "report.bin")
            assert received.bytes_done == received.size == len(DATA)

    run(main())
    assert (tmp_path / "bob" / "report.bin").read_bytes() == DATA
    assert list((tmp_path / "bob" / ".ocft" / "partial").iterdir()) == []


@pytest.mark.parametrize("size", [0, 1, 1023, 1024, 1025, 10_000])
def test_files_of_any_size_arrive(tmp_path: Path, size: int) -> None:
    async def main() -> None:
        async with two_managers(tmp_path) as (alice, bob):
            source = write_source(tmp_path, b"x" * size)
            transfer_id = await alice.send_file("bob", source)
            await alice.wait(transfer_id)
            await bob.wait(transfer_id)

    run(main())
    assert (tmp_path / "bob" / "report.bin").read_bytes() == b"x" * size


def test_the_same_name_again_gets_a_number(tmp_path: Path) -> None:
    async def main() -> None:
        async with two_managers(tmp_path) as (alice, _):
            for content in (b"one", b"two"):
                transfer_id = await alice.send_file("bob", write_source(tmp_path, content))
                await alice.wait(transfer_id)

    run(main())
    assert (tmp_path / "bob" / "report.bin").read_bytes() == b"one"
    assert (tmp_path / "bob" / "report (1).bin").read_bytes() == b"two"


def test_events_come_in_the_reference_order(tmp_path: Path) -> None:
    seen: list[str] = []

    async def main() -> None:
        async with two_managers(tmp_path) as (alice, bob):
            for who, manager in (("alice", alice), ("bob", bob)):
                for name in (
                    "offer-sent",
                    "offer-received",
                    "transfer-accepted",
                    "transfer-started",
                    "transfer-completed",
                ):
                    manager.on(name, lambda event, who=who: seen.append(f"{who}:{event.name}"))
            await alice.wait(await alice.send_file("bob", write_source(tmp_path)))

    run(main())
    # As recorded from the 1.x implementation, see tests/golden/wire-1.0.json.
    assert seen == [
        "alice:offer-sent",
        "bob:offer-received",
        "bob:transfer-accepted",
        "alice:transfer-started",
        "bob:transfer-completed",
        "alice:transfer-completed",
    ]


def test_more_files_than_are_sent_at_once_all_arrive(tmp_path: Path) -> None:
    async def main() -> None:
        async with two_managers(tmp_path) as (alice, bob):
            ids = [
                await alice.send_file("bob", write_source(tmp_path, DATA, f"{number}.bin"))
                for number in range(40)
            ]
            await asyncio.gather(*(alice.wait(one) for one in ids))
            assert all(info.state is TransferState.COMPLETED for info in bob.list_transfers())

    run(main())
    assert len(list((tmp_path / "bob").glob("*.bin"))) == 40


def test_transfers_share_a_slow_channel_fairly(tmp_path: Path) -> None:
    order: list[str] = []

    async def main() -> None:
        limits = ChannelLimits(max_text=100_000, texts_per_second=1)
        ends = memory_channels("alice", "bob", limits=limits)
        alice = make_manager("alice", ends[0], tmp_path)
        bob = make_manager("bob", ends[1], tmp_path)
        bob.on("chunk-received", lambda event: order.append(event.transfer_id))
        async with ends[0], ends[1], alice, bob:
            ids = [
                await alice.send_file("bob", write_source(tmp_path, DATA, f"{number}.bin"))
                for number in range(8)
            ]
            await asyncio.gather(*(alice.wait(one) for one in ids))

    run(main())
    halfway = [order[: len(order) // 2].count(one) for one in set(order)]
    assert max(halfway) - min(halfway) <= 2, halfway


def test_an_offer_without_secret_waits_for_a_decision(tmp_path: Path) -> None:
    async def main() -> None:
        async with two_managers(tmp_path, alice={"trusted_peers": []}) as (alice, bob):
            offered = asyncio.Event()
            bob.on("offer-received", lambda event: offered.set())
            transfer_id = await alice.send_file("bob", write_source(tmp_path))
            await offered.wait()
            await asyncio.sleep(100)
            info = bob.get_transfer(transfer_id)
            assert info is not None
            assert info.state is TransferState.PENDING
            await bob.accept_transfer(transfer_id)
            await alice.wait(transfer_id)

    run(main())
    assert (tmp_path / "bob" / "report.bin").read_bytes() == DATA


def test_a_rejected_offer_ends_on_both_sides_with_the_reason(tmp_path: Path) -> None:
    async def main() -> None:
        async with two_managers(tmp_path, alice={"trusted_peers": []}) as (alice, bob):

            @bob.on("offer-received")
            async def refuse(event: Event) -> None:
                await bob.reject_transfer(event.transfer_id, "not now")

            transfer_id = await alice.send_file("bob", write_source(tmp_path))
            with pytest.raises(TransferRejectedError, match="not now"):
                await alice.wait(transfer_id)
            with pytest.raises(TransferRejectedError):
                await bob.wait(transfer_id)
            with pytest.raises(WrongStateError):
                await bob.accept_transfer(transfer_id)

    run(main())


@pytest.mark.parametrize("who", ["alice", "bob"])
def test_a_cancel_ends_both_sides_and_leaves_nothing(tmp_path: Path, who: str) -> None:
    async def main() -> None:
        async with two_managers(tmp_path) as (alice, bob):
            canceller = {"alice": alice, "bob": bob}[who]

            @bob.on("chunk-received")
            async def stop(event: Event) -> None:
                if canceller.get_transfer(event.transfer_id).state.is_final:  # type: ignore[union-attr]
                    return
                await canceller.cancel_transfer(event.transfer_id, "changed my mind")

            transfer_id = await alice.send_file("bob", write_source(tmp_path))
            for manager in (alice, bob):
                with pytest.raises(TransferCancelledError):
                    await manager.wait(transfer_id)
            with pytest.raises(WrongStateError):
                await canceller.cancel_transfer(transfer_id)

    run(main())
    assert [
        path for path in (tmp_path / "bob").rglob("*") if path.suffix in (".bin", ".part")
    ] == []


def test_a_restart_of_both_sides_goes_on_from_the_stored_chunks(tmp_path: Path) -> None:
    sent: list[int] = []

    async def main() -> None:
        ends = memory_channels("alice", "bob")
        alice = make_manager("alice", ends[0], tmp_path)
        bob = make_manager("bob", ends[1], tmp_path)
        half = asyncio.Event()
        bob.on("chunk-received", lambda event: half.set() if event.index == 2 else None)
        alice.on("chunk-sent", lambda event: sent.append(event.index))
        await bob.start()
        transfer_id = await alice.send_file("bob", write_source(tmp_path))
        await half.wait()
        await alice.close()
        await bob.close()
        for end in ends:
            await end.close()

        ends = memory_channels("alice", "bob")
        alice = make_manager("alice", ends[0], tmp_path)
        bob = make_manager("bob", ends[1], tmp_path)
        alice.on("chunk-sent", lambda event: sent.append(event.index))
        async with ends[0], ends[1], alice, bob:
            await alice.wait(transfer_id)
            await bob.wait(transfer_id)

    run(main())
    assert (tmp_path / "bob" / "report.bin").read_bytes() == DATA
    assert sent[:3] == [0, 1, 2]
    assert sorted(set(sent)) == [0, 1, 2, 3, 4]
    assert sent.count(0) == sent.count(1) == sent.count(2) == 1


def test_a_source_that_changed_meanwhile_is_noticed_on_both_sides(tmp_path: Path) -> None:
    async def main() -> None:
        async with two_managers(tmp_path) as (alice, bob):
            source = write_source(tmp_path)

            @bob.on("chunk-received")
            def change(event: Event) -> None:
                source.write_bytes(DATA[::-1])

            transfer_id = await alice.send_file("bob", source)
            with pytest.raises(SourceChangedError):
                await alice.wait(transfer_id)
            with pytest.raises(OcftError, match="SOURCE_CHANGED"):
                await bob.wait(transfer_id)

    run(main())
    assert not (tmp_path / "bob" / "report.bin").exists()


def test_a_source_that_was_only_touched_goes_on(tmp_path: Path) -> None:
    async def main() -> None:
        async with two_managers(tmp_path) as (alice, bob):
            source = write_source(tmp_path)
            bob.on("chunk-received", lambda event: source.touch())
            await alice.wait(await alice.send_file("bob", source))

    run(main())
    assert (tmp_path / "bob" / "report.bin").read_bytes() == DATA


@pytest.mark.parametrize("name", ["missing", "folder", "fifo"])
def test_what_cannot_be_sent_is_said_at_once(tmp_path: Path, name: str) -> None:
    import os

    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")

    async def main() -> None:
        async with two_managers(tmp_path) as (alice, _):
            with pytest.raises(SourceNotFoundError):
                await alice.send_file("bob", tmp_path / name)
            assert alice.list_transfers() == []

    run(main())


def test_a_silent_peer_is_given_up_and_the_transfer_can_be_resumed(tmp_path: Path) -> None:
    async def main() -> None:
        ends = memory_channels("alice", "bob")
        patience = Patience(decision=100, idle=50)
        async with ends[0], ends[1]:
            alice = make_manager("alice", ends[0], tmp_path, patience=patience)
            async with alice:
                transfer_id = await alice.send_file("bob", write_source(tmp_path))
                with pytest.raises(TransferTimeoutError):
                    await alice.wait(transfer_id)
                assert [info.id for info in alice.get_resumable_transfers()] == [transfer_id]
                async with make_manager("bob", ends[1], tmp_path):
                    await alice.resume_transfer(transfer_id)
                    await alice.wait(transfer_id)

    run(main())
    assert (tmp_path / "bob" / "report.bin").read_bytes() == DATA


def test_the_secret_in_an_offer_ends_with_its_ttl(tmp_path: Path) -> None:
    async def main() -> None:
        texts: list[str] = []

        async def send(to: str, text: str) -> None:
            texts.append(text)

        manager = TransferManager(
            wires=("1.0",),
            bot_id="alice",
            secret="secret-of-alice",
            download_dir=tmp_path,
            send=send,
            secret_ttl=timedelta(hours=2),
            trusted_peers=[TrustedPeer(id="bob", secret="secret-of-bob")],
            wall_clock=lambda: EPOCH,
        )
        async with manager:
            await manager.send_file("bob", write_source(tmp_path))
            await asyncio.sleep(0.01)
            (message,) = decode(texts[0])
            assert isinstance(message, Message)
            assert isinstance(message.payload, Offer)
            assert message.payload.secret == "secret-of-bob"
            assert message.payload.secret_ttl == (EPOCH + 7200) * 1000

    run(main())


def test_nothing_is_sent_to_a_peer_whose_trust_has_ended(tmp_path: Path) -> None:
    async def main() -> None:
        peers = [TrustedPeer(id="bob", secret="secret-of-bob", expires_at=EPOCH - 1)]
        async with two_managers(tmp_path, alice={"trusted_peers": peers}) as (alice, _):
            with pytest.raises(TrustExpiredError):
                await alice.send_file("bob", write_source(tmp_path))

    run(main())


def test_chunks_fit_the_channel(tmp_path: Path) -> None:
    async def main() -> None:
        longest = 0

        async def send(to: str, text: str) -> None:
            nonlocal longest
            longest = max(longest, len(text))
            await bob.handle_message("alice", text)

        async def answer(to: str, text: str) -> None:
            await alice.handle_message("bob", text)

        limits = ChannelLimits(max_text=2000)
        alice = TransferManager(
            wires=("1.0",),
            bot_id="alice",
            download_dir=tmp_path / "alice",
            send=send,
            limits=limits,
            trusted_peers=[TrustedPeer(id="bob", secret="secret-of-bob")],
        )
        bob = TransferManager(
            wires=("1.0",),
            bot_id="bob",
            secret="secret-of-bob",
            download_dir=tmp_path / "bob",
            send=answer,
        )
        async with alice, bob:
            await alice.wait(await alice.send_file("bob", write_source(tmp_path)))
        assert 1900 < longest <= 2000

    run(main())
    assert (tmp_path / "bob" / "report.bin").read_bytes() == DATA


def test_human_text_is_left_to_the_bot(tmp_path: Path) -> None:
    async def main() -> None:
        async with two_managers(tmp_path) as (alice, _):
            assert not await alice.handle_message("bob", "hello, OCFT: is nice")
            assert await alice.handle_message("bob", "\N{LINK SYMBOL}OCFT:garbage")

    run(main())


def test_a_listener_that_fails_or_waits_stalls_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with two_managers(tmp_path) as (alice, bob):

            @bob.on("chunk-received")
            def fail(event: Event) -> None:
                raise RuntimeError("a listener's own fault")

            @bob.on("chunk-received")
            async def wait(event: Event) -> None:
                await asyncio.sleep(1000)

            await alice.wait(await alice.send_file("bob", write_source(tmp_path)))
            assert asyncio.get_running_loop().time() < 10

    run(main())
    assert "a listener's own fault" in caplog.text


def test_two_managers_cannot_drive_the_same_journal(tmp_path: Path) -> None:
    async def main() -> None:
        ends = memory_channels("alice", "bob")
        async with ends[0], ends[1], make_manager("alice", ends[0], tmp_path):
            second = make_manager("alice", ends[1], tmp_path)
            with pytest.raises(ChannelHeldError):
                await second.start()
            await second.close()

    run(main())


def test_a_closed_manager_says_so(tmp_path: Path) -> None:
    async def main() -> None:
        async with two_managers(tmp_path) as (alice, bob):
            await bob.close()
            transfer_id = await alice.send_file("bob", write_source(tmp_path))
            waiting = asyncio.create_task(alice.wait(transfer_id))
            await asyncio.sleep(1)
            await alice.close()
            await alice.close()
            with pytest.raises(ChannelClosedError):
                await waiting
            with pytest.raises(ChannelClosedError):
                await alice.send_file("bob", tmp_path)

    run(main())


def test_unknown_ids_and_names_are_told(tmp_path: Path) -> None:
    async def main() -> None:
        async with two_managers(tmp_path) as (alice, _):
            assert alice.get_transfer("xfer_nope") is None
            for call in (
                alice.wait,
                alice.accept_transfer,
                alice.cancel_transfer,
                alice.resume_transfer,
            ):
                with pytest.raises(UnknownTransferError):
                    await call("xfer_nope")
            with pytest.raises(ConfigError, match="offer-received"):
                alice.on("offer-recieved", print)

    run(main())


@pytest.mark.parametrize(
    "options",
    [
        {"chunk_size": 0},
        {"chunk_size": 2 << 20},
        {"bot_id": ""},
        {"bot_id": None},
        {"bot_id": "ali\u202ece"},
        {"send": None},
    ],
    ids=str,
)
def test_options_that_make_no_sense_are_refused(tmp_path: Path, options: dict[str, object]) -> None:
    async def send(to: str, text: str) -> None:
        """Go nowhere."""

    arguments: dict[str, object] = {"bot_id": "alice", "download_dir": tmp_path, "send": send}
    with pytest.raises(ConfigError):
        TransferManager(**{**arguments, **options})  # type: ignore[arg-type]


def test_a_node_is_called_as_the_channel_s_account_unless_it_is_said(tmp_path: Path) -> None:
    channel, _ = memory_channels("4711", "4712")
    assert TransferManager(download_dir=tmp_path, channel=channel).bot_id == "4711"
    named = TransferManager(bot_id="alice", download_dir=tmp_path, channel=channel)
    assert named.bot_id == "alice"


def test_a_send_function_that_fails_costs_time_not_the_transfer(tmp_path: Path) -> None:
    async def main() -> None:
        failures = 3

        async def send(to: str, text: str) -> None:
            nonlocal failures
            if failures:
                failures -= 1
                raise OSError("the network is gone")
            await bob.handle_message("alice", text)

        async def answer(to: str, text: str) -> None:
            await alice.handle_message("bob", text)

        alice = TransferManager(
            wires=("1.0",),
            bot_id="alice",
            download_dir=tmp_path / "alice",
            send=send,
            trusted_peers=[TrustedPeer(id="bob", secret="secret-of-bob")],
        )
        bob = TransferManager(
            wires=("1.0",),
            bot_id="bob",
            secret="secret-of-bob",
            download_dir=tmp_path / "bob",
            send=answer,
        )
        async with alice, bob:
            await alice.wait(await alice.send_file("bob", write_source(tmp_path)))

    run(main())
    assert (tmp_path / "bob" / "report.bin").read_bytes() == DATA


def test_the_accept_of_a_sender_of_ours_says_that_chunks_are_kept(tmp_path: Path) -> None:
    async def main() -> None:
        heard: list[object] = []

        async def send(to: str, text: str) -> None:
            await bob.handle_message("alice", text)

        async def answer(to: str, text: str) -> None:
            heard.extend(one.payload for one in decode(text) if isinstance(one, Message))
            await alice.handle_message("bob", text)

        alice = TransferManager(
            wires=("1.0",),
            bot_id="alice",
            download_dir=tmp_path / "alice",
            send=send,
            trusted_peers=[TrustedPeer(id="bob", secret="secret-of-bob")],
        )
        bob = TransferManager(
            wires=("1.0",),
            bot_id="bob",
            secret="secret-of-bob",
            download_dir=tmp_path / "bob",
            send=answer,
        )
        async with alice, bob:
            await alice.wait(await alice.send_file("bob", write_source(tmp_path)))
        assert heard[0] == Accept(ready=True, resume_from=0)

    run(main())


def test_a_cancel_while_the_source_is_being_opened_is_not_lost(tmp_path: Path) -> None:
    async def main() -> None:
        async with two_managers(tmp_path) as (alice, _):
            transfer_id = await alice.send_file("bob", write_source(tmp_path))
            await alice.cancel_transfer(transfer_id, "at once")
            with pytest.raises(TransferCancelledError):
                await alice.wait(transfer_id)

    run(main())
    assert not (tmp_path / "bob" / "report.bin").exists()


def test_a_channel_that_hangs_does_not_outlast_the_patience(tmp_path: Path) -> None:
    async def main() -> None:
        async def hang(to: str, text: str) -> None:
            await asyncio.Event().wait()

        manager = TransferManager(
            wires=("1.0",),
            bot_id="alice",
            download_dir=tmp_path,
            send=hang,
            patience=Patience(decision=10, idle=10),
        )
        async with manager:
            transfer_id = await manager.send_file("bob", write_source(tmp_path))
            with pytest.raises(TransferTimeoutError):
                await manager.wait(transfer_id)
            cancelled = await manager.send_file("bob", write_source(tmp_path))
            await asyncio.sleep(1)
            await manager.cancel_transfer(cancelled)
            with pytest.raises(TransferCancelledError):
                await manager.wait(cancelled)

    run(main())


def test_giving_up_an_interrupted_transfer_frees_its_part_file(tmp_path: Path) -> None:
    async def main() -> None:
        patience = Patience(idle=20)
        async with two_managers(tmp_path, bob={"patience": patience}) as (alice, bob):
            some = asyncio.Event()
            bob.on("chunk-received", lambda event: some.set())
            transfer_id = await alice.send_file("bob", write_source(tmp_path, DATA * 50))
            await some.wait()
            await alice.close()
            with pytest.raises(TransferTimeoutError):
                await bob.wait(transfer_id)
            partial = tmp_path / "bob" / ".ocft" / "partial"
            assert len(list(partial.iterdir())) == 1
            await bob.cancel_transfer(transfer_id)
            with pytest.raises(TransferCancelledError):
                await bob.wait(transfer_id)
            assert list(partial.iterdir()) == []

    run(main())


def test_a_journal_that_cannot_be_opened_leaves_no_lock(tmp_path: Path) -> None:
    from ocft.errors import JournalError

    async def main() -> None:
        journal = tmp_path / "alice" / ".ocft" / "journal.db"
        journal.parent.mkdir(parents=True)
        journal.write_bytes(b"this is no database" * 100)
        ends = memory_channels("alice", "bob")
        async with ends[0], ends[1]:
            first = make_manager("alice", ends[0], tmp_path)
            with pytest.raises(JournalError):
                await first.start()
            journal.unlink()
            async with make_manager("alice", ends[0], tmp_path):
                pass
            await first.close()

    run(main())


def test_a_journal_that_is_locked_for_a_while_costs_only_time(tmp_path: Path) -> None:
    from unittest import mock

    from ocft.errors import JournalError
    from ocft.storage import Journal

    async def main() -> None:
        async with two_managers(tmp_path) as (alice, bob):
            save, locked = Journal.save, [True] * 3

            def save_or_not(journal: Journal, record: object) -> None:
                if locked and journal is bob._journal:
                    locked.pop()
                    raise JournalError("database is locked")
                save(journal, record)  # type: ignore[arg-type]

            with mock.patch.object(Journal, "save", save_or_not):
                transfer_id = await alice.send_file("bob", write_source(tmp_path))
                await alice.wait(transfer_id)
                await bob.wait(transfer_id)
            assert locked == []

    run(main())
    assert (tmp_path / "bob" / "report.bin").read_bytes() == DATA


def test_part_files_that_nothing_goes_on_with_are_removed_at_the_start(tmp_path: Path) -> None:
    async def main() -> None:
        partial = tmp_path / "bob" / ".ocft" / "partial"
        partial.mkdir(parents=True)
        (partial / "xfer_forgotten.part").write_bytes(b"x")
        async with two_managers(tmp_path):
            assert list(partial.iterdir()) == []

    run(main())
