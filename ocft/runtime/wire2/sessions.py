"""The root keys in use: control messages are sealed and opened here."""

import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from ocft.crypto import SessionKeys, open_message, seal_message, session_keys
from ocft.errors import UnsealError
from ocft.ids import NodeId
from ocft.protocol import Established
from ocft.storage import Session, SessionStore
from ocft.wire import (
    Control,
    ControlFrame,
    Welcome,
    control_header,
    pack_control,
    unpack_control,
)

_SALT_SIZE: Final = 16
_SALTS_REMEMBERED: Final = 1024  # R-CTL-6
_LONGEST_HANDSHAKE: Final = 120.0  # seconds, R-HSK-5; those nearer to each other may have crossed
_LOOK_PAUSE: Final = 1.0  # seconds: strangers' tags must not make us search again and again


@dataclass(slots=True, eq=False)
class LiveSession:
    """One root key, ready for use."""

    peer_id: NodeId
    root: bytes = field(repr=False)
    keys: SessionKeys = field(repr=False)
    _salts: OrderedDict[bytes, None] = field(default_factory=OrderedDict, repr=False)

    @classmethod
    def of(cls, peer_id: NodeId, root: bytes, *, is_initiator: bool) -> "LiveSession":
        """Derive the keys of a root key."""
        return cls(peer_id, root, session_keys(root, is_initiator=is_initiator))

    def seal(self, message: Control) -> bytes:
        """Return a control message as a frame; a repeat is another frame (R-CTL-6)."""
        salt = secrets.token_bytes(_SALT_SIZE)
        header = control_header(self.keys.seal_tag, salt)
        return header + seal_message(self.keys.seal_key, header, salt, pack_control(message))

    def open(self, frame: ControlFrame) -> Control | None:
        """Return the message of a frame; None if it came before.

        Raises:
            UnsealError: It is not the peer's.
            MalformedMessageError: The peer sealed something that is no message.
        """
        if frame.salt in self._salts:
            return None
        plain = open_message(self.keys.open_key, frame.header, frame.salt, frame.sealed)
        self._salts[frame.salt] = None
        if len(self._salts) > _SALTS_REMEMBERED:
            self._salts.popitem(last=False)
        return unpack_control(plain)


class Sessions:
    """All root keys of this node.

    Args:
        store: Where they are kept.
        wall_clock: Seconds since the epoch.
    """

    def __init__(self, store: SessionStore, wall_clock: Callable[[], float]) -> None:
        self._store = store
        self._wall_clock = wall_clock
        self._live: dict[bytes, LiveSession] = {}  # by the tag of what comes
        self._used: dict[NodeId, LiveSession] = {}  # what each peer used last
        self._looked_at = -_LOOK_PAUSE

    def newest(self, peer_id: NodeId) -> LiveSession | None:
        """Return what to seal with for a peer; None: a handshake is needed."""
        stored = self._store.of(peer_id, self._wall_clock())
        return self._use(stored[0]) if stored else None

    def to_answer(self, peer_id: NodeId) -> LiveSession | None:
        """Return what to seal an answer with: a peer certainly has what it used last (R-HSK-6).

        It may lack our newest one: a welcome that was lost leaves a root key on one side. And what
        a transfer began with long ago it may have forgotten, since we have used a newer one.
        """
        used = self._used.get(peer_id)
        if used is not None and self.is_kept(used):
            return used
        return self.newest(peer_id)

    def open(
        self, frame: ControlFrame, is_author: Callable[[NodeId], bool]
    ) -> tuple[LiveSession, Control] | None:
        """Return a control message and the session that it came under.

        Args:
            frame: What came.
            is_author: Whether it came from the account of a peer (T-1). Who else repeats a peer's
                frame must not be the first who is heard.

        Returns:
            None if nobody that we know can have sent it, or it came before.

        Raises:
            MalformedMessageError: The peer sealed something that is no message.
        """
        live = self._find(frame.tag)
        if live is None or not is_author(live.peer_id):
            return None
        try:
            message = live.open(frame)
        except UnsealError:
            return None
        stored = self._store.of(live.peer_id, self._wall_clock())
        if live.root not in [session.root for session in stored]:
            del self._live[frame.tag]  # the trust was taken back, perhaps by another process
            return None
        if message is None:
            return None
        if not isinstance(message, Welcome):  # which shows that it is sent, not that it is used
            self._used[live.peer_id] = live
            if stored[0].root == live.root and len(stored) > 1 and not _may_have_crossed(*stored):
                self._store.forget_older(live.peer_id)  # R-HSK-4: the peer has the newest, too
        return live, message

    def _find(self, tag: bytes) -> LiveSession | None:
        live = self._live.get(tag)
        now = self._wall_clock()
        if live is None and not 0 <= now - self._looked_at < _LOOK_PAUSE:
            self._looked_at = now
            for session in self._store.all(now):
                self._use(session)
            live = self._live.get(tag)
        return live

    def add(self, established: Established, *, expires_at: float | None) -> LiveSession:
        """Keep what a handshake left behind."""
        self._store.add(
            established.peer_id,
            established.root,
            is_initiator=established.is_initiator,
            established_at=self._wall_clock(),
            expires_at=expires_at,
        )
        kept = {one.root for one in self._store.of(established.peer_id, self._wall_clock())}
        self._live = {
            tag: live
            for tag, live in self._live.items()
            if live.peer_id != established.peer_id or live.root in kept
        }
        return self._use_root(
            established.peer_id, established.root, is_initiator=established.is_initiator
        )

    def is_kept(self, session: LiveSession) -> bool:
        """Say whether a peer may still have this root key."""
        kept = self._store.of(session.peer_id, self._wall_clock())
        return session.root in [one.root for one in kept]

    def forget(self, peer_id: NodeId) -> None:
        """Forget all root keys of a peer."""
        self._store.forget(peer_id)
        self._used.pop(peer_id, None)
        self._live = {tag: one for tag, one in self._live.items() if one.peer_id != peer_id}

    def _use(self, session: Session) -> LiveSession:
        return self._use_root(session.peer_id, session.root, is_initiator=session.is_initiator)

    def _use_root(self, peer_id: NodeId, root: bytes, *, is_initiator: bool) -> LiveSession:
        for known in self._live.values():
            if known.root == root:
                return known
        live = LiveSession.of(peer_id, root, is_initiator=is_initiator)
        self._live[live.keys.open_tag] = live
        return live


def _may_have_crossed(newer: Session, older: Session) -> bool:
    """Say whether the newer of two may be the older one to the peer.

    Then it goes on to begin with the other one, though it answers with this one (R-HSK-6).
    """
    return newer.established_at - older.established_at < _LONGEST_HANDSHAKE
