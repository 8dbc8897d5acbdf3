import pytest

from ocft.errors import ConfigError
from ocft.routes import TurnServer, WebRtcOptions
from ocft.routes.webrtc_words import HelpingServer


@pytest.mark.parametrize(
    ("url", "means"),
    [
        ("stun:stun.example.org", ("stun", "stun.example.org", 3478, "udp")),
        ("stun:192.0.2.1:19302", ("stun", "192.0.2.1", 19302, "udp")),
        ("stun:[2001:db8::1]:3479", ("stun", "2001:db8::1", 3479, "udp")),
        ("turn:turn.example.org", ("turn", "turn.example.org", 3478, "udp")),
        ("turn:turn.example.org?transport=tcp", ("turn", "turn.example.org", 3478, "tcp")),
        ("turns:turn.example.org", ("turns", "turn.example.org", 5349, "tcp")),
        ("turns:turn.example.org:443?transport=tcp", ("turns", "turn.example.org", 443, "tcp")),
    ],
)
def test_a_url_says_who_is_asked_and_how(url: str, means: tuple[str, str, int, str]) -> None:
    server = HelpingServer.parse(url)
    assert (server.scheme, server.host, server.port, server.transport) == means


@pytest.mark.parametrize(
    "url",
    [
        "",
        "stun:",
        "stuns:example.org",
        "https://example.org",
        "stun:example.org:0",
        "stun:example.org:65536",
        "stun:example.org?transport=tcp",
        "turns:example.org?transport=udp",
        "turn:me:password@example.org",
        "turn:example.org\n",
        "stun:exa mple.org",
        "stun://example.org",
    ],
)
def test_what_is_no_such_url_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        HelpingServer.parse(url)
    assert "password@" not in str(caught.value)


def test_a_server_is_not_taken_for_another_kind() -> None:
    with pytest.raises(ConfigError):
        WebRtcOptions(stun="turn:example.org")
    with pytest.raises(ConfigError):
        TurnServer("stun:example.org", "me", "secret")


def test_the_password_is_not_shown() -> None:
    options = WebRtcOptions(turn=TurnServer("turn:example.org", "me", "hunter2"))
    assert "hunter2" not in repr(options)
