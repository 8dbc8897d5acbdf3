"""`ocft.config.import_1_0`: a 1.0 node becomes ours."""

import json
from pathlib import Path
from typing import Any

import pytest

from ocft.config import (
    Home,
    find_home,
    legacy_config_file,
    load_config,
    take_over_1_0,
)
from ocft.errors import ConfigError
from ocft.ids import NodeId
from ocft.storage import Database, PeerStore

VECTORS = Path(__file__).parents[1] / "golden" / "wire-1.0.json"


def recorded() -> dict[str, Any]:
    entries = json.loads(VECTORS.read_text())
    content: dict[str, Any] = next(e for e in entries if e["name"] == "config-file")["content"]
    return content


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    return find_home(None, {})


def write(content: Any) -> Path:
    path = Path.home() / ".ocft" / "config.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_the_recorded_file_becomes_settings_and_peers(home: Home) -> None:
    path = write(recorded())
    before = path.read_bytes()
    found = legacy_config_file(home)
    assert found == path
    imported = take_over_1_0(home, path)

    config = load_config(home.config_file)
    assert config == imported.config
    assert config.node_id == "ocft_mwpruv12_XYrhLQES"
    assert config.secret == "1R1s6LPZPTDGoe5-T7vPcbl57Cx6YivN"
    assert config.secret_ttl_hours == 48
    assert config.created_at.isoformat() == "2026-11-21T02:11:28.793000+00:00"
    assert config.download_dir == "~/Downloads/ocft"
    assert config.max_file_size == 1073741824
    with Database(home.journal_file) as database:
        peer = PeerStore(database).get("Friend")
    assert peer.id == "ocft_mwpruv99_AbCdEfGh"
    assert peer.secret == "peer-secret-0123456789abcdef"
    assert peer.expires_at == 1795392000.0
    assert path.read_bytes() == before
    assert legacy_config_file(home) is None  # only once


def test_only_the_default_home_takes_it_over(home: Home, tmp_path: Path) -> None:
    write(recorded())
    assert legacy_config_file(find_home(str(tmp_path / "x"), {})) is None
    assert legacy_config_file(find_home(None, {"OCFT_HOME": str(tmp_path / "x")})) is None


def test_an_import_that_was_interrupted_happens_again(home: Home) -> None:
    path = write(recorded())
    take_over_1_0(home, path)
    home.config_file.unlink()  # the last thing that an import makes
    take_over_1_0(home, path)
    with Database(home.journal_file) as database:
        assert len(PeerStore(database).all()) == 1


def test_the_least_that_a_1_0_node_writes_is_enough(home: Home) -> None:
    imported = take_over_1_0(home, write({"nodeId": "ocft_x", "secret": "s"}))
    assert imported.config.secret_ttl_hours is None
    assert imported.config.download_dir is None
    assert imported.peers == ()


def test_no_ttl_is_for_ever(home: Home) -> None:
    content = {**recorded(), "secretTTL": 0}
    assert take_over_1_0(home, write(content)).config.secret_ttl_hours is None


@pytest.mark.parametrize("identity", ["*", "OCFT_*", ".*", "Ocft_X"], ids=lambda i: f"G4-{i}")
def test_a_peer_like_a_pattern_is_an_exact_id(home: Home, identity: str) -> None:
    content = {**recorded(), "trustedPeers": [{"id": identity, "secret": "s"}]}
    take_over_1_0(home, write(content))
    with Database(home.journal_file) as database:
        peers = PeerStore(database)
        assert peers.find(NodeId(identity)) is not None
        assert peers.find(NodeId("ocft_x")) is None


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[" * 100_000,
        [],
        {"nodeId": "x"},
        {"nodeId": "", "secret": "s"},
        {"nodeId": "x", "secret": 5},
        {**recorded(), "secretTTL": "48"},
        {**recorded(), "secretTTL": -1},
        {**recorded(), "maxFileSize": "1GB"},
        {**recorded(), "maxFileSize": True},
        {**recorded(), "createdAt": 5},
        {**recorded(), "trustedPeers": {"id": "x"}},
        {**recorded(), "trustedPeers": ["x"]},
        {**recorded(), "trustedPeers": [{"id": "", "secret": "s"}]},
        {**recorded(), "trustedPeers": [{"id": "a\x1b[1A", "secret": "s"}]},
        {**recorded(), "trustedPeers": [{"id": "x", "secret": "s"}, {"id": "x", "secret": "s"}]},
        {**recorded(), "trustedPeers": [{"id": "x", "secret": "s", "expiresAt": "soon"}]},
    ],
)
def test_a_damaged_file_is_a_stated_error_and_nothing_is_made(home: Home, content: Any) -> None:
    path = write(content)
    before = path.read_bytes()
    with pytest.raises(ConfigError, match=r"1\.0") as caught:
        take_over_1_0(home, path)
    assert "ocft init --force" in str(caught.value)
    assert "1R1s6LPZPTDGoe5" not in str(caught.value)
    assert path.read_bytes() == before
    assert not home.config_file.exists()
    assert not home.journal_file.exists()
