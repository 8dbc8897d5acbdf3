"""The handshake: who is there is proved, or nothing is established (R-HSK)."""

from dataclasses import dataclass

import pytest
from pydantic import BaseModel

from ocft.crypto import EphemeralKey, Identity, session_keys
from ocft.errors import FingerprintChangedError, UnsealError
from ocft.ids import NodeId
from ocft.protocol import Established, Initiator, Responder
from ocft.wire import Finish, Hello, Reply, Welcome, pack_handshake, parse_frame

ALICE, BOB, MALLORY = (NodeId(name) for name in ("alice", "bob", "mallory"))
A, B, M = (Identity.generate() for _ in range(3))
SECRET = "bob's secret"
NONCE = bytes(range(32))
_LOW_ORDER = bytes(32)  # an X25519 point whose results are all zero


@dataclass
class Run:
    """A handshake of alice with bob, one step at a time."""

    known_to_alice: bytes | None = None
    known_to_bob: bytes | None = None
    alice_knows_secret: str = ""
    bobs_secrets: tuple[str, ...] = (SECRET,)
    alice: Identity = A
    bob: Identity = B

    def __post_init__(self) -> None:
        self.initiator = Initiator(
            self.alice,
            node_id=ALICE,
            peer_id=BOB,
            nonce=NONCE,
            known=self.known_to_alice,
            peer_secret=self.alice_knows_secret,
        )

    @property
    def hello(self) -> Hello:
        """The HELLO, as it comes."""
        hello = parse_frame(self.initiator.hello)
        assert isinstance(hello, Hello)
        return hello

    def respond(self, hello: Hello | None = None) -> Reply:
        """Let bob answer."""
        self.responder = Responder(
            self.bob,
            node_id=BOB,
            hello=hello or self.hello,
            nonce=NONCE,
            known=self.known_to_bob,
        )
        reply = parse_frame(self.responder.reply)
        assert isinstance(reply, Reply)
        return reply

    def finish(self, reply: Reply) -> Finish:
        """Let alice answer that."""
        self.initiator.take_reply(reply)
        assert self.initiator.finish is not None
        finish = parse_frame(self.initiator.finish)
        assert isinstance(finish, Finish)
        return finish

    def establish(self, finish: Finish) -> Established:
        """Let bob take the end."""
        return self.responder.take_finish(
            finish, known=self.known_to_bob, secrets=self.bobs_secrets
        )

    def welcomed(self, welcome: Welcome, *, trusts_unknown: bool = False) -> Established | None:
        """Let alice take what that is answered with."""
        return self.initiator.take_welcome(
            welcome, known=self.known_to_alice, trusts_unknown=trusts_unknown
        )

    def to_finish(self) -> Finish:
        """Go on until alice's last frame."""
        return self.finish(self.respond())


def tampered(message: BaseModel) -> list[tuple[str, BaseModel]]:
    """Return the message with each of its fields changed, one at a time."""
    found = []
    for name, value in message:
        match value:
            case bytes():
                changed: object = bytes([value[0] ^ 1, *value[1:]])
            case str():
                changed = value + "x"
            case tuple():
                changed = (*value, 3)
            case _:
                changed = bytes(32)
        found.append((name, message.model_copy(update={name: changed})))
    return found


_FIELDS_OF_REPLY = ["sender", "recipient", "hello", "nonce", "id", "eph", "ct", "sig"]
_FIELDS_OF_FINISH = ["sender", "recipient", "reply", "ct", "sig", "mac", "proof"]


def test_both_sides_get_the_same_root_key() -> None:
    run = Run()
    at_bob = run.establish(run.to_finish())
    at_alice = run.welcomed(run.responder.welcome(is_ok=True), trusts_unknown=True)
    assert at_alice is not None
    assert at_alice.root == at_bob.root == run.initiator.root
    assert (at_alice.peer_id, at_alice.identity, at_alice.is_initiator) == (BOB, B.public, True)
    assert (at_bob.peer_id, at_bob.identity, at_bob.is_initiator) == (ALICE, A.public, False)
    ours = session_keys(at_alice.root, is_initiator=True)
    theirs = session_keys(at_bob.root, is_initiator=False)
    assert (ours.seal_key, ours.seal_tag) == (theirs.open_key, theirs.open_tag)


def test_every_handshake_has_a_root_key_of_its_own() -> None:
    roots = set()
    for _ in range(3):
        run = Run()
        roots.add(run.establish(run.to_finish()).root)
    assert len(roots) == 3


def test_handshakes_that_cross_both_succeed() -> None:  # R-HSK-6
    one = Run()
    other = Run(alice=B, bob=A)
    first, second = one.to_finish(), other.to_finish()
    assert one.establish(first).root != other.establish(second).root


# What is tampered with: R-HSK-1, case K1 and K5


@pytest.mark.parametrize("field", _FIELDS_OF_REPLY)
def test_a_reply_with_any_field_changed_is_refused(field: str) -> None:
    run = Run()
    changed = dict(tampered(run.respond()))[field]
    assert isinstance(changed, Reply)
    with pytest.raises(UnsealError):
        run.initiator.take_reply(changed)
    assert run.initiator.finish is None
    assert run.initiator.root is None


def test_all_fields_of_a_reply_and_a_finish_are_tampered_with() -> None:
    run = Run(alice_knows_secret=SECRET)
    reply = run.respond()
    finish = run.finish(reply)
    assert [name for name, _ in tampered(reply)] == _FIELDS_OF_REPLY
    assert [name for name, _ in tampered(finish)] == _FIELDS_OF_FINISH


@pytest.mark.parametrize("field", [one for one in _FIELDS_OF_FINISH if one != "proof"])
def test_a_finish_with_any_field_changed_is_refused(field: str) -> None:
    run = Run(alice_knows_secret=SECRET)
    finish = run.to_finish()
    changed = dict(tampered(finish))[field]
    assert isinstance(changed, Finish)
    with pytest.raises(UnsealError):
        run.establish(changed)
    with pytest.raises(UnsealError):
        run.responder.welcome(is_ok=True)
    assert run.establish(finish).proved_secret == SECRET  # the right one still counts


@pytest.mark.parametrize("bit", [0, 100, 255])
def test_a_proof_that_was_changed_proves_nothing(bit: int) -> None:
    run = Run(alice_knows_secret=SECRET)
    finish = run.to_finish()
    assert finish.proof is not None
    changed = (int.from_bytes(finish.proof) ^ 1 << bit).to_bytes(32)
    assert run.establish(finish.model_copy(update={"proof": changed})).proved_secret is None


@pytest.mark.parametrize("field", ["v", "sender", "recipient", "nonce", "id", "eph"])
def test_a_hello_that_was_changed_on_its_way_ends_in_nothing(field: str) -> None:
    run = Run()
    changed = dict(tampered(run.hello))[field]
    assert isinstance(changed, Hello)
    try:
        reply = run.respond(changed)
    except UnsealError:
        return  # it holds no identity any more
    with pytest.raises(UnsealError):
        run.initiator.take_reply(reply)


def test_the_reply_to_another_hello_is_refused() -> None:
    run, other = Run(), Run()
    with pytest.raises(UnsealError):
        run.initiator.take_reply(other.respond())


def test_the_finish_for_another_reply_is_refused() -> None:
    run, other = Run(), Run()
    run.respond()
    with pytest.raises(UnsealError):
        run.establish(other.to_finish())


def test_a_reply_signed_by_somebody_else_is_refused() -> None:
    """Mallory answers with bob's identity, which he does not hold."""
    run = Run()
    forged = (
        Run(bob=M)
        .respond()
        .model_copy(update={"hello": run.initiator.hello_hash, "id": B.public.to_bytes()})
    )
    with pytest.raises(UnsealError):
        run.initiator.take_reply(forged)


def test_who_does_not_hold_the_identity_of_his_hello_cannot_finish() -> None:
    """Mallory says hello with alice's identity: he cannot open what is sealed for it."""
    hello = Run(alice=M).hello.model_copy(update={"id": A.public.to_bytes()})
    run = Run()
    run.respond(hello)
    mallory = Run(alice=M)
    for finish in (mallory.to_finish(),):
        named = finish.model_copy(update={"reply": run.responder.replied})
        with pytest.raises(UnsealError):
            run.establish(named)


def test_k9_a_point_of_low_order_ends_the_handshake() -> None:
    run = Run()
    reply = run.respond()
    with pytest.raises(UnsealError):
        run.initiator.take_reply(reply.model_copy(update={"eph": _LOW_ORDER}))
    lowly = run.hello.model_copy(update={"eph": _LOW_ORDER})
    other = Run()
    other.initiator.hello = pack_handshake(lowly)
    other.respond(lowly)
    with pytest.raises(UnsealError):  # the reply does not name alice's HELLO
        other.initiator.take_reply(other.respond(lowly))


def test_k9_a_signed_point_of_low_order_is_refused_too() -> None:
    """The peer itself is hostile, and signs what would make the key guessable."""

    class _Lowly:
        public = _LOW_ORDER

        def exchange(self, theirs: bytes) -> bytes:
            return bytes(32)

    run = Run()
    original, EphemeralKey.generate = EphemeralKey.generate, _Lowly  # type: ignore[assignment,method-assign]
    try:
        reply = run.respond()
    finally:
        EphemeralKey.generate = original  # type: ignore[method-assign]
    with pytest.raises(UnsealError, match="X25519"):
        run.initiator.take_reply(reply)
    assert run.initiator.finish is None


def test_k7_a_reply_of_our_own_making_is_no_answer() -> None:
    """Reflection: alice's HELLO comes back to her, and her answer to that too."""
    run = Run()
    mirror = Responder(A, node_id=ALICE, hello=run.hello, nonce=NONCE, known=None)
    reply = parse_frame(mirror.reply)
    assert isinstance(reply, Reply)
    for reflected in (reply, reply.model_copy(update={"sender": BOB})):
        with pytest.raises(UnsealError):
            run.initiator.take_reply(reflected)


# Fingerprints: R-HSK-2


def test_a_known_fingerprint_on_both_sides_is_enough() -> None:
    run = Run(known_to_alice=B.public.fingerprint, known_to_bob=A.public.fingerprint)
    run.establish(run.to_finish())
    welcome = run.responder.welcome(is_ok=True)
    established = run.welcomed(welcome)
    assert established is not None
    assert established.proved_secret is None


def test_another_identity_than_the_known_one_ends_the_handshake_at_the_initiator() -> None:
    run = Run(known_to_alice=B.public.fingerprint, bob=M)
    reply = run.respond()
    with pytest.raises(FingerprintChangedError) as caught:
        run.initiator.take_reply(reply)
    assert "bob" in str(caught.value)
    assert run.initiator.finish is None


def test_another_identity_than_the_known_one_ends_the_handshake_at_the_responder() -> None:
    run = Run(known_to_bob=A.public.fingerprint, alice=M)
    with pytest.raises(FingerprintChangedError):
        run.respond()


def test_a_fingerprint_that_is_learnt_before_the_finish_counts() -> None:
    """Alice paired with bob while mallory, in her name, had the answer to a HELLO."""
    run = Run(alice=M, alice_knows_secret=SECRET)
    finish = run.to_finish()
    run.known_to_bob = A.public.fingerprint
    with pytest.raises(FingerprintChangedError):
        run.establish(finish)
    with pytest.raises(UnsealError):
        run.responder.welcome(is_ok=True)


def test_a_fingerprint_that_is_learnt_before_a_repeat_of_the_finish_counts() -> None:
    run = Run(alice=M, alice_knows_secret=SECRET)
    finish = run.to_finish()
    run.establish(finish)
    run.known_to_bob = A.public.fingerprint
    with pytest.raises(FingerprintChangedError):
        run.establish(finish)


def test_a_fingerprint_that_is_learnt_before_the_welcome_counts() -> None:
    run = Run(bob=M)
    run.establish(run.to_finish())
    run.known_to_alice = B.public.fingerprint
    with pytest.raises(FingerprintChangedError):
        run.welcomed(run.responder.welcome(is_ok=True), trusts_unknown=True)
    run.known_to_alice = M.public.fingerprint
    assert run.welcomed(run.responder.welcome(is_ok=True)) is not None


def test_a_fingerprint_that_is_known_no_longer_is_no_reason_to_believe() -> None:
    """Bob was revoked while he was asked."""
    run = Run(known_to_alice=B.public.fingerprint, alice_knows_secret=SECRET)
    run.establish(run.to_finish())
    run.known_to_alice = None
    with pytest.raises(UnsealError):
        run.welcomed(Welcome(status="ok"), trusts_unknown=True)


# Secrets: R-HSK-3, R-HSK-4


def test_the_secret_is_proved_in_both_directions() -> None:
    run = Run(alice_knows_secret=SECRET)
    assert run.establish(run.to_finish()).proved_secret == SECRET
    established = run.welcomed(run.responder.welcome(is_ok=True))
    assert established is not None
    assert established.proved_secret == SECRET


def test_the_former_secret_counts_as_long_as_it_is_given() -> None:  # R-HSK-3
    run = Run(alice_knows_secret="old", bobs_secrets=("new", "old"))
    assert run.establish(run.to_finish()).proved_secret == "old"


@pytest.mark.parametrize("known", [None, A.public.fingerprint], ids=["stranger", "known"])
def test_a_wrong_secret_is_as_good_as_none(known: bytes | None) -> None:  # R-HSK-1
    guessing = Run(alice_knows_secret="guess", known_to_bob=known)
    silent = Run(known_to_bob=known)
    for is_ok in (False, True):
        answers = set()
        for run in (guessing, silent):
            finish = run.finish(run.respond())
            assert run.establish(finish).proved_secret is None
            answers.add(run.responder.welcome(is_ok=is_ok))
        assert len(answers) == 1  # who guesses learns what a stranger learns
        guessing.__post_init__()
        silent.__post_init__()


@pytest.mark.parametrize("secret", ["", " "])
def test_k11_an_empty_secret_proves_nothing_and_is_never_proved(secret: str) -> None:  # R-HSK-0
    run = Run(alice_knows_secret="", bobs_secrets=("", secret))
    finish = run.to_finish()
    assert finish.proof is None
    assert run.establish(finish).proved_secret is None
    assert run.responder.welcome(is_ok=True).proof is None
    forged = Run(alice_knows_secret="x", bobs_secrets=("",))
    assert forged.establish(forged.to_finish()).proved_secret is None


def test_a_peer_that_does_not_prove_its_secret_is_not_taken() -> None:  # R-HSK-4
    """Somebody in between answers in bob's name: he does not know what alice knows of bob."""
    run = Run(alice_knows_secret=SECRET, bob=M, bobs_secrets=())
    run.to_finish()
    for welcome in (Welcome(status="ok"), Welcome(status="ok", proof=bytes(32))):
        for trusts_unknown in (False, True):
            with pytest.raises(UnsealError):
                run.welcomed(welcome, trusts_unknown=trusts_unknown)


def test_k7_the_proof_of_the_initiator_is_none_of_the_responder() -> None:
    run = Run(alice_knows_secret=SECRET)
    finish = run.to_finish()
    with pytest.raises(UnsealError):
        run.welcomed(Welcome(status="ok", proof=finish.proof))


def test_a_known_fingerprint_needs_no_proof_of_the_secret() -> None:  # R-HSK-4
    run = Run(alice_knows_secret=SECRET, known_to_alice=B.public.fingerprint)
    run.establish(run.to_finish())
    established = run.welcomed(Welcome(status="ok"))
    assert established is not None
    assert established.proved_secret is None


def test_a_peer_of_which_nothing_is_known_is_taken_only_instead_of_wire_1() -> None:  # R-HSK-4
    run = Run()
    run.establish(run.to_finish())
    welcome = run.responder.welcome(is_ok=True)
    with pytest.raises(UnsealError):
        run.welcomed(welcome)
    assert run.welcomed(welcome, trusts_unknown=True) is not None


def test_pending_establishes_nothing_and_tells_nothing() -> None:  # R-HSK-3
    run = Run(alice_knows_secret=SECRET)
    run.establish(run.to_finish())
    welcome = run.responder.welcome(is_ok=False)
    assert welcome == Welcome(status="pending", proof=None)
    assert run.welcomed(welcome, trusts_unknown=True) is None


# Order and repeats: R-HSK-5


def test_repeats_get_the_same_bytes() -> None:
    run = Run(alice_knows_secret=SECRET)
    hello = run.initiator.hello
    reply = run.respond()
    frame = run.responder.reply
    finish = run.finish(reply)
    sent = run.initiator.finish
    run.initiator.take_reply(reply)
    assert (run.initiator.hello, run.responder.reply, run.initiator.finish) == (hello, frame, sent)
    first = run.establish(finish)
    assert run.establish(finish) is first
    assert run.responder.welcome(is_ok=True) == run.responder.welcome(is_ok=True)


def test_a_welcome_before_the_reply_is_refused() -> None:
    run = Run()
    with pytest.raises(UnsealError):
        run.welcomed(Welcome(status="ok"), trusts_unknown=True)


def test_a_welcome_before_the_finish_is_not_made() -> None:
    run = Run()
    run.respond()
    with pytest.raises(UnsealError):
        run.responder.welcome(is_ok=True)


def test_r11_a_handshake_of_another_day_cannot_be_played_again() -> None:
    """Who recorded all of it gets an answer to the HELLO, and no further."""
    recorded = Run(alice_knows_secret=SECRET)
    hello = recorded.hello
    finish = recorded.to_finish()
    today = Run()
    today.respond(hello)
    with pytest.raises(UnsealError):
        today.establish(finish)
    named = finish.model_copy(update={"reply": today.responder.replied})
    with pytest.raises(UnsealError):
        today.establish(named)


def test_k13_what_is_established_shows_no_key_and_no_secret() -> None:
    run = Run(alice_knows_secret=SECRET)
    established = run.establish(run.to_finish())
    assert SECRET not in repr(established)
    assert repr(established.root)[2:-1] not in repr(established)
