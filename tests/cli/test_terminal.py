"""`ocft.cli.terminal`: words and numbers for people."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocft.cli.terminal import (
    format_duration,
    format_moment,
    format_size,
    parse_size,
    printable,
    table,
)
from ocft.errors import ConfigError

HOSTILE = [
    pytest.param("\x1b[1A\rharmless", id="N11-cursor"),
    pytest.param("\x1b]0;t\x07", id="N11-title"),
    pytest.param("\x9b2J", id="N11-c1"),
    pytest.param("a\u202etxt.exe", id="N11-bidi"),
    pytest.param("a\u200b\ufeffb", id="N11-zero-width"),
    pytest.param("two\nlines", id="N11-line"),
    pytest.param("\ud800", id="N11-surrogate"),
]


@pytest.mark.parametrize("text", HOSTILE)
def test_what_could_disturb_a_terminal_is_spelled_out(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert "\\" in shown


@given(st.text())
def test_anything_becomes_printable_and_what_is_stays(text: str) -> None:
    assert printable(text).isprintable()
    assert printable(printable(text)) == printable(text)
    assert not text.isprintable() or printable(text) == text


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (1023, "1023 bytes"),
        (1024, "1.0 KB"),
        (1024**2 - 1, "1.0 MB"),
        (1536 * 1024, "1.5 MB"),
        (1024**5, "1024.0 TB"),
    ],
)
def test_sizes_have_the_unit_that_suits_them(size: int, words: str) -> None:
    assert format_size(size) == words


@given(st.integers(min_value=1, max_value=2**50))
def test_plain_bytes_are_read_exactly(size: int) -> None:
    assert parse_size(str(size)) == size


@given(st.text())
def test_any_text_is_a_size_or_a_stated_error(text: str) -> None:
    try:
        size = parse_size(text)
    except ConfigError:
        return
    assert size >= 1


def test_durations_and_moments_are_short() -> None:
    assert [format_duration(seconds) for seconds in (5, 90, 7200, 400_000)] == [
        "5 s",
        "2 min",
        "2 h",
        "5 days",
    ]
    assert len(format_moment(1_795_000_000)) == len("2026-11-21 10:00")


def test_a_table_is_aligned_and_printable() -> None:
    assert table(("A", "NAME"), [["1", "\x1b"], ["222", "x"]]) == [
        "A    NAME",
        "1    \\x1b",
        "222  x",
    ]
