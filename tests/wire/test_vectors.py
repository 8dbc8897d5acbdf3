import json
from typing import Any

import pytest

from ocft.wire import (
    Alphabet,
    Assembler,
    Fragment,
    decode,
    parse_frame,
    unpack_ack,
    unpack_control,
    unpack_data,
    unpack_manifest,
)
from tests.wire.frame_samples import ACKS, CONTROLS, DATAS, HANDSHAKES, MANIFEST, filled
from tests.wire.make_vectors import PATH, vectors

RECORDED: dict[str, Any] = json.loads(PATH.read_text(encoding="utf-8"))
FRAMES: dict[str, dict[str, str]] = RECORDED["frames"]


def test_everything_is_written_as_it_was_recorded() -> None:
    assert vectors() == RECORDED


@pytest.mark.parametrize("name", FRAMES)
def test_a_recorded_text_is_its_frame(name: str) -> None:
    recorded = FRAMES[name]
    frame = bytes.fromhex(recorded["bytes"])
    for alphabet in Alphabet:
        assert decode(recorded[alphabet.value]) == (frame,)
    if name in HANDSHAKES:
        assert parse_frame(frame) == HANDSHAKES[name]


def test_the_recorded_fragments_are_the_recorded_frame() -> None:
    assembler = Assembler()
    answer = None
    for name, recorded in FRAMES.items():
        if "fragment" in name:
            fragment = parse_frame(bytes.fromhex(recorded["bytes"]))
            assert isinstance(fragment, Fragment)
            answer = assembler.add("alice", fragment, 0.0)
    assert answer == bytes.fromhex(FRAMES["finish"]["bytes"])


def test_the_recorded_bodies_say_what_they_said() -> None:
    bodies = RECORDED["bodies"]
    for name, control in CONTROLS.items():
        assert unpack_control(bytes.fromhex(bodies["control"][name])) == control
    for name, data in DATAS.items():
        assert unpack_data(bytes.fromhex(bodies["data"][name])) == data
    for name, ack in ACKS.items():
        assert unpack_ack(bytes.fromhex(bodies["ack"][name])) == ack
    assert unpack_manifest(bytes.fromhex(bodies["manifest"]["manifest"])) == MANIFEST


def test_the_recorded_letters_are_the_bytes() -> None:
    for name, letters in RECORDED["letters"].items():
        for alphabet in Alphabet:
            assert alphabet.decode(letters[alphabet.value]) == filled(int(name.split()[0]))
