"""`ocft.runtime.outgoing`: what is to be sent, before it is recorded."""

import os
from pathlib import Path

import pytest

from ocft.errors import ConfigError, SourceChangedError, SourceNotFoundError
from ocft.ids import NodeId
from ocft.runtime import Outgoing, outgoing_files
from ocft.storage import Database, Journal, SourceSet
from ocft.testing import run
from ocft.transfers import Direction, TransferState
from ocft.wire import digest_of, unpack_manifest
from tests.runtime.pair import DATA, EPOCH


def describe(*paths: Path, **options: object) -> Outgoing:
    return run(
        outgoing_files(
            NodeId("bob"),
            list(paths),
            channel="room",
            wall_clock=lambda: EPOCH,
            **options,  # type: ignore[arg-type]
        )
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    top = tmp_path / "photos"
    (top / "sub").mkdir(parents=True)
    (top / "a.jpg").write_bytes(DATA)
    (top / "b.txt").write_bytes(b"b")
    (top / "sub" / "c.jpg").write_bytes(b"")
    (top / "link").symlink_to(top / "a.jpg")
    os.mkfifo(top / "pipe")
    return top


def test_a_single_file_is_described_as_both_wires_need_it(folder: Path) -> None:
    outgoing = describe(folder / "a.jpg")
    info = outgoing.record.info
    assert (info.filename, info.size, info.digest) == ("a.jpg", len(DATA), digest_of(DATA))
    assert (info.direction, info.state) == (Direction.SEND, TransferState.PENDING)
    assert (info.mime_type, info.file_count, info.wire) == ("image/jpeg", 1, None)
    assert info.local_path == str(folder / "a.jpg")
    assert info.started_at == EPOCH
    assert outgoing.record.source == outgoing.sources[0][1]
    (file,) = unpack_manifest(outgoing.manifest).files
    assert (file.name, file.digest.hex()) == ("a.jpg", info.digest)
    assert outgoing.record.manifest_size == len(outgoing.manifest)


def test_a_folder_is_one_transfer_and_what_cannot_be_sent_is_said(folder: Path) -> None:
    outgoing = describe(folder)
    info = outgoing.record.info
    names = [one.name for one in unpack_manifest(outgoing.manifest).files]
    assert names == ["photos/a.jpg", "photos/b.txt", "photos/sub/c.jpg"]
    assert (info.filename, info.size, info.file_count) == ("photos/", len(DATA) + 1, 3)
    assert info.digest == digest_of(outgoing.manifest)
    assert info.mime_type == "application/octet-stream"
    assert outgoing.record.source is None  # wire 1.0 cannot carry it
    assert set(outgoing.skipped) == {folder / "link", folder / "pipe"}
    assert info.local_path == str(folder)


def test_patterns_choose_what_of_a_folder_is_sent(folder: Path) -> None:
    chosen = describe(folder, include=["*.jpg"], exclude=["sub/"])
    assert [one.name for one in unpack_manifest(chosen.manifest).files] == ["photos/a.jpg"]
    with pytest.raises(SourceNotFoundError):
        describe(folder, include=["*.pdf"])


def test_several_paths_have_no_path_together(folder: Path) -> None:
    info = describe(folder / "a.jpg", folder / "b.txt").record.info
    assert info.local_path is None
    assert info.filename == "a.jpg and 1 more"


def test_a_single_file_can_be_called_otherwise_and_always_has_a_safe_name(folder: Path) -> None:
    assert describe(folder / "a.jpg", name="cat.jpg").record.info.filename == "cat.jpg"
    assert describe(folder / "a.jpg", name="../../x").record.info.filename != "../../x"
    odd = folder / "con."
    odd.write_bytes(b"x")
    name = describe(odd).record.info.filename
    assert name != "con."
    assert unpack_manifest(describe(odd).manifest).files[0].name == name


def test_a_name_that_not_every_receiver_can_save_is_told_for_folders(folder: Path) -> None:
    (folder / "nul.txt").write_bytes(b"x")
    with pytest.raises(ConfigError, match=r"nul\.txt"):
        describe(folder)


def test_two_files_of_one_name_are_told(folder: Path) -> None:
    (folder / "A.JPG").write_bytes(b"x")
    with pytest.raises(ConfigError):
        describe(folder)
    with pytest.raises(ConfigError, match="twice"):
        describe(folder / "a.jpg", folder / "a.jpg")


@pytest.mark.parametrize("name", ["missing", "pipe"])
def test_what_is_no_file_is_told(folder: Path, name: str) -> None:
    with pytest.raises(SourceNotFoundError):
        describe(folder / name)


def test_what_was_described_is_recorded_once_with_all_that_belongs_to_it(
    folder: Path, tmp_path: Path
) -> None:
    outgoing = describe(folder)
    with Database(tmp_path / "journal.db") as database:
        journal = Journal(database)
        assert outgoing.add_to(journal)
        assert not outgoing.add_to(journal)
        transfer_id = outgoing.record.info.id
        assert journal.get(transfer_id) == outgoing.record
        assert journal.manifest(transfer_id) == outgoing.manifest
        assert journal.sources(transfer_id) == outgoing.sources
        with SourceSet.open(outgoing.manifest, journal.sources(transfer_id)) as files:
            assert files.read(len(outgoing.manifest), len(DATA)) == DATA
            (folder / "a.jpg").write_bytes(DATA[::-1])
            with pytest.raises(SourceChangedError):
                files.read(len(outgoing.manifest), 1)


def test_every_transfer_has_an_id_of_its_own(folder: Path) -> None:
    ids = {describe(folder / "b.txt").record.info.id for _ in range(20)}
    assert len(ids) == 20
