"""A node and the commands that its owner types: in processes of their own, with real files."""

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ocft.config import Config, find_home, save_config
from ocft.storage import (
    ChannelLock,
    Database,
    Journal,
    PeerStore,
    TrustedPeer,
    load_or_make_identity,
)
from ocft.transfers import TransferInfo

PATIENCE = 20.0  # seconds for anything that has to happen
LARGE = 12_000_000  # bytes: about a second of the local channel


class Person:
    """A node and the commands that its owner types."""

    def __init__(self, home: Path, environment: dict[str, str], stack: ExitStack) -> None:
        self.home = home
        self._environment = environment
        self._stack = stack

    def start(self, *words: str, **options: Any) -> "subprocess.Popen[str]":
        """Start a command."""
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        process = subprocess.Popen(
            [sys.executable, "-m", "ocft", "--home", str(self.home), *words],
            env=self._environment,
            **{"stdin": subprocess.DEVNULL} | streams | options,
        )
        self._stack.callback(end, process)
        return process

    def bytes_of(self, *words: str, stdin: bytes = b"", status: int = 0) -> bytes:
        """Run a command whose streams carry bytes."""
        process: Any = self.start(*words, stdin=subprocess.PIPE, text=False)
        out, err = process.communicate(stdin, timeout=PATIENCE)
        assert process.returncode == status, (words, process.returncode, err)
        return bytes(out)

    def __call__(self, *words: str, stdin: str = "", status: int = 0) -> str:
        process = self.start(*words, stdin=subprocess.PIPE)
        out, err = process.communicate(stdin, timeout=PATIENCE)
        assert process.returncode == status, (words, process.returncode, out, err)
        return out

    def json(self, *words: str, status: int = 0) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self("--json", *words, status=status).splitlines()]

    def listen(self, *words: str) -> "subprocess.Popen[str]":
        """Start to listen, and return when it does."""
        process = self.start("--json", "listen", *words)
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["event"] == "listening"
        return process

    # Quicker than commands, for what is no test's subject.

    @property
    def config(self) -> Config:
        return Config(node_id=f"ocft_{self.home.name}", secret=f"secret of {self.home.name}")

    def init(self) -> Config:
        config = self.config
        home = find_home(str(self.home), {})
        home.make()
        save_config(config, home.config_file)
        return config

    def trust(self, peer: Config, *, secret: str | None = None, **known: Any) -> None:
        """Trust a peer; its secret is the right one unless another is named."""
        with Database(self.home / "state" / "journal.db") as database:
            PeerStore(database).add(
                TrustedPeer(
                    id=peer.node_id,
                    secret=peer.secret if secret is None else secret,
                    name=peer.node_id.removeprefix("ocft_"),
                    **known,
                )
            )

    @property
    def fingerprint(self) -> bytes:
        return load_or_make_identity(self.home / "state" / "identity").public.fingerprint

    def transfers(self) -> list[TransferInfo]:
        with Database(self.home / "state" / "journal.db") as database:
            return [record.info for record in Journal(database).records()]

    def is_held(self, name: str) -> bool:
        lock = ChannelLock(self.home / "state" / name)
        is_free = lock.try_acquire()
        lock.release()
        return not is_free

    def received(self) -> list[Path]:
        folder = self.home / "downloads"
        return sorted(path for path in folder.glob("*") if path.is_file())


def end(process: "subprocess.Popen[Any]") -> None:
    if process.poll() is None:
        process.kill()
    process.communicate()


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def finish(process: "subprocess.Popen[Any]") -> tuple[int, Any, Any]:
    out, err = process.communicate(timeout=PATIENCE)
    return process.returncode, out, err


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def make_file(path: Path, size: int = 200_000) -> Path:
    path.write_bytes(os.urandom(size))
    return path
