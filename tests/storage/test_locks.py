import subprocess
import sys
from pathlib import Path

import pytest

from ocft.errors import ChannelHeldError, StorageError
from ocft.storage import ChannelLock

_HOLD = (
    "import sys; from pathlib import Path; from ocft.storage import ChannelLock\n"
    "lock = ChannelLock(Path(sys.argv[1]))\n"
    "print(lock.try_acquire(), flush=True)\n"
    "sys.stdin.read()\n"
)
_START_AND_DIE = (
    "import os, subprocess, sys; from pathlib import Path; from ocft.storage import ChannelLock\n"
    "lock = ChannelLock(Path(sys.argv[1]))\n"
    "held = lock.try_acquire()\n"
    "program = f'print({held}, flush=True); input()'\n"
    "subprocess.Popen([sys.executable, '-c', program], close_fds=False)\n"
    "os.kill(os.getpid(), 9)\n"
)


def _open_descriptors() -> int:
    return len(list(Path("/dev/fd").iterdir()))


def test_a_lock_is_held_by_one_object_at_a_time(tmp_path: Path) -> None:
    one, other = ChannelLock(tmp_path / "a" / "lock"), ChannelLock(tmp_path / "a" / "lock")
    assert one.try_acquire()
    assert one.try_acquire()
    assert one.is_held
    assert not other.try_acquire()
    assert not other.is_held
    one.release()
    one.release()
    assert other.try_acquire()
    assert (one.is_held, other.is_held) == (False, True)
    other.release()


def test_locks_of_different_channels_do_not_exclude_each_other(tmp_path: Path) -> None:
    with ChannelLock(tmp_path / "a"), ChannelLock(tmp_path / "b") as lock:
        assert lock.is_held


def test_entering_a_held_lock_says_so(tmp_path: Path) -> None:
    with ChannelLock(tmp_path / "lock"), pytest.raises(ChannelHeldError):
        ChannelLock(tmp_path / "lock").__enter__()
    with ChannelLock(tmp_path / "lock"):
        pass


def test_the_kernel_frees_the_lock_of_a_killed_process(tmp_path: Path) -> None:
    lock = ChannelLock(tmp_path / "lock")
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, lock.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"True\n"
        assert not lock.try_acquire()
        holder.kill()
    with lock:
        assert lock.is_held


def test_a_program_that_the_holder_started_does_not_keep_the_lock(tmp_path: Path) -> None:
    lock = ChannelLock(tmp_path / "lock")
    with subprocess.Popen(
        [sys.executable, "-c", _START_AND_DIE, lock.path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"True\n"
        assert holder.wait() == -9
        with lock:
            pass
        holder.communicate(b"\n")  # until here, the program that it started has waited


def test_a_lock_file_that_cannot_be_made_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "target")
    for path in (tmp_path, tmp_path / "file" / "lock", tmp_path / "link"):
        with pytest.raises(StorageError):
            ChannelLock(path).try_acquire()


def test_a_file_system_without_locks_is_a_storage_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: int) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr("ocft.storage.locks._lock", refuse)
    before = _open_descriptors()
    with pytest.raises(StorageError, match="No locks"):
        ChannelLock(tmp_path / "lock").try_acquire()
    assert _open_descriptors() == before
