from collections.abc import Callable
from pathlib import Path

import pytest

from ocft.errors import JournalError
from ocft.ids import TransferId
from ocft.storage import Journal, SourceSnapshot, TransferRecord

MakeRecord = Callable[..., TransferRecord]
ONE = TransferId("xfer_1")
NOWHERE = TransferId("xfer_?")


@pytest.fixture(autouse=True)
def _recorded(journal: Journal, make_record: MakeRecord) -> None:
    journal.add(make_record())


def test_a_manifest_comes_back_and_can_be_replaced(journal: Journal) -> None:
    assert journal.manifest(ONE) is None
    assert not journal.has_manifest(ONE)
    journal.save_manifest(ONE, b"\xa0")
    journal.save_manifest(ONE, b"\x00\xff")
    assert journal.manifest(ONE) == b"\x00\xff"
    assert journal.has_manifest(ONE)


def test_sources_come_back_in_the_order_of_the_manifest(journal: Journal) -> None:
    sources = [
        (Path(f"/srv/{number}\udcff"), SourceSnapshot(number, -1, 2**64 - 1, 2**63))
        for number in range(20)
    ]
    assert journal.sources(ONE) == []
    journal.save_sources(ONE, sources[5:])
    journal.save_sources(ONE, sources)
    assert journal.sources(ONE) == sources


def test_the_naming_of_files_is_recorded(journal: Journal) -> None:
    assert journal.staging(ONE) is None
    journal.save_staging(ONE, 5)
    journal.save_staging(ONE, 0)
    assert journal.staging(ONE) == 0
    journal.save_publications(ONE, {"a": Path("/x/a"), "b": Path("/x/b")})
    journal.save_publications(ONE, {"b": Path("/x/\udcff")})
    assert journal.publications(ONE) == {"a": Path("/x/a"), "b": Path("/x/\udcff")}


def test_forgetting_what_is_stored_forgets_the_naming_and_the_manifest(journal: Journal) -> None:
    journal.save_manifest(ONE, b"m")
    journal.save_staging(ONE, 5)
    journal.save_publications(ONE, {"a": Path("/x/a")})
    journal.forget_pieces(ONE)
    assert (journal.staging(ONE), journal.publications(ONE)) == (None, {})
    assert not journal.has_manifest(ONE)


def test_all_of_it_goes_with_its_transfer(journal: Journal) -> None:
    journal.save_manifest(ONE, b"m")
    journal.save_sources(ONE, [(Path("/x"), SourceSnapshot(1, 2, 3, 4))])
    journal.save_staging(ONE, 5)
    journal.save_publications(ONE, {"a": Path("/x/a")})
    journal.remove(ONE)
    assert (journal.manifest(ONE), journal.sources(ONE)) == (None, [])
    assert (journal.staging(ONE), journal.publications(ONE)) == (None, {})


def test_nothing_is_recorded_of_a_transfer_that_is_not(journal: Journal) -> None:
    saves: list[Callable[[], None]] = [
        lambda: journal.save_manifest(NOWHERE, b"m"),
        lambda: journal.save_sources(NOWHERE, [(Path("/x"), SourceSnapshot(1, 2, 3, 4))]),
        lambda: journal.save_staging(NOWHERE, 5),
        lambda: journal.save_publications(NOWHERE, {"a": Path("/x/a")}),
    ]
    for save in saves:
        with pytest.raises(JournalError):
            save()
