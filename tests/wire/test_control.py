from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ocft.errors import MalformedMessageError
from ocft.ids import TransferId
from ocft.ranges import Range
from ocft.wire import (
    MAX_ACCEPT_RANGES,
    MAX_NUMBER,
    Control,
    DirectTicket,
    OfferAgain,
    Signal,
    TransferAccept,
    TransferDone,
    TransferOffer,
    TransferReject,
    decode_cbor,
    encode_cbor,
    pack_control,
    unpack_control,
)
from tests.wire.frame_samples import CONTROLS, TRANSFER, filled, numbers, sorted_ranges
from tests.wire.test_handshake import LOUD, _any_cbor

NAMES = {
    "welcome": {"t", "status", "proof"},
    "welcome, pending": {"t", "status"},
    "offer": {"t", "transfer", "epoch", "eph", "size", "files", "manifest", "digest", "at"},
    "accept": {"t", "transfer", "epoch", "eph", "decided", "limit", "ranges"},
    "signal": {"t", "transfer", "epoch", "call", "user", "pass", "print", "places"},
    "reject": {"t", "transfer", "epoch", "code"},
    "bring": {"t", "transfer", "epoch", "direct"},
    "again": {"t", "transfer", "epoch"},
    "done": {"t", "transfer", "epoch", "digest"},
    "stop": {"t", "transfer", "epoch", "code", "recoverable"},
}


def fields_of(name: str) -> dict[str, Any]:
    """Return the map of a sample, to be damaged."""
    fields = decode_cbor(pack_control(CONTROLS[name]), max_bytes=10_000, max_items=100)
    assert isinstance(fields, dict)
    return fields


def _refused(fields: object) -> None:
    data = fields if isinstance(fields, bytes) else encode_cbor(fields)
    with pytest.raises(MalformedMessageError) as caught:
        unpack_control(data)
    assert "IGNORE" not in str(caught.value)
    assert len(str(caught.value)) < 150


@pytest.mark.parametrize("name", CONTROLS)
def test_a_message_comes_back_under_the_protocols_names(name: str) -> None:
    assert unpack_control(pack_control(CONTROLS[name])) == CONTROLS[name]
    assert set(fields_of(name)) == NAMES[name]
    assert fields_of(name)["t"] == name.partition(",")[0]


@given(
    limit=numbers,
    ranges=sorted_ranges(most=20),
    decided=st.booleans(),
    epoch=st.integers(1, MAX_NUMBER),
    transfer=st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True),
)
def test_every_accept_comes_back(
    *, limit: int, ranges: list[Range], decided: bool, epoch: int, transfer: str
) -> None:
    message = TransferAccept(
        transfer_id=TransferId(transfer),
        epoch=epoch,
        ephemeral=filled(32),
        is_decided=decided,
        limit=limit,
        ranges=tuple(ranges),
    )
    assert unpack_control(pack_control(message)) == message


def test_the_longest_accept_fits_the_limits() -> None:
    places = range(MAX_NUMBER - 1000, MAX_NUMBER, 3)[:MAX_ACCEPT_RANGES]
    ranges = [[first, first + 2] for first in places]
    fields = fields_of("accept") | {"ranges": ranges, "limit": MAX_NUMBER}
    message = unpack_control(encode_cbor(fields))
    assert isinstance(message, TransferAccept)
    assert len(message.ranges) == MAX_ACCEPT_RANGES
    _refused(fields | {"ranges": [*ranges, [MAX_NUMBER - 1, MAX_NUMBER]]})


@pytest.mark.parametrize("name", CONTROLS)
def test_every_field_is_checked(name: str) -> None:
    for field in fields_of(name):
        good = fields_of(name)
        if field != "proof":
            _refused({key: value for key, value in good.items() if key != field})
        for value in (None, 7.5, -1, 2**63, "", b"", {}, LOUD * 50, [LOUD], {LOUD: 1}):
            _refused(good | {field: value})
        for value in (True, 1, "7"):  # case J7
            if type(value) is not type(good[field]) and (field, value) != ("transfer", "7"):
                _refused(good | {field: value})


@pytest.mark.parametrize("name", CONTROLS)
@pytest.mark.parametrize("field", ["__proto__", "model_config", "kind", "transfer_id", LOUD, ""])
def test_unknown_fields_are_refused(name: str, field: str) -> None:  # case J9
    _refused(fields_of(name) | {field: 1})


@pytest.mark.parametrize("kind", ["OFFER", "Offer", "chunk", "", LOUD, None, 1, b"offer", []])
def test_an_unknown_kind_is_refused(kind: object) -> None:  # case J11
    _refused(fields_of("offer") | {"t": kind})


def test_the_fields_of_another_kind_are_refused() -> None:  # case J13
    for name in NAMES:
        for other in NAMES:
            if name.partition(",")[0] != other.partition(",")[0]:
                _refused(fields_of(name) | {"t": other.partition(",")[0]})


@pytest.mark.parametrize(
    "transfer", ["", "../x", "a\0", "x" * 65, "x" * 10_000, "\u0430bc", "abc\n", "a b"]
)
def test_a_transfer_id_is_of_its_letters(transfer: str) -> None:  # case J15
    _refused(fields_of("again") | {"transfer": transfer})


def test_an_owners_words_go_with_a_refusal() -> None:  # R-CTL-1
    plain = fields_of("reject")
    for words in ("x", "no, thank you \N{SNOWMAN}", "w" * 300):
        message = unpack_control(encode_cbor(plain | {"words": words}))
        assert isinstance(message, TransferReject)
        assert message.words == words
        assert unpack_control(pack_control(message)) == message
    for wrong in ("", "w" * 301, b"no", 1, None, ["no"]):
        _refused(plain | {"words": wrong})
    _refused(fields_of("stop") | {"words": "no"})


@pytest.mark.parametrize("code", ["", "no thanks", "no", "X" * 65, "A\n", "1A", "Ä"])
def test_a_code_is_no_words(code: str) -> None:  # R-CTL-1
    _refused(fields_of("reject") | {"code": code})
    _refused(fields_of("stop") | {"code": code})


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"size": 0}, id="O1-no byte"),
        pytest.param({"size": 119}, id="smaller than the manifest"),
        pytest.param({"size": 2**63}, id="O3-2^63"),
        pytest.param({"files": 0}, id="no file"),
        pytest.param({"files": 100_001}, id="too many files"),
        pytest.param({"manifest": 0}, id="no manifest"),
        pytest.param({"manifest": (16 << 20) + 1, "size": 2**40}, id="manifest too large"),
        pytest.param({"digest": bytes(16)}, id="O9-a shorter digest"),
        pytest.param({"epoch": 0}, id="epoch 0"),
        pytest.param({"at": 2**53}, id="time"),
    ],
)
def test_an_impossible_offer_is_refused(changes: dict[str, object]) -> None:
    _refused(fields_of("offer") | changes)


@pytest.mark.parametrize(
    "ranges",
    [
        [[0, 0]],
        [[5, 4]],
        [[0, 5], [5, 6]],
        [[0, 5], [4, 6]],
        [[8, 9], [0, 5]],
        [[0, 5, 6]],
        [[0]],
        [[]],
        [0, 5],
        [[-1, 5]],
        [[0, 2**63]],
        [[0, True]],
        [["0", 5]],
        [[[0], 5]],
        [{"0": 5}],
    ],
)
def test_impossible_ranges_are_refused(ranges: object) -> None:
    _refused(fields_of("accept") | {"ranges": ranges})


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x80", id="J1-list"),
        pytest.param(b"\xf6", id="J1-null"),
        pytest.param(b"\xa0", id="empty"),
        pytest.param(b"\xa2\x61t\x01\x61t\x01", id="J3-the same key twice"),
        pytest.param(b"\x81" * 9000, id="J5-depth"),
        pytest.param(encode_cbor(dict.fromkeys(map(str, range(1000)))), id="J17-1,000 keys"),
        pytest.param(encode_cbor({"t": "x" * 20_000}), id="too long"),
    ],
)
def test_what_is_no_map_of_ours_is_malformed(data: bytes) -> None:
    _refused(data)


@given(st.sampled_from(sorted(CONTROLS)), st.data())
def test_a_message_with_anything_in_a_field_is_a_message_or_malformed(
    name: str, data: st.DataObject
) -> None:
    fields = fields_of(name)
    fields[data.draw(st.sampled_from(sorted(fields)) | st.text(max_size=8))] = data.draw(_any_cbor)
    packed = encode_cbor(fields)
    try:
        message = unpack_control(packed)
    except MalformedMessageError:
        return
    assert pack_control(message) == packed


@given(st.binary(max_size=100))
def test_any_bytes_are_a_message_or_malformed(data: bytes) -> None:
    try:
        message: Control = unpack_control(data)
    except MalformedMessageError:
        return
    assert pack_control(message) == data


def test_our_own_messages_are_checked_too() -> None:
    with pytest.raises(ValidationError):
        OfferAgain(transfer_id=TRANSFER, epoch=0)
    offer = CONTROLS["offer"]
    assert isinstance(offer, TransferOffer)
    assert offer.file_count == 2
    assert offer.offered_at == 1_795_227_088_548


def test_done_says_how_much_was_taken_if_it_was_not_all() -> None:  # R-MAN-3
    for taken in (None, (0, 0), (2, 2**62)):
        done = TransferDone(
            transfer_id=TransferId("x"), epoch=1, manifest_digest=bytes(32), taken=taken
        )
        assert unpack_control(pack_control(done)) == done
    plain = {"t": "done", "transfer": "x", "epoch": 1, "digest": bytes(32)}
    for wrong in ([1], [1, 2, 3], [-1, 2], [1, True], "12", [1, None], 7):
        with pytest.raises(MalformedMessageError):
            unpack_control(encode_cbor({**plain, "taken": wrong}))


def _offer_with(**ticket: Any) -> TransferOffer:
    fields: dict[str, Any] = {"id": bytes(8), "token": bytes(32), "places": ((bytes(4), 4000),)}
    return TransferOffer(
        transfer_id=TRANSFER,
        epoch=1,
        ephemeral=bytes(32),
        size=2,
        file_count=1,
        manifest_size=1,
        manifest_digest=bytes(32),
        offered_at=0,
        direct=DirectTicket(**fields | ticket),
    )


def test_a_ticket_is_what_it_was() -> None:  # 2.10
    offer = _offer_with(places=((bytes(4), 1024), (bytes(16), 65535)))
    assert unpack_control(pack_control(offer)) == offer
    assert "token" not in repr(offer.direct)


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": bytes(7)},
        {"token": bytes(31)},
        {"places": ()},
        {"places": ((bytes(4), 80),)},
        {"places": ((bytes(4), 65536),)},
        {"places": ((bytes(5), 4000),)},
        {"places": ((bytes(4), 4000),) * 9},
        {"more": 1},
    ],
)
def test_a_ticket_that_is_none_is_refused(wrong: dict[str, Any]) -> None:  # 2.10
    with pytest.raises(ValidationError):
        _offer_with(**wrong)


@pytest.mark.parametrize(
    "places",
    [
        [],
        [[bytes(4), 50_000, 0]] * 9,
        [[bytes(5), 50_000, 0]],
        [[bytes(17), 50_000, 0]],
        [["10.0.0.7", 50_000, 0]],
        [["printer.local", 50_000, 0]],  # nothing is looked up
        [[bytes(4), 1023, 0]],
        [[bytes(4), 65_536, 0]],
        [[bytes(4), 50_000, 3]],
        [[bytes(4), 50_000, -1]],
        [[bytes(4), 50_000, "host"]],
        [[bytes(4), 50_000]],
        [[bytes(4), 50_000, 0, 0]],
    ],
)
def test_a_signal_names_a_few_addresses_and_nothing_else(places: object) -> None:  # R-RTC-2
    _refused(fields_of("signal") | {"places": places})


@pytest.mark.parametrize(
    "changes",
    [
        {"call": 0},
        {"call": 33},
        {"user": "abc"},
        {"user": "a" * 33},
        {"user": "ab c"},
        {"user": "abcd\r\na=candidate:1"},
        {"pass": "a" * 21},
        {"pass": "a" * 65},
        {"pass": "a" * 21 + "\n"},
        {"print": bytes(31)},
        {"print": "AB:CD"},
        {"sdp": "v=0"},
    ],
)
def test_an_impossible_signal_is_refused(changes: dict[str, object]) -> None:  # R-RTC-2
    _refused(fields_of("signal") | changes)


def test_the_longest_signal_is_short() -> None:
    """It fits a text of every channel, in base64url."""
    signal = Signal(
        transfer_id=TransferId("x" * 64),
        epoch=MAX_NUMBER,
        call=32,
        user="a" * 32,
        password="a" * 64,
        fingerprint=filled(32),
        places=((filled(16), 65_535, 2),) * 8,
    )
    assert len(pack_control(signal)) < 600
    assert signal.password not in repr(signal)


def test_an_offer_and_an_accept_may_say_that_lines_are_welcome() -> None:  # R-RTC-1
    for name in ("offer", "accept"):
        right = encode_cbor(fields_of(name) | {"webrtc": True})
        assert pack_control(unpack_control(right)) == right
        for wrong in (False, None, 1, "yes", b"", bytes(1)):
            _refused(fields_of(name) | {"webrtc": wrong})
    for wrong in (False, 1):
        _refused(fields_of("accept") | {"direct": wrong})
