import errno

import pytest

from ocft.errors import NotEnoughSpaceError, StorageError
from ocft.storage.border import storage_errors


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_or_quota_says_so(number: int) -> None:
    with (
        pytest.raises(NotEnoughSpaceError, match=r"^Cannot write x: full\.$"),
        storage_errors("write x"),
    ):
        raise OSError(number, "full")


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EIO])  # case X3
def test_any_other_refusal_is_a_storage_error_with_its_cause(number: int) -> None:
    with pytest.raises(StorageError) as caught, storage_errors("write x"):
        raise OSError(number, "no")
    assert type(caught.value) is StorageError
    assert isinstance(caught.value.__cause__, OSError)


def test_a_path_that_cannot_be_one_is_a_storage_error() -> None:
    with pytest.raises(StorageError), storage_errors("open it"):
        open("a\0b", "rb")  # noqa: PTH123, SIM115 - fails
