"""The only place where a name from the wire becomes a local name.

What comes out is one component of a path that stands for itself: it leads to no other folder, is
neither hidden nor an option, no device on Windows, and shows on a terminal exactly the characters
it has.
"""

import re
import unicodedata
from collections.abc import Iterator
from itertools import count
from typing import Final

from ocft.errors import UnsafeNameError
from ocft.wire import Manifest

_NAMELESS: Final = "file"
_MAX_BYTES: Final = (
    200  # of 255: leaves room for a conflict number, and for encrypting file systems
)
_MAX_CONFLICT_BYTES: Final = 255  # ext4, APFS; NTFS counts 255 UTF-16 units, which is never less
_MAX_EXTENSION_BYTES: Final = 20  # a longer one is a sentence with a full stop in it

_SEPARATORS: Final = re.compile(r"[/\\]")
# They look like a separator, or some program normalises them to one: fraction, division and
# set-minus slashes, box drawing diagonals, small and full width forms.
_LOOK_ALIKES: Final = (
    "\u2044\u2215\u2216\u2571\u2572\u27cb\u27cd\u29f5\u29f8\u29f9\ufe68\uff0f\uff3c"
)
_WINDOWS_SPECIAL: Final = '<>:"|?*'
_UNDERSCORED: Final = str.maketrans(dict.fromkeys(_LOOK_ALIKES + _WINDOWS_SPECIAL, "_"))
# Characters that show nothing, but are no controls or formats (categories C*): the default
# ignorable code points of Unicode (DerivedCoreProperties.txt) in other categories.
_INVISIBLE: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2065\u3164\ufe00-\ufe0f\uffa0"
    "\ufff0-\ufff8\U000e0000-\U000e0fff]"
)
_BLANKS: Final = re.compile("[\\s\u2800]+")  # U+2800, the empty braille pattern, is a blank too
# A dot hides a file, or is our own folder `.ocft`; the others are an option or a home folder.
# The dot leaders and the full width dot become dots where someone normalises to NFKC.
_LEADERS: Final = (".", "-", "~", "\u2024", "\u2025", "\u2026", "\uff0e", "\uff0d", "\uff5e")
# learn.microsoft.com/windows/win32/fileio/naming-a-file, 2025-08; CONIN$ and CONOUT$ are the
# console's, CLOCK$ is older than that page.
_DEVICE: Final = re.compile(
    r"(CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|CLOCK\$|(COM|LPT)[0-9\u00b9\u00b2\u00b3])"
)


def safe_name(wire_name: str) -> str:
    """Return the local name for a name from the wire.

    It is never empty, has at most 200 bytes in UTF-8, and is its own safe name.

    Args:
        wire_name: Any text, as the peer wrote it.
    """
    name = _SEPARATORS.split(wire_name)[-1].translate(_UNDERSCORED)
    name = unicodedata.normalize("NFC", _visible(name))
    # NFC writes one or two characters anew, none of them into something invisible, but U+037E
    # becomes a semicolon and U+2126 an omega: whatever is decided below is decided about those.
    name = _BLANKS.sub(" ", name).lstrip(" ").rstrip(" .")
    if not name:
        return _NAMELESS
    device = name.split(".")[0].rstrip(" ").upper()
    if name.startswith(_LEADERS) or _DEVICE.fullmatch(device):
        name = "_" + name
    stem, extension = _split(name)
    return _fit(stem, extension, _MAX_BYTES).rstrip(" .")


def conflict_names(name: str, *, is_folder: bool = False) -> Iterator[str]:
    """Yield a name, then "name (1)", "name (2)", ... with its extension, without end.

    Args:
        name: A safe name.
        is_folder: Whether it is that of a folder, which has no extension.
    """
    yield name
    stem, extension = (name, "") if is_folder else _split(name)
    for number in count(1):
        yield _fit(stem, f" ({number}){extension}", _MAX_CONFLICT_BYTES)


def check_manifest_names(manifest: Manifest) -> None:
    """Refuse a manifest with a name that cannot be saved exactly as it is (R-MAN-2).

    Names of a set are not made safe but refused: they refer to each other, and two of them could
    become one.

    Args:
        manifest: From the wire, where its names were compared with each other.

    Raises:
        UnsafeNameError: A part of a name is not its own safe name.
    """
    safe: set[tuple[bool, str]] = set()  # folders come again and again
    for file in manifest.files:
        is_top = True
        for part in file.name.split("/"):
            if (is_top, part) not in safe:
                if not is_safe_part(part, is_top=is_top):
                    raise UnsafeNameError(f"No file or folder can be called {part!r} here.")
                safe.add((is_top, part))
            is_top = False


def is_safe_part(part: str, *, is_top: bool) -> bool:
    """Say whether a part of a relative name can be saved exactly as it is.

    Inside of a folder it may also be hidden, or look like an option: nothing that is there already
    changes its meaning by it, and projects are full of `.gitignore`.

    Args:
        part: What stands between two `/`.
        is_top: Whether it is the first one, which is saved in the download folder itself.
    """
    if not is_top and part.startswith((".", "-", "~")) and len(part) > 1:
        part = part[1:]
    return safe_name(part) == part


def _visible(text: str) -> str:
    """Drop what does not show: controls, formats (bidi, zero width), surrogates, unassigned."""
    kept = (
        character
        for character in text
        if character == "\t" or not _is_hidden(unicodedata.category(character))
    )
    return _INVISIBLE.sub("", "".join(kept))


def _is_hidden(category: str) -> bool:
    return category.startswith("C") or category in {"Zl", "Zp"}


def _split(name: str) -> tuple[str, str]:
    stem, dot, extension = name.rpartition(".")
    if not stem or len((dot + extension).encode()) > _MAX_EXTENSION_BYTES:
        return name, ""
    return stem, dot + extension


def _fit(stem: str, ending: str, limit: int) -> str:
    """Shorten the stem, between two characters, until stem and ending have `limit` bytes."""
    room = limit - len(ending.encode())
    return stem.encode()[:room].decode(errors="ignore") + ending
