"""What was learnt about other nodes, trusted or not: keys, wire, and what works with them."""

import sqlite3
from dataclasses import dataclass, fields
from typing import Final, TypedDict, Unpack

from ocft.ids import NodeId
from ocft.storage.database import Database, readable, storable

_FAILURE_SECONDS: Final = 24 * 3600.0  # R-FRM-5: so long a failure of the dense alphabet counts


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownNode:
    """What is known of one node; nothing of it is a reason to trust it."""

    id: NodeId
    """What it calls itself."""
    fingerprint: bytes | None = None
    """SHA-256 of the public identity that it last proved."""
    public_identity: bytes | None = None
    """Its public keys."""
    address: str | None = None
    """The account that it writes from, where its owner is no peer of ours with an address."""
    wire: str | None = None
    """The wire that it speaks: "1.0" or "2"; None: not known (R-WIR-1)."""
    wire_learned_at: float | None = None
    """When that was found out, in seconds since the epoch."""
    last_seen: float | None = None
    """When something of it came last, in seconds since the epoch."""
    secret_tag: bytes | None = None
    """Stands for the one of our secrets that it proved last (R-HSK-3)."""
    forgotten_before: int = 0
    """An offer of an unknown transfer whose `at` is not above this is a replay (R-CTL-4)."""


class NodeFacts(TypedDict, total=False):
    """What :meth:`NodeStore.learn` can record; see the fields of :class:`KnownNode`."""

    fingerprint: bytes | None
    public_identity: bytes | None
    address: str | None
    wire: str | None
    wire_learned_at: float | None
    last_seen: float | None
    secret_tag: bytes | None


_FACTS: Final = frozenset(NodeFacts.__annotations__)
_COLUMNS: Final = tuple(one.name for one in fields(KnownNode))


class NodeStore:
    """The nodes in a node's database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, node_id: NodeId) -> KnownNode | None:
        """Return what is known of a node."""
        rows = self._database.query("SELECT * FROM nodes WHERE id = ?", (storable(node_id),))
        return _node(rows[0]) if rows else None

    def all(self) -> list[KnownNode]:
        """Return what is known of all nodes, ordered by id."""
        return [_node(row) for row in self._database.query("SELECT * FROM nodes ORDER BY id")]

    def learn(self, node_id: NodeId, **facts: Unpack[NodeFacts]) -> None:
        """Record facts about a node; those that are not named stay as they are."""
        names = sorted(_FACTS & facts.keys())
        updates = ", ".join(f"{name} = excluded.{name}" for name in names)
        marks = ", ".join("?" for _ in ("id", *names))
        with self._database.transaction() as connection:
            connection.execute(
                f"INSERT INTO nodes ({', '.join(('id', *names))}) VALUES ({marks})"  # noqa: S608 - our names
                f" ON CONFLICT (id) DO {f'UPDATE SET {updates}' if names else 'NOTHING'}",
                (storable(node_id), *(facts.get(name) for name in names)),
            )

    def saw(self, node_id: NodeId, at: float) -> None:
        """Record that something came from a node.

        Args:
            node_id: The node.
            at: Seconds since the epoch.
        """
        self.learn(node_id, last_seen=at)

    def forget(self, node_id: NodeId) -> None:
        """Forget what was learnt about a node, but not which of its offers would be replays."""
        forgotten = ", ".join(f"{name} = NULL" for name in sorted(_FACTS))
        with self._database.transaction() as connection:
            connection.execute(
                f"UPDATE nodes SET {forgotten} WHERE id = ?",  # noqa: S608 - our names
                (storable(node_id),),
            )
            connection.execute(
                "DELETE FROM nodes WHERE id = ? AND forgotten_before = 0", (storable(node_id),)
            )
            connection.execute("DELETE FROM dense WHERE peer_id = ?", (storable(node_id),))

    def dense_works(self, peer_id: NodeId, channel: str, now: float) -> bool | None:
        """Say whether the dense alphabet reaches a peer through a channel (R-FRM-5).

        Args:
            peer_id: The peer.
            channel: The channel's name.
            now: Seconds since the epoch.

        Returns:
            None where nobody has tried, or where it failed more than 24 hours ago.
        """
        rows = self._database.query(
            "SELECT works, at FROM dense WHERE peer_id = ? AND channel = ?",
            (storable(peer_id), storable(channel)),
        )
        # A time to come: the clock was set back, and the failure must not last until it is there.
        if not rows or not (rows[0]["works"] or 0 <= now - rows[0]["at"] < _FAILURE_SECONDS):
            return None
        return bool(rows[0]["works"])

    def save_dense(self, peer_id: NodeId, channel: str, *, works: bool, at: float) -> None:
        """Record whether the dense alphabet reached a peer through a channel.

        Args:
            peer_id: The peer.
            channel: The channel's name.
            works: Whether the probe was acknowledged.
            at: Seconds since the epoch.
        """
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO dense (peer_id, channel, works, at) VALUES (?, ?, ?, ?)",
                (storable(peer_id), storable(channel), works, at),
            )


def _node(row: sqlite3.Row) -> KnownNode:
    known = {name: row[name] for name in _COLUMNS}
    return KnownNode(**known | {"id": NodeId(readable(row["id"]))})
