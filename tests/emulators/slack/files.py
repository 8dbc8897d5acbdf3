"""Methods `files.*` (behaviour 9)."""

import mimetypes
import re
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.emulators.slack.calls import Arguments, Call, Method, SlackError, need
from tests.emulators.slack.chat import channel_of
from tests.emulators.slack.limits import Limits
from tests.emulators.slack.text import stored
from tests.emulators.slack.timers import Timers
from tests.emulators.slack.world import App, Channel, File, Message, Person, World

SNIPPET_BYTES = 1 << 20
_SNIPPETS = ("text/", "application/json")


class Files:
    """Files from the request for an upload address to their deletion.

    Args:
        url: The address of the server.
    """

    def __init__(
        self,
        world: World,
        limits: Limits,
        timers: Timers,
        url: Callable[[], str],
    ) -> None:
        self._world = world
        self._limits = limits
        self._timers = timers
        self._url = url
        self.refusal = ""  # the error by which the workspace refuses uploads, if any
        self._uploads: dict[str, File] = {}  # by the secret in the upload address

    def methods(self) -> dict[str, Method]:
        """By name."""
        limits = self._limits
        return {
            "files.getUploadURLExternal": Method(self._start, limits.tier4, "files:write"),
            "files.completeUploadExternal": Method(self._complete, limits.tier4, "files:write"),
            "files.info": Method(self._info, limits.tier4, "files:read"),
            "files.delete": Method(self._delete, limits.tier3, "files:write"),
            "files.upload": Method(_retired, limits.tier2),
        }

    def upload_of(self, key: str) -> File | None:
        """The file that waits for bytes at an upload address."""
        file = self._uploads.get(key)
        return file if file is not None and not file.completed else None

    def readable(self, app: App, file_id: str) -> File | None:
        """A file that an app may see: its own, or shared where it is a member."""
        file = self._world.files.get(file_id)
        if file is None or not file.completed or file.deleted:
            return None
        places = [self._world.channels[channel_id] for channel_id in file.shares]
        if file.owner == app.user_id or any(app.user_id in place.members for place in places):
            return file
        return None

    def share_as_person(
        self, channel: Channel, person: Person, source: Path, name: str, text: str, **more: Any
    ) -> Message:
        """Upload and share a file as a human does."""
        file = self._new(person.user_id, name, source.stat().st_size)
        shutil.copyfile(source, file.path)
        file.uploaded = file.completed = True
        return self._share(channel, person, [file], text, **more)

    def _new(self, owner: str, name: str, size: int) -> File:
        file_id = self._world.new_id("F")
        file = File(file_id, owner, name, size, self._world.folder / file_id, title=name)
        self._world.files[file_id] = file
        return file

    def _start(self, call: Call) -> dict[str, Any]:
        name = call.arguments.needed("filename")
        size = call.arguments.number("length", 0)
        if not size:
            raise SlackError("missing_argument")
        if self.refusal:
            raise SlackError(self.refusal)
        if size > self._limits.file_bytes:
            raise SlackError("file_upload_size_restricted")
        file = self._new(call.app.user_id, name, size)
        key = secrets.token_urlsafe(24)
        self._uploads[key] = file
        return {"upload_url": f"{self._url()}/upload/v1/{key}", "file_id": file.id}

    def _complete(self, call: Call) -> dict[str, Any]:
        files = self._completed_files(call)
        named = call.arguments.text("channel_id") or call.arguments.text("channels")
        channels = [
            channel_of(self._world, _one_channel(call, name), "channel", member=True)
            for name in named.split(",")
            if name
        ]
        thread_ts = call.arguments.text("thread_ts")
        if thread_ts and any(thread_ts not in channel.messages for channel in channels):
            raise SlackError("thread_not_found")
        for file, title in files:
            file.completed = True
            file.title = title or file.name
        comment = stored(call.arguments.text("initial_comment"), links=True)
        more = {"thread_ts": thread_ts} if thread_ts else {}
        shared = [file for file, _ in files]
        for channel in channels:
            if thread_ts:
                channel.messages[thread_ts]["thread_ts"] = thread_ts
            self._share_later(channel, call.app, shared, comment, more)
        return {"files": [self.view(file) for file in shared]}

    def _completed_files(self, call: Call) -> list[tuple[File, str]]:
        wanted = call.arguments.json("files")
        if not isinstance(wanted, list) or not wanted:
            raise SlackError("invalid_arguments")
        files = []
        for item in wanted:
            found = self._world.files.get(item.get("id", "")) if isinstance(item, dict) else None
            # Once only; the true error for a second time is not known.
            if found is None or found.owner != call.app.user_id or found.completed:
                raise SlackError("file_not_found")
            if not found.uploaded:
                raise SlackError("file_not_found")
            files.append((found, str(item.get("title") or "")))
        return files

    def _share_later(
        self, channel: Channel, app: App, files: list[File], text: str, more: dict[str, Any]
    ) -> None:
        """The answer comes before the file is shared, because it is scanned."""

        def share() -> None:
            self._share(channel, app, files, text, **more)

        self._timers.after(self._limits.real(self._limits.share_seconds), share)

    def _share(
        self, channel: Channel, author: App | Person, files: list[File], text: str, **more: Any
    ) -> Message:
        views = [self.view(file) for file in files]
        message = self._world.post(
            channel, author, text, subtype="file_share", files=views, upload=True, **more
        )
        for file in files:
            file.shares.setdefault(channel.id, []).append(message["ts"])
        return message

    def _own(self, call: Call) -> File:
        file = self.readable(call.app, call.arguments.needed("file"))
        if file is None:
            raise SlackError("file_not_found")
        return file

    def _info(self, call: Call) -> dict[str, Any]:
        file = self._own(call)
        shares: dict[str, dict[str, Any]] = {}
        for channel_id, stamps in file.shares.items():
            kind = "public" if self._world.channels[channel_id].kind == "channel" else "private"
            shares.setdefault(kind, {})[channel_id] = [{"ts": ts} for ts in stamps]
        return {"file": self.view(file) | {"shares": shares}, "comments": []}

    def _delete(self, call: Call) -> dict[str, Any]:
        file = self._own(call)
        if file.owner != call.app.user_id:
            raise SlackError("cant_delete_file")
        file.deleted = True
        file.path.unlink()
        for channel_id, stamps in file.shares.items():
            for ts in stamps:
                self._remove(self._world.channels[channel_id], ts, file)
        return {}

    def _remove(self, channel: Channel, ts: str, file: File) -> None:
        """A message whose last file goes, goes too, unless it has a text."""
        message = channel.messages.get(ts)
        if message is None:
            return
        tombstone = {"id": file.id, "mode": "tombstone"}
        message["files"] = [
            tombstone if view["id"] == file.id else view for view in message["files"]
        ]
        if not message["text"] and all(view["mode"] == "tombstone" for view in message["files"]):
            self._world.delete(channel, message)

    def view(self, file: File) -> dict[str, Any]:
        """A file as events and methods show it."""
        mimetype = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        snippet = mimetype.startswith(_SNIPPETS) and file.size <= SNIPPET_BYTES
        safe = quote(re.sub(r"[^a-z0-9._-]", "_", file.name.lower())) or "file"
        base = f"{self._url()}/files-pri/{self._world.team_id}-{file.id}"
        return {
            "id": file.id,
            "name": file.name,
            "title": file.title,
            "mimetype": mimetype,
            "filetype": Path(file.name).suffix.removeprefix(".") or "binary",
            "user": file.owner,
            "editable": snippet,
            "size": file.size,
            "mode": "snippet" if snippet else "hosted",
            "is_external": False,
            "file_access": "visible",
            "url_private": f"{base}/{safe}",
            "url_private_download": f"{base}/download/{safe}",
        }


def _one_channel(call: Call, name: str) -> Call:
    return Call(call.app, Arguments({"channel": name}))


def _retired(call: Call) -> dict[str, Any]:
    need(call.app, "files:write")
    raise SlackError("method_deprecated")
