"""How much anybody may ask of a server, and who asked for how much lately (R-SHR-9)."""

import ipaddress
from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Final

_MINUTE: Final = 60.0  # seconds of the sliding window
_MAX_ADDRESSES: Final = 20_000
"""Addresses that are remembered; the one that has been quiet longest is forgotten first."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one server takes. A minute is any 60 seconds; 0 is no limit where that is said."""

    made_a_minute: int = 10
    """Sessions made by one address; 0: no limit."""
    joined_a_minute: int = 30
    """Downloads asked for by one address, each step of a password too; 0: no limit."""
    looked_a_minute: int = 20
    """Looks at a session's state by one address; 0: no limit."""
    wrong_a_minute: int = 20
    """Wrong tokens of one address, after which it waits."""
    connections_of_address: int = 64
    """Connections of one address at once."""
    connections: int = 2000
    """Connections in total."""
    sessions: int = 10_000
    """Sessions at once."""
    downloads_of_session: int = 1000
    """Downloads of one session that are not over."""
    bytes_of_session: int = 10 << 30
    """Sealed bytes of one session that is stored here."""
    bytes_in_total: int = 50 << 30
    """Sealed bytes of all sessions that are stored here."""
    expires_in: int = 7 * 24 * 3600
    """Seconds that a session lives at the most."""
    head_bytes: int = 16 * 1024
    """Bytes of a request's head."""
    head_seconds: float = 20.0
    """Seconds for a request's head to arrive."""
    idle_seconds: float = 30.0
    """Seconds without a byte of a body, in either direction."""
    resume_seconds: float = 300.0
    """Seconds in which a broken download may be resumed before it is over."""


class Recent:
    """Counts what addresses did within the last minute.

    Args:
        most: How often one address may, in any 60 s; 0: as often as it likes.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._times: OrderedDict[str, deque[float]] = OrderedDict()

    def wait(self, address: str, now: float) -> float:
        """Return the seconds until an address may again; 0 when it may.

        Args:
            address: From :func:`counted_as`.
            now: Seconds on a clock that does not go back.
        """
        times = self._times.get(address)
        if not self._most or times is None:
            return 0.0
        while times and times[0] <= now - _MINUTE:
            times.popleft()
        return times[0] + _MINUTE - now if len(times) >= self._most else 0.0

    def record(self, address: str, now: float) -> None:
        """Count once for an address."""
        if not self._most:
            return
        times = self._times.setdefault(address, deque(maxlen=self._most))
        self._times.move_to_end(address)
        times.append(now)
        while len(self._times) > _MAX_ADDRESSES:
            self._times.popitem(last=False)


def counted_as(host: str) -> str:
    """Return what an address is counted as: of IPv6 its network, since one house has 2^64.

    Args:
        host: As the system, or a trusted proxy, names it.
    """
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host[:64]
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((address, 64), strict=False))
