"""Which addresses of this machine a share is offered at, if nobody says: loopback and private ones.

Never an address of the internet, and never "all of them": what is not announced is not open.
"""

import ipaddress
from collections.abc import Iterable
from typing import Final

from ocft.errors import ExtraNotInstalledError

_MOST: Final = 8
"""Addresses of each kind: a machine full of containers has hundreds."""


def own_addresses() -> list[str]:
    """Return the addresses to bind: those that others can reach first, loopback last.

    Raises:
        ExtraNotInstalledError: The package that knows the network's interfaces is missing.
    """
    try:
        import ifaddr
    except ImportError as error:
        raise ExtraNotInstalledError(
            "Sharing by links needs more packages: pip install 'ocft[share]'"
        ) from error
    found = [
        address.ip if isinstance(address.ip, str) else address.ip[0]
        for adapter in ifaddr.get_adapters()
        for address in adapter.ips
    ]
    return chosen(found)


def chosen(addresses: Iterable[str]) -> list[str]:
    """Return those of some addresses that a share is offered at, IPv4 first, loopback last."""
    parsed = [ipaddress.ip_address(one.partition("%")[0]) for one in dict.fromkeys(addresses)]
    private = [
        # Link-local ones need the name of an interface, which is another one at the receiver.
        one
        for one in parsed
        if one.is_private and not (one.is_loopback or one.is_link_local or one.is_unspecified)
    ]
    fours = [str(one) for one in private if one.version == 4][:_MOST]  # noqa: PLR2004 - IPv4
    sixes = [str(one) for one in private if one.version == 6][:_MOST]  # noqa: PLR2004 - IPv6
    loopback = ["127.0.0.1"] + [str(one) for one in parsed if str(one) == "::1"]
    return [*fours, *sixes, *loopback]
