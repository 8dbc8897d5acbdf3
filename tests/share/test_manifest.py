import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocft.errors import MalformedMessageError, UnsafeNameError
from ocft.share import ShareManifest, pack_share_manifest, parse_share_manifest
from ocft.share.manifest import MAX_FILES, MAX_MANIFEST
from ocft.storage import check_manifest_names
from ocft.wire import ManifestFile

DIGEST = "ab" * 32


def packed(**changes: Any) -> bytes:
    fields = {"v": 1, "from": "a", "note": "", "files": [{"name": "x", "size": 1, "digest": None}]}
    return json.dumps(fields | changes).encode()


def file(**changes: Any) -> dict[str, Any]:
    return {"name": "x", "size": 1, "digest": None} | changes


def test_a_manifest_comes_back_as_it_was() -> None:
    files = [ManifestFile("d/\u00e9", 7, bytes(32), None, is_executable=False)]
    manifest = ShareManifest.of(files, sender="me", note="look")
    again = parse_share_manifest(pack_share_manifest(manifest))
    assert again == manifest
    assert again.files[0].digest == "00" * 32
    assert (again.sender, again.note, again.content_size) == ("me", "look", 7)


def test_it_is_the_json_of_the_specification() -> None:
    files = [ManifestFile("a", 1, bytes(32), None, is_executable=False)]
    data = json.loads(pack_share_manifest(ShareManifest.of(files, sender="me")))
    assert data == {
        "v": 1,
        "from": "me",
        "note": "",
        "files": [{"name": "a", "size": 1, "digest": "00" * 32}],
    }


def test_long_words_are_cut() -> None:
    files = [ManifestFile("a", 1, bytes(32), None, is_executable=False)]
    assert len(ShareManifest.of(files, sender="x" * 300, note="y" * 300).note) == 200


def test_words_that_no_receiver_could_read_are_refused() -> None:
    files = [ManifestFile("a", 1, bytes(32), None, is_executable=False)]
    for words in ({"sender": "\udcff"}, {"note": "odd \udcff"}):
        with pytest.raises(MalformedMessageError, match="no text"):
            ShareManifest.of(files, **words)


def test_a_digest_that_is_not_known_is_allowed() -> None:
    assert parse_share_manifest(packed()).files[0].digest is None
    assert parse_share_manifest(packed()).for_names().files[0].digest == bytes(32)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        packed(v=2),
        packed(v=True),
        packed(more=1),
        packed(note="x" * 201),
        packed(**{"from": 1}),
        packed(files=[]),
        packed(files=[file(size=-1)]),
        packed(files=[file(size=2**63)]),
        packed(files=[file(size="1")]),
        packed(files=[file(size=1.0)]),
        packed(files=[file(digest=DIGEST.upper())]),
        packed(files=[file(digest=DIGEST[:-1])]),
        packed(files=[file(name="")]),
        packed(files=[file(name="../x")]),
        packed(files=[file(name="/etc/passwd")]),
        packed(files=[file(name="a/../../x")]),
        packed(files=[file(name="e\u0301")]),  # decomposed
        packed(files=[file(name="x" * 1025)]),
        packed(files=[file(), file()]),
        packed(files=[file(name="A"), file(name="a")]),
        packed(files=[file(name="a"), file(name="a/b")]),
        packed(files=[file(name="\ud800")]),
        b'{"v": 1, "v": 1, "files": [{"name": "x", "size": 1}]}',
        packed()[:-1],
        b"\xff" + packed(),
        b" " * (MAX_MANIFEST + 1),
        b"[" * 100_000,
    ],
)
def test_what_is_no_manifest_is_refused(data: bytes) -> None:  # cases N, J
    with pytest.raises(MalformedMessageError):
        parse_share_manifest(data)


def test_too_many_files_are_refused() -> None:
    files = [file(name=str(number)) for number in range(MAX_FILES + 1)]
    with pytest.raises(MalformedMessageError):
        parse_share_manifest(packed(files=files))
    assert len(parse_share_manifest(packed(files=files[1:])).files) == MAX_FILES


@pytest.mark.parametrize("files", [[], ["a"] * (MAX_FILES + 1)])
def test_no_files_and_too_many_cannot_be_shared(files: list[str]) -> None:
    listed = [
        ManifestFile(f"{name}{number}", 1, bytes(32), None, is_executable=False)
        for number, name in enumerate(files)
    ]
    with pytest.raises(MalformedMessageError, match="10,000"):
        ShareManifest.of(listed)


@pytest.mark.parametrize("name", ["con.txt", "a\0b", "\x1b[1A", "-rf"])
def test_names_that_cannot_be_saved_are_seen_by_who_saves_them(name: str) -> None:
    manifest = parse_share_manifest(packed(files=[file(name=name)]))
    with pytest.raises(UnsafeNameError):
        check_manifest_names(manifest.for_names())


@given(st.binary(max_size=200))
def test_any_bytes_are_a_manifest_or_a_stated_error(data: bytes) -> None:
    try:
        manifest = parse_share_manifest(data)
    except MalformedMessageError:
        return
    assert parse_share_manifest(pack_share_manifest(manifest)) == manifest
