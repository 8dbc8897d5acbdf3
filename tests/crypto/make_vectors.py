"""Makes `tests/golden/wire-2-keys.json`: every derivation of wire 2, computed a second time.

Nothing of `ocft` is imported: H, HKDF and the lay-out of keys stand here as the specification
(docs/protocol.md, section 2) words them, from `hashlib` and `hmac`. Run from the repository's root:

    python -m tests.crypto.make_vectors
"""

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from spake2 import SPAKE2_A, SPAKE2_B

PATH = Path(__file__).parents[1] / "golden" / "wire-2-keys.json"


def hkdf(salt: bytes, ikm: bytes, info: bytes, length: int) -> bytes:
    key = hmac.digest(salt or bytes(32), ikm, "sha256")
    output, block = b"", b""
    for counter in range(1, -(-length // 32) + 1):
        block = hmac.digest(key, block + info + bytes([counter]), "sha256")
        output += block
    return output[:length]


def h(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(len(p).to_bytes(4, "big") + p for p in parts)).digest()


def fill(name: str, length: int = 32) -> bytes:
    """Return bytes that stand for a random value."""
    return hkdf(b"", name.encode(), b"test vector", length)


def recorded() -> Any:
    """Return the file, with its hex strings as bytes."""
    return _bytes(json.loads(PATH.read_text(encoding="utf-8")))


def make(ct: bytes) -> dict[str, Any]:
    """Return all vectors.

    Args:
        ct: A `ct` for the identity below. Sealing draws randomness, so it is kept, not made.
    """
    root, th3 = fill("root key"), fill("th3")
    sealed_by = {d: hkdf(root, b"", b"OCFT 2 control" + d, 32) for d in (b"\0", b"\1")}
    proofs = {
        side: hmac.digest(
            hkdf(root, "gehe\u00efm".encode(), b"OCFT 2 secret " + side.encode(), 32), th3, "sha256"
        )
        for side in "AB"
    }
    secrets = fill("B's secret") + fill("A's secret") + fill("X25519")
    offer, accept = fill("offer", 90), fill("accept", 70)
    epoch = hkdf(root, fill("D"), b"OCFT 2 epoch" + h(b"OCFT 2 epoch", offer, accept), 80)
    salt = fill("salt", 16)
    header = b"\x26" + hkdf(root, b"", b"OCFT 2 tag\0", 8) + salt
    once = hkdf(sealed_by[b"\0"], salt, b"OCFT 2 message", 44)
    frame_header = b"\x27" + epoch[64:72] + b"\x80\x01"
    return {
        "transcript": {
            "parts": [b"", b"a", fill("part", 300)],
            "digest": h(b"OCFT 2 hello", b"", b"a", fill("part", 300)),
        },
        "root": {
            "th3": th3,
            "responder_secret": fill("B's secret"),
            "initiator_secret": fill("A's secret"),
            "exchanged": fill("X25519"),
            "root": hkdf(th3, secrets, b"OCFT 2 root", 32),
        },
        "finish": {
            "root": root,
            "th3": th3,
            "mac": hmac.digest(hkdf(root, b"", b"OCFT 2 finish mac", 32), th3, "sha256"),
            "secret": "gehe\u00efm".encode(),
            "initiator_proof": proofs["A"],
            "responder_proof": proofs["B"],
        },
        "session": {
            "root": root,
            "initiator_tag": hkdf(root, b"", b"OCFT 2 tag\0", 8),
            "initiator_key": sealed_by[b"\0"],
            "responder_tag": hkdf(root, b"", b"OCFT 2 tag\1", 8),
            "responder_key": sealed_by[b"\1"],
        },
        "epoch": {
            "root": root,
            "exchanged": fill("D"),
            "offer": offer,
            "accept": accept,
            "data_key": epoch[:32],
            "ack_key": epoch[32:64],
            "data_tag": epoch[64:72],
            "ack_tag": epoch[72:],
        },
        "message": {
            "key": sealed_by[b"\0"],
            "header": header,
            "salt": salt,
            "plaintext": offer,
            "sealed": AESGCM(once[:32]).encrypt(once[32:], offer, header),
        },
        "frame": {
            "key": epoch[:32],
            "number": (128).to_bytes(8, "big"),
            "header": frame_header,
            "plaintext": b"\0\0hello",
            "sealed": AESGCM(epoch[:32]).encrypt(
                bytes(4) + (128).to_bytes(8, "big"), b"\0\0hello", frame_header
            ),
        },
        "identity": _identity(fill("identity", 128), ct),
        "pairing": _pairing(),
    }


def _identity(private: bytes, ct: bytes) -> dict[str, Any]:
    signing = Ed25519PrivateKey.from_private_bytes(private[:32])
    kem = MLKEM768PrivateKey.from_seed_bytes(private[32:96])
    exchange = X25519PrivateKey.from_private_bytes(private[96:])
    public = b"".join(key.public_key().public_bytes_raw() for key in (signing, kem, exchange))
    return {
        "private": private,
        "public": public,
        "fingerprint": hashlib.sha256(b"OCFT 2 identity" + public).digest(),
        "storage_key": hkdf(b"", private, b"OCFT 2 storage", 32),
        "signature": signing.sign(b"OCFT 2 responder" + fill("th2")),
        "signed": b"OCFT 2 responder" + fill("th2"),
        "ct": ct,
        "secret": _opened(kem, exchange, ct),
    }


def _opened(kem: MLKEM768PrivateKey, exchange: X25519PrivateKey, ct: bytes) -> bytes:
    """Open a `ct`: X-Wing (draft-connolly-cfrg-xwing-kem), then RFC 9180's base mode."""
    ephemeral = ct[1088:1120]
    shared = hashlib.sha3_256(
        kem.decapsulate(ct[:1088])
        + exchange.exchange(X25519PublicKey.from_public_bytes(ephemeral))
        + ephemeral
        + exchange.public_key().public_bytes_raw()
        + rb"\.//^"
        + b"\\"
    ).digest()
    suite = b"HPKE" + bytes.fromhex("647a 0001 0002")

    def extract(salt: bytes, label: bytes, ikm: bytes) -> bytes:
        return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + ikm, "sha256")

    context = b"\0" + extract(b"", b"psk_id_hash", b"") + extract(b"", b"info_hash", b"OCFT 2 kem")
    secret = extract(shared, b"secret", b"")

    def expand(label: bytes, length: int) -> bytes:
        info = length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + context
        return hmac.digest(secret, info + b"\1", "sha256")[:length]

    return AESGCM(expand(b"key", 32)).decrypt(expand(b"base_nonce", 12), ct[1120:], b"")


def _pairing() -> dict[str, Any]:
    code, ids = b"7-zebra-zoo", (b"OCFT 2 pair P", b"OCFT 2 pair Q")
    prover = SPAKE2_A(code, *ids, entropy_f=lambda length: fill("P's entropy", length))
    guesser = SPAKE2_B(code, *ids, entropy_f=lambda length: fill("Q's entropy", length))
    prover_message, guesser_message = prover.start(), guesser.start()
    shared = prover.finish(guesser_message)
    t = h(b"OCFT 2 pair", b"7", b"ocft_p", b"ocft_q", prover_message, guesser_message)
    return {
        "code": code,
        "prover_entropy": fill("P's entropy", 64),
        "guesser_entropy": fill("Q's entropy", 64),
        "prover_message": prover_message,
        "guesser_message": guesser_message,
        "shared": shared,
        "prover_id": b"ocft_p",
        "guesser_id": b"ocft_q",
        "mac": hmac.digest(hkdf(t, shared, b"OCFT 2 pair mac", 32), t, "sha256"),
        "prover_key": hkdf(t, shared, b"OCFT 2 pair P", 44),
        "guesser_key": hkdf(t, shared, b"OCFT 2 pair Q", 44),
    }


def _bytes(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _bytes(one) for key, one in value.items()}
    return [_bytes(one) for one in value] if isinstance(value, list) else bytes.fromhex(value)


def _new_ct() -> bytes:
    private = fill("identity", 128)
    suite = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
    kem = hpke.MLKEM768X25519PrivateKey(
        MLKEM768PrivateKey.from_seed_bytes(private[32:96]),
        X25519PrivateKey.from_private_bytes(private[96:]),
    )
    return suite.encrypt(fill("secret"), kem.public_key(), info=b"OCFT 2 kem")


if __name__ == "__main__":
    ct = recorded()["identity"]["ct"] if PATH.exists() else _new_ct()
    text = json.dumps(make(ct), indent=1, default=bytes.hex)
    PATH.write_text(text + "\n", encoding="utf-8")
