"""`ocft.config.store`: the config file on disk."""

import json
import logging
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ocft.config import Config, load_config, save_config
from ocft.errors import ConfigError, NotInitializedError

CONFIG = Config(node_id="ocft_me", secret="very-secret")


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    save_config(CONFIG, path)
    assert load_config(path) == CONFIG
    save_config(CONFIG.changed(auto_accept=True), path)
    assert load_config(path).auto_accept


def test_the_file_is_its_owners_only_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        save_config(CONFIG, tmp_path / "config.json")
    finally:
        os.umask(before)
    assert (tmp_path / "config.json").stat().st_mode & 0o777 == 0o600


def test_a_file_that_others_can_read_is_closed_to_them_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "config.json"
    save_config(CONFIG, path)
    path.chmod(0o644)
    logging.getLogger("ocft").propagate = True
    assert load_config(path) == CONFIG
    assert path.stat().st_mode & 0o777 == 0o600
    assert "could be read by others" in caplog.text


def test_without_a_file_there_is_no_node(tmp_path: Path) -> None:
    with pytest.raises(NotInitializedError, match="ocft init"):
        load_config(tmp_path / "config.json")
    with pytest.raises(NotInitializedError):
        load_config(tmp_path / "no" / "folder" / "config.json")


def test_a_symbolic_link_is_neither_read_nor_replaced(tmp_path: Path) -> None:
    target, link = tmp_path / "target.json", tmp_path / "config.json"
    save_config(CONFIG, target)
    link.symlink_to(target)
    before = target.read_text()
    with pytest.raises(ConfigError, match="symbolic link"):
        load_config(link)
    with pytest.raises(ConfigError, match="symbolic link"):
        save_config(CONFIG, link)
    assert link.is_symlink()
    assert target.read_text() == before


@pytest.mark.parametrize("kind", ["folder", "fifo", "below-a-file", "huge"])
def test_what_is_no_config_file_is_a_stated_error_and_no_hang(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "config.json"
    match kind:
        case "folder":
            path.mkdir()
        case "fifo":
            os.mkfifo(path)
        case "below-a-file":
            path.touch()
            path /= "config.json"
        case "huge":
            path.write_text(" " * (1024 * 1024 + 1))
    with pytest.raises(ConfigError):
        load_config(path)


def test_a_damaged_file_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text('{"node_id": "ocft_me", "sec')
    with pytest.raises(ConfigError, match="damaged"):
        load_config(path)
    assert path.read_text() == '{"node_id": "ocft_me", "sec'


def test_a_full_disk_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "config.json"
    save_config(CONFIG, path)

    def refuse(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(ConfigError, match="No space left"):
        save_config(CONFIG.changed(auto_accept=True), path)
    assert load_config(path) == CONFIG
    assert [entry.name for entry in tmp_path.iterdir()] == ["config.json"]


def test_writers_at_the_same_time_leave_one_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    configs = [CONFIG.changed(node_id=f"ocft_{n}" * (n + 1)) for n in range(16)]
    with ThreadPoolExecutor(8) as threads:
        for _ in range(4):
            list(threads.map(lambda config: save_config(config, path), configs))
            assert load_config(path) in configs
    assert [entry.name for entry in tmp_path.iterdir()] == ["config.json"]


def test_the_file_is_json_for_people(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    save_config(CONFIG, path)
    assert json.loads(path.read_text())["node_id"] == "ocft_me"
    direct = CONFIG.direct
    sections = len(type(direct).model_fields) + len(type(direct.webrtc).model_fields) + 2
    assert path.read_text().count("\n") == len(Config.model_fields) + sections + 2
