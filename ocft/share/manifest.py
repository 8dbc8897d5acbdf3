"""The manifest of a session: what is shared, by whom; only sender and receivers can read it."""

import json
from collections.abc import Iterable
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from ocft.errors import MalformedMessageError
from ocft.share.strict_json import parse_json
from ocft.wire import Manifest, ManifestFile, pack_manifest

MAX_MANIFEST: Final = 4 << 20
"""Bytes of a manifest before it is sealed."""
MAX_FILES: Final = 10_000
_MAX_SIZE: Final = 1 << 50
_MAX_WORDS: Final = 200
_NO_DIGEST: Final = bytes(32)


class SharedFile(BaseModel):
    """One file of a session."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    name: str
    """Relative, with `/`; as R-MAN-2 of protocol.md says."""
    size: Annotated[int, Field(ge=0, le=_MAX_SIZE)]
    """Bytes."""
    digest: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    """SHA-256 in hex, where the sender could tell it."""


class ShareManifest(BaseModel):
    """What a sender shares."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    v: Annotated[int, Field(ge=1, le=1)] = 1
    """Version of this model."""
    sender: Annotated[str, Field(alias="from", max_length=_MAX_WORDS)] = ""
    """Who sends, in the sender's own words: nothing that was proved."""
    note: Annotated[str, Field(max_length=_MAX_WORDS)] = ""
    """What the sender says to it."""
    files: Annotated[tuple[SharedFile, ...], Field(min_length=1, max_length=MAX_FILES)]
    """In the order of the content."""

    @field_validator("files", mode="before")
    @classmethod
    def _take_a_list(cls, value: object) -> object:
        return tuple(value) if isinstance(value, list) else value

    @property
    def content_size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    @classmethod
    def of(cls, files: Iterable[ManifestFile], *, sender: str = "", note: str = "") -> Self:
        """Return the manifest of files that were read.

        Args:
            files: As `SourceSet.describe` gives them.
            sender: Who sends; cut to 200 characters.
            note: What to say to it; cut to 200 characters.

        Raises:
            MalformedMessageError: There are none, or too many, or too large ones; or the words are
                no text.
        """
        if any("\ud800" <= one <= "\udfff" for one in sender + note):  # of an argument's odd bytes
            raise MalformedMessageError("The sender's name, or the note, is no text.")
        try:
            return cls.model_validate(
                {
                    "from": sender[:_MAX_WORDS],
                    "note": note[:_MAX_WORDS],
                    "files": tuple(
                        SharedFile(name=file.name, size=file.size, digest=file.digest.hex())
                        for file in files
                    ),
                }
            )
        except ValidationError as error:
            raise MalformedMessageError(
                f"1 to {MAX_FILES:,} files can be shared at once."
            ) from error

    def for_names(self) -> Manifest:
        """Return the same as a manifest of wire 2, whose names are checked and become paths.

        A digest that is not known is 32 zero bytes there.
        """
        return Manifest(
            tuple(
                ManifestFile(
                    name=file.name,
                    size=file.size,
                    digest=bytes.fromhex(file.digest) if file.digest else _NO_DIGEST,
                    modified=None,
                    is_executable=False,
                )
                for file in self.files
            )
        )


def pack_share_manifest(manifest: ShareManifest) -> bytes:
    """Return a manifest's bytes, to be sealed.

    Raises:
        MalformedMessageError: No receiver would take it.
    """
    pack_manifest(manifest.for_names())  # refuses bad names, and names that collide
    fields = manifest.model_dump(by_alias=True)
    data = json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode(
        "utf-8", "surrogatepass"
    )
    if len(data) > MAX_MANIFEST:
        raise MalformedMessageError(f"The names of all files are more than {MAX_MANIFEST} bytes.")
    return data


def parse_share_manifest(data: bytes) -> ShareManifest:
    """Return what a manifest says; its names can be compared, but are not safe paths yet.

    Args:
        data: What was sealed.

    Raises:
        MalformedMessageError: It is none, or its names are none or collide (R-MAN-2).
    """
    if len(data) > MAX_MANIFEST:
        raise MalformedMessageError("The manifest is too large.")
    try:
        manifest = ShareManifest.model_validate(parse_json(data))
    except ValidationError as error:
        raise MalformedMessageError("The manifest is malformed.") from error
    pack_manifest(manifest.for_names())
    return manifest
