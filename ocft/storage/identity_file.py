"""Where a node's private keys are kept: a file for its owner only, or the system's keyring."""

import base64
import binascii
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ocft.errors import ConfigError
from ocft.storage.border import storage_errors
from ocft.storage.partial import move_without_replacing

if TYPE_CHECKING:
    from ocft.crypto import Identity

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_MAX_FILE: Final = 4096  # bytes; an identity's text has some 200
_READ: Final = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_KEYRING_USER: Final = "identity"


def load_or_make_identity(path: Path) -> "Identity":
    """Return the node's identity, a new one if it has none.

    Two processes that make one at the same moment end up with the same.

    Args:
        path: The file; its folder is made for the owner only.

    Raises:
        ConfigError: Others may read the file, or it holds no identity.
        StorageError: It cannot be read or made.
    """
    from ocft.crypto import Identity

    with storage_errors(f"read or make {path}"):
        path = path.absolute()
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            text = _read(path)
        except FileNotFoundError:
            _make(path, _written(Identity.generate()))
            text = _read(path)
    return _parsed(text, str(path))


def load_or_make_identity_in_keyring(service_name: str) -> "Identity":
    """Return the node's identity from the system's keyring, a new one if it has none there.

    Args:
        service_name: Tells the identities of several nodes of this user apart.

    Raises:
        ConfigError: There is no keyring, it is locked, or what it holds is no identity.
    """
    from ocft.crypto import Identity

    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError as error:
        raise ConfigError(
            "The keyring is not installed. Install it with: pip install 'ocft[keyring]'"
        ) from error
    try:
        text = keyring.get_password(service_name, _KEYRING_USER)
        if text is None:
            new = _written(Identity.generate())
            keyring.set_password(service_name, _KEYRING_USER, new)
            # Another process may have done the same; the one that was last is what counts.
            text = keyring.get_password(service_name, _KEYRING_USER)
    except KeyringError as error:
        raise ConfigError(f"The keyring cannot be used: {error}") from error
    return _parsed(text or "", "the keyring")


def remove_identity_from_keyring(service_name: str) -> None:
    """Remove an identity from the system's keyring, if it is there.

    Args:
        service_name: As it was made under.

    Raises:
        ConfigError: There is no keyring, or it is locked.
    """
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError as error:
        raise ConfigError("The keyring is not installed.") from error
    try:
        if keyring.get_password(service_name, _KEYRING_USER) is not None:
            keyring.delete_password(service_name, _KEYRING_USER)
    except KeyringError as error:
        raise ConfigError(f"The keyring cannot be used: {error}") from error


def _read(path: Path) -> str:
    descriptor = os.open(path, _READ)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ConfigError(f"{path} is no regular file.")
        # Windows has other rights, which the mode does not tell.
        if os.name == "posix" and status.st_mode & _OTHERS:
            raise ConfigError(
                f"Others may use {path}, the keys of this node. Run: chmod 600 {path}"
            )
        return file.read(_MAX_FILE).decode("ascii", errors="replace")


def _make(path: Path, text: str) -> None:
    """Write a file that is whole from the moment it has its name, unless another one has it."""
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        with suppress(FileExistsError):
            move_without_replacing(temporary, path)
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


def _written(identity: "Identity") -> str:
    return base64.b64encode(identity.to_bytes()).decode("ascii") + "\n"


def _parsed(text: str, place: str) -> "Identity":
    from ocft.crypto import Identity

    try:
        data = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ConfigError(f"What {place} holds is no identity of a node.") from error
    return Identity.from_bytes(data)
