"""What a wire 1.0 machine asks to be done, in the order of its list."""

from dataclasses import dataclass, field

from ocft.wire import Payload


@dataclass(frozen=True, slots=True)
class Send:
    """Send a message to the peer; then tell the machine with `sent`."""

    payload: Payload


@dataclass(frozen=True, slots=True)
class ReadChunk:
    """Read a piece of the source; answer with `provide`."""

    index: int
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class WriteChunk:
    """Put a verified piece on disk and into the journal; answer with `written`."""

    index: int
    offset: int
    data: bytes = field(repr=False)
    digest: str


@dataclass(frozen=True, slots=True)
class PublishFile:
    """Verify the whole file and give it its name; answer with `published`."""


Output = Send | ReadChunk | WriteChunk | PublishFile
