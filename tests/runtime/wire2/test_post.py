"""`ocft.runtime.wire2.post`: frames into texts that fit, and back."""

import asyncio
import random
from itertools import pairwise

import pytest

from ocft.channels import Channel, ChannelLimits, TextUnit
from ocft.errors import MalformedMessageError, MessageTooLongError
from ocft.runtime.outbox import Outbox
from ocft.runtime.wire2 import Post
from ocft.testing import run
from ocft.wire import Alphabet, Fragment, decode, parse_frame

CONTROL = b"\x26" + bytes(24) + random.Random(0).randbytes(3000)


class Short(Channel):
    """Carries less than it says."""

    name = "short"

    def __init__(self, limits: ChannelLimits, most: int) -> None:
        self.limits = limits
        self.most = most
        self.texts_sent: list[str] = []

    async def send(self, to: str, text: str) -> None:
        await asyncio.sleep(0.01)
        if self.limits.unit.measure(text) > self.most:
            raise MessageTooLongError("too long")
        self.texts_sent.append(text)

    async def texts(self):  # type: ignore[no-untyped-def] # noqa: ANN201
        return
        yield

    async def close(self) -> None:
        """Keep nothing open."""


def make_post(limits: ChannelLimits, most: int | None = None) -> tuple[Post, Short]:
    channel = Short(limits, most or limits.max_text)
    clock = asyncio.get_running_loop().time
    return Post(Outbox(channel, clock), limits, clock), channel


def data_frame(size: int) -> bytes:
    # A header, a number of the longest kind, and a body of this size with its seal.
    return b"\x27" + bytes(8) + b"\xff" * 8 + b"\x01" + random.Random(0).randbytes(size + 16)


@pytest.mark.parametrize("unit", list(TextUnit))
@pytest.mark.parametrize("alphabet", list(Alphabet))
@pytest.mark.parametrize("max_text", [100, 1999, 2000, 4096, 20_000])
def test_the_longest_frame_fits_its_text_and_one_byte_more_does_not(
    unit: TextUnit, alphabet: Alphabet, max_text: int
) -> None:
    async def main() -> None:
        post, channel = make_post(ChannelLimits(max_text=max_text, unit=unit))
        await post.send(
            "bob", data_frame(post.frame_room(alphabet)), is_control=False, alphabet=alphabet
        )
        assert channel.limits.fits(channel.texts_sent[0])
        assert channel.limits.unit.measure(channel.texts_sent[0]) > max_text - 8
        with pytest.raises(MessageTooLongError):
            await post.send(
                "bob",
                data_frame(post.frame_room(alphabet) + 4),
                is_control=False,
                alphabet=alphabet,
            )

    run(main())


def test_no_frame_is_longer_than_48_kib_of_data() -> None:
    async def main() -> None:
        post, _ = make_post(ChannelLimits(max_text=2 * 1024 * 1024))
        assert post.data_room(Alphabet.BASE64URL) == 48 * 1024
        assert not post.is_narrow
        assert not post.is_dense_better

    run(main())


@pytest.mark.parametrize(
    ("limits", "is_narrow", "is_dense_better"),
    [
        (ChannelLimits(max_text=4096), True, True),
        (ChannelLimits(max_text=4096, unit=TextUnit.UTF16_UNITS), True, True),
        (ChannelLimits(max_text=4096, unit=TextUnit.UTF8_BYTES), True, False),
        (ChannelLimits(max_text=100_000), False, False),
    ],
    ids=str,
)
def test_the_dense_alphabet_is_for_short_texts_of_letters(
    limits: ChannelLimits, *, is_narrow: bool, is_dense_better: bool
) -> None:
    async def main() -> None:  # R-FRM-5
        post, _ = make_post(limits)
        assert (post.is_narrow, post.is_dense_better) == (is_narrow, is_dense_better)

    run(main())


def test_a_channel_without_room_for_a_byte_is_told() -> None:
    async def main() -> None:
        post, _ = make_post(ChannelLimits(max_text=30))
        with pytest.raises(MessageTooLongError, match="30 code points"):
            post.data_room(Alphabet.BASE64URL)

    run(main())


def test_a_control_frame_travels_in_pieces_and_is_put_together() -> None:  # R-FRM-3
    async def main() -> None:
        post, channel = make_post(ChannelLimits(max_text=2000))
        await post.send("bob", CONTROL, is_control=True)
        assert len(channel.texts_sent) == 3
        pieces = [parse_frame(one) for text in channel.texts_sent for one in decode(text)]  # type: ignore[arg-type]
        random.Random(1).shuffle(pieces)
        whole = [post.assemble("alice", one) for one in pieces if isinstance(one, Fragment)]
        assert whole == [None, None, CONTROL]
        first = pieces[0]
        assert isinstance(first, Fragment)
        assert post.assemble("mallory", first) is None
        with pytest.raises(MalformedMessageError):
            post.assemble("mallory", Fragment(first.id, 0, 2, b"another count"))

    run(main())


def test_fragments_are_forgotten_after_two_minutes() -> None:
    async def main() -> None:
        post, channel = make_post(ChannelLimits(max_text=2000))
        await post.send("bob", CONTROL, is_control=True)
        pieces = [parse_frame(one) for text in channel.texts_sent for one in decode(text)]  # type: ignore[arg-type]
        assert [post.assemble("alice", one) for one in pieces[:2]] == [None, None]  # type: ignore[arg-type]
        await asyncio.sleep(120)
        assert post.assemble("alice", pieces[2]) is None  # type: ignore[arg-type]

    run(main())


def test_a_control_frame_that_is_too_long_goes_at_once_in_shorter_pieces() -> None:  # R-ARQ-12
    async def main() -> None:
        post, channel = make_post(ChannelLimits(max_text=4096), most=1500)
        await post.send("bob", CONTROL[:2000], is_control=True)
        pieces = [parse_frame(one) for text in channel.texts_sent for one in decode(text)]  # type: ignore[arg-type]
        assert [post.assemble("a", one) for one in pieces if isinstance(one, Fragment)][-1] == (
            CONTROL[:2000]
        )

    run(main())


def test_a_frame_that_cannot_be_cut_makes_the_next_ones_an_eighth_shorter() -> None:  # R-ARQ-12
    async def main() -> None:
        post, _ = make_post(ChannelLimits(max_text=4096), most=3000)
        rooms = [post.data_room(Alphabet.BASE64URL)]
        for _ in range(3):
            with pytest.raises(MessageTooLongError):
                await post.send("bob", data_frame(rooms[-1]), is_control=False)
            rooms.append(post.data_room(Alphabet.BASE64URL))
        await post.send("bob", data_frame(rooms[-1]), is_control=False)
        shrunk = [b / a for a, b in pairwise(rooms)]
        assert all(0.85 < one < 0.9 for one in shrunk)

    run(main())


def test_many_frames_that_were_made_before_shorten_the_next_ones_once() -> None:
    async def main() -> None:
        post, _ = make_post(ChannelLimits(max_text=4096), most=3900)
        room = post.data_room(Alphabet.BASE64URL)
        sends = [post.send("bob", data_frame(room), is_control=False) for _ in range(16)]
        results = await asyncio.gather(*sends, return_exceptions=True)
        assert all(isinstance(one, MessageTooLongError) for one in results)
        assert post.data_room(Alphabet.BASE64URL) > room * 0.85

    run(main())


def test_a_longer_frame_that_was_made_before_makes_nothing_longer_again() -> None:
    async def main() -> None:
        post, _ = make_post(ChannelLimits(max_text=4096), most=1000)
        room = post.data_room(Alphabet.BASE64URL)
        for size in (room // 2, room):
            with pytest.raises(MessageTooLongError):
                await post.send("bob", data_frame(size), is_control=False)
        assert post.data_room(Alphabet.BASE64URL) < room // 2

    run(main())


def test_what_can_never_be_carried_is_told_and_not_tried_for_ever() -> None:
    async def main() -> None:
        post, channel = make_post(ChannelLimits(max_text=4096), most=50)
        with pytest.raises(MessageTooLongError):
            await post.send("bob", CONTROL, is_control=True)
        assert channel.texts_sent == []

    run(main())
