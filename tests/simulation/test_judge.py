"""`tests.simulation.judge`: what old texts may change, and what not."""

from typing import Any

import pytest

from tests.simulation.judge import VerdictError, judge_ended, judge_no_change

Tables = dict[str, list[dict[str, Any]]]


def tables(*numbers: int, state: str = "completed") -> Tables:
    """Return a snapshot with a transfer and the root keys of these numbers."""
    return {
        "transfers": [{"id": "xfer_1", "state": state}],
        "sessions": [{"peer_id": "bob", "number": number} for number in numbers],
    }


def test_an_older_root_key_may_go_when_old_texts_come_again() -> None:  # R-HSK-4
    judge_no_change(tables(1, 2), tables(2), "then")


@pytest.mark.parametrize(
    "after", [tables(1), tables(1, 2, 3), tables(2, 3), tables(), tables(1, 2, state="failed")]
)
def test_nothing_else_may_change(after: Tables) -> None:
    with pytest.raises(VerdictError):
        judge_no_change(tables(1, 2), after, "then")


def test_what_was_complete_stays_as_it_was_also_where_something_else_goes_on() -> None:
    judge_ended(tables(state="failed"), tables(state="completed"), "then")
    judge_ended(tables(), tables(), "then")
    with pytest.raises(VerdictError):
        judge_ended(tables(), tables(state="failed"), "then")
