"""Which addresses of this machine are announced, and which of a peer's are tried."""

import ipaddress
from collections.abc import Iterable, Sequence
from typing import Final

Place = tuple[str, int]
"""An address, as text, and a port."""

LEAST_PORT: Final = 1024
"""Below it are services that no peer is to make us talk to."""
_MOST_PLACES: Final = 8


def own_addresses() -> list[str]:
    """Return the private addresses of this machine, then those of its loopback."""
    import ifaddr

    private: list[str] = []
    loopback: list[str] = []
    for adapter in ifaddr.get_adapters():
        for ip in adapter.ips:
            text = ip.ip if isinstance(ip.ip, str) else ip.ip[0]
            address = ipaddress.ip_address(text)
            if address.is_loopback:
                loopback.append(text)
            elif address.is_private and not address.is_link_local:
                private.append(text)
    return [*private, *loopback][:_MOST_PLACES]


def reachable_places(places: Iterable[Place], own: Sequence[str]) -> list[Place]:
    """Return the places of a peer that are worth a try, the likely ones first.

    Its loopback is ours only if it is on this machine: else something of ours would be asked.

    Args:
        places: What the peer announced.
        own: The addresses of this machine.
    """
    found = [(ipaddress.ip_address(text), text, port) for text, port in places]
    usable = [
        one
        for one in found
        if one[2] >= LEAST_PORT
        and not (one[0].is_multicast or one[0].is_unspecified or one[0].is_link_local)
    ]
    others = [(text, port) for address, text, port in usable if not address.is_loopback]
    is_here = not others or any(text in own for text, _ in others)
    loopback = [(text, port) for address, text, port in usable if address.is_loopback]
    return [*(loopback if is_here else ()), *others][:_MOST_PLACES]
