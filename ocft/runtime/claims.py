"""Takes up what other processes record in the journal: files to send, decisions, cancels.

`ocft send` beside a running `ocft listen` only writes a row; this is what makes it go. SQLite's
`data_version` changes when another process commits, and asking for it costs microseconds.
"""

import asyncio
import json
import logging

from ocft.errors import OcftError, StorageError, WrongStateError
from ocft.runtime.engine import Engine
from ocft.runtime.pairing_work import PairingWork
from ocft.storage import Journal, Request, RequestKind
from ocft.transfers import Direction

_log = logging.getLogger(__name__)
_LOOK_EVERY = 0.1  # seconds


async def watch_journal(
    journal: Journal, engine: Engine, channel: str, *, pairing: PairingWork | None
) -> None:
    """Take up what others record, until cancelled.

    Args:
        journal: The shared journal.
        engine: What drives the channel.
        channel: The channel's name.
        pairing: Carries out pairings; None where only 1.0 is spoken.
    """
    seen: int | None = None
    try:
        while True:
            try:
                version = journal.database.data_version()
                if version != seen:
                    _look(journal, engine, channel)
                    if pairing is not None:
                        pairing.look()
                    seen = version
            except StorageError as error:
                _log.warning("the journal cannot be read now: %s", error)  # and is tried again
            await asyncio.sleep(_LOOK_EVERY)
    finally:
        if pairing is not None:
            await pairing.close()


def _look(journal: Journal, engine: Engine, channel: str) -> None:
    engine.trust_watch.look()
    for request in journal.take_requests(channel):
        _carry_out(request, engine)
    for record in journal.records(channel=channel, unfinished_only=True):
        is_new = record.info.direction is Direction.SEND and not engine.knows(record.info.id)
        if is_new and not record.info.state.is_final:
            engine.enqueue(record)


def _carry_out(request: Request, engine: Engine) -> None:
    try:
        match request.kind:
            case RequestKind.ACCEPT:
                only = json.loads(request.argument) if request.argument else None
                engine.accept(request.transfer_id, only=only)
            case RequestKind.REJECT:
                engine.reject(request.transfer_id, request.argument)
            case RequestKind.CANCEL:
                engine.cancel(request.transfer_id, request.argument)
            case RequestKind.RESUME:
                engine.resume(request.transfer_id)
    except OcftError as error:
        if request.kind is RequestKind.CANCEL and isinstance(error, WrongStateError):
            return  # it has ended, as was asked
        # Who asked looks at the journal, and may have been overtaken by events.
        _log.warning("%s: cannot %s: %s", request.transfer_id, request.kind.value, error)
