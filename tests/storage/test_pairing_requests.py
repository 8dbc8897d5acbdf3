"""`ocft.storage.pairing_requests`: what one process asks for and another carries out."""

from pathlib import Path

import pytest

from ocft.storage import Database, PairingRequests, PairingState

CODE = "7-zebra-zoo"


@pytest.fixture
def requests(database: Database) -> PairingRequests:
    return PairingRequests(database)


def ask(requests: PairingRequests, channel: str = "local", *, ends_at: float = 600.0) -> int:
    return requests.ask(channel, CODE, is_shown=True, address=None, name=None, ends_at=ends_at)


def test_what_is_asked_for_is_taken_up_once_with_all_that_was_said(
    requests: PairingRequests,
) -> None:
    number = requests.ask(
        "local", CODE, is_shown=False, address="@bob", name="bob\udcff", ends_at=5.0
    )
    (request,) = requests.take("local")
    assert request.number == number
    assert (request.code, request.is_shown, request.ends_at) == (CODE, False, 5.0)
    assert (request.address, request.name) == ("@bob", "bob\udcff")
    assert requests.take("local") == []


def test_a_channel_takes_up_its_own(requests: PairingRequests) -> None:
    ask(requests, "telegram")
    assert requests.take("local") == []
    assert len(requests.take("telegram")) == 1


def test_the_code_is_gone_as_soon_as_somebody_has_it(
    requests: PairingRequests, database: Database
) -> None:
    number = ask(requests)
    (taken,) = requests.take("local")
    assert CODE not in repr(taken)
    row = requests.get(number)
    assert row is not None
    assert (row.state, row.code) == (PairingState.RUNNING, "")
    database.checkpoint()
    assert not database.query("SELECT * FROM pairings WHERE code != ''")


def test_the_outcome_is_there_for_who_asked(requests: PairingRequests) -> None:
    one, other = ask(requests), ask(requests)
    requests.take("local")
    requests.finish(one, peer_id="bob\udcff")
    requests.finish(other, error="The codes differ.")
    done, failed = requests.get(one), requests.get(other)
    assert done is not None
    assert (done.state, done.peer_id, done.error) == (PairingState.DONE, "bob\udcff", None)
    assert failed is not None
    assert (failed.state, failed.peer_id) == (PairingState.FAILED, None)
    assert failed.error == "The codes differ."
    requests.remove(one)
    assert requests.get(one) is None
    requests.finish(one, peer_id="bob")  # too late, and no harm
    assert requests.get(one) is None


def test_what_a_dead_process_was_at_is_given_up_and_the_rest_is_not(
    requests: PairingRequests,
) -> None:
    running = ask(requests)
    requests.take("local")
    elsewhere = ask(requests, "telegram")
    requests.take("telegram")
    new = ask(requests)
    requests.give_up_running("local")
    states = []
    for number in (running, elsewhere, new):
        row = requests.get(number)
        assert row is not None
        states.append(row.state)
    assert states == [PairingState.FAILED, PairingState.RUNNING, PairingState.NEW]


def test_a_number_is_never_given_twice(requests: PairingRequests) -> None:
    number = ask(requests)
    requests.remove(number)
    assert ask(requests) != number


def test_rows_that_nobody_removed_go_after_an_hour(requests: PairingRequests) -> None:
    old = ask(requests, ends_at=0.0)
    ask(requests, ends_at=3600.0)
    assert requests.get(old) is not None
    ask(requests, ends_at=3601.0)
    assert requests.get(old) is None


def test_another_process_sees_it(requests: PairingRequests, tmp_path: Path) -> None:
    number = ask(requests)
    with Database(tmp_path / "home" / "ocft.sqlite3") as database:
        assert [one.number for one in PairingRequests(database).take("local")] == [number]
    assert requests.take("local") == []
