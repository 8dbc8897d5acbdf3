import os
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ocft.channels import IncomingText
from ocft.channels.spool import STALE_AFTER, Spool, folder_name
from ocft.errors import ChannelError

MAX_TEXT = 1000


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    made = Spool(tmp_path / "root", "bob")
    made.make()
    return made


@pytest.mark.parametrize("node_id", ["ocft_m1x2y3_AbC-_9", "CON", "a", "0.1", "_x", "A" * 100])
def test_a_harmless_id_is_its_own_folder(node_id: str) -> None:
    assert folder_name(node_id) == node_id


HOSTILE_IDS = [
    "", ".", "..", "../x", "a/b", "/etc", "-rf", ".hidden", "A" * 101, "a b", "a\n", "a\x00b",
    "\ud800", "é", "~" + "0" * 64, "a\\b", "\uff0e\uff0e\uff0fx",
]  # fmt: skip


@pytest.mark.parametrize("node_id", HOSTILE_IDS)
def test_any_other_id_becomes_a_digest(node_id: str) -> None:
    folder = folder_name(node_id)
    assert folder.startswith("~")
    assert len(folder) == 65
    assert folder.isascii()


def test_different_hostile_ids_get_different_folders() -> None:
    assert len({folder_name(node_id) for node_id in HOSTILE_IDS}) == len(HOSTILE_IDS)


@given(st.text(st.characters(codec=None, exclude_categories=[])))
def test_no_id_leads_out_of_the_root(node_id: str) -> None:
    folder = Path("/root") / folder_name(node_id)
    assert folder.parent == Path("/root")
    assert folder.name not in {"", ".", ".."}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(author=st.text(max_size=100), text=st.text(max_size=MAX_TEXT))
def test_whatever_is_put_is_read(spool: Spool, author: str, text: str) -> None:
    spool.put("1", author, text)
    assert spool.names() == ["1"]
    assert spool.read("1", MAX_TEXT) == IncomingText(author, text)
    spool.remove("1")
    assert spool.names() == []


def test_folders_and_texts_are_for_their_owner_only(tmp_path: Path) -> None:
    Spool(tmp_path / "root", "bob").put("1", "alice", "x")
    modes = {
        str(path.relative_to(tmp_path)): path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")
    }
    assert modes == {
        "root": 0o700,
        "root/bob": 0o700,
        "root/bob/tmp": 0o700,
        "root/bob/new": 0o700,
        "root/bob/new/1": 0o600,
    }


def test_a_text_that_is_being_written_is_not_seen(spool: Spool) -> None:
    (spool.new.parent / "tmp" / "1").write_bytes(b'"alice"\nhal')
    assert spool.names() == []


def test_a_name_that_is_taken_is_an_error_and_not_an_overwrite(spool: Spool) -> None:
    (spool.new.parent / "tmp" / "1").write_bytes(b"of another sender")
    with pytest.raises(FileExistsError):
        spool.put("1", "alice", "x")
    assert (spool.new.parent / "tmp" / "1").read_bytes() == b"of another sender"


def test_a_text_that_cannot_be_delivered_leaves_nothing_behind(spool: Spool) -> None:
    spool.new.rmdir()
    with pytest.raises(FileNotFoundError):
        spool.put("1", "alice", "x")
    assert list((spool.new.parent / "tmp").iterdir()) == []


def test_lone_surrogates_are_refused_before_anything_is_written(spool: Spool) -> None:
    with pytest.raises(ChannelError, match="not valid Unicode"):
        spool.put("1", "alice", "\ud800")
    assert list((spool.new.parent / "tmp").iterdir()) == []


def test_names_come_oldest_first_whatever_the_folder_says(spool: Spool) -> None:
    for name in ["3", "1", "2"]:
        spool.put(name, "alice", name)
    assert spool.names() == ["1", "2", "3"]


def test_what_is_no_regular_file_is_left_alone(spool: Spool, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text('"alice"\nsecret')
    (spool.new / "1").symlink_to(secret)
    (spool.new / "2").mkdir()
    os.mkfifo(spool.new / "3")
    spool.put("4", "alice", "x")
    assert spool.names() == ["4"]


def test_a_symlink_that_appears_after_the_look_is_not_followed(
    spool: Spool, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text('"alice"\nsecret')
    (spool.new / "1").symlink_to(secret)
    assert spool.read("1", MAX_TEXT) is None
    assert not (spool.new / "1").is_symlink()
    assert secret.exists()


def test_a_fifo_that_appears_after_the_look_does_not_hang(spool: Spool) -> None:
    os.mkfifo(spool.new / "1")
    assert spool.read("1", MAX_TEXT) is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no author",
        b"\n",
        b"\nno author",
        b'"alice"',
        b"alice\nx",
        b"7\nx",
        b"null\nx",
        b'{"author": "alice"}\nx',
        b"[" * 1000 + b"\nx",
        b'"alice" "bob"\nx',
        b'"' + b"a" * 2000 + b'"\nx',
        b'"alice"\n\xff\xfe',
        b'"alice"\n\xed\xa0\x80',
        b'"al\xffice"\nx',
        b'"alice"\n' + b"x" * (MAX_TEXT + 1),
        b'"alice"\n' + b"x" * 100_000,
        os.urandom(500),
    ],
)
def test_a_file_that_is_no_text_is_removed_and_raises_nothing(spool: Spool, data: bytes) -> None:
    (spool.new / "1").write_bytes(data)
    assert spool.read("1", MAX_TEXT) is None
    assert spool.names() == []


def test_the_longest_text_is_read_in_any_script(spool: Spool) -> None:
    spool.put("1", "alice", "\N{LINK SYMBOL}" * MAX_TEXT)
    read = spool.read("1", MAX_TEXT)
    assert read is not None
    assert len(read.text) == MAX_TEXT


def test_a_spool_that_was_removed_is_empty(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "bob")
    assert spool.names() == []
    assert spool.count(10) == 0
    assert spool.read("1", MAX_TEXT) is None
    spool.remove("1")


def test_counting_stops_where_it_is_told_to(spool: Spool) -> None:
    for name in "abc":
        spool.put(name, "alice", "x")
    assert [spool.count(2), spool.count(10)] == [2, 3]


def test_only_what_is_unfinished_for_more_than_a_day_is_swept(spool: Spool) -> None:
    tmp = spool.new.parent / "tmp"
    for name, age in [("old", STALE_AFTER + 60), ("young", STALE_AFTER - 60)]:
        (tmp / name).write_text("x")
        os.utime(tmp / name, (time.time() - age,) * 2)
    (tmp / "folder").mkdir()
    os.utime(tmp / "folder", (0, 0))
    spool.sweep()
    assert sorted(path.name for path in tmp.iterdir()) == ["folder", "young"]
