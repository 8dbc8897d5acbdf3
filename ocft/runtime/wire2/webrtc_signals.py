"""What the ends of a WebRTC line tell each other, in sealed control messages (protocol 2.11)."""

import ipaddress
from collections.abc import Sequence

from ocft.errors import ChannelClosedError
from ocft.ids import TransferId
from ocft.routes import LEAST_PORT, LineEnd, reachable_places
from ocft.wire import MAX_PLACES, Signal


def signal_of(end: LineEnd, *, transfer_id: TransferId, epoch: int, call: int) -> Signal:
    """Return what the other end is told about ours.

    Raises:
        ChannelClosedError: It has no place that may be named.
    """
    places = [one for one in end.places if one[1] >= LEAST_PORT]  # a NAT may choose any
    if not places:
        raise ChannelClosedError("There is no address for a WebRTC connection.")
    return Signal(
        transfer_id=transfer_id,
        epoch=epoch,
        call=call,
        user=end.user,
        password=end.password,
        fingerprint=end.fingerprint,
        places=tuple(
            (ipaddress.ip_address(text).packed, port, kind) for text, port, kind in places
        )[:MAX_PLACES],
    )


def end_of(signal: Signal, own: Sequence[str]) -> LineEnd:
    """Return what is to be known of the other end; of its places those that are worth a try.

    Args:
        signal: What it said.
        own: The addresses of this machine.

    Raises:
        ChannelClosedError: None of them is.
    """
    kinds = {
        (str(ipaddress.ip_address(packed)), port): kind for packed, port, kind in signal.places
    }
    places = tuple((*place, kinds[place]) for place in reachable_places(kinds, own))
    if not places:
        raise ChannelClosedError("The peer names no address that can be reached.")
    return LineEnd(signal.user, signal.password, signal.fingerprint, places)
