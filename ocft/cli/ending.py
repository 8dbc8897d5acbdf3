"""Brings transfers to their end for a command, and says how they ended."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

import typer

from ocft.cli.invocation import Invocation
from ocft.cli.reasons import in_words
from ocft.cli.reporter import Reporter
from ocft.cli.terminal import printable
from ocft.cli.transfer_words import title
from ocft.errors import (
    ConfigError,
    OcftError,
    TransferCancelledError,
    TransferRejectedError,
    TransferTimeoutError,
    UnknownTransferError,
    error_for,
)
from ocft.events import ApprovalAwaited, Event, OfferSent
from ocft.ids import TransferId
from ocft.transfers import TransferInfo, TransferState

if TYPE_CHECKING:
    from ocft.runtime import Sharing
    from ocft.storage import Request

_SILENCE: Final = 10.0  # seconds
_NO_ANSWER: Final = (
    "No answer yet: nobody listens there, the owner has to accept the files or approve this node "
    "first, or the secret that you have is an old one. Waiting; Ctrl-C keeps it for later."
)


def seconds_option(text: str) -> Any:
    """Return the option `--timeout`."""
    return typer.Option("--timeout", metavar="SECONDS", help=text)


def require_seconds(timeout: float | None) -> None:
    """Check what `--timeout` says.

    Raises:
        ConfigError: It is no positive number.
    """
    if timeout is not None and not 0 < timeout < float("inf"):
        raise ConfigError("--timeout is a positive number of seconds.")


def hint_for(transfer_ids: Sequence[TransferId]) -> str:
    """Return how to go on with transfers that stay in the journal."""
    ids = " ".join(printable(one) for one in transfer_ids)
    return f"The transfer goes on with `ocft resume {ids}` or the next `ocft listen`."


async def finish(
    invocation: Invocation,
    sharing: "Sharing",
    transfer_ids: Sequence[TransferId],
    *,
    within: float | None,
    hint: str,
    goal: TransferState = TransferState.COMPLETED,
    requests: Sequence["Request"] = (),
    receives: bool = False,
) -> list[TransferInfo]:
    """Bring transfers to their end.

    Args:
        invocation: The run of the command.
        sharing: Their channel.
        transfer_ids: The transfers.
        within: Seconds to wait at most.
        hint: What to say about them when that was not enough.
        goal: How they are to end.
        requests: What is to be done with them first.
        receives: Whether one of them comes in.

    Returns:
        What is known of them.

    Raises:
        OcftError: What ended the first that ended otherwise.
        TransferTimeoutError: It took too long; they stay in the journal.
    """
    import asyncio

    has_heard = set[str]()

    def tell(event: Event) -> None:
        reporter.tell(event)
        if isinstance(event, ApprovalAwaited):
            has_heard.add(event.peer_id)
        elif not isinstance(event, OfferSent):
            has_heard.add(event.transfer_id)

    def say_who_is_silent() -> None:
        silent = [one for one in transfer_ids if one not in has_heard]
        if any(_info(invocation, one).peer_id not in has_heard for one in silent):
            invocation.output.say(_NO_ANSWER)

    # The failure of a single one is what the command's error says; unless it was asked for.
    tells_failures = len(transfer_ids) > 1 or goal is not TransferState.COMPLETED
    with Reporter.of(invocation, tells_failures=tells_failures) as reporter:
        silence = asyncio.get_running_loop().call_later(_SILENCE, say_who_is_silent)
        try:
            async with asyncio.timeout(within):
                await sharing.finish(transfer_ids, tell, requests=requests, receives=receives)
        except TimeoutError:
            if within is None:  # not ours
                raise
            raise TransferTimeoutError(f"Not done after {within:g} seconds. {hint}") from None
        finally:
            silence.cancel()
    infos = [_info(invocation, transfer_id) for transfer_id in transfer_ids]
    for info in infos:
        if info.state is not goal:
            raise _error_of(info, invocation.with_names)
    return infos


def transfer_fields(info: TransferInfo) -> dict[str, Any]:
    """Return what is known of a transfer, for JSON."""
    return {
        name: value.value if isinstance(value, Enum) else value
        for name, value in asdict(info).items()
    }


def _info(invocation: Invocation, transfer_id: TransferId) -> TransferInfo:
    record = invocation.journal.get(transfer_id)
    if record is None:
        raise UnknownTransferError(f"The transfer {transfer_id} was forgotten meanwhile.")
    return record.info


def _error_of(info: TransferInfo, with_names: Callable[[str], str]) -> OcftError:
    reason = with_names(in_words(info.error or info.state.value))
    match info.state:
        case TransferState.REJECTED:
            return TransferRejectedError(f"{title(info)}: {reason}")
        case TransferState.CANCELLED:
            return TransferCancelledError(f"{title(info)}: {reason}")
    error = error_for(info.error_code, reason)
    hint = f" Go on with: ocft resume {info.id}" if info.is_resumable else ""
    return type(error)(f"{title(info)}: {reason}{hint}")
