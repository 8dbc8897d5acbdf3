"""Which addresses of this machine are announced, and which of a peer's are tried."""

import ipaddress
from collections.abc import Iterable, Sequence
from typing import Final

Place = tuple[str, int]
"""An address, as text, and a port."""

_LEAST_PORT: Final = 1024
"""Below it are services that no peer is to make us talk to."""
_MOST_PLACES: Final = 8


def own_addresses() -> list[str]:
    """Return where this machine is offered if nobody says, likely ones first, loopback last.

    Private addresses and loopback: never one of the internet, and never "all of them", for what is
    not announced is not open.
    """
    import ifaddr

    return announced(
        ip.ip if isinstance(ip.ip, str) else ip.ip[0]
        for adapter in ifaddr.get_adapters()
        for ip in adapter.ips
    )


def announced(addresses: Iterable[str]) -> list[str]:
    """Return those of a machine's addresses that are announced, IPv4 first, loopback last.

    Args:
        addresses: All that it has.
    """
    found = [ipaddress.ip_address(one.partition("%")[0]) for one in dict.fromkeys(addresses)]
    private = [
        one
        for one in found
        # Link-local ones need the name of an interface, which is another one at the peer.
        if one.is_private and not (one.is_loopback or one.is_link_local or one.is_unspecified)
    ]
    private.sort(key=lambda one: one.version)
    loopback = ["127.0.0.1", *(["::1"] if ipaddress.ip_address("::1") in found else [])]
    # A machine full of containers has hundreds.
    return [*map(str, private[: _MOST_PLACES - len(loopback)]), *loopback]


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
        if one[2] >= _LEAST_PORT
        and not (one[0].is_multicast or one[0].is_unspecified or one[0].is_link_local)
    ]
    others = [(text, port) for address, text, port in usable if not address.is_loopback]
    is_here = not others or any(text in own for text, _ in others)
    loopback = [(text, port) for address, text, port in usable if address.is_loopback]
    return [*(loopback if is_here else ()), *others][:_MOST_PLACES]
