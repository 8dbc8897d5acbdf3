"""`ocft.cli.reasons`: codes become words, words stay."""

import pytest

from ocft.cli.reasons import in_words


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (
            "The receiver refused: FILE_TOO_LARGE",
            "The receiver refused: that is larger than it takes",
        ),
        ("The receiver refused: SOMETHING_NEW", "The receiver refused: SOMETHING_NEW"),
        ("The receiver refused: no way", "The receiver refused: no way"),
        ("Cancelled: ", "Cancelled"),
        ("cancelled", "cancelled"),
        ("", ""),
    ],
)
def test_a_code_becomes_words_and_words_stay(reason: str, words: str) -> None:
    assert in_words(reason) == words
