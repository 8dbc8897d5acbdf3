"""`ocft.config.home`: where a node's files are."""

import os
from pathlib import Path

import pytest

from ocft.config import find_home
from ocft.errors import ConfigError


def test_home_option_wins_over_the_environment(tmp_path: Path) -> None:
    home = find_home(str(tmp_path / "a"), {"OCFT_HOME": str(tmp_path / "b")})
    assert home.config_file == tmp_path / "a" / "config.json"
    assert not home.is_default


def test_environment_wins_over_the_systems_places(tmp_path: Path) -> None:
    home = find_home(None, {"OCFT_HOME": str(tmp_path / "b")})
    assert home.config_file == tmp_path / "b" / "config.json"
    assert not home.is_default


def test_one_folder_holds_everything(tmp_path: Path) -> None:
    home = find_home(str(tmp_path), {})
    assert home.state_dir == tmp_path / "state"
    assert home.journal_file == tmp_path / "state" / "journal.db"
    assert home.download_dir == tmp_path / "downloads"


@pytest.mark.skipif(os.name != "posix", reason="the places of Linux and macOS")
def test_without_either_the_system_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    home = find_home(None, {"OCFT_HOME": ""})
    assert home.is_default
    assert home.config_file.is_relative_to(tmp_path)
    assert home.config_file.parent.name == "ocft"
    assert home.state_dir.is_relative_to(tmp_path)
    assert home.download_dir == tmp_path / "Downloads" / "ocft"


def test_a_relative_home_does_not_move_with_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_home("x", {}).config_file == tmp_path / "x" / "config.json"


@pytest.mark.parametrize("folder", ["", "~nobody-is-called-like-this/x"])
def test_a_home_that_is_nowhere_is_a_stated_error(folder: str) -> None:
    with pytest.raises(ConfigError):
        find_home(folder, {})


def test_folders_are_made_for_their_owner_only(tmp_path: Path) -> None:
    home = find_home(str(tmp_path / "deep" / "home"), {})
    home.make()
    home.make()  # they may be there
    for folder in (home.config_file.parent, home.state_dir):
        assert folder.stat().st_mode & 0o777 == 0o700


def test_a_home_below_a_file_is_a_stated_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot be made"):
        find_home(str(tmp_path / "file" / "home"), {}).make()
