"""What a channel is: all that the author of an adapter has to read.

A channel carries texts between nodes over one platform: a chat, a folder, a pair of queues. It
knows nothing of files, transfers or messages. An adapter makes channels; it is a record named
`ADAPTER` that an entry point of the group `ocft.adapters` refers to. What a platform allows is
data here (:class:`ChannelLimits`), so that no other part of the library asks which platform it is.
"""

import abc
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import TracebackType
from typing import Self

from ocft.errors import ConfigError, MessageTooLongError


class TextUnit(Enum):
    """What a platform counts when it limits the length of a text."""

    CODE_POINTS = "code points"
    UTF16_UNITS = "UTF-16 units"
    UTF8_BYTES = "UTF-8 bytes"

    def measure(self, text: str) -> int:
        """Return the text's length in this unit; lone surrogates are counted, not refused."""
        match self:
            case TextUnit.CODE_POINTS:
                return len(text)
            case TextUnit.UTF16_UNITS:
                return len(text.encode("utf-16-le", "surrogatepass")) // 2
            case TextUnit.UTF8_BYTES:
                return len(text.encode("utf-8", "surrogatepass"))


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelLimits:
    """What one text may be, and how often texts may go.

    Args:
        max_text: The longest text, in `unit`.
        unit: What the platform counts.
        texts_per_second: How many texts a node may send in the long run; None: any number.
        burst: How many of them may follow one another at once.

    Raises:
        ConfigError: Nothing could ever be sent under these limits.
    """

    max_text: int
    unit: TextUnit = TextUnit.CODE_POINTS
    texts_per_second: float | None = None
    burst: int = 1

    def __post_init__(self) -> None:
        """Refuse limits under which nothing could ever be sent."""
        too_slow = self.texts_per_second is not None and not self.texts_per_second > 0
        if self.max_text < 1 or self.burst < 1 or too_slow:
            raise ConfigError("max_text and burst are at least 1, texts_per_second is above 0.")

    def fits(self, text: str) -> bool:
        """Return whether the channel carries a text of this length."""
        # A code point counts at least one in every unit, so a huge text need not be encoded.
        return len(text) <= self.max_text and self.unit.measure(text) <= self.max_text

    def require_fit(self, text: str) -> None:
        """Check a text before it is sent.

        Raises:
            MessageTooLongError: The text is longer than `max_text`.
        """
        if not self.fits(text):
            raise MessageTooLongError(
                f"a text of {self.unit.measure(text)} {self.unit.value}; "
                f"this channel carries {self.max_text}: use a smaller chunk size"
            )


@dataclass(frozen=True, slots=True)
class IncomingText:
    """A text as the platform delivered it."""

    author: str
    """The platform's id of whoever sent it. The platform vouches for it, the text does not."""

    text: str = field(repr=False)
    """What was sent; not in the repr, since it may hold a secret."""


class Channel(abc.ABC):
    """One node's end of a conversation: texts go in, texts come out.

    A channel is used by one asyncio task that reads and any number that send. It need not be
    reliable: texts may be lost on the platform, repeated, or overtake one another. What it may
    not do is lose a text that it has already taken off the platform (see :meth:`texts`).
    """

    name: str
    """What the channel is called in the config file and in messages to people."""

    limits: ChannelLimits
    """What this channel carries."""

    everyone: str | None = None
    """The address that reaches all other nodes of the conversation; None: there is none."""

    @abc.abstractmethod
    async def send(self, to: str, text: str) -> None:
        """Give a text to the platform; return when the platform has it, not when the peer does.

        A cancelled send may or may not have happened.

        Args:
            to: The peer's address on the platform.
            text: What to send, unchanged.

        Raises:
            MessageTooLongError: The text exceeds the limits; nothing was sent.
            RateLimitedError: The platform asks for a pause of `retry_after` seconds.
            ChannelClosedError: The channel, or the peer's end of it, is closed.
            ChannelError: Anything else; `retryable` tells whether trying again can help.
        """

    @abc.abstractmethod
    def texts(self) -> AsyncGenerator[IncomingText, None]:
        """Yield the texts that peers sent, until the channel is closed.

        THE RULE: a text counts as handled when the next one is asked for. A durable channel
        delivers a text again if its reader crashed or was cancelled before that. Repeats are
        legal, losses are not. So an adapter confirms a text to its platform after the `yield`,
        never before.

        One reader at a time. A reader that stops early closes the generator (`aclose()`), and
        may ask for a new one later.

        Yields:
            One text after the other, in the order in which the platform has them.

        Raises:
            ChannelError: The platform cannot be read any more.
        """

    @abc.abstractmethod
    async def close(self) -> None:
        """Give back everything the channel holds; `texts()` ends. Twice is fine."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()


@dataclass(frozen=True, kw_only=True)
class Adapter:
    """How channels of one platform are made. Making this record imports no SDK.

    Args:
        name: The adapter's name, as its entry point has it.
        summary: One line for people who choose an adapter.
        extra: The extra of `pip install 'ocft[...]'` that it needs; None: nothing.
        open: Opens a channel, given this node's id and the options of the config file's section
            `channels.<name>`. Raises ConfigError, naming the setting, for a wrong option, and
            ChannelError if the platform cannot be reached.
    """

    name: str
    summary: str
    extra: str | None
    open: Callable[[str, Mapping[str, object]], Awaitable[Channel]]
