from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS

CORPUS = Path(__file__).with_name("corpus")
INPUTS = sorted(path for path in CORPUS.glob("*/*") if path.is_file())


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_was_found_once_is_answered(path: Path) -> None:
    TARGETS[path.parent.name](path.read_bytes())


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_has_a_small_corpus(target: str) -> None:
    sizes = [path.stat().st_size for path in INPUTS if path.parent.name == target]
    assert sizes
    assert max(sizes) <= 4096


@pytest.mark.parametrize("target", TARGETS)
def test_a_sound_input_survives_damage_anywhere(target: str) -> None:
    """A short look for what `run.py` looks for at length: every byte changed, cut, or repeated."""
    for path in INPUTS:
        if path.parent.name != target:
            continue
        sound = path.read_bytes()
        step = max(1, len(sound) // 40)
        for place in range(0, len(sound), step):
            before, byte, after = sound[:place], sound[place], sound[place + 1 :]
            TARGETS[target](before)
            TARGETS[target](before + after)
            TARGETS[target](before + bytes([byte, byte]) + after)
            TARGETS[target](before + bytes([byte ^ 0x80]) + after)
            TARGETS[target](before + bytes([byte + 1 & 0xFF]) + after)
