"""What a channel is: all that the author of an adapter has to read.

A channel carries texts, and native files where the platform has them, between nodes over one
platform: a chat, a folder, a pair of queues. It knows nothing of transfers or messages. An adapter
makes channels; it is a record named `ADAPTER` that an entry point of the group `ocft.adapters`
refers to. What a platform allows is data here (:class:`ChannelLimits`, :class:`FileLimits`), so
that no other part of the library asks which platform it is.
"""

import abc
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import TracebackType
from typing import BinaryIO, Protocol, Self

from ocft.errors import ChannelError, ConfigError, MessageTooLongError


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
        texts_per_second: How many texts a node may send in one lane (:meth:`Channel.lane`) in the
            long run, files included; None: any number.
        burst: How many of them may follow one another at once.
        total_per_second: How many it may send in all lanes together; None: any number.

    Raises:
        ConfigError: Nothing could ever be sent under these limits.
    """

    max_text: int
    unit: TextUnit = TextUnit.CODE_POINTS
    texts_per_second: float | None = None
    burst: int = 1
    total_per_second: float | None = None

    def __post_init__(self) -> None:
        """Refuse limits under which nothing could ever be sent."""
        rates = (self.texts_per_second, self.total_per_second)
        too_slow = any(rate is not None and not rate > 0 for rate in rates)
        if self.max_text < 1 or self.burst < 1 or too_slow:
            raise ConfigError("max_text and burst are at least 1, rates are above 0.")

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


@dataclass(frozen=True, slots=True, kw_only=True)
class FileLimits:
    """What one native file of the platform may be.

    Args:
        max_size: Bytes of a file that surely passes, both up and down.
        ceiling: Bytes of the largest file worth a try; `max_size`: the limit is known for sure.
        at_once: How many may be on their way up at the same time.

    Raises:
        ConfigError: No file could ever be sent under these limits.
    """

    max_size: int
    ceiling: int
    at_once: int = 2

    def __post_init__(self) -> None:
        """Refuse limits under which no file could ever be sent."""
        if self.max_size < 1 or self.ceiling < self.max_size or self.at_once < 1:
            raise ConfigError("max_size and at_once are at least 1, ceiling is at least max_size.")


@dataclass(frozen=True, slots=True)
class IncomingFile:
    """A native file that came with a text; it is not downloaded yet."""

    name: str
    """What the platform calls it: hostile, and perhaps not what its sender called it."""

    size: int | None
    """Bytes, by the platform's word; None: it says so only when `known` asks."""

    fetch: Callable[[BinaryIO], Awaitable[None]] = field(repr=False, compare=False)
    """Download it into a file that is open for writing, at its place, in pieces.

    Raises ChannelError if it cannot be had; `retryable` tells whether trying again can help. It
    writes at most `size` bytes, and raises if there are more or fewer.
    """

    id: str = ""
    """Names this very upload each time that the platform delivers it; empty: nothing does."""

    ask: "Callable[[], Awaitable[IncomingFile]] | None" = field(
        default=None, repr=False, compare=False
    )
    """Asks the platform for the file's name and size, where it told only that there is one."""

    async def known(self) -> "IncomingFile":
        """Return the file with its name and size; without a request, if these were told.

        Raises:
            ChannelError: The platform does not say; `retryable` tells whether trying again can
                help.
        """
        return self if self.ask is None else await self.ask()


@dataclass(frozen=True, slots=True)
class IncomingText:
    """A text as the platform delivered it."""

    author: str
    """The platform's id of whoever sent it. The platform vouches for it, the text does not."""

    text: str = field(repr=False)
    """What was sent; not in the repr, since it may hold a secret."""

    files: tuple[IncomingFile, ...] = ()
    """The native files that hang on it."""


class Marks(Protocol):
    """Where a channel keeps what it must find again after a restart: how far it has read."""

    def get(self, key: str) -> str | None:
        """Return what was set under a key, or None."""

    def set(self, key: str, value: str) -> None:
        """Keep a short text under a key; durable when it returns."""


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

    files: FileLimits | None = None
    """What native files it carries; None: it carries texts only."""

    removes_files: bool = False
    """Whether what transfers sent as files is removed from the chat when they are over."""

    address: str | None = None
    """This node's own: what the platform calls its account; None: the channel does not know."""

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
            DeliveryUnknownError: Nobody can tell whether the platform took it.
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

    async def send_file(self, to: str, file: BinaryIO, *, name: str, text: str = "") -> str:  # noqa: ARG002 - overridden where there are files
        """Give a native file to the platform; return when the platform has it.

        Args:
            to: The peer's address on the platform.
            file: Open for reading, at any place; all of it is sent, in pieces, never whole in
                memory. The caller closes it.
            name: What the platform should call it.
            text: What is said with it.

        Returns:
            What `delete` takes.

        Raises:
            FileRefusedError: The platform does not take a file of this size, or none at all.
            DeliveryUnknownError: Nobody can tell whether the platform took it.
            RateLimitedError: The platform asks for a pause of `retry_after` seconds.
            ChannelError: Anything else; nothing was sent.
        """
        raise ChannelError(f"The channel {self.name} carries no files.")

    async def delete(self, sent: str) -> None:  # noqa: ARG002 - as for `send_file`
        """Remove what `send_file` sent; what is gone already is fine.

        Raises:
            ChannelError: It is still there.
        """
        raise ChannelError(f"The channel {self.name} removes no files.")

    def lane(self, to: str) -> str:  # noqa: ARG002 - one conversation, unless an adapter knows better
        """Return which of the platform's own queues a text to this address goes through.

        Texts of one lane leave one after the other, at the pace of `limits`; a lane that has to
        wait does not hold up the others.
        """
        return ""

    def remember_in(self, marks: Marks) -> None:  # noqa: B027 - most channels need not
        """Take the place for what must survive a restart; called before `texts()`."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check of a live account found out, for `ocft doctor --via NAME`."""

    is_good: bool
    words: str
    """What is so, in one sentence."""
    remedy: str = ""
    """What to switch on, and where; of a good one, what would make more possible. May be empty."""


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
        check: Looks at the live account, given the same options, and tells what a node needs and
            has, or has not; None: there is nothing to look at. Raises as `open` does.
    """

    name: str
    summary: str
    extra: str | None
    open: Callable[[str, Mapping[str, object]], Awaitable[Channel]]
    check: Callable[[Mapping[str, object]], Awaitable[list[Finding]]] | None = None
