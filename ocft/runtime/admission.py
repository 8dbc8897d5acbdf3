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
    code: str = ""
    """The same as an error's code, which is all that wire 2 tells (R-CTL-1)."""


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
        secrets: Our secrets that count at a moment; a sender who knows one needs no approval.
        auto_accept: Whether trusted peers need no approval either.
        max_file_size: Returns the bytes of the largest file that is taken at this moment, unless
            it is said otherwise of its sender.
        download_dir: Where files go, for the space that is left there.
        wall_clock: Seconds since the epoch.
    """

    secrets: Callable[[float], tuple[str, ...]] = field(repr=False)
    auto_accept: bool
    max_file_size: Callable[[], int]
    download_dir: Path
    wall_clock: Callable[[], float]

    def decide(
        self, offer: Offer, peer: TrustedPeer | None, load: Load, *, received_today: int = 0
    ) -> Decision:
        """Decide about an offer of wire 1.0.

        Args:
            offer: What is offered.
            peer: The trusted peer that it comes from, if it is one.
            load: What is going on.
            received_today: Bytes that came from the peer in the last 24 hours.
        """
        now = self.wall_clock()
        if peer is not None and peer.is_expired(now):
            peer = None
        knows_secret = any(
            secrets_match(secret, offer.secret) for secret in self.secrets(now)
        ) and (offer.secret_ttl is None or now * 1000 <= offer.secret_ttl)
        refusal = self.refusal(offer.size, peer, received_today)
        if refusal is None and (contradiction := _contradiction(offer)):
            refusal = Decision(Verdict.REFUSE, contradiction)
        if refusal is not None:
            return refusal
        return self._admit(offer.size, peer, knows_secret=knows_secret, load=load)

    def decide_sealed(
        self,
        size: int,
        *,
        peer: TrustedPeer | None,
        knows_secret: bool,
        received_today: int,
        load: Load,
    ) -> Decision:
        """Decide about files that are offered in wire 2, by somebody whose identity is proved.

        Args:
            size: Bytes of the files.
            peer: The peer, if its owner's trust in it lasts.
            knows_secret: Whether it proved a secret of ours that counts.
            received_today: Bytes that came from it in the last 24 hours.
            load: What is going on.
        """
        if peer is None and not knows_secret:
            return Decision(Verdict.IGNORE)
        refusal = self.refusal(size, peer, received_today)
        return refusal or self._admit(size, peer, knows_secret=knows_secret, load=load)

    def refusal(self, size: int, peer: TrustedPeer | None, received_today: int) -> Decision | None:
        """Return why a file of this size is not taken from this peer, or None (R-LIM-1)."""
        if peer is not None and not peer.may_send:
            return Decision(Verdict.REFUSE, "Not allowed to send files", "NOT_ALLOWED")
        largest = peer.max_file_size if peer is not None else None
        if size > (self.max_file_size() if largest is None else largest):
            # The words of 1.x nodes.
            reason = f"File too large: {size} bytes exceeds limit"
            return Decision(Verdict.REFUSE, reason, "FILE_TOO_LARGE")
        per_day = peer.bytes_per_day if peer is not None else None
        if per_day is not None and received_today + size > per_day:
            return Decision(Verdict.REFUSE, "More than may come in a day", "DAILY_LIMIT")
        return None

    def _admit(
        self, size: int, peer: TrustedPeer | None, *, knows_secret: bool, load: Load
    ) -> Decision:
        """Accept what needs no person, if there is room for it."""
        may_skip_asking = self.auto_accept
        if peer is not None and peer.auto_accept is not None:
            may_skip_asking = peer.auto_accept
        is_automatic = knows_secret or (peer is not None and may_skip_asking)
        is_known = knows_secret or peer is not None
        if load.live >= MOST_LIVE or (not is_known and load.undecided >= MOST_UNDECIDED):
            if is_known:
                return Decision(Verdict.REFUSE, "Busy: too many transfers, try again later", "BUSY")
            return Decision(Verdict.IGNORE)
        if not self.has_space(size, load):
            return Decision(Verdict.REFUSE, "Not enough space", "NOT_ENOUGH_SPACE")
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
