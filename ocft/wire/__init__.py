"""What travels: messages, their texts, digests and peer URIs. No I/O, no clock, no keys."""

from ocft.wire.codec import MARKER, MAX_TEXT, decode, encode
from ocft.wire.digests import digest_of, digest_of_all, digests_match
from ocft.wire.messages import (
    FINAL_ACK,
    MAX_CHUNKS,
    Accept,
    Ack,
    Chunk,
    Complete,
    Error,
    Message,
    MessageType,
    Offer,
    Payload,
    Reject,
    make_message,
)
from ocft.wire.peer_uri import PeerAddress, format_peer_uri, parse_peer_uri

__all__ = [
    "FINAL_ACK",
    "MARKER",
    "MAX_CHUNKS",
    "MAX_TEXT",
    "Accept",
    "Ack",
    "Chunk",
    "Complete",
    "Error",
    "Message",
    "MessageType",
    "Offer",
    "Payload",
    "PeerAddress",
    "Reject",
    "decode",
    "digest_of",
    "digest_of_all",
    "digests_match",
    "encode",
    "format_peer_uri",
    "make_message",
    "parse_peer_uri",
]
