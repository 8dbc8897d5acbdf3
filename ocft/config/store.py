"""Reads and writes the config file: for its owner only, and whole or not at all.

Two processes that write at the same time each write a whole file, and the last one stays.
"""

import logging
import os
import stat
import tempfile
from pathlib import Path
from typing import Final

from ocft.config.models import Config
from ocft.errors import ConfigError, NotInitializedError

_MOST_BYTES: Final = 1024 * 1024
_OPEN: Final = (
    os.O_RDONLY
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)  # a FIFO would wait for its writer
    | getattr(os, "O_CLOEXEC", 0)
)
_log = logging.getLogger(__name__)


def load_config(path: Path) -> Config:
    """Return the settings in a file; one that others can read is closed to them first.

    Raises:
        NotInitializedError: There is no such file.
        ConfigError: It cannot be read, is a symbolic link, or says something wrong.
    """
    if path.is_symlink():
        # Whoever can change where it leads chooses our secret.
        raise ConfigError(f"{path} is a symbolic link. Put the file itself there.")
    try:
        text = _read(path)
    except FileNotFoundError:
        raise NotInitializedError("There is no node here yet. Run `ocft init`.") from None
    except NotADirectoryError as error:
        raise ConfigError(f"{path.parent} is no folder. Choose another --home.") from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error
    return Config.parse(text, str(path))


def save_config(config: Config, path: Path) -> None:
    """Replace the settings in a file, or make it; its folder must be there.

    Raises:
        ConfigError: It cannot be written; what was there is unchanged.
    """
    if path.is_symlink():
        raise ConfigError(f"{path} is a symbolic link. Put the file itself there.")
    text = config.model_dump_json(indent=2) + "\n"
    unfinished: Path | None = None
    try:
        # mkstemp: a name that nobody can guess, mode 0600, and never an existing file.
        descriptor, name = tempfile.mkstemp(prefix=".config-", suffix=".tmp", dir=path.parent)
        unfinished = Path(name)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        if unfinished is not None:
            unfinished.unlink(missing_ok=True)
        raise ConfigError(f"{path} cannot be written: {error.strerror}.") from error


def _read(path: Path) -> bytes:
    descriptor = os.open(path, _OPEN)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ConfigError(f"{path} is no regular file.")
        if os.name == "posix" and status.st_mode & 0o077:
            os.fchmod(descriptor, 0o600)
            _log.warning(
                "%s could be read by others on this machine; now only you can. "
                "`ocft rotate-secret --overlap 0` makes a new secret.",
                path,
            )
        data = file.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise ConfigError(f"{path} has more than {_MOST_BYTES} bytes; that is no config file.")
    return data


def _sync_folder(folder: Path) -> None:
    """Bring the new name to the disk, so that a power cut leaves the old file or the new one."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
