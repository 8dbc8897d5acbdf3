"""`ocft.cli.listen`: when it ends. What it receives: tests/e2e/test_cli.py."""

from pathlib import Path

import pytest

from ocft.storage import ChannelLock
from tests.cli.conftest import Ocft


def test_a_time_out_is_how_long_it_listens(node: Ocft) -> None:
    done = node("--json", "listen", "--timeout", "0.1")
    assert done.status == 0
    assert done.lines == [
        {"event": "listening", "channel": "local"},
        {"result": "listen", "transfer": None},
    ]


def test_no_file_in_time_is_status_5(node: Ocft) -> None:
    assert node("listen", "--once", "--timeout", "0.1").status == 5


def test_only_one_process_listens(node: Ocft, tmp_path: Path) -> None:
    with ChannelLock(tmp_path / "home" / "state" / "local.listener.lock"):
        done = node("listen", "--timeout", "5")
    assert done.status == 3
    assert "listens" in done.err


def test_a_listener_waits_for_a_sender_and_says_so(node: Ocft, tmp_path: Path) -> None:
    with ChannelLock(tmp_path / "home" / "state" / "local.lock"):
        done = node("listen", "--timeout", "0.3")
    assert done.status == 0
    assert "still sending" in done.err
    assert "Listening" not in done.err


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf"])
def test_a_time_out_that_is_none_is_refused(node: Ocft, seconds: str) -> None:
    assert node("listen", "--timeout", seconds).status == 1


def test_wrong_options_of_a_channel_are_named(node: Ocft, tmp_path: Path) -> None:
    config = tmp_path / "home" / "config.json"
    config.write_text(
        config.read_text().replace('"channels": {}', '"channels": {"local": {"x": 1}}')
    )
    done = node("listen", "--timeout", "5")
    assert done.status == 1
    assert "channels.local.x" in done.err
