"""Files that must not be held in memory, and the ways to save when there is no room to keep them.

A browser's window without a profile keeps "disk" in memory, so these have a profile of their own.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.browser.conftest import ARGUMENTS, LAN, wait_for
from tests.browser.serving import Server

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

MIB: Final = 1024 * 1024
SIZE: Final = int(os.environ.get("OCFT_BIG_MIB", "256")) * MIB
MOST: Final = 150  # MiB above an idle page, whatever the file's size; measured: 70 to 90
NO_ROOM: Final = "StorageManager.prototype.estimate = async () => ({quota: 1e6, usage: 0});"
NO_PICKER: Final = "delete window.showSaveFilePicker;"
PICKER: Final = """
    window.showDirectoryPicker = async () =>
        (await navigator.storage.getDirectory()).getDirectoryHandle('picked', {create: true});
"""
PICKED: Final = """async () => {
    const root = await navigator.storage.getDirectory();
    const folder = await root.getDirectoryHandle('picked', {create: true});
    const found = {};
    for await (const [name, file] of folder.entries()) found[name] = (await file.getFile()).size;
    return found;
}"""


@pytest.fixture
def profile(chromium: str, tmp_path: Path) -> Iterator["BrowserContext"]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            tmp_path / "profile", executable_path=chromium, args=ARGUMENTS, accept_downloads=True
        )
        yield context
        context.close()


def open_page(profile: "BrowserContext", server: Server, code: str, host: str) -> "Page":
    page = profile.new_page()
    page.goto(f"http://{host}:{server.port}/s/#{code}")
    wait_for(page, "ready")
    return page


def memory() -> int:
    """Return the MiB that the processes of our browser hold for themselves."""
    parents, held = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status = (folder / "stat").read_text().rpartition(")")[2].split()
            parts = (folder / "smaps_rollup").read_text()
        except OSError:  # it ended meanwhile, or is somebody else's
            continue
        process = int(folder.name)
        parents[process] = int(status[1])
        held[process] = sum(int(one.split()[1]) for one in parts.splitlines() if "Pss_Anon" in one)
    ours, size = {os.getpid()}, 0
    while len(ours) > size:
        size = len(ours)
        ours |= {child for child, parent in parents.items() if parent in ours}
    return sum(held[process] for process in ours - {os.getpid()}) // 1024


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize("host", ["localhost", LAN])
def test_a_big_file_is_not_held_in_memory(
    profile: "BrowserContext", server: Server, host: str
) -> None:
    shared = server.share({"big.bin": bytes(SIZE)})
    page = open_page(profile, server, shared.code, host)
    idle = peak = memory()
    with page.expect_download(timeout=300_000) as download:
        page.get_by_test_id("download").click()
        while page.evaluate("window.ocft.state") == "transferring":
            peak = max(peak, memory())
            page.wait_for_timeout(200)
    assert wait_for(page, "done")["bytes"] == SIZE
    assert Path(download.value.path()).stat().st_size == SIZE
    assert peak - idle < MOST


def without_room(profile: "BrowserContext", server: Server, script: str) -> None:
    """Make the browser say that its disk is full: to the page's worker too."""
    profile.add_init_script(script)

    def route(route: Any) -> None:
        response = route.fetch()
        route.fulfill(response=response, body=NO_ROOM + response.text())

    profile.route("**/assets/worker.js", route)


def test_without_room_a_download_runs_along(profile: "BrowserContext", server: Server) -> None:
    without_room(profile, server, NO_PICKER)
    files = {"a.bin": os.urandom(5 * MIB), "b.txt": b"b", "empty": b"", "c.txt": b"cc"}
    page = open_page(profile, server, server.share(files).code, "localhost")
    got: list[Any] = []
    page.on("download", lambda one: got.append(one))  # noqa: PLW0108 - Playwright marks it
    page.get_by_test_id("download").click()
    wait_for(page, "done")
    while len(got) < len(files):
        page.wait_for_event("download")
    assert {one.suggested_filename: Path(one.path()).read_bytes() for one in got} == files


def test_without_room_a_damaged_download_is_marked_as_failed(
    profile: "BrowserContext", server: Server
) -> None:
    without_room(profile, server, NO_PICKER)
    shared = server.share({"a.bin": os.urandom(30 * MIB)}, damaged=25)
    page = open_page(profile, server, shared.code, "localhost")
    with page.expect_download() as download:
        page.get_by_test_id("download").click()
    assert download.value.failure() is not None


def test_without_room_files_go_to_a_folder_that_was_chosen(
    profile: "BrowserContext", server: Server
) -> None:
    without_room(profile, server, PICKER)
    files = {"a.bin": os.urandom(3 * MIB), "b.txt": b"b", "empty": b""}
    page = open_page(profile, server, server.share(files).code, "localhost")
    page.get_by_test_id("download").click()
    wait_for(page, "done")
    assert page.evaluate(PICKED) == {name: len(data) for name, data in files.items()}


def test_a_chosen_folder_has_nothing_of_a_damaged_download(
    profile: "BrowserContext", server: Server
) -> None:
    without_room(profile, server, PICKER)
    shared = server.share({"a.bin": os.urandom(3 * MIB), "b.txt": b"b"}, damaged=2)
    page = open_page(profile, server, shared.code, "localhost")
    page.get_by_test_id("download").click()
    page.wait_for_function("() => window.ocft.state === 'failed'")
    assert page.evaluate(PICKED) == {}
