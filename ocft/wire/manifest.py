"""The manifest: which files a transfer carries, the first bytes of its byte space (protocol 2.6).

Whether a part of a name may become a name on this disk is the storage's to say; here it is only
certain that the names are names, and that no two of them are the same file.
"""

import unicodedata
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from ocft.errors import MalformedMessageError
from ocft.wire.cbor import decode_cbor, encode_cbor
from ocft.wire.varints import MAX_NUMBER

MAX_FILES: Final = 100_000
MAX_MANIFEST: Final = 16 << 20
"""Bytes (R-MAN-1)."""
MAX_NAME: Final = 1024
"""Bytes of UTF-8."""
MAX_PARTS: Final = 32

_ITEMS_OF_FILE = 6
_MAX_ITEMS = _ITEMS_OF_FILE * MAX_FILES + 3
_MAX_TIME = 253_402_300_799  # the last second of year 9999, which every system can show
_DIGEST_SIZE = 32
_EXECUTABLE = 1


@dataclass(frozen=True, slots=True)
class ManifestFile:
    """One file of a transfer."""

    name: str
    """Relative, with `/` between its parts, in NFC."""
    size: int
    digest: bytes
    """SHA-256."""
    modified: int | None
    """Seconds since the epoch."""
    is_executable: bool


@dataclass(frozen=True, slots=True)
class Manifest:
    """The files of a transfer, in the order in which they follow each other."""

    files: tuple[ManifestFile, ...]

    @property
    def content_size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    def offsets(self) -> list[int]:
        """Return where each file begins; the first one at 0, which is just after the manifest."""
        return list(accumulate((file.size for file in self.files[:-1]), initial=0))


def pack_manifest(manifest: Manifest) -> bytes:
    """Return the manifest's bytes.

    Raises:
        MalformedMessageError: No peer would take it; see `unpack_manifest`.
    """
    _check(manifest)
    data = encode_cbor(
        {
            "files": [
                [
                    file.name,
                    file.size,
                    file.digest,
                    file.modified,
                    _EXECUTABLE if file.is_executable else 0,
                ]
                for file in manifest.files
            ]
        }
    )
    if len(data) > MAX_MANIFEST:
        raise MalformedMessageError(f"a manifest of {len(data)} bytes; {MAX_MANIFEST} are the most")
    return data


def unpack_manifest(data: bytes) -> Manifest:
    """Return what a manifest says (R-MAN-1, R-MAN-2).

    Raises:
        MalformedMessageError: It is not canonical, too large, or has names that are none, that are
            equal after NFKC and case folding, or that are a folder of another one.
    """
    fields = decode_cbor(data, max_bytes=MAX_MANIFEST, max_items=_MAX_ITEMS)
    if not isinstance(fields, dict) or list(fields) != ["files"]:
        raise MalformedMessageError("a manifest without files")
    rows = fields["files"]
    if not isinstance(rows, list):
        raise MalformedMessageError("a manifest without files")
    manifest = Manifest(tuple(map(_parse_file, rows)))
    _check(manifest)
    return manifest


def _parse_file(row: object) -> ManifestFile:
    match row:
        # `type() is`: True is an int to isinstance, and to a pattern (case J7).
        case [str(name), size, bytes(digest), modified, flags] if (
            type(size) is int
            and (modified is None or type(modified) is int)
            and type(flags) is int
            and flags in (0, _EXECUTABLE)
        ):
            return ManifestFile(name, size, digest, modified, flags == _EXECUTABLE)
    raise MalformedMessageError("a file of a manifest is not right")


def _check(manifest: Manifest) -> None:
    if not 1 <= len(manifest.files) <= MAX_FILES:
        raise MalformedMessageError(f"a manifest of {len(manifest.files)} files")
    for file in manifest.files:
        _check_name(file.name)
        if (
            file.size < 0
            or len(file.digest) != _DIGEST_SIZE
            or not (file.modified is None or 0 <= file.modified <= _MAX_TIME)
        ):
            raise MalformedMessageError("a file of a manifest is not right")
    if manifest.content_size > MAX_NUMBER - MAX_MANIFEST:
        raise MalformedMessageError("the files of a manifest are larger than can be numbered")
    _check_collisions(manifest)


def _check_name(name: str) -> None:
    parts = name.split("/")
    if (
        not len(parts) <= MAX_PARTS
        or "" in parts
        or "." in parts
        or ".." in parts
        or len(name) > MAX_NAME
        or not (name.isascii() or _is_short_nfc(name))
    ):
        raise MalformedMessageError("a name in a manifest is none")


def _is_short_nfc(name: str) -> bool:
    try:
        return len(name.encode()) <= MAX_NAME and unicodedata.is_normalized("NFC", name)
    except UnicodeEncodeError:  # half of a surrogate pair, in a name of ours
        return False


def _check_collisions(manifest: Manifest) -> None:
    """Refuse two names that could be one file, and a file that is another one's folder.

    Compared after NFKC and case folding, since on some systems such names are the same.
    """
    # Folders are numbered and names kept by their parts: whole paths of all folders would be many
    # times as long as the manifest.
    folders: dict[tuple[int, str], int] = {}
    files: set[tuple[int, str]] = set()
    for file in manifest.files:
        *parents, last = _fold(file.name).split("/")
        folder = 0
        for part in parents:
            folder = folders.setdefault((folder, part), len(folders) + 1)
        files.add((folder, last))
    if len(files) != len(manifest.files) or not files.isdisjoint(folders):
        raise MalformedMessageError("two names in a manifest are the same")


def _fold(name: str) -> str:
    if name.isascii():
        return name.lower()
    # Folding can make what NFKC changes again, and the other way round (UAX 15, UTS 39).
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return unicodedata.normalize("NFKC", folded.casefold())
