"""Which transfer a frame belongs to, by the tag in its header."""

from itertools import islice
from typing import Final, Generic, Protocol, TypeVar

_MOST: Final = 256  # places; a transfer that is under way has one in any case


class HasEnd(Protocol):
    """Something that has epochs until it ends."""

    @property
    def has_ended(self) -> bool:
        """Whether only late frames come for it."""


OwnerT = TypeVar("OwnerT", bound=HasEnd)


class Tags(Generic[OwnerT]):
    """The epochs whose keys are at hand, also of transfers that have just ended (R-ARQ-9)."""

    def __init__(self) -> None:
        self._owners: dict[bytes, OwnerT] = {}

    def add(self, tag: bytes, owner: OwnerT) -> None:
        """Note an epoch; of those that ended, the ones that were noted first may have to go."""
        self._owners[tag] = owner
        if (too_many := len(self._owners) - _MOST) > 0:
            ended = (one for one, other in self._owners.items() if other.has_ended)
            for one in list(islice(ended, too_many)):
                del self._owners[one]

    def remove(self, tag: bytes) -> None:
        """Forget an epoch."""
        self._owners.pop(tag, None)

    def find(self, tag: bytes) -> OwnerT | None:
        """Return whose epoch it is."""
        return self._owners.get(tag)
