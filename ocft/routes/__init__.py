"""Ways around the channel: they carry frames as opaque bytes, and know no transfer and no key."""

from ocft.routes.addresses import Place, own_addresses, reachable_places
from ocft.routes.http_client import DirectClient, connect
from ocft.routes.http_server import Body, DirectServer, Opened

__all__ = [
    "Body",
    "DirectClient",
    "DirectServer",
    "Opened",
    "Place",
    "connect",
    "own_addresses",
    "reachable_places",
]
