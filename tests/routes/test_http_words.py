import pytest

from ocft.routes.http_words import MOST_RANGES, parse_ranges, range_header, token_of


def test_ranges_are_what_they_were() -> None:
    ranges = [(0, 1), (5, 2**40), (2**40 + 1, 2**41)]
    assert parse_ranges(range_header(ranges).encode()) == ranges


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"bytes=",
        b"bytes=5-",
        b"bytes=-5",
        b"bytes=5-4",
        b"bytes=0-9,5-20",
        b"bytes=10-20,0-5",
        b"bytes=0-1,2-3",  # they touch: one range
        b"bytes=0-99999999999999999999999",
        b"items=0-5",
        b"bytes=0-5, 7-9",
        b"bytes=\xff-5",
        ("bytes=" + ",".join(f"{2 * n}-{2 * n}" for n in range(MOST_RANGES + 1))).encode(),
    ],
)
def test_what_is_no_list_of_ranges_is_none(header: bytes) -> None:
    assert parse_ranges(header) is None


def test_the_token_is_what_follows_bearer() -> None:
    assert token_of(b"Bearer abc") == token_of(b"bearer abc") == "abc"
    assert token_of(b"Basic abc") == token_of(b"abc") == token_of(b"") == ""
