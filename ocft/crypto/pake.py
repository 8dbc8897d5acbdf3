"""Pairing by a short code: SPAKE2 makes 22 bits enough (protocol.md 2.7).

Who does not know the code gets one guess a run, and nothing to try further guesses on.
"""

import hmac
import re
import secrets
import unicodedata
from dataclasses import dataclass, field
from functools import cache
from typing import Final

from ocft.crypto.derivation import derive, transcript
from ocft.errors import ConfigError, UnsealError

_MAX_NUMBER: Final = 999
_MAX_TYPED: Final = 64
"""Characters of a typed code; the longest code has 21."""
_UNIQUE: Final = 4
"""No two words of the BIP 39 list begin with the same four letters."""
_ELEMENT: Final = 33
"""A SPAKE2 message: the side in 1 byte, a point of Ed25519 in 32."""
_FIELD: Final = 2**255 - 19


@dataclass(frozen=True, slots=True)
class PairingCode:
    """What one person shows and the other types: `N-word-word`."""

    number: int
    """1 to 999; public, it only tells which code is meant."""
    text: str = field(repr=False)
    """The whole code in its one form; good for one pairing, and a secret until then."""


def make_pairing_code() -> PairingCode:
    """Return a new code: a number and two of 2,048 words, 22 random bits."""
    number = 1 + secrets.randbelow(_MAX_NUMBER)
    words = [secrets.choice(_words()) for _ in range(2)]
    return PairingCode(number, "-".join([str(number), *words]))


def parse_pairing_code(text: str) -> PairingCode:
    """Read a code as somebody typed it: in any case, with any dashes, spaces or quotes.

    Raises:
        ConfigError: It is no code. The message says which part is wrong, and does not repeat it,
            except that it names the word that was probably meant.
    """
    if len(text) > _MAX_TYPED:
        raise ConfigError("This is too long for a pairing code.")
    folded = unicodedata.normalize("NFKC", text).casefold()
    parts = [part for part in re.split(r"[\W_]+", folded) if part]
    if len(parts) != 3:  # noqa: PLR2004 - number, word, word
        raise ConfigError("A pairing code is a number and two words, such as 7-zebra-zoo.")
    number = int(parts[0]) if re.fullmatch(r"[0-9]{1,3}", parts[0]) else 0
    if not number:
        raise ConfigError(f"A pairing code begins with a number from 1 to {_MAX_NUMBER}.")
    for place, word in zip(("first", "second"), parts[1:], strict=True):
        if word not in _words():
            meant = [one for one in _words() if one[:_UNIQUE] == word[:_UNIQUE]]
            hint = f" Did you mean {meant[0]!r}?" if meant else ""
            raise ConfigError(f"The {place} word of the pairing code is not in the list.{hint}")
    return PairingCode(number, "-".join([str(number), *parts[1:]]))


class SpakeRun:
    """One run of SPAKE2 over any secret. Never used for two: that would give a second guess.

    Args:
        secret: What both sides should have.
        names: What A and B are called, in this order; bound.
        is_a: Whether this is side A.
    """

    message: bytes
    """Ours to send; 33 bytes."""

    def __init__(self, secret: bytes, names: tuple[bytes, bytes], *, is_a: bool) -> None:
        # Imported here: it computes points at import, and few commands need it.
        from spake2 import SPAKE2_A, SPAKE2_B

        side = SPAKE2_A if is_a else SPAKE2_B
        self._run = side(secret, idA=names[0], idB=names[1])
        self.message = self._run.start()

    def finish(self, theirs: bytes) -> bytes:
        """Return the key K; that the other side has the same one, only its `mac` shows.

        Args:
            theirs: The other side's message, as it came.

        Returns:
            32 bytes.

        Raises:
            UnsealError: It is no message of the other side, or this run was finished before.
        """
        from spake2 import SPAKEError
        from spake2.ed25519_basic import NotOnCurve

        y = int.from_bytes(theirs[1:], "little") % 2**255
        # Points have one form. The library takes others too, and with them the neutral point.
        if len(theirs) != _ELEMENT or not 1 < y < _FIELD:
            raise UnsealError("A message that proves a code is malformed.")
        try:
            shared: bytes = self._run.finish(theirs)
        except (SPAKEError, NotOnCurve, ValueError) as error:
            raise UnsealError("A message that proves a code is not valid.") from error
        return shared


class Spake(SpakeRun):
    """One run of SPAKE2 over a pairing code.

    Args:
        code: The code that both sides should have.
        is_prover: Whether this is P, who showed the code.
    """

    def __init__(self, code: PairingCode, *, is_prover: bool) -> None:
        names = (b"OCFT 2 pair P", b"OCFT 2 pair Q")
        super().__init__(code.text.encode("ascii"), names, is_a=is_prover)


@dataclass(frozen=True, slots=True)
class PairingKeys:
    """What a run of SPAKE2 gives both sides (R-PAI-1)."""

    mac: bytes = field(repr=False)
    """Shows that P got the same K; 32 bytes."""
    prover_key: bytes = field(repr=False)
    """For :func:`seal_once`: seals P's identity; 44 bytes."""
    guesser_key: bytes = field(repr=False)
    """Seals Q's identity; 44 bytes."""


def pairing_keys(  # noqa: PLR0917 - all six are bound, in this order
    shared: bytes,
    number: int,
    prover_id: str,
    guesser_id: str,
    prover_message: bytes,
    guesser_message: bytes,
) -> PairingKeys:
    """Return the keys that the pairing's last steps are sealed with (R-PAI-1).

    Args:
        shared: K, from :meth:`Spake.finish`.
        number: The code's.
        prover_id: The node id of P, who showed the code.
        guesser_id: The node id of Q, who typed it.
        prover_message: P's SPAKE2 message.
        guesser_message: Q's.
    """
    t = transcript(
        "OCFT 2 pair",
        str(number).encode("ascii"),
        prover_id.encode("utf-8", "surrogatepass"),
        guesser_id.encode("utf-8", "surrogatepass"),
        prover_message,
        guesser_message,
    )
    return PairingKeys(
        mac=hmac.digest(derive(t, shared, b"OCFT 2 pair mac", 32), t, "sha256"),
        prover_key=derive(t, shared, b"OCFT 2 pair P", 44),
        guesser_key=derive(t, shared, b"OCFT 2 pair Q", 44),
    )


@cache
def _words() -> tuple[str, ...]:
    """Return the 2,048 words of the English BIP 39 list."""
    from mnemonic import Mnemonic

    return tuple(Mnemonic("english").wordlist)
