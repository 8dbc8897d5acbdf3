"""`ocft.runtime.pairing_work`: pairings that another process of the node asks for."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from ocft.errors import JournalError
from ocft.runtime.wire2 import Pairings
from ocft.storage import Database, PairingRequest, PairingRequests, PairingState
from ocft.testing import run
from tests.runtime.pair import wall_clock
from tests.runtime.sealed_pair import Node, identity_of, sealed_nodes

CODE = "7-zebra-zoo"
STRANGERS: dict[str, Any] = {"trusted_peers": [], "shares_journal": True}


@contextmanager
def asking(node: Node) -> Iterator[PairingRequests]:
    """Another process of a node."""
    with Database(node.home / ".ocft" / "journal.db") as database:
        yield PairingRequests(database)


def ask(
    requests: PairingRequests,
    code: str = CODE,
    *,
    is_shown: bool = False,
    address: str | None = None,
    within: float = 60.0,
    name: str | None = None,
) -> int:
    return requests.ask(
        "room",
        code,
        is_shown=is_shown,
        address=address,
        name=name,
        ends_at=wall_clock() + within,
    )


async def outcome_of(requests: PairingRequests, number: int) -> PairingRequest:
    while True:
        row = requests.get(number)
        assert row is not None
        if row.state in (PairingState.DONE, PairingState.FAILED):
            return row
        await asyncio.sleep(0.1)


def test_both_sides_are_carried_out(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, alice=STRANGERS, bob=STRANGERS) as (alice, bob):
            with asking(alice) as ours, asking(bob) as theirs:
                shown = ask(theirs, is_shown=True, name="alice")
                await asyncio.sleep(1)
                typed = ask(ours, address="bob")
                done = [await outcome_of(ours, typed), await outcome_of(theirs, shown)]
            assert [(one.state, one.peer_id) for one in done] == [
                (PairingState.DONE, "bob"),
                (PairingState.DONE, "alice"),
            ]
            assert bob.manager.peers.get("alice").name == "alice"
            fingerprint = alice.manager.peers.get("bob").fingerprint
            assert fingerprint == identity_of("bob").public.fingerprint
            assert "peer-paired" in alice.names()

    run(main())


def test_a_wrong_code_is_told_to_who_asked_on_both_sides(tmp_path: Path) -> None:  # R-PAI-2
    async def main() -> None:
        async with sealed_nodes(tmp_path, alice=STRANGERS, bob=STRANGERS) as (alice, bob):
            with asking(alice) as ours, asking(bob) as theirs:
                shown = ask(theirs, is_shown=True)
                await asyncio.sleep(1)
                typed = ask(ours, "7-zebra-abandon", address="bob")
                for row in (await outcome_of(ours, typed), await outcome_of(theirs, shown)):
                    assert row.state is PairingState.FAILED
                    assert "codes differ" in str(row.error)
            assert alice.manager.peers.all() == bob.manager.peers.all() == []

    run(main())


def test_nobody_takes_part_until_it_is_given_up(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, alice=STRANGERS) as (alice, _):
            with asking(alice) as requests:
                numbers = [
                    ask(requests, is_shown=True, within=30),
                    ask(requests, "8-zebra-zoo", address="bob", within=30),
                ]
                began = wall_clock()
                for number in numbers:
                    assert (await outcome_of(requests, number)).state is PairingState.FAILED
                assert 30 <= wall_clock() - began < 35

    run(main())


def test_where_nobody_can_be_meant_an_address_is_asked_for(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, alice=STRANGERS) as (alice, _):
            with asking(alice) as requests:
                row = await outcome_of(requests, ask(requests))
                assert "--to" in str(row.error)
                row = await outcome_of(requests, ask(requests, "no code", address="bob"))
                assert row.state is PairingState.FAILED

    run(main())


def test_what_is_taken_back_is_stopped(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, alice=STRANGERS, bob=STRANGERS) as (alice, bob):
            with asking(alice) as ours, asking(bob) as theirs:
                number = ask(theirs, is_shown=True)
                await asyncio.sleep(1)
                theirs.remove(number)
                await asyncio.sleep(1)
                row = await outcome_of(ours, ask(ours, address="bob", within=5))
                assert row.state is PairingState.FAILED
            assert bob.manager.peers.all() == []

    run(main())


@pytest.mark.parametrize("outcome", ["finish", "finish_for_good"])
def test_an_outcome_that_cannot_be_recorded_is_recorded_later(
    tmp_path: Path, outcome: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, alice=STRANGERS, bob=STRANGERS) as (alice, bob):
            write = getattr(PairingRequests, outcome)
            refusals = [JournalError("The disk is full."), JournalError("The disk is full.")]

            def refuse(*arguments: Any, **fields: Any) -> None:
                if refusals:
                    raise refusals.pop()
                write(*arguments, **fields)

            with (
                mock.patch.object(PairingRequests, outcome, refuse),
                asking(alice) as ours,
                asking(bob) as theirs,
            ):
                shown = ask(theirs, is_shown=True)
                await asyncio.sleep(1)
                is_right = outcome == "finish_for_good"
                typed = ask(ours, CODE if is_right else "7-zebra-abandon", address="bob")
                ended = PairingState.DONE if is_right else PairingState.FAILED
                for requests, number in ((ours, typed), (theirs, shown)):
                    assert (await outcome_of(requests, number)).state is ended
            assert not refusals
            assert caplog.text.count("The disk is full.") == 2

    run(main())


def test_a_pairing_that_breaks_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, alice=STRANGERS) as (alice, _):
            with mock.patch.object(Pairings, "show", side_effect=RuntimeError("broken")):
                with asking(alice) as ours:
                    ask(ours, is_shown=True)
                await asyncio.sleep(1)
        assert "a pairing was lost" in caplog.text
        assert "broken" in caplog.text

    run(main())


def test_what_another_driver_left_behind_is_given_up(tmp_path: Path) -> None:
    async def main() -> None:
        async with sealed_nodes(tmp_path, alice=STRANGERS) as (alice, _):
            with asking(alice) as requests:
                number = ask(requests, is_shown=True)
                await asyncio.sleep(1)
                await alice.restart()
                row = await outcome_of(requests, number)
                assert "interrupted" in str(row.error)

    run(main())
