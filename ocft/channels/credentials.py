"""Tokens of platforms: named in the settings, kept in the environment, a file or the keyring."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ocft.errors import ConfigError

_ENVIRONMENT: Final = "env:"
_FILE: Final = "file:"
_KEYRING: Final = "keyring:"
_LONGEST: Final = 16 * 1024  # bytes of such a file


def find_credential(options: Mapping[str, object], option: str, *, variable: str) -> str:
    """Return a token that the settings refer to.

    Args:
        options: An adapter's section of the settings.
        option: The option, such as "token". Its value is "env:NAME" (a variable of the
            environment), "file:PATH" (all of a file, absolute or below ~), "keyring:SERVICE/USER"
            (an entry of the system's keyring, extra `keyring`), or missing.
        variable: The variable that counts where the option is missing.

    Raises:
        ConfigError: There is no such token. The message says where it was looked for, and never
            shows what was found.
    """
    reference = options.get(option, f"{_ENVIRONMENT}{variable}")
    if isinstance(reference, str) and reference.startswith(_ENVIRONMENT):
        name = reference.removeprefix(_ENVIRONMENT)
        token = os.environ.get(name, "").strip()
        if not token:
            raise ConfigError(f"There is no token: set {name} in the environment.")
        return token
    if isinstance(reference, str) and reference.startswith(_FILE):
        return _from_file(reference.removeprefix(_FILE), option)
    if isinstance(reference, str) and reference.startswith(_KEYRING):
        return _from_keyring(reference.removeprefix(_KEYRING), option)
    # Perhaps the token itself, which must not stand in a file, so it is not shown either.
    raise ConfigError(
        f"{option!r} names where the token is: {_ENVIRONMENT}NAME, {_FILE}PATH or "
        f"{_KEYRING}SERVICE/USER."
    )


def _from_file(name: str, option: str) -> str:
    try:
        path = Path(name).expanduser()
        if not path.is_absolute():
            raise ConfigError(f"{option!r} names a file by its absolute path, or below ~.")
        with path.open("rb") as file:
            token = file.read(_LONGEST + 1).decode().strip()
    except (OSError, RuntimeError, ValueError) as error:
        raise ConfigError(f"The file that {option!r} names cannot be read.") from error
    if not token or len(token) > _LONGEST:
        raise ConfigError(f"The file that {option!r} names holds no token.")
    return token


def _from_keyring(entry: str, option: str) -> str:
    service, _, user = entry.partition("/")
    if not service or not user:
        raise ConfigError(f"{option!r} names a keyring entry as {_KEYRING}SERVICE/USER.")
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError as error:
        raise ConfigError(
            "Tokens from the system's keyring need: pip install 'ocft[keyring]'"
        ) from error
    try:
        token = keyring.get_password(service, user)
    except KeyringError as error:
        raise ConfigError(f"The system's keyring cannot be read: {error}.") from error
    if not token:
        raise ConfigError(f"There is no token in the system's keyring under {service}/{user}.")
    return str(token)
