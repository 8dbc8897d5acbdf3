"""Frames of wire 2 to test with: one of each kind, and strategies for what varies most."""

from hypothesis import strategies as st

from ocft.ids import NodeId, TransferId
from ocft.ranges import Range
from ocft.wire import (
    MAX_NUMBER,
    BringDirectly,
    Control,
    Data,
    DirectTicket,
    Finish,
    Handshake,
    Hello,
    Manifest,
    ManifestFile,
    OfferAgain,
    Pair,
    RangeAck,
    Reply,
    Signal,
    TransferAccept,
    TransferDone,
    TransferOffer,
    TransferReject,
    TransferStop,
    Welcome,
    ack_header,
    control_header,
    data_header,
)

ALICE = NodeId("alice")
BOB = NodeId("bob")
TRANSFER = TransferId("xfer_co5neLB4UF0B")
TAG = bytes(range(8))


def filled(size: int, start: int = 0) -> bytes:
    """Return bytes that look like something, the same ones every time."""
    return bytes((start + number * 7) % 256 for number in range(size))


HANDSHAKES: dict[str, Handshake] = {
    "hello": Hello(
        sender=ALICE, recipient=BOB, nonce=filled(32), id=filled(1248), eph=filled(32, 1)
    ),
    "reply": Reply(
        sender=BOB,
        recipient=ALICE,
        hello=filled(32, 2),
        nonce=filled(32, 3),
        id=filled(1248, 4),
        eph=filled(32, 5),
        ct=filled(1168, 6),
        sig=filled(64, 7),
    ),
    "finish": Finish(
        sender=ALICE,
        recipient=BOB,
        reply=filled(32, 8),
        ct=filled(1168, 9),
        sig=filled(64, 10),
        mac=filled(32, 11),
    ),
    "finish with proof": Finish(
        sender=ALICE,
        recipient=BOB,
        reply=filled(32, 8),
        ct=filled(1168, 9),
        sig=filled(64, 10),
        mac=filled(32, 11),
        proof=filled(32, 12),
    ),
    "pair 1": Pair(n=7, sender=BOB, step=1, spake=filled(33)),
    "pair 2": Pair(
        n=7, sender=ALICE, recipient=BOB, step=2, spake=filled(33, 1), mac=filled(32, 2)
    ),
    "pair 3": Pair(n=7, sender=BOB, recipient=ALICE, step=3, sealed=filled(1300, 3)),
    "pair 4": Pair(n=7, sender=ALICE, recipient=BOB, step=4, sealed=filled(1300, 4)),
}
CONTROLS: dict[str, Control] = {
    "welcome": Welcome(status="ok", proof=filled(32)),
    "welcome, pending": Welcome(status="pending"),
    "offer": TransferOffer(
        transfer_id=TRANSFER,
        epoch=1,
        ephemeral=filled(32),
        size=1_000_120,
        file_count=2,
        manifest_size=120,
        manifest_digest=filled(32, 1),
        offered_at=1_795_227_088_548,
    ),
    "accept": TransferAccept(
        transfer_id=TRANSFER,
        epoch=1,
        ephemeral=filled(32, 2),
        is_decided=True,
        limit=1_000_120,
        ranges=((0, 120), (5_000, 6_000)),
    ),
    "signal": Signal(
        transfer_id=TRANSFER,
        epoch=1,
        call=2,
        user="kQ7z",
        password="abcdefghijklmnopqrstuv",
        fingerprint=filled(32, 3),
        places=((bytes([10, 0, 0, 7]), 50_000, 0), (filled(16, 4), 50_001, 2)),
    ),
    "reject": TransferReject(transfer_id=TRANSFER, epoch=1, code="FILE_TOO_LARGE"),
    "bring": BringDirectly(
        transfer_id=TRANSFER,
        epoch=1,
        direct=DirectTicket(id=filled(8), token=filled(32), places=((filled(4), 5000),)),
    ),
    "again": OfferAgain(transfer_id=TRANSFER, epoch=1),
    "done": TransferDone(transfer_id=TRANSFER, epoch=1, manifest_digest=filled(32, 1)),
    "stop": TransferStop(
        transfer_id=TRANSFER, epoch=1, code="TRANSFER_CANCELLED", is_recoverable=False
    ),
}
DATAS: dict[str, Data] = {
    "data": Data(offset=120, data=filled(100)),
    "data, the last": Data(offset=300, data=filled(10), wants_ack=True),
    "data, a probe": Data(offset=0, data=b"", wants_ack=True),
}
ACKS: dict[str, RangeAck] = {
    "ack": RangeAck(
        heard=41, delay_ms=250, limit=10_000, ranges=((0, 700), (900, 1000)), is_decided=True
    ),
    "ack, nothing yet": RangeAck(heard=None, delay_ms=0, limit=120, ranges=(), is_decided=False),
    "ack, a hole at the start": RangeAck(
        heard=3, delay_ms=1, limit=500, ranges=((100, 200),), is_decided=False
    ),
}
MANIFEST = Manifest(
    (
        ManifestFile("report.pdf", 5, filled(32), 1_795_227_088, False),
        ManifestFile("src/Bücher/größe.py", 0, filled(32, 1), None, True),
    )
)
SEALED: dict[str, bytes] = {
    "DATA": data_header(TAG, 300) + filled(40),
    "ACK": ack_header(TAG, 0) + filled(25),
    "CONTROL": control_header(TAG, filled(16, 9)) + filled(60),
}

numbers = st.one_of(st.integers(0, 300), st.integers(0, MAX_NUMBER))


@st.composite
def sorted_ranges(draw: st.DrawFn, *, most: int = 12) -> list[Range]:
    """Draw ranges that are sorted and do not touch."""
    steps = draw(st.lists(st.integers(1, 400), max_size=2 * most).map(lambda s: s[: len(s) & ~1]))
    place = draw(st.sampled_from([0, -1]))  # -1: the first one begins at 0
    ranges = []
    for gap, length in zip(steps[::2], steps[1::2], strict=True):
        first = 0 if place < 0 else place + gap
        place = first + length
        ranges.append((first, place))
    return ranges


@st.composite
def acks(draw: st.DrawFn) -> RangeAck:
    """Draw acks whose ranges end at or before the limit."""
    ranges = draw(sorted_ranges())
    end = ranges[-1][1] if ranges else 0
    return RangeAck(
        heard=draw(st.none() | st.integers(0, MAX_NUMBER - 1)),
        delay_ms=draw(numbers),
        limit=draw(st.integers(end, end + 1000)),
        ranges=tuple(ranges),
        is_decided=draw(st.booleans()),
    )


datas = st.builds(
    Data,
    offset=st.integers(0, MAX_NUMBER - 2000),
    data=st.binary(max_size=300) | st.builds(bytes, st.integers(0, 2000)),
    wants_ack=st.booleans(),
)
