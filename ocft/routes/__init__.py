"""Ways around the channel: they carry frames as opaque bytes, and know no transfer and no key."""

from ocft.routes.addresses import (
    LEAST_PORT,
    Place,
    network_addresses,
    own_addresses,
    reachable_places,
)
from ocft.routes.client import Client
from ocft.routes.connecting import connect
from ocft.routes.http_fetch import FetchConnection
from ocft.routes.http_push import PushConnection
from ocft.routes.http_pushed import PushedConnection
from ocft.routes.http_server import DirectServer
from ocft.routes.tickets import Body, Opened, OpenToBring, OpenToFetch
from ocft.routes.webrtc_client import LineClient
from ocft.routes.webrtc_lines import Lines, require_webrtc
from ocft.routes.webrtc_server import LineServer
from ocft.routes.webrtc_words import KINDS, HelpingServer, LineEnd, TurnServer, WebRtcOptions

__all__ = [
    "KINDS",
    "LEAST_PORT",
    "Body",
    "Client",
    "DirectServer",
    "FetchConnection",
    "HelpingServer",
    "LineClient",
    "LineEnd",
    "LineServer",
    "Lines",
    "OpenToBring",
    "OpenToFetch",
    "Opened",
    "Place",
    "PushConnection",
    "PushedConnection",
    "TurnServer",
    "WebRtcOptions",
    "connect",
    "network_addresses",
    "own_addresses",
    "reachable_places",
    "require_webrtc",
]
