import os
import time
from pathlib import Path

import pytest

from ocft.crypto import SEALED_RECORD
from ocft.share import DiskStore, MemoryStore
from ocft.share.server.contents import StoredContent
from ocft.share.server.stores import Place, Store

ID = "a" * 26


@pytest.fixture(name="place", params=["memory", "disk"])
def _place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    store: Store = MemoryStore() if request.param == "memory" else DiskStore(tmp_path / "s")
    return store.place(ID)


def read_all(content: StoredContent, offset: int = 0) -> bytes:
    answer = content.answer(offset)
    data = b"".join(iter(answer.read, b""))
    answer.close()
    answer.close()
    return data


def test_what_is_put_in_comes_out(place: Place) -> None:
    content, data = place.content, os.urandom(3 * SEALED_RECORD + 5)
    assert not content.is_complete
    content.begin(len(data), bytes(16))
    for start in range(0, len(data), 700_001):
        content.append(data[start : start + 700_001])
    content.sync()
    assert place.content.is_complete
    assert read_all(content) == data
    assert read_all(content, 2 * SEALED_RECORD) == data[2 * SEALED_RECORD :]


def test_what_begins_anew_is_empty(place: Place) -> None:
    place.content.begin(100, bytes(16))
    place.content.append(b"old")
    place.content.begin(50, bytes(15) + b"1")
    assert (place.content.stored, place.content.length) == (0, 50)
    place.content.append(b"new")
    assert read_all(place.content) == b"new"


def test_who_reads_reads_on_when_it_is_removed(place: Place) -> None:
    data = os.urandom(2 * SEALED_RECORD)
    place.content.begin(len(data), bytes(16))
    place.content.append(data)
    answer = place.content.answer(0)
    place.remove()
    place.remove()
    assert b"".join(iter(answer.read, b"")) == data
    answer.close()


def test_small_pieces_are_not_copied_again_and_again() -> None:
    content = MemoryStore().place(ID).content
    piece = bytes(100)
    content.begin(20_000 * len(piece), bytes(16))
    start = time.perf_counter()
    for _ in range(20_000):
        content.append(piece)
    # Copied each time they would be 10 GB.
    assert time.perf_counter() - start < 1
    assert read_all(content) == bytes(2_000_000)
