"""Writes `tests/golden/wire-2-frames.json`: every kind of frame as bytes and as text.

Run `python -m tests.wire.make_vectors` after a change of the wire, which is a change for all peers;
`test_vectors.py` compares what is written there with what the code does.
"""

import json
from pathlib import Path
from typing import Any

from ocft.wire import (
    MAX_ACK,
    Alphabet,
    encode_frame,
    pack_ack,
    pack_control,
    pack_data,
    pack_handshake,
    pack_manifest,
    split_frame,
)
from tests.wire.frame_samples import (
    ACKS,
    CONTROLS,
    DATAS,
    HANDSHAKES,
    MANIFEST,
    SEALED,
    filled,
)

PATH = Path(__file__).parents[1] / "golden" / "wire-2-frames.json"


def vectors() -> dict[str, Any]:
    """Return what the file holds; bytes are in hex."""
    frames = SEALED | {name: pack_handshake(message) for name, message in HANDSHAKES.items()}
    for number, fragment in enumerate(split_frame(frames["finish"], 700)):
        frames[f"finish, fragment {number}"] = fragment
    return {
        "frames": {
            name: {
                "bytes": frame.hex(),
                "base64url": encode_frame(frame, Alphabet.BASE64URL),
                "cjk15": encode_frame(frame, Alphabet.CJK15),
            }
            for name, frame in frames.items()
        },
        "bodies": {
            "control": {name: pack_control(one).hex() for name, one in CONTROLS.items()},
            # Compressed bytes are each library version's own; these are not.
            "data": {name: pack_data(one, compress=False).hex() for name, one in DATAS.items()},
            "ack": {name: pack_ack(one, room=MAX_ACK).hex() for name, one in ACKS.items()},
            "manifest": {"manifest": pack_manifest(MANIFEST).hex()},
        },
        "letters": {
            f"{size} bytes": {
                alphabet.value: alphabet.encode(filled(size)) for alphabet in Alphabet
            }
            for size in (0, 1, 2, 3, 30, 31, 32, 33, 600)
        },
    }


if __name__ == "__main__":
    PATH.write_text(json.dumps(vectors(), indent=1) + "\n", encoding="utf-8")
