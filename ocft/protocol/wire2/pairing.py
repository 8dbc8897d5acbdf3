"""Pairing by a spoken code: two machines that end up with each other's identity (R-PAI).

Without I/O: feed them what came, send what they return. The side that showed the code is the
prover (P), the one that typed it the guesser (Q).
"""

from dataclasses import dataclass

from ocft.crypto import (
    PairingCode,
    PairingKeys,
    PublicIdentity,
    Spake,
    open_once,
    pairing_keys,
    proofs_match,
    seal_once,
)
from ocft.errors import MalformedMessageError, PairingFailedError, UnsealError
from ocft.ids import NodeId
from ocft.wire import (
    Introduction,
    Pair,
    pack_handshake,
    pack_introduction,
    unpack_introduction,
)

_WRONG = "The codes differ. Make a new one with `ocft pair`, and type it as it is shown."


@dataclass(frozen=True, slots=True, kw_only=True)
class Paired:
    """What a pairing leaves behind."""

    peer_id: NodeId
    identity: PublicIdentity
    """The peer's."""
    name: str
    """What the peer calls itself; may be empty."""


class Prover:
    """The side that showed the code.

    Args:
        code: The code.
        node_id: Our id.
        identity: Our public identity.
        name: What we call ourselves.
    """

    def __init__(
        self, code: PairingCode, *, node_id: NodeId, identity: PublicIdentity, name: str
    ) -> None:
        self.number = code.number
        self.paired: Paired | None = None
        """The peer, once it has shown that it knows the code."""
        self._spake = Spake(code, is_prover=True)
        self._node_id = node_id
        self._introduction = Introduction(id=identity.to_bytes(), name=name)
        self._guess: Pair | None = None  # the one that we have answered
        self._is_over = False  # a guess or a seal was wrong, R-PAI-2
        self._keys: PairingKeys | None = None
        self._answer = b""
        self._welcome = b""

    def take(self, message: Pair) -> bytes | None:
        """Take in a step; return the frame that answers it.

        A repeat gets the same answer. A second guess gets none: one guess a code (R-PAI-2).

        Raises:
            PairingFailedError: The other side does not know the code; this run is over.
        """
        if self._is_over or message.recipient not in (None, self._node_id):
            return None
        if self._guess is None:
            return self._answer_guess(message) if message.step == 1 else None
        if message.sender != self._guess.sender:
            return None
        if message == self._guess:
            return self._answer
        if message.step == 3 and message.sealed is not None:  # noqa: PLR2004 - of the spec
            if self.paired is None:
                self._meet(message.sender, message.sealed)
            return self._welcome
        return None

    def _answer_guess(self, guess: Pair) -> bytes | None:
        if guess.spake is None:
            return None
        try:
            shared = self._spake.finish(guess.spake)
        except UnsealError as error:
            self._is_over = True
            raise PairingFailedError(_WRONG) from error
        self._keys = pairing_keys(
            shared, self.number, self._node_id, guess.sender, self._spake.message, guess.spake
        )
        self._guess = guess
        self._answer = pack_handshake(
            Pair(
                n=self.number,
                sender=self._node_id,
                recipient=guess.sender,
                step=2,
                spake=self._spake.message,
                mac=self._keys.mac,
            )
        )
        return self._answer

    def _meet(self, sender: NodeId, sealed: bytes) -> None:
        if self._keys is None:
            return
        try:
            self.paired = _open(self._keys.guesser_key, sealed, sender)
        except PairingFailedError:
            self._is_over = True
            raise
        introduction = pack_introduction(self._introduction)
        self._welcome = pack_handshake(
            Pair(
                n=self.number,
                sender=self._node_id,
                recipient=sender,
                step=4,
                sealed=seal_once(self._keys.prover_key, introduction),
            )
        )


class Guesser:
    """The side that typed the code.

    Args:
        code: As it was typed.
        node_id: Our id.
        identity: Our public identity.
        name: What we call ourselves.
    """

    def __init__(
        self, code: PairingCode, *, node_id: NodeId, identity: PublicIdentity, name: str
    ) -> None:
        self.number = code.number
        self.paired: Paired | None = None
        """The peer, once everything is proved."""
        self._spake = Spake(code, is_prover=False)
        self._node_id = node_id
        self._introduction = Introduction(id=identity.to_bytes(), name=name)
        self._keys: PairingKeys | None = None
        self._prover: NodeId | None = None
        self.to_send = pack_handshake(
            Pair(n=code.number, sender=node_id, step=1, spake=self._spake.message)
        )
        """The frame to send, again and again until it changes or `paired` is there."""

    def take(self, message: Pair) -> bool:
        """Take in a step; then `to_send` is what answers it.

        Returns:
            Whether it was the step that was waited for. Any other text changes nothing.

        Raises:
            PairingFailedError: The other side has another code; this run is over.
        """
        if message.recipient != self._node_id:
            return False
        if self._keys is None:
            if message.step != 2 or message.spake is None:  # noqa: PLR2004 - of the spec
                return False
            self._take_answer(message, message.spake)
            return True
        if (
            self.paired is not None
            or message.step != 4  # noqa: PLR2004
            or message.sender != self._prover
            or message.sealed is None
        ):
            return False
        self.paired = _open(self._keys.prover_key, message.sealed, message.sender)
        return True

    def _take_answer(self, answer: Pair, spake: bytes) -> None:
        try:
            shared = self._spake.finish(spake)
        except UnsealError as error:
            raise PairingFailedError(_WRONG) from error
        keys = pairing_keys(
            shared, self.number, answer.sender, self._node_id, spake, self._spake.message
        )
        is_right = proofs_match(keys.mac, answer.mac)
        # R-PAI-2: with another code the prover cannot open it, and so hears that it is over. It
        # learns no more than that, and who we are stays out of it.
        introduction = pack_introduction(self._introduction) if is_right else b"\x00"
        self.to_send = pack_handshake(
            Pair(
                n=self.number,
                sender=self._node_id,
                recipient=answer.sender,
                step=3,
                sealed=seal_once(keys.guesser_key, introduction),
            )
        )
        if not is_right:
            raise PairingFailedError(_WRONG)
        self._keys, self._prover = keys, answer.sender


def _open(key: bytes, sealed: bytes, sender: NodeId) -> Paired:
    try:
        introduction = unpack_introduction(open_once(key, sealed))
        identity = PublicIdentity.from_bytes(introduction.id)
    except (UnsealError, MalformedMessageError) as error:
        raise PairingFailedError(_WRONG) from error
    return Paired(peer_id=sender, identity=identity, name=introduction.name)
