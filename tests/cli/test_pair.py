"""`ocft.cli.pair`: what is wrong before anybody is asked. Two sides: tests/e2e/test_pairing.py."""

from pathlib import Path

import pytest

from ocft.storage import Database, PairingRequests
from tests.cli.conftest import Ocft


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--name", "ocft_bob"], "CONFIG"),
        (["--name", ""], "CONFIG"),
        (["--name", "a\nb"], "CONFIG"),
        (["--name", "\u202egpj"], "CONFIG"),
        (["--name", "x" * 300], "CONFIG"),
        (["--to", "room"], "CONFIG"),
        (["7-zebra-zoo", "--to", ""], "CONFIG"),
        (["zebra"], "CONFIG"),
        (["0-zebra-zoo"], "CONFIG"),
        (["1000-zebra-zoo"], "CONFIG"),
        (["7-zebra-xyzzy"], "CONFIG"),
        ([""], "CONFIG"),
        (["--timeout", "0"], "CONFIG"),
        (["--timeout", "inf"], "CONFIG"),
        (["--channel", "pigeon"], "UNKNOWN_ADAPTER"),
    ],
    ids=lambda value: "_".join(value)[:20] if isinstance(value, list) else "",
)
def test_what_is_wrong_is_said_before_anybody_is_asked(
    node: Ocft, tmp_path: Path, arguments: list[str], code: str
) -> None:
    node("add-peer", "ocft_bob", "secret", "--name", "bob")
    done = node("--json", "pair", "--timeout", "0.3", *arguments)
    assert done.status == 1
    (line,) = done.lines
    assert line["error"]["code"] == code
    with Database(tmp_path / "home" / "state" / "journal.db") as database:
        assert PairingRequests(database).take("local") == []


@pytest.mark.parametrize("arguments", [[], ["7-zebra-zoo"]])
def test_nobody_there_is_status_5_and_leaves_nothing(
    node: Ocft, tmp_path: Path, arguments: list[str]
) -> None:
    done = node("pair", *arguments, "--timeout", "0.3")
    assert done.status == 5
    assert len(done.out.split()) == (0 if arguments else 1)
    with Database(tmp_path / "home" / "state" / "journal.db") as database:
        assert not database.query("SELECT * FROM pairings")


def test_a_code_may_be_typed_as_it_is_heard(node: Ocft) -> None:
    for typed in ("7 Zebra Zoo", "7-ZEBRA-ZOO"):
        assert node("pair", typed, "--timeout", "0.3").status == 5  # a code, but nobody is there


def test_a_name_that_a_peer_has_already_may_be_meant(node: Ocft) -> None:
    node("add-peer", "ocft_bob", "secret", "--name", "bob")
    assert node("pair", "--name", "bob", "--timeout", "0.3").status == 5  # and was asked for


def test_without_a_node_that_is_said_first(ocft: Ocft) -> None:
    done = ocft("pair", "--json")
    assert done.lines[0]["error"]["code"] == "NOT_INITIALIZED"
