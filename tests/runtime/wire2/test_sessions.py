"""`ocft.runtime.wire2.sessions`: control messages are sealed and opened."""

import asyncio
from pathlib import Path

import pytest

from ocft.crypto import seal_message
from ocft.errors import MalformedMessageError
from ocft.ids import NodeId, TransferId
from ocft.runtime.wire2 import LiveSession
from ocft.storage import SessionStore
from ocft.testing import run
from ocft.wire import (
    Control,
    ControlFrame,
    FrameType,
    OfferAgain,
    Welcome,
    control_header,
    parse_frame,
)
from tests.runtime.pair import EPOCH, write_source
from tests.runtime.sealed_pair import identity_of, inside, sealed_nodes
from tests.runtime.wire2.parts import ALICE, ROOT, Parts, established, node_parts

AGAIN = OfferAgain(transfer_id=TransferId("xfer_1"), epoch=1)


def alices(root: bytes = ROOT) -> LiveSession:
    """Return the other end of what `established` leaves."""
    return LiveSession.of(NodeId("bob"), root, is_initiator=True)


def frame_of(sealed: bytes) -> ControlFrame:
    frame = parse_frame(sealed)
    assert isinstance(frame, ControlFrame)
    return frame


def opened(parts: Parts, sealed: bytes) -> Control | None:
    result = parts.sessions.open(frame_of(sealed), lambda peer_id: peer_id == ALICE)
    return None if result is None else result[1]


def test_a_message_opens_once_under_the_session_it_was_sealed_with(tmp_path: Path) -> None:
    with node_parts(tmp_path) as parts:
        session = parts.sessions.add(established(), expires_at=None)
        sealed = alices().seal(AGAIN)
        result = parts.sessions.open(frame_of(sealed), lambda _: True)
        assert result == (session, AGAIN)
        assert opened(parts, sealed) is None  # R-CTL-6: a replay
        again = alices().seal(AGAIN)
        assert again != sealed  # a repeat is sealed anew
        assert opened(parts, again) == AGAIN


def test_our_own_message_does_not_open(tmp_path: Path) -> None:  # K7
    with node_parts(tmp_path) as parts:
        session = parts.sessions.add(established(), expires_at=None)
        assert opened(parts, session.seal(AGAIN)) is None


def test_what_was_changed_or_sealed_by_others_does_not_open(tmp_path: Path) -> None:  # K1, K3
    with node_parts(tmp_path) as parts:
        parts.sessions.add(established(), expires_at=None)
        sealed = alices().seal(AGAIN)
        for place in (1, 9, 25, len(sealed) - 1):
            changed = bytearray(sealed)
            changed[place] ^= 1
            assert opened(parts, bytes(changed)) is None
        assert opened(parts, sealed[:-1]) is None
        assert opened(parts, alices(bytes(32)).seal(AGAIN)) is None
        # None of them used the real one's salt up.
        assert opened(parts, sealed) == AGAIN


def test_a_message_from_another_account_is_not_used_up(tmp_path: Path) -> None:  # R13, T-1
    with node_parts(tmp_path) as parts:
        parts.sessions.add(established(), expires_at=None)
        sealed = alices().seal(AGAIN)
        assert parts.sessions.open(frame_of(sealed), lambda _: False) is None
        assert opened(parts, sealed) == AGAIN


def test_what_a_peer_sealed_must_be_a_message(tmp_path: Path) -> None:
    with node_parts(tmp_path) as parts:
        parts.sessions.add(established(), expires_at=None)
        keys = alices().keys
        header = control_header(keys.seal_tag, bytes(16))
        sealed = header + seal_message(keys.seal_key, header, bytes(16), b"\xa0")
        with pytest.raises(MalformedMessageError):
            opened(parts, sealed)
        assert opened(parts, sealed) is None


def test_the_newest_two_root_keys_open_and_the_newest_seals(tmp_path: Path) -> None:  # R-HSK-4, 6
    with node_parts(tmp_path) as parts:
        roots = [bytes([number]) * 32 for number in range(3)]
        for root in roots:
            parts.sessions.add(established(root), expires_at=None)
            parts.clock.advance(120)
        newest = parts.sessions.newest(ALICE)
        assert newest is not None
        assert newest.root == roots[2]
        assert opened(parts, alices(roots[0]).seal(AGAIN)) is None
        assert opened(parts, alices(roots[1]).seal(AGAIN)) == AGAIN
        # A welcome is no use of it; with anything else the peer has shown that it has the newest.
        assert opened(parts, alices(roots[2]).seal(Welcome(status="ok"))) == Welcome(status="ok")
        assert opened(parts, alices(roots[1]).seal(AGAIN)) == AGAIN
        assert opened(parts, alices(roots[2]).seal(AGAIN)) == AGAIN
        assert opened(parts, alices(roots[1]).seal(AGAIN)) is None
        assert opened(parts, alices(roots[2]).seal(AGAIN)) == AGAIN


def test_root_keys_that_may_have_crossed_are_both_kept(tmp_path: Path) -> None:  # R-HSK-4, 6
    with node_parts(tmp_path) as parts:
        parts.sessions.add(established(), expires_at=None)
        parts.clock.advance(119)
        parts.sessions.add(established(bytes(32)), expires_at=None)
        for root in (bytes(32), ROOT, bytes(32), ROOT):  # the peer answers with one, asks with one
            assert opened(parts, alices(root).seal(AGAIN)) == AGAIN


def test_a_new_root_key_leaves_the_replay_filter_of_the_other_alone(tmp_path: Path) -> None:
    with node_parts(tmp_path) as parts:
        parts.sessions.add(established(), expires_at=None)
        sealed = alices().seal(AGAIN)
        assert opened(parts, sealed) == AGAIN
        parts.sessions.add(established(bytes(32)), expires_at=None)
        assert opened(parts, sealed) is None
        assert opened(parts, alices().seal(AGAIN)) == AGAIN


def test_a_session_ends_with_the_trust_behind_it(tmp_path: Path) -> None:
    with node_parts(tmp_path) as parts:
        parts.sessions.add(established(), expires_at=EPOCH + 10)
        assert parts.sessions.newest(ALICE) is not None
        parts.clock.advance(10)
        assert parts.sessions.newest(ALICE) is None
        assert opened(parts, alices().seal(AGAIN)) is None
        assert parts.sessions._live == {}


def test_what_is_forgotten_opens_nothing_also_if_another_process_forgot_it(
    tmp_path: Path,
) -> None:
    with node_parts(tmp_path) as parts:
        parts.sessions.add(established(), expires_at=None)
        parts.sessions.forget(ALICE)
        assert opened(parts, alices().seal(AGAIN)) is None
        parts.sessions.add(established(), expires_at=None)
        SessionStore(parts.database, identity_of("bob").storage_key()).forget(ALICE)
        assert opened(parts, alices().seal(AGAIN)) is None
        assert parts.sessions.newest(ALICE) is None


def test_sessions_survive_a_restart_and_are_found_by_their_tag(tmp_path: Path) -> None:
    with node_parts(tmp_path) as parts:
        parts.sessions.add(established(), expires_at=None)
    with node_parts(tmp_path) as parts:
        assert opened(parts, alices().seal(AGAIN)) == AGAIN


def test_unknown_tags_make_nobody_search_again_and_again(tmp_path: Path) -> None:  # X7
    from unittest import mock

    with node_parts(tmp_path) as parts:
        parts.sessions.add(established(), expires_at=None)
        stranger = alices(b"s" * 32)
        with mock.patch.object(parts.store, "all", wraps=parts.store.all) as search:
            for _ in range(100):
                assert opened(parts, stranger.seal(AGAIN)) is None
            assert search.call_count == 1
            parts.clock.advance(1)
            assert opened(parts, stranger.seal(AGAIN)) is None
            assert search.call_count == 2
        assert opened(parts, alices().seal(AGAIN)) == AGAIN


def test_what_is_remembered_of_a_session_is_bounded(tmp_path: Path) -> None:  # R-CTL-6
    with node_parts(tmp_path) as parts:
        session = parts.sessions.add(established(), expires_at=None)
        first = alices().seal(AGAIN)
        assert opened(parts, first) == AGAIN
        other = alices()
        for _ in range(1024):
            assert opened(parts, other.seal(AGAIN)) == AGAIN
        assert len(session._salts) == 1024


def test_an_answer_goes_under_the_key_that_the_peer_used_last(tmp_path: Path) -> None:
    with node_parts(tmp_path) as parts:  # R-HSK-6
        older = parts.sessions.add(established(), expires_at=None)
        assert opened(parts, alices().seal(AGAIN)) == AGAIN
        # The peer has not heard the welcome to this one yet.
        newer = parts.sessions.add(established(bytes(32)), expires_at=None)
        assert parts.sessions.newest(ALICE) is newer
        assert parts.sessions.to_answer(ALICE) is older
        assert opened(parts, alices(bytes(32)).seal(Welcome(status="ok"))) is not None
        assert parts.sessions.to_answer(ALICE) is older  # a welcome is no use of it
        assert opened(parts, alices(bytes(32)).seal(AGAIN)) == AGAIN
        assert parts.sessions.to_answer(ALICE) is newer
        assert opened(parts, alices().seal(AGAIN)) == AGAIN
        parts.sessions.add(established(b"3" * 32), expires_at=None)
        newest = parts.sessions.newest(ALICE)
        assert parts.sessions.to_answer(ALICE) is newest  # the other one is gone
        parts.sessions.forget(ALICE)
        assert parts.sessions.to_answer(ALICE) is None


def test_a_peer_that_missed_a_welcome_is_answered_all_the_same(tmp_path: Path) -> None:
    async def main() -> None:  # R-HSK-6
        async with sealed_nodes(tmp_path) as (alice, bob):
            first = await alice.manager.send_file("bob", write_source(tmp_path))
            await alice.manager.wait(first)
            began, said = asyncio.get_running_loop().time(), alice.room.count(FrameType.HELLO)
            inside(bob).sessions.add(established(), expires_at=None)
            second = await alice.manager.send_file("bob", write_source(tmp_path, b"another"))
            await alice.manager.wait(second)
            assert asyncio.get_running_loop().time() - began < 2
            assert alice.room.count(FrameType.HELLO) == said

    run(main())


def test_after_handshakes_that_crossed_both_nodes_hear_each_other(tmp_path: Path) -> None:
    async def main() -> None:  # R-HSK-6
        async with sealed_nodes(tmp_path) as (alice, bob):
            path, room = write_source(tmp_path, b"both ways"), alice.room
            from_alice = await alice.manager.send_file("bob", path)
            from_bob = await bob.manager.send_file("alice", path)
            await alice.manager.wait(from_alice)
            await bob.manager.wait(from_bob)
            assert [room.count(FrameType.HELLO, name) for name in ("alice", "bob")] == [1, 1]
            assert room.count(FrameType.DATA) == 2  # no `done` was lost

    run(main())


def test_a_session_shows_no_key(tmp_path: Path) -> None:  # K13
    with node_parts(tmp_path) as parts:
        session = parts.sessions.add(established(), expires_at=None)
        for shown in (repr(session), repr(established()), repr(parts.sessions)):
            assert repr(ROOT)[2:-1] not in shown
            assert repr(session.keys.seal_key)[2:-1] not in shown
