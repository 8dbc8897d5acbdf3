"""How a file is cut into chunks, and how large a chunk a channel can carry."""

from collections.abc import Callable
from dataclasses import dataclass

from ocft.ids import NodeId, TransferId
from ocft.wire import MARKER, MAX_CHUNKS, Chunk, make_message

DEFAULT_CHUNK_SIZE = 48 * 1024  # bytes, wire 1.0's default
MAX_CHUNK_SIZE = 1024 * 1024  # bytes; its text has 1.9 million characters, see wire.MAX_TEXT


@dataclass(frozen=True, slots=True)
class ChunkPlan:
    """The chunks of one file.

    Args:
        size: Bytes of the file.
        chunk_size: Bytes of each chunk but the last.
    """

    size: int
    chunk_size: int

    @property
    def total(self) -> int:
        """Number of chunks; 0 for an empty file."""
        return -(-self.size // self.chunk_size)

    def offset(self, index: int) -> int:
        """Return where a chunk starts in the file, in bytes."""
        return index * self.chunk_size

    def length(self, index: int) -> int:
        """Return the bytes of a chunk; 0 at and after the end of the file."""
        return max(0, min(self.chunk_size, self.size - index * self.chunk_size))

    def bytes_before(self, index: int) -> int:
        """Return the bytes of all chunks before `index`."""
        return min(index * self.chunk_size, self.size)


def chunk_size_for(
    size: int,
    *,
    preferred: int,
    max_text: int,
    measure: Callable[[str], int],
    sender: NodeId,
    recipient: NodeId,
    transfer_id: TransferId,
) -> int:
    """Return the largest chunk size whose texts fit a channel, at most `preferred`.

    R-TXT-5. It is computed from the real envelope at the largest index, because ids differ in
    length by dozens of characters: about 927 bytes fit 2,000 characters, 2,118 fit 4,096.

    Args:
        size: Bytes of the file.
        preferred: Bytes of a chunk where the channel does not matter.
        max_text: Longest text of the channel, in the channel's unit.
        measure: Length of a text in that unit.
        sender: This node.
        recipient: The peer.
        transfer_id: The transfer's id.

    Returns:
        Bytes of a chunk; 0 or less when not even an empty chunk fits.
    """
    fitting = preferred
    for largest_index in (MAX_CHUNKS, None):  # a first guess tells how many digits are needed
        if largest_index is None:
            largest_index = max(ChunkPlan(size, max(fitting, 1)).total - 1, 0)  # noqa: PLW2901
        empty = make_message(
            Chunk(index=min(largest_index, MAX_CHUNKS), data=b"", hash="0" * 64),
            transfer_id=transfer_id,
            sender=sender,
            recipient=recipient,
            timestamp=10**13 - 1,  # 13 digits, until the year 2286
        )
        envelope = len(empty.model_dump_json(exclude_none=True).encode())
        json_bytes = (max_text - measure(MARKER)) // 4 * 3
        fitting = min(preferred, (json_bytes - envelope) // 4 * 3)
    return fitting
