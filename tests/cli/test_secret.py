"""`ocft.cli.secret`: this node's secret, and the address that holds it."""

import json
import os
import time
from pathlib import Path

import pytest

from ocft.crypto import format_fingerprint
from ocft.wire import parse_peer_uri
from tests.cli.conftest import Ocft, start


def test_export_holds_what_show_secret_says(node: Ocft) -> None:
    address = parse_peer_uri(node("export").out)
    assert address.secret == node("show-secret").out.strip()
    assert address.node_id == node("status", "--json").lines[0]["node_id"]
    exported = node("export", "--json").lines[0]
    assert address.fingerprint is not None
    assert exported["fingerprint"] == format_fingerprint(address.fingerprint)
    assert exported["fingerprint"] == node("status", "--json").lines[0]["fingerprint"]
    assert exported["uri"] == node("export").out.strip()
    assert node("show-secret", "--json").lines[0]["secret"] == address.secret


def test_verify_tells_right_from_wrong(node: Ocft, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = node("show-secret").out.strip()
    assert node("verify", secret).status == 0
    assert node("verify", "-", stdin=secret + "\n").status == 0
    assert node("verify", "-", "--json", stdin=secret).lines == [
        {"result": "verify", "is_valid": True, "is_current": True}
    ]
    assert node("verify", "wrong").status == 4
    assert node("verify", "-wrong").status == 4  # secrets may begin with a dash
    assert node("verify").status == 1
    monkeypatch.setenv("OCFT_SECRET", secret + "\n")
    assert node("verify").status == 0


def test_stdin_that_is_no_text_is_a_wrong_command_line(node: Ocft) -> None:
    strict = {**os.environ, "PYTHONIOENCODING": "utf-8:strict"}
    done = start("verify", "-", input=b"\xff\xfe", text=False, env=strict)
    assert done.returncode == 1
    assert b"Unexpected" not in done.stderr


def test_a_new_secret_lets_the_old_one_count_for_a_while(node: Ocft, tmp_path: Path) -> None:
    first = node("show-secret").out.strip()
    done = node("rotate-secret", "--json")
    assert abs(done.lines[0]["previous_secret_until"] - time.time() - 24 * 3600) < 60
    second = node("show-secret").out.strip()
    assert second != first
    assert node("verify", first, "--json").lines == [
        {"result": "verify", "is_valid": True, "is_current": False}
    ]
    assert "former secret" in node("verify", first).err
    assert node("verify", second, "--json").lines[0]["is_current"] is True
    assert parse_peer_uri(node("export").out).secret == second
    assert "Former secret" in node("status").out
    assert node("status", "--json").lines[0]["previous_secret_until"] is not None

    done = node("rotate-secret")  # only two count
    assert "one before that counts no longer" in done.err
    assert node("verify", first).status == 4
    assert node("verify", second).status == 0


def test_without_an_overlap_the_old_secret_is_over_at_once(node: Ocft, tmp_path: Path) -> None:
    first = node("show-secret").out.strip()
    assert node("rotate-secret", "--overlap", "0").status == 0
    assert node("verify", first).status == 4
    assert first not in (tmp_path / "home" / "config.json").read_text()


def test_a_former_secret_that_is_over_is_wrong(node: Ocft, tmp_path: Path) -> None:
    first = node("show-secret").out.strip()
    node("rotate-secret")
    config = tmp_path / "home" / "config.json"
    content = json.loads(config.read_text())
    config.write_text(json.dumps({**content, "previous_secret_until": "2020-01-01T00:00:00Z"}))
    assert node("verify", first).status == 4
    assert "Former secret" not in node("status").out


@pytest.mark.parametrize("hours", ["nan", "inf", "1e300", "8761"])
def test_an_endless_overlap_is_refused(node: Ocft, hours: str) -> None:
    before = node("show-secret").out
    assert node("rotate-secret", "--overlap", hours).status == 1
    assert node("show-secret").out == before
