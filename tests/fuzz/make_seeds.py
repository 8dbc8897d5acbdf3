"""Writes the seeds of the corpus: one sound input of each kind.

Run `python -m tests.fuzz.make_seeds` after a change of the wire. Other files are left alone.
"""

import io
import json
import unicodedata
from pathlib import Path

from ocft.ids import NodeId
from ocft.wire import (
    MAX_ACK,
    Alphabet,
    BundleNote,
    Data,
    Introduction,
    PeerAddress,
    encode,
    encode_cbor,
    encode_frame,
    format_peer_uri,
    pack_ack,
    pack_bundle_note,
    pack_control,
    pack_data,
    pack_handshake,
    pack_introduction,
    pack_manifest,
    split_frame,
    write_bundled,
)
from tests.wire.frame_samples import (
    ACKS,
    CONTROLS,
    DATAS,
    HANDSHAKES,
    MANIFEST,
    SEALED,
    TAG,
    filled,
)
from tests.wire.samples import PLAIN, envelope

CORPUS = Path(__file__).with_name("corpus")


def seeds() -> dict[str, dict[str, bytes]]:
    """Return the seeds of each target by their names."""
    handshakes = {name: pack_handshake(message) for name, message in HANDSHAKES.items()}
    frames = SEALED | handshakes
    texts = {name: encode(envelope(payload)) for name, payload in PLAIN.items()}
    for alphabet in Alphabet:
        for name in ("DATA", "pair 1"):
            texts[f"{name} in {alphabet.value}"] = encode_frame(frames[name], alphabet)
    fragments = split_frame(handshakes["pair 2"], 90)
    address = PeerAddress(NodeId("alice"), "secret")
    with_fingerprint = PeerAddress(NodeId("alice"), "secret", filled(32))
    note = pack_bundle_note(BundleNote(TAG, 1 << 20))
    bundle = io.BytesIO()
    for _ in range(2):
        write_bundled(bundle, frames["DATA"])
    said = encode_frame(frames["DATA"], Alphabet.CJK15)
    message = {
        "type": "message",
        "channel": "C0123",
        "user": "U0002",
        "ts": "1700000000.000100",
        "thread_ts": "1700000000.000001",
        "text": ":link:OCFT:AbC-_ &lt;&amp;&gt;",
        "files": [{"id": "F1", "name": "a.bin", "size": 9, "url_private": "https://files"}],
    }
    content = '{"nodeId":"alice","secret":"secret","fp":"","v":2}'
    return {
        "text": {name: text.encode() for name, text in texts.items()},
        "frames": frames | {"fragment": fragments[0], "bundle": note},
        "bundles": {
            "note": note[1:],
            "two frames": bundle.getvalue(),
            "cut off": bundle.getvalue()[:-1],
            "nothing": b"",
        },
        "handshake": {name: frame[1:] for name, frame in handshakes.items()},
        "cbor": {
            "every kind": encode_cbor({"a": [0, -1, 1 << 40, True, None], "bb": "text", "c": b"x"}),
            "depth": b"\x81" * 8 + b"\x00",
        },
        "control": {name: pack_control(message) for name, message in CONTROLS.items()},
        "introduction": {"alice": pack_introduction(Introduction(id=filled(1248), name="Alice"))},
        "manifest": {"two files": pack_manifest(MANIFEST)},
        "ack": {name: pack_ack(one, room=MAX_ACK) for name, one in ACKS.items()},
        "data": {name: pack_data(one, compress=False) for name, one in DATAS.items()}
        | {"compressed": pack_data(Data(5, filled(256) + bytes(256)), compress=True)},
        "fragments": {
            "in order": b"".join(bytes([1, 0, len(one) - 1]) + one[1:] for one in fragments),
            "two authors": b"".join(
                bytes([author, 9, len(one) - 1]) + one[1:]
                for one in reversed(fragments)
                for author in (1, 2)
            ),
        },
        "cjk15": {
            f"{size} bytes": Alphabet.CJK15.encode(filled(size)).encode("utf-16-le")
            for size in (0, 1, 2, 31, 32, 600)
        }
        | {"decomposed": unicodedata.normalize("NFD", Alphabet.CJK15.encode(filled(30))).encode()},
        "base64url": {
            f"{size} bytes": Alphabet.BASE64URL.encode(filled(size)).encode()
            for size in (0, 1, 2, 3, 60)
        },
        "peer_uri": {
            "wire 1.0": format_peer_uri(address).encode(),
            "wire 2": format_peer_uri(with_fingerprint).encode(),
            "JSON": content.encode(),
        },
        "telegram": {
            "addressed": f"/ocft@bob_bot {said}".encode(),
            "plain": said.encode(),
            "name": b"@bob_bot",
        },
        "discord": {
            "addressed": f"<@123456789> {said}".encode(),
            "nickname": b"<@!123456789> hello",
            "user": b"123456789",
            "mark": b"1000 1005 1003",
        },
        "slack": {
            "text": b":link:OCFT:AbC-_ &lt;&amp;&gt;",
            "message": json.dumps(message).encode(),
            "app": json.dumps({**message, "subtype": "bot_message", "bot_id": "B0002"}).encode(),
            "stamp": b"1700000000.000100",
        },
    }


if __name__ == "__main__":
    for target, inputs in seeds().items():
        folder = CORPUS / target
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in inputs.items():
            (folder / name.replace(",", "").replace(" ", "-")).write_bytes(content)
