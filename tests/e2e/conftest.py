"""People at their command lines."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.people import Person


@pytest.fixture
def people(tmp_path: Path) -> Iterator[Callable[[str], Person]]:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("OCFT_", "XDG_"))
    }
    environment |= {
        "HOME": str(tmp_path),
        "TMPDIR": str(tmp_path),
        "OCFT_SPOOL": str(tmp_path / "spool"),
    }
    with ExitStack() as stack:
        yield lambda name: Person(tmp_path / name, environment, stack)


@pytest.fixture
def alice(people: Callable[[str], Person]) -> Person:
    return people("alice")


@pytest.fixture
def bob(people: Callable[[str], Person], alice: Person) -> Person:
    """Bob and alice know each other."""
    bob = people("bob")
    alices, bobs = alice.init(), bob.init()
    alice.trust(bobs)
    bob.trust(alices)
    return bob


@pytest.fixture
def mallory(people: Callable[[str], Person], bob: Person) -> Person:
    """Mallory knows bob, but not his secret."""
    mallory = people("mallory")
    mallory.init()
    mallory.trust(bob.config, secret="wrong secret")
    return mallory


@pytest.fixture
def carol(people: Callable[[str], Person], bob: Person) -> Person:
    """Carol and bob know each other by their fingerprints, as after a pairing."""
    carol = people("carol")
    carols, bobs = carol.init(), bob.config
    carol.trust(bobs, secret="", fingerprint=bob.fingerprint)
    bob.trust(carols, secret="", fingerprint=carol.fingerprint)
    return carol


@pytest.fixture
def stranger(people: Callable[[str], Person], bob: Person) -> Person:
    """A stranger knows bob's fingerprint; bob knows nothing of it."""
    stranger = people("stranger")
    stranger.init()
    stranger.trust(bob.config, secret="", fingerprint=bob.fingerprint)
    return stranger
