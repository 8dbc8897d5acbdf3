"""`ocft.runtime.wire2.trust`: looked up at every use."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ocft.ids import NodeId
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


def test_who_has_spoken_1_0_since_it_did_not_answer_in_wire_2_is_too_old_for_us(
    tmp_path: Path,
) -> None:  # R-WIR-3
    with node_parts(tmp_path, TrustedPeer(id="alice")) as parts:
        trust = parts.trust
        trust.nodes.saw(ALICE, parts.wall_clock())
        parts.clock.advance(10)
        trust.remember_as_wire_1(ALICE)
        trust.peers.change("alice", allows_wire_1=False)
        assert not trust.is_too_old(ALICE)  # it may have been asleep
        parts.clock.advance(10)
        trust.nodes.saw(ALICE, parts.wall_clock())
        assert trust.is_too_old(ALICE)
        trust.peers.change("alice", allows_wire_1=True)
        assert not trust.is_too_old(ALICE)
        trust.peers.change("alice", fingerprint=bytes(32))
        assert not trust.is_too_old(ALICE)  # R-WIR-2: only wire 2 will do, whatever was heard
        trust.peers.change("alice", fingerprint=None, allows_wire_1=False)
        assert trust.is_too_old(ALICE)
        parts.clock.advance(24 * 3600)
        assert not trust.is_too_old(ALICE)
        assert not trust.is_too_old(NodeId("dave"))


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


def test_while_a_node_is_asked_its_account_speaks_for_it_or_its_known_identity(
    tmp_path: Path,
) -> None:  # R-HSK-0
    given = TrustedPeer(id="alice", address="account 7")
    with node_parts(tmp_path, given, peer_of("bob")) as parts:

        def may(name: str, author: str) -> bool:
            return parts.trust.may_write_from(NodeId(name), author, is_addressed=True)

        assert (may("alice", "account 7"), may("alice", "alice")) == (True, False)
        assert (may("bob", "bob"), may("bob", "mallory")) == (True, False)
        assert (may("dave", "dave"), may("dave", "mallory")) == (True, False)
        parts.trust.note_address(NodeId("dave"), "account 8")
        assert (may("dave", "account 8"), may("dave", "dave")) == (True, False)
        parts.trust.pin(NodeId("dave"), identity_of("dave").public, None)
        assert may("dave", "account 9")  # it has to prove that it is dave


def test_a_peer_is_none_from_another_account(tmp_path: Path) -> None:  # R-HSK-5
    with node_parts(tmp_path, peer_of("alice"), peer_of("bob", expires_at=EPOCH)) as parts:
        assert not parts.trust.is_stranger(ALICE, "alice")
        assert parts.trust.is_stranger(ALICE, "mallory")
        assert parts.trust.is_stranger(NodeId("bob"), "bob")
        assert parts.trust.is_stranger(NodeId("carol"), "carol")
        parts.trust.note_address(ALICE, "account 7")
        assert not parts.trust.is_stranger(ALICE, "account 7")
        assert parts.trust.is_stranger(ALICE, "alice")


def test_a_secret_is_not_in_what_stands_for_it(tmp_path: Path) -> None:  # K13
    with node_parts(tmp_path, secrets=lambda _: ("the-secret",)) as parts:
        parts.trust.pin(ALICE, identity_of("alice").public, "the-secret")
        assert "the-secret" not in repr(parts.trust)
        parts.database.checkpoint()
        assert b"the-secret" not in parts.database.path.read_bytes()


def test_who_has_the_database_but_not_the_keys_cannot_test_guesses(tmp_path: Path) -> None:
    with node_parts(tmp_path, secrets=lambda _: ("1234",)) as parts:  # K13
        parts.trust.pin(ALICE, identity_of("alice").public, "1234")
        assert parts.trust.knows_our_secret(ALICE)
        thief = replace(parts.trust, storage_key=bytes(32))
        assert not thief.knows_our_secret(ALICE)
