"""`ocft.runtime.wire2.answers`: what others who begin a handshake can cost us."""

import secrets
from pathlib import Path

import pytest

from ocft.crypto import session_keys
from ocft.errors import FingerprintChangedError, UnsealError
from ocft.events import TrustRequested
from ocft.ids import NodeId
from ocft.protocol import Initiator
from ocft.runtime.wire2 import LiveSession
from ocft.runtime.wire2.answers import Answers
from ocft.storage import TrustedPeer
from ocft.wire import ControlFrame, Finish, Hello, Reply, Welcome, parse_frame
from tests.runtime.pair import EPOCH
from tests.runtime.sealed_pair import identity_of, peer_of
from tests.runtime.wire2.parts import ALICE, BOB, Parts, node_parts


def make_answers(parts: Parts) -> Answers:
    return Answers(
        identity_of("bob"),
        node_id=BOB,
        sessions=parts.sessions,
        trust=parts.trust,
        send=parts.send,
        on_session=lambda peer_id, session: parts.begun.append((peer_id, session)),
        clock=parts.clock,
        tell=parts.events.append,
    )


def an_initiator(name: str = "alice", *, keys: str | None = None, secret: str = "") -> Initiator:
    return Initiator(
        identity_of(keys or name),
        node_id=NodeId(name),
        peer_id=BOB,
        nonce=secrets.token_bytes(32),
        known=None,
        peer_secret=secret,
    )


def hello_of(initiator: Initiator) -> Hello:
    hello = parse_frame(initiator.hello)
    assert isinstance(hello, Hello)
    return hello


def finish_of(initiator: Initiator, reply: bytes) -> Finish:
    parsed = parse_frame(reply)
    assert isinstance(parsed, Reply)
    initiator.take_reply(parsed)
    assert initiator.finish is not None
    finish = parse_frame(initiator.finish)
    assert isinstance(finish, Finish)
    return finish


def welcome_of(initiator: Initiator, frame: bytes) -> Welcome:
    parsed = parse_frame(frame)
    assert isinstance(parsed, ControlFrame)
    assert initiator.root is not None
    assert parsed.tag == session_keys(initiator.root, is_initiator=True).open_tag
    welcome = LiveSession.of(BOB, initiator.root, is_initiator=True).open(parsed)
    assert isinstance(welcome, Welcome)
    return welcome


def shake(
    parts: Parts, answers: Answers, initiator: Initiator, author: str = "alice"
) -> list[Welcome]:
    """Do a whole handshake; return what it was answered with."""
    if answers.take_hello(author, hello_of(initiator)) is not None:
        return []
    answers.take_finish(author, finish_of(initiator, parts.taken()[0]))
    return [welcome_of(initiator, frame) for frame in parts.taken()]


def test_a_trusted_peer_gets_a_root_key_and_is_pinned(tmp_path: Path) -> None:
    with node_parts(tmp_path, peer_of("alice", expires_at=EPOCH + 10)) as parts:
        initiator = an_initiator()
        assert [one.status for one in shake(parts, make_answers(parts), initiator)] == ["ok"]
        session = parts.sessions.newest(ALICE)
        assert session is not None
        assert session.root == initiator.root
        assert parts.begun == [(ALICE, session)]
        node = parts.trust.nodes.find(ALICE)
        assert node is not None
        assert node.fingerprint == identity_of("alice").public.fingerprint
        assert node.wire == "2"
        parts.clock.advance(10)
        assert parts.sessions.newest(ALICE) is None  # R-HSK-4: until the trust ends


def test_repeats_get_the_same_reply_and_a_welcome_once_a_second(tmp_path: Path) -> None:
    with node_parts(tmp_path, peer_of("alice")) as parts:  # R-HSK-5
        answers, initiator = make_answers(parts), an_initiator()
        hello = hello_of(initiator)
        for _ in range(5):
            assert answers.take_hello("alice", hello) is None
        (reply,) = parts.taken()
        parts.clock.advance(1)
        assert answers.take_hello("alice", hello) is None
        assert parts.taken() == [reply]
        finish = finish_of(initiator, reply)
        for _ in range(5):
            assert answers.take_finish("alice", finish) is None
        (welcome,) = parts.taken()
        parts.clock.advance(1)
        assert answers.take_finish("alice", finish) is None
        (again,) = parts.taken()
        assert again != welcome  # R-CTL-6: sealed anew
        assert welcome_of(initiator, again) == welcome_of(initiator, welcome)
        assert len(parts.store.all(EPOCH)) == 1


def test_a_stranger_is_told_that_it_is_pending_and_nothing_is_kept_but_its_request(
    tmp_path: Path,
) -> None:
    with node_parts(tmp_path) as parts:  # R-HSK-3
        answers = make_answers(parts)
        welcomes = shake(parts, answers, an_initiator())
        assert welcomes == [Welcome(status="pending")]
        assert parts.store.all(EPOCH) == []
        assert parts.trust.nodes.find(ALICE) is None
        (request,) = parts.trust.approvals.list(EPOCH)
        assert (request.id, request.author) == (ALICE, "alice")
        assert [type(one) for one in parts.events] == [TrustRequested]
        # It asks again: nobody is told twice.
        shake(parts, answers, an_initiator())
        assert len(parts.events) == 1
        # With other keys it is another request.
        shake(parts, answers, an_initiator(keys="mallory"))
        assert len(parts.events) == 2


def test_a_request_ends_when_the_stranger_is_one_no_longer(tmp_path: Path) -> None:
    with node_parts(tmp_path, secrets=lambda _: ("s",)) as parts:
        answers = make_answers(parts)
        shake(parts, answers, an_initiator())
        assert len(parts.trust.approvals.list(EPOCH)) == 1
        shake(parts, answers, an_initiator(secret="s"))
        assert parts.trust.approvals.list(EPOCH) == []


@pytest.mark.parametrize(
    ("secret", "is_ok"), [("current", True), ("former", True), ("older", False), ("", False)]
)
def test_proof_of_a_secret_that_counts_is_enough(
    tmp_path: Path, secret: str, *, is_ok: bool
) -> None:
    with node_parts(tmp_path, secrets=lambda _: ("current", "former")) as parts:
        (welcome,) = shake(parts, make_answers(parts), an_initiator(secret=secret))
        assert (welcome.status == "ok") is is_ok
        assert (welcome.proof is not None) is is_ok  # and we prove it in return
        assert parts.trust.knows_our_secret(ALICE) is is_ok
        # R-HSK-1: a wrong or stale proof is none, and who has one can ask for trust like anybody.
        assert len(parts.trust.approvals.list(EPOCH)) == (not is_ok)


def test_an_expired_peer_is_pending_also_with_a_proof(tmp_path: Path) -> None:
    peer = peer_of("alice", expires_at=EPOCH)
    with node_parts(tmp_path, peer, secrets=lambda _: ("s",)) as parts:
        (welcome,) = shake(parts, make_answers(parts), an_initiator(secret="s"))
        assert welcome == Welcome(status="pending")
        assert parts.store.all(EPOCH) == []


def test_another_identity_of_a_known_peer_costs_nothing(tmp_path: Path) -> None:  # R-HSK-2
    with node_parts(tmp_path, peer_of("alice")) as parts:
        answers = make_answers(parts)
        with pytest.raises(FingerprintChangedError):
            answers.take_hello("alice", hello_of(an_initiator(keys="mallory")))
        assert parts.taken() == []
        assert answers._answers == {}


@pytest.mark.parametrize("secret", ["", "s"], ids=["no proof", "a right proof"])
def test_a_fingerprint_that_was_learnt_since_the_hello_counts(tmp_path: Path, secret: str) -> None:
    with node_parts(tmp_path, secrets=lambda _: ("s",)) as parts:  # R-HSK-2
        answers, mallory = make_answers(parts), an_initiator(keys="mallory", secret=secret)
        answers.take_hello("alice", hello_of(mallory))
        finish = finish_of(mallory, parts.taken()[0])
        parts.trust.peers.add(peer_of("alice"))  # they paired meanwhile
        with pytest.raises(FingerprintChangedError):
            answers.take_finish("alice", finish)
        assert parts.taken() == []
        assert parts.store.all(EPOCH) == []
        assert parts.trust.approvals.list(EPOCH) == []
        node = parts.trust.nodes.find(ALICE)
        assert node is None or node.fingerprint is None


def test_a_peer_that_was_revoked_since_the_hello_is_a_stranger(tmp_path: Path) -> None:
    with node_parts(tmp_path, peer_of("alice")) as parts:
        answers, alice = make_answers(parts), an_initiator()
        answers.take_hello("alice", hello_of(alice))
        finish = finish_of(alice, parts.taken()[0])
        parts.trust.peers.remove("alice")
        answers.take_finish("alice", finish)
        assert welcome_of(alice, parts.taken()[0]) == Welcome(status="pending")
        assert parts.store.all(EPOCH) == []


def test_a_finish_for_nothing_is_ignored(tmp_path: Path) -> None:
    with node_parts(tmp_path, peer_of("alice")) as parts:
        answers, initiator = make_answers(parts), an_initiator()
        answers.take_hello("alice", hello_of(initiator))
        finish = finish_of(initiator, parts.taken()[0])
        other = finish.model_copy(update={"reply": bytes(32)})
        assert answers.take_finish("alice", other) == "unknown-handshake"
        parts.clock.advance(120)  # and after two minutes all are (R-HSK-5)
        assert answers.take_finish("alice", finish) == "unknown-handshake"


@pytest.mark.parametrize("field", ["sig", "mac", "ct"])
def test_a_finish_that_is_not_right_gets_silence_and_the_right_one_still_counts(
    tmp_path: Path, field: str
) -> None:
    with node_parts(tmp_path, peer_of("alice")) as parts:  # R-HSK-1
        answers, initiator = make_answers(parts), an_initiator()
        answers.take_hello("alice", hello_of(initiator))
        finish = finish_of(initiator, parts.taken()[0])
        changed = bytes(len(getattr(finish, field)))
        with pytest.raises(UnsealError):
            answers.take_finish("alice", finish.model_copy(update={field: changed}))
        assert parts.taken() == []
        assert answers.take_finish("alice", finish) is None
        assert len(parts.taken()) == 1


def test_an_author_has_one_handshake_the_newest(tmp_path: Path) -> None:
    with node_parts(tmp_path, peer_of("alice")) as parts:
        answers = make_answers(parts)
        first, second = an_initiator(), an_initiator()
        answers.take_hello("alice", hello_of(first))
        answers.take_hello("alice", hello_of(second))
        replies = parts.taken()
        assert answers.take_finish("alice", finish_of(first, replies[0])) == "unknown-handshake"
        assert answers.take_finish("alice", finish_of(second, replies[1])) is None


def test_strangers_hold_half_of_the_handshakes_and_peers_push_them_out(tmp_path: Path) -> None:
    peers = [peer_of("alice"), *(TrustedPeer(id=f"peer-{n}") for n in range(16))]
    with node_parts(tmp_path, *peers) as parts:  # R-HSK-5, T-10
        answers = make_answers(parts)

        def hello(name: str) -> str | None:
            return answers.take_hello(name, hello_of(an_initiator(name, keys="mallory")))

        results = [hello(f"stranger-{number}") for number in range(10)]
        assert results == [None] * 8 + ["busy"] * 2
        assert [hello(f"peer-{number}") for number in range(8)] == [None] * 8
        assert len(answers._answers) == 16
        assert [hello(f"peer-{number}") for number in range(8, 16)] == [None] * 8
        assert len(answers._answers) == 16
        assert not any(one.is_stranger for one in answers._answers.values())
        assert answers.take_hello("alice", hello_of(an_initiator())) == "busy"
        parts.clock.advance(120)
        assert answers.take_hello("alice", hello_of(an_initiator())) is None


def test_a_stranger_that_was_told_to_wait_holds_no_place(tmp_path: Path) -> None:  # R-HSK-5
    with node_parts(tmp_path) as parts:
        answers = make_answers(parts)
        asking = {f"stranger-{n}": an_initiator(f"stranger-{n}") for n in range(14)}

        def begins(name: str) -> str | None:
            return answers.take_hello(name, hello_of(asking[name]))

        names = list(asking)
        for name in names[:8]:
            assert begins(name) is None
        replies = parts.taken()
        assert begins(names[8]) == "busy"
        finishes = [finish_of(asking[names[n]], replies[n]) for n in range(3)]
        for name, finish in zip(names, finishes, strict=False):
            answers.take_finish(name, finish)
        # The oldest of those that were told go, one for each who comes; who waits stays.
        assert begins(names[9]) is None
        parts.clock.advance(1)
        assert answers.take_finish(names[0], finishes[0]) == "unknown-handshake"
        assert answers.take_finish(names[1], finishes[1]) is None  # a repeat
        assert [begins(name) for name in names[10:13]] == [None, None, "busy"]
        assert len(answers._answers) == 8
        assert all(one.is_stranger and not one.is_told for one in answers._answers.values())


def test_a_peer_s_id_from_another_account_gets_what_strangers_get(tmp_path: Path) -> None:
    peers = [peer_of("alice"), *(TrustedPeer(id=f"peer-{n}") for n in range(40))]
    with node_parts(tmp_path, *peers) as parts:  # R-HSK-5, T-10
        parts.trust.note_address(ALICE, "account 7")  # so that any account may speak for her
        answers = make_answers(parts)

        def begins(author: str) -> bool:
            return answers.take_hello(author, hello_of(an_initiator())) is None

        assert sum(begins(f"account {number}") for number in range(100, 140)) == 8
        for number in range(16):  # the others of their burst
            begins(f"account {number}")
        assert len(answers._answers) == 8 + 1
        assert [one.author for one in answers._answers.values() if not one.is_stranger] == [
            "account 7"
        ]


def test_who_repeats_a_peer_s_hello_before_it_came_makes_no_stranger_of_it(tmp_path: Path) -> None:
    with node_parts(tmp_path, peer_of("alice"), TrustedPeer(id="dave")) as parts:
        parts.trust.note_address(ALICE, "account 7")
        answers, alice = make_answers(parts), an_initiator()
        assert answers.take_hello("mallory", hello_of(alice)) is None
        assert answers.take_hello("account 7", hello_of(alice)) is None
        (answer,) = answers._answers.values()
        assert not answer.is_stranger
        # Whatever else mallory begins.
        answers.take_hello("mallory", hello_of(an_initiator("mallory")))
        assert answers.take_finish("account 7", finish_of(alice, parts.taken()[0])) is None
        assert parts.sessions.newest(ALICE) is not None


def test_strangers_begin_sixteen_at_once_and_then_one_a_second(tmp_path: Path) -> None:
    with node_parts(tmp_path) as parts:  # R-HSK-5
        answers = make_answers(parts)

        def tries(count: int) -> int:
            return sum(
                answers.take_hello("mallory", hello_of(an_initiator("mallory"))) is None
                for _ in range(count)
            )

        assert tries(30) == 16
        parts.clock.advance(3)
        assert tries(10) == 3


PENDING = [Welcome(status="pending")]


@pytest.mark.parametrize("who", ["stranger", "known, not trusted", "peer without fingerprint"])
def test_after_eight_wrong_proofs_an_account_proves_nothing_for_an_hour(
    tmp_path: Path, who: str
) -> None:
    peers = [TrustedPeer(id="alice")] if who == "peer without fingerprint" else []
    with node_parts(tmp_path, *peers, secrets=lambda _: ("right",)) as parts:  # R-HSK-5
        answers = make_answers(parts)
        if who == "known, not trusted":
            parts.trust.pin(ALICE, identity_of("alice").public, None)

        def guess(secret: str) -> list[Welcome]:
            parts.clock.advance(20)
            return shake(parts, answers, an_initiator(secret=secret))

        assert [guess(f"guess-{number}") for number in range(8)] == [PENDING] * 8
        assert guess("right") == []
        assert guess("wrong") == []  # the same silence
        assert parts.store.all(EPOCH) == []
        assert guess("") == PENDING  # who proves nothing is heard
        carol = an_initiator("carol", secret="right")
        assert shake(parts, answers, carol, "carol")[0].status == "ok"  # and who did not guess
        parts.clock.advance(3600)
        assert guess("right")[0].status == "ok"


def test_guesses_from_many_accounts_end_in_requests(tmp_path: Path) -> None:  # R-HSK-5
    peers = [peer_of("alice"), TrustedPeer(id="dave")]
    with node_parts(tmp_path, *peers, secrets=lambda _: ("right",)) as parts:
        answers = make_answers(parts)

        def guess(name: str, secret: str) -> str:
            parts.clock.advance(16)
            (welcome,) = shake(parts, answers, an_initiator(name, secret=secret), name)
            return welcome.status

        assert {guess(f"guesser-{number}", "wrong") for number in range(40)} == {"pending"}
        assert len(answers._wrong_proofs) == 16
        assert guess("late", "right") == "pending"  # it was not looked at; the owner decides
        assert NodeId("late") in [one.id for one in parts.trust.approvals.list(parts.wall_clock())]
        # Whom the owner has named, with or without a fingerprint, is no part of this.
        assert guess("alice", "right") == "ok"
        assert guess("dave", "right") == "ok"
        parts.clock.advance(3600)
        assert guess("late", "right") == "ok"


@pytest.mark.parametrize("field", ["sig", "mac", "ct"])
def test_only_wrong_proofs_count_as_guesses(tmp_path: Path, field: str) -> None:
    """Or anybody in the room could use up the guesses of others, by repeating and changing."""
    with node_parts(tmp_path, secrets=lambda _: ("right",)) as parts:
        answers, alice = make_answers(parts), an_initiator(secret="right")
        answers.take_hello("alice", hello_of(alice))
        finish = finish_of(alice, parts.taken()[0])
        for _ in range(20):
            for author in ("alice", "mallory"):
                changed = finish.model_copy(update={field: bytes(len(getattr(finish, field)))})
                with pytest.raises(UnsealError):
                    answers.take_finish(author, changed)
        assert answers._wrong_proofs == []
        assert answers.take_finish("alice", finish) is None
        assert parts.sessions.newest(ALICE) is not None


def test_a_wrong_proof_counts_once_a_handshake(tmp_path: Path) -> None:
    with node_parts(tmp_path, secrets=lambda _: ("right",)) as parts:
        answers, alice = make_answers(parts), an_initiator(secret="wrong")
        answers.take_hello("alice", hello_of(alice))
        finish = finish_of(alice, parts.taken()[0])
        other = finish.model_copy(update={"proof": bytes(32)})
        for _ in range(20):
            assert answers.take_finish("alice", finish) is None
            assert answers.take_finish("alice", other) == "not-proved"
        assert [author for _, author in answers._wrong_proofs] == ["alice"]


def test_whom_we_trust_by_its_fingerprint_may_miss_that_our_secret_changed(tmp_path: Path) -> None:
    with node_parts(tmp_path, peer_of("alice"), secrets=lambda _: ("new",)) as parts:
        answers = make_answers(parts)
        for _ in range(20):
            (welcome,) = shake(parts, answers, an_initiator(secret="old"))
            assert welcome == Welcome(status="ok")
            parts.clock.advance(1)
        assert answers._wrong_proofs == []


def test_a_peer_that_was_taken_for_1_0_is_not_any_more(tmp_path: Path) -> None:  # R-WIR-1
    with node_parts(tmp_path) as parts:
        parts.trust.remember_as_wire_1(ALICE)
        assert parts.trust.is_known_as_wire_1(ALICE)
        answers = make_answers(parts)
        answers.take_hello("mallory", hello_of(an_initiator()))
        assert parts.trust.is_known_as_wire_1(ALICE)  # that is no word of hers
        answers.take_hello("alice", hello_of(an_initiator()))
        assert not parts.trust.is_known_as_wire_1(ALICE)


def test_a_hello_of_a_stranger_leaves_no_trace(tmp_path: Path) -> None:  # R-HSK-3
    with node_parts(tmp_path) as parts:
        make_answers(parts).take_hello("mallory", hello_of(an_initiator("mallory")))
        assert parts.trust.nodes.find(NodeId("mallory")) is None
