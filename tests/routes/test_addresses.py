import ipaddress
from unittest import mock

import pytest

from ocft.routes import network_addresses, own_addresses, reachable_places
from ocft.routes.addresses import announced

OWN = ["192.168.1.5", "127.0.0.1", "::1"]


def test_this_machine_announces_private_addresses_and_its_loopback() -> None:
    found = [ipaddress.ip_address(one) for one in own_addresses()]
    assert ipaddress.ip_address("127.0.0.1") in found
    assert all(one.is_private or one.is_loopback for one in found)


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "2606:4700::1", str(ipaddress.IPv4Address(0)), "::", "169.254.1.1", "fe80::1%eth0"],
)
def test_addresses_of_the_internet_and_of_a_link_are_not_announced(address: str) -> None:
    assert announced([address]) == ["127.0.0.1"]


def test_what_others_can_reach_comes_first_and_loopback_last() -> None:
    found = ["127.0.0.1", "::1", "fd00::2", "10.0.0.1", "192.168.1.5", "10.0.0.1"]
    assert announced(found) == ["10.0.0.1", "192.168.1.5", "fd00::2", "127.0.0.1", "::1"]


def test_no_more_are_announced_than_a_ticket_has_places_for() -> None:
    found = [f"10.0.0.{number}" for number in range(100)]
    assert announced([*found, "::1"]) == [*found[:6], "127.0.0.1", "::1"]


def test_a_peers_loopback_is_tried_only_where_we_are_on_loopback_too() -> None:
    there = [("192.168.1.5", 4000), ("127.0.0.1", 4000), ("::1", 4000)]
    assert reachable_places(there, ["192.168.1.5"]) == [("192.168.1.5", 4000)]
    assert reachable_places(there[1:], ["192.168.1.5"]) == []
    assert reachable_places(there, ["127.0.0.1"]) == [*there[1:], there[0]]


def test_loopback_is_announced_to_peers_only_where_there_is_nothing_else() -> None:
    with mock.patch("ocft.routes.addresses.own_addresses", return_value=OWN):
        assert network_addresses() == ["192.168.1.5"]
    with mock.patch("ocft.routes.addresses.own_addresses", return_value=OWN[1:]):
        assert network_addresses() == OWN[1:]


def test_places_that_no_peer_has_are_not_tried() -> None:
    odd = ["224.0.0.1", "0.0.0.0", "169.254.169.254", "ff02::1", "::", "fe80::1"]  # noqa: S104
    odd += ["0.1.2.3", "240.0.0.1", "255.255.255.255"]
    odd += ["::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:0.0.0.0"]
    assert reachable_places([(one, 4000) for one in odd], OWN) == []


def test_the_ports_of_other_services_are_not_tried() -> None:
    assert reachable_places([("192.168.1.9", 22), ("192.168.1.9", 1023)], OWN) == []
