"""`ocft.runtime.wire2.attempts`: a handshake that we begin, and when what is said again."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from ocft.errors import FingerprintChangedError, PeerTooOldError, UnsealError
from ocft.events import ApprovalAwaited
from ocft.runtime.wire2 import LiveSession
from ocft.runtime.wire2.attempts import Attempt
from ocft.storage import TrustedPeer
from ocft.testing import run
from ocft.wire import ControlFrame, FrameType, Reply, Welcome, parse_frame
from tests.runtime.sealed_pair import identity_of, peer_of
from tests.runtime.wire2.parts import ALICE, BOB, Parts, node_parts
from tests.runtime.wire2.test_answers import make_answers


class Side:
    """Alice, who begins, and perhaps bob, who answers."""

    def __init__(self, alice: Parts, bob: Parts | None = None) -> None:
        self.alice = alice
        self.bob = bob
        self.sent: list[tuple[float, int]] = []
        """When which type of frame left."""
        self.answers = make_answers(bob) if bob is not None else None
        self.drops: set[int] = set()
        """Types of bob's frames that are lost."""
        self.attempt = Attempt(
            BOB,
            identity=identity_of("alice"),
            node_id=ALICE,
            sessions=alice.sessions,
            trust=alice.trust,
            send=self._send,
            clock=asyncio.get_running_loop().time,
            tell=alice.events.append,
        )

    async def _send(self, address: str, frame: bytes) -> None:
        now = asyncio.get_running_loop().time()
        self.alice.clock._now = now
        self.sent.append((round(now, 3), frame[0]))
        if self.bob is None or self.answers is None:
            return
        self.bob.clock._now = now
        parsed: Any = parse_frame(frame)
        if frame[0] == FrameType.HELLO:
            self.answers.take_hello("alice", parsed)
        else:
            self.answers.take_finish("alice", parsed)
        for answer in self.bob.taken():
            if answer[0] not in self.drops:
                self._deliver(answer)

    def _deliver(self, frame: bytes) -> None:
        parsed = parse_frame(frame)
        if isinstance(parsed, Reply):
            self.attempt.take_reply(parsed)
        else:
            assert isinstance(parsed, ControlFrame)
            assert self.attempt.take_control(parsed)

    def times(self, frame_type: int) -> list[float]:
        return [at for at, kind in self.sent if kind == frame_type]


async def time_out(attempt: Attempt, seconds: float) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(seconds):
            await attempt.run()


def test_it_takes_two_frames_of_each_side(tmp_path: Path) -> None:
    async def main() -> None:
        with (
            node_parts(tmp_path, peer_of("bob"), name="alice") as alice,
            node_parts(tmp_path, peer_of("alice")) as bob,
        ):
            side = Side(alice, bob)
            session = await side.attempt.run()
            assert [kind for _, kind in side.sent] == [FrameType.HELLO, FrameType.FINISH]
            assert alice.sessions.newest(BOB) is session
            theirs = bob.sessions.newest(ALICE)
            assert theirs is not None
            assert theirs.root == session.root

    run(main())


def test_who_may_be_of_1_0_gets_three_hellos_in_fifteen_seconds(tmp_path: Path) -> None:
    async def main() -> None:  # R-WIR-1
        with node_parts(tmp_path, TrustedPeer(id="bob"), name="alice") as alice:
            side = Side(alice)
            with pytest.raises(PeerTooOldError):
                await side.attempt.run()
            assert side.times(FrameType.HELLO) == [0, 3, 8]
            assert asyncio.get_running_loop().time() == pytest.approx(15)
            assert alice.trust.is_known_as_wire_1(BOB)

    run(main())


@pytest.mark.parametrize("how", ["fingerprint", "forbidden", "spoke wire 2"])
def test_who_cannot_be_of_1_0_gets_hellos_for_ever(tmp_path: Path, how: str) -> None:
    async def main() -> None:  # R-WIR-2, R-HSK-5
        peer = peer_of("bob") if how == "fingerprint" else TrustedPeer(id="bob")
        flags: dict[str, Any] = {"allows_wire_1": how != "forbidden"}
        with node_parts(tmp_path, peer, name="alice", **flags) as alice:
            if how == "spoke wire 2":
                alice.trust.remember_as_wire_2(BOB)
            side = Side(alice)
            await time_out(side.attempt, 200)
            assert side.times(FrameType.HELLO) == [0, 2, 6, 14, 30, 62, 122, 182]
            assert not alice.trust.is_known_as_wire_1(BOB)

    run(main())


def test_finish_is_repeated_for_longer_and_longer_before_all_begins_anew(tmp_path: Path) -> None:
    async def main() -> None:  # R-HSK-5
        with (
            node_parts(tmp_path, peer_of("bob"), name="alice") as alice,
            node_parts(tmp_path, peer_of("alice")) as bob,
        ):
            side = Side(alice, bob)
            side.drops = {FrameType.CONTROL}
            await time_out(side.attempt, 700)
            # 30, 60 and 120 seconds; from then on with the pauses of who is not answered.
            assert side.times(FrameType.HELLO) == [0, 30, 90, 225, 375, 555]
            finishes = side.times(FrameType.FINISH)
            assert finishes[:10] == [0, 2, 6, 14, 30, 32, 36, 44, 60, 90]
            assert finishes[15:21] == [225, 227, 231, 239, 255, 287]
            side.drops = set()
            await side.attempt.run()
            assert len(side.times(FrameType.HELLO)) == 7

    run(main())


def test_a_peer_that_restarted_before_finish_is_asked_anew_after_half_a_minute(
    tmp_path: Path,
) -> None:
    async def main() -> None:  # R-HSK-5
        with (
            node_parts(tmp_path, peer_of("bob"), name="alice") as alice,
            node_parts(tmp_path, peer_of("alice")) as bob,
        ):
            side = Side(alice, bob)
            side.drops = {FrameType.CONTROL}
            loop = asyncio.get_running_loop()

            def restart() -> None:
                side.answers, side.drops = make_answers(bob), set()

            loop.call_later(1, restart)
            session = await side.attempt.run()
            assert loop.time() == pytest.approx(30)
            theirs = bob.sessions.newest(ALICE)
            assert theirs is not None
            assert theirs.root == session.root

    run(main())


@pytest.mark.parametrize("pinned", ["mallory", "bob"])
def test_a_fingerprint_that_was_learnt_while_we_asked_counts(tmp_path: Path, pinned: str) -> None:
    async def main() -> None:  # R-HSK-2
        with (
            node_parts(tmp_path, TrustedPeer(id="bob"), name="alice") as alice,
            node_parts(tmp_path, peer_of("alice")) as bob,
        ):
            side = Side(alice, bob)
            side.drops = {FrameType.CONTROL}
            attempt = asyncio.create_task(side.attempt.run())
            await asyncio.sleep(1)
            alice.trust.peers.put(
                peer_of("bob", fingerprint=identity_of(pinned).public.fingerprint)
            )
            side.drops = set()
            if pinned == "bob":
                await attempt
                return
            with pytest.raises(FingerprintChangedError):
                await attempt
            assert alice.sessions.newest(BOB) is None
            assert alice.trust.nodes.find(BOB) is None

    run(main())


def test_a_peer_that_was_revoked_while_we_asked_is_not_known_any_more(tmp_path: Path) -> None:
    async def main() -> None:  # R-HSK-2, R-HSK-4
        with (
            node_parts(tmp_path, peer_of("bob"), name="alice", allows_wire_1=False) as alice,
            node_parts(tmp_path, peer_of("alice")) as bob,
        ):
            side = Side(alice, bob)
            side.drops = {FrameType.CONTROL}
            attempt = asyncio.create_task(side.attempt.run())
            await asyncio.sleep(1)
            alice.trust.peers.remove("bob")
            side.drops = set()
            with pytest.raises(UnsealError):
                await attempt
            assert alice.sessions.newest(BOB) is None
            assert alice.trust.nodes.find(BOB) is None

    run(main())


def test_who_is_pending_asks_again_more_and_more_rarely(tmp_path: Path) -> None:
    async def main() -> None:  # R-HSK-3
        with (
            node_parts(tmp_path, peer_of("bob"), name="alice") as alice,
            node_parts(tmp_path) as bob,
        ):
            side = Side(alice, bob)
            await time_out(side.attempt, 1300)
            assert side.times(FrameType.HELLO) == [0, 15, 45, 105, 225, 465, 765, 1065]
            assert alice.sessions.newest(BOB) is None
            assert {type(one) for one in alice.events} == {ApprovalAwaited}
            bob.trust.peers.add(peer_of("alice"))
            session = await side.attempt.run()
            assert isinstance(session, LiveSession)

    run(main())


def test_another_identity_is_an_error_at_once(tmp_path: Path) -> None:
    async def main() -> None:  # R-HSK-2
        known = TrustedPeer(id="bob", fingerprint=bytes(32))
        with (
            node_parts(tmp_path, known, name="alice") as alice,
            node_parts(tmp_path, peer_of("alice")) as bob,
        ):
            side = Side(alice, bob)
            with pytest.raises(FingerprintChangedError):
                await side.attempt.run()
            assert side.times(FrameType.FINISH) == []
            assert alice.sessions.newest(BOB) is None

    run(main())


def test_a_peer_that_does_not_prove_the_secret_that_we_know_gets_no_root_key(
    tmp_path: Path,
) -> None:
    async def main() -> None:  # R-HSK-4
        knows = TrustedPeer(id="bob", secret="secret-of-bob")
        with (
            node_parts(tmp_path, knows, name="alice") as alice,
            node_parts(tmp_path, peer_of("alice")) as bob,  # it has no secret at all
        ):
            side = Side(alice, bob)
            with pytest.raises(UnsealError):
                await side.attempt.run()
            assert alice.sessions.newest(BOB) is None
            assert alice.trust.fingerprint_of(BOB) is None

    run(main())


def test_a_peer_that_was_faster_ends_the_wait_for_a_reply(tmp_path: Path) -> None:
    async def main() -> None:  # R-HSK-6
        with node_parts(tmp_path, peer_of("bob"), name="alice") as alice:
            side = Side(alice)
            faster = LiveSession.of(BOB, bytes(32), is_initiator=False)
            asyncio.get_running_loop().call_later(5, side.attempt.finish_with, faster)
            assert await side.attempt.run() is faster
            assert asyncio.get_running_loop().time() == pytest.approx(5)

    run(main())


def test_a_welcome_that_was_sealed_for_another_handshake_is_not_ours(tmp_path: Path) -> None:
    async def main() -> None:
        with (
            node_parts(tmp_path, peer_of("bob"), name="alice") as alice,
            node_parts(tmp_path, peer_of("alice")) as bob,
        ):
            side = Side(alice, bob)
            stranger = LiveSession.of(BOB, bytes(32), is_initiator=False)
            frame = parse_frame(stranger.seal(Welcome(status="ok")))
            assert isinstance(frame, ControlFrame)
            assert not side.attempt.take_control(frame)
            side.drops = {FrameType.CONTROL}
            await time_out(side.attempt, 5)
            assert not side.attempt.take_control(frame)
            assert alice.sessions.newest(BOB) is None

    run(main())
