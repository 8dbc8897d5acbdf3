"""Plants every fault in a copy of the package and reports those that no test notices.

Run it from the root of the repository: `python -m tests.mutation.run`, or with words of the names
of the faults to be planted. The working tree is never touched.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.mutation.faults import FAULTS, Fault

_ROOT = Path(__file__).resolve().parents[2]
_TESTS_FAILED = 1  # pytest's exit status; 2 and more: it could not even run them
_LONGEST = 60  # seconds for the tests of one fault; a fault may well hang them


def main(arguments: list[str]) -> int:
    """Plant faults and return an exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*", help="only faults whose name has one of these")
    words = parser.parse_args(arguments).words
    faults = [fault for fault in FAULTS if not words or any(word in fault.name for word in words)]
    with TemporaryDirectory() as folder:
        copy = Path(folder)
        for package in ("ocft", "tests"):
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(_ROOT / package, copy / package, ignore=ignore)
        shutil.copy(_ROOT / "pyproject.toml", copy)
        tests = sorted({test for fault in faults for test in fault.tests})
        status, failed = _run(copy, tests)
        if status:
            _say(f"Without any fault the tests fail already: {failed or status}")
            return 2
        survivors = [fault for fault in faults if not _is_noticed(fault, copy)]
    _say(f"{len(faults) - len(survivors)} of {len(faults)} faults were noticed.")
    return 1 if survivors else 0


def _is_noticed(fault: Fault, copy: Path) -> bool:
    """Plant a fault, run its tests, take it out again."""
    path = copy / fault.file
    before = path.read_text(encoding="utf-8")
    if before.count(fault.old) != 1:
        _say(f"SURVIVED (its text is not there once) {fault.name}")
        return False
    path.write_text(before.replace(fault.old, fault.new), encoding="utf-8")
    is_noticed = True
    try:
        for test in fault.tests:
            status, failed = _run(copy, [test])
            is_noticed &= status == _TESTS_FAILED
            word = "noticed " if status == _TESTS_FAILED else f"SURVIVED (status {status})"
            _say(f"{word} {fault.name} [{Path(test).name}] {failed}")
    finally:
        path.write_text(before, encoding="utf-8")
    return is_noticed


def _run(copy: Path, tests: list[str]) -> tuple[int, str]:
    """Run tests in the copy; return pytest's exit status and the first test that failed."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--tb=no", "-p", "no:cacheprovider"]
    command += ["--hypothesis-profile=mutation"]
    try:
        done = subprocess.run(
            [*command, *tests],
            cwd=copy,
            env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},  # no stale ones either
            capture_output=True,
            text=True,
            timeout=_LONGEST,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return _TESTS_FAILED, "(hangs)"
    failed = re.search(r"^(?:FAILED|ERROR) \S+::(\S+)", done.stdout, re.MULTILINE)
    return done.returncode, failed[1] if failed else ""


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
