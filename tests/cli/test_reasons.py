"""`ocft.cli.reasons`: codes become words, words stay."""

import inspect

import pytest

from ocft import errors
from ocft.cli.reasons import WORDS, in_words, why
from ocft.errors import OcftError


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (
            "The receiver refused: FILE_TOO_LARGE",
            "The receiver refused: that is larger than it takes",
        ),
        ("FILE_TOO_LARGE", "that is larger than it takes"),
        ("The peer gave up (NOT_ENOUGH_SPACE)", "The peer gave up: its disk has no room"),
        ("The peer gave up (NO_ROOM): no room", "The peer gave up: no room"),
        ("The peer gave up (SOMETHING_NEW)", "The peer gave up: SOMETHING_NEW"),
        ("The receiver refused: SOMETHING_NEW", "The receiver refused: SOMETHING_NEW"),
        ("The receiver refused: no way", "The receiver refused: no way"),
        ("Cancelled: ", "Cancelled"),
        ("cancelled", "cancelled"),
        ("", ""),
    ],
)
def test_a_code_becomes_words_and_words_stay(reason: str, words: str) -> None:
    assert in_words(reason) == words


def test_what_has_happened_is_not_said_twice() -> None:
    assert why("The receiver refused: BUSY") == WORDS["BUSY"]
    assert why("Cancelled: no time") == why("no time") == "no time"


def test_every_code_that_may_travel_has_words() -> None:
    refusals = {"BUSY", "DAILY_LIMIT", "NOT_ALLOWED"}  # of `ocft.runtime.admission`
    restorable = {error.code for error in errors._BY_CODE.values()}
    assert restorable | refusals <= WORDS.keys()
    codes = {
        error.code
        for error in vars(errors).values()
        if inspect.isclass(error) and issubclass(error, OcftError)
    }
    assert WORDS.keys() - refusals <= codes
