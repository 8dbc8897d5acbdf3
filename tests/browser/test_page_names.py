"""The page's rules for names, against ours (R-MAN-2)."""

import json
from typing import TYPE_CHECKING

import pytest

from ocft.storage import safe_name
from ocft.storage.names import is_safe_part
from tests.browser.conftest import call

if TYPE_CHECKING:
    from playwright.sync_api import Page

NAMES = [
    "a.txt", "", ".", "..", "a/b", "a\\b", "con", "COM1.txt", "nul .x", "-rf", "~", ".git", "a.",
    "a ", " a", "a\tb", "a\x00b", "a\u202egpj", "e\u0301", "\u00e9", "\ufeffa", "\u200d", "\u037e",
    "\u2126", "a:b", 'a"b', "a\u2215b", "\uff0e\uff0e", "x" * 300, "\u00fc" * 150 + ".tar.gz",
    "a." + "b" * 30, "\u3000a", "\u2800", "a\u0085b", "\U0001f600.png", "\ud83d", "\u180ea",
    "a\x1cb",
]  # fmt: skip


def is_part(name: str, *, is_top: bool) -> bool:
    return name != "" and is_safe_part(name, is_top=is_top)


def test_names_are_made_safe_as_they_are_here(page: "Page") -> None:
    body = """
        return JSON.parse(v).map((one) =>
            [m.safeName(one), m.isSafePart(one, true), m.isSafePart(one, false)]);
    """
    want = [
        [safe_name(one), is_part(one, is_top=True), is_part(one, is_top=False)] for one in NAMES
    ]
    got = call(page, "names.js", body, json.dumps(NAMES))  # JSON carries lone surrogates too
    assert dict(zip(NAMES, got, strict=True)) == dict(zip(NAMES, want, strict=True))


LONG = "f" * 195
PATHS = [
    ["a", "A/b", "a", "x/.git/c", ".git/c"],
    ["d/" * 40 + "e", ("f" * 190 + "/") * 8 + "g"],
    [LONG, f"{LONG}/x", f"{LONG[:160]}_", f"{LONG[:160]}_/y", f"{LONG}/x"],
    ["a", "a (1)", "a", "a (1)/b", "a/b", "a/c"],
    ["a .txt", "a .txt", "x" * 191 + " yz", "x" * 191 + " yz"],
    ["x/" * 31 + "x", "x", "x (1)", *["x/" * at + "x" for at in range(31)]],
]


@pytest.mark.parametrize("paths", PATHS)
def test_files_to_send_get_names_that_every_receiver_takes(page: "Page", paths: list[str]) -> None:
    body = "const names = m.safePaths(v); return [names, m.clash(names)]"
    names, clashes = call(page, "names.js", body, paths)
    assert not clashes
    for name in names:
        parts = name.split("/")
        assert all(is_safe_part(part, is_top=not at) for at, part in enumerate(parts))
    assert all(len(name.encode()) <= 1024 and name.count("/") < 32 for name in names)


def test_a_folder_that_is_called_like_a_file_gets_a_number(page: "Page") -> None:
    body = "return m.safePaths(v)"
    names = call(page, "names.js", body, ["a", "A/b", "A/c", "a", "x/.git/c"])
    assert names == ["a", "A (1)/b", "A (1)/c", "a (2)", "x/.git/c"]


def many(kind: str) -> list[str]:
    if kind == "equal":
        return ["d/a.txt"] * 10_000
    return [f"{'e' * 190}{at // 2:06}" for at in range(10_000)]  # alike once they are shortened


@pytest.mark.parametrize("kind", ["equal", "alike"])
def test_ten_thousand_names_are_told_apart_at_once(page: "Page", kind: str) -> None:
    body = """
        const begun = performance.now();
        return [new Set(m.flatNames(v)).size, performance.now() - begun];
    """
    size, took = call(page, "names.js", body, many(kind))
    assert size == 10_000
    assert took < 10_000  # ms; one after another it would be minutes
