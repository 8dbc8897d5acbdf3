import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import pytest

from ocft.errors import ConfigError, StorageError
from ocft.storage import load_or_make_identity, load_or_make_identity_in_keyring


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "identity"


def test_a_new_identity_is_kept_for_its_owner_only(path: Path) -> None:
    before = os.umask(0)
    try:
        first = load_or_make_identity(path)
    finally:
        os.umask(before)
    assert load_or_make_identity(path).to_bytes() == first.to_bytes()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o602])
def test_a_file_that_others_may_use_is_refused(path: Path, mode: int) -> None:
    load_or_make_identity(path)
    path.chmod(mode)
    with pytest.raises(ConfigError, match=f"chmod 600 {path}"):
        load_or_make_identity(path)


@pytest.mark.parametrize(
    "content", [b"", b"not base64!", b"\xff\xfe", b"AAAA", b"A" * 5000, b"QUJD\nQUJD"]
)
def test_a_file_with_something_else_is_refused_and_stays(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(ConfigError) as caught:
        load_or_make_identity(path)
    assert path.read_bytes() == content
    assert "QUJD" not in str(caught.value)


@pytest.mark.parametrize(
    ("plant", "expected"),
    [
        pytest.param(lambda path: path.symlink_to("elsewhere"), StorageError, id="symlink"),
        pytest.param(lambda path: os.mkfifo(path, 0o600), ConfigError, id="pipe"),
        pytest.param(lambda path: path.mkdir(0o700), StorageError, id="folder"),
    ],
)
def test_something_else_in_its_place_is_refused(
    path: Path, plant: Callable[[Path], None], expected: type[Exception]
) -> None:
    path.parent.mkdir()
    plant(path)
    with pytest.raises(expected):
        load_or_make_identity(path)
    assert list(path.parent.iterdir()) == [path]


def test_many_at_once_end_up_with_the_same_identity(path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = {identity.to_bytes() for identity in pool.map(load_or_make_identity, [path] * 8)}
    assert len(made) == 1
    assert list(path.parent.iterdir()) == [path]


def test_a_disk_that_refuses_leaves_nothing_behind(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(StorageError):
        load_or_make_identity(path)
    assert list(path.parent.iterdir()) == []


# The keyring


class FakeKeyring(ModuleType):
    """The keyring package, with its passwords in a dictionary."""

    def __init__(self) -> None:
        super().__init__("keyring")
        self.errors = ModuleType("keyring.errors")
        self.errors.KeyringError = type("KeyringError", (Exception,), {})  # type: ignore[attr-defined]  # a fake
        self.passwords: dict[tuple[str, str], str] = {}
        self.is_locked = False
        self.rival: str | None = None

    def get_password(self, service: str, user: str) -> str | None:
        if self.is_locked:
            raise self.errors.KeyringError("locked")
        return self.passwords.get((service, user))

    def set_password(self, service: str, user: str, password: str) -> None:
        self.passwords[service, user] = self.rival or password


@pytest.fixture
def keyring(monkeypatch: pytest.MonkeyPatch) -> FakeKeyring:
    fake = FakeKeyring()
    monkeypatch.setitem(sys.modules, "keyring", fake)
    monkeypatch.setitem(sys.modules, "keyring.errors", fake.errors)
    return fake


def test_the_keyring_keeps_an_identity_for_each_service(keyring: FakeKeyring) -> None:
    first = load_or_make_identity_in_keyring("ocft:/home")
    other = load_or_make_identity_in_keyring("ocft:/other")
    assert load_or_make_identity_in_keyring("ocft:/home").to_bytes() == first.to_bytes()
    assert first.to_bytes() != other.to_bytes()


def test_the_identity_that_the_keyring_has_in_the_end_is_ours(keyring: FakeKeyring) -> None:
    load_or_make_identity_in_keyring("other process")
    keyring.rival = keyring.passwords["other process", "identity"]
    ours = load_or_make_identity_in_keyring("ocft")
    assert ours.to_bytes() == load_or_make_identity_in_keyring("other process").to_bytes()


def test_a_locked_or_spoilt_keyring_is_a_configuration_error(keyring: FakeKeyring) -> None:
    keyring.passwords["ocft", "identity"] = "nonsense!"
    with pytest.raises(ConfigError, match="the keyring"):
        load_or_make_identity_in_keyring("ocft")
    keyring.is_locked = True
    with pytest.raises(ConfigError, match="locked"):
        load_or_make_identity_in_keyring("ocft")


def test_a_missing_keyring_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(ConfigError, match=r"pip install 'ocft\[keyring\]'"):
        load_or_make_identity_in_keyring("ocft")
