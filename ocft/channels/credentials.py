"""Tokens of platforms: named in the settings, kept in the environment or the system's keyring."""

import os
from collections.abc import Mapping
from typing import Final

from ocft.errors import ConfigError

_ENVIRONMENT: Final = "env:"
_KEYRING: Final = "keyring:"


def find_credential(options: Mapping[str, object], option: str, *, variable: str) -> str:
    """Return a token that the settings refer to.

    Args:
        options: An adapter's section of the settings.
        option: The option, such as "token". Its value is "env:NAME" (a variable of the
            environment), "keyring:SERVICE/USER" (an entry of the system's keyring, extra
            `keyring`), or missing.
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
    if isinstance(reference, str) and reference.startswith(_KEYRING):
        return _from_keyring(reference.removeprefix(_KEYRING), option)
    # Perhaps the token itself, which must not stand in a file, so it is not shown either.
    raise ConfigError(
        f"{option!r} names where the token is: {_ENVIRONMENT}NAME or {_KEYRING}SERVICE/USER."
    )


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
