"""Uploaded files, on disk (behaviours 3, 4 and 5)."""

import mimetypes
import secrets
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.emulators.telegram.text import clean_file_name

# Without `disable_content_type_detection` these may turn into something that is no document.
_MEDIA: dict[str, tuple[str, dict[str, Any]]] = {
    ".gif": ("animation", {"width": 1, "height": 1, "duration": 1}),
    ".mp4": ("video", {"width": 1, "height": 1, "duration": 1}),
    ".mp3": ("audio", {"duration": 1}),
}


@dataclass(eq=False)
class StoredFile:
    """A file as the server keeps it.

    Attributes:
        path: Where its bytes are.
        name: Its name after cleaning; may be empty.
        mime_type: As its name says, or its sender.
        size: Bytes.
        kind: Key of the message that holds it: `document`, or what it turned into.
        unique_id: `file_unique_id`, the same for all.
        ids: `file_id` by bot.
    """

    path: Path
    name: str
    mime_type: str
    size: int
    kind: str = "document"
    unique_id: str = field(default_factory=lambda: f"AgAD{secrets.token_urlsafe(8)}")
    ids: dict[int, str] = field(default_factory=dict)

    def view(self, file_id: str) -> dict[str, Any]:
        """The fields of a message that holds this file."""
        about: dict[str, Any] = {
            "file_id": file_id,
            "file_unique_id": self.unique_id,
            "file_size": self.size,
            "mime_type": self.mime_type,
        }
        if self.name:
            about["file_name"] = self.name
        if self.kind == "document":
            return {"document": about}
        fields = next(extra for kind, extra in _MEDIA.values() if kind == self.kind)
        view = {self.kind: about | fields}
        return view | {"document": about} if self.kind == "animation" else view


class FileStore:
    """All files of one server.

    Args:
        folder: Where they are kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def new_path(self) -> Path:
        """A path that is not in use."""
        return self._folder / secrets.token_hex(16)

    def keep(
        self, path: Path, name: str, *, mime_type: str | None = None, detect: bool = False
    ) -> StoredFile:
        """Take in a file.

        Args:
            path: Its bytes; from `new_path`.
            name: Its name as its sender told it.
            mime_type: What its sender said.
            detect: Whether it may become a video or the like.
        """
        name = clean_file_name(name)
        suffix = Path(name).suffix.lower()
        guessed = mimetypes.guess_type(name)[0] or mime_type or "application/octet-stream"
        kind = _MEDIA[suffix][0] if detect and suffix in _MEDIA else "document"
        return StoredFile(path, name, guessed, path.stat().st_size, kind)

    def copy(self, source: Path | bytes, name: str) -> StoredFile:
        """Take in what a person uploads; people have no 50 MB limit.

        Args:
            source: A file, or bytes.
            name: Its name.
        """
        path = self.new_path()
        if isinstance(source, bytes):
            path.write_bytes(source)
        else:
            shutil.copyfile(source, path)
        return self.keep(path, name)
