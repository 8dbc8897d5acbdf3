"""What a channel finds again after a restart."""

from pathlib import Path

from ocft.storage import ChannelMarks, Database


def test_a_mark_is_there_after_a_restart_and_belongs_to_its_channel(tmp_path: Path) -> None:
    with Database(tmp_path / "journal.db") as database:
        marks = ChannelMarks(database, "telegram")
        assert marks.get("offset") is None
        marks.set("offset", "41")
        marks.set("offset", "42")
        assert ChannelMarks(database, "slack").get("offset") is None
    with Database(tmp_path / "journal.db") as database:
        assert ChannelMarks(database, "telegram").get("offset") == "42"
