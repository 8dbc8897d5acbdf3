from typing import Any

import pytest
from pydantic import ValidationError

from ocft.ids import NodeId, TransferId
from ocft.wire import FINAL_ACK, MAX_CHUNKS, Ack, Chunk, Message, MessageType, Offer
from tests.wire.samples import PLAIN, envelope, fields_of

PLAIN_DIGEST = fields_of("chunk")["payload"]["hash"]
LOOK_ALIKE = "xfer_\u0430bc"  # a Cyrillic letter that looks like a Latin one


def _parse(fields: dict[str, Any]) -> Message:
    return Message.model_validate(fields, by_alias=True, by_name=False)


def _refuse(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        _parse(fields)


def test_every_type_has_one_payload_model() -> None:
    assert {payload.type for payload in PLAIN.values()} == set(MessageType)


@pytest.mark.parametrize("kind", PLAIN)
def test_a_message_is_the_same_after_json(kind: str) -> None:
    assert _parse(fields_of(kind)) == envelope(PLAIN[kind])


@pytest.mark.parametrize("kind", PLAIN)
def test_a_field_that_is_missing_is_refused_and_never_made_up(kind: str) -> None:
    optional = {"version", "secret", "secretTTL", "resumeFrom", "metadata", "error"}
    for name in fields_of(kind).keys() - optional:
        damaged = fields_of(kind)
        del damaged[name]
        _refuse(damaged)
    for name in fields_of(kind)["payload"].keys() - optional:
        damaged = fields_of(kind)
        del damaged["payload"][name]
        _refuse(damaged)


@pytest.mark.parametrize("kind", PLAIN)
@pytest.mark.parametrize(
    "wrong",
    [
        None,
        "",
        "7",
        7.5,
        7.0,
        True,
        [],
        {},
        -2,
        2**53,
        2**64,
        10**400,
        "1_000",
        " 7 ",
        [1],
        "x" * 9,
    ],
    ids=repr,
)
def test_a_value_of_the_wrong_type_or_out_of_bounds_never_fits_silently(  # case J7
    kind: str, wrong: object
) -> None:
    """What is taken is kept exactly as it was written: nothing is converted."""
    for name in fields_of(kind)["payload"]:
        damaged = fields_of(kind)
        damaged["payload"][name] = wrong
        try:
            message = _parse(damaged)
        except ValidationError:
            continue
        kept = message.payload.model_dump(mode="json", by_alias=True)[name]
        assert (kept, type(kept)) == (wrong, type(wrong))


@pytest.mark.parametrize("index", ["7", 7.0, True, -2, MAX_CHUNKS + 1], ids=repr)
def test_an_index_is_a_number_in_bounds(index: object) -> None:  # case J7
    for kind in ("chunk", "ack"):
        fields = fields_of(kind)
        fields["payload"]["index"] = index
        _refuse(fields)


def test_only_an_ack_has_the_index_of_the_final_ack() -> None:
    fields = fields_of("ack")
    fields["payload"]["index"] = FINAL_ACK
    assert _parse(fields).payload == Ack(index=-1, received=False, error="Hash mismatch")
    fields = fields_of("chunk")
    fields["payload"]["index"] = FINAL_ACK
    _refuse(fields)


@pytest.mark.parametrize("value", [0, 1, "true", "yes", None])
def test_a_claim_is_true_or_false_and_nothing_else(value: object) -> None:
    for kind, name in (("accept", "ready"), ("ack", "received"), ("error", "recoverable")):
        fields = fields_of(kind)
        fields["payload"][name] = value
        _refuse(fields)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("size", -1, id="negative size"),
        pytest.param("size", 2**63, id="O3"),
        pytest.param("totalChunks", 2**31, id="O7"),
        pytest.param("chunkSize", 0, id="chunk of nothing"),
        pytest.param("chunkSize", -1024, id="negative chunk"),
        pytest.param("resumeFrom", -1, id="O15"),
        pytest.param("filename", "", id="no name"),
        pytest.param("filename", "x" * 4097, id="name too long"),
        pytest.param("mimeType", "x" * 256, id="type too long"),
        pytest.param("secret", "x" * 1025, id="O11"),
        pytest.param("metadata", [], id="metadata is a list"),
    ],
)
def test_an_offer_out_of_bounds_is_refused(name: str, value: object) -> None:
    fields = fields_of("offer")
    fields["payload"][name] = value
    _refuse(fields)


@pytest.mark.parametrize(
    "digest",
    ["", "md5", "A" * 64, "0" * 63, "0" * 65, "0" * 64 + "\n", " " + "0" * 63, "g" * 64],
)
@pytest.mark.parametrize("kind", ["offer", "chunk", "complete"])
def test_a_digest_is_sha_256_in_lower_case_hex(kind: str, digest: str) -> None:  # cases C4, O9
    fields = fields_of(kind)
    fields["payload"]["hash"] = digest
    _refuse(fields)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param("QR==", id="F11-spare bits of one byte"),
        pytest.param("QUJ=", id="F11-spare bits of two bytes"),
        pytest.param("QU!!JD\n RA==", id="junk"),
        pytest.param("QQ==QkI=", id="padding in the middle"),
        pytest.param("QUI", id="no padding"),
        pytest.param("QUI==", id="too much padding"),
        pytest.param("=", id="only padding"),
        pytest.param("-_-_", id="URL-safe"),
        pytest.param("\u0661AAA", id="a digit of another script"),
        pytest.param(b"QUI=", id="bytes are data already"),
    ],
)
def test_data_has_one_spelling_only(data: str | bytes) -> None:
    fields = fields_of("chunk")
    fields["payload"]["data"] = data
    if isinstance(data, bytes):  # only Python code can say this, JSON cannot
        assert _parse(fields).payload == Chunk(index=0, data=data, hash=PLAIN_DIGEST)
    else:
        _refuse(fields)


def test_data_of_any_length_comes_back() -> None:
    for length in range(10):
        fields = fields_of("chunk")
        chunk = Chunk(index=0, data=bytes(range(250, 250 + min(length, 6))), hash=PLAIN_DIGEST)
        fields["payload"] = chunk.model_dump(mode="json", by_alias=True)
        assert _parse(fields).payload == chunk


@pytest.mark.parametrize(
    "transfer_id",
    [
        pytest.param("", id="J15-empty"),
        pytest.param("x" * 65, id="J15-long"),
        pytest.param("x" * 2**20, id="J15-1 MB"),
        pytest.param("../x", id="J15-path"),
        pytest.param("xfer_\0", id="J15-NUL"),
        pytest.param("xfer_1\n", id="J15-line end"),
        pytest.param(LOOK_ALIKE, id="J15-look-alike"),
        pytest.param("\u0661", id="J15-digit of another script"),
        pytest.param(7, id="number"),
    ],
)
def test_a_transfer_id_is_short_and_plain(transfer_id: object) -> None:
    _refuse(fields_of("accept") | {"transferId": transfer_id})


@pytest.mark.parametrize("name", ["from", "to"])
@pytest.mark.parametrize("node_id", ["", "x" * 257, 7, None, "\ud800"], ids=ascii)
def test_a_node_id_is_a_text_of_some_length(name: str, node_id: object) -> None:
    _refuse(fields_of("accept") | {name: node_id})


@pytest.mark.parametrize("version", ["1.1", "2", "1.0\n", "1.0.0", 1.0, 1, None, ""])
def test_another_version_is_refused(version: object) -> None:
    _refuse(fields_of("accept") | {"version": version})


@pytest.mark.parametrize("timestamp", [-1, 2**53, 1.5, "1795227088548", None, True])
def test_a_timestamp_is_whole_milliseconds(timestamp: object) -> None:
    _refuse(fields_of("accept") | {"timestamp": timestamp})


@pytest.mark.parametrize(
    "kind", ["Offer", "OFFER", "nak", "", None, 1, [], {}, ["offer"]], ids=repr
)
def test_an_unknown_type_is_refused(kind: object) -> None:  # case J11
    _refuse(fields_of("offer") | {"type": kind})


@pytest.mark.parametrize("kind", PLAIN)
def test_a_payload_of_another_type_is_refused(kind: str) -> None:  # case J13
    for other in PLAIN.keys() - {kind}:
        if (kind, other) != ("offer", "complete"):  # all fields of a complete are in an offer
            _refuse(fields_of(kind) | {"type": other})
    with pytest.raises(ValidationError):
        Message(
            version="1.0",
            type=next(t for t in MessageType if t.value != kind),
            transfer_id=TransferId("xfer_1"),
            sender=NodeId("alice"),
            recipient=NodeId("bob"),
            timestamp=0,
            payload=PLAIN[kind],
        )


def test_unknown_fields_are_ignored_wherever_they_are() -> None:  # case J9
    names = ["__proto__", "model_config", "__class__", "payloads", "\ud800"]
    for kind in PLAIN:
        fields = fields_of(kind) | {name: {"a": 1} for name in names}
        fields["payload"] |= dict.fromkeys(names, "b")
        message = _parse(fields)
        assert message == envelope(PLAIN[kind])
        assert not hasattr(message, "payloads")


def test_the_python_names_of_fields_mean_nothing_on_the_wire() -> None:
    """Otherwise a text could say two things: one to us, another to a 1.x node."""
    fields = fields_of("offer") | {"sender": "mallory", "recipient": "eve", "transfer_id": "x"}
    fields["payload"] |= {"chunk_size": 1, "total_chunks": 9}
    assert _parse(fields) == envelope(PLAIN["offer"])
    del fields["from"]
    _refuse(fields)
    fields = fields_of("offer")
    fields["payload"]["chunk_size"] = fields["payload"].pop("chunkSize")
    _refuse(fields)


def test_secrets_and_data_are_not_shown() -> None:  # case K13
    for kind, shown in (("offer", "s3cret"), ("chunk", "hello")):
        assert shown not in repr(envelope(PLAIN[kind]))


def test_messages_cannot_be_changed() -> None:
    message = envelope(PLAIN["offer"])
    with pytest.raises(ValidationError):
        message.sender = NodeId("mallory")
    assert isinstance(message.payload, Offer)
    with pytest.raises(ValidationError):
        message.payload.size = 6
