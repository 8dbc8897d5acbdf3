"""Which files a command or a bot means by the paths it names, and what they are called on the wire.

Links inside folders are not followed: they lead out of what was named, or round in circles.
"""

import os
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ocft.errors import ConfigError, SourceNotFoundError
from ocft.storage.names import is_safe_part, safe_name
from ocft.storage.source import readable_source
from ocft.wire import MAX_FILES

# R-MAN-2: no peer takes more.
_MAX_PARTS: Final = 32
_MAX_NAME: Final = 1024  # bytes of UTF-8
_MOST_TOLD: Final = 20  # names that are wrong: more of them help nobody

_Filter = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Collected:
    """One file to send."""

    path: Path
    """Where it is, absolute."""
    name: str
    """What it is called on the wire: relative, with `/` between its parts."""


@dataclass(frozen=True, slots=True)
class Collection:
    """All files to send."""

    files: tuple[Collected, ...]
    """In the order of the paths that were named; those of a folder sorted by name."""
    skipped: tuple[Path, ...]
    """Links, pipes and other things inside folders that are no files."""


def collect(
    paths: Sequence[Path], *, include: Sequence[str] = (), exclude: Sequence[str] = ()
) -> Collection:
    """Find the files below some paths. It looks through folders, so call it in a worker thread.

    A file that is named goes under its safe name, whatever it is called here; one in a folder has
    the folder's before it, and there nothing is renamed: files refer to each other by their names.

    Args:
        paths: Files and folders; these may be links.
        include: Patterns as in a `.gitignore`, compared with names on the wire; without any, all
            files are meant.
        exclude: Patterns of files and folders that are left out.

    Raises:
        SourceNotFoundError: A path is not there or cannot be read, or no file is left.
        ConfigError: A pattern is none; two files would have one name; a name in a folder is not
            one that every receiver can save; there are more than 100,000 files.
    """
    is_included = _matcher(include) if include else _everything
    is_excluded = _matcher(exclude) if exclude else _nothing
    files: list[Collected] = []
    skipped: list[Path] = []
    wrong: dict[Path, str] = {}  # what cannot be called so: a file or folder, and its name
    for path in paths:
        for found, name in _below(path, is_excluded, skipped):
            if is_included(name) and not is_excluded(name):
                files.append(_named(found, name, wrong))
                if len(files) > MAX_FILES:
                    raise ConfigError(  # R-MAN-1
                        f"These are more than {MAX_FILES} files. Send fewer at once."
                    )
    _refuse_wrong(wrong)
    if not files:
        raise SourceNotFoundError("There is no file to send.")
    _refuse_collisions(files)
    return Collection(tuple(files), tuple(skipped))


def _below(path: Path, is_excluded: _Filter, skipped: list[Path]) -> Iterator[tuple[Path, str]]:
    with readable_source(path):
        # `..` and `folder/..` have no name of their own; a link's own name is meant, though.
        absolute = path.absolute() if path.name not in {"", ".."} else path.resolve()
        if not absolute.is_dir():
            absolute.stat()  # says what is wrong with it
            yield absolute, safe_name(absolute.name)
            return
    if not absolute.name:
        raise ConfigError(f"{absolute} has no name of its own. Name the folders below it.")
    yield from _walk(absolute, absolute.name, is_excluded, skipped)


def _walk(
    folder: Path, prefix: str, is_excluded: _Filter, skipped: list[Path]
) -> Iterator[tuple[Path, str]]:
    """Yield the files below a folder with their names, sorted, without following a link."""
    if prefix.count("/") >= _MAX_PARTS:  # a folder that is mounted into itself has no end
        raise ConfigError(f"{folder} is more than {_MAX_PARTS} folders deep.")
    with readable_source(folder), os.scandir(folder) as entries:
        found = sorted(
            (
                entry.name,
                entry.is_dir(follow_symlinks=False),
                entry.is_file(follow_symlinks=False),
            )
            for entry in entries
        )
    for entry, is_folder, is_file in found:
        path, name = folder / entry, f"{prefix}/{entry}"
        if is_file:
            yield path, name
        elif not is_folder:
            skipped.append(path)
        elif not is_excluded(name + "/"):
            yield from _walk(path, name, is_excluded, skipped)


def _named(path: Path, name: str, wrong: dict[Path, str]) -> Collected:
    """Return a file with its name on the wire; files and folders that have none go to `wrong`."""
    # Some file systems keep names decomposed; on the wire they are NFC (R-MAN-2).
    name = unicodedata.normalize("NFC", name)
    parts = name.split("/")
    for number, part in enumerate(parts):
        if not is_safe_part(part, is_top=number == 0):
            below = len(parts) - 1 - number  # the file itself, or a folder above it
            wrong[path.parents[below - 1] if below else path] = part
            return Collected(path, name)
    if len(parts) > _MAX_PARTS or len(name.encode()) > _MAX_NAME:
        raise ConfigError(
            f"{path} cannot be sent: its name has more than {_MAX_PARTS} parts or {_MAX_NAME}"
            " bytes. Send a folder further down."
        )
    return Collected(path, name)


def _refuse_wrong(wrong: dict[Path, str]) -> None:
    """Refuse names that not every receiver can save, all at once (R-MAN-2)."""
    if not wrong:
        return
    named = ", ".join(repr(str(path)) for path in list(wrong)[:_MOST_TOLD])
    if len(wrong) == 1:
        raise ConfigError(
            f"{named} cannot be sent: not every receiver can save a file or folder called"
            f" {next(iter(wrong.values()))!r}. Rename it, or leave it out."
        )
    more = f", and {len(wrong) - _MOST_TOLD} more" if len(wrong) > _MOST_TOLD else ""
    raise ConfigError(
        f"{len(wrong)} files and folders cannot be sent: not every receiver can save such names."
        f" Rename them, or leave them out (--exclude): {named}{more}."
    )


def _refuse_collisions(files: Sequence[Collected]) -> None:
    """Refuse two names that some receiver cannot tell apart (R-MAN-2)."""
    seen: dict[str, Path] = {}
    folders: dict[str, Path] = {}
    for file in files:
        name = _folded(file.name)
        if name in seen:
            raise _collision(file.path, seen[name])
        seen[name] = file.path
        while name := name.rpartition("/")[0]:
            if name in folders:  # and so are those above it
                break
            folders[name] = file.path
    for name in seen.keys() & folders.keys():
        raise _collision(seen[name], folders[name])


def _collision(one: Path, other: Path) -> ConfigError:
    if one == other:
        return ConfigError(f"{one} was named twice.")
    return ConfigError(
        f"{other} and {one} would have the same name at the receiver. Rename one, or send them"
        " one after the other."
    )


def _folded(name: str) -> str:
    """Return what is equal for names that are the same on some system: NFKC and case folding."""
    if name.isascii():
        return name.lower()
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return unicodedata.normalize("NFKC", folded.casefold())


def _matcher(patterns: Sequence[str]) -> _Filter:
    from pathspec import GitIgnoreSpec

    try:
        return GitIgnoreSpec.from_lines(patterns).match_file
    except ValueError as error:
        raise ConfigError(f"A pattern is none: {error}.") from error


def _everything(_: str) -> bool:
    return True


def _nothing(_: str) -> bool:
    return False
