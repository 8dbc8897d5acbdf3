"""Which addresses of this machine are announced, and which of a peer's are tried."""

import ipaddress
from collections.abc import Iterable, Sequence
from typing import Final

Place = tuple[str, int]
"""An address, as text, and a port."""

LEAST_PORT: Final = 1024
"""Below it are services that no peer is to make us talk to."""
_MOST_PLACES: Final = 8
_THIS_NETWORK: Final = ipaddress.ip_network("0.0.0.0/8")  # RFC 6890: no machine has one


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


def network_addresses() -> list[str]:
    """Return where peers can connect to this machine: its loopback only if it has nothing else."""
    own = own_addresses()
    return [one for one in own if not ipaddress.ip_address(one).is_loopback] or own


def reachable_places(places: Iterable[Place], own: Sequence[str]) -> list[Place]:
    """Return the places of a peer that are worth a try, the likely ones first.

    A peer could name our own loopback, where services listen that trust everybody there. So it is
    tried only where this node itself listens on nothing else, or was told to.

    Args:
        places: What the peer announced.
        own: Where this node listens, or would.
    """
    has_loopback = any(ipaddress.ip_address(one).is_loopback for one in own)
    loopback: list[Place] = []
    others: list[Place] = []
    for text, port in places:
        address = ipaddress.ip_address(text)
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            continue  # no node announces one; it would lead around what follows
        if port < LEAST_PORT or not _is_of_a_machine(address):
            continue
        (loopback if address.is_loopback else others).append((text, port))
    return [*(loopback if has_loopback else ()), *others][:_MOST_PLACES]


def _is_of_a_machine(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    if address.is_loopback:
        return True
    return not (
        address.is_multicast
        or address.is_unspecified
        or address.is_link_local
        or address.is_reserved
        or address in _THIS_NETWORK
    )
