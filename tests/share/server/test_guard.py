import pytest

from ocft.errors import ConfigError
from ocft.share.server.guard import Names


def test_a_server_has_the_names_of_its_addresses() -> None:  # R-SHR-8
    names = Names(["127.0.0.1", "192.168.1.5", "fe80::1%eth0"], 8780)
    for host in ("127.0.0.1:8780", "LOCALHOST:8780", "192.168.1.5:8780", "[fe80::1]:8780"):
        assert names.has(host)
    for host in ("127.0.0.1", "127.0.0.1:80", "192.168.1.6:8780", "a.example:8780", "[::1]:8780"):
        assert not names.has(host)


def test_loopback_is_no_name_of_a_server_that_is_not_there() -> None:
    assert not Names(["192.168.1.5"], 8780).has("localhost:8780")


def test_a_server_everywhere_has_every_number_and_no_other_name() -> None:
    names = Names(["::"], 8780)
    assert names.has("10.1.2.3:8780")
    assert names.has("localhost:8780")
    assert not names.has("10.1.2.3:80")
    assert not names.has("rebound.example:8780")


def test_the_public_address_is_a_name_with_its_usual_port() -> None:
    names = Names(["127.0.0.1"], 8780, "https://files.example.org/share/")
    assert names.path == "/share"
    assert names.has("files.example.org")
    assert names.has("files.example.org:443")
    assert not names.has("files.example.org:8780")
    assert names.has_origin("https://files.example.org")
    assert not names.has_origin("http://files.example.org")
    assert not names.has_origin("null")


@pytest.mark.parametrize(
    "url", ["files.example.org", "ftp://a.org", "https://", "https://a.org/?x", "https://a.org/#x"]
)
def test_a_public_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ConfigError):
        Names(["127.0.0.1"], 8780, url)
