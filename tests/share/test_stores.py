import json
import os
import stat
from pathlib import Path

import pytest

from ocft.crypto import SEALED_RECORD
from ocft.errors import StorageError
from ocft.share import DiskStore, MemoryStore
from ocft.share.contents import StoredContent
from ocft.share.stores import Place, Store

ID = "a" * 26


@pytest.fixture(name="place", params=["memory", "disk"])
def _place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    store: Store = MemoryStore() if request.param == "memory" else DiskStore(tmp_path / "s")
    return store.place(ID)


def read_all(content: StoredContent, offset: int = 0) -> bytes:
    answer = content.answer(offset)
    data = b"".join(iter(answer.read, b""))
    answer.close()
    answer.close()
    return data


def test_what_is_put_in_comes_out(place: Place) -> None:
    content, data = place.content, os.urandom(3 * SEALED_RECORD + 5)
    assert not content.is_complete
    content.begin(len(data), bytes(16))
    for start in range(0, len(data), 700_001):
        content.append(data[start : start + 700_001])
    content.sync()
    assert place.content.is_complete
    assert read_all(content) == data
    assert read_all(content, 2 * SEALED_RECORD) == data[2 * SEALED_RECORD :]


def test_what_begins_anew_is_empty(place: Place) -> None:
    place.content.begin(100, bytes(16))
    place.content.append(b"old")
    place.content.begin(50, bytes(15) + b"1")
    assert (place.content.stored, place.content.length) == (0, 50)
    place.content.append(b"new")
    assert read_all(place.content) == b"new"


def test_who_reads_reads_on_when_it_is_removed(place: Place) -> None:
    data = os.urandom(2 * SEALED_RECORD)
    place.content.begin(len(data), bytes(16))
    place.content.append(data)
    answer = place.content.answer(0)
    place.remove()
    place.remove()
    assert b"".join(iter(answer.read, b"")) == data
    answer.close()


def test_sessions_on_disk_outlive_the_process(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "s")
    place = store.place(ID)
    place.content.begin(10, bytes(range(16)))
    place.save({"id": ID}, b"manifest")
    place.content.append(b"12345")
    [(state, manifest, again)] = DiskStore(tmp_path / "s").kept()
    assert state["id"] == ID
    assert manifest == b"manifest"
    content = again.content
    assert (content.stored, content.length, content.salt) == (5, 10, bytes(range(16)))
    content.append(b"67890")
    assert read_all(content) == b"1234567890"


def test_only_their_owner_can_read_them(tmp_path: Path) -> None:
    place = DiskStore(tmp_path / "s").place(ID)
    place.content.begin(3, bytes(16))
    place.content.append(b"abc")
    place.save({"id": ID}, b"m")
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "s").rglob("*")}
    assert len(modes) == 4
    for path, mode in modes.items():
        assert mode == (0o700 if path.is_dir() else 0o600), path


@pytest.mark.parametrize("damage", ["", "{", "[]", "{}", '{"salt": 1}', '{"salt": "zz"}'])
def test_what_cannot_be_read_any_more_is_removed(tmp_path: Path, damage: str) -> None:
    store = DiskStore(tmp_path)
    store.place(ID).save({"id": ID}, None)
    [path] = tmp_path.rglob("session.json")
    path.write_text(damage)
    assert list(store.kept()) == []
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
    place.save({"id": "old"}, None)

    def fail(descriptor: int) -> None:
        raise OSError

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError):  # noqa: PT011 - ours
        place.save({"id": "new"}, None)
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
