import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocft.crypto import (
    RECORD,
    SEALED_RECORD,
    PasswordProof,
    PasswordRun,
    RecordOpener,
    RecordSealer,
    ShareKeys,
    format_octets,
    is_share_id,
    is_token,
    make_p,
    make_salt,
    make_share_code,
    make_token,
    open_manifest,
    parse_octets,
    parse_share_code,
    password_verifier,
    record_count,
    seal_manifest,
    sealed_size,
    share_keys,
    token_digest,
)
from ocft.errors import ConfigError, UnsealError
from tests.crypto.make_share_vectors import CODE, PASSWORD, recorded

VECTOR = recorded()
ID: str = VECTOR["id"]
KEY = bytes.fromhex(VECTOR["key"])
SALT = bytes.fromhex(VECTOR["salt"])
RECORDS = [bytes.fromhex(one) for one in VECTOR["records of 'one', 'two'"]]


def test_a_code_makes_the_recorded_keys() -> None:
    keys = share_keys(CODE)
    assert keys.master.hex() == VECTOR["master"]
    assert keys.id == ID
    assert keys.key() == KEY
    assert keys.key(bytes.fromhex(VECTOR["p"])).hex() == VECTOR["key with p"]


def test_keys_do_not_show() -> None:  # case K13
    assert "master" not in repr(ShareKeys(ID, KEY))


def test_a_code_has_60_random_bits() -> None:
    codes = {make_share_code() for _ in range(500)}
    assert len(codes) == 500
    assert all(parse_share_code(code) == code for code in codes)
    assert len({letter for code in codes for letter in code}) == 32


def test_codes_do_not_come_from_seeded_randomness() -> None:  # case K15
    random.seed(1)
    first = make_share_code()
    random.seed(1)
    assert make_share_code() != first


@pytest.mark.parametrize(
    "typed",
    [
        "7KQ2M9XWTB4E",
        "7kq2m9xwtb4e",
        " 7KQ2-M9XW-TB4E\n",
        "7kq2 m9xw tb4e",
        "7KQ2\u2013M9XW\u2212TB4E",  # a dash, the minus
        "\uff17KQ2M9XWTB4E",  # full width
    ],
)
def test_a_code_is_read_as_people_type_it(typed: str) -> None:  # R-SHR-1
    assert parse_share_code(typed) == CODE


def test_letters_that_look_like_digits_are_read_as_those() -> None:  # R-SHR-1
    assert parse_share_code("oOiIlL000111") == "001111000111"


@pytest.mark.parametrize(
    "typed",
    ["", "7", "8KQ2M9XWTB4", "8KQ2M9XWTB4EE", "8KQ2M9XWTB4U", "8KQ2M9XWTB4\u0660", "x" * 10**6],
)
def test_what_is_no_code_is_refused_without_repeating_it(typed: str) -> None:  # R-SHR-1, case K11
    with pytest.raises(ConfigError) as caught:
        parse_share_code(typed)
    assert len(typed) < 2 or typed not in str(caught.value)


@given(st.text(max_size=70))
def test_any_text_is_a_code_or_a_stated_error(typed: str) -> None:
    try:
        code = parse_share_code(typed)
    except ConfigError:
        return
    assert parse_share_code(code) == code


@pytest.mark.parametrize("text", ["", ID[:-1], ID + "a", ID.upper(), ID[:-1] + "b", "../" + ID[3:]])
def test_an_id_has_one_form(text: str) -> None:
    assert is_share_id(ID)
    assert not is_share_id(text)


def test_records_are_sealed_as_recorded() -> None:
    sealer = RecordSealer(KEY, ID, SALT, 2)
    assert [sealer.seal(0, b"one"), sealer.seal(1, b"two")] == RECORDS


def test_records_are_sealed_and_opened_in_given_buffers() -> None:
    sealed, opened = bytearray(19), bytearray(3)
    assert RecordSealer(KEY, ID, SALT, 2).seal_into(1, b"two", sealed) == 19
    assert bytes(sealed) == RECORDS[1]
    assert RecordOpener(KEY, ID, SALT, 2).open_into(1, sealed, opened) == 3
    assert bytes(opened) == b"two"


def test_no_two_records_are_sealed_under_one_number() -> None:  # R-SHR-4
    sealer = RecordSealer(KEY, ID, SALT, 3)
    sealer.seal(1, b"two")
    for number in (0, 1, 3):
        with pytest.raises(ValueError, match="record"):
            sealer.seal(number, b"other")
        with pytest.raises(ValueError, match="record"):
            sealer.seal_into(number, b"other", bytearray(21))


@pytest.mark.parametrize(
    "opener",
    [
        pytest.param(lambda: RecordOpener(bytes(32), ID, SALT, 2), id="K1-key"),
        pytest.param(lambda: RecordOpener(KEY, "a" * 26, SALT, 2), id="session"),
        pytest.param(lambda: RecordOpener(KEY, ID, bytes(16), 2), id="salt"),
        pytest.param(lambda: RecordOpener(KEY, ID, SALT, 3), id="count"),
        pytest.param(lambda: RecordOpener(KEY, ID, SALT, 2, b"OCFT share manifest"), id="stream"),
    ],
)
def test_a_record_opens_only_where_it_belongs(opener: Callable[[], RecordOpener]) -> None:
    with pytest.raises(UnsealError):
        opener().open(0, RECORDS[0])
    with pytest.raises(UnsealError):
        opener().open_into(0, RECORDS[0], bytearray(3))


@pytest.mark.parametrize(
    "sealed", [b"", RECORDS[0][:-1], RECORDS[0] + b"\0", RECORDS[1], bytes(19)]
)
def test_a_changed_record_does_not_open(sealed: bytes) -> None:  # cases K3, K5
    with pytest.raises(UnsealError):
        RecordOpener(KEY, ID, SALT, 2).open(0, sealed)


def test_a_salt_of_another_length_is_refused() -> None:
    with pytest.raises(UnsealError):
        RecordOpener(KEY, ID, SALT[:15], 2)


def test_a_manifest_is_sealed_as_recorded() -> None:
    recorded_one = bytes.fromhex(VECTOR["manifest of {}"])
    assert open_manifest(KEY, ID, recorded_one) == b"{}"
    sealed = seal_manifest(KEY, ID, b"{}")
    assert open_manifest(KEY, ID, sealed) == b"{}"
    assert sealed[:16] != seal_manifest(KEY, ID, b"{}")[:16]
    for cut in (b"", sealed[:15], sealed[:20]):
        with pytest.raises(UnsealError):
            open_manifest(KEY, ID, cut)


@pytest.mark.parametrize(
    ("size", "count"),
    [(0, 1), (1, 1), (RECORD, 1), (RECORD + 1, 2), (10 * RECORD, 10)],
)
def test_content_is_cut_into_records(size: int, count: int) -> None:
    assert record_count(size) == count
    assert sealed_size(size) == size + count * (SEALED_RECORD - RECORD)


def test_a_password_is_read_in_its_composed_form() -> None:
    assert password_verifier(PASSWORD, ID).hex() == VECTOR["verifier"]


@pytest.mark.parametrize("password", ["", "\ud800", "x" * 10_000])
def test_any_text_is_a_password(password: str) -> None:  # case K11
    assert len(password_verifier(password, ID)) == 32


def test_a_proof_is_made_as_recorded() -> None:
    k, t = bytes.fromhex(VECTOR["K"]), bytes.fromhex(VECTOR["T"])
    receiver = PasswordProof(k, t, is_receiver=True)
    server = PasswordProof(k, t, is_receiver=False)
    assert receiver.mac.hex() == VECTOR["mac of the receiver"]
    assert server.mac.hex() == VECTOR["mac of the server"]
    assert server.seal_p(bytes.fromhex(VECTOR["p"])).hex() == VECTOR["p, sealed"]
    assert receiver.open_p(bytes.fromhex(VECTOR["p, sealed"])).hex() == VECTOR["p"]


def test_who_has_the_password_gets_p() -> None:
    receiver = PasswordRun(bytes(32), is_receiver=True)
    server = PasswordRun(bytes(32), is_receiver=False)
    ours, theirs = receiver.finish(server.message), server.finish(receiver.message)
    assert ours.matches(theirs.mac)
    assert theirs.matches(ours.mac)
    p = make_p()
    assert ours.open_p(theirs.seal_p(p)) == p


def test_another_password_is_noticed_on_both_sides() -> None:  # R-SHR-12
    receiver = PasswordRun(bytes(32), is_receiver=True)
    server = PasswordRun(bytes(31) + b"\1", is_receiver=False)
    ours, theirs = receiver.finish(server.message), server.finish(receiver.message)
    assert not ours.matches(theirs.mac)
    assert not theirs.matches(ours.mac)
    with pytest.raises(UnsealError):
        ours.open_p(theirs.seal_p(make_p()))


def test_a_message_or_a_proof_sent_back_is_no_proof() -> None:  # case K7
    receiver = PasswordRun(bytes(32), is_receiver=True)
    with pytest.raises(UnsealError):
        receiver.finish(receiver.message)
    server = PasswordRun(bytes(32), is_receiver=False)
    proof = server.finish(PasswordRun(bytes(32), is_receiver=True).message)
    assert not proof.matches(proof.mac)


def test_p_of_another_length_is_refused() -> None:
    k, t = bytes.fromhex(VECTOR["K"]), bytes.fromhex(VECTOR["T"])
    sealed = PasswordProof(k, t, is_receiver=False).seal_p(bytes(31))
    with pytest.raises(UnsealError):
        PasswordProof(k, t, is_receiver=True).open_p(sealed)


def test_of_a_token_its_digest_is_kept() -> None:  # R-SHR-7
    token = make_token()
    assert len(token) == 43
    kept = token_digest(token)
    assert token.encode() not in kept
    assert is_token(token, kept)
    for other in ("", token[:-1], token.swapcase(), token + "=", "\ud800"):
        assert not is_token(other, kept)


@given(st.binary(max_size=70))
def test_octets_travel_in_one_form(octets: bytes) -> None:
    text = format_octets(octets)
    assert "=" not in text
    assert parse_octets(text, len(octets)) == octets


@pytest.mark.parametrize("text", ["AA==", "AB", "A", "AAA", "A+", "A\n", " AA", "\u00e9A", ""])
def test_octets_in_another_form_are_refused(text: str) -> None:
    with pytest.raises(UnsealError):
        parse_octets(text, 1)


def test_salts_are_new_each_time() -> None:
    assert len(make_salt()) == 16
    assert make_salt() != make_salt()
