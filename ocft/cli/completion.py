"""What the shell offers when the user presses Tab: peers, transfers, requests.

The shell gets what is typed next, and some of it is a stranger's text: nothing that is offered may
be more than a word, or an option.
"""

from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import typer

from ocft.errors import OcftError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ocft.storage import Database, TrustedPeer


def complete_peer(context: typer.Context, incomplete: str) -> list[str]:
    """Return the names, or else the ids, of trusted peers that begin like this."""
    from ocft.storage import PeerStore

    peers: list[TrustedPeer] = []
    # In the middle of a command line there is nobody to tell about an error.
    with suppress(OcftError), _database(context) as database:
        peers = PeerStore(database).all()
    return _fitting(
        [peer.name if peer.name and _is_plain(peer.name) else peer.id for peer in peers], incomplete
    )


def complete_transfer(context: typer.Context, incomplete: str) -> list[str]:
    """Return the ids of transfers that begin like this and are not completed."""
    from ocft.storage import Journal
    from ocft.transfers import TransferState

    ids: list[str] = []
    with suppress(OcftError), _database(context) as database:
        ids = [
            record.info.id
            for record in Journal(database).records()
            if record.info.state is not TransferState.COMPLETED
        ]
    return _fitting(ids, incomplete)


def complete_request(context: typer.Context, incomplete: str) -> list[str]:
    """Return the ids of nodes that ask to be trusted, and that begin like this."""
    import time

    from ocft.storage import ApprovalStore

    ids: list[str] = []
    with suppress(OcftError), _database(context) as database:
        ids = [request.id for request in ApprovalStore(database).list(time.time())]
    return _fitting(ids, incomplete)


@contextmanager
def _database(context: typer.Context) -> "Iterator[Database]":
    """Open the journal's database; the application's callback has not run."""
    import os

    from ocft.config import find_home
    from ocft.errors import NotInitializedError
    from ocft.storage import Database

    root: Any = context.find_root()
    journal_file = find_home(root.params.get("home"), os.environ).journal_file
    if not journal_file.exists():
        raise NotInitializedError
    with closing(Database(journal_file)) as database:
        yield database


def _fitting(words: "Sequence[str]", incomplete: str) -> list[str]:
    return [word for word in words if word.startswith(incomplete) and _is_plain(word)]


def _is_plain(text: str) -> bool:
    return not text.startswith("-") and all(
        character.isalnum() or character in "_-." for character in text
    )
