"""The `ocft://` address that a node hands to its peers: id and secret, as wire 1.0 writes them.

A node of wire 2 adds its fingerprint, as two fields that nodes of wire 1.0 ignore.
"""

import base64
import json
from dataclasses import dataclass, field

from ocft.errors import ConfigError, MalformedMessageError
from ocft.ids import NodeId
from ocft.wire.alphabets import Alphabet

_SCHEME = "ocft://"
_MAX_URI = 8192  # characters; ours have about 120, with a fingerprint 190
_VERSION = 2
_FINGERPRINT_SIZE = 32


@dataclass(frozen=True, slots=True)
class PeerAddress:
    """What another node needs to know to send files here."""

    node_id: NodeId
    secret: str = field(repr=False)
    fingerprint: bytes | None = None
    """32 bytes (protocol 2.2); whoever has it needs no other proof of the node's identity."""


def format_peer_uri(address: PeerAddress) -> str:
    """Return the URI: `ocft://` and base64url, without padding, of JSON."""
    fields: dict[str, str | int] = {"nodeId": address.node_id, "secret": address.secret}
    if address.fingerprint is not None:
        fields["fp"] = Alphabet.BASE64URL.encode(address.fingerprint)
        fields["v"] = _VERSION
    content = json.dumps(fields, separators=(",", ":"), ensure_ascii=False)
    return _SCHEME + Alphabet.BASE64URL.encode(content.encode())


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
    return PeerAddress(NodeId(node_id), secret, _fingerprint_of(content))


def _fingerprint_of(content: dict[str, object]) -> bytes | None:
    """Return the fingerprint; a damaged one must not turn into none, which would be a downgrade."""
    if "fp" not in content and "v" not in content:
        return None
    encoded, version = content.get("fp"), content.get("v")
    try:
        fingerprint = Alphabet.BASE64URL.decode(encoded) if isinstance(encoded, str) else b""
    except MalformedMessageError:
        fingerprint = b""
    # `type() is`: True and 2.0 are equal to numbers (case J7).
    if type(version) is not int or version < _VERSION or len(fingerprint) != _FINGERPRINT_SIZE:
        raise ConfigError("The peer URI's fingerprint is damaged. Copy it again, whole.")
    return fingerprint
