import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocft.errors import MalformedMessageError
from ocft.wire import (
    MAX_FILES,
    MAX_MANIFEST,
    MAX_NUMBER,
    Manifest,
    ManifestFile,
    encode_cbor,
    pack_manifest,
    unpack_manifest,
)
from tests.wire.frame_samples import MANIFEST, filled

DIGEST = filled(32)
_parts = (
    st.text(
        st.characters(exclude_categories=["Cs"], exclude_characters="/"), min_size=1, max_size=20
    )
    .map(lambda part: unicodedata.normalize("NFC", part))
    .filter(lambda part: part not in (".", ".."))
)


def _row(name: object = "a", **changes: Any) -> list[Any]:
    fields = {"size": 1, "digest": DIGEST, "modified": 0, "flags": 0} | changes
    return [name, *fields.values()]


def _packed(*rows: object) -> bytes:
    return encode_cbor({"files": list(rows)})


def _refused(data: bytes) -> None:
    with pytest.raises(MalformedMessageError) as caught:
        unpack_manifest(data)
    assert len(str(caught.value)) < 100


def _names(*names: str) -> Manifest:
    return Manifest(tuple(ManifestFile(name, 1, DIGEST, None, False) for name in names))


def test_a_manifest_comes_back() -> None:
    assert unpack_manifest(pack_manifest(MANIFEST)) == MANIFEST


@given(
    st.lists(
        st.builds(
            ManifestFile,
            name=st.lists(_parts, min_size=1, max_size=3).map("/".join),
            size=st.integers(0, MAX_NUMBER // 4),
            digest=st.binary(min_size=32, max_size=32),
            modified=st.none() | st.integers(0, 253_402_300_799),
            is_executable=st.booleans(),
        ),
        min_size=1,
        max_size=3,
    )
)
def test_what_can_be_packed_comes_back(files: list[ManifestFile]) -> None:
    manifest = Manifest(tuple(files))
    try:
        data = pack_manifest(manifest)
    except MalformedMessageError:
        assert len(files) > 1  # two names that are the same
        return
    assert unpack_manifest(data) == manifest


def test_it_is_what_the_protocol_says() -> None:
    assert pack_manifest(MANIFEST) == encode_cbor(
        {
            "files": [
                ["report.pdf", 5, filled(32), 1_795_227_088, 0],
                ["src/B\u00fccher/gr\u00f6\u00dfe.py", 0, filled(32, 1), None, 1],
            ]
        }
    )


def test_the_files_follow_each_other() -> None:
    manifest = Manifest(
        tuple(ManifestFile(f"{size}", size, DIGEST, None, False) for size in (5, 0, 7, 1))
    )
    assert manifest.content_size == 13
    assert manifest.offsets() == [0, 5, 5, 12]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(encode_cbor([]), id="J1-list"),
        pytest.param(encode_cbor(None), id="J1-null"),
        pytest.param(encode_cbor({}), id="empty"),
        pytest.param(encode_cbor({"files": None}), id="null for files"),
        pytest.param(encode_cbor({"files": {}}), id="a map of files"),
        pytest.param(encode_cbor({"files": [_row()], "x": 1}), id="J9-unknown field"),
        pytest.param(encode_cbor({"Files": [_row()]}), id="another case"),
        pytest.param(_packed(), id="no file"),
        pytest.param(_packed("a"), id="a name only"),
        pytest.param(_packed(_row()[:4]), id="a field is missing"),
        pytest.param(_packed([*_row(), 0]), id="a field too many"),
        pytest.param(_packed(_row(b"a")), id="a name of bytes"),
        pytest.param(_packed(_row(1)), id="J7-a number as name"),
        pytest.param(_packed(_row(size=-1)), id="negative size"),
        pytest.param(_packed(_row(size=True)), id="J7-true as size"),
        pytest.param(_packed(_row(size="1")), id="J7-text as size"),
        pytest.param(_packed(_row(size=None)), id="no size"),
        pytest.param(_packed(_row(size=2**63)), id="O3-2^63"),
        pytest.param(_packed(_row("a", size=2**62), _row("b", size=2**62)), id="sum of 2^63"),
        pytest.param(_packed(_row(digest=bytes(31))), id="short digest"),
        pytest.param(_packed(_row(digest=bytes(33))), id="long digest"),
        pytest.param(_packed(_row(digest="0" * 32)), id="digest as text"),
        pytest.param(_packed(_row(modified=-1)), id="before the epoch"),
        pytest.param(_packed(_row(modified=253_402_300_800)), id="year 10,000"),
        pytest.param(_packed(_row(modified=False)), id="J7-false as time"),
        pytest.param(_packed(_row(flags=2)), id="unknown flag"),
        pytest.param(_packed(_row(flags=True)), id="J7-true as flags"),
        pytest.param(_packed(_row(flags=None)), id="no flags"),
    ],
)
def test_what_is_no_manifest_is_malformed(data: bytes) -> None:  # R-MAN-1
    _refused(data)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("", id="empty"),
        pytest.param(".", id="dot"),
        pytest.param("..", id="dots"),
        pytest.param("../x", id="N1"),
        pytest.param("/etc/passwd", id="N3"),
        pytest.param("a/../../x", id="N5"),
        pytest.param("a/./x", id="dot inside"),
        pytest.param("a//x", id="empty part"),
        pytest.param("a/", id="ends with a folder"),
        pytest.param("/", id="slash"),
        pytest.param("/".join("a" * 33), id="33 parts"),
        pytest.param("x" * 1025, id="1,025 bytes"),
        pytest.param("\u00e9" * 513, id="1,026 bytes in 513 characters"),
        pytest.param("e\u0301", id="NFD"),
        pytest.param("\u1100\u1161", id="NFD of Hangul"),
        pytest.param("\u212b", id="what NFC writes in another way"),
    ],
)
def test_a_name_that_is_none_is_malformed(name: str) -> None:  # R-MAN-2
    _refused(_packed(_row(name)))
    with pytest.raises(MalformedMessageError):
        pack_manifest(_names(name))


def test_the_longest_names_are_names() -> None:
    for name in ("/".join("a" * 32), "x" * 1024, "\u00e9" * 512, "..a", "a..", "...", " "):
        assert unpack_manifest(_packed(_row(name))).files[0].name == name


def test_half_of_a_surrogate_pair_is_no_name() -> None:  # case N19
    with pytest.raises(MalformedMessageError):
        pack_manifest(_names("\ud800"))


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(("a", "a"), id="the same"),
        pytest.param(("a", "b", "A"), id="A5-case"),
        pytest.param(("Stra\u00dfe", "STRASSE"), id="case folding of more than ASCII"),
        pytest.param(("\ufb01x", "fix"), id="a ligature"),
        pytest.param(("x/\uff41", "x/a"), id="full width"),
        pytest.param(("\u03c2", "\u03c3"), id="final sigma"),
        pytest.param(("\u212a", "k"), id="the Kelvin sign"),
        pytest.param(("\u0345", "\u03b9"), id="what folding makes a letter"),
        pytest.param(("X/a", "x/A"), id="case of a folder"),
        pytest.param(("a", "a/b"), id="A5-a file, then its folder"),
        pytest.param(("a/b/c", "a/b"), id="A5-a folder, then its file"),
        pytest.param(("A/b", "x", "a"), id="a folder in another case"),
        pytest.param(("a/b/c/d", "A"), id="a folder far above"),
    ],
)
def test_names_that_could_be_one_file_are_malformed(names: tuple[str, ...]) -> None:  # R-MAN-2
    _refused(_packed(*map(_row, names)))
    with pytest.raises(MalformedMessageError):
        pack_manifest(_names(*names))


def test_names_that_only_look_alike_are_names() -> None:
    names = ("a/b", "a/bc", "ab", "b/a", "a.b", "b/b/b", "a b")
    assert [file.name for file in unpack_manifest(_packed(*map(_row, names))).files] == [*names]


def test_there_are_a_hundred_thousand_files_at_most() -> None:
    rows = [_row(f"{number}") for number in range(MAX_FILES)]
    assert len(unpack_manifest(_packed(*rows)).files) == MAX_FILES
    _refused(_packed(*rows, _row("one more")))


def test_a_manifest_has_sixteen_mebibytes_at_most() -> None:
    _refused(bytes(MAX_MANIFEST + 1))
    with pytest.raises(MalformedMessageError, match="bytes"):
        pack_manifest(_names(*(f"{number}{'x' * 1000}" for number in range(17_000))))


@given(st.binary(max_size=60))
def test_any_bytes_are_a_manifest_or_malformed(data: bytes) -> None:
    for candidate in (data, b"\xa1\x65files" + data):
        try:
            manifest = unpack_manifest(candidate)
        except MalformedMessageError:
            continue
        assert pack_manifest(manifest) == candidate


@given(st.data())
def test_a_damaged_manifest_is_a_manifest_or_malformed(data: st.DataObject) -> None:
    damaged = bytearray(pack_manifest(MANIFEST))
    place = data.draw(st.integers(0, len(damaged) - 1))
    damaged[place : place + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    try:
        manifest = unpack_manifest(bytes(damaged))
    except MalformedMessageError:
        return
    assert pack_manifest(manifest) == damaged
