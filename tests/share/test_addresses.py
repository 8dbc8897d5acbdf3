"""`ocft.share.addresses`: where a share is offered, if nobody says."""

import ipaddress

import pytest

from ocft.share.addresses import chosen, own_addresses


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "2606:4700::1", str(ipaddress.IPv4Address(0)), "::", "169.254.1.1", "fe80::1%eth0"],
)
def test_addresses_of_the_internet_and_of_a_link_are_left_out(address: str) -> None:
    assert chosen([address]) == ["127.0.0.1"]


def test_what_others_can_reach_comes_first_and_loopback_last() -> None:
    found = ["127.0.0.1", "::1", "fd00::2", "10.0.0.1", "192.168.1.5", "10.0.0.1"]
    assert chosen(found) == ["10.0.0.1", "192.168.1.5", "fd00::2", "127.0.0.1", "::1"]


def test_there_is_a_most() -> None:
    found = [f"10.0.0.{number}" for number in range(100)]
    assert len(chosen(found)) == 9


def test_this_machine_has_only_private_ones() -> None:
    pytest.importorskip("ifaddr")
    found = [ipaddress.ip_address(one) for one in own_addresses()]
    assert ipaddress.ip_address("127.0.0.1") in found
    assert all(one.is_private or one.is_loopback for one in found)
