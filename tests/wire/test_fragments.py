import hashlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocft.errors import MalformedMessageError, MessageTooLongError
from ocft.wire import MAX_WHOLE, Assembler, Fragment, FrameType, parse_frame, split_frame
from tests.wire.frame_samples import SEALED, filled

FRAME = b"\x22" + filled(2999)


def _fragments(frame: bytes, room: int) -> list[Fragment]:
    fragments = [parse_frame(piece) for piece in split_frame(frame, room)]
    assert all(isinstance(fragment, Fragment) for fragment in fragments)
    return fragments  # type: ignore[return-value] # just asserted


@given(st.binary(min_size=2, max_size=3000), st.integers(14, 3100), st.randoms())
def test_a_frame_comes_back_from_its_fragments_in_any_order(
    data: bytes, room: int, chance: random.Random
) -> None:
    frame = b"\x26" + data
    try:
        frames = split_frame(frame, room)
    except MessageTooLongError:
        assert len(frame) > 16 * (room - 11)
        return
    assert 2 <= len(frames) <= 16
    assert all(len(one) <= room for one in frames)
    fragments = _fragments(frame, room)
    chance.shuffle(fragments)
    assembler = Assembler()
    answers = [assembler.add("alice", fragment, 0.0) for fragment in fragments]
    assert answers == [None] * (len(fragments) - 1) + [frame]


def test_the_id_is_of_the_whole_frame() -> None:
    for fragment in _fragments(FRAME, 1500):
        assert fragment.id == hashlib.sha256(FRAME).digest()[:8]


def test_a_frame_that_needs_more_than_sixteen_is_too_long() -> None:
    assert len(split_frame(FRAME, 11 + 188)) == 16
    for room in (11 + 187, 11, 1, 0, -5):
        with pytest.raises(MessageTooLongError):
            split_frame(FRAME, room)
    with pytest.raises(MessageTooLongError):
        split_frame(b"\x26" + bytes(MAX_WHOLE), 1 << 20)


@pytest.mark.parametrize("first", [FrameType.FRAGMENT, FrameType.DATA, FrameType.ACK])
def test_some_frames_are_never_cut(first: int) -> None:
    frame = bytes([first]) + bytes(100)
    with pytest.raises(ValueError, match="travel whole"):
        split_frame(frame, 80)
    whole_id = hashlib.sha256(frame).digest()[:8]
    assembler = Assembler()
    assembler.add("alice", Fragment(whole_id, 0, 2, frame[:50]), 0.0)
    with pytest.raises(MalformedMessageError):
        assembler.add("alice", Fragment(whole_id, 1, 2, frame[50:]), 0.0)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("", id="nothing"),
        pytest.param("00" * 8, id="no index"),
        pytest.param("00" * 8 + "00", id="no count"),
        pytest.param("00" * 8 + "0002", id="no piece"),
        pytest.param("00" * 8 + "000161", id="one fragment"),
        pytest.param("00" * 8 + "000061", id="no fragments"),
        pytest.param("00" * 8 + "001161", id="17 fragments"),
        pytest.param("00" * 8 + "020261", id="the third of two"),
        pytest.param("00" * 8 + "80000261", id="an index longer than it has to be"),
        pytest.param("00" * 8 + "0002" + "61" * MAX_WHOLE, id="longer than the whole can be"),
    ],
)
def test_an_impossible_fragment_is_malformed(content: str) -> None:  # R-FRM-2, R-FRM-3
    with pytest.raises(MalformedMessageError):
        parse_frame(b"\x20" + bytes.fromhex(content))


def test_fragments_of_two_authors_never_mix() -> None:
    first, second = _fragments(FRAME, 1600)
    assembler = Assembler()
    assert assembler.add("alice", first, 0.0) is None
    assert assembler.add("mallory", second, 0.0) is None
    assert assembler.add("alice", second, 0.0) == FRAME


def test_a_repeat_changes_nothing_and_a_damaged_piece_is_repaired() -> None:
    first, second = _fragments(FRAME, 1600)
    damaged = Fragment(first.id, 0, 2, first.piece[:-1])
    assembler = Assembler()
    for fragment in (first, first, damaged, first):
        assert assembler.add("alice", fragment, 0.0) is None
    assert assembler.add("alice", second, 0.0) == FRAME
    assert assembler.add("alice", second, 0.0) is None


def test_pieces_that_do_not_fit_their_id_are_malformed_and_forgotten() -> None:
    first, second = _fragments(FRAME, 1600)
    assembler = Assembler()
    assembler.add("alice", Fragment(first.id, 0, 2, b"x"), 0.0)
    with pytest.raises(MalformedMessageError):
        assembler.add("alice", second, 0.0)
    assembler.add("alice", first, 0.0)
    with pytest.raises(MalformedMessageError, match="belong"):
        assembler.add("alice", Fragment(first.id, 2, 3, b"x"), 0.0)
    assembler.add("alice", first, 0.0)
    assert assembler.add("alice", second, 0.0) == FRAME


def test_what_is_kept_of_a_message_is_bounded() -> None:
    assembler = Assembler()
    piece = bytes(MAX_WHOLE - 100)
    assembler.add("alice", Fragment(bytes(8), 0, 3, piece), 0.0)
    with pytest.raises(MalformedMessageError, match="belong"):
        assembler.add("alice", Fragment(bytes(8), 1, 3, piece), 0.0)


def test_unfinished_messages_are_kept_for_two_minutes() -> None:
    first, second = _fragments(FRAME, 1600)
    assembler = Assembler()
    assembler.add("alice", first, 1000.0)
    assert assembler.add("alice", second, 1119.9) == FRAME
    assembler.add("alice", first, 1000.0)
    assert assembler.add("alice", second, 1120.0) is None


def test_four_messages_of_an_author_are_kept_and_the_oldest_goes() -> None:
    frames = [b"\x22" + bytes([number]) + filled(100) for number in range(5)]
    pairs = [_fragments(frame, 80) for frame in frames]
    assembler = Assembler()
    for first, _ in pairs:
        assembler.add("alice", first, 0.0)
    answers = [assembler.add("alice", second, 0.0) for _, second in reversed(pairs)]
    assert answers == [*reversed(frames[1:]), None]


def test_sixty_four_messages_are_kept_in_all_and_the_oldest_goes() -> None:
    first, second = _fragments(FRAME, 1600)
    assembler = Assembler()
    for number in range(65):
        assembler.add(f"author {number}", first, 0.0)
    assert assembler.add("author 1", second, 0.0) == FRAME
    assert assembler.add("author 0", second, 0.0) is None
    kept = [assembler.add(f"author {number}", second, 0.0) for number in range(2, 65)]
    assert kept == [FRAME] * 63


def test_a_sealed_control_message_travels_in_fragments_too() -> None:
    frame = SEALED["CONTROL"]
    assembler = Assembler()
    answers = [assembler.add("alice", one, 0.0) for one in _fragments(frame, 40)]
    assert answers[-1] == frame


def test_the_piece_is_not_shown() -> None:  # case K13
    assert "secret" not in repr(Fragment(bytes(8), 0, 2, b"secret"))
