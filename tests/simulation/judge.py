"""What must be true of nodes and of a recorded channel, whatever happened."""

import sqlite3
from collections import Counter
from contextlib import closing
from typing import Any

from ocft.events import TransferCompleted
from ocft.transfers import Direction, TransferInfo, TransferState
from ocft.wire import decode
from tests.simulation.payloads import Payload, as_sent
from tests.simulation.sealed_node import SealedNode, identity_of

_BLOCK = 8  # 16 bytes in a row hold 8 at a place that is a multiple of 8
_STEADY_TABLES = (
    "transfers",
    "peers",
    "nodes",
    "sessions",
    "manifests",
    "sources",
    "stagings",
    "publications",
    "unsynced",
    "synced",
    "requests_for_trust",
)
_MOST_UNDECIDED_OF_STRANGERS = 32
_MOST_REQUESTS = 32
_MOST_ROOT_KEYS = 2


class VerdictError(AssertionError):
    """Something that must never be."""


def judge_secrecy(texts: list[tuple[str, str, str]], payloads: list[Payload]) -> None:
    """Nothing that can be read from the texts is a name, or 16 bytes of content."""
    names = {
        part.encode()
        for payload in payloads
        for name in payload.files
        for part in (name, payload.root, name.split("/")[-1])
        if len(part) >= 10
    }
    blocks: set[bytes] = set()
    for payload in payloads:
        for data in payload.files.values():
            blocks.update(data[place : place + _BLOCK] for place in range(len(data) - _BLOCK + 1))
    for author, _, text in texts:
        for frame in decode(text):
            if not isinstance(frame, bytes):
                raise VerdictError(f"{author} spoke 1.0")
            if any(name in frame for name in names):
                raise VerdictError(f"{author} sent a name that can be read")
            for place in range(0, len(frame) - _BLOCK + 1, _BLOCK):
                if frame[place : place + _BLOCK] in blocks:
                    raise VerdictError(f"{author} sent content that can be read")


def judge_stores(
    node: SealedNode, honest: dict[str, str], others: set[str], *, speaks_wire_1: bool
) -> None:
    """No row, peer, session or event that honest nodes did not cause.

    Args:
        node: The node.
        honest: The peer at the other end, by transfer.
        others: The honest nodes but this one.
        speaks_wire_1: Whether strangers may offer files, in 1.0, that wait for a decision.
    """
    _judge_transfers(node, honest, speaks_wire_1=speaks_wire_1)
    _judge_events(node, honest, others, speaks_wire_1=speaks_wire_1)
    tables = snapshot(node)
    if len(tables["requests_for_trust"]) > _MOST_REQUESTS:
        raise VerdictError(f"{node.name} keeps too many requests")
    for row in tables["peers"]:
        if row["id"] not in others or row["fingerprint"] != _fingerprint(row["id"]):
            raise VerdictError(f"{node.name} trusts {row['id']!r}, or the wrong keys")
    for row in tables["nodes"]:
        if row["fingerprint"] not in (None, _fingerprint(row["id"])):
            raise VerdictError(f"{node.name} believes wrong keys to be {row['id']!r}'s")
    sessions = Counter(row["peer_id"] for row in tables["sessions"])
    for peer_id, count in sessions.items():
        if peer_id not in others or count > _MOST_ROOT_KEYS:
            raise VerdictError(f"{node.name} has {count} root keys of {peer_id!r}")


def _judge_transfers(node: SealedNode, honest: dict[str, str], *, speaks_wire_1: bool) -> None:
    infos = node.transfers()
    for one in infos:
        has_lived = not node.absences  # it may be killed while it counts
        if has_lived and one.state is TransferState.COMPLETED and one.bytes_done != one.size:
            raise VerdictError(f"{node.name} completed {one.bytes_done} of {one.size} bytes")
    strange = [one for one in infos if honest.get(one.id) != one.peer_id]
    for one in strange:
        if not speaks_wire_1 or one.wire == "2" or one.state is TransferState.COMPLETED:
            raise VerdictError(f"{node.name} has a transfer that nobody made: {one}")
    waiting = [one for one in strange if one.state is TransferState.PENDING]
    if len(waiting) > _MOST_UNDECIDED_OF_STRANGERS:
        raise VerdictError(f"{node.name} keeps {len(waiting)} offers of strangers")


def _judge_events(
    node: SealedNode, honest: dict[str, str], others: set[str], *, speaks_wire_1: bool
) -> None:
    for event in node.events:
        match event.name:
            case "trust-requested":
                is_known = True  # anybody may ask
            case "peer-paired" | "approval-awaited":
                is_known = event.peer_id in others
            case "transfer-completed":
                is_known = honest.get(event.transfer_id) == event.peer_id
            case _:
                is_known = speaks_wire_1 or honest.get(event.transfer_id) == event.peer_id
        if not is_known:
            raise VerdictError(f"{node.name} tells of what nobody did: {event}")


def judge_memory(node: SealedNode) -> None:
    """What a node keeps is within its caps (threat-model.md, section 5)."""
    manager = node.manager
    assert manager is not None
    assert manager._engine is not None
    assert manager._sealing is not None
    wire, pairings = manager._sealing.wire, manager._sealing.pairings
    handshakes, reception = wire.handshakes, manager._engine._inbox._reception
    answers = handshakes._answers
    assert reception is not None
    unfinished = wire.post._assembler._unfinished
    of_author = Counter(author for author, _ in unfinished)
    sizes = {
        "handshakes answered": (len(answers._answers), 16),
        "handshakes of strangers": (
            sum(one.is_stranger for one in answers._answers.values()),
            8,
        ),
        "handshakes begun": (len(handshakes._attempts), 2),
        "tasks of handshakes": (len(handshakes._tasks), 40),
        "wrong proofs": (len(answers._wrong_proofs), 16),
        "root keys in use": (len(wire.sessions._live), 2),
        "salts": (max((len(one._salts) for one in wire.sessions._live.values()), default=0), 1024),
        "tags": (len(wire.tags._owners), 64),
        "messages in fragments": (len(unfinished), 64),
        "messages of one author": (max(of_author.values(), default=0), 4),
        "live transfers": (len(manager._engine.fleet), 2 * 256),
        "codes shown": (len(pairings._shown), 8),
        "codes typed": (len(pairings._typed), 8),
        "tasks of pairings": (len(pairings._tasks), 16),
        "refusals": (len(reception._offers._refusals), 32),
        "peers seen": (len(reception._seen), 2),
    }
    for what, (size, most) in sizes.items():
        if size > most:
            raise VerdictError(f"{node.name} keeps {size} {what}")


def judge_files(node: SealedNode, payloads: dict[str, Payload]) -> None:
    """The download folder holds what was there, what was completed, and nothing else.

    Args:
        node: The receiving node.
        payloads: What honest nodes sent to it, by transfer.
    """
    expected: Counter[tuple[str, bytes]] = Counter()
    states: dict[str, TransferInfo] = {
        info.id: info for info in node.transfers() if info.direction is Direction.RECEIVE
    }
    completed = {event.transfer_id for event in node.events if isinstance(event, TransferCompleted)}
    for id_, payload in payloads.items():
        expected.update((name, payload.files[name]) for name in payload.owned)
        info = states.get(id_)
        if info is not None and (info.state is TransferState.COMPLETED or id_ in completed):
            expected.update(payload.wanted(is_asked=id_ in node.asked and info.wire == "2"))
    found = Counter((as_sent(name), data) for name, data in node.tree().items())
    if found != expected:
        missing = [(name, len(data)) for name, data in (expected - found)]
        extra = [(name, len(data)) for name, data in (found - expected)]
        raise VerdictError(f"{node.name}: files missing {missing}, files too many {extra}")


def snapshot(node: SealedNode) -> dict[str, list[dict[str, Any]]]:
    """Return what must not change when old texts come again: the journal but for times, files."""
    path = node.home / ".ocft" / "journal.db"
    tables: dict[str, list[dict[str, Any]]] = {}
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        for table in _STEADY_TABLES:
            rows = [dict(row) for row in connection.execute(f"SELECT * FROM {table}")]  # noqa: S608 - ours
            if table == "nodes":
                # When something came last; and that a node speaks wire 2, which its HELLO says.
                loose = ("last_seen", "wire", "wire_learned_at")
                rows = [{k: row[k] for k in row if k not in loose} for row in rows]
                rows = [row for row in rows if row["fingerprint"] is not None]
            tables[table] = rows
    tables["files"] = [{"name": name, "data": data} for name, data in node.tree().items()]
    return tables


def judge_ended(
    before: dict[str, list[dict[str, Any]]], after: dict[str, list[dict[str, Any]]], when: str
) -> None:
    """What was complete in one snapshot is the same in the other."""
    rows = [one for one in before["transfers"] if one["state"] == TransferState.COMPLETED.value]
    if changed := [one for one in rows if one not in after["transfers"]]:
        raise VerdictError(f"{when}: what was complete has changed: {changed}")


def judge_no_change(
    before: dict[str, list[dict[str, Any]]], after: dict[str, list[dict[str, Any]]], when: str
) -> None:
    """Two snapshots are the same, but for an older root key that is not needed any more."""
    before = {**before, "sessions": _still_needed(before["sessions"], after["sessions"])}
    for table, rows in before.items():
        if rows != after[table]:
            changed = [
                (old, new) for old, new in zip(rows, after[table], strict=False) if old != new
            ]
            told = [
                {key: (old[key], new[key]) for key in old if old[key] != new.get(key)}
                for old, new in changed
            ]
            raise VerdictError(
                f"{when}: {table} has changed, {len(rows)} to {len(after[table])}: {told}"
            )


def _still_needed(
    sessions: list[dict[str, Any]], after: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Leave out older root keys that are gone: old texts get answers under newer ones (R-HSK-4)."""
    newest = {row["peer_id"]: row["number"] for row in sessions}
    return [row for row in sessions if row in after or row["number"] == newest[row["peer_id"]]]


def _fingerprint(name: str) -> bytes:
    return identity_of(name).public.fingerprint
