"""`ocft.cli.identity`: where the node's keys are."""

from pathlib import Path

import pytest

from ocft.cli.identity import identity_set_aside, open_identity
from ocft.config import Config, Home
from tests.cli.conftest import FakeKeyring

CONFIG = Config(node_id="ocft_me", secret="secret")


def test_keys_are_in_a_file_unless_the_settings_say_keyring(
    tmp_path: Path, keyring: FakeKeyring
) -> None:
    home = Home.in_folder(tmp_path)
    first = open_identity(CONFIG, home)
    assert home.identity_file.exists()
    assert keyring.passwords == {}
    second = open_identity(CONFIG.changed(keyring=True), home)
    assert list(keyring.passwords) == [("ocft:ocft_me", "identity")]
    assert first.to_bytes() != second.to_bytes()


def test_keys_make_way_and_come_back_when_the_block_fails(tmp_path: Path) -> None:
    home = Home.in_folder(tmp_path)
    with identity_set_aside(home) as kept:  # there are none yet
        assert kept is None
        first = open_identity(CONFIG, home)

    def fail() -> None:
        open_identity(CONFIG, home)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), identity_set_aside(home):
        fail()
    assert open_identity(CONFIG, home).to_bytes() == first.to_bytes()
    assert [path.name for path in home.state_dir.iterdir()] == ["identity"]
    with identity_set_aside(home) as kept:
        second = open_identity(CONFIG, home)
    assert second.to_bytes() != first.to_bytes()
    assert kept is not None
    assert kept.stat().st_mode & 0o777 == 0o600
