"""`ocft.runtime.wire2.spaced`: a room cannot fill our log."""

import logging

import pytest

from ocft.runtime.wire2.spaced import SpacedLog
from ocft.testing import ManualClock


def test_one_of_a_kind_is_told_a_minute_and_the_others_are_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = ManualClock(0.0)
    log = SpacedLog(logging.getLogger("spaced"), clock)
    for number in range(5):
        log.warning("a %r", number)
        log.warning("b")
    clock.advance(60)
    log.warning("a %r", 5)
    clock.advance(60)
    log.warning("a %r", 6)
    assert [one.getMessage() for one in caplog.records] == [
        "a 0",
        "b",
        "a 5 (and 4 more of this kind)",
        "a 6",
    ]
