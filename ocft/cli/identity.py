"""Where the node's keys are, and how they make way for others."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ocft.errors import ConfigError

if TYPE_CHECKING:
    from ocft.config import Config, Home
    from ocft.crypto import Identity


def open_identity(config: "Config", home: "Home") -> "Identity":
    """Return the node's keys; a node that has none yet gets some.

    Raises:
        ConfigError: They cannot be used, or the keyring cannot.
        StorageError: Their file cannot be read or made.
    """
    from ocft.storage import load_or_make_identity, load_or_make_identity_in_keyring

    if config.keyring:
        return load_or_make_identity_in_keyring(_service_of(config))
    return load_or_make_identity(home.identity_file)


def forget_identity(config: "Config") -> None:
    """Remove a node's keys from the keyring.

    Raises:
        ConfigError: The keyring cannot be used.
    """
    from ocft.storage import remove_identity_from_keyring

    remove_identity_from_keyring(_service_of(config))


@contextmanager
def identity_set_aside(home: "Home") -> Iterator[Path | None]:
    """Move the file with the keys away for a block that makes others.

    If the block fails, it is where it was.

    Yields:
        Where it is now; None if there was none.

    Raises:
        ConfigError: It cannot be moved.
    """
    file = home.identity_file
    kept: Path | None = file.with_name(f"{file.name}.until-{time.time_ns() // 1_000_000}")
    try:
        file.rename(kept)  # type: ignore[arg-type]  # set one line above
    except (FileNotFoundError, NotADirectoryError):
        kept = None
    except OSError as error:
        raise ConfigError(f"{file} cannot be moved away: {error.strerror}.") from error
    try:
        yield kept
    except BaseException:
        if kept is not None:
            kept.replace(file)
        raise


def _service_of(config: "Config") -> str:
    # By its id: a user may have several nodes, and `init --force` that fails must leave the old
    # keys alone.
    return f"ocft:{config.node_id}"
