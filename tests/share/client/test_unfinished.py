"""`ocft.share.client.unfinished`: what an upload keeps for the process after this one."""

import os
import stat
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ocft.crypto import make_salt
from ocft.errors import StorageError
from ocft.share import ShareManifest, Unfinished, UnfinishedUpload

WISHES = {"service": "http://one", "expires_in": 60}


def described(digest: str = "0" * 64, name: str = "a") -> ShareManifest:
    files = [{"name": name, "size": 1, "digest": digest}]
    return ShareManifest.model_validate({"v": 1, "from": "", "files": files})


def place(folder: Path, manifest: ShareManifest | None = None, **wishes: Any) -> UnfinishedUpload:
    return UnfinishedUpload(folder, manifest or described(), WISHES | wishes)


def one(**fields: Any) -> Unfinished:
    made = Unfinished("CODE", "key", make_salt(), time.time() + 60, b"p" * 32, "check")
    return replace(made, **fields)


def test_the_same_upload_is_found_by_another_process(tmp_path: Path) -> None:
    kept = one()
    with place(tmp_path) as first:
        assert first.load() is None
        first.keep(kept)
    with place(tmp_path) as second:
        assert second.load() == kept
        second.forget()
    with place(tmp_path) as third:
        assert third.load() is None
    assert list(tmp_path.iterdir()) == []


def test_another_file_or_wish_is_another_upload(tmp_path: Path) -> None:
    with place(tmp_path) as first:
        first.keep(one())
    others = [
        place(tmp_path, described("1" * 64)),
        place(tmp_path, described(name="b")),
        place(tmp_path, expires_in=61),
        place(tmp_path, service="http://two"),
    ]
    for other in others:
        with other as second:
            assert second.load() is None


def test_only_its_owner_can_read_it(tmp_path: Path) -> None:
    with place(tmp_path / "uploads") as first:
        first.keep(one())
        (file,) = (tmp_path / "uploads").glob("*.json")
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_a_second_process_at_the_same_time_finds_and_keeps_nothing(tmp_path: Path) -> None:
    kept = one()
    with place(tmp_path) as first:
        first.keep(kept)
        with place(tmp_path) as second:
            assert second.load() is None
            second.keep(one())
            second.forget()
        assert first.load() == kept


def test_what_is_over_is_not_gone_on_with_and_goes_away(tmp_path: Path) -> None:
    with place(tmp_path) as first:
        first.keep(one(expires_at=time.time() - 1))
        assert first.load() is None
    with place(tmp_path, expires_in=1) as forever:
        forever.keep(one(expires_at=None))
    with place(tmp_path, expires_in=2):
        assert len(list(tmp_path.glob("*.json"))) == 1
    (left,) = tmp_path.glob("*.json")
    os.utime(left, (0, 0))
    with place(tmp_path, expires_in=2):
        assert list(tmp_path.glob("*.json")) == []


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", "\xff", '{"code": 1}', "x" * 20_000],
)
def test_what_was_damaged_is_as_if_it_were_not_there(tmp_path: Path, text: str) -> None:
    with place(tmp_path) as first:
        first.keep(one())
    (file,) = tmp_path.glob("*.json")
    file.write_text(text, encoding="latin-1")
    with place(tmp_path) as second:
        assert second.load() is None
        second.keep(one())
        assert second.load() is not None


def test_a_salt_of_another_length_is_none(tmp_path: Path) -> None:
    with place(tmp_path) as first:
        first.keep(one(salt=b"short"))
        assert first.load() is None


def test_where_nothing_can_be_kept_it_is_said_by_keep_alone(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with place(tmp_path / "file") as first:
        assert first.load() is None
        with pytest.raises(StorageError):
            first.keep(one())


def test_secrets_are_not_in_what_is_shown() -> None:
    shown = repr(one(code="SECRETCODE", sender_key="SECRETKEY"))
    assert "SECRET" not in shown
    assert "check" not in shown.replace("password_check", "")
