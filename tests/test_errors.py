import inspect
import re

import pytest

from ocft import errors
from ocft.errors import OcftError, RateLimitedError, TransferFailedError, error_for

CLASSES: dict[str, type[OcftError]] = {
    name: member
    for name, member in vars(errors).items()
    if inspect.isclass(member) and issubclass(member, OcftError)
}
# "    │  └─ DigestMismatchError      (8, R)  the bytes are not ..."; the first line is the root.
_BRANCH = re.compile(
    r"^ {4}(?P<branches>(?:[│ ] {2})*[├└]─ )?(?P<name>\w+Error) *(?:\((?P<note>[^)]*)\))?"
)


def _drawn() -> dict[str, tuple[str | None, int, bool]]:
    """Return the tree of the docstring: each class with its parent, exit status, retryable."""
    tree: dict[str, tuple[str | None, int, bool]] = {}
    above: list[str] = []
    for line in inspect.cleandoc(errors.__doc__ or "").splitlines():
        if not (branch := _BRANCH.match(line)):
            continue
        depth = len(branch["branches"] or "") // 3
        del above[depth:]
        parent = above[-1] if above else None
        above.append(branch["name"])
        notes = (branch["note"] or "").replace(" ", "").split(",")
        inherited = tree[parent][1] if parent else 3
        status = next((int(note) for note in notes if note.isdigit()), inherited)
        tree[branch["name"]] = (parent, status, "R" in notes)
    return tree


def test_the_tree_of_the_docstring_is_the_tree_of_the_classes() -> None:
    actual = {
        name: (
            None if error is OcftError else error.__mro__[1].__name__,
            error.exit_status,
            error.retryable,
        )
        for name, error in CLASSES.items()
    }
    assert _drawn() == actual


@pytest.mark.parametrize("error", CLASSES.values(), ids=CLASSES)
def test_a_code_is_the_class_name_in_upper_snake_case(error: type[OcftError]) -> None:
    assert error.__name__.endswith("Error")
    words = re.sub(r"(?<!^)(?=[A-Z])", "_", error.__name__.removesuffix("Error"))
    assert error.code == words.upper()
    assert "code" in vars(error)  # a literal for each class, so that a rename is noticed


def test_codes_are_unique() -> None:
    assert len({error.code for error in CLASSES.values()}) == len(CLASSES)


@pytest.mark.parametrize("error", CLASSES.values(), ids=CLASSES)
def test_a_docstring_is_a_sentence_for_the_user(error: type[OcftError]) -> None:
    first, *_ = inspect.cleandoc(error.__doc__ or "").splitlines()
    assert first[0].isupper()
    assert "." in first or ";" in first


def test_exit_statuses_are_those_of_the_command_line() -> None:
    assert {error.exit_status for error in CLASSES.values()} == {1, 2, 3, 4, 5, 6, 7, 8}


def test_a_pause_that_the_platform_asks_for_is_kept() -> None:
    error = RateLimitedError("slow down", retry_after=2.5)
    assert (str(error), error.retry_after, error.is_global) == ("slow down", 2.5, False)


def test_an_error_comes_back_from_the_journal_by_its_code() -> None:
    for name in ("STORAGE", "TRANSFER_TIMEOUT", "DIGEST_MISMATCH", "SOURCE_CHANGED"):
        error = error_for(name, "words")
        assert (error.code, str(error)) == (name, "words")


@pytest.mark.parametrize("code", [None, "", "OCFT", "NO_SUCH_CODE", "RATE_LIMITED"])
def test_an_unknown_code_is_a_failed_transfer(code: str | None) -> None:
    assert type(error_for(code, "words")) is TransferFailedError
