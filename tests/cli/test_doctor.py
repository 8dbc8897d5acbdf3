"""`ocft.cli.doctor`: what it checks."""

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from ocft.channels import Finding, find_adapter
from ocft.ids import NodeId
from ocft.storage import ChannelLock, Database, NodeStore
from ocft.wire import PeerAddress, format_peer_uri
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
        "keys": {"ok"},
        "journal": {"ok"},
        "peers": {"warn"},
        "requests": {"ok"},
        "channel": {"ok"},
        "direct": {"ok"},
        "downloads": {"ok"},
    }


def test_without_a_node_the_other_checks_are_made_anyway(ocft: Ocft) -> None:
    done = ocft("doctor")
    assert done.status == 1
    assert "ocft init" in done.err
    assert "versions" in done.out
    assert "home" in done.out


def test_what_fails_many_checks_is_said_once(ocft: Ocft, tmp_path: Path) -> None:
    assert ocft("doctor").out.count("ocft init") == 1
    ocft("init")
    (tmp_path / "home" / "state" / "journal.db").write_text("no database, but long" * 100)
    assert ocft("doctor").out.count("FAIL") == 1


def test_the_first_failure_is_the_status(node: Ocft, tmp_path: Path) -> None:
    (tmp_path / "home" / "state" / "journal.db").unlink(missing_ok=True)
    (tmp_path / "home" / "state" / "journal.db").write_text("no database, but long" * 100)
    done = node("doctor", "--json")
    assert done.status == 2
    assert done.lines[-1]["error"]["code"] == "JOURNAL"


def test_what_is_odd_is_a_warning(node: Ocft, tmp_path: Path) -> None:
    node("add-peer", "ocft_old", "secret", "--ttl", "1e-9")
    node("add-peer", "ocft_soon", "secret", "--ttl", "1")
    node("add-peer", "ocft_good", "secret")
    node("set-max-size", "1000TB")
    (tmp_path / "home").chmod(0o755)
    found = levels(node)
    assert found["peers"] == {"warn", "ok"}
    assert found["downloads"] == {"warn"}
    assert found["home"] == {"warn", "ok"}
    assert node("doctor").status == 0


def test_each_peer_has_a_line(node: Ocft, tmp_path: Path) -> None:
    uri = format_peer_uri(PeerAddress(NodeId("ocft_x"), "s", bytes(32)))
    node("import", uri, "--name", "alice", "--ttl", "100")
    node("add-peer", "ocft_old", "secret")
    with Database(tmp_path / "home" / "state" / "journal.db") as database:
        NodeStore(database).learn(
            NodeId("ocft_old"), wire="1.0", wire_learned_at=time.time(), last_seen=time.time()
        )
    old, alice = [line for line in node("doctor").out.splitlines() if " peers: " in line]
    for words in ("ok  ", "alice (ocft_x)", "wire 2, sealed", "aaaa-aaaa", "until", "never"):
        assert words in alice
    for words in ("warn", "ocft_old", "readable by all", "not known yet", "for ever", "last seen"):
        assert words in old


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


def test_what_would_make_more_possible_is_told_beside_what_is_good(
    node: Ocft, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def check(_: object) -> list[Finding]:
        return [Finding(is_good=True, words="Bots hear you.", remedy="Name those to meet.")]

    adapter = replace(find_adapter("local"), check=check)
    monkeypatch.setattr("ocft.channels.find_adapter", lambda _: adapter)
    assert "local: Bots hear you. Name those to meet." in node("doctor", "--via", "local").out


def with_direct(tmp_path: Path, **direct: object) -> None:
    path = next(tmp_path.rglob("config.json"))
    path.write_text(json.dumps(json.loads(path.read_text()) | {"direct": direct}))


def direct_lines(node: Ocft) -> list[str]:
    return [line for line in node("doctor").out.splitlines() if " direct: " in line]


def test_the_ways_around_the_channel_are_said(node: Ocft, tmp_path: Path) -> None:
    assert "not enabled" in direct_lines(node)[0]
    with_direct(tmp_path, enabled=True, webrtc={"enabled": True, "stun": "stun:example.org"})
    plain, webrtc = direct_lines(node)
    assert "listens and connects" in plain
    assert "asks stun:example.org for help" in webrtc
    with_direct(tmp_path, enabled=True, webrtc={"enabled": True})
    assert "asks nobody for help" in direct_lines(node)[1]


def test_a_missing_extra_fails_with_what_installs_it(
    node: Ocft, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_direct(tmp_path, enabled=True, webrtc={"enabled": True})
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    done = node("doctor")
    assert done.status == 1
    assert "pip install 'ocft[webrtc]'" in direct_lines(node)[1]


def test_a_password_that_is_not_there_fails_and_one_that_is_is_not_shown(
    node: Ocft, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn = {"url": "turn:example.org", "username": "me", "password": "env:RELAY"}
    with_direct(tmp_path, enabled=True, webrtc={"enabled": True, "turn": turn})
    monkeypatch.delenv("RELAY", raising=False)
    assert node("doctor").status == 1
    assert "set RELAY in the environment" in node("doctor").out
    monkeypatch.setenv("RELAY", "hunter2")
    done = node("doctor")
    assert done.status == 0
    assert "asks turn:example.org" in done.out
    assert "hunter2" not in done.out + done.err
