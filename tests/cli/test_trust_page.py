"""docs/trust.md begins with an example that works."""

import os
import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "trust.md"


def test_the_first_example_works(tmp_path: Path) -> None:
    match = re.search(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert match is not None
    script = f'ocft() {{ "{sys.executable}" -m ocft "$@"; }}\n{match[1]}'
    done = subprocess.run(
        ["sh", "-eu", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(PAGE.parents[1])},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    shown, own = re.findall(r"^Fingerprint: +(\S+)$", done.stdout, re.MULTILINE)
    assert shown == own
