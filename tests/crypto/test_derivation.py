import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocft.crypto import transcript
from ocft.crypto.derivation import derive
from tests.crypto.make_vectors import h, hkdf, make, recorded

VECTORS = recorded()
# RFC 5869, appendix A.1 to A.3 (SHA-256).
RFC_5869 = [
    (
        "000102030405060708090a0b0c",
        "0b" * 22,
        "f0f1f2f3f4f5f6f7f8f9",
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
    ),
    (
        bytes(range(0x60, 0xB0)).hex(),
        bytes(range(0x50)).hex(),
        bytes(range(0xB0, 0x100)).hex(),
        (
            "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c"
            "59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71"
            "cc30c58179ec3e87c14c01d5c1f3434f1d87"
        ),
    ),
    (
        "",
        "0b" * 22,
        "",
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
    ),
]


@pytest.mark.parametrize(("salt", "secret", "info", "output"), RFC_5869)
def test_the_kdf_is_that_of_rfc_5869(salt: str, secret: str, info: str, output: str) -> None:
    expected = bytes.fromhex(output)
    for kdf in (derive, hkdf):  # ours, and what makes the vectors
        arguments = [bytes.fromhex(one) for one in (salt, secret, info)]
        assert kdf(arguments[0], arguments[1], arguments[2], len(expected)) == expected


@given(st.binary(max_size=80), st.binary(max_size=80), st.binary(max_size=80), st.integers(1, 200))
def test_the_kdf_is_what_makes_the_vectors(
    salt: bytes, secret: bytes, info: bytes, length: int
) -> None:
    assert derive(salt, secret, info, length) == hkdf(salt, secret, info, length)


def test_a_transcript_is_the_recorded_one() -> None:
    vector = VECTORS["transcript"]
    assert transcript("OCFT 2 hello", *vector["parts"]) == vector["digest"]


parts = st.lists(st.binary(max_size=6), max_size=4)


@given(parts, parts)
def test_other_parts_give_another_transcript(one: list[bytes], other: list[bytes]) -> None:
    assert (transcript("x", *one) == transcript("x", *other)) == (one == other)
    assert transcript("x", *one) == h(b"x", *one)


def test_bytes_do_not_move_between_parts_unnoticed() -> None:
    assert transcript("x", b"ab", b"c") != transcript("x", b"a", b"bc")
    assert transcript("x", b"a") != transcript("xa") != transcript("x", b"a", b"")


def test_the_vectors_are_those_that_the_script_makes() -> None:
    assert make(VECTORS["identity"]["ct"]) == VECTORS
