"""What the shell offers when the user presses Tab: names of peers, ids of transfers."""

from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import typer

from ocft.errors import OcftError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ocft.storage import Database


def complete_peer(context: typer.Context, incomplete: str) -> list[str]:
    """Return the names, or else the ids, of trusted peers that begin like this."""
    from ocft.storage import PeerStore

    names: list[str] = []
    # In the middle of a command line there is nobody to tell about an error.
    with suppress(OcftError), _database(context) as database:
        names = [peer.name or peer.id for peer in PeerStore(database).all()]
    return [name for name in names if name.startswith(incomplete)]


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
    # The shell gets what is typed next: nothing in it may be more than a word.
    return [one for one in ids if one.startswith(incomplete) and _is_plain(one)]


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


def _is_plain(text: str) -> bool:
    return text.isascii() and text.replace("_", "").replace("-", "").isalnum()
