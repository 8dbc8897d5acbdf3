import dataclasses
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spake2 import SPAKE2_A, SPAKE2_B

from ocft.crypto import (
    PairingCode,
    Spake,
    make_pairing_code,
    open_once,
    pairing_keys,
    parse_pairing_code,
    seal_once,
)
from ocft.crypto.pake import _words
from ocft.errors import ConfigError, UnsealError
from tests.crypto.make_vectors import recorded

VECTOR = recorded()["pairing"]
CODE = PairingCode(7, "7-zebra-zoo")
P = 2**255 - 19


def test_a_code_is_a_number_and_two_words() -> None:
    for _ in range(50):
        code = make_pairing_code()
        number, first, second = code.text.split("-")
        assert number == str(code.number)
        assert 1 <= code.number <= 999
        assert {first, second} <= set(_words())
        assert parse_pairing_code(code.text) == code


def test_a_code_has_22_bits_beside_its_number() -> None:
    assert len(set(_words())) == 2048
    assert all(word.isascii() and word.isalpha() and word.islower() for word in _words())
    assert len({word[:4] for word in _words()}) == 2048


def test_codes_do_not_come_from_seeded_randomness() -> None:  # case K15
    random.seed(1)
    first = [make_pairing_code().text for _ in range(3)]
    random.seed(1)
    assert [make_pairing_code().text for _ in range(3)] != first


@pytest.mark.parametrize(
    "typed",
    [
        "7-zebra-zoo",
        "7-Zebra-ZOO",
        "  7 zebra   zoo\n",
        "7\u2013zebra\u2014zoo",  # dashes
        "7\u2212zebra\u2011zoo",  # minus, non-breaking hyphen
        "7 - zebra - zoo",
        "7_zebra_zoo",
        "`7-zebra-zoo`",
        "\u201c7-zebra-zoo\u201d.",
        "007-zebra-zoo",
        "\uff17\u3000\uff5aebra zoo",  # full width
    ],
)
def test_a_code_is_read_as_people_type_it(typed: str) -> None:
    assert parse_pairing_code(typed) == CODE


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        pytest.param("", "a number and two words", id="K11-empty"),
        pytest.param("7", "a number and two words", id="K11-one character"),
        pytest.param("z" * 10**6, "too long", id="K11-very long"),
        ("7-zebra", "a number and two words"),
        ("7-zebra-zoo-zoo", "a number and two words"),
        ("zebra-7-zoo", "number from 1 to 999"),
        ("0-zebra-zoo", "number from 1 to 999"),
        ("1000-zebra-zoo", "number from 1 to 999"),
        ("\u00bd-zebra-zoo", "a number and two words"),
        ("\u0667-zebra-zoo", "number from 1 to 999"),  # Arabic-Indic 7
        ("7-zebraa-zoo", "first word .* 'zebra'"),
        ("7-zebra-aban", "second word .* 'abandon'"),
        ("7-xyzzy-zoo", "first word .* not in the list.$"),
        ("7-zebra-zo", "second word .* not in the list.$"),
    ],
)
def test_what_is_no_code_is_named(typed: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse_pairing_code(typed)


@given(st.text(max_size=80))
def test_any_text_is_a_code_or_a_stated_error(typed: str) -> None:
    try:
        code = parse_pairing_code(typed)
    except ConfigError:
        return
    assert parse_pairing_code(code.text) == code


def test_both_sides_get_one_key_from_one_code() -> None:
    prover, guesser = Spake(CODE, is_prover=True), Spake(CODE, is_prover=False)
    assert len(prover.message) == len(guesser.message) == 33
    assert prover.finish(guesser.message) == guesser.finish(prover.message)


@pytest.mark.parametrize("typed", ["8-zebra-zoo", "7-zebra-zone", "7-zoo-zebra"])
def test_another_code_gives_another_key(typed: str) -> None:  # case K1
    prover = Spake(CODE, is_prover=True)
    guesser = Spake(parse_pairing_code(typed), is_prover=False)
    assert prover.finish(guesser.message) != guesser.finish(prover.message)


@pytest.mark.parametrize("is_prover", [True, False])
def test_a_message_sent_back_ends_the_run(is_prover: object) -> None:  # case K7
    spake = Spake(CODE, is_prover=bool(is_prover))
    with pytest.raises(UnsealError):
        spake.finish(spake.message)


@pytest.mark.parametrize("is_prover", [True, False])
def test_a_message_sent_back_under_the_other_name_ends_the_run(is_prover: object) -> None:  # K7
    spake = Spake(CODE, is_prover=bool(is_prover))
    with pytest.raises(UnsealError):
        spake.finish((b"B" if is_prover else b"A") + spake.message[1:])


@pytest.mark.parametrize(
    "y", [0, 1, 1 << 255 | 1, P - 1, P, P + 1, 1 << 255 | P + 1, 2**256 - 1, 2, 7]
)
def test_a_point_out_of_the_group_ends_the_run(y: int) -> None:  # case K9
    with pytest.raises(UnsealError):
        Spake(CODE, is_prover=True).finish(b"B" + y.to_bytes(32, "little"))


@pytest.mark.parametrize("length", [0, 1, 32, 34, 1000])
def test_a_message_of_another_length_ends_the_run(length: int) -> None:  # case K3
    theirs = Spake(CODE, is_prover=False).message
    with pytest.raises(UnsealError):
        Spake(CODE, is_prover=True).finish((theirs * 40)[:length])


def test_a_run_is_finished_once() -> None:
    prover, guesser = Spake(CODE, is_prover=True), Spake(CODE, is_prover=False)
    prover.finish(guesser.message)
    with pytest.raises(UnsealError):
        prover.finish(guesser.message)


def _recorded_run(*, is_prover: bool) -> Spake:
    """Return a run whose randomness is the recorded one."""
    spake = Spake(CODE, is_prover=is_prover)
    entropy = VECTOR["prover_entropy" if is_prover else "guesser_entropy"]
    side = SPAKE2_A if is_prover else SPAKE2_B
    spake._run = side(
        spake._run.pw, spake._run.idA, spake._run.idB, entropy_f=lambda length: entropy
    )
    spake.message = spake._run.start()
    return spake


def test_a_run_is_the_recorded_one() -> None:
    assert VECTOR["code"] == CODE.text.encode()
    prover, guesser = _recorded_run(is_prover=True), _recorded_run(is_prover=False)
    assert prover.message == VECTOR["prover_message"]
    assert guesser.message == VECTOR["guesser_message"]
    assert prover.finish(guesser.message) == VECTOR["shared"]
    assert guesser.finish(prover.message) == VECTOR["shared"]


def test_the_keys_of_a_pairing_are_the_recorded_ones() -> None:
    arguments = (
        VECTOR["shared"],
        7,
        VECTOR["prover_id"].decode(),
        VECTOR["guesser_id"].decode(),
        VECTOR["prover_message"],
        VECTOR["guesser_message"],
    )
    keys = pairing_keys(*arguments)
    for name in ("mac", "prover_key", "guesser_key"):
        assert getattr(keys, name) == VECTOR[name]
    others = (b"other", 8, "other", "other", b"other", b"other")
    for place, other in enumerate(others):  # each of them is bound (R-PAI-1)
        changed = (*arguments[:place], other, *arguments[place + 1 :])
        assert pairing_keys(*changed) != keys  # type: ignore[arg-type]


def test_an_identity_of_one_side_does_not_open_as_that_of_the_other() -> None:  # case K7
    keys = pairing_keys(b"k" * 32, 7, "p", "q", b"x", b"y")
    sealed = seal_once(keys.prover_key, b"identity")
    assert open_once(keys.prover_key, sealed) == b"identity"
    with pytest.raises(UnsealError):
        open_once(keys.guesser_key, sealed)


def test_codes_and_keys_do_not_show() -> None:  # case K13
    keys = pairing_keys(b"k" * 32, 7, "p", "q", b"x", b"y")
    assert repr(keys) == "PairingKeys()"
    assert all(value.hex() not in str(keys) for value in dataclasses.asdict(keys).values())
    for text in (repr(CODE), str(CODE), repr(Spake(CODE, is_prover=True))):
        assert "zebra" not in text
    with pytest.raises(ConfigError) as caught:
        parse_pairing_code("7-zebra-xyzzy")
    assert "zebra" not in str(caught.value)
    assert "xyzzy" not in str(caught.value)
    assert caught.value.__cause__ is None
