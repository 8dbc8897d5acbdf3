"""`ocft.runtime.wire2.tags`: whose epoch a frame belongs to."""

from typing import Any, cast

from ocft.runtime.wire2 import Tags


def pump(number: int) -> Any:
    return cast("Any", f"pump {number}")


def test_an_epoch_is_found_until_it_is_removed() -> None:
    tags = Tags()
    tags.add(b"one", pump(1))
    tags.add(b"two", pump(2))
    assert (tags.find(b"one"), tags.find(b"two"), tags.find(b"three")) == (pump(1), pump(2), None)
    tags.remove(b"one")
    tags.remove(b"three")
    assert (tags.find(b"one"), tags.find(b"two")) == (None, pump(2))


def test_of_many_epochs_the_newest_are_kept() -> None:  # X1
    tags = Tags()
    for number in range(3000):
        tags.add(number.to_bytes(8, "big"), pump(number))
    found = [number for number in range(3000) if tags.find(number.to_bytes(8, "big"))]
    assert found == list(range(3000 - 1024, 3000))
