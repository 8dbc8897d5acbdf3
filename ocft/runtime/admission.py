"""Whether an offer is taken, asked about, refused, or not even answered.

R-TRU-3 to R-TRU-5: nothing is allocated, created or written from an offer's fields alone.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from ocft.crypto import secrets_match
from ocft.errors import StorageError
from ocft.protocol import MAX_CHUNK_SIZE, ChunkPlan
from ocft.storage import TrustedPeer, free_space
from ocft.wire import Offer

MOST_LIVE = 256  # transfers, both directions; a chat carries a few at a time
MOST_UNDECIDED = 32  # offers that wait for a person; strangers can make them, so they are few
_SPACE_TO_LEAVE = 16 * 1024 * 1024  # bytes that are never taken from the disk


class Verdict(Enum):
    """What happens to an offer."""

    ACCEPT = "accept"
    ASK = "ask"
    REFUSE = "refuse"
    IGNORE = "ignore"


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict and, for a refusal, what the sender is told."""

    verdict: Verdict
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is going on when an offer comes."""

    live: int
    """Transfers that have not ended."""
    undecided: int
    """Of those, offers of strangers that wait for a decision."""
    expected_bytes: int
    """Bytes still to come for files that were accepted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """The rules of one node.

    Args:
        secret: Our secret; a sender who knows it needs no approval.
        auto_accept: Whether trusted peers need no approval either.
        max_file_size: Bytes of the largest file that is taken.
        download_dir: Where files go, for the space that is left there.
        wall_clock: Seconds since the epoch.
    """

    secret: str = field(repr=False)
    auto_accept: bool
    max_file_size: int
    download_dir: Path
    wall_clock: Callable[[], float]

    def decide(self, offer: Offer, peer: TrustedPeer | None, load: Load) -> Decision:
        """Decide about an offer.

        Args:
            offer: What is offered.
            peer: The trusted peer that it comes from, if it is one.
            load: What is going on.
        """
        if offer.size > self.max_file_size:
            # The words of 1.x nodes.
            reason = f"File too large: {offer.size} bytes exceeds limit"
            return Decision(Verdict.REFUSE, reason)
        if contradiction := _contradiction(offer):
            return Decision(Verdict.REFUSE, contradiction)
        now = self.wall_clock()
        is_trusted = peer is not None and not peer.is_expired(now)
        knows_secret = secrets_match(self.secret, offer.secret) and (
            offer.secret_ttl is None or now * 1000 <= offer.secret_ttl
        )
        is_automatic = knows_secret or (self.auto_accept and is_trusted)
        is_known = is_automatic or is_trusted
        if load.live >= MOST_LIVE or (not is_known and load.undecided >= MOST_UNDECIDED):
            if is_known:
                return Decision(Verdict.REFUSE, "Busy: too many transfers, try again later")
            return Decision(Verdict.IGNORE)
        if not self.has_space(offer.size, load):
            return Decision(Verdict.REFUSE, "Not enough space")
        return Decision(Verdict.ACCEPT if is_automatic else Verdict.ASK)

    def has_space(self, size: int, load: Load) -> bool:
        """Say whether the disk has room for a file beside those that are still to come."""
        try:
            free = free_space(self.download_dir)
        except StorageError:
            return False  # a folder that cannot be asked cannot be written either
        return free >= size + load.expected_bytes + _SPACE_TO_LEAVE


def _contradiction(offer: Offer) -> str | None:
    if offer.chunk_size > MAX_CHUNK_SIZE:
        return f"Chunks too large: {offer.chunk_size} bytes; {MAX_CHUNK_SIZE} are the most"
    if offer.total_chunks != ChunkPlan(offer.size, offer.chunk_size).total:
        return "The number of chunks does not fit the size"
    return None
