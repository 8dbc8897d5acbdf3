"""Sessions of many files: rows that are drawn, one .zip, and only what is wanted."""

import os
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.conftest import LAN, Visits, wait_for
from tests.browser.serving import Server

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Download, Page

MIB = 1024 * 1024


@pytest.mark.parametrize("host", ["localhost", LAN])
def test_more_than_twenty_files_are_saved_as_one_zip_with_their_folders(
    server: Server, visit: Visits, host: str, picture: "Callable[[Page, str], None]"
) -> None:
    files = {f"Prüfung/{at % 3}/{at}.bin": os.urandom(at * 7) for at in range(29)}
    files["Prüfung/big.bin"] = os.urandom(2 * MIB + 3)
    page = visit(server.share(files), host=host)
    wait_for(page, "ready")
    assert "Prüfung.zip" in page.get_by_test_id("warning").inner_text()
    got: list[Download] = []
    page.on("download", lambda one: got.append(one))  # noqa: PLW0108 - Playwright marks it
    with page.expect_download():
        page.get_by_test_id("download").click()
    wait_for(page, "done")
    picture(page, f"many-done-{host}")
    assert [one.suggested_filename for one in got] == ["Prüfung.zip"]
    with zipfile.ZipFile(got[0].path()) as bundle:
        assert bundle.testzip() is None
        assert {name: bundle.read(name) for name in bundle.namelist()} == files
    with page.expect_download() as single:
        page.get_by_role("button", name="Save Prüfung/2/5.bin").click()
    assert Path(single.value.path()).read_bytes() == files["Prüfung/2/5.bin"]


def ten_thousand(manifest: dict[str, Any]) -> None:
    one = manifest["files"][0]
    manifest["files"] = [one | {"name": f"d{at % 7}/{at}"} for at in range(10_000)]


def test_ten_thousand_files_are_listed_and_saved_at_once(server: Server, visit: Visits) -> None:
    page = visit(server.share({"empty": b""}, change=ten_thousand))
    wait_for(page, "ready")
    assert page.get_by_test_id("files").locator("li").count() == 501
    page.get_by_label("and 9,500 files more").uncheck()
    assert "500 files" in page.get_by_test_id("download").inner_text()
    page.get_by_label("All").check()
    with page.expect_download() as download:
        page.get_by_test_id("download").click()
    wait_for(page, "done")
    with zipfile.ZipFile(download.value.path()) as bundle:
        assert len(bundle.namelist()) == 10_000


def test_what_lies_between_two_wanted_files_is_not_fetched(server: Server, visit: Visits) -> None:
    files = {"a.txt": b"a", "film.bin": bytes(20 * MIB), "z.txt": b"z"}
    page = visit(server.share(files))
    wait_for(page, "ready")
    page.get_by_label("film.bin").uncheck()
    got: list[Download] = []
    page.on("download", lambda one: got.append(one))  # noqa: PLW0108 - Playwright marks it
    page.get_by_test_id("download").click()
    assert wait_for(page, "done")["total"] <= 3 * MIB
    while len(got) < 2:
        page.wait_for_event("download")
    assert {one.suggested_filename: Path(one.path()).read_bytes() for one in got} == {
        "a.txt": b"a",
        "z.txt": b"z",
    }
