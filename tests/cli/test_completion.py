"""`ocft.cli.completion`: what the shell offers."""

import os
import time
from pathlib import Path

import pytest

from ocft.ids import NodeId
from ocft.storage import ApprovalStore, Database
from tests.cli.conftest import Ocft, start


def offered(*words: str) -> list[str]:
    """Return what the shell would be given after these words."""
    typed = ["ocft", *words]
    done = start(
        env={
            **os.environ,
            "_OCFT_COMPLETE": "complete_bash",
            "COMP_WORDS": " ".join(typed),
            "COMP_CWORD": str(len(typed) - 1),
        }
    )
    assert "Traceback" not in done.stderr
    found: list[str] = done.stdout.split()
    return found


@pytest.fixture
def sender(node: Ocft, tmp_path: Path) -> Ocft:
    node("add-peer", "ocft_bob", "secret", "--name", "bob")
    node("add-peer", "ocft_nameless", "secret")
    (tmp_path / "file").write_text("x")
    return node


def test_peers_are_offered_by_name(sender: Ocft) -> None:
    assert offered("send", "file", "--to", "b") == ["bob"]
    assert offered("remove-peer", "") == ["bob", "ocft_nameless"]


def test_only_what_is_one_word_is_offered(node: Ocft, tmp_path: Path) -> None:
    node("add-peer", "ocft_a", "secret", "--name", "two words")
    node("add-peer", "ocft_b", "secret", "--name=-x")
    assert offered("peers", "show", "") == ["ocft_a", "ocft_b"]
    with Database(tmp_path / "home" / "state" / "journal.db") as database:
        for number, name in enumerate(("ocft_new", "--yes", "$(id)", "a b", "`id`", "x;y")):
            ApprovalStore(database).add(NodeId(name), "author", bytes([number]) * 32, time.time())
    assert offered("approve", "") == ["ocft_new"]
    assert offered("deny", "ocft") == ["ocft_new"]


def test_transfers_are_offered_by_id(sender: Ocft, tmp_path: Path) -> None:
    done = sender("send", str(tmp_path / "file"), "--to", "bob", "--no-wait")
    assert offered("cancel", "xfer_") == done.out.split()


def test_commands_are_offered() -> None:
    assert "transfers" in offered("tra")


def test_without_a_node_nothing_is_offered_and_nothing_made(tmp_path: Path) -> None:
    assert offered("send", "--to", "") == []
    assert not (tmp_path / "home").exists()
