import base64
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocft.errors import ConfigError
from ocft.ids import NodeId
from ocft.wire import PeerAddress, format_peer_uri, parse_peer_uri
from tests.golden.recorded import PEER_URI, PEER_URI_CONTENT

RECORDED = PeerAddress(NodeId(PEER_URI_CONTENT["nodeId"]), PEER_URI_CONTENT["secret"])
FINGERPRINT = bytes(range(200, 232))
FP = base64.urlsafe_b64encode(FINGERPRINT).decode().rstrip("=")
_words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)


def _uri(content: object) -> str:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return "ocft://" + base64.urlsafe_b64encode(data).decode()


def test_the_recorded_uri_is_read_and_written_to_the_byte() -> None:
    assert parse_peer_uri(PEER_URI) == RECORDED
    assert format_peer_uri(RECORDED) == PEER_URI


@given(_words, _words, st.none() | st.binary(min_size=32, max_size=32))
def test_every_address_comes_back_from_its_uri(
    node_id: str, secret: str, fingerprint: bytes | None
) -> None:
    address = PeerAddress(NodeId(node_id), secret, fingerprint)
    assert parse_peer_uri(format_peer_uri(address)) == address


def test_a_fingerprint_adds_two_fields_to_those_of_wire_1_0() -> None:
    with_fingerprint = replace(RECORDED, fingerprint=FINGERPRINT)
    encoded = format_peer_uri(with_fingerprint).removeprefix("ocft://")
    content = json.loads(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
    assert content == PEER_URI_CONTENT | {"fp": FP, "v": 2}
    assert list(content) == [*PEER_URI_CONTENT, "fp", "v"]


def test_a_later_version_with_a_fingerprint_is_read() -> None:
    uri = _uri(PEER_URI_CONTENT | {"fp": FP, "v": 3, "more": []})
    assert parse_peer_uri(uri) == replace(RECORDED, fingerprint=FINGERPRINT)


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"fp": FP}, id="no version"),
        pytest.param({"v": 2}, id="no fingerprint"),
        pytest.param({"fp": None, "v": 2}, id="J1-null"),
        pytest.param({"fp": "", "v": 2}, id="empty"),
        pytest.param({"fp": [FP], "v": 2}, id="J7-list"),
        pytest.param({"fp": FP[:-1], "v": 2}, id="too short"),
        pytest.param({"fp": FP + "A", "v": 2}, id="too long"),
        pytest.param({"fp": FP + "=", "v": 2}, id="padding"),
        pytest.param({"fp": FP[:-1] + "9", "v": 2}, id="F11-spare bits"),
        pytest.param({"fp": " " + FP[1:], "v": 2}, id="white space"),
        pytest.param({"fp": FP.replace("_", "/"), "v": 2}, id="standard alphabet"),
        pytest.param({"fp": FP, "v": 1}, id="version 1"),
        pytest.param({"fp": FP, "v": "2"}, id="J7-text"),
        pytest.param({"fp": FP, "v": 2.0}, id="J7-float"),
        pytest.param({"fp": FP, "v": True}, id="J7-true"),
        pytest.param({"fp": FP, "v": None}, id="null as version"),
    ],
)
def test_a_damaged_fingerprint_is_not_taken_for_none(fields: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="fingerprint"):
        parse_peer_uri(_uri(PEER_URI_CONTENT | fields))


@pytest.mark.parametrize(
    "uri",
    [
        pytest.param(f"  {PEER_URI}\n", id="white space around it"),
        pytest.param(PEER_URI + "/", id="a slash that a browser added"),
        pytest.param(PEER_URI + "=", id="padding"),
        pytest.param(PEER_URI.replace("ocft://", "OCFT://"), id="upper-case scheme"),
        pytest.param(_uri(PEER_URI_CONTENT | {"fingers": "ab", "w": 2}), id="later fields"),
    ],
)
def test_a_uri_is_read_as_people_paste_it(uri: str) -> None:
    assert parse_peer_uri(uri) == RECORDED


@pytest.mark.parametrize(
    "uri",
    [
        pytest.param("", id="nothing"),
        pytest.param("ocft://", id="scheme only"),
        pytest.param("https://example.com/", id="another scheme"),
        pytest.param(PEER_URI[:-9], id="end is missing"),
        pytest.param(PEER_URI[:60], id="half is missing"),
        pytest.param(PEER_URI.replace("I", " ", 1), id="space inside"),
        pytest.param(PEER_URI.replace("I", "!", 1), id="junk inside"),
        pytest.param("ocft://\u0661\u0661\u0661\u0661", id="digits of another script"),
        pytest.param(_uri([]), id="J1-list"),
        pytest.param(_uri(None), id="J1-null"),
        pytest.param(_uri("x"), id="J1-text"),
        pytest.param(_uri(1), id="J1-number"),
        pytest.param(_uri({}), id="empty object"),
        pytest.param(_uri({"nodeId": "a"}), id="no secret"),
        pytest.param(_uri({"nodeId": "", "secret": "s"}), id="empty node id"),
        pytest.param(_uri({"nodeId": "a", "secret": ""}), id="empty secret"),
        pytest.param(_uri({"nodeId": 1, "secret": "s"}), id="J7-number"),
        pytest.param(_uri({"nodeId": ["a"], "secret": "s"}), id="J7-list"),
        pytest.param(_uri(b"\x1f\x8b\x08"), id="F21-gzip"),
        pytest.param(_uri(b'{"nodeId": "\xff", "secret": "s"}'), id="no UTF-8"),
        pytest.param(_uri(b'{"nodeId": "\\ud800", "secret": "s"}'), id="lone surrogate"),
        pytest.param(_uri(b"[" * 5000), id="J5-depth"),
        pytest.param(_uri(b"1" * 5000), id="long number"),
        pytest.param("ocft://" + "A" * 10_000, id="too long"),
    ],
)
def test_a_damaged_uri_is_a_config_error_that_does_not_quote_it(uri: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_peer_uri(uri)
    assert len(str(caught.value)) < 100


def test_the_secret_is_not_shown() -> None:  # case K13
    assert RECORDED.secret not in repr(RECORDED)
    with pytest.raises(ConfigError) as caught:
        parse_peer_uri(PEER_URI[:-1] + "!")
    assert RECORDED.secret not in str(caught.value)


@given(st.text())
def test_any_text_is_an_address_or_a_config_error(text: str) -> None:
    for uri in (text, "ocft://" + text, _uri(text.encode("utf-8", "replace"))):
        try:
            assert isinstance(parse_peer_uri(uri), PeerAddress)
        except ConfigError:
            continue
