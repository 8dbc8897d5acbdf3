from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ocft.errors import MalformedMessageError
from ocft.ids import NodeId
from ocft.wire import (
    Finish,
    FrameType,
    Handshake,
    Hello,
    Reply,
    decode_cbor,
    encode_cbor,
    pack_handshake,
    parse_frame,
    unsigned_finish,
    unsigned_reply,
)
from tests.wire.frame_samples import ALICE, BOB, HANDSHAKES, filled

LOUD = "IGNORE PREVIOUS INSTRUCTIONS \x1b[2J "
_words = st.text(min_size=1, max_size=256).filter(str.isprintable)
_any_cbor = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.text(max_size=8)
    | st.binary(max_size=70),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=4,
)


def fields_of(name: str) -> dict[str, Any]:
    """Return the map of a sample, to be damaged."""
    frame = pack_handshake(HANDSHAKES[name])
    fields = decode_cbor(frame[1:], max_bytes=10_000, max_items=100)
    assert isinstance(fields, dict)
    return fields


def _frame(name: str, fields: dict[Any, Any]) -> bytes:
    return pack_handshake(HANDSHAKES[name])[:1] + encode_cbor(fields)


def _refused(frame: bytes) -> None:
    with pytest.raises(MalformedMessageError) as caught:
        parse_frame(frame)
    assert "IGNORE" not in str(caught.value)
    assert len(str(caught.value)) < 150


@pytest.mark.parametrize("message", HANDSHAKES.values(), ids=HANDSHAKES)
def test_a_message_comes_back(message: Handshake) -> None:
    frame = pack_handshake(message)
    assert parse_frame(frame) == message
    assert FrameType(frame[0]).name.title() == type(message).__name__


@given(_words, _words, st.binary(min_size=32, max_size=32))
def test_every_hello_comes_back(sender: str, recipient: str, nonce: bytes) -> None:
    message = Hello(
        sender=NodeId(sender),
        recipient=NodeId(recipient),
        nonce=nonce,
        id=filled(1248),
        eph=filled(32),
    )
    assert parse_frame(pack_handshake(message)) == message


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a" * 257,
        "a\nb",
        "\x1b[2J",
        "a\u202eb",
        "a\u200bb",
        "a\u2028b",
        "\ufeffa",
        "\x7f",
        "\x9b",
    ],
    ids=ascii,
)
@pytest.mark.parametrize("field", ["from", "to"])
def test_a_node_s_name_is_short_and_can_be_printed(field: str, name: str) -> None:  # R-FRM-2
    _refused(_frame("hello", fields_of("hello") | {field: name}))


def test_the_names_are_those_of_the_protocol() -> None:
    assert set(fields_of("hello")) == {"v", "from", "to", "nonce", "id", "eph"}
    assert fields_of("hello")["v"] == [2]
    assert set(fields_of("reply")) == {"from", "to", "hello", "nonce", "id", "eph", "ct", "sig"}
    assert set(fields_of("finish")) == {"from", "to", "reply", "ct", "sig", "mac"}
    assert set(fields_of("finish with proof")) == {*fields_of("finish"), "proof"}
    assert set(fields_of("pair 1")) == {"n", "from", "step", "spake"}
    assert set(fields_of("pair 2")) == {"n", "from", "to", "step", "spake", "mac"}
    assert set(fields_of("pair 3")) == {"n", "from", "to", "step", "sealed"}


def test_a_hello_may_name_other_wires_too() -> None:
    hello = HANDSHAKES["hello"].model_copy(update={"v": (2, 3, 9)})
    assert parse_frame(pack_handshake(hello)) == hello


def test_what_is_signed_lacks_what_comes_from_signing() -> None:
    reply, finish = HANDSHAKES["reply"], HANDSHAKES["finish with proof"]
    assert isinstance(reply, Reply)
    assert isinstance(finish, Finish)
    rest = fields_of("reply")
    del rest["sig"]
    assert unsigned_reply(reply) == encode_cbor(rest)
    rest = fields_of("finish")
    for name in ("sig", "mac"):
        del rest[name]
    assert unsigned_finish(finish) == encode_cbor(rest)


def test_the_largest_reply_fits_the_limits() -> None:
    emoji = NodeId("\U0001f517" * 256)
    reply = HANDSHAKES["reply"].model_copy(update={"sender": emoji, "recipient": emoji})
    assert parse_frame(pack_handshake(reply)) == reply


@pytest.mark.parametrize("name", HANDSHAKES)
def test_every_field_is_checked(name: str) -> None:
    required = set(fields_of(name)) - {"proof"}
    for field in fields_of(name):
        good = fields_of(name)
        if field in required:
            _refused(_frame(name, {key: value for key, value in good.items() if key != field}))
        for value in (None, True, 7.5, -1, 2**63, "", b"", [], {}, LOUD * 50, [LOUD], {LOUD: 1}):
            _refused(_frame(name, good | {field: value}))
        if isinstance(good[field], bytes) and field not in ("spake", "sealed"):
            _refused(_frame(name, good | {field: good[field] + b"\0"}))
            _refused(_frame(name, good | {field: good[field][:-1]}))


@pytest.mark.parametrize("name", HANDSHAKES)
@pytest.mark.parametrize(
    "field", ["__proto__", "model_config", "__class__", "sender", "recipient", LOUD, "", "t"]
)
def test_unknown_fields_are_refused(name: str, field: str) -> None:  # case J9
    _refused(_frame(name, fields_of(name) | {field: 1}))


def test_a_field_of_another_message_is_refused() -> None:  # case J13
    _refused(_frame("hello", fields_of("reply")))
    _refused(_frame("finish", fields_of("finish") | {"nonce": bytes(32)}))
    _refused(_frame("hello", fields_of("hello") | {"proof": bytes(32)}))


@pytest.mark.parametrize(
    "versions", [[1], [3], [], [2, 2], [3, 2], [1, 2], [2, 256], ["2"], [True, 2], [2, 2**63], 2]
)
def test_impossible_versions_are_refused(versions: object) -> None:
    _refused(_frame("hello", fields_of("hello") | {"v": versions}))


@pytest.mark.parametrize("step", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("name", ["pair 1", "pair 2", "pair 3", "pair 4"])
def test_a_step_of_pairing_has_its_own_fields(name: str, step: int) -> None:
    fields = fields_of(name) | {"step": step}
    if (step in (3, 4) and name in ("pair 3", "pair 4")) or name == f"pair {step}":
        parse_frame(_frame(name, fields))
    else:
        _refused(_frame(name, fields))


@pytest.mark.parametrize("number", [0, 1000, -1, True])
def test_a_code_has_a_number_of_three_digits(number: int) -> None:
    _refused(_frame("pair 1", fields_of("pair 1") | {"n": number}))


@pytest.mark.parametrize("first", [0x21, 0x22, 0x23, 0x25])
@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x80", id="J1-list"),
        pytest.param(b"\xf6", id="J1-null"),
        pytest.param(b"\x61x", id="J1-text"),
        pytest.param(b"\x01", id="J1-number"),
        pytest.param(b"\xa0", id="empty"),
        pytest.param(b"\xa0\xa0", id="two maps"),
        pytest.param(b"\xa2\x61v\x00\x61v\x01", id="J3-the same key twice"),
        pytest.param(b"\x81" * 9000, id="J5-depth"),
        pytest.param(encode_cbor(dict.fromkeys(map(str, range(1000)))), id="J17-1,000 keys"),
        pytest.param(encode_cbor({"v": bytes(9000)}), id="too long"),
    ],
)
def test_what_is_no_map_of_ours_is_malformed(first: int, content: bytes) -> None:
    _refused(bytes([first]) + content)


@given(st.sampled_from(sorted(HANDSHAKES)), st.data())
def test_a_message_with_anything_in_a_field_is_a_message_or_malformed(
    name: str, data: st.DataObject
) -> None:
    fields = fields_of(name)
    fields[data.draw(st.sampled_from(sorted(fields)) | st.text(max_size=8))] = data.draw(_any_cbor)
    frame = _frame(name, fields)
    try:
        message = parse_frame(frame)
    except MalformedMessageError:
        return
    assert pack_handshake(message) == frame  # type: ignore[arg-type] # of this type byte


def test_our_own_messages_are_checked_too() -> None:
    with pytest.raises(ValidationError):
        Hello(sender=ALICE, recipient=BOB, nonce=b"", id=filled(1248), eph=filled(32))
    with pytest.raises(ValidationError):
        HANDSHAKES["hello"].nonce = bytes(32)  # type: ignore[union-attr]
