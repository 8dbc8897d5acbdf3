"""Which transfer a frame belongs to, by the tag in its header."""

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from ocft.runtime.wire2.pump import FramePump

_MOST: Final = 1024


class Tags:
    """The epochs whose keys are at hand, also of transfers that have just ended (R-ARQ-9)."""

    def __init__(self) -> None:
        self._pumps: OrderedDict[bytes, FramePump[Any, Any]] = OrderedDict()

    def add(self, tag: bytes, pump: "FramePump[Any, Any]") -> None:
        """Note an epoch; the one that was noted first may have to go."""
        self._pumps[tag] = pump
        if len(self._pumps) > _MOST:
            self._pumps.popitem(last=False)

    def remove(self, tag: bytes) -> None:
        """Forget an epoch."""
        self._pumps.pop(tag, None)

    def find(self, tag: bytes) -> "FramePump[Any, Any] | None":
        """Return whose epoch it is."""
        return self._pumps.get(tag)
