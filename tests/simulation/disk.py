"""A machine that can be killed, lose power, or run out of space at any single step of its storage.

The real storage runs; its last calls before the operating system are watched, each for the machine
whose task makes it.
"""

import asyncio
import contextvars
import errno
import os
import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from ocft.storage import Database


class Killed(BaseException):
    """The machine's process was killed in the middle of something."""


@dataclass
class Machine:
    """What one node runs on."""

    name: str
    chance: random.Random
    steps_to_live: int | None = None
    """Storage steps until it is killed; None: it lives."""
    space: int | None = None
    """Bytes that can still be written; None: as many as it likes."""
    is_dead: bool = False
    died_at: float | None = None
    unsynced: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    """For each file, what was written since it was synced."""

    def step(self) -> None:
        """Take one step towards the end."""
        if self.is_dead:
            raise Killed
        if self.steps_to_live is not None:
            self.steps_to_live -= 1
            if self.steps_to_live < 0:
                self.die()
                raise Killed

    def die(self) -> None:
        """Take no further step."""
        self.is_dead = True
        if self.died_at is None:
            self.died_at = asyncio.get_running_loop().time()

    def lose_power(self) -> None:
        """Damage what was not synced, as a disk's cache that is gone."""
        for path, writes in self.unsynced.items():
            if not Path(path).exists():
                continue
            with Path(path).open("r+b") as file:
                for offset, length in writes:
                    if self.chance.random() < 0.7:
                        file.seek(offset)
                        file.write(self.chance.choice([b"\0", b"\xff"]) * length)
        self.unsynced.clear()


_current: contextvars.ContextVar[Machine | None] = contextvars.ContextVar("machine", default=None)


def run_on(machine: Machine) -> contextvars.Token[Machine | None]:
    """Make what follows in this context run on a machine."""
    return _current.set(machine)


def current_machine() -> Machine | None:
    """Return the machine that this context runs on."""
    return _current.get()


@contextmanager
def watched_storage() -> Iterator[None]:
    """Let machines die and disks be full, while this lasts."""
    pwrite, fsync, link, unlink = os.pwrite, os.fsync, os.link, os.unlink
    transaction = Database.transaction

    def watch(function: Any) -> Any:
        def watched(*args: Any, **kwargs: Any) -> Any:
            machine = _current.get()
            if machine is None:
                return function(*args, **kwargs)
            machine.step()
            result = function(*args, **kwargs)
            machine.step()
            return result

        return watched

    def watched_pwrite(descriptor: int, data: bytes, offset: int) -> int:
        machine = _current.get()
        if machine is None:
            return pwrite(descriptor, data, offset)
        machine.step()
        if machine.space is not None:
            if machine.space < len(data):
                raise OSError(errno.ENOSPC, "No space left on device")
            machine.space -= len(data)
        written = pwrite(descriptor, data, offset)
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        machine.unsynced.setdefault(path, []).append((offset, len(data)))
        machine.step()
        return written

    def watched_fsync(descriptor: int) -> None:
        machine = _current.get()
        if machine is not None:
            machine.step()
            machine.unsynced.pop(os.readlink(f"/proc/self/fd/{descriptor}"), None)
        fsync(descriptor)

    @contextmanager
    def watched_transaction(database: Database) -> Iterator[Any]:
        machine = _current.get()
        if machine is not None:
            machine.step()
        with transaction(database) as connection:
            yield connection
        if machine is not None:
            machine.step()

    with (
        mock.patch("os.pwrite", watched_pwrite),
        mock.patch("os.fsync", watched_fsync),
        mock.patch("os.link", watch(link)),
        mock.patch("os.unlink", watch(unlink)),
        mock.patch.object(Database, "transaction", watched_transaction),
    ):
        yield


@contextmanager
def power_cut(database: Path) -> Iterator[None]:
    """Close a database inside, and lose what it had not brought to the disk."""
    saved = database.with_suffix(".saved")
    if database.exists():
        shutil.copyfile(database, saved)
    yield
    for suffix in ("-wal", "-shm"):
        Path(f"{database}{suffix}").unlink(missing_ok=True)
    if saved.exists():
        saved.replace(database)
