"""A command line run in this process, in a home of its own."""

import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ocft.cli import main


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The lines of `--json`."""
        return [json.loads(line) for line in self.out.splitlines()]


Ocft = Callable[..., Result]


@pytest.fixture(autouse=True)
def own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing of the user's is read or written, and the log is as before afterwards."""
    for name in [name for name in os.environ if name.startswith(("OCFT_", "XDG_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("OCFT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OCFT_SPOOL", str(tmp_path / "spool"))
    log = logging.getLogger("ocft")
    before = log.handlers, log.level, log.propagate
    yield
    log.handlers, log.level, log.propagate = before


@pytest.fixture
def ocft(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Ocft:
    """Run a command: `ocft("status", "--json")`."""

    def run(*arguments: str, stdin: str | None = None) -> Result:
        monkeypatch.setattr(sys, "stdin", None if stdin is None else io.StringIO(stdin))
        capsys.readouterr()
        status = main(list(arguments))
        out, err = capsys.readouterr()
        return Result(status, out, err)

    return run


@pytest.fixture
def node(ocft: Ocft) -> Ocft:
    """The same, where a node was made."""
    assert ocft("init").status == 0
    return ocft


class FakeKeyring(ModuleType):
    """The keyring package, with its passwords in a dictionary."""

    def __init__(self) -> None:
        super().__init__("keyring")
        self.errors = ModuleType("keyring.errors")
        self.errors.KeyringError = type("KeyringError", (Exception,), {})  # type: ignore[attr-defined]  # a fake
        self.passwords: dict[tuple[str, str], str] = {}
        self.is_locked = False

    def get_password(self, service: str, user: str) -> str | None:
        if self.is_locked:
            raise self.errors.KeyringError("it is locked")
        return self.passwords.get((service, user))

    def set_password(self, service: str, user: str, password: str) -> None:
        self.passwords[service, user] = password

    def delete_password(self, service: str, user: str) -> None:
        if self.is_locked:
            raise self.errors.KeyringError("it is locked")
        del self.passwords[service, user]


@pytest.fixture
def keyring(monkeypatch: pytest.MonkeyPatch) -> FakeKeyring:
    """A keyring that nobody else has."""
    fake = FakeKeyring()
    monkeypatch.setitem(sys.modules, "keyring", fake)
    monkeypatch.setitem(sys.modules, "keyring.errors", fake.errors)
    return fake


def start(*arguments: str, **options: Any) -> "subprocess.CompletedProcess[Any]":
    """Run a command in a process of its own, for what concerns real streams."""
    return subprocess.run(
        [sys.executable, "-m", "ocft", *arguments],
        check=False,
        timeout=20,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options},
    )
