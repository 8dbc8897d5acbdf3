"""The keys of sharing without a chat: code, session, records, password (share-protocol.md 1, 2, 4).

A code of 60 random bits is all that two people pass on. What a server gets to know of it, the id,
says nothing about the key; each guess at a code costs 600,000 rounds.
"""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
import unicodedata
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ocft.crypto.derivation import derive
from ocft.crypto.pake import SpakeRun
from ocft.crypto.sealing import open_once, seal_once
from ocft.errors import ConfigError, UnsealError

Octets = bytes | bytearray | memoryview
RECORD: Final = 1024 * 1024
"""Bytes of content in one record; only the last one may have fewer."""
SEAL: Final = 16
"""Bytes that sealing adds to a record."""
SEALED_RECORD: Final = RECORD + SEAL
SALT: Final = 16
"""Bytes of a stream's salt."""
_ROUNDS: Final = 600_000  # owasp.org, password storage, PBKDF2-HMAC-SHA256, 2023
_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_CODE: Final = 12
_MAX_TYPED: Final = 64
_READ_AS: Final = str.maketrans("OIL", "011")
_ID: Final = re.compile("[a-z2-7]{25}[aeimquy4]")  # 128 bits: the last letter has two zero bits
_P: Final = 32
_TOKEN: Final = 32
_NAMES: Final = (b"OCFT share receiver", b"OCFT share server")
DATA: Final = b"OCFT share data"
"""The stream of the content."""
MANIFEST: Final = b"OCFT share manifest"
"""The stream of the manifest: its one record."""


@dataclass(frozen=True, slots=True)
class ShareKeys:
    """What a code gives to those who have it; the server gets the id only."""

    id: str
    """Names the session at its server: 26 lower case letters and digits."""
    master: bytes = field(repr=False)
    """32 bytes from which the session's key is made."""

    def key(self, p: bytes = b"") -> bytes:
        """Return the session's key, 32 bytes.

        Args:
            p: What the server gives to who proved the password; nothing without one (R-SHR-3).
        """
        return derive(p, self.master, b"OCFT share key", 32)


def make_share_code() -> str:
    """Return a new code: 12 characters, 60 random bits."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_CODE))


def parse_share_code(text: str) -> str:
    """Read a code as somebody typed it: in any case, with any dashes and spaces (R-SHR-1).

    Raises:
        ConfigError: It is no code. The message does not repeat it.
    """
    if len(text) > _MAX_TYPED:
        raise ConfigError("This is too long for a code.")
    folded = unicodedata.normalize("NFKC", text).upper().translate(_READ_AS)
    code = "".join(one for one in folded if not one.isspace() and not _is_dash(one))
    if len(code) != _CODE or any(one not in _ALPHABET for one in code):
        raise ConfigError(f"A code has {_CODE} letters and digits, such as 7KQ2M9XWTB4E.")
    return code


def share_keys(code: str) -> ShareKeys:
    """Return the keys of a code. It takes a quarter of a second: call it in a worker thread.

    Args:
        code: From :func:`make_share_code` or :func:`parse_share_code`.
    """
    master = hashlib.pbkdf2_hmac("sha256", code.encode("ascii"), b"OCFT share 1", _ROUNDS, 32)
    number = derive(b"", master, b"OCFT share id", 16)
    return ShareKeys(base64.b32encode(number).decode("ascii").rstrip("=").lower(), master)


def is_share_id(text: str) -> bool:
    """Say whether this can be the id of a session, in the one form that it has."""
    return _ID.fullmatch(text) is not None


def record_count(size: int) -> int:
    """Return the number of records of `size` bytes of content; no content is one empty record."""
    return max(1, -(-size // RECORD))


def sealed_size(size: int) -> int:
    """Return how many bytes `size` bytes of content have when they are sealed."""
    return size + record_count(size) * SEAL


class RecordSealer:
    """Seals the records of one stream, in order (R-SHR-4).

    Args:
        key: The session's, from :meth:`ShareKeys.key`.
        session_id: Bound to each record.
        salt: 16 random bytes that no other bytes are sealed under.
        count: The number of all records.
        stream: `DATA` or `MANIFEST`.
    """

    def __init__(
        self, key: bytes, session_id: str, salt: bytes, count: int, stream: bytes = DATA
    ) -> None:
        self._stream = _Stream(key, session_id, salt, count, stream)
        self._next = 0

    def seal(self, number: int, plaintext: Octets) -> bytes:
        """Return a sealed record, 16 bytes more than it was.

        Raises:
            ValueError: It is not above the record sealed last, or beyond the stream's end.
        """
        self._step(number)
        stream = self._stream
        return stream.cipher.encrypt(stream.nonce(number), plaintext, stream.bound(number))

    def seal_into(self, number: int, plaintext: Octets, sealed: Octets) -> int:
        """Seal a record into a buffer of its exact length and return that length.

        Raises:
            ValueError: As for :meth:`seal`, or the buffer has another length.
        """
        self._step(number)
        stream = self._stream
        return stream.cipher.encrypt_into(
            stream.nonce(number), plaintext, stream.bound(number), sealed
        )

    def _step(self, number: int) -> None:
        # Two records under one number would tell their contents, whoever asks for it.
        if not self._next <= number < self._stream.count:
            raise ValueError(f"record {number} after {self._next - 1} of {self._stream.count}")
        self._next = number + 1


class RecordOpener:
    """Opens the records of one stream. That none is left out is for the caller to see (R-SHR-5).

    Args:
        key: The session's, from :meth:`ShareKeys.key`.
        session_id: As it was bound.
        salt: The stream's; 16 bytes.
        count: The number of all records, as the manifest's sizes give it.
        stream: `DATA` or `MANIFEST`.
    """

    def __init__(
        self, key: bytes, session_id: str, salt: bytes, count: int, stream: bytes = DATA
    ) -> None:
        self._stream = _Stream(key, session_id, salt, count, stream)

    def open(self, number: int, sealed: Octets) -> bytes:
        """Return what was sealed.

        Raises:
            UnsealError: Another key, number or count, or something was changed.
        """
        stream = self._stream
        try:
            return stream.cipher.decrypt(stream.nonce(number), sealed, stream.bound(number))
        except InvalidTag as error:  # also for less than a tag
            raise _refused() from error

    def open_into(self, number: int, sealed: Octets, plaintext: Octets) -> int:
        """Open a record into a buffer of its exact length and return that length.

        After an error the buffer's content means nothing.

        Raises:
            UnsealError: As for :meth:`open`.
            ValueError: The buffer has another length.
        """
        stream = self._stream
        try:
            return stream.cipher.decrypt_into(
                stream.nonce(number), sealed, stream.bound(number), plaintext
            )
        except InvalidTag as error:
            raise _refused() from error


class _Stream:
    """The key of a stream, and what each record is bound to."""

    def __init__(self, key: bytes, session_id: str, salt: bytes, count: int, stream: bytes) -> None:
        if len(salt) != SALT:
            raise UnsealError("A stream of sealed records has no proper salt.")
        self.count = count
        self.cipher = AESGCM(derive(salt, key, stream, 32))
        self._bound = b"OCFT share 1" + session_id.encode("ascii")

    @staticmethod
    def nonce(number: int) -> bytes:
        return number.to_bytes(12, "big")  # 4 zero bytes, then the number in 8

    def bound(self, number: int) -> bytes:
        return self._bound + number.to_bytes(8, "big") + self.count.to_bytes(8, "big")


def make_salt() -> bytes:
    """Return a new salt for one stream; 16 random bytes."""
    return secrets.token_bytes(SALT)


def seal_manifest(key: bytes, session_id: str, manifest: bytes) -> bytes:
    """Return a sealed manifest: its salt and its one record."""
    salt = make_salt()
    return salt + RecordSealer(key, session_id, salt, 1, MANIFEST).seal(0, manifest)


def open_manifest(key: bytes, session_id: str, sealed: bytes) -> bytes:
    """Open what :func:`seal_manifest` sealed.

    Raises:
        UnsealError: Another key, or something was changed.
    """
    opener = RecordOpener(key, session_id, sealed[:SALT], 1, MANIFEST)
    return opener.open(0, sealed[SALT:])


def make_token() -> str:
    """Return a new sender key, download token or the like: 32 random bytes, 43 characters."""
    return secrets.token_urlsafe(_TOKEN)


def token_digest(token: str) -> bytes:
    """Return what is kept of a token; 32 bytes (R-SHR-7)."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def is_token(token: str, kept: bytes) -> bool:
    """Compare a token with what was kept, in time that does not depend on where they differ."""
    return hmac.compare_digest(token_digest(token), kept)


def password_verifier(password: str, session_id: str) -> bytes:
    """Return what a password is proved with; a quarter of a second, so use a worker thread."""
    salt = b"OCFT share password" + session_id.encode("ascii")
    typed = unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
    return hashlib.pbkdf2_hmac("sha256", typed, salt, _ROUNDS, 32)


def make_p() -> bytes:
    """Return a new P: what the key of a session with a password needs beside the code."""
    return secrets.token_bytes(_P)


class PasswordRun:
    """One run of SPAKE2 over a password's verifier, of a receiver or of a server.

    Args:
        verifier: From :func:`password_verifier`.
        is_receiver: Whether this is A, the receiver.
    """

    message: bytes
    """Ours to send; 33 bytes."""

    def __init__(self, verifier: bytes, *, is_receiver: bool) -> None:
        self._is_receiver = is_receiver
        self._spake = SpakeRun(verifier, _NAMES, is_a=is_receiver)
        self.message = self._spake.message

    def finish(self, theirs: bytes) -> "PasswordProof":
        """Take the other side's message; a run is finished once.

        Raises:
            UnsealError: It is no message of the other side, or this run was finished before.
        """
        shared = self._spake.finish(theirs)
        ours = self.message
        both = ours + theirs if self._is_receiver else theirs + ours
        return PasswordProof(shared, both, is_receiver=self._is_receiver)


class PasswordProof:
    """What a finished run gives: a proof to send, the other side's to check, and P's seal.

    Args:
        shared: K.
        messages: T: the receiver's message and the server's.
        is_receiver: Whether this is the receiver.
    """

    def __init__(self, shared: bytes, messages: bytes, *, is_receiver: bool) -> None:
        key = derive(b"", shared, b"OCFT share mac", 32)
        macs = [hmac.digest(key, name + messages, "sha256") for name in _NAMES]
        self.mac, self._theirs = macs if is_receiver else reversed(macs)
        self._p_key = derive(b"", shared, b"OCFT share p", 44)

    def matches(self, mac: bytes) -> bool:
        """Say whether the other side has the same password."""
        return hmac.compare_digest(mac, self._theirs)

    def seal_p(self, p: bytes) -> bytes:
        """Seal P for the receiver; once, since the key has one nonce."""
        return seal_once(self._p_key, p)

    def open_p(self, sealed: bytes) -> bytes:
        """Open P.

        Raises:
            UnsealError: Something was changed.
        """
        p = open_once(self._p_key, sealed)
        if len(p) != _P:
            raise UnsealError("What the server gave for the password is not valid.")
        return p


def format_octets(octets: bytes) -> str:
    """Return octets as base64url without padding."""
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode("ascii")


def parse_octets(text: str, size: int) -> bytes:
    """Read octets from base64url without padding, in the one form that they have.

    Args:
        text: From a peer.
        size: How many octets it must have.

    Raises:
        UnsealError: It is something else.
    """
    if len(text) != (size * 4 + 2) // 3:
        raise UnsealError("A value has not the right length.")
    try:
        octets = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error) as error:
        raise UnsealError("A value is no base64url.") from error
    if format_octets(octets) != text:
        raise UnsealError("A value is no base64url in its one form.")
    return octets


def _is_dash(character: str) -> bool:
    return unicodedata.category(character) == "Pd" or character == "\u2212"  # the minus


def _refused() -> UnsealError:
    return UnsealError("A sealed record could not be opened: it was changed, or the key is wrong.")
