"""`ocft.cli.node`: commands about this node."""

import json
from pathlib import Path

import pytest

from ocft.wire import parse_peer_uri
from tests.cli.conftest import Ocft


def config_of(tmp_path: Path) -> dict[str, object]:
    content: dict[str, object] = json.loads((tmp_path / "home" / "config.json").read_text())
    return content


def test_init_makes_an_identity_for_its_owner_only(ocft: Ocft, tmp_path: Path) -> None:
    done = ocft("init", "--json")
    file = tmp_path / "home" / "config.json"
    assert done.lines == [
        {"result": "init", "node_id": config_of(tmp_path)["node_id"], "config_file": str(file)}
    ]
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700


def test_init_does_not_replace_a_node_unasked(node: Ocft, tmp_path: Path) -> None:
    before = config_of(tmp_path)
    done = node("init")
    assert done.status == 1
    assert "--force" in done.err
    assert config_of(tmp_path) == before


@pytest.mark.parametrize("flag", ["-f", "--force"])
def test_init_by_force_makes_a_new_identity_and_keeps_the_settings(
    node: Ocft, tmp_path: Path, flag: str
) -> None:
    node("set-max-size", "5MB")
    before = config_of(tmp_path)
    assert node("init", flag).status == 0
    after = config_of(tmp_path)
    assert after["node_id"] != before["node_id"]
    assert after["secret"] != before["secret"]
    assert after["max_file_size"] == 5 * 1024 * 1024


def test_init_by_force_throws_no_damaged_file_away(node: Ocft, tmp_path: Path) -> None:
    (tmp_path / "home" / "config.json").write_text("{damaged")
    assert node("init").status == 1
    assert node("init", "--force").status == 0
    kept = list((tmp_path / "home").glob("config.json.damaged-*"))
    assert [file.read_text() for file in kept] == ["{damaged"]
    assert node("status").status == 0


def test_status_shows_the_node_without_its_secret(node: Ocft) -> None:
    status = node("status", "--json").lines[0]
    assert status["peers"] == status["unfinished_transfers"] == 0
    assert status["channel"] == "local"
    assert "secret" not in status
    assert status["node_id"] in node("info").out


def test_export_holds_what_show_secret_says(node: Ocft) -> None:
    address = parse_peer_uri(node("export").out)
    assert address.secret == node("show-secret").out.strip()
    assert address.node_id == node("status", "--json").lines[0]["node_id"]
    assert node("export", "--json").lines[0]["uri"] == node("export").out.strip()
    assert node("show-secret", "--json").lines[0]["secret"] == address.secret


def test_verify_tells_right_from_wrong(node: Ocft, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = node("show-secret").out.strip()
    assert node("verify", secret).status == 0
    assert node("verify", "-", stdin=secret + "\n").status == 0
    assert node("verify", "-", "--json", stdin=secret).lines == [
        {"result": "verify", "is_valid": True}
    ]
    assert node("verify", "wrong").status == 4
    assert node("verify", "-wrong").status == 4  # secrets may begin with a dash
    assert node("verify").status == 1
    monkeypatch.setenv("OCFT_SECRET", secret)
    assert node("verify").status == 0


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ("100MB", 104857600),
        ("1GB", 1073741824),
        ("500KB", 512000),
        ("1.5gb", 1610612736),
        ("4096", 4096),
        ("0.5KB", 512),
    ],
)
def test_sizes_are_those_of_1_0(node: Ocft, tmp_path: Path, size: str, expected: int) -> None:
    assert node("set-max-size", size).status == 0
    assert config_of(tmp_path)["max_file_size"] == expected


@pytest.mark.parametrize(
    "size", ["", "0", "MB", "1PB", "1e9", "nan", "inf", "1,5MB", "9" * 400, "٣MB", "1\x1b[1A"]
)
def test_what_is_no_size_changes_nothing(node: Ocft, tmp_path: Path, size: str) -> None:
    before = config_of(tmp_path)
    done = node("set-max-size", size)
    assert done.status == 1
    assert "\x1b" not in done.err
    assert config_of(tmp_path) == before


def test_ttl_is_in_hours_and_0_is_for_ever(node: Ocft, tmp_path: Path) -> None:
    node("set-ttl", "48")
    assert config_of(tmp_path)["secret_ttl_hours"] == 48
    node("set-ttl", "0")
    assert config_of(tmp_path)["secret_ttl_hours"] is None


@pytest.mark.parametrize("hours", ["nan", "inf", "1e300"])
def test_an_endless_ttl_is_refused(node: Ocft, hours: str) -> None:
    assert node("set-ttl", hours).status == 1


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("{tmp}/deep/inbox", "deep/inbox"), ("inbox", "inbox"), ("~/in", "in"), ("~", "")],
    ids=["G2-missing", "G2-relative", "G2-below-home", "G2-home"],
)
def test_a_download_folder_is_made_and_absolute(
    node: Ocft, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: str, meant: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert node("set-download", typed.format(tmp=tmp_path)).status == 0
    assert (tmp_path / meant).is_dir()
    assert config_of(tmp_path)["download_dir"] == str(tmp_path / meant)


@pytest.mark.parametrize(
    "folder",
    ["/", "", "~nobody-is-called-this/x", "{tmp}/file", "{tmp}/file/below", "/proc/ocft", "a\0b"],
    ids=["G2-root", "G2-empty", "G2-nobody", "G2-file", "G2-below-file", "G2-proc", "G2-nul"],
)
def test_a_download_folder_that_cannot_be_is_refused(
    node: Ocft, tmp_path: Path, folder: str
) -> None:
    (tmp_path / "file").touch()
    done = node("set-download", folder.format(tmp=tmp_path))
    assert done.status == 1
    assert done.err.startswith("ocft: ")
    assert "Unexpected" not in done.err
    assert config_of(tmp_path)["download_dir"] is None
