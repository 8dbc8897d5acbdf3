"""Ways around the channel: they carry frames as opaque bytes, and know no transfer and no key."""

from ocft.routes.addresses import Place, own_addresses, reachable_places
from ocft.routes.connecting import connect
from ocft.routes.connection import DirectConnection
from ocft.routes.http_fetch import FetchConnection
from ocft.routes.http_push import PushConnection
from ocft.routes.http_pushed import PushedConnection
from ocft.routes.http_server import DirectServer
from ocft.routes.tickets import Body, Opened, OpenToBring, OpenToFetch

__all__ = [
    "Body",
    "DirectConnection",
    "DirectServer",
    "FetchConnection",
    "OpenToBring",
    "OpenToFetch",
    "Opened",
    "Place",
    "PushConnection",
    "PushedConnection",
    "connect",
    "own_addresses",
    "reachable_places",
]
