"""`ocft.cli.node`: commands about this node."""

import json
import re
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import FakeKeyring, Ocft


def config_of(tmp_path: Path) -> dict[str, object]:
    content: dict[str, object] = json.loads((tmp_path / "home" / "config.json").read_text())
    return content


def fingerprint_of(node: Ocft) -> object:
    return node("status", "--json").lines[0]["fingerprint"]


def test_init_makes_an_identity_for_its_owner_only(ocft: Ocft, tmp_path: Path) -> None:
    done = ocft("init", "--json")
    file = tmp_path / "home" / "config.json"
    (line,) = done.lines
    assert line["result"] == "init"
    assert line["node_id"] == config_of(tmp_path)["node_id"]
    assert line["config_file"] == str(file)
    for private in (file, tmp_path / "home" / "state" / "identity"):
        assert private.stat().st_mode & 0o777 == 0o600
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
    node("rotate-secret")
    before, fingerprint = config_of(tmp_path), fingerprint_of(node)
    keys = (tmp_path / "home" / "state" / "identity").read_text()
    done = node("init", flag)
    assert done.status == 0
    after = config_of(tmp_path)
    assert after["node_id"] != before["node_id"]
    assert after["secret"] != before["secret"]
    assert after["previous_secret"] is None
    assert after["max_file_size"] == 5 * 1024 * 1024
    assert fingerprint_of(node) != fingerprint
    (kept,) = (tmp_path / "home" / "state").glob("identity.until-*")
    assert kept.read_text() == keys
    assert str(kept) in done.err


def test_init_by_force_that_fails_leaves_the_node_whole(
    node: Ocft, tmp_path: Path, keyring: FakeKeyring
) -> None:
    before, fingerprint = config_of(tmp_path), fingerprint_of(node)
    keyring.is_locked = True
    done = node("init", "--force", "--keyring")
    assert done.status == 1
    assert "locked" in done.err
    assert config_of(tmp_path) == before
    assert fingerprint_of(node) == fingerprint


def test_keys_can_be_in_the_keyring_and_come_back_from_it(
    ocft: Ocft, tmp_path: Path, keyring: FakeKeyring
) -> None:
    assert ocft("init", "--keyring").status == 0
    assert config_of(tmp_path)["keyring"] is True
    assert list(keyring.passwords) == [(f"ocft:{config_of(tmp_path)['node_id']}", "identity")]
    assert not (tmp_path / "home" / "state" / "identity").exists()
    assert "keyring" in ocft("status").out
    first = fingerprint_of(ocft)
    assert fingerprint_of(ocft) == first
    assert ocft("init", "--force").status == 0  # the settings stay
    assert list(keyring.passwords) == [(f"ocft:{config_of(tmp_path)['node_id']}", "identity")]
    assert fingerprint_of(ocft) != first
    done = ocft("init", "--force", "--no-keyring")
    assert done.status == 0
    assert "removed from the keyring" in done.err
    assert keyring.passwords == {}
    assert (tmp_path / "home" / "state" / "identity").exists()


def test_a_keyring_that_does_not_open_keeps_nobody_from_a_new_node(
    ocft: Ocft, tmp_path: Path, keyring: FakeKeyring
) -> None:
    ocft("init", "--keyring")
    former = config_of(tmp_path)["node_id"]
    keyring.is_locked = True
    done = ocft("init", "--force", "--no-keyring")
    assert done.status == 0
    assert f"The keys of {former}, which was here, are still in the keyring" in done.err


def test_a_missing_keyring_is_explained_and_nothing_made(
    ocft: Ocft, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    done = ocft("init", "--keyring")
    assert done.status == 1
    assert "ocft[keyring]" in done.err
    assert not (tmp_path / "home" / "config.json").exists()


def test_a_node_from_before_wire_2_gets_keys_at_first_need(node: Ocft, tmp_path: Path) -> None:
    (tmp_path / "home" / "state" / "identity").unlink()
    assert node("list-peers").status == 0
    assert not (tmp_path / "home" / "state" / "identity").exists()
    assert fingerprint_of(node) == fingerprint_of(node)


def test_keys_that_others_may_read_are_not_used(node: Ocft, tmp_path: Path) -> None:
    (tmp_path / "home" / "state" / "identity").chmod(0o644)
    done = node("status")
    assert done.status == 1
    assert "chmod 600" in done.err


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
    assert status["fingerprint"] in node("status").out
    assert re.fullmatch("([a-z2-7]{4}-){4}[a-z2-7]{4}", status["fingerprint"])


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


def direct_of(tmp_path: Path) -> dict[str, object]:
    direct = config_of(tmp_path)["direct"]
    assert isinstance(direct, dict)
    return direct


def test_the_direct_route_is_switched_on_and_off(node: Ocft, tmp_path: Path) -> None:
    assert "straight" not in node("status").out
    assert node("set-direct", "on", "--json").lines == [{"result": "set-direct", "enabled": True}]
    assert direct_of(tmp_path)["enabled"] is True
    assert "straight" in node("status").out
    assert node("set-direct", "off").status == 0
    assert direct_of(tmp_path)["enabled"] is False
    assert node("set-direct", "maybe").status == 1


def test_the_other_settings_of_the_direct_route_stay(node: Ocft, tmp_path: Path) -> None:
    config_file = next(tmp_path.rglob("config.json"))
    config = json.loads(config_file.read_text())
    config["direct"] = {"enabled": False, "port": 7000}
    config_file.write_text(json.dumps(config))
    node("set-direct", "on")
    direct = direct_of(tmp_path)
    assert (direct["enabled"], direct["port"]) == (True, 7000)


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
