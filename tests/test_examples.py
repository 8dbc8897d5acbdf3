"""The examples run as a reader would run them."""

import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_the_bot_sends_a_file(tmp_path: Path) -> None:
    (tmp_path / "report.txt").write_text("numbers")
    output = subprocess.run(
        [sys.executable, EXAMPLES / "bot.py", "report.txt"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    ).stdout
    assert f"bob has {tmp_path}/bob-inbox/report.txt" in output
    assert (tmp_path / "bob-inbox" / "report.txt").read_text() == "numbers"
