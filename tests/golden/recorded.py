"""What the 1.x implementation was recorded to do: `wire-1.0.json`, never edited by hand."""

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_ENTRIES: dict[str, dict[str, Any]] = {
    entry["name"]: entry
    for entry in json.loads(Path(__file__).with_name("wire-1.0.json").read_text(encoding="utf-8"))
}


@dataclass(frozen=True, slots=True)
class RecordedText:
    """One text, and the JSON that it carries."""

    text: str
    message: dict[str, Any]


@dataclass(frozen=True, slots=True)
class RecordedTransfer:
    """One transfer between two 1.x nodes; alice sends to bob."""

    name: str
    content: bytes
    filename: str
    texts: tuple[RecordedText, ...]
    events: tuple[str, ...]
    """Whose and which, in their order: "alice:offer-sent"."""
    sender_state: str
    receiver_state: str | None
    file_saved: bool

    def texts_of(self, node_id: str) -> list[str]:
        """Return what one node said."""
        return [text.text for text in self.texts if text.message["from"] == node_id]


def _texts(entry: dict[str, Any]) -> tuple[RecordedText, ...]:
    return tuple(RecordedText(text["text"], text["message"]) for text in entry["messages"])


TRANSFERS: dict[str, RecordedTransfer] = {
    name: RecordedTransfer(
        name=name,
        content=base64.b64decode(entry["file"]["content_base64"]),
        filename=entry["file"]["name"],
        texts=_texts(entry),
        events=tuple(entry["events"]),
        sender_state=entry["sender_state"],
        receiver_state=entry.get("receiver_state"),
        file_saved=entry["file_saved"],
    )
    for name, entry in _ENTRIES.items()
    if "file" in entry
}
TEXTS: dict[str, RecordedText] = {
    f"{name}-{number}-{text.message['type']}": text
    for name, entry in _ENTRIES.items()
    if "messages" in entry
    for number, text in enumerate(_texts(entry))
}
PEER_URI: str = _ENTRIES["peer-uri"]["uri"]
PEER_URI_CONTENT: dict[str, str] = _ENTRIES["peer-uri"]["decoded"]
