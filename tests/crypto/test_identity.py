import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spake2 import ed25519_basic as ed25519

from ocft.crypto import Identity, PublicIdentity, format_fingerprint
from ocft.crypto.identity import _SMALL_ORDER_Y
from ocft.errors import ConfigError, UnsealError
from tests.crypto.make_vectors import recorded

VECTOR = recorded()["identity"]
ALICE, BOB = Identity.generate(), Identity.generate()


def test_an_identity_is_the_recorded_one() -> None:
    identity = Identity.from_bytes(VECTOR["private"])
    assert identity.public.to_bytes() == VECTOR["public"]
    assert identity.public.fingerprint == VECTOR["fingerprint"]
    assert identity.storage_key() == VECTOR["storage_key"]
    assert identity.sign(VECTOR["signed"]) == VECTOR["signature"]
    assert identity.open_secret(VECTOR["ct"]) == VECTOR["secret"]


def test_identities_come_back_from_bytes() -> None:
    assert len(ALICE.to_bytes()) == 128
    again = Identity.from_bytes(ALICE.to_bytes())
    assert again.to_bytes() == ALICE.to_bytes()
    public = PublicIdentity.from_bytes(ALICE.public.to_bytes())
    assert public == again.public == ALICE.public != BOB.public
    assert len({public, again.public, BOB.public}) == 2
    assert public != ALICE.public.to_bytes()
    assert again.storage_key() == ALICE.storage_key() != BOB.storage_key()


def test_a_signature_holds_for_one_key_and_one_message() -> None:
    signature = ALICE.sign(b"message")
    assert ALICE.public.verifies(signature, b"message")
    assert not ALICE.public.verifies(signature, b"massage")
    assert not BOB.public.verifies(signature, b"message")  # case K1
    for wrong in (b"", signature[:-1], signature + b"\0", bytes(64), b"\xff" * 64):
        assert not ALICE.public.verifies(wrong, b"message")


def test_only_the_named_node_opens_a_secret() -> None:  # cases K1, K7
    secret, ct = BOB.public.seal_secret()
    assert (len(secret), len(ct)) == (32, 1168)
    assert BOB.open_secret(ct) == secret
    with pytest.raises(UnsealError):
        ALICE.open_secret(ct)


SECRET, CT = ALICE.public.seal_secret()


@given(st.integers(0, 1168 * 8 - 1))
def test_any_changed_bit_of_a_sealed_secret_is_noticed(bit: int) -> None:
    changed = bytearray(CT)
    changed[bit // 8] ^= 1 << bit % 8
    # X25519 ignores the top bit of a key, but its bytes are part of what the key is made from.
    with pytest.raises(UnsealError):
        ALICE.open_secret(bytes(changed))


@pytest.mark.parametrize("length", [0, 1, 16, 1087, 1088, 1120, 1136, 1167])
def test_a_sealed_secret_that_is_cut_off_opens_nothing(length: int) -> None:  # case K3
    with pytest.raises(UnsealError):
        ALICE.open_secret(CT[:length])
    with pytest.raises(UnsealError):
        ALICE.open_secret(CT + bytes(length + 1))


@pytest.mark.parametrize("point", [bytes(32), b"\1" + bytes(31), b"\xec" + b"\xff" * 30 + b"\x7f"])
def test_a_low_order_key_in_a_sealed_secret_opens_nothing(point: bytes) -> None:  # case K9
    with pytest.raises(UnsealError):
        ALICE.open_secret(CT[:1088] + point + CT[1120:])


@pytest.mark.parametrize("length", [0, 32, 1247, 1249])
def test_a_public_identity_of_another_length_is_none(length: int) -> None:
    with pytest.raises(UnsealError):
        PublicIdentity.from_bytes((ALICE.public.to_bytes() * 2)[:length])


def test_a_public_identity_with_an_impossible_ml_kem_key_is_none() -> None:
    data = ALICE.public.to_bytes()
    with pytest.raises(UnsealError):  # coefficients above the modulus
        PublicIdentity.from_bytes(data[:32] + b"\xff" * 1184 + data[-32:])


@pytest.mark.parametrize("point", [bytes(32), b"\1" + bytes(31), b"\xec" + b"\xff" * 30 + b"\x7f"])
def test_a_public_identity_with_a_low_order_x25519_key_is_none(point: bytes) -> None:  # case K9
    with pytest.raises(UnsealError):
        PublicIdentity.from_bytes(ALICE.public.to_bytes()[:-32] + point)


def _small_order_points() -> set[int]:
    """Return the y coordinates of all points of order 1, 2, 4 and 8, computed."""
    found: set[int] = set()
    y = 2
    while len(found) < 5:
        y += 1
        point = (ed25519.xrecover(y), y)
        if ed25519.isoncurve(point):
            element = ed25519.ElementOfUnknownGroup(ed25519.xform_affine_to_extended(point))
            small = element.scalarmult(ed25519.L)
            for factor in range(8):
                encoded = small.scalarmult(factor).to_bytes()
                found.add(int.from_bytes(encoded, "little") % 2**255)
    return found


def test_the_list_of_small_order_points_is_complete() -> None:
    assert _small_order_points() == _SMALL_ORDER_Y


@pytest.mark.parametrize("sign", [0, 1 << 255])
@pytest.mark.parametrize("y", [*_SMALL_ORDER_Y, ed25519.Q, ed25519.Q + 1])
def test_a_public_identity_with_a_small_order_ed25519_key_is_none(  # case K9
    y: int, sign: int
) -> None:
    with pytest.raises(UnsealError):
        PublicIdentity.from_bytes((y | sign).to_bytes(32, "little") + ALICE.public.to_bytes()[32:])


@pytest.mark.parametrize("length", [0, 127, 129])
def test_private_keys_of_another_length_are_none(length: int) -> None:
    with pytest.raises(ConfigError):
        Identity.from_bytes(bytes(length))


def test_a_cryptography_without_ml_kem_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from cryptography.exceptions import UnsupportedAlgorithm

    def unsupported(data: bytes) -> None:
        raise UnsupportedAlgorithm("no ML-KEM")

    monkeypatch.setattr(
        "ocft.crypto.identity.MLKEM768PrivateKey.from_seed_bytes", staticmethod(unsupported)
    )
    with pytest.raises(ConfigError, match="ML-KEM"):
        Identity.generate()


def test_identities_do_not_come_from_seeded_randomness() -> None:  # case K15
    random.seed(1)
    first, secret = Identity.generate(), ALICE.public.seal_secret()[0]
    random.seed(1)
    assert Identity.generate().public != first.public
    assert ALICE.public.seal_secret()[0] != secret


def test_an_identity_shows_its_short_fingerprint_only() -> None:  # case K13
    short = format_fingerprint(ALICE.public.fingerprint)
    for text in (repr(ALICE), str(ALICE), f"{ALICE}"):
        assert text == f"Identity({short})"
    assert repr(ALICE.public) == f"PublicIdentity({short})"


def test_a_fingerprint_for_people_is_its_first_100_bits() -> None:
    assert format_fingerprint(bytes(32)) == "aaaa-aaaa-aaaa-aaaa-aaaa"
    assert format_fingerprint(b"\xff" * 13) == "7777-7777-7777-7777-7777"
    one = bytes(12) + b"\x10" + bytes(19)
    assert format_fingerprint(one) == "aaaa-aaaa-aaaa-aaaa-aaab"
    assert format_fingerprint(bytes(12) + b"\x0f" * 20) == "aaaa-aaaa-aaaa-aaaa-aaaa"
