"""Keys, seals, proofs and pairing codes: every cryptographic decision of OCFT is in this package.

It sees bytes only: what a frame looks like is `ocft.wire`'s knowledge, when to send one
`ocft.protocol`'s. The specification is docs/protocol.md, sections 2.2, 2.4, 2.5 and 2.7.
"""

from ocft.crypto.derivation import transcript
from ocft.crypto.identity import Identity, PublicIdentity, format_fingerprint
from ocft.crypto.pake import (
    PairingCode,
    PairingKeys,
    Spake,
    make_pairing_code,
    pairing_keys,
    parse_pairing_code,
)
from ocft.crypto.schedule import (
    EphemeralKey,
    EpochKeys,
    SessionKeys,
    direct_key,
    epoch_keys,
    finish_mac,
    proofs_match,
    root_key,
    secret_proof,
    session_keys,
)
from ocft.crypto.sealing import (
    FrameCipher,
    RecordCipher,
    ReplayFilter,
    open_at_rest,
    open_message,
    open_once,
    seal_at_rest,
    seal_message,
    seal_once,
)
from ocft.crypto.tokens import make_secret, secret_tag, secrets_match

__all__ = [
    "EphemeralKey",
    "EpochKeys",
    "FrameCipher",
    "Identity",
    "PairingCode",
    "PairingKeys",
    "PublicIdentity",
    "RecordCipher",
    "ReplayFilter",
    "SessionKeys",
    "Spake",
    "direct_key",
    "epoch_keys",
    "finish_mac",
    "format_fingerprint",
    "make_pairing_code",
    "make_secret",
    "open_at_rest",
    "open_message",
    "open_once",
    "pairing_keys",
    "parse_pairing_code",
    "proofs_match",
    "root_key",
    "seal_at_rest",
    "seal_message",
    "seal_once",
    "secret_proof",
    "secret_tag",
    "secrets_match",
    "session_keys",
    "transcript",
]
