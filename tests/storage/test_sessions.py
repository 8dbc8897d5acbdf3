from itertools import count

import pytest

from ocft.ids import NodeId
from ocft.storage import Database, Session, SessionStore

BOB, CAROL = NodeId("ocft_bob"), NodeId("ocft_carol")
KEY = b"k" * 32
_numbers = count()


@pytest.fixture
def sessions(database: Database) -> SessionStore:
    return SessionStore(database, KEY)


def _add(sessions: SessionStore, session: Session) -> None:
    sessions.add(
        session.peer_id,
        session.root,
        is_initiator=session.is_initiator,
        established_at=session.established_at,
        expires_at=session.expires_at,
    )


def _session(peer_id: NodeId = BOB, *, expires_at: float | None = None) -> Session:
    number = next(_numbers)
    return Session(
        peer_id=peer_id,
        root=bytes([number]) * 32,
        is_initiator=number % 2 == 0,
        established_at=100.0,
        expires_at=expires_at,
    )


def _count(database: Database) -> int:
    rows: int = database.query("SELECT count(*) FROM sessions")[0][0]
    return rows


def test_the_newest_two_of_a_peer_are_kept(sessions: SessionStore, database: Database) -> None:
    ours = [_session() for _ in range(4)]  # R-HSK-4
    other = _session(CAROL)
    for session in [other, *ours]:
        _add(sessions, session)
    assert sessions.of(BOB, 0.0) == [ours[3], ours[2]]
    assert sessions.of(CAROL, 0.0) == [other]
    assert sessions.all(0.0) == [ours[3], ours[2], other]
    assert _count(database) == 3


def test_a_session_ends_with_the_trust(sessions: SessionStore, database: Database) -> None:
    lasting, ending = _session(), _session(expires_at=50.0)
    _add(sessions, lasting)
    _add(sessions, ending)
    assert sessions.of(BOB, 49.9) == [ending, lasting]
    assert sessions.of(BOB, 50.0) == [lasting]
    assert _count(database) == 1
    assert sessions.of(BOB, 0.0) == [lasting]


def test_a_forgotten_peer_has_no_session(sessions: SessionStore) -> None:
    kept = _session(CAROL)
    for session in (_session(), _session(), kept):
        _add(sessions, session)
    sessions.forget(BOB)
    assert sessions.of(BOB, 0.0) == []
    assert sessions.all(0.0) == [kept]


def test_what_another_identity_sealed_is_dropped(
    sessions: SessionStore, database: Database
) -> None:
    _add(sessions, _session())
    assert SessionStore(database, b"x" * 32).all(0.0) == []
    assert _count(database) == 0
    assert sessions.all(0.0) == []


@pytest.mark.parametrize(
    "change",
    [
        "peer_id = 'mallory'",
        "is_initiator = NOT is_initiator",
        "sealed_root = x''",
        "sealed_root = zeroblob(60)",
    ],
)
def test_a_row_that_was_changed_does_not_open(  # case K1
    sessions: SessionStore, database: Database, change: str
) -> None:
    _add(sessions, _session())
    with database.transaction() as connection:
        connection.execute(f"UPDATE sessions SET {change}")  # noqa: S608 - our words
    assert sessions.all(0.0) == []


def test_a_root_key_is_neither_shown_nor_in_the_file(
    sessions: SessionStore, database: Database
) -> None:
    session = Session(peer_id=BOB, root=b"secret!!" * 4, is_initiator=True, established_at=1.0)
    _add(sessions, session)
    assert "secret!!" not in repr(sessions.of(BOB, 0.0))
    database.checkpoint()
    assert b"secret!!" not in database.path.read_bytes()


def test_an_id_that_is_no_unicode_has_sessions_too(sessions: SessionStore) -> None:
    session = _session(NodeId("\udcff"))
    _add(sessions, session)
    assert sessions.of(NodeId("\udcff"), 0.0) == [session]
