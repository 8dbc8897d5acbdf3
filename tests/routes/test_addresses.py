from ocft.routes import own_addresses, reachable_places

OWN = ["192.168.1.5", "127.0.0.1", "::1"]


def test_the_machine_has_at_least_its_loopback() -> None:
    assert "127.0.0.1" in own_addresses()


def test_link_local_addresses_are_not_announced() -> None:
    assert not [one for one in own_addresses() if one.startswith(("169.254.", "fe80"))]


def test_a_peers_loopback_is_ours_only_on_the_same_machine() -> None:
    there = [("192.168.1.9", 4000), ("127.0.0.1", 4000)]
    assert reachable_places(there, OWN) == [("192.168.1.9", 4000)]
    here = [("192.168.1.5", 4000), ("127.0.0.1", 4000)]
    assert reachable_places(here, OWN) == [("127.0.0.1", 4000), ("192.168.1.5", 4000)]
    assert reachable_places([("127.0.0.1", 4000)], OWN) == [("127.0.0.1", 4000)]


def test_places_that_no_peer_has_are_not_tried() -> None:
    odd = ["224.0.0.1", "0.0.0.0", "169.254.169.254", "ff02::1", "::", "fe80::1"]  # noqa: S104
    assert reachable_places([(one, 4000) for one in odd], OWN) == []


def test_the_ports_of_other_services_are_not_tried() -> None:
    assert reachable_places([("192.168.1.9", 22), ("192.168.1.9", 1023)], OWN) == []
