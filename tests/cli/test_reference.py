"""docs/cli.md says what the commands say."""

from pathlib import Path

from ocft import errors
from tests.cli.reference import INTRODUCTION, reference

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"


def test_the_page_is_current() -> None:
    assert PAGE.read_text() == reference(), "python -m tests.cli.reference > docs/cli.md"


def test_every_exit_status_of_an_error_is_listed() -> None:
    for value in vars(errors).values():
        if isinstance(value, type) and issubclass(value, errors.OcftError):
            assert f"\n| {value.exit_status} | " in INTRODUCTION
