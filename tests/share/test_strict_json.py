import pytest

from ocft.errors import MalformedMessageError
from ocft.share.strict_json import parse_json


def test_an_object_is_read() -> None:
    assert parse_json(b' {"a": [1, null, "\xc3\xa9"]} ') == {"a": [1, None, "\u00e9"]}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"1",
        b'"x"',
        b"{} {}",
        b'{"a": 1, "a": 1}',
        b'{"b": {"a": 1, "a": 2}}',
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": "\xff"}',
        b"\xff\xfe{\0}\0",
        b'{"a": ' + b"9" * 5000 + b"}",
        b'{"a": ' + b"[" * 100_000,
    ],
)
def test_what_parsers_let_pass_is_refused(data: bytes) -> None:  # cases J1, J3, J5
    with pytest.raises(MalformedMessageError):
        parse_json(data)
