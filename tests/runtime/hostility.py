"""What a hostile peer needs: the root key that it has, and no manners."""

import asyncio
import secrets
from pathlib import Path
from typing import Any

from ocft import ChannelLimits
from ocft.ids import NodeId, make_transfer_id
from ocft.runtime.wire2 import LiveSession
from ocft.wire import (
    Alphabet,
    Control,
    TransferOffer,
    decode,
    encode_frame,
)
from tests.runtime.pair import wall_clock, write_source
from tests.runtime.sealed_pair import (
    Ear,
    Node,
    inside,
)

BIG = bytes(range(256)) * 4000
SLOW = ChannelLimits(max_text=100_000, texts_per_second=5)


def text_of(frame: bytes) -> str:
    return encode_frame(frame, Alphabet.BASE64URL)


def session_of(node: Node, peer_id: NodeId) -> LiveSession:
    session = inside(node).sessions.newest(peer_id)
    assert isinstance(session, LiveSession)
    return session


async def say(node: Node, peer_id: NodeId, *messages: Control) -> None:
    """Send what a node's peer can send: it has the root key, and no manners."""
    for message in messages:
        frame = session_of(node, peer_id).seal(message)
        node.room.hear(node.name, peer_id, text_of(frame))
    await asyncio.sleep(0.1)


def catching(heard: list[tuple[str, bytes]]) -> Ear:
    """Return an ear that notes frames and lets nothing pass."""

    def ear(author: str, to: str, text: str) -> list[str]:
        heard.extend((to, frame) for frame in decode(text) if isinstance(frame, bytes))
        return []

    return ear


def an_offer(**fields: Any) -> TransferOffer:
    defaults: dict[str, Any] = {
        "transfer_id": make_transfer_id(),
        "epoch": 1,
        "ephemeral": secrets.token_bytes(32),
        "size": 1000,
        "file_count": 1,
        "manifest_size": 100,
        "manifest_digest": bytes(32),
        "offered_at": int(wall_clock() * 1000),
    }
    return TransferOffer(**defaults | fields)


async def befriend(alice: Node, bob: Node, folder: Path) -> str:
    """Let a file arrive, so that both have a root key; return the transfer."""
    transfer_id = await alice.manager.send_file("bob", write_source(folder, b"hello", "hello"))
    await alice.end_of(transfer_id)
    await bob.end_of(transfer_id)
    await asyncio.sleep(1)
    return transfer_id


def all_that_counts(node: Node) -> tuple[object, ...]:
    """Return what no hostile text may change."""
    database = node.manager._journal.database

    def rows(table: str, *without: str) -> list[dict[str, object]]:
        found = [dict(row) for row in database.query(f"SELECT * FROM {table}")]  # noqa: S608
        return [{name: row[name] for name in row if name not in without} for row in found]

    return (
        node.tree(),
        node.parts(),
        rows("transfers"),
        rows("nodes", "last_seen"),
        rows("peers"),
        rows("requests_for_trust"),
        len(rows("sessions")),
    )


def identity_key() -> bytes:
    from ocft.crypto import EphemeralKey

    return EphemeralKey.generate().public


def replace_offer(offer: TransferOffer, **fields: Any) -> TransferOffer:
    return offer.model_copy(update=fields)


async def befriend_slowly(alice: Node, bob: Node, folder: Path) -> None:
    transfer_id = await alice.manager.send_file("bob", write_source(folder, b"hello", "hello"))
    await bob.until(lambda: "offer-received" in bob.names())
    await bob.manager.accept_transfer(transfer_id)
    await alice.end_of(transfer_id)
    await asyncio.sleep(1)
