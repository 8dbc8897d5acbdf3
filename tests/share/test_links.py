"""`ocft.share.links`: what people type and paste."""

import pytest

from ocft.errors import ConfigError
from ocft.share.links import ShareLink, is_near, parse_link, parse_server

CODE = "3F8ZP0VWTB4E"
KEY = "k" * 43


@pytest.mark.parametrize(
    ("text", "base", "key"),
    [
        (f"http://192.168.1.5:40123/s/#{CODE}", "http://192.168.1.5:40123", None),
        (f"http://[fd00::2]:4/s/#{CODE}", "http://[fd00::2]:4", None),
        (f"https://Files.Example.org/a/b/s/#{CODE}", "https://files.example.org/a/b", None),
        (f"  http://h/s/#{CODE.lower()}\n", "http://h", None),
        (f"http://h/s/#{CODE}.{KEY}", "http://h", KEY),
        ("http://h/s/#3f8z-p0vw-tb4e", "http://h", None),
    ],
)
def test_a_link_says_where_what_and_perhaps_who(text: str, base: str, key: str | None) -> None:
    assert parse_link(text) == ShareLink(base, CODE, key)


def test_a_link_is_written_as_it_is_read() -> None:
    for key in (None, KEY):
        link = ShareLink("https://h/x", CODE, key)
        assert parse_link(str(link)) == link


def test_a_link_shows_its_secrets_only_when_it_is_written() -> None:
    shown = repr(ShareLink("http://h", CODE, KEY))
    assert CODE not in shown
    assert KEY not in shown


def test_a_code_belongs_to_the_server_that_is_named() -> None:
    assert parse_link(CODE, server="https://h/x/") == ShareLink("https://h/x", CODE)
    with pytest.raises(ConfigError, match="--server"):
        parse_link(CODE)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "http://h/",
        "http://h/s/",
        "http://h/s/#",
        f"http://h/#{CODE}",
        f"http://h/s/more#{CODE}",
        f"http://h/s/?x=1#{CODE}",
        f"http://user@h/s/#{CODE}",
        f"http:///s/#{CODE}",
        f"ftp://h/s/#{CODE}",
        f"file:///s/#{CODE}",
        f"http://h:99999/s/#{CODE}",
        f"http://h:x/s/#{CODE}",
        f"http://[::1/s/#{CODE}",
        f"http://h\n/s/#{CODE}",
        f"http://h /s/#{CODE}",
        "http://h/s/#TOOSHORT",
        f"http://h/s/#{CODE}" + "x" * 3000,
    ],
)
def test_what_is_no_link_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_link(text, server="http://server")
    assert CODE not in str(error.value)


@pytest.mark.parametrize(
    "text", ["http://h", "http://h/", "http://h/s/", "http://h/s", "HTTP://H/"]
)
def test_a_servers_address_has_one_form(text: str) -> None:
    assert parse_server(text) == "http://h"


@pytest.mark.parametrize("text", ["h:80", "http://", "http://h/#x", "http://h/?a", "http://a b"])
def test_what_is_no_servers_address_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_server(text)


@pytest.mark.parametrize(
    ("base", "near"),
    [
        ("http://127.0.0.1:1", True),
        ("http://[::1]:1", True),
        ("http://localhost", True),
        ("http://192.168.1.5", True),
        ("http://10.0.0.1", True),
        ("http://[fd00::2]", True),
        ("http://8.8.8.8", False),
        ("https://files.example.org", False),
    ],
)
def test_only_private_addresses_are_near(base: str, near: object) -> None:
    assert is_near(base) is near
