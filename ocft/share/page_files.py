"""The page's files, read once: what is asked for is looked up, never a path."""

import hashlib
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

_KINDS: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".webmanifest": "application/manifest+json",
}


@dataclass(frozen=True, slots=True)
class PageFile:
    """One file of the page."""

    data: bytes
    kind: str
    """Its media type."""
    tag: str
    """Its ETag."""


def page_files() -> dict[str, PageFile]:
    """Return the files of the page by their names."""
    found = {}
    for one in files("ocft.share").joinpath("page").iterdir():
        kind = _KINDS.get(one.name[one.name.rfind(".") :])
        if kind is not None and one.is_file():
            data = one.read_bytes()
            tag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
            found[one.name] = PageFile(data, kind, tag)
    return found
