"""What is sent in schedules of wire 2, and what must have arrived in the end."""

import os
import random
import re
from dataclasses import dataclass, field
from pathlib import Path

_WORDS = ("harvest", "lantern", "orchard", "pebble", "quarry", "saffron", "thicket", "willow")
_MODIFIED = 1_700_000_000
_TAKEN = re.compile(r" \(\d+\)")


@dataclass(frozen=True)
class Payload:
    """Files, by the names that they have in the transfer."""

    kind: str
    root: str
    """The file, or the folder, that is sent."""
    files: dict[str, bytes] = field(repr=False)
    owned: frozenset[str] = frozenset()
    """What the receiver has already."""
    only: frozenset[str] | None = None
    """What the receiver wants, if it is asked; None: all."""

    def write(self, folder: Path) -> Path:
        """Make what is to be sent; return its path."""
        for name, data in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            os.utime(path, (_MODIFIED, _MODIFIED))  # it is sent, too
        return folder / self.root

    def write_owned(self, folder: Path) -> None:
        """Make what the receiver has already."""
        for name in self.owned:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.files[name])

    def wanted(self, *, is_asked: bool) -> list[tuple[str, bytes]]:
        """Return names and contents of what is new at the receiver in the end."""
        # Of a folder that is there in part a whole new one is made; what is there is copied.
        names = set() if self.owned == set(self.files) else set(self.files)
        if is_asked and self.only is not None:
            names &= self.only
        return [(name, self.files[name]) for name in names]


def draw_payload(chance: random.Random, number: int) -> Payload:
    """Draw what one transfer carries; its names are of no other transfer."""
    word = f"{chance.choice(_WORDS)}-{chance.randrange(1000, 10_000)}-{number}"
    kind = chance.choice(["file", "file", "tree", "empty", "many", "owned", "only"])
    if kind == "file":
        name = f"{word}.bin"
        size = chance.choice([0, 1, 1024, chance.randrange(1, 30_000)])
        return Payload(kind, name, {name: draw_content(chance, size)})
    if kind == "empty":
        names = [f"{word}/{part}.none" for part in ("first-empty", "sub/second-empty")]
        return Payload(kind, word, dict.fromkeys(names[: chance.choice([1, 2])], b""))
    if kind == "many":
        names = [f"{word}/{chance.choice('abc')}/part-{n:03}.txt" for n in range(25)]
        some = {name: draw_content(chance, chance.randrange(400)) for name in names}
        return Payload(kind, word, some)
    names = [f"{word}/{part}" for part in ("plan.txt", "maps/north.bin", "maps/deep/south.bin")]
    names += [f"{word}/nothing.none"]
    files = {name: draw_content(chance, chance.randrange(9000)) for name in names[:-1]}
    files[names[-1]] = b""
    chosen = frozenset(chance.sample(names, chance.randrange(1, len(names))))
    if kind == "owned":
        owned = frozenset(files) if chance.random() < 0.3 else chosen
        return Payload(kind, word, files, owned=owned)
    return Payload(kind, word, files, only=chosen if kind == "only" else None)


def draw_content(chance: random.Random, size: int) -> bytes:
    """Draw bytes that can be compressed, or not."""
    if chance.random() < 0.5:
        return chance.randbytes(size)
    lines = [chance.randbytes(12).hex() for _ in range(8)]
    return "\n".join(chance.choice(lines) for _ in range(size // 25 + 1)).encode()[:size]


def as_sent(name: str) -> str:
    """Return the name that a saved file had in its transfer: without the " (1)" of its top."""
    top, slash, rest = name.partition("/")
    return _TAKEN.sub("", top) + slash + rest
