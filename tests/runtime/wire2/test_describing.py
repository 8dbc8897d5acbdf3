"""`ocft.runtime.wire2.describing`: what a manifest says about its transfer."""

import hashlib

import pytest

from ocft.runtime.wire2.describing import name_of, ranges_of
from ocft.wire import Manifest, ManifestFile


def manifest_of(*files: tuple[str, int]) -> Manifest:
    return Manifest(
        tuple(
            ManifestFile(name, size, hashlib.sha256(bytes(size)).digest(), None, False)
            for name, size in files
        )
    )


@pytest.mark.parametrize(
    ("names", "together"),
    [
        (["report.pdf"], "report.pdf"),
        (["folder/a"], "folder/"),
        (["folder/a", "folder/sub/b"], "folder/"),
        (["a", "b"], "a and 1 more"),
        (["folder/a", "b", "c"], "folder and 2 more"),
    ],
)
def test_files_have_a_name_together(names: list[str], together: str) -> None:
    assert name_of(manifest_of(*((name, 1) for name in names))) == together


def test_files_are_ranges_behind_the_manifest_and_empty_ones_are_none() -> None:
    manifest = manifest_of(("a", 5), ("b", 0), ("c", 7), ("d", 1))
    assert ranges_of(manifest, 100, [3, 0, 1]) == [(100, 105), (112, 113)]
    assert ranges_of(manifest, 100, []) == []
