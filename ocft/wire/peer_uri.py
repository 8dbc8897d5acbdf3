"""The `ocft://` address that a node hands to its peers: id and secret, as wire 1.0 writes them."""

import base64
import json
from dataclasses import dataclass, field

from ocft.errors import ConfigError
from ocft.ids import NodeId

_SCHEME = "ocft://"
_MAX_URI = 8192  # characters; ours have about 120


@dataclass(frozen=True, slots=True)
class PeerAddress:
    """What another node needs to know to send files here."""

    node_id: NodeId
    secret: str = field(repr=False)


def format_peer_uri(address: PeerAddress) -> str:
    """Return the URI: `ocft://` and base64url, without padding, of JSON."""
    content = json.dumps(
        {"nodeId": address.node_id, "secret": address.secret},
        separators=(",", ":"),
        ensure_ascii=False,
    )
    return _SCHEME + base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")


def parse_peer_uri(uri: str) -> PeerAddress:
    """Return what a URI says; fields that we do not know are ignored.

    Raises:
        ConfigError: The text is no OCFT peer URI.
    """
    uri = uri.strip()
    if not uri.lower().startswith(_SCHEME) or len(uri) > _MAX_URI:
        raise ConfigError(
            "This is no peer URI: it starts with ocft:// and comes from `ocft export`."
        )
    encoded = uri[len(_SCHEME) :].rstrip("=").rstrip("/")
    try:
        padded = encoded + "=" * (-len(encoded) % 4)
        content = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True).decode())
        json.dumps(content, ensure_ascii=False).encode()  # fails for half of a surrogate pair
        node_id, secret = content["nodeId"], content["secret"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise ConfigError("The peer URI is damaged. Copy it again, whole.") from None
    if not (isinstance(node_id, str) and isinstance(secret, str) and node_id and secret):
        raise ConfigError("The peer URI lacks a node id or a secret. Copy it again, whole.")
    return PeerAddress(NodeId(node_id), secret)
