import pytest

from ocft.crypto import PasswordRun
from ocft.share.server.passwords import _MAX_TRIES, PasswordGate, PasswordSecret
from ocft.share.server.refusals import RateLimited, WrongPassword

RIGHT = bytes(32)


def gate(*, wrong: int = 0) -> PasswordGate:
    return PasswordGate(PasswordSecret(bytes(range(32)), RIGHT), wrong=wrong)


def tried(one: PasswordGate, *, verifier: bytes = RIGHT, address: str = "a") -> tuple[str, bytes]:
    """Return a try, and what its receiver proves."""
    run = PasswordRun(verifier, is_receiver=True)
    one.count(address, 0.0)
    message, proof = one.answer(run.message)
    return one.remember(proof, address, 0.0), run.finish(message).mac


def test_the_right_password_counts_as_none() -> None:
    one = gate()
    name, mac = tried(one)
    assert one.wrong == 1
    assert len(one.finish(name, mac, 1.0)) == 48
    assert one.wrong == 0


def test_the_wrong_password_lets_nobody_in() -> None:
    one = gate()
    name, mac = tried(one, verifier=bytes(31) + b"1")
    with pytest.raises(WrongPassword):
        one.finish(name, mac, 1.0)
    assert one.wrong == 1


def test_who_has_the_password_is_not_slowed_down_by_mistakes_before() -> None:
    one = gate()
    for _ in range(3):
        for _ in range(4):
            tried(one)
        one.finish(*tried(one), 0.0)


def test_a_try_is_finished_once() -> None:
    one = gate()
    name, mac = tried(one)
    one.finish(name, mac, 1.0)
    with pytest.raises(WrongPassword):
        one.finish(name, mac, 1.0)


def test_a_try_is_not_waited_for_longer_than_a_minute() -> None:
    one = gate()
    name, mac = tried(one)
    with pytest.raises(WrongPassword):
        one.finish(name, mac, 61.0)
    assert one.wrong == 1


def test_a_try_that_nobody_finishes_counts_as_wrong() -> None:  # R-SHR-12
    one = gate()
    for _ in range(5):
        tried(one)
    with pytest.raises(RateLimited) as caught:
        tried(one)
    assert caught.value.fields == {"retry_after": 2}
    tried(one, address="b")


def test_tries_are_not_kept_without_end() -> None:
    one = gate(wrong=-1000)
    names = [tried(one, address=str(number)) for number in range(_MAX_TRIES + 1)]
    with pytest.raises(WrongPassword):
        one.finish(*names[0], 1.0)
    one.finish(*names[1], 1.0)


def test_a_locked_password_is_locked_for_all() -> None:
    one = gate(wrong=29)
    name, mac = tried(one)
    assert one.is_locked
    with pytest.raises(RateLimited) as caught:
        tried(one, address="b")
    assert caught.value.fields == {}
    one.finish(name, mac, 1.0)  # who had begun, and has it, comes in
    assert not one.is_locked


def test_what_is_kept_of_a_password_does_not_show() -> None:  # case K13
    assert repr(PasswordSecret(b"secret", b"secret")) == "PasswordSecret()"
