"""The trust store: the peers that this node knows, what they may do, and until when (R-LIM-1)."""

import math
import sqlite3
from collections.abc import Iterable
from dataclasses import astuple, dataclass, field, fields, replace
from typing import Final, Protocol, TypedDict, Unpack

from ocft.errors import ConfigError, PeerExistsError, UnknownPeerError
from ocft.ids import NodeId
from ocft.storage.database import Database, storable

_MAX_NAME: Final = 256  # characters, as of an id on the wire
_MAX_SECRET: Final = 1024
_FINGERPRINT: Final = 32  # bytes of a SHA-256
_MAX_BYTES: Final = 2**63 - 1  # what SQLite's integers hold


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedPeer:
    """A node that may send files here, and that we can send files to."""

    id: str
    """What it calls itself on the wire; compared exactly, and no character is a wildcard."""
    secret: str = field(default="", repr=False)
    """The peer's secret, which a 1.0 offer to it carries and a wire 2 handshake proves; may be
    empty, where the fingerprint says who it is."""
    name: str | None = None
    """What the user calls it."""
    address: str | None = None
    """The platform's own id of the peer's account, where it differs from `id`."""
    expires_at: float | None = None
    """When the trust ends, in seconds since the epoch; None is never."""
    fingerprint: bytes | None = None
    """SHA-256 of its public identity; None while that is not known."""
    may_send: bool = True
    """Whether it may offer files here."""
    auto_accept: bool | None = None
    """Whether its files are taken without asking; None is as the node's setting says."""
    max_file_size: int | None = None
    """Bytes of the largest transfer that it may send, less or more than the node's setting says;
    None is as that says."""
    bytes_per_day: int | None = None
    """Bytes that it may send in 24 hours; None is without limit."""
    allows_wire_1: bool = True
    """Whether wire 1.0, which seals nothing, may be used with it (R-WIR-3)."""

    def is_expired(self, now: float) -> bool:
        """Say whether the trust has ended.

        Args:
            now: Seconds since the epoch.
        """
        return self.expires_at is not None and now >= self.expires_at


class PeerChanges(TypedDict, total=False):
    """What :meth:`PeerStore.change` can change; see the fields of :class:`TrustedPeer`."""

    address: str | None
    expires_at: float | None
    fingerprint: bytes | None
    may_send: bool
    auto_accept: bool | None
    max_file_size: int | None
    bytes_per_day: int | None
    allows_wire_1: bool


_COLUMNS: Final = tuple(one.name for one in fields(TrustedPeer))
_INSERT: Final = f"INTO peers ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"


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

    def all(self) -> list[TrustedPeer]:
        """Return all peers, in the order they were given."""
        return list(self._peers.values())


class PeerStore:
    """The peers in a node's database, and those that a program knows by itself.

    Args:
        database: Holds the former.
        given: The latter. They stand for stored ones with the same id, and cannot be changed.

    Raises:
        ConfigError: A given peer is not valid.
        PeerExistsError: Two given peers have the same id.
    """

    def __init__(self, database: Database, given: Iterable[TrustedPeer] = ()) -> None:
        self._database = database
        self._given = PeerList(given)

    def add(self, peer: TrustedPeer) -> None:
        """Trust a peer from now on.

        Raises:
            PeerExistsError: A peer with this id is there.
            ConfigError: The id, the name or another field is not valid.
        """
        _check(peer)
        is_there = self._given.find(NodeId(peer.id)) is not None
        with self._database.transaction() as connection:
            added = connection.execute(
                f"INSERT {_INSERT} ON CONFLICT (id) DO NOTHING", astuple(peer)
            )
            if is_there or not added.rowcount:
                raise PeerExistsError(f"{peer.id} is trusted already. Remove it to replace it.")

    def put(self, peer: TrustedPeer) -> None:
        """Trust a peer from now on, instead of what was known of it: a person has confirmed it.

        Raises:
            ConfigError: A field is not valid, another peer has this name, or the peer is a given
                one.
        """
        _check(peer)
        self._refuse_given(peer)
        with self._database.transaction() as connection:
            self._refuse_name_of_another(peer)
            connection.execute(f"INSERT OR REPLACE {_INSERT}", astuple(peer))

    def require_free(self, name: str) -> None:
        """Check that a new peer can be called like this, before anything is done about it.

        Raises:
            ConfigError: The name is not valid, or a peer is called like this.
        """
        peer = TrustedPeer(id=name, name=name)
        _check(peer)
        if self.find(NodeId(name)) is not None:
            raise ConfigError(f"{name} is the id of a peer. Take another name.")
        self._refuse_name_of_another(peer)

    def rename(self, name_or_id: str, name: str | None) -> TrustedPeer:
        """Call a peer by another name, or by none; return what is known of it now.

        Raises:
            UnknownPeerError: No peer, or more than one, is called like this.
            ConfigError: The name is not valid, another peer has it, or the peer is a given one.
        """
        peer = replace(self.get(name_or_id), name=name)
        self.put(peer)
        return peer

    def change(self, name_or_id: str, **changes: Unpack[PeerChanges]) -> TrustedPeer:
        """Change what is known of a peer, or what it may do; return what is known of it now.

        Raises:
            UnknownPeerError: No peer, or more than one, is called like this.
            ConfigError: A field is not valid, or the peer is a given one.
        """
        peer = replace(self.get(name_or_id), **changes)
        _check(peer)
        self._refuse_given(peer)
        settings = ", ".join(f"{name} = ?" for name in changes)
        if changes:
            with self._database.transaction() as connection:
                connection.execute(
                    f"UPDATE peers SET {settings} WHERE id = ?",  # noqa: S608 - our names
                    (*(getattr(peer, name) for name in changes), peer.id),
                )
        return peer

    def remove(self, name_or_id: str) -> TrustedPeer:
        """Trust a peer no longer; return what was known of it.

        Raises:
            UnknownPeerError: No peer, or more than one, is called like this.
            ConfigError: It is a given one.
        """
        peer = self.get(name_or_id)
        self._refuse_given(peer)
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
        named = [peer for peer in self.all() if peer.name == name_or_id]
        if len(named) > 1:
            raise UnknownPeerError(f"{len(named)} peers are called {name_or_id!r}. Use the id.")
        if not named:
            raise UnknownPeerError(f"No trusted peer has the name or id {name_or_id!r}.")
        return named[0]

    def find(self, node_id: NodeId) -> TrustedPeer | None:
        """Return the peer with exactly this id, expired or not."""
        if given := self._given.find(node_id):
            return given
        rows = self._database.query("SELECT * FROM peers WHERE id = ?", (storable(node_id),))
        return _peer(rows[0]) if rows else None

    def all(self) -> list[TrustedPeer]:
        """Return all peers, ordered by id."""
        stored = {row["id"]: _peer(row) for row in self._database.query("SELECT * FROM peers")}
        both = stored | {peer.id: peer for peer in self._given.all()}
        return [both[node_id] for node_id in sorted(both)]

    def extend(self, name_or_id: str, seconds: float, now: float) -> TrustedPeer:
        """Trust a peer longer: from its expiry on, or from now on if that has passed.

        A peer without an expiry gets one.

        Args:
            name_or_id: As for :meth:`get`.
            seconds: How much longer.
            now: Seconds since the epoch.

        Raises:
            UnknownPeerError: No peer, or more than one, is called like this.
            ConfigError: `seconds` is not a positive number, or the peer is a given one.
        """
        if not (math.isfinite(seconds) and seconds > 0):
            raise ConfigError("Trust is extended by a positive number of seconds.")
        peer = self.get(name_or_id)
        return self.change(peer.id, expires_at=max(now, peer.expires_at or now) + seconds)

    def _refuse_given(self, peer: TrustedPeer) -> None:
        if self._given.find(NodeId(peer.id)) is not None:
            raise ConfigError(f"{peer.id} is trusted by the program itself, which can change that.")

    def _refuse_name_of_another(self, peer: TrustedPeer) -> None:
        for other in self.all() if peer.name is not None else ():
            if other.id != peer.id and peer.name in {other.name, other.id}:
                raise ConfigError(f"{other.id} is called {peer.name!r} already. Take another name.")


def _peer(row: sqlite3.Row) -> TrustedPeer:
    auto_accept = row["auto_accept"]
    return TrustedPeer(
        id=row["id"],
        secret=row["secret"],
        name=row["name"],
        address=row["address"],
        expires_at=row["expires_at"],
        fingerprint=row["fingerprint"],
        may_send=bool(row["may_send"]),
        auto_accept=None if auto_accept is None else bool(auto_accept),
        max_file_size=row["max_file_size"],
        bytes_per_day=row["bytes_per_day"],
        allows_wire_1=bool(row["allows_wire_1"]),
    )


def _check(peer: TrustedPeer) -> None:
    """Refuse what no terminal shows as it is, an expiry that never comes, and odd limits."""
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
    if peer.fingerprint is not None and len(peer.fingerprint) != _FINGERPRINT:
        raise ConfigError(f"The fingerprint of a peer has {_FINGERPRINT} bytes.")
    for limit in (peer.max_file_size, peer.bytes_per_day):
        if limit is not None and not 0 <= limit <= _MAX_BYTES:
            raise ConfigError("A limit of a peer is a number of bytes, 0 or more.")
