"""Looks for bytes that break a target, led by coverage; needs `pip install -e '.[fuzz]'`.

    python -m tests.fuzz.run TARGET -max_total_time=60
    python -m tests.fuzz.run TARGET FOLDER -max_total_time=60  # keeps what was interesting there

All but the target goes to libFuzzer. Bytes that break a target are written to `crash-...`; put them
into the corpus under a name that says what they are, and every test run replays them.
"""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(
    include=["ocft.wire", "ocft_discord", "ocft_slack", "ocft_telegram", "cbor2"]
):
    from tests.fuzz.targets import TARGETS

CORPUS = Path(__file__).with_name("corpus")


def main() -> None:
    """Run a target until libFuzzer ends it."""
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit(f"usage: python -m tests.fuzz.run {{{','.join(TARGETS)}}} [libFuzzer arguments]")
    name, *arguments = sys.argv[1:]
    with tempfile.TemporaryDirectory() as found:
        if not [one for one in arguments if not one.startswith("-")]:
            arguments.append(found)  # libFuzzer writes into the first folder
        atheris.Setup([sys.argv[0], *arguments, str(CORPUS / name)], TARGETS[name])
        atheris.Fuzz()


if __name__ == "__main__":
    main()
