import unicodedata
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ocft.errors import UnsafeNameError
from ocft.storage import check_manifest_names, conflict_names, safe_name
from tests.storage.incoming_sets import manifest_of

_TRICKY = st.sampled_from(
    [
        *'/\\.:~- _<>|?*"\0\n\t\x1b\x7f\x85\u00a0\u200b\u200d\u202e\u2028\u2066\ufeff\ufe0f',
        *"\uff0f\uff3c\u2215\u2044\uff0e\u2025\u0301\u00e9\u2126\u037e\u00b9\u3164\ud800\ue000",
        *("CON", "nul", "COM1", "LPT\u00b2", "CLOCK$", ".txt", ".tar.gz", "a" * 90, "\u00e9" * 60),
    ]
)
_NAMES = st.one_of(st.text(), st.lists(_TRICKY, max_size=12).map("".join))


@given(_NAMES)
@example("")
@example("..")
@example("CON" + " " * 300 + ".txt")
@example("a" * 180 + ". " * 40)
@example("\u1100\u200b\u1161")  # what stood between them made one syllable two
def test_a_safe_name_is_one_plain_component_and_its_own_safe_name(wire_name: str) -> None:
    name = safe_name(wire_name)
    assert safe_name(name) == name
    assert Path("/srv/inbox", name).parent == Path("/srv/inbox")
    assert Path("/srv/inbox", name).name == name
    assert name not in {"", ".", ".."}
    assert not name.startswith((".", "-", "~", " "))
    assert not name.endswith((".", " "))
    assert len(name.encode()) <= 200
    assert unicodedata.is_normalized("NFC", name)
    assert name.isprintable()
    assert not any(unicodedata.bidirectional(c) in {"RLO", "LRO", "RLI", "PDF"} for c in name)
    assert not set(name) & set('/\\<>:"|?*\0')


@given(_NAMES, st.integers(0, 30))
def test_conflict_names_differ_and_fit(wire_name: str, count: int) -> None:
    names = list(islice(conflict_names(safe_name(wire_name)), count))
    assert len(set(names)) == count
    assert all(len(name.encode()) <= 255 and Path(name).name == name for name in names)


@pytest.mark.parametrize(
    ("wire_name", "expected"),
    [
        pytest.param("../x", "x", id="N1"),
        pytest.param("..\\..\\x", "x", id="N1-backslashes"),
        pytest.param("..", "file", id="N1-only-dots"),
        pytest.param("../", "file", id="N1-folder"),
        pytest.param("..%2F..%2Fx", "_..%2F..%2Fx", id="N1-encoded-is-never-decoded"),
        pytest.param("/etc/passwd", "passwd", id="N3"),
        pytest.param("C:\\Windows\\win.ini", "win.ini", id="N3-drive"),
        pytest.param("C:evil.exe", "C_evil.exe", id="N3-drive-without-folder"),
        pytest.param("x.txt::$DATA", "x.txt__$DATA", id="N3-stream"),
        pytest.param("//host/share/x", "x", id="N3-unc"),
        pytest.param("a/../../x", "x", id="N5"),
        pytest.param("\uff0e\uff0e\uff0fx", "_\uff0e\uff0e_x", id="N7-full-width"),
        pytest.param("\u2025/x", "x", id="N7-dot-leader"),
        pytest.param("\u2025", "_\u2025", id="N7-dot-leader-alone"),
        pytest.param("a\u2215b\u2044c\uff3cd\u29f8e", "a_b_c_d_e", id="N7-slashes"),
        pytest.param("a\0b", "ab", id="N9"),
        pytest.param("\x1b[1A\rharmless", "[1Aharmless", id="N11-cursor"),
        pytest.param("\x1b]0;t\x07", "]0;t", id="N11-title"),
        pytest.param("\x9b2J", "2J", id="N11-c1"),
        pytest.param("gpj.\u202eexe.txt", "gpj.exe.txt", id="N11-bidi"),
        pytest.param("a\u200bb\ufeffc\u2060d\u00ade", "abcde", id="N13"),
        pytest.param("\u200b", "file", id="N13-nothing-else"),
        pytest.param("\u3164\u115f\ufe0f\U000e0041", "file", id="N13-invisible-letters"),
        pytest.param("\u2800 \u00a0\u3000", "file", id="N13-blanks"),
        pytest.param("CON", "_CON", id="N15-CON"),
        pytest.param("nul.txt", "_nul.txt", id="N15-nul.txt"),
        pytest.param("NUL.tar.gz", "_NUL.tar.gz", id="N15-two-extensions"),
        pytest.param("COM1", "_COM1", id="N15-COM1"),
        pytest.param("COM\u00b9", "_COM\u00b9", id="N15-superscript"),
        pytest.param("LPT9 .txt", "_LPT9 .txt", id="N15-space-before-extension"),
        pytest.param("AUX.", "_AUX", id="N15-AUX."),
        pytest.param("conin$", "_conin$", id="N15-CONIN$"),
        pytest.param("CLOC\u212a$", "_CLOCK$", id="N15-Kelvin-sign"),
        pytest.param("CONSOLE.txt", "CONSOLE.txt", id="N15-no-device"),
        pytest.param("x.txt...", "x.txt", id="N17-dots"),
        pytest.param(" x.txt . ", "x.txt", id="N17-spaces"),
        pytest.param("a\ud800b\udcff", "ab", id="N19"),
        pytest.param("-rf", "_-rf", id="N21-rf"),
        pytest.param("--help", "_--help", id="N21-help"),
        pytest.param("$(id)`id`;rm", "$(id)`id`;rm", id="N21-shell"),
        pytest.param("a|b*c?", "a_b_c_", id="N21-wildcards"),
        pytest.param("~root", "_~root", id="N21-home"),
        pytest.param("=cmd|'/c calc'!A0", "c calc'!A0", id="N23"),
        pytest.param(".bashrc", "_.bashrc", id="hidden"),
        pytest.param(".ocft", "_.ocft", id="N27-our-own-folder"),
        pytest.param("xfer_1.part", "xfer_1.part", id="N27-our-own-ending"),
        pytest.param("cafe\u0301.txt", "caf\u00e9.txt", id="NFC"),
        pytest.param(
            "invoice.pdf" + " " * 90 + ".exe", "invoice.pdf .exe", id="pushed-out-of-sight"
        ),
        pytest.param("a\u2028b\nc", "abc", id="lines"),
        pytest.param("a\tb\u00a0c", "a b c", id="white-space"),
        pytest.param("Ein schoener Name.tar.gz", "Ein schoener Name.tar.gz", id="ordinary"),
        pytest.param(
            "\u6587\u4ef6 (1).\u0442\u0435\u043a\u0441\u0442",
            "\u6587\u4ef6 (1).\u0442\u0435\u043a\u0441\u0442",
            id="other-scripts",
        ),
    ],
)
def test_a_hostile_name_becomes_harmless(wire_name: str, expected: str) -> None:
    assert safe_name(wire_name) == expected


def test_a_long_name_keeps_its_extension_and_whole_characters() -> None:
    assert safe_name("a" * 300 + ".pdf") == "a" * 196 + ".pdf"
    assert safe_name("\u00e9" * 150 + ".pdf") == "\u00e9" * 98 + ".pdf"
    assert safe_name("b" + "\u00e9" * 150 + ".pdf") == "b" + "\u00e9" * 97 + ".pdf"


def test_a_long_ending_is_no_extension() -> None:
    assert safe_name("1. " + "a" * 300) == "1. " + "a" * 197


def test_conflict_names_count_before_the_extension() -> None:
    assert list(islice(conflict_names("report.pdf"), 3)) == [
        "report.pdf",
        "report (1).pdf",
        "report (2).pdf",
    ]
    assert list(islice(conflict_names("README"), 2)) == ["README", "README (1)"]
    assert list(islice(conflict_names("a" * 251 + ".pdf"), 2))[1] == "a" * 247 + " (1).pdf"


def test_a_folder_is_numbered_at_its_end() -> None:
    assert list(islice(conflict_names("photos.v2", is_folder=True), 3)) == [
        *("photos.v2", "photos.v2 (1)", "photos.v2 (2)")
    ]


@pytest.mark.parametrize("name", ["a", "top/deep/er/x.tar.gz", "\u00e9/\u65e5\u672c.txt", "a b/c"])
def test_names_of_a_set_that_are_safe_are_taken(name: str) -> None:
    check_manifest_names(manifest_of({"other": b"", name: b""}))


def test_a_refused_name_is_told_in_characters_that_show() -> None:
    with pytest.raises(UnsafeNameError) as caught:
        check_manifest_names(manifest_of({"x/\x1b[2J\u202e": b""}))
    assert str(caught.value).isprintable()


@given(st.lists(_NAMES, min_size=1, max_size=4))
def test_names_of_a_set_are_taken_as_they_are_or_not_at_all(parts: list[str]) -> None:  # R-MAN-2
    name = "/".join(parts)
    top, *others = name.split("/")
    is_safe = safe_name(top) == top and all(
        part in {safe_name(part), part[:1] + safe_name(part[1:])}
        and (safe_name(part) == part or part[:1] in {".", "-", "~"})
        for part in others
    )
    try:
        check_manifest_names(manifest_of({"first": b"", name: b""}))
    except UnsafeNameError:
        assert not is_safe
    else:
        assert is_safe
