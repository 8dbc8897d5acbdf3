"""Reads what a 1.0 node left in `~/.ocft/config.json` and says it in our settings.

The file is only read: the 1.0 node goes on with it.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from ocft.config.home import Home
from ocft.config.models import Config
from ocft.config.store import save_config
from ocft.errors import ConfigError, OcftError
from ocft.ids import NodeId
from ocft.storage import Database, PeerList, PeerStore, TrustedPeer

_FILE: Final = Path(".ocft", "config.json")  # below the user's home folder
_MOST_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Imported:
    """What was taken over from a 1.0 node."""

    config: Config
    """Its settings."""
    peers: tuple[TrustedPeer, ...]
    """Whom it trusted."""


def legacy_config_file(home: Home) -> Path | None:
    """Return the settings of the 1.0 node that a home is to take over, if there is one.

    Only the default home does, and only while it has no settings of its own.
    """
    if not home.is_default or home.config_file.exists():
        return None
    path = Path.home() / _FILE
    return path if path.is_file() else None


def take_over_1_0(home: Home, path: Path) -> Imported:
    """Make a 1.0 node's settings and peers those of a home.

    Args:
        home: Where they go; it has no settings yet.
        path: The 1.0 config file.

    Raises:
        ConfigError: It cannot be read, or says something wrong; the message names it.
        JournalError: The peers cannot be stored.
    """
    imported = _read(path)
    home.make()
    with Database(home.journal_file) as database:
        peers = PeerStore(database)
        for peer in imported.peers:
            if peers.find(NodeId(peer.id)) is None:
                peers.add(peer)
    # Last: an import that was interrupted happens again.
    save_config(imported.config, home.config_file)
    return imported


def _read(path: Path) -> Imported:
    try:
        with path.open("rb") as file:
            content = json.loads(file.read(_MOST_BYTES))
    except OSError as error:
        raise ConfigError(f"{path} of OCFT 1.0 cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError):
        raise ConfigError(
            f"{path} of OCFT 1.0 is damaged. It was left as it is: repair it, or make a new node "
            "with `ocft init --force`."
        ) from None
    try:
        imported = _convert(content)
        PeerList(imported.peers)  # all of them are valid, before any of them is stored
    except OcftError as error:
        raise ConfigError(
            f"{path} of OCFT 1.0: {error} Repair it, or make a new node with `ocft init --force`."
        ) from None
    return imported


def _convert(content: Any) -> Imported:
    if not isinstance(content, dict):
        raise ConfigError("It is no object.")
    settings: dict[str, Any] = {
        "node_id": _text(content, "nodeId"),
        "secret": _text(content, "secret"),
        "secret_ttl_hours": _hours(content.get("secretTTL")),
    }
    if (created_at := content.get("createdAt")) is not None:
        settings["created_at"] = _moment(created_at, "createdAt")
    if (folder := content.get("downloadDir")) is not None:
        settings["download_dir"] = _text(content, "downloadDir") if folder else None
    if (size := content.get("maxFileSize")) is not None:
        settings["max_file_size"] = _bytes(size)
    peers = content.get("trustedPeers") or []
    if not isinstance(peers, list):
        raise ConfigError("trustedPeers is no list.")
    return Imported(Config.make(settings), tuple(_peer(peer) for peer in peers))


def _peer(content: Any) -> TrustedPeer:
    if not isinstance(content, dict):
        raise ConfigError("An entry of trustedPeers is no object.")
    expires_at = content.get("expiresAt")
    name = content.get("name")
    return TrustedPeer(
        id=_text(content, "id"),
        secret=_text(content, "secret") if content.get("secret") else "",
        name=name if isinstance(name, str) and name else None,
        expires_at=None if expires_at is None else _moment(expires_at, "expiresAt").timestamp(),
    )


def _text(content: Mapping[str, Any], key: str) -> str:
    value = content.get(key)
    if not isinstance(value, str) or not value:
        raise ConfigError(f"{key} is missing, or no text.")
    return value


def _hours(value: Any) -> float | None:
    if value is None or value == 0:
        return None
    return _number(value, "secretTTL")


def _bytes(value: Any) -> int:
    return int(_number(value, "maxFileSize"))


def _number(value: Any, key: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ConfigError(f"{key} is no number.")
    return value


def _moment(value: Any, key: str) -> datetime:
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise ConfigError(f"{key} is no moment as in 2026-11-21T02:11:28.793Z.") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
