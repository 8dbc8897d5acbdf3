import pytest

from ocft.share.server.limits import _MAX_ADDRESSES, Recent, counted_as


def test_the_window_slides() -> None:
    recent = Recent(2)
    recent.record("a", 0.0)
    recent.record("a", 50.0)
    assert recent.wait("a", 55.0) == 5.0
    assert recent.wait("b", 55.0) == 0.0
    assert recent.wait("a", 60.0) == 0.0
    recent.record("a", 60.0)
    assert recent.wait("a", 61.0) == 49.0


def test_nothing_is_counted_without_a_limit() -> None:
    recent = Recent(0)
    for _ in range(10):
        recent.record("a", 0.0)
    assert recent.wait("a", 0.0) == 0.0


def test_addresses_are_not_remembered_without_end() -> None:  # case X: bounded memory
    recent = Recent(1)
    for number in range(_MAX_ADDRESSES + 1):
        recent.record(str(number), 0.0)
    assert len(recent._times) == _MAX_ADDRESSES
    assert recent.wait("0", 0.0) == 0.0
    assert recent.wait("1", 0.0) == 60.0


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("x" * 100, "x" * 64),
    ],
)
def test_a_house_is_counted_as_one(host: str, address: str) -> None:
    assert counted_as(host) == address
