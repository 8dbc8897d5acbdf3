"""docs/comparison.md names tests that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/comparison.md").read_text(encoding="utf-8")
ROWS = [
    line
    for line in PAGE.splitlines()
    if line.startswith("| ") and not line.startswith(("| webrtc", "| `webrtc"))
]
HEADS = re.compile(r"\| (node-transfer|Perkoon|event|status) \|")


@pytest.mark.parametrize("row", [row for row in ROWS if not HEADS.match(row)], ids=lambda _: "row")
def test_every_row_is_held_by_a_test_that_exists(row: str) -> None:
    held_by = row.rstrip(" |").rpartition(" | ")[2]
    named = re.findall(r"`([\w/]+\.py)(?:::(\w+))?`", held_by)
    assert named, "nothing holds this"
    for path, test in named:
        file = ROOT / (path if path.startswith("benchmarks/") else f"tests/{path}")
        assert file.exists(), path
        if test:
            assert f"def {test}(" in file.read_text(encoding="utf-8"), test
