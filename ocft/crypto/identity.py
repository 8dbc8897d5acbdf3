"""Who a node is: its long-lived keys, and what others see of them (protocol.md 2.2)."""

import base64
import hashlib
import secrets
from typing import Final, Self

from cryptography.exceptions import InvalidSignature, InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from ocft.crypto.derivation import derive
from ocft.errors import ConfigError, UnsealError

_SUITE: Final = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
_INFO: Final = b"OCFT 2 kem"
_SECRET: Final = 32
_SEALED_SECRET: Final = 1088 + 32 + _SECRET + 16
"""A `ct`: ML-KEM ciphertext, X25519 key, the secret, tag."""
_PRIVATE: Final = 32 + 64 + 32
_PUBLIC: Final = 32 + 1184 + 32
_FIELD: Final = 2**255 - 19
# The y coordinates of Ed25519's eight points of small order (case K9). A key that is one of them
# makes signatures that are right for many messages. The first two are of order 8.
_SMALL_ORDER_Y: Final = frozenset(
    {
        0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826,
        0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7,
        0,
        1,
        _FIELD - 1,
    }
)


class PublicIdentity:
    """What others know a node by: its public keys. Equal when all bytes are.

    Made by :meth:`from_bytes`, or by its :class:`Identity`.
    """

    fingerprint: bytes
    """32 bytes that stand for the keys."""

    def __init__(self, data: bytes) -> None:
        if len(data) != _PUBLIC:
            raise ValueError("a public identity has 1248 bytes")
        signing, kem, exchange = data[:32], data[32:-32], data[-32:]
        if int.from_bytes(signing, "little") % 2**255 % _FIELD in _SMALL_ORDER_Y:
            raise ValueError("the Ed25519 key is of small order")
        self._verifying = Ed25519PublicKey.from_public_bytes(signing)
        x25519 = X25519PublicKey.from_public_bytes(exchange)
        X25519PrivateKey.generate().exchange(x25519)  # refuses points of low order
        self._kem = hpke.MLKEM768X25519PublicKey(MLKEM768PublicKey.from_public_bytes(kem), x25519)
        self._data = data
        self.fingerprint = hashlib.sha256(b"OCFT 2 identity" + data).digest()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read an identity that came from a peer.

        Args:
            data: Ed25519 (32 bytes), ML-KEM-768 (1184), X25519 (32).

        Raises:
            UnsealError: It is no identity, or one that nobody can have alone.
        """
        try:
            return cls(data)
        except ValueError as error:
            raise UnsealError("The peer's identity is not valid.") from error

    def to_bytes(self) -> bytes:
        """Return the 1248 bytes that :meth:`from_bytes` reads."""
        return self._data

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Return whether the node of this identity signed exactly this message."""
        try:
            self._verifying.verify(signature, message)
        except InvalidSignature:
            return False
        return True

    def seal_secret(self) -> tuple[bytes, bytes]:
        """Make a secret for a handshake that only this node can open.

        Returns:
            The secret (32 bytes) and the `ct` that carries it (1168).
        """
        secret = secrets.token_bytes(_SECRET)
        return secret, _SUITE.encrypt(secret, self._kem, info=_INFO)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PublicIdentity) and self._data == other._data

    def __hash__(self) -> int:
        return hash(self._data)

    def __repr__(self) -> str:
        return f"PublicIdentity({format_fingerprint(self.fingerprint)})"


class Identity:
    """A node's private keys. Nothing but :meth:`to_bytes` shows them."""

    public: PublicIdentity
    """What others may know."""

    def __init__(
        self, signing: Ed25519PrivateKey, kem: MLKEM768PrivateKey, exchange: X25519PrivateKey
    ) -> None:
        self._signing = signing
        self._kem = hpke.MLKEM768X25519PrivateKey(kem, exchange)
        self._data = (
            signing.private_bytes_raw() + kem.private_bytes_raw() + exchange.private_bytes_raw()
        )
        self.public = PublicIdentity(
            signing.public_key().public_bytes_raw()
            + kem.public_key().public_bytes_raw()
            + exchange.public_key().public_bytes_raw()
        )

    @classmethod
    def generate(cls) -> Self:
        """Return a new identity.

        Raises:
            ConfigError: The installed `cryptography` cannot do ML-KEM.
        """
        return cls.from_bytes(secrets.token_bytes(_PRIVATE))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read an identity that was kept.

        Args:
            data: Ed25519 seed (32 bytes), ML-KEM-768 seed (64), X25519 private key (32).

        Raises:
            ConfigError: It has another length, or `cryptography` cannot do ML-KEM.
        """
        if len(data) != _PRIVATE:
            raise ConfigError(f"The node's identity has {len(data)} bytes instead of {_PRIVATE}.")
        try:
            kem = MLKEM768PrivateKey.from_seed_bytes(data[32:96])
        except UnsupportedAlgorithm as error:
            raise ConfigError(
                "The installed cryptography package has no ML-KEM; it has to be built with"
                " OpenSSL 3.5 or newer, as the wheels on PyPI are."
            ) from error
        return cls(
            Ed25519PrivateKey.from_private_bytes(data[:32]),
            kem,
            X25519PrivateKey.from_private_bytes(data[96:]),
        )

    def to_bytes(self) -> bytes:
        """Return the 128 bytes that :meth:`from_bytes` reads; they are to be kept secret."""
        return self._data

    def sign(self, message: bytes) -> bytes:
        """Return an Ed25519 signature; 64 bytes."""
        return self._signing.sign(message)

    def open_secret(self, sealed: bytes) -> bytes:
        """Open a `ct` that a peer made for us.

        Returns:
            The secret; 32 bytes.

        Raises:
            UnsealError: It is not for us, or was changed.
        """
        # The length first: with it fixed, the secret inside has exactly 32 bytes.
        if len(sealed) != _SEALED_SECRET:
            raise UnsealError("A sealed secret has a wrong length.")
        try:
            return _SUITE.decrypt(sealed, self._kem, info=_INFO)
        except (InvalidTag, ValueError) as error:
            raise UnsealError("A sealed secret could not be opened.") from error

    def storage_key(self) -> bytes:
        """Return the key that seals root keys on the disk; 32 bytes, the same at each start."""
        return derive(b"", self._data, b"OCFT 2 storage", 32)

    def __repr__(self) -> str:
        return f"Identity({format_fingerprint(self.public.fingerprint)})"


def format_fingerprint(fingerprint: bytes) -> str:
    """Return what people compare: "abcd-efgh-...", five groups of four.

    Args:
        fingerprint: :attr:`PublicIdentity.fingerprint`; its first 100 bits are shown, in the
            lower-case base32 of RFC 4648.
    """
    letters = base64.b32encode(fingerprint).decode("ascii").lower()
    return "-".join(letters[start : start + 4] for start in range(0, 20, 4))
