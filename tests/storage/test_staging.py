import hashlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ocft.errors import DigestMismatchError, StorageError
from ocft.storage import Journal, PartialFile, TransferRecord, staging
from ocft.storage.staging import Staging
from tests.storage.incoming_sets import ID, found_in, manifest_of

MakeRecord = Callable[..., TransferRecord]
CONTENTS = {
    "first": b"1" * 10,
    "large": bytes(range(50)),
    "top/b": b"22",
    "e": b"",
    "top/c": b"333",
}
MANIFEST = manifest_of(CONTENTS)
SIZE = MANIFEST.content_size


@pytest.fixture
def part(tmp_path: Path) -> Iterator[PartialFile]:
    with PartialFile.open(tmp_path / "parts" / "x.part") as part:
        part.write(0, b"".join(CONTENTS.values()) + b"manifest")
        yield part


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch, journal: Journal, make_record: MakeRecord) -> None:
    journal.add(make_record())
    monkeypatch.setattr(staging, "_PIECE", 7)
    monkeypatch.setattr(staging, "_BATCH_BYTES", 20)
    monkeypatch.setattr(staging, "_BATCH_FILES", 2)


def _staging(
    journal: Journal, part: PartialFile, left_out: frozenset[int] = frozenset()
) -> Staging:
    folder = part.path.parent / "files"
    return Staging(journal, ID, part, folder, manifest=MANIFEST, left_out=left_out)


def test_files_are_taken_from_the_end_and_recorded_before_the_part_file_is_cut(
    journal: Journal, part: PartialFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[tuple[int | None, int]] = []
    truncate = PartialFile.truncate

    def note(self: PartialFile, size: int) -> None:
        steps.append((journal.staging(ID), size))
        truncate(self, size)

    monkeypatch.setattr(PartialFile, "truncate", note)
    _staging(journal, part).run(SIZE)
    assert steps == [(62, 62), (40, 40), (20, 20), (10, 10), (10, 10)]
    assert journal.staging(ID) == 0
    assert found_in(part.path.parent / "files") == CONTENTS
    assert not part.path.exists()


def test_all_of_it_is_on_the_disk_before_it_is_recorded(
    journal: Journal, part: PartialFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: set[str] = set()
    recorded: list[set[str]] = []
    monkeypatch.setattr(staging, "_sync_file", lambda path: synced.add(path.name))
    monkeypatch.setattr(
        Journal, "save_staging", lambda *_: recorded.append(set(synced)), raising=True
    )
    _staging(journal, part).run(SIZE)
    assert recorded[0] == {"c", "e"}
    assert recorded[-1] == {"c", "e", "b", "large", "first"}


@pytest.mark.parametrize("few", [0, 16])
def test_many_small_files_are_brought_to_the_disk_all_together(
    journal: Journal, part: PartialFile, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    calls: list[str] = []
    one, whole = staging._sync_file, staging._sync_file_system

    def sync_one(path: Path) -> None:
        calls.append("one")
        one(path)

    def sync_all(folder: Path) -> bool:
        calls.append("all")
        return whole(folder)

    monkeypatch.setattr(staging, "_FEW_FILES", few)
    monkeypatch.setattr(staging, "_sync_file", sync_one)
    monkeypatch.setattr(staging, "_sync_file_system", sync_all)
    _staging(journal, part).run(SIZE)
    assert ("all" in calls) == (few == 0)


def test_a_file_system_that_does_not_sync_is_an_error(tmp_path: Path) -> None:
    assert staging._sync_file_system(tmp_path) in {True, False}
    with pytest.raises(OSError, match="No such file"):
        staging._sync_file_system(tmp_path / "nothing")


@pytest.mark.parametrize("system", ["darwin", "win32"])
def test_elsewhere_each_file_is_synced(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, system: str
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    assert not staging._sync_file_system(tmp_path)


@pytest.mark.parametrize("number", [0, 1, 2, 4])
def test_a_file_that_rots_on_the_disk_is_noticed(
    journal: Journal, part: PartialFile, number: int
) -> None:
    part.write(MANIFEST.offsets()[number] + 1, b"\xff")
    with pytest.raises(DigestMismatchError):
        _staging(journal, part).run(SIZE)


def test_a_part_file_that_is_too_short_is_noticed(journal: Journal, part: PartialFile) -> None:
    part.truncate(SIZE - 1)
    with pytest.raises(DigestMismatchError, match="removed"):
        _staging(journal, part).run(SIZE)


def test_a_part_file_that_was_replaced_is_noticed(journal: Journal, part: PartialFile) -> None:
    part.path.unlink()
    part.path.write_bytes(b"another")
    with pytest.raises(StorageError, match="removed or replaced"):
        _staging(journal, part).run(SIZE)


def test_a_link_in_the_place_of_a_file_is_not_followed(
    journal: Journal, part: PartialFile, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_bytes(b"keep me")
    folder = part.path.parent / "files"
    folder.mkdir()
    for name in ("large", "first", "e"):
        (folder / name).symlink_to(tmp_path / "secret")
    _staging(journal, part).run(SIZE)
    assert found_in(folder) == CONTENTS
    assert not any(path.is_symlink() for path in folder.iterdir())
    assert (tmp_path / "secret").read_bytes() == b"keep me"


def test_the_staging_folder_is_for_its_owner_and_those_in_it_are_as_usual(
    journal: Journal, part: PartialFile
) -> None:
    before = os.umask(0o022)
    try:
        _staging(journal, part).run(SIZE)
    finally:
        os.umask(before)
    folder = part.path.parent / "files"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "top").stat().st_mode & 0o777 == 0o755


def test_times_that_the_file_system_cannot_keep_are_no_error(
    journal: Journal, part: PartialFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OverflowError

    monkeypatch.setattr(os, "utime", refuse)
    _staging(journal, part).run(SIZE)
    assert found_in(part.path.parent / "files") == CONTENTS


def test_a_part_file_that_somebody_cut_is_not_filled_with_nothing(
    journal: Journal, part: PartialFile
) -> None:
    """Its digest was computed before, while it arrived."""
    staging_ = Staging(
        journal,
        ID,
        part,
        part.path.parent / "files",
        manifest=MANIFEST,
        left_out=frozenset(range(1, len(CONTENTS))),
        first_digest=hashlib.sha256(CONTENTS["first"]).digest(),
    )
    part.truncate(9)
    with pytest.raises(DigestMismatchError):
        staging_.run(SIZE)
