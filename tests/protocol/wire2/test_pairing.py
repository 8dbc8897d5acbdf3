"""Pairing by a spoken code: one guess, and both sides know who the other is (R-PAI)."""

import pytest

from ocft.crypto import Identity, PairingCode
from ocft.errors import PairingFailedError
from ocft.ids import NodeId
from ocft.protocol import Guesser, Prover
from ocft.wire import Pair, pack_handshake, parse_frame

ALICE, BOB, MALLORY = (NodeId(name) for name in ("alice", "bob", "mallory"))
A, B = (Identity.generate().public for _ in range(2))
CODE = PairingCode(7, "7-zebra-zoo")
OTHER = PairingCode(7, "7-zebra-abandon")


def prover(code: PairingCode = CODE) -> Prover:
    """Return bob, who showed the code."""
    return Prover(code, node_id=BOB, identity=B, name="Bob")


def guesser(code: PairingCode = CODE, node_id: NodeId = ALICE) -> Guesser:
    """Return alice, who typed it."""
    return Guesser(code, node_id=node_id, identity=A, name="Alice")


def parsed(frame: bytes | None) -> Pair:
    """Return a step as it comes."""
    assert frame is not None
    pair = parse_frame(frame)
    assert isinstance(pair, Pair)
    return pair


def answered(p: Prover, q: Guesser) -> Pair:
    """Return step 2."""
    return parsed(p.take(parsed(q.to_send)))


def changed(pair: Pair, field: str) -> Pair:
    """Return a step with one field changed."""
    value = getattr(pair, field)
    new: object
    if isinstance(value, bytes):
        new = value[:-1] + bytes([value[-1] ^ 1])
    else:
        new = value + ("x" if isinstance(value, str) else 1)
    return pair.model_copy(update={field: new})


def test_with_the_right_code_each_side_learns_who_the_other_is() -> None:  # R-PAI-3
    p, q = prover(), guesser()
    q.take(answered(p, q))
    q.take(parsed(p.take(parsed(q.to_send))))
    assert p.paired is not None
    assert (p.paired.peer_id, p.paired.identity, p.paired.name) == (ALICE, A, "Alice")
    assert q.paired is not None
    assert (q.paired.peer_id, q.paired.identity, q.paired.name) == (BOB, B, "Bob")


def test_repeats_get_the_same_bytes() -> None:  # R-PAI-2
    p, q = prover(), guesser()
    first = q.to_send
    second = p.take(parsed(first))
    assert p.take(parsed(first)) == second
    q.take(parsed(second))
    third = q.to_send
    q.take(parsed(second))
    assert q.to_send == third != first
    fourth = p.take(parsed(third))
    assert p.take(parsed(third)) == fourth
    assert p.take(parsed(first)) == second
    q.take(parsed(fourth))
    paired = q.paired
    q.take(parsed(fourth))
    assert q.paired is paired


def test_a_guesser_says_which_texts_were_steps() -> None:
    p, q = prover(), guesser()
    second = answered(p, q)
    fourth = parsed(p.take(parsed(_third(second, q))))
    assert not q.take(second)  # a repeat
    assert not q.take(fourth.model_copy(update={"sender": MALLORY}))
    assert not q.take(fourth.model_copy(update={"recipient": MALLORY}))
    assert q.take(fourth)
    assert not q.take(fourth)


def _third(second: Pair, q: Guesser) -> bytes:
    assert not q.take(second.model_copy(update={"spake": None}))
    assert not q.take(second.model_copy(update={"step": 4, "sealed": bytes(64)}))
    assert q.take(second)
    return q.to_send


def test_a_wrong_code_ends_it_on_both_sides() -> None:  # R-PAI-2
    p, q = prover(), guesser(OTHER)
    answer = answered(p, q)
    for _ in range(2):
        with pytest.raises(PairingFailedError):
            q.take(answer)
    farewell = parsed(q.to_send)
    assert farewell.sealed is not None
    assert len(farewell.sealed) < 32  # who typed it stays out of it
    with pytest.raises(PairingFailedError):
        p.take(farewell)
    assert q.paired is p.paired is None


def test_a_guesser_with_a_wrong_code_tells_the_prover_that_it_is_over() -> None:  # R-PAI-2
    p, q = prover(), guesser(OTHER)
    with pytest.raises(PairingFailedError):
        q.take(answered(p, q))
    with pytest.raises(PairingFailedError):
        p.take(parsed(q.to_send))
    assert q.paired is p.paired is None


def test_a_wrong_code_ends_it_at_the_prover_too_and_for_good() -> None:  # R-PAI-2
    """Somebody with a wrong code goes on all the same, as an attacker would."""
    p, q = prover(), guesser()
    stranger = guesser(OTHER)
    answer = answered(p, stranger)
    right = answered(prover(), q)
    q.take(right)
    forged = parsed(q.to_send)
    assert answer != right
    with pytest.raises(PairingFailedError):
        p.take(forged)
    assert p.paired is None
    assert p.take(forged) is None
    assert p.take(parsed(stranger.to_send)) is None


def test_a_second_guess_is_ignored() -> None:  # R-PAI-2
    p, q = prover(), guesser()
    answer = answered(p, q)
    for other in (guesser(), guesser(node_id=MALLORY), guesser(OTHER)):
        assert p.take(parsed(other.to_send)) is None
    q.take(answer)
    assert p.take(parsed(q.to_send)) is not None
    assert p.paired is not None


def test_somebody_else_cannot_finish_what_one_began() -> None:
    p, q = prover(), guesser()
    q.take(answered(p, q))
    third = parsed(q.to_send)
    assert p.take(third.model_copy(update={"sender": MALLORY})) is None
    assert p.paired is None
    assert p.take(third) is not None


def test_steps_for_somebody_else_change_nothing() -> None:
    p, q = prover(), guesser()
    answer = answered(p, q)
    q.take(answer.model_copy(update={"recipient": MALLORY}))
    q.take(answer)
    third = parsed(q.to_send)
    assert p.take(third.model_copy(update={"recipient": MALLORY})) is None
    fourth = parsed(p.take(third))
    q.take(fourth.model_copy(update={"recipient": MALLORY}))
    q.take(fourth.model_copy(update={"sender": MALLORY}))
    assert q.paired is None
    q.take(fourth)
    assert q.paired is not None


@pytest.mark.parametrize("field", ["sender", "spake", "mac"])
def test_an_answer_that_was_changed_ends_it(field: str) -> None:
    p, q = prover(), guesser()
    with pytest.raises(PairingFailedError):
        q.take(changed(answered(p, q), field))
    assert q.paired is None


@pytest.mark.parametrize("field", ["n", "sender", "spake"])
def test_a_guess_that_was_changed_ends_it_at_the_guesser(field: str) -> None:
    p, q = prover(), guesser()
    guess = changed(parsed(q.to_send), field)
    try:
        answer = parsed(p.take(guess))
    except PairingFailedError:
        assert field == "spake"
        assert p.take(parsed(q.to_send)) is None  # one guess a code
        return
    if field == "n":
        q.take(answer)  # the number is only a label of the text: the driver looks it up
        return
    answer = answer.model_copy(update={"recipient": ALICE})
    with pytest.raises(PairingFailedError):
        q.take(answer)


@pytest.mark.parametrize("step", [3, 4])
def test_k3_a_sealed_step_that_was_changed_or_cut_ends_it(step: int) -> None:
    p, q = prover(), guesser()
    q.take(answered(p, q))
    third = parsed(q.to_send)
    sealed = third if step == 3 else parsed(p.take(third))
    assert sealed.sealed is not None
    broken = [
        changed(sealed, "sealed"),
        sealed.model_copy(update={"sealed": sealed.sealed[:-1]}),
        sealed.model_copy(update={"sealed": bytes(17)}),
    ]
    for one in broken:
        if step == 3:
            fresh, again = prover(), guesser()
            again.take(answered(fresh, again))
            with pytest.raises(PairingFailedError):
                fresh.take(one)
            assert fresh.paired is None
        else:
            with pytest.raises(PairingFailedError):
                q.take(one)
            assert q.paired is None


def test_k7_what_the_guesser_sealed_is_not_what_the_prover_says() -> None:
    """Reflection: step 3 comes back as step 4."""
    p, q = prover(), guesser()
    q.take(answered(p, q))
    third = parsed(q.to_send)
    reflected = third.model_copy(update={"sender": BOB, "recipient": ALICE, "step": 4})
    with pytest.raises(PairingFailedError):
        q.take(reflected)
    assert q.paired is None


def test_steps_out_of_their_order_change_nothing() -> None:
    p, q = prover(), guesser()
    answer = answered(p, q)
    q.take(answer)
    third = parsed(q.to_send)
    assert prover().take(third) is None
    fourth = parsed(p.take(third))
    early = guesser()
    early.take(fourth)
    early.take(third.model_copy(update={"recipient": ALICE}))
    assert early.paired is None
    assert p.take(fourth.model_copy(update={"recipient": BOB, "sender": ALICE})) is None


def test_both_sides_of_one_code_with_the_same_role_do_not_pair() -> None:
    """Two who typed the code, or a prover that hears itself."""
    one, other = guesser(), guesser(node_id=BOB)
    one.take(parsed(other.to_send).model_copy(update={"recipient": ALICE}))
    assert one.paired is None
    p = prover()
    q = guesser()
    answer = answered(p, q)
    assert p.take(answer) is None


def test_k13_nothing_that_travels_has_the_words_or_the_identities_in_it() -> None:
    p, q = prover(), guesser()
    frames = [q.to_send, p.take(parsed(q.to_send))]
    q.take(parsed(frames[1]))
    frames += [q.to_send, p.take(parsed(q.to_send))]
    for frame in frames:
        assert frame is not None
        assert b"zebra" not in frame
        assert A.to_bytes()[:32] not in frame
        assert B.to_bytes()[:32] not in frame
        assert pack_handshake(parsed(frame)) == frame
