"""Ways around the channel: they carry frames as opaque bytes, and know no transfer and no key."""

from ocft.routes.addresses import LEAST_PORT, Place, own_addresses, reachable_places
from ocft.routes.client import Client
from ocft.routes.http_client import DirectClient, connect
from ocft.routes.http_server import Body, DirectServer, Opened
from ocft.routes.webrtc_client import LineClient
from ocft.routes.webrtc_lines import Lines, require_webrtc
from ocft.routes.webrtc_server import LineServer
from ocft.routes.webrtc_words import KINDS, HelpingServer, LineEnd, TurnServer, WebRtcOptions

__all__ = [
    "KINDS",
    "LEAST_PORT",
    "Body",
    "Client",
    "DirectClient",
    "DirectServer",
    "HelpingServer",
    "LineClient",
    "LineEnd",
    "LineServer",
    "Lines",
    "Opened",
    "Place",
    "TurnServer",
    "WebRtcOptions",
    "connect",
    "own_addresses",
    "reachable_places",
    "require_webrtc",
]
