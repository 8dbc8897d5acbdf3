"""Handshakes that others begin: what each of them may cost us is bounded (R-HSK-3, R-HSK-5)."""

import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from ocft.channels import TokenBucket
from ocft.crypto import Identity, format_fingerprint, transcript
from ocft.events import Event, TrustRequested
from ocft.ids import NodeId, TransferId
from ocft.protocol import Responder
from ocft.runtime.wire2.sessions import LiveSession, Sessions
from ocft.runtime.wire2.trust import Trust
from ocft.wire import Finish, Hello, pack_handshake

_log = logging.getLogger(__name__)
MOST_OPEN: Final = 16
"""Handshakes that are open at once."""
_MOST_OPEN_OF_STRANGERS: Final = 8
_OPEN_SECONDS: Final = 120.0
_STRANGERS_PER_SECOND: Final = 1.0
_STRANGERS_BURST: Final = 16
_ANSWER_PAUSE: Final = 1.0
_MOST_WRONG_PROOFS: Final = 8  # of an author
_MOST_WRONG_PROOFS_OF_ALL: Final = 16
_PROOF_SECONDS: Final = 3600.0


@dataclass(slots=True, eq=False)
class _Answer:
    """A handshake that somebody else began."""

    responder: Responder
    author: str
    is_stranger: bool
    since: float
    replied_at: float
    session: LiveSession | None = None
    finish: Finish | None = None
    is_ok: bool = False
    welcomed_at: float = field(default=-_ANSWER_PAUSE)

    @property
    def is_told(self) -> bool:
        """Whether it is over, and kept only for the sake of a repeat."""
        return self.session is not None


class Answers:
    """The handshakes that others have begun.

    Args:
        identity: Ours.
        node_id: Our id.
        sessions: Where root keys go.
        trust: Who may have one.
        send: Sends a frame to an address in the background.
        on_session: Told about a peer's new root key.
        clock: Seconds on the event loop's clock.
        tell: Takes events.
    """

    def __init__(
        self,
        identity: Identity,
        *,
        node_id: NodeId,
        sessions: Sessions,
        trust: Trust,
        send: Callable[[str, bytes], None],
        on_session: Callable[[NodeId, LiveSession], None],
        clock: Callable[[], float],
        tell: Callable[[Event], None],
    ) -> None:
        self._identity = identity
        self._node_id = node_id
        self._sessions = sessions
        self._trust = trust
        self._send = send
        self._on_session = on_session
        self._clock = clock
        self._tell = tell
        self._answers: dict[bytes, _Answer] = {}  # by what the FINISH names, the oldest first
        self._strangers = TokenBucket(_STRANGERS_PER_SECOND, _STRANGERS_BURST)
        self._wrong_proofs: list[tuple[float, str]] = []  # when, and whose

    def take_hello(self, author: str, hello: Hello) -> str | None:
        """Take in the beginning of a handshake; return why it was ignored, or None.

        Raises:
            UnsealError: It holds no identity.
            FingerprintChangedError: The peer has another identity than the one that we know.
        """
        now = self._clock()
        self._forget_old(now)
        is_stranger = self._trust.is_stranger(hello.sender, author)
        hello_hash = transcript("OCFT 2 hello", pack_handshake(hello))
        for answer in self._answers.values():
            if answer.responder.hello_hash == hello_hash:
                if answer.is_stranger and not is_stranger:
                    # Somebody had repeated a peer's HELLO before it came.
                    answer.author, answer.is_stranger = author, False
                if now - answer.replied_at >= _ANSWER_PAUSE:
                    answer.replied_at = now
                    self._send(author, answer.responder.reply)
                return None
        if is_stranger:
            if self._strangers.wait_before(now) > 0:
                return "busy"
            self._strangers.take(now)
        if not self._make_room(author, is_stranger=is_stranger):
            return "busy"
        responder = Responder(
            self._identity,
            node_id=self._node_id,
            hello=hello,
            nonce=secrets.token_bytes(32),
            known=self._trust.fingerprint_of(hello.sender),
        )
        # R-WIR-1. Of a stranger nothing is kept, and nobody says what another account speaks.
        is_kept = self._trust.nodes.find(hello.sender) is not None or not is_stranger
        if is_kept and self._trust.is_account_of(hello.sender, author):
            self._trust.remember_as_wire_2(hello.sender)
        self._answers[responder.replied] = _Answer(responder, author, is_stranger, now, now)
        self._send(author, responder.reply)
        return None

    def take_finish(self, author: str, finish: Finish) -> str | None:
        """Take in the end of a handshake; return why it was ignored, or None.

        Raises:
            UnsealError: A signature, a seal or the mac is wrong.
            FingerprintChangedError: The peer has another identity than the one that we know.
        """
        now = self._clock()
        self._forget_old(now)
        answer = self._answers.get(finish.reply)
        if answer is None:
            return "unknown-handshake"
        if answer.session is None:
            if finish.proof is not None and self._has_guessed(author, finish.sender):
                return "busy"
            self._establish(answer, finish, author)
        elif finish != answer.finish:
            return "not-proved"  # only the very same one is a repeat
        if answer.session is not None and now - answer.welcomed_at >= _ANSWER_PAUSE:
            answer.welcomed_at = now
            welcome = answer.responder.welcome(is_ok=answer.is_ok)
            self._send(answer.author, answer.session.seal(welcome))
        return None

    def _establish(self, answer: _Answer, finish: Finish, author: str) -> None:
        trust, peer_id = self._trust, answer.responder.peer_id
        may_prove = not trust.is_stranger(peer_id, author) or self._may_strangers_prove()
        established = answer.responder.take_finish(
            finish,
            known=trust.fingerprint_of(peer_id),
            secrets=trust.secrets(trust.wall_clock()) if may_prove else (),
        )
        # Whose HELLO was first may have been somebody who repeated it.
        answer.author, answer.finish = author, finish
        is_authorised = self._is_authorised(peer_id)
        is_wrong = finish.proof is not None and established.proved_secret is None
        if is_wrong and may_prove and not is_authorised:
            self._wrong_proofs.append((self._clock(), author))
        identity = established.identity
        peer = trust.peers.find(peer_id)
        has_expired = peer is not None and peer.is_expired(trust.wall_clock())
        has_proved = established.proved_secret is not None and not has_expired
        if has_proved or is_authorised:
            trust.pin(peer_id, identity, established.proved_secret, address=answer.author)
            trust.approvals.remove(peer_id)
            expires_at = peer.expires_at if peer is not None else None
            answer.session = self._sessions.add(established, expires_at=expires_at)
            answer.is_ok = True
            self._on_session(peer_id, answer.session)
            return
        is_new = all(
            (one.id, one.author, one.fingerprint) != (peer_id, answer.author, identity.fingerprint)
            for one in trust.approvals.list(trust.wall_clock())
        )
        trust.approvals.add(peer_id, answer.author, identity.fingerprint, trust.wall_clock())
        answer.session = LiveSession.of(peer_id, established.root, is_initiator=False)
        if not is_new:
            return  # it asks again and again, as long as it wants to send something
        _log.info("%r asks to be trusted: %s", peer_id, format_fingerprint(identity.fingerprint))
        self._tell(
            TrustRequested(
                transfer_id=TransferId(""),
                peer_id=peer_id,
                at=trust.wall_clock(),
                author=answer.author,
                fingerprint=format_fingerprint(identity.fingerprint),
            )
        )

    def _is_authorised(self, peer_id: NodeId) -> bool:
        """Say whether the identity of a node is enough, without any proof of a secret."""
        return self._trust.fingerprint_of(peer_id) is not None and self._trust.is_trusted(peer_id)

    def _has_guessed(self, author: str, peer_id: NodeId) -> bool:
        """Say whether an account has guessed at our secret too often."""
        wrong = sum(whose == author for _, whose in self._wrong_proofs)
        return wrong >= _MOST_WRONG_PROOFS and not self._is_authorised(peer_id)

    def _may_strangers_prove(self) -> bool:
        """Say whether proofs of strangers are looked at: guessers may have many accounts."""
        return len(self._wrong_proofs) < _MOST_WRONG_PROOFS_OF_ALL

    def _make_room(self, author: str, *, is_stranger: bool) -> bool:
        """Keep the open handshakes within bounds: one of an author, strangers in one half."""
        for replied, answer in list(self._answers.items()):
            if answer.author == author:
                del self._answers[replied]
        strangers = [one for one in self._answers.items() if one[1].is_stranger]
        told = [replied for replied, answer in strangers if answer.is_told]
        if is_stranger and len(strangers) >= _MOST_OPEN_OF_STRANGERS:
            return self._drop_first(told)
        if len(self._answers) >= MOST_OPEN:
            others = [replied for replied, answer in self._answers.items() if answer.is_told]
            return self._drop_first([*told, *(replied for replied, _ in strangers), *others])
        return True

    def _drop_first(self, replied: list[bytes]) -> bool:
        """Forget the first of some handshakes; say whether there was one."""
        if replied:
            del self._answers[replied[0]]
        return bool(replied)

    def _forget_old(self, now: float) -> None:
        for replied, answer in list(self._answers.items()):
            if now - answer.since >= _OPEN_SECONDS:
                del self._answers[replied]
        self._wrong_proofs = [one for one in self._wrong_proofs if now - one[0] < _PROOF_SECONDS]
