"""`ocft.runtime.wire2.tags`: whose epoch a frame belongs to."""

from dataclasses import dataclass

from ocft.runtime.wire2 import Tags


@dataclass
class Owner:
    number: int
    has_ended: bool = False


def tag(number: int) -> bytes:
    return number.to_bytes(8, "big")


def kept(tags: Tags[Owner], most: int) -> list[int]:
    """Return the numbers of the epochs that are found."""
    return [number for number in range(most) if tags.find(tag(number))]


def test_an_epoch_is_found_until_it_is_removed() -> None:
    tags: Tags[Owner] = Tags()
    tags.add(b"one", Owner(1))
    tags.add(b"two", Owner(2))
    assert (tags.find(b"one"), tags.find(b"two")) == (Owner(1), Owner(2))
    assert tags.find(b"three") is None
    tags.remove(b"one")
    tags.remove(b"three")
    assert (tags.find(b"one"), tags.find(b"two")) == (None, Owner(2))


def test_of_many_epochs_that_ended_the_newest_are_kept() -> None:  # X1
    tags: Tags[Owner] = Tags()
    for number in range(3000):
        tags.add(tag(number), Owner(number, has_ended=True))
    assert kept(tags, 3000) == list(range(3000 - 256, 3000))


def test_what_has_ended_goes_before_what_is_under_way() -> None:  # X1
    tags: Tags[Owner] = Tags()
    for number in range(3000):
        tags.add(tag(number), Owner(number, has_ended=number >= 100))
    assert kept(tags, 3000) == [*range(100), *range(3000 - 156, 3000)]


def test_what_is_under_way_never_goes_and_its_places_are_free_after_its_end() -> None:
    tags: Tags[Owner] = Tags()
    owners = [Owner(number) for number in range(400)]
    for owner in owners:
        tags.add(tag(owner.number), owner)
    assert len(kept(tags, 400)) == 400
    for owner in owners:
        owner.has_ended = True
    tags.add(tag(400), Owner(400))
    assert kept(tags, 401) == list(range(145, 401))
