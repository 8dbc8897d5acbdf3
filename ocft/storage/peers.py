"""The trust store: the peers that this node knows, their secrets, and until when."""

import math
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from ocft.errors import ConfigError, PeerExistsError, UnknownPeerError
from ocft.ids import NodeId
from ocft.storage.database import Database, storable

_MAX_NAME: Final = 256  # characters, as of an id on the wire
_MAX_SECRET: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedPeer:
    """A node that may send files here, and that we can send files to."""

    id: str
    """What it calls itself on the wire; compared exactly, and no character is a wildcard."""
    secret: str = field(repr=False)
    """The peer's secret, which an offer to it carries."""
    name: str | None = None
    """What the user calls it."""
    address: str | None = None
    """The platform's own id of the peer's account, where it differs from `id`."""
    expires_at: float | None = None
    """When the trust ends, in seconds since the epoch; None is never."""

    def is_expired(self, now: float) -> bool:
        """Say whether the trust has ended.

        Args:
            now: Seconds since the epoch.
        """
        return self.expires_at is not None and now >= self.expires_at


class Peers(Protocol):
    """Whom this node trusts, for those who only ask."""

    def find(self, node_id: NodeId) -> TrustedPeer | None:
        """Return the peer with exactly this id, expired or not."""


class PeerList:
    """Peers that a program knows by itself.

    Raises:
        ConfigError: One of them is not valid.
        PeerExistsError: Two of them have the same id.
    """

    def __init__(self, peers: Iterable[TrustedPeer]) -> None:
        self._peers: dict[str, TrustedPeer] = {}
        for peer in peers:
            _check(peer)
            if peer.id in self._peers:
                raise PeerExistsError(f"Two peers have the id {peer.id}.")
            self._peers[peer.id] = peer

    def find(self, node_id: NodeId) -> TrustedPeer | None:
        """Return the peer with exactly this id, expired or not."""
        return self._peers.get(node_id)


class PeerStore:
    """The peers in a node's database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, peer: TrustedPeer) -> None:
        """Trust a peer from now on.

        Raises:
            PeerExistsError: A peer with this id is there.
            ConfigError: The id, the name or another field is not valid.
        """
        _check(peer)
        with self._database.transaction() as connection:
            added = connection.execute(
                "INSERT INTO peers (id, secret, name, address, expires_at) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (id) DO NOTHING",
                (peer.id, peer.secret, peer.name, peer.address, peer.expires_at),
            )
            if not added.rowcount:
                raise PeerExistsError(f"{peer.id} is trusted already. Remove it to replace it.")

    def remove(self, name_or_id: str) -> TrustedPeer:
        """Trust a peer no longer; return what was known of it.

        Raises:
            UnknownPeerError: No peer, or more than one, is called like this.
        """
        peer = self.get(name_or_id)
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM peers WHERE id = ?", (peer.id,))
        return peer

    def get(self, name_or_id: str) -> TrustedPeer:
        """Return the peer with this id, or else the only one with this name.

        Raises:
            UnknownPeerError: No peer, or more than one, is called like this.
        """
        if peer := self.find(NodeId(name_or_id)):
            return peer
        rows = self._database.query("SELECT * FROM peers WHERE name = ?", (storable(name_or_id),))
        if len(rows) > 1:
            raise UnknownPeerError(f"{len(rows)} peers are called {name_or_id!r}. Use the id.")
        if not rows:
            raise UnknownPeerError(f"No trusted peer has the name or id {name_or_id!r}.")
        return _peer(rows[0])

    def find(self, node_id: NodeId) -> TrustedPeer | None:
        """Return the peer with exactly this id, expired or not."""
        rows = self._database.query("SELECT * FROM peers WHERE id = ?", (storable(node_id),))
        return _peer(rows[0]) if rows else None

    def all(self) -> list[TrustedPeer]:
        """Return all peers, ordered by id."""
        return [_peer(row) for row in self._database.query("SELECT * FROM peers ORDER BY id")]

    def extend(self, name_or_id: str, seconds: float, now: float) -> TrustedPeer:
        """Trust a peer longer: from its expiry on, or from now on if that has passed.

        A peer without an expiry gets one.

        Args:
            name_or_id: As for :meth:`get`.
            seconds: How much longer.
            now: Seconds since the epoch.

        Raises:
            UnknownPeerError: No peer, or more than one, is called like this.
            ConfigError: `seconds` is not a positive number.
        """
        if not (math.isfinite(seconds) and seconds > 0):
            raise ConfigError("Trust is extended by a positive number of seconds.")
        peer = self.get(name_or_id)
        peer = replace(peer, expires_at=max(now, peer.expires_at or now) + seconds)
        _check(peer)
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE peers SET expires_at = ? WHERE id = ?", (peer.expires_at, peer.id)
            )
        return peer


def _peer(row: sqlite3.Row) -> TrustedPeer:
    return TrustedPeer(
        id=row["id"],
        secret=row["secret"],
        name=row["name"],
        address=row["address"],
        expires_at=row["expires_at"],
    )


def _check(peer: TrustedPeer) -> None:
    """Refuse what no terminal shows as it is, and an expiry that never comes."""
    named = {"id": peer.id, "name": peer.name, "address": peer.address}
    for what, text in named.items():
        if text is not None and not (0 < len(text) <= _MAX_NAME and text.isprintable()):
            raise ConfigError(
                f"The {what} of a peer has 1 to {_MAX_NAME} characters, all of them printable."
            )
    if len(peer.secret) > _MAX_SECRET or isinstance(storable(peer.secret), bytes):
        raise ConfigError(f"The secret of a peer has at most {_MAX_SECRET} characters of Unicode.")
    if peer.expires_at is not None and not math.isfinite(peer.expires_at):
        raise ConfigError("The expiry of a peer is a number of seconds since the epoch.")
