"""Messages to test with: a plain one of each type, and strategies for all there can be."""

import base64
import json
from typing import Any

from hypothesis import strategies as st

from ocft.ids import NodeId, TransferId
from ocft.wire import (
    FINAL_ACK,
    MARKER,
    MAX_CHUNKS,
    Accept,
    Ack,
    Chunk,
    Complete,
    Error,
    Message,
    Offer,
    Payload,
    Reject,
    digest_of,
    make_message,
)

MAX_SAFE_INTEGER = 2**53 - 1
PLAIN: dict[str, Payload] = {
    "offer": Offer(
        filename="report.pdf",
        size=5,
        mime_type="application/pdf",
        hash=digest_of(b"hello"),
        chunk_size=1024,
        total_chunks=1,
        secret="s3cret",
        secret_ttl=1_795_230_688_577,
        metadata={"ocft": {"repeats": True}},
    ),
    "accept": Accept(ready=True, resume_from=3),
    "reject": Reject(reason="not now"),
    "chunk": Chunk(index=0, data=b"hello", hash=digest_of(b"hello")),
    "ack": Ack(index=3, received=False, error="Hash mismatch"),
    "complete": Complete(total_chunks=1, hash=digest_of(b"hello")),
    "error": Error(code="CANCELLED", message="stopped by user", recoverable=False),
}


def envelope(payload: Payload) -> Message:
    """Put a payload into an envelope."""
    return make_message(
        payload,
        transfer_id=TransferId("xfer_co5neLB4UF0B"),
        sender=NodeId("alice"),
        recipient=NodeId("bob"),
        timestamp=1_795_227_088_548,
    )


def fields_of(kind: str) -> dict[str, Any]:
    """Return the JSON object of the plain message of a type, to be damaged."""
    fields: dict[str, Any] = json.loads(envelope(PLAIN[kind]).model_dump_json(exclude_none=True))
    return fields


def text_of(content: object) -> str:
    """Return a text that carries this: bytes as they are, anything else as JSON."""
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return MARKER + base64.b64encode(data).decode()


_counts = st.integers(0, MAX_CHUNKS)
_words = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
_ids = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40).map(NodeId)
_digests = st.text("0123456789abcdef", min_size=64, max_size=64)
_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-MAX_SAFE_INTEGER, MAX_SAFE_INTEGER)
    | st.floats(allow_nan=False, allow_infinity=False)
    | _words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_words, inner, max_size=3),
    max_leaves=6,
)
PAYLOADS: st.SearchStrategy[Payload] = st.one_of(
    st.builds(
        Offer,
        filename=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40),
        size=st.integers(0, MAX_SAFE_INTEGER),
        mime_type=_words,
        hash=_digests,
        chunk_size=st.integers(1, MAX_SAFE_INTEGER),
        total_chunks=_counts,
        secret=st.none() | _words,
        secret_ttl=st.none() | st.integers(-(10**18), 10**18),
        resume_from=st.none() | _counts,
        # A key whose value is null is left out, by 1.x too: what is undefined there has no key.
        metadata=st.none()
        | st.dictionaries(_words, _json.filter(lambda value: value is not None), max_size=3),
    ),
    st.builds(Accept, ready=st.booleans(), resume_from=st.none() | _counts),
    st.builds(Reject, reason=_words),
    st.builds(Chunk, index=_counts, data=st.binary(max_size=100), hash=_digests),
    st.builds(
        Ack,
        index=st.integers(FINAL_ACK, MAX_CHUNKS),
        received=st.booleans(),
        error=st.none() | _words,
    ),
    st.builds(Complete, total_chunks=_counts, hash=_digests),
    st.builds(Error, code=_words, message=_words, recoverable=st.booleans()),
)
MESSAGES: st.SearchStrategy[Message] = st.builds(
    make_message,
    PAYLOADS,
    transfer_id=st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True).map(TransferId),
    sender=_ids,
    recipient=_ids,
    timestamp=st.integers(0, MAX_SAFE_INTEGER),
)
