"""`ocft.storage.landing_leftovers`: what is removed, and what is not."""

import os
import time
from pathlib import Path

from ocft.storage import ChannelLock, Landing, LandingFile
from ocft.storage.landing_leftovers import remove_old_landings

DAY = 24 * 3600


def begun(folder: Path, name: str, *, age: float) -> Path:
    """Receive a part of a file, and leave it there for some seconds."""
    with Landing(folder, name, record=4) as landing:
        landing.acquire()
        landing.begin([LandingFile("file", 8, None)])
        landing.write(memoryview(b"0123"))
    left = folder / ".ocft" / f"share-{name}"
    then = time.time() - age
    for path in (*left.iterdir(), left):
        os.utime(path, (then, then))
    return left


def test_what_nobody_went_on_with_for_a_week_goes_away(tmp_path: Path) -> None:
    old = begun(tmp_path, "old", age=7 * DAY + 60)
    young = begun(tmp_path, "young", age=7 * DAY - 60)
    remove_old_landings(tmp_path / ".ocft")
    assert not old.exists()
    assert young.exists()


def test_another_receiver_tidies_when_it_begins(tmp_path: Path) -> None:
    old = begun(tmp_path, "old", age=8 * DAY)
    with Landing(tmp_path, "other", record=4) as landing:
        landing.acquire()
    assert not old.exists()


def test_what_another_process_has_stays_however_old_it_is(tmp_path: Path) -> None:
    old = begun(tmp_path, "old", age=8 * DAY)
    with ChannelLock(old / "lock"):
        remove_old_landings(tmp_path / ".ocft")
        assert (old / "files" / "file").exists()


def test_nothing_else_is_touched_and_no_link_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    old = begun(elsewhere, "old", age=8 * DAY)
    place = tmp_path / "inbox" / ".ocft"
    place.mkdir(parents=True)
    (place / "share-link").symlink_to(old)
    (place / "share-file").write_text("mine")
    (place / "other").mkdir()
    for path in (place / "share-file", place / "other"):
        os.utime(path, (0, 0))
    remove_old_landings(place)
    assert sorted(path.name for path in place.iterdir()) == ["other", "share-file", "share-link"]
    assert (old / "files" / "file").exists()


def test_who_received_nothing_leaves_nothing(tmp_path: Path) -> None:
    with Landing(tmp_path, "id", record=4) as landing:
        landing.acquire()
        landing.begin([LandingFile("file", 8, None)])
    assert list(tmp_path.iterdir()) == []


def test_who_was_let_in_but_received_nothing_keeps_that(tmp_path: Path) -> None:
    with Landing(tmp_path, "id", record=4) as landing:
        landing.acquire()
        landing.keep_note("grant", b"token")
    with Landing(tmp_path, "id", record=4) as landing:
        landing.acquire()
        assert landing.note("grant") == b"token"
