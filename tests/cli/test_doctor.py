"""`ocft.cli.doctor`: what it checks."""

from pathlib import Path

import pytest

from ocft.storage import ChannelLock
from tests.cli.conftest import Ocft


def levels(node: Ocft) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for line in node("doctor", "--json").lines:
        if line.get("event") == "check":
            found.setdefault(line["name"], set()).add(line["level"])
    return found


def test_a_healthy_node_is_status_0(node: Ocft) -> None:
    done = node("doctor")
    assert done.status == 0
    assert "FAIL" not in done.out
    assert node("doctor", "--json").lines[-1] == {"result": "doctor", "is_healthy": True}
    assert levels(node) == {
        "versions": {"ok"},
        "home": {"ok"},
        "config": {"ok"},
        "journal": {"ok"},
        "peers": {"warn"},
        "channel": {"ok"},
        "downloads": {"ok"},
    }


def test_without_a_node_the_other_checks_are_made_anyway(ocft: Ocft) -> None:
    done = ocft("doctor")
    assert done.status == 1
    assert "ocft init" in done.err
    assert "versions" in done.out
    assert len(done.out.splitlines()) >= 7


def test_the_first_failure_is_the_status(node: Ocft, tmp_path: Path) -> None:
    (tmp_path / "home" / "state" / "journal.db").unlink(missing_ok=True)
    (tmp_path / "home" / "state" / "journal.db").write_text("no database, but long" * 100)
    done = node("doctor", "--json")
    assert done.status == 2
    assert done.lines[-1]["error"]["code"] == "JOURNAL"


def test_what_is_odd_is_a_warning(node: Ocft, tmp_path: Path) -> None:
    node("add-peer", "ocft_old", "secret", "--ttl", "1e-9")
    node("add-peer", "ocft_soon", "secret", "--ttl", "1")
    node("set-max-size", "1000TB")
    (tmp_path / "home").chmod(0o755)
    found = levels(node)
    assert found["peers"] == {"warn", "ok"}
    assert found["downloads"] == {"warn"}
    assert found["home"] == {"warn", "ok"}
    assert node("doctor").status == 0


@pytest.mark.parametrize(
    ("lock", "words"), [("local.listener.lock", "listens"), ("local.lock", "sends")]
)
def test_who_works_is_said(node: Ocft, tmp_path: Path, lock: str, words: str) -> None:
    with ChannelLock(tmp_path / "home" / "state" / lock):
        assert f"a process {words}" in node("doctor").out


def test_a_download_folder_that_is_a_file_fails(node: Ocft, tmp_path: Path) -> None:
    node("set-download", str(tmp_path / "in"))
    (tmp_path / "in").rmdir()
    (tmp_path / "in").touch()
    assert node("doctor").status == 2


def test_an_unknown_channel_fails(node: Ocft) -> None:
    assert node("doctor", "--via", "pigeon").status == 1
