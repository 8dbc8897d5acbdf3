import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocft.crypto import (
    FrameCipher,
    RecordCipher,
    ReplayFilter,
    direct_key,
    open_at_rest,
    open_message,
    open_once,
    seal_at_rest,
    seal_message,
    seal_once,
    session_keys,
)
from ocft.errors import UnsealError
from tests.crypto.make_vectors import recorded

VECTORS = recorded()
KEY, OTHER_KEY = b"k" * 32, b"l" * 32
ONCE = b"k" * 32 + b"n" * 12
numbers = st.integers(0, 2**63 - 1)


def flip(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def test_a_control_message_is_the_recorded_one() -> None:
    vector = VECTORS["message"]
    sealed, plaintext = vector["sealed"], vector["plaintext"]
    arguments = (vector["key"], vector["header"], vector["salt"])
    assert seal_message(*arguments, plaintext) == sealed
    assert open_message(*arguments, sealed) == plaintext


def test_a_frame_is_the_recorded_one() -> None:
    vector = VECTORS["frame"]
    number, header = int.from_bytes(vector["number"], "big"), vector["header"]
    cipher = FrameCipher(vector["key"])
    assert cipher.seal(number, header, vector["plaintext"]) == vector["sealed"]
    assert cipher.open(number, header, vector["sealed"]) == vector["plaintext"]


@given(numbers, st.binary(max_size=40), st.binary(max_size=200))
def test_a_frame_comes_back(number: int, header: bytes, plaintext: bytes) -> None:
    sealed = FrameCipher(KEY).seal(number, header, plaintext)
    assert len(sealed) == len(plaintext) + 16
    assert FrameCipher(KEY).open(number, header, sealed) == plaintext


@given(st.data())
def test_any_changed_bit_of_a_frame_is_noticed(data: st.DataObject) -> None:
    number = data.draw(numbers)
    header = data.draw(st.binary(min_size=1, max_size=40))
    sealed = FrameCipher(KEY).seal(number, header, data.draw(st.binary(max_size=60)))
    cipher = FrameCipher(KEY)
    with pytest.raises(UnsealError):
        cipher.open(number ^ 1 << data.draw(st.integers(0, 63)), header, sealed)
    with pytest.raises(UnsealError):
        cipher.open(number, flip(header, data.draw(st.integers(0, len(header) * 8 - 1))), sealed)
    with pytest.raises(UnsealError):
        cipher.open(number, header, flip(sealed, data.draw(st.integers(0, len(sealed) * 8 - 1))))


@given(st.data())
def test_any_changed_bit_of_a_control_message_is_noticed(data: st.DataObject) -> None:
    salt = data.draw(st.binary(min_size=16, max_size=16))
    header = data.draw(st.binary(max_size=9)) + salt
    plaintext = data.draw(st.binary(max_size=60))
    sealed = seal_message(KEY, header, salt, plaintext)
    assert open_message(KEY, header, salt, sealed) == plaintext
    bit = data.draw(st.integers(0, 127))
    with pytest.raises(UnsealError):
        open_message(KEY, header, flip(salt, bit), sealed)
    with pytest.raises(UnsealError):
        open_message(KEY, flip(header, bit), salt, sealed)
    with pytest.raises(UnsealError):
        open_message(KEY, header, salt, flip(sealed, bit))


def _frame(key: bytes, sealed: bytes) -> bytes:
    return FrameCipher(key).open(7, b"header", sealed)


OPENERS: dict[str, tuple[bytes, Callable[[bytes, bytes], bytes]]] = {
    "frame": (FrameCipher(KEY).seal(7, b"header", b"plaintext"), _frame),
    "message": (
        seal_message(KEY, b"header", b"s" * 16, b"plaintext"),
        lambda key, sealed: open_message(key, b"header", b"s" * 16, sealed),
    ),
    "once": (
        seal_once(ONCE, b"plaintext"),
        lambda key, sealed: open_once(key + ONCE[32:], sealed),
    ),
    "at rest": (
        seal_at_rest(KEY, b"plaintext", b"context"),
        lambda key, sealed: open_at_rest(key, sealed, b"context"),
    ),
}
openers = pytest.mark.parametrize(("sealed", "opened"), OPENERS.values(), ids=OPENERS)


@openers
def test_the_right_key_opens(sealed: bytes, opened: Callable[[bytes, bytes], bytes]) -> None:
    assert opened(KEY, sealed) == b"plaintext"


@openers
def test_a_wrong_key_opens_nothing(  # case K1
    sealed: bytes, opened: Callable[[bytes, bytes], bytes]
) -> None:
    with pytest.raises(UnsealError):
        opened(OTHER_KEY, sealed)


@openers
def test_what_is_cut_off_or_longer_opens_nothing(  # case K3
    sealed: bytes, opened: Callable[[bytes, bytes], bytes]
) -> None:
    for length in range(len(sealed)):
        with pytest.raises(UnsealError):
            opened(KEY, sealed[:length])
        with pytest.raises(UnsealError):
            opened(KEY, sealed[length + 1 :])
    with pytest.raises(UnsealError):
        opened(KEY, sealed + b"\0")


@openers
def test_an_error_shows_no_secret(  # case K13
    sealed: bytes, opened: Callable[[bytes, bytes], bytes]
) -> None:
    with pytest.raises(UnsealError) as caught:
        opened(OTHER_KEY, sealed)
    error: BaseException | None = caught.value
    while error:
        assert "plaintext" not in repr(error)
        assert "llll" not in repr(error)
        assert OTHER_KEY.hex() not in repr(error)
        error = error.__cause__


@given(numbers, numbers)
def test_a_frame_opens_under_its_own_number_only(number: int, other: int) -> None:  # case K5
    sealed = FrameCipher(KEY).seal(number, b"header", b"plaintext")
    if other != number:
        with pytest.raises(UnsealError):
            FrameCipher(KEY).open(other, b"header", sealed)


@pytest.mark.parametrize("number", [-1, 2**63, 2**64, 2**200])
def test_a_number_out_of_bounds_opens_and_seals_nothing(number: int) -> None:
    with pytest.raises(UnsealError):
        FrameCipher(KEY).open(number, b"", bytes(16))
    with pytest.raises(ValueError, match="frame number"):
        FrameCipher(KEY).seal(number, b"", b"")


def test_no_two_frames_are_sealed_under_one_number() -> None:  # R-SEA-1
    cipher = FrameCipher(KEY)
    cipher.seal(0, b"", b"one")
    cipher.seal(5, b"", b"two")
    for number in (5, 4, 0):
        with pytest.raises(ValueError, match="frame number"):
            cipher.seal(number, b"", b"another")
    cipher.seal(6, b"", b"three")


def test_a_message_sent_back_does_not_open() -> None:  # case K7
    a = session_keys(KEY, is_initiator=True)
    sealed = seal_message(a.seal_key, b"header", b"s" * 16, b"plaintext")
    with pytest.raises(UnsealError):
        open_message(a.open_key, b"header", b"s" * 16, sealed)


def test_the_salt_makes_the_key_of_a_message() -> None:
    one, other = (seal_message(KEY, b"", salt, bytes(32)) for salt in (b"1" * 16, b"2" * 16))
    assert one[:32] != other[:32]


def test_what_is_kept_opens_in_its_own_context_only() -> None:
    sealed = seal_at_rest(KEY, b"plaintext", b"root key of alice")
    with pytest.raises(UnsealError):
        open_at_rest(KEY, sealed, b"root key of mallory")


def test_nonces_do_not_come_from_seeded_randomness() -> None:  # case K15
    random.seed(1)
    first = seal_at_rest(KEY, b"", b"")
    random.seed(1)
    assert seal_at_rest(KEY, b"", b"")[:12] != first[:12]


def test_a_cipher_does_not_show_its_key() -> None:  # case K13
    for text in (repr(FrameCipher(KEY)), str(FrameCipher(KEY))):
        assert "kkk" not in text
        assert KEY.hex() not in text


nearby = st.integers(0, 12_000)


@given(st.lists(nearby | numbers, max_size=60), st.lists(nearby | numbers, max_size=20))
def test_the_filter_is_a_set_within_its_window(recorded: list[int], asked: list[int]) -> None:
    replays, seen = ReplayFilter(), set[int]()
    for number in recorded:
        replays.record(number)
        seen.add(number)
        highest = max(seen)
        for one in {*asked, *seen, number + 1, highest - 4095, highest - 4096} - {-1}:
            if one >= 0:
                assert replays.is_new(one) == (one not in seen and one > highest - 4096)


def test_asking_the_filter_records_nothing() -> None:
    replays = ReplayFilter()
    assert replays.is_new(3)
    assert replays.is_new(3)
    replays.record(3)
    assert not replays.is_new(3)
    assert replays.is_new(0)


def test_the_filter_stays_small_over_any_jump() -> None:
    replays = ReplayFilter()
    for number in (0, 2**62, 2**63 - 1):
        replays.record(number)
        assert replays._seen.bit_length() <= 4096


def sealed_records(count: int, key: bytes = KEY) -> list[bytes]:
    cipher = RecordCipher(key)
    records = []
    for number in range(count):
        out = bytearray(4 + 16)
        cipher.seal_into(b"h", b"%4d" % number, out)
        records.append(bytes(out))
    return records


def test_records_open_in_their_order() -> None:  # R-DIR-3
    cipher, out = RecordCipher(KEY), bytearray(4)
    for number, record in enumerate(sealed_records(3)):
        cipher.open_into(b"h", record, out)
        assert out == b"%4d" % number


@pytest.mark.parametrize("order", [(1, 0), (0, 0), (0, 2)])
def test_records_in_another_order_do_not_open(order: tuple[int, int]) -> None:  # R-DIR-3
    records, cipher = sealed_records(3), RecordCipher(KEY)
    first, second = order
    if first == 0:
        cipher.open_into(b"h", records[0], bytearray(4))
        first = second
    with pytest.raises(UnsealError):
        cipher.open_into(b"h", records[first], bytearray(4))


def test_a_changed_record_does_not_open() -> None:
    (record,) = sealed_records(1)
    for bit in range(8 * len(record)):
        with pytest.raises(UnsealError):
            RecordCipher(KEY).open_into(b"h", flip(record, bit), bytearray(4))
    with pytest.raises(UnsealError):
        RecordCipher(KEY).open_into(b"i", record, bytearray(4))
    with pytest.raises(UnsealError):
        RecordCipher(KEY).open_into(b"h", record[:15], bytearray(0))


def test_each_answer_has_a_key_of_its_own() -> None:  # R-DIR-3
    assert len({direct_key(key, salt) for key in (KEY, OTHER_KEY) for salt in (b"a", b"b")}) == 4
