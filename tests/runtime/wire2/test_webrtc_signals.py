import ipaddress

import pytest

from ocft.errors import ChannelClosedError
from ocft.ids import TransferId
from ocft.routes import LineEnd
from ocft.runtime.wire2.webrtc_signals import end_of, signal_of
from ocft.wire import Signal

OURS = ["192.168.1.5"]


def signal(*places: tuple[str, int]) -> Signal:
    return Signal(
        transfer_id=TransferId("x"),
        epoch=1,
        call=1,
        user="abcd",
        password="p" * 22,
        fingerprint=bytes(32),
        places=tuple((ipaddress.ip_address(text).packed, port, 0) for text, port in places),
    )


def test_an_end_comes_back_as_it_was() -> None:
    end = LineEnd(
        "abcd", "p" * 22, bytes(range(32)), (("192.168.1.6", 4000, 0), ("2001:db8::1", 5000, 2))
    )
    told = signal_of(end, transfer_id=TransferId("x"), epoch=3, call=2)
    assert (told.epoch, told.call) == (3, 2)
    assert end_of(told, OURS) == end


def test_of_many_addresses_eight_are_told() -> None:
    places = tuple((f"10.0.0.{n}", 4000, 0) for n in range(20))
    told = signal_of(
        LineEnd("abcd", "p" * 22, bytes(32), places), transfer_id=TransferId("x"), epoch=1, call=1
    )
    assert len(told.places) == 8


def test_what_no_peer_is_to_make_us_talk_to_is_left_out() -> None:  # R-RTC-3
    told = signal(
        ("224.0.0.1", 4000),
        ("0.0.0.0", 4000),  # noqa: S104
        ("169.254.169.254", 4000),
        ("fe80::1", 4000),
        ("127.0.0.1", 4000),  # ours, and not the peer's
        ("192.168.1.9", 4000),
    )
    assert [place[:2] for place in end_of(told, OURS).places] == [("192.168.1.9", 4000)]


def test_who_uses_its_loopback_may_meet_a_peer_there() -> None:
    told = signal(("127.0.0.1", 4000), ("192.168.1.5", 4000))
    assert len(end_of(told, ["127.0.0.1"]).places) == 2


def test_where_nothing_is_left_nobody_is_talked_to() -> None:
    with pytest.raises(ChannelClosedError):
        end_of(signal(("224.0.0.1", 4000)), OURS)


def test_a_port_below_1024_is_not_told() -> None:
    """A NAT may have chosen it; no peer would try it."""
    places = (("10.0.0.1", 1023, 1), ("10.0.0.2", 1024, 0))
    end = LineEnd("abcd", "p" * 22, bytes(32), places)
    told = signal_of(end, transfer_id=TransferId("x"), epoch=1, call=1)
    assert [port for _, port, _ in told.places] == [1024]
    with pytest.raises(ChannelClosedError):
        signal_of(
            LineEnd("abcd", "p" * 22, bytes(32), places[:1]),
            transfer_id=TransferId("x"),
            epoch=1,
            call=1,
        )
