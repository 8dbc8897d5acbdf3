"""Lets in who has the password of a session, and slows down who guesses (R-SHR-12)."""

import secrets
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from ocft.crypto import PasswordProof, PasswordRun, format_octets
from ocft.share.server.refusals import RateLimited, WrongPassword

_FREE: Final = 5
"""Wrong passwords of one address before it waits."""
_MAX_WAIT: Final = 60.0  # seconds
_MAX_WRONG: Final = 30
"""Wrong passwords of one session before nobody is let in any more."""
_MAX_TRIES: Final = 32
_TRY_SECONDS: Final = 60.0
_MAX_ADDRESSES: Final = 1000


@dataclass(frozen=True, slots=True)
class PasswordSecret:
    """What a server keeps of a password: neither it nor the code can be had from it cheaply."""

    p: bytes = field(repr=False)
    """32 bytes that the session's key is made with."""
    verifier: bytes = field(repr=False)
    """32 bytes, from `password_verifier`."""


@dataclass(frozen=True, slots=True)
class _Try:
    proof: PasswordProof
    address: str
    ends: float


class PasswordGate:
    """The password of one session, and who tried it.

    Each try counts as wrong from its beginning until it is finished by the right proof: who learns
    from the server's answer that it guessed wrong has no need to tell.

    Args:
        secret: The password's.
        wrong: Wrong passwords so far, of an earlier process.
    """

    def __init__(self, secret: PasswordSecret, *, wrong: int = 0) -> None:
        self.secret = secret
        self.wrong = wrong
        """Wrong passwords within the session's life."""
        self._of_address: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._tries: OrderedDict[str, _Try] = OrderedDict()

    @property
    def is_locked(self) -> bool:
        """Whether nobody is let in any more."""
        return self.wrong >= _MAX_WRONG

    def count(self, address: str, now: float) -> None:
        """Count a try, before anything is computed for it.

        Raises:
            RateLimited: This address has to wait, or the password is locked.
        """
        if self.is_locked:
            raise RateLimited("Too many wrong passwords: this session is locked.", wait=None)
        wrong, last = self._of_address.get(address, (0, 0.0))
        if wrong >= _FREE:
            wait = last + min(2.0 ** (wrong - _FREE + 1), _MAX_WAIT) - now
            if wait > 0:
                raise RateLimited("Too many wrong passwords; wait a little.", wait=wait)
        self.wrong += 1
        self._of_address[address] = (wrong + 1, now)
        self._of_address.move_to_end(address)
        while len(self._of_address) > _MAX_ADDRESSES:
            self._of_address.popitem(last=False)

    def answer(self, message: bytes) -> tuple[bytes, PasswordProof]:
        """Answer a receiver's message; some milliseconds of arithmetic, for a worker thread.

        Raises:
            UnsealError: It is no such message.
        """
        run = PasswordRun(self.secret.verifier, is_receiver=False)
        return run.message, run.finish(message)

    def remember(self, proof: PasswordProof, address: str, now: float) -> str:
        """Keep a try until the receiver proves that it has the password, and name it."""
        name = format_octets(secrets.token_bytes(16))
        self._tries[name] = _Try(proof, address, now + _TRY_SECONDS)
        while len(self._tries) > _MAX_TRIES:
            self._tries.popitem(last=False)
        return name

    def finish(self, name: str, mac: bytes, now: float) -> bytes:
        """Return P, sealed for who proved the password; each try is finished once.

        Raises:
            WrongPassword: The proof is wrong, late, or belongs to no try.
        """
        one = self._tries.pop(name, None)
        if one is None or one.ends < now or not one.proof.matches(mac):
            raise WrongPassword("The password is wrong.")
        self.wrong -= 1
        self._of_address.pop(one.address, None)
        return one.proof.seal_p(self.secret.p)
