import json
import os
import stat
from pathlib import Path

import pytest

from ocft.errors import StorageError
from ocft.share import DiskStore
from tests.share.server.test_stores import ID, read_all


def test_sessions_on_disk_outlive_the_process(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "s")
    place = store.place(ID)
    place.content.begin(10, bytes(range(16)))
    place.save({"id": ID})
    place.put_manifest(b"manifest")
    place.content.append(b"12345")
    [(state, again)] = DiskStore(tmp_path / "s").kept()
    assert state["id"] == ID
    assert (again.manifest(), again.manifest_size) == (b"manifest", 8)
    content = again.content
    assert (content.stored, content.length, content.salt) == (5, 10, bytes(range(16)))
    content.append(b"67890")
    assert read_all(content) == b"1234567890"


@pytest.mark.parametrize("kept", ["nothing", "synced"])
def test_after_a_loss_of_power_only_what_was_synced_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: str
) -> None:
    place = DiskStore(tmp_path).place(ID)
    place.content.begin(10, bytes(16))
    if kept == "synced":
        place.content.append(b"123")
        place.content.sync()
    place.save({"id": ID})
    place.content.append(b"?????")
    monkeypatch.setattr("ocft.share.server.disk_store._boot", lambda: "after the loss")
    [(_, again)] = DiskStore(tmp_path).kept()
    synced = b"123" if kept == "synced" else b""
    assert (again.content.stored, again.content.synced) == (len(synced), len(synced))
    again.content.append(b"4567890")
    assert read_all(again.content) == synced + b"4567890"


def test_where_nobody_knows_whether_the_power_was_lost_only_what_was_synced_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ocft.share.server.disk_store._boot", lambda: "")
    place = DiskStore(tmp_path).place(ID)
    place.content.begin(10, bytes(16))
    place.save({"id": ID})
    place.content.append(b"?????")
    [(_, again)] = DiskStore(tmp_path).kept()
    assert again.content.stored == 0


def test_content_beyond_what_was_declared_is_cut(tmp_path: Path) -> None:
    place = DiskStore(tmp_path).place(ID)
    place.content.begin(4, bytes(16))
    place.save({"id": ID})
    place.content.append(b"12345")
    [(_, again)] = DiskStore(tmp_path).kept()
    assert read_all(again.content) == b"1234"


def test_what_this_process_made_is_not_taken_over(tmp_path: Path) -> None:
    store = DiskStore(tmp_path)
    store.place(ID)  # and nothing was saved there yet
    assert list(store.kept()) == []
    assert len(list(tmp_path.iterdir())) == 1


def test_what_cannot_be_read_for_now_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    DiskStore(tmp_path).place(ID).save({"id": ID})

    def fail(path: Path) -> bytes:
        raise PermissionError(13, "no", str(path))

    monkeypatch.setattr(Path, "read_bytes", fail)
    assert list(DiskStore(tmp_path).kept()) == []
    assert len(list(tmp_path.iterdir())) == 1


def test_only_their_owner_can_read_them(tmp_path: Path) -> None:
    place = DiskStore(tmp_path / "s").place(ID)
    place.content.begin(3, bytes(16))
    place.content.append(b"abc")
    place.put_manifest(b"m")
    place.save({"id": ID})
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "s").rglob("*")}
    assert len(modes) == 4
    for path, mode in modes.items():
        assert mode == (0o700 if path.is_dir() else 0o600), path


@pytest.mark.parametrize(
    "damage",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"salt": 1}',
        '{"length": 5, "salt": "zz", "synced": 0, "boot": ""}',
        '{"length": 5, "salt": "", "synced": 0, "boot": ""}',
        '{"length": 5, "salt": "00000000000000000000000000000000", "synced": 6, "boot": ""}',
        '{"length": 5, "salt": "00000000000000000000000000000000", "synced": 5, "boot": ""}',
        '{"length": "5", "salt": "00000000000000000000000000000000", "synced": 0, "boot": ""}',
    ],
)
def test_what_cannot_be_read_any_more_is_removed(tmp_path: Path, damage: str) -> None:
    store = DiskStore(tmp_path)
    store.place(ID).save({"id": ID})
    [path] = tmp_path.rglob("session.json")
    path.write_text(damage)
    assert list(DiskStore(tmp_path).kept()) == []
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_ours_stays(tmp_path: Path) -> None:
    (tmp_path / "lock").touch()
    (tmp_path / "other").mkdir()
    target = tmp_path.parent / f"{tmp_path.name}.target"
    target.mkdir()
    (tmp_path / f"{ID}.link").symlink_to(target)
    assert list(DiskStore(tmp_path).kept()) == []
    assert len(list(tmp_path.iterdir())) == 3
    assert target.is_dir()


def test_a_symlink_in_the_place_of_content_is_not_followed(tmp_path: Path) -> None:
    place = DiskStore(tmp_path / "s").place(ID)
    place.content.begin(10, bytes(16))
    (tmp_path / "secret").write_bytes(b"mine")
    [folder] = (tmp_path / "s").iterdir()
    (folder / "content").symlink_to(tmp_path / "secret")
    with pytest.raises(OSError, match="symbolic"):
        place.content.append(b"x")
    assert (tmp_path / "secret").read_bytes() == b"mine"


def test_a_state_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = DiskStore(tmp_path).place(ID)
    place.save({"id": "old"})

    def fail(descriptor: int) -> None:
        raise OSError

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError):  # noqa: PT011 - ours
        place.save({"id": "new"})
    [path] = tmp_path.rglob("session.json")
    assert json.loads(path.read_text())["id"] == "old"


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="file"):
        DiskStore(tmp_path / "file" / "s")
    store = DiskStore(tmp_path / "s")
    (tmp_path / "s").rmdir()
    with pytest.raises(StorageError):
        store.place(ID)
