"""The page, read once and answered from memory: what is asked for is looked up, never a path."""

import hashlib
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from ocft.share.server.bundling import bundle
from ocft.share.server.refusals import WrongMethod
from ocft.share.server.turns import Turns

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

_KINDS: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".webmanifest": "application/manifest+json",
}
_ENTRIES: Final = ("page.js", "worker.js")
"""Scripts that a browser runs; each is sent with all that it imports (see `bundling`)."""


@dataclass(frozen=True, slots=True)
class PageFile:
    """One file of the page."""

    data: bytes
    kind: str
    """Its media type."""
    tag: str
    """Its ETag."""


class PageAnswers:
    """Answers the requests for the page, before any other work is done for them.

    A page load is several requests of somebody who waits for them; all others go on to `app`, a
    few in each turn of the event loop, however many come at once.

    Args:
        app: What answers everything else.
        turns: The server's.
    """

    def __init__(self, app: "ASGIApp", turns: Turns) -> None:
        self._app = app
        self._turns = turns
        found = page_files()
        self._files = {f"/s/assets/{name}": file for name, file in found.items()}
        self._files["/s/"] = found["index.html"]

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Answer one request."""
        file = self._files.get(scope["path"])
        if file is None:
            await self._turns.wait()
            await self._app(scope, receive, send)
            return
        if scope["method"] not in {"GET", "HEAD"}:
            refusal = WrongMethod("This is not possible here.")
            refusal.headers.append(("Allow", "GET"))
            raise refusal
        is_known = _has_tag(scope, file.tag)
        headers = [(b"cache-control", b"no-cache"), (b"etag", file.tag.encode("ascii"))]
        if not is_known:
            headers += [
                (b"content-type", file.kind.encode("ascii")),
                (b"content-length", b"%d" % len(file.data)),
            ]
        status = 304 if is_known else 200
        await send({"type": "http.response.start", "status": status, "headers": headers})
        is_empty = is_known or scope["method"] == "HEAD"
        await send({"type": "http.response.body", "body": b"" if is_empty else file.data})


def page_files() -> dict[str, PageFile]:
    """Return the files of the page by their names.

    Raises:
        ValueError: A module of the page cannot be joined with the others.
    """
    found = {
        one.name: one.read_bytes()
        for one in files("ocft.share").joinpath("page").iterdir()
        if _ending(one.name) in _KINDS and one.is_file()
    }
    modules = {name: data.decode("utf-8") for name, data in found.items() if _ending(name) == ".js"}
    found |= {name: bundle(modules, name).encode("utf-8") for name in _ENTRIES}
    return {
        name: PageFile(data, _KINDS[_ending(name)], f'"{hashlib.sha256(data).hexdigest()[:32]}"')
        for name, data in found.items()
    }


def _ending(name: str) -> str:
    return name[name.rfind(".") :]


def _has_tag(scope: "Scope", tag: str) -> bool:
    """Say whether the browser has this file already."""
    known = b",".join(value for name, value in scope["headers"] if name == b"if-none-match")
    # A proxy that compresses makes a tag weak: the content is the same.
    return tag in {one.strip().removeprefix("W/") for one in known.decode("latin-1").split(",")}
