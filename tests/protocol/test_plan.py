import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocft.channels import TextUnit
from ocft.ids import NodeId, TransferId
from ocft.protocol import DEFAULT_CHUNK_SIZE, MAX_CHUNK_SIZE, ChunkPlan, chunk_size_for
from ocft.wire import Chunk, encode, make_message

ID = TransferId("xfer_co5neLB4UF0B")
ALICE = NodeId("ocft_mwpruv12_XYrhLQES")
BOB = NodeId("ocft_mwpruv99_AbCdEfGh")
NOW_MS = 1_795_227_088_548


def _text(chunk_size: int, index: int, sender: str = ALICE, recipient: str = BOB) -> str:
    message = make_message(
        Chunk(index=index, data=bytes(chunk_size), hash="0" * 64),
        transfer_id=ID,
        sender=NodeId(sender),
        recipient=NodeId(recipient),
        timestamp=NOW_MS,
    )
    return encode(message)


def _fitting(
    size: int,
    limit: int,
    unit: TextUnit,
    *,
    sender: str = ALICE,
    recipient: str = BOB,
    preferred: int = DEFAULT_CHUNK_SIZE,
) -> int:
    return chunk_size_for(
        size,
        preferred=preferred,
        max_text=limit,
        measure=unit.measure,
        sender=NodeId(sender),
        recipient=NodeId(recipient),
        transfer_id=ID,
    )


# The plan


@given(st.integers(0, 600), st.integers(1, 100))
def test_the_chunks_are_the_file_without_gap_or_overlap(size: int, chunk_size: int) -> None:
    plan = ChunkPlan(size, chunk_size)
    places = [(plan.offset(index), plan.length(index)) for index in range(plan.total)]
    assert [offset for offset, _ in places] == list(range(0, size, chunk_size))
    assert sum(length for _, length in places) == size
    assert all(0 < length <= chunk_size for _, length in places)
    assert all(length == chunk_size for _, length in places[:-1])
    for index in range(plan.total + 2):
        assert plan.bytes_before(index) == sum(length for _, length in places[:index])
    assert plan.length(plan.total) == plan.length(plan.total + 7) == 0


@pytest.mark.parametrize(
    ("size", "total", "last"),
    [(0, 0, 0), (1, 1, 1), (1023, 1, 1023), (1024, 1, 1024), (1025, 2, 1), (5000, 5, 904)],
)
def test_the_plan_is_that_of_the_recorded_transfers(size: int, total: int, last: int) -> None:
    plan = ChunkPlan(size, 1024)
    assert plan.total == total
    assert plan.length(total - 1) == last or total == 0


def test_the_largest_file_is_planned_without_floating_point() -> None:
    plan = ChunkPlan(2**53 - 1, 3)
    assert plan.total * 3 >= 2**53 - 1 > (plan.total - 1) * 3


# What a channel carries

UNITS = list(TextUnit)
LIMITS = [600, 1000, 2000, 4000, 4096, 16_000, 40_000, 65_536]


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("size", [0, 1, 100, 5000, 10**6, 10**9])
def test_every_chunk_of_the_computed_size_fits(unit: TextUnit, limit: int, size: int) -> None:
    chunk_size = _fitting(size, limit, unit)
    assert chunk_size > 0
    plan = ChunkPlan(size, chunk_size)
    for index in {0, max(plan.total - 1, 0)}:
        assert unit.measure(_text(min(plan.length(index), chunk_size), index)) <= limit


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("limit", LIMITS)
def test_one_more_group_of_bytes_would_not_fit(unit: TextUnit, limit: int) -> None:
    """Base64 has groups of three bytes, twice around each other: no size in between helps."""
    size = 50_000
    chunk_size = _fitting(size, limit, unit)
    last = ChunkPlan(size, chunk_size).total - 1
    assert unit.measure(_text(chunk_size, last)) <= limit
    if chunk_size < DEFAULT_CHUNK_SIZE:
        assert unit.measure(_text(chunk_size + 3, last)) > limit


@pytest.mark.parametrize(
    ("limit", "expected"),
    [pytest.param(2000, 927, id="Discord"), pytest.param(4096, 2118, id="Telegram")],
)
def test_the_figures_of_the_documentation_are_about_right(limit: int, expected: int) -> None:
    assert abs(_fitting(10**6, limit, TextUnit.CODE_POINTS) - expected) < 60


def test_the_preferred_size_is_taken_where_the_channel_does_not_matter() -> None:
    assert _fitting(10**9, 10**9, TextUnit.CODE_POINTS) == DEFAULT_CHUNK_SIZE
    wide = _fitting(10**9, 2 * 2**20, TextUnit.CODE_POINTS, preferred=MAX_CHUNK_SIZE)
    assert wide == MAX_CHUNK_SIZE


def test_a_channel_that_carries_nothing_says_so() -> None:
    for unit in UNITS:
        assert _fitting(10**6, 300, unit) <= 0
        assert _fitting(10**6, 0, unit) <= 0


def test_the_marker_counts_in_the_channels_unit() -> None:
    sizes = [
        [_fitting(10**6, limit, unit) for limit in range(2000, 2100)]
        for unit in (TextUnit.CODE_POINTS, TextUnit.UTF16_UNITS, TextUnit.UTF8_BYTES)
    ]
    assert sum(sizes[0]) > sum(sizes[1]) > sum(sizes[2])


_node_ids = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)


@given(
    size=st.integers(0, 10**12),
    limit=st.integers(400, 100_000),
    unit=st.sampled_from(UNITS),
    sender=_node_ids,
    recipient=_node_ids,
    preferred=st.integers(1, MAX_CHUNK_SIZE),
)
def test_whatever_is_called_how_long_every_chunk_fits(  # noqa: PLR0917 - hypothesis names them
    size: int, limit: int, unit: TextUnit, sender: str, recipient: str, preferred: int
) -> None:
    chunk_size = _fitting(
        size, limit, unit, sender=sender, recipient=recipient, preferred=preferred
    )
    assert chunk_size <= preferred
    if chunk_size <= 0:
        return
    total = ChunkPlan(size, chunk_size).total
    if total > 2**31 - 1:  # more chunks than wire 1.0 counts: such a file is refused elsewhere
        return
    text = _text(min(chunk_size, size), max(total - 1, 0), sender, recipient)
    assert unit.measure(text) <= limit
