import dataclasses
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocft.crypto import (
    EphemeralKey,
    epoch_keys,
    finish_mac,
    proofs_match,
    root_key,
    secret_proof,
    session_keys,
)
from ocft.errors import UnsealError
from tests.crypto.make_vectors import recorded

VECTORS = recorded()
ROOT, TH3 = bytes(range(32)), bytes(range(32, 64))
P = 2**255 - 19
LOW_ORDER = {  # the points of order 1, 2, 4 and 8, and their other forms
    "zero": 0,
    "one": 1,
    "order 8": 0x00B8495F16056286FDB1329CEB8D09DA6AC49FF1FAE35616AEB8413B7C7AEBE0,
    "other of order 8": 0x57119FD0DD4E22D8868E1C58C45C44045BEF839C55B1D0B1248C50A3BC959C5F,
    "p - 1": P - 1,
    "p": P,
    "p + 1": P + 1,
}


def test_both_sides_exchange_the_same() -> None:
    ours, theirs = EphemeralKey.generate(), EphemeralKey.generate()
    assert ours.exchange(theirs.public) == theirs.exchange(ours.public)
    assert ours.exchange(theirs.public) != ours.exchange(ours.public)


@pytest.mark.parametrize("point", LOW_ORDER.values(), ids=LOW_ORDER)
@pytest.mark.parametrize("top", [0, 1 << 255])
def test_a_point_of_low_order_is_refused(point: int, top: int) -> None:  # case K9, R-HSK-1
    with pytest.raises(UnsealError):
        EphemeralKey.generate().exchange((point | top).to_bytes(32, "little"))


@pytest.mark.parametrize("length", [0, 1, 31, 33, 64])
def test_a_key_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(UnsealError):
        EphemeralKey.generate().exchange(b"\x09" * length)


def test_ephemeral_keys_do_not_come_from_seeded_randomness() -> None:  # case K15
    random.seed(1)
    first = EphemeralKey.generate().public
    random.seed(1)
    assert EphemeralKey.generate().public != first


def test_the_root_key_is_the_recorded_one() -> None:
    vector = dict(VECTORS["root"])
    expected = vector.pop("root")
    assert root_key(**vector) == expected
    # each of the four counts, and its place does
    for name in vector:
        assert root_key(**(vector | {name: bytes(32)})) != expected
    swapped = vector | {
        "responder_secret": vector["initiator_secret"],
        "initiator_secret": vector["responder_secret"],
    }
    assert root_key(**swapped) != expected


def test_macs_and_proofs_are_the_recorded_ones() -> None:
    vector = VECTORS["finish"]
    root, th3, secret = vector["root"], vector["th3"], vector["secret"].decode()
    assert finish_mac(root, th3) == vector["mac"]
    assert secret_proof(root, th3, secret, is_initiator=True) == vector["initiator_proof"]
    assert secret_proof(root, th3, secret, is_initiator=False) == vector["responder_proof"]


def test_a_proof_sent_back_proves_nothing() -> None:  # case K7
    theirs = secret_proof(ROOT, TH3, "s3cret", is_initiator=True)
    ours = secret_proof(ROOT, TH3, "s3cret", is_initiator=False)
    assert not proofs_match(ours, theirs)
    assert not proofs_match(ours, finish_mac(ROOT, TH3))


@given(st.text(), st.text())
def test_a_proof_matches_for_the_same_secret_only(one: str, other: str) -> None:
    proofs = [secret_proof(ROOT, TH3, secret, is_initiator=True) for secret in (one, other)]
    assert proofs_match(*proofs) == (one == other != "")


@pytest.mark.parametrize("secret", ["s", "s" * 10**6, "\ud800", "s\0", "gehe\u00efm"])
def test_any_text_but_the_empty_one_is_a_secret(secret: str) -> None:  # case K11
    proof = secret_proof(ROOT, TH3, secret, is_initiator=True)
    assert proofs_match(proof, secret_proof(ROOT, TH3, secret, is_initiator=True))
    assert not proofs_match(proof, secret_proof(ROOT, TH3, secret + "\0", is_initiator=True))


@pytest.mark.parametrize("theirs", [None, b"", bytes(32), b"x"])
def test_without_a_secret_nothing_is_a_proof(theirs: bytes | None) -> None:  # case K11
    assert not proofs_match(secret_proof(ROOT, TH3, "", is_initiator=True), theirs)
    assert not proofs_match(secret_proof(ROOT, TH3, "s3cret", is_initiator=True), theirs)


def test_a_proof_holds_for_one_handshake() -> None:
    proof = secret_proof(ROOT, TH3, "s3cret", is_initiator=True)
    assert proof != secret_proof(ROOT, ROOT, "s3cret", is_initiator=True)
    assert proof != secret_proof(TH3, TH3, "s3cret", is_initiator=True)


def test_session_keys_are_the_recorded_ones() -> None:
    vector = VECTORS["session"]
    keys = session_keys(vector["root"], is_initiator=True)
    assert (keys.seal_tag, keys.seal_key) == (vector["initiator_tag"], vector["initiator_key"])
    assert (keys.open_tag, keys.open_key) == (vector["responder_tag"], vector["responder_key"])


def test_what_one_side_seals_the_other_opens_and_not_itself() -> None:  # case K7
    a, b = (session_keys(ROOT, is_initiator=side) for side in (True, False))
    assert (a.seal_tag, a.seal_key) == (b.open_tag, b.open_key)
    assert (b.seal_tag, b.seal_key) == (a.open_tag, a.open_key)
    assert a.seal_tag != a.open_tag
    assert a.seal_key != a.open_key


def test_epoch_keys_are_the_recorded_ones() -> None:
    vector = VECTORS["epoch"]
    names = ("root", "exchanged", "offer", "accept")
    arguments = {name: vector[name] for name in names}
    keys = epoch_keys(**arguments)
    assert dataclasses.asdict(keys) == {name: vector[name] for name in vector if name not in names}
    for name in names:
        other = epoch_keys(**(arguments | {name: b"other"}))
        assert other.data_key != keys.data_key
        assert other.data_tag != keys.data_tag


@pytest.mark.parametrize(
    "keys", [session_keys(ROOT, is_initiator=True), epoch_keys(ROOT, TH3, b"offer", b"accept")]
)
def test_keys_do_not_show(keys: Any) -> None:  # case K13
    for name in dataclasses.asdict(keys):
        value = getattr(keys, name)
        shown = name.endswith("tag")
        for text in (repr(keys), str(keys), f"{keys}"):
            assert (repr(value) in text) is shown
            assert value.hex() not in text


def test_a_key_pair_does_not_show() -> None:  # case K13
    key = EphemeralKey.generate()
    private = key._private.private_bytes_raw()
    assert repr(private) not in repr(key)
    assert private.hex() not in repr(key)
