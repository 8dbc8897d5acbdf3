"""`ocft.runtime.wire2.trust`: looked up at every use."""

from pathlib import Path
from typing import Any

import pytest

from ocft.ids import NodeId
from ocft.runtime.wire2 import secret_tag
from ocft.storage import TrustedPeer
from tests.runtime.pair import EPOCH
from tests.runtime.sealed_pair import identity_of, peer_of
from tests.runtime.wire2.parts import ALICE, node_parts


def test_a_peer_is_trusted_until_its_trust_ends(tmp_path: Path) -> None:
    with node_parts(tmp_path, peer_of("alice", expires_at=EPOCH + 10, secret="s")) as parts:
        trust = parts.trust
        assert trust.is_trusted(ALICE)
        assert trust.secret_of(ALICE) == "s"
        parts.clock.advance(10)
        assert not trust.is_trusted(ALICE)
        assert trust.peer(ALICE) is None
        assert trust.secret_of(ALICE) == ""
        # Who it must be stays known: an expired peer is no stranger that could be anybody.
        assert trust.fingerprint_of(ALICE) == identity_of("alice").public.fingerprint


def test_a_proof_counts_as_long_as_the_secret_does(tmp_path: Path) -> None:  # T-4
    def secrets(now: float) -> tuple[str, ...]:
        return ("new", "old") if now < EPOCH + 10 else ("new",)

    with node_parts(tmp_path, secrets=secrets) as parts:
        trust = parts.trust
        assert not trust.is_trusted(ALICE)
        trust.pin(ALICE, identity_of("alice").public, "old")
        assert trust.knows_our_secret(ALICE)
        parts.clock.advance(10)
        assert not trust.is_trusted(ALICE)
        trust.pin(ALICE, identity_of("alice").public, "new")
        assert trust.is_trusted(ALICE)
        trust.pin(ALICE, identity_of("alice").public, None)  # a later handshake without proof
        assert trust.is_trusted(ALICE)


def test_no_secret_is_proved_where_there_is_none(tmp_path: Path) -> None:  # T-3
    with node_parts(tmp_path) as parts:
        parts.trust.pin(ALICE, identity_of("alice").public, None)
        assert not parts.trust.is_trusted(ALICE)


def test_the_end_of_trust_beats_a_proof(tmp_path: Path) -> None:
    with node_parts(tmp_path, peer_of("alice", expires_at=EPOCH), secrets=lambda _: ("s",)) as one:
        one.trust.pin(ALICE, identity_of("alice").public, "s")
        assert not one.trust.is_trusted(ALICE)


def test_what_the_owner_pinned_beats_what_a_handshake_showed(tmp_path: Path) -> None:
    with node_parts(tmp_path, peer_of("alice")) as parts:
        parts.trust.pin(ALICE, identity_of("mallory").public, None)
        assert parts.trust.fingerprint_of(ALICE) == identity_of("alice").public.fingerprint


@pytest.mark.parametrize(
    ("peer", "flags", "may"),
    [
        ({}, {}, True),
        ({"allows_wire_1": False}, {}, False),
        ({}, {"allows_wire_1": False}, False),
        ({"fingerprint": b"f" * 32}, {}, False),  # R-WIR-2
        ({"fingerprint": b"f" * 32}, {"allows_wire_2": False}, True),
        (None, {}, True),
        (None, {"allows_wire_1": False}, False),
    ],
    ids=repr,
)
def test_1_0_is_spoken_with_nobody_whose_fingerprint_is_known(
    tmp_path: Path, peer: dict[str, Any] | None, flags: dict[str, Any], *, may: bool
) -> None:
    peers = [] if peer is None else [TrustedPeer(id="alice", **peer)]
    with node_parts(tmp_path, *peers, **flags) as parts:
        assert parts.trust.may_use_wire_1(ALICE) is may
        assert parts.trust.is_known_as_wire_1(ALICE) is (
            may and flags.get("allows_wire_2") is False
        )


def test_a_silent_peer_is_taken_for_1_0_for_a_day(tmp_path: Path) -> None:  # R-WIR-1
    with node_parts(tmp_path) as parts:
        trust = parts.trust
        trust.remember_as_wire_1(ALICE)
        assert trust.is_known_as_wire_1(ALICE)
        parts.clock.advance(24 * 3600 - 1)
        assert trust.is_known_as_wire_1(ALICE)
        parts.clock.advance(1)
        assert not trust.is_known_as_wire_1(ALICE)
        trust.remember_as_wire_1(ALICE)
        trust.remember_as_wire_2(ALICE)
        assert not trust.is_known_as_wire_1(ALICE)


def test_a_clock_that_went_back_makes_nobody_speak_1_0_for_longer(tmp_path: Path) -> None:
    with node_parts(tmp_path) as parts:
        parts.clock.advance(1000)
        parts.trust.remember_as_wire_1(ALICE)
        parts.clock._now = 0
        assert not parts.trust.is_known_as_wire_1(ALICE)


def test_a_peer_is_written_to_at_its_address(tmp_path: Path) -> None:
    with node_parts(tmp_path, TrustedPeer(id="alice", address="account 7")) as parts:
        assert parts.trust.address_of(ALICE) == "account 7"
        assert parts.trust.address_of(NodeId("carol")) == "carol"
        carol = NodeId("carol")
        parts.trust.pin(carol, identity_of("carol").public, None, address="account 8")
        assert parts.trust.address_of(carol) == "account 8"
        parts.trust.note_address(carol, "account 9")
        assert parts.trust.address_of(carol) == "account 9"
        parts.trust.note_address(ALICE, "account 9")
        assert parts.trust.address_of(ALICE) == "account 7"


def test_an_address_that_the_owner_gave_is_a_rule_and_one_that_was_learnt_is_not(
    tmp_path: Path,
) -> None:  # R-HSK-0
    given = TrustedPeer(id="alice", address="account 7")
    with node_parts(tmp_path, given, TrustedPeer(id="bob")) as parts:
        may = parts.trust.may_write_from
        assert (may(ALICE, "account 7"), may(ALICE, "alice")) == (True, False)
        assert (may(NodeId("bob"), "bob"), may(NodeId("bob"), "mallory")) == (True, False)
        assert may(NodeId("dave"), "anybody")
        parts.trust.pin(NodeId("carol"), identity_of("carol").public, None, address="account 8")
        assert may(NodeId("carol"), "account 8")
        assert may(NodeId("carol"), "another account")
        parts.trust.pin(NodeId("erin"), identity_of("erin").public, None, address="erin")
        assert not may(NodeId("erin"), "another account")


def test_a_secret_is_not_in_what_stands_for_it(tmp_path: Path) -> None:  # K13
    assert secret_tag("one") != secret_tag("two")
    assert len(secret_tag("one")) == 16
    assert b"one" not in secret_tag("one")
    secret_tag("\ud800")  # any text is a secret, also a damaged one
    with node_parts(tmp_path, secrets=lambda _: ("the-secret",)) as parts:
        parts.trust.pin(ALICE, identity_of("alice").public, "the-secret")
        assert "the-secret" not in repr(parts.trust)
        parts.database.checkpoint()
        assert b"the-secret" not in parts.database.path.read_bytes()
