"""A person opens a link and gets files (R-SHR-5, R-SHR-6, share-page.md)."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.conftest import LAN, Visits, wait_for
from tests.browser.serving import Server, Shared, serving
from tests.share.cutting_proxy import CuttingProxy

if TYPE_CHECKING:
    from playwright.sync_api import Download, Page

Picture = Callable[["Page", str], None]
MIB = 1024 * 1024


def save(page: "Page") -> "Download":
    with page.expect_download() as download:
        page.get_by_test_id("download").click()
    return download.value


def content(download: "Download") -> bytes:
    return Path(download.path()).read_bytes()


@pytest.mark.parametrize("host", ["localhost", LAN])
def test_a_person_gets_the_file(server: Server, visit: Visits, host: str) -> None:
    data = os.urandom(3 * MIB + 5)
    page = visit(server.share({"holiday.bin": data}, note="See you"), host=host)
    shown = wait_for(page, "ready")
    assert page.evaluate("window.isSecureContext") == (host == "localhost")
    assert (shown["page"], shown["from"]) == ("download", "Ada")
    assert shown["files"] == [{"name": "holiday.bin", "size": len(data)}]
    assert "From Ada" in page.get_by_test_id("sender").inner_text()
    download = save(page)
    assert wait_for(page, "done")["bytes"] == len(data)
    assert download.suggested_filename == "holiday.bin"
    assert content(download) == data


def test_nobody_but_the_server_is_asked(server: Server, visit: Visits) -> None:
    page = visit(server.share({"a": b"a"}))
    wait_for(page, "ready")
    save(page)
    wait_for(page, "done")
    assert any(url.endswith("/content") for url in visit.asked)  # requests of the worker count too
    assert not visit.strangers()
    page.evaluate("fetch('https://example.org/').catch(() => null)")
    assert visit.errors  # the page's own rules forbid it
    visit.errors.clear()
    visit.asked = {url for url in visit.asked if "example.org" not in url}


def test_several_files_come_one_after_another_without_their_folders(
    server: Server, visit: Visits
) -> None:
    files = {"a/x.txt": b"one", "b/x.txt": b"two", "empty": b"", "c.bin": os.urandom(2 * MIB)}
    page = visit(server.share(files))
    wait_for(page, "ready")
    got: list[Download] = []
    page.on("download", lambda one: got.append(one))  # noqa: PLW0108 - Playwright marks it
    page.get_by_test_id("download").click()
    wait_for(page, "done")
    while len(got) < len(files):
        page.wait_for_event("download")
    assert {one.suggested_filename: content(one) for one in got} == {
        "x.txt": b"one",
        "x (1).txt": b"two",
        "empty": b"",
        "c.bin": files["c.bin"],
    }


def test_what_programs_see_cannot_be_changed_and_says_each_change(
    server: Server, visit: Visits
) -> None:
    page = visit(server.share({"a": b"a"}))
    wait_for(page, "ready")
    change = "() => { 'use strict'; try { window.ocft.files[0].size = 5; } catch { return true; } }"
    assert page.evaluate(change)
    states = """() => {
        window.states = [];
        window.addEventListener("ocft:change", ({detail}) => window.states.push(detail.state));
    }"""
    page.evaluate(states)
    save(page)
    wait_for(page, "done")
    seen = page.evaluate("window.states")
    assert sorted(set(seen), key=seen.index) == ["transferring", "saving", "done"]


def test_only_what_is_ticked_is_fetched(server: Server, visit: Visits) -> None:
    files = {"first.bin": os.urandom(5 * MIB), "second.txt": b"second"}
    page = visit(server.share(files))
    wait_for(page, "ready")
    page.get_by_label("first.bin").uncheck()
    download = save(page)
    assert wait_for(page, "done")["total"] == len(files["second.txt"])
    assert content(download) == files["second.txt"]


@pytest.mark.parametrize("host", ["localhost", LAN])
def test_a_wrong_password_is_told_and_the_right_one_opens(
    server: Server, visit: Visits, host: str, picture: Picture
) -> None:
    page = visit(server.share({"a": b"a"}, password="blüte"), host=host)
    wait_for(page, "locked")
    page.get_by_test_id("password").fill("rose")
    page.get_by_test_id("unlock").click()
    page.get_by_test_id("error").wait_for()
    assert page.evaluate("window.ocft.error.code") == "WRONG_PASSWORD"
    picture(page, f"password-wrong-{host}")
    page.get_by_test_id("password").fill("blu\u0308te")  # typed on another system
    page.get_by_test_id("unlock").click()
    wait_for(page, "ready")
    assert content(save(page)) == b"a"


def failure(page: "Page") -> str:
    page.wait_for_function("() => window.ocft && window.ocft.state === 'failed'")
    page.get_by_test_id("error").wait_for()
    return str(page.evaluate("window.ocft.error.code"))


def test_a_link_that_is_over_says_so(server: Server, visit: Visits, picture: Picture) -> None:
    shared = server.share({"a": b"a"})
    shared.delete()
    page = visit(shared)
    assert failure(page) == "NO_SESSION"
    picture(page, "link-over")


def test_a_link_that_was_cut_short_says_so(visit: Visits) -> None:
    assert failure(visit("7KQ2M9X")) == "BAD_LINK"


def test_a_code_can_be_typed(server: Server, visit: Visits) -> None:
    shared = server.share({"a": b"a"})
    page = visit("")
    code = shared.code
    page.get_by_test_id("code").fill(f"{code[:4]}-{code[4:8]} {code[8:]}".lower())
    page.get_by_role("button", name="Open").first.click()
    wait_for(page, "ready")


def test_a_changed_record_is_not_saved(server: Server, visit: Visits) -> None:
    page = visit(server.share({"a": os.urandom(3 * MIB)}, damaged=1))
    wait_for(page, "ready")
    got: list[Download] = []
    page.on("download", lambda one: got.append(one))  # noqa: PLW0108 - Playwright marks it
    page.get_by_test_id("download").click()
    assert failure(page) == "UNSEAL"
    assert not got


def wrong_digest(manifest: dict[str, Any]) -> None:
    manifest["files"][0]["digest"] = "0" * 64


def test_a_file_with_another_digest_is_not_saved(server: Server, visit: Visits) -> None:
    page = visit(server.share({"a": b"a"}, change=wrong_digest))
    wait_for(page, "ready")
    page.get_by_test_id("download").click()
    assert failure(page) == "DIGEST_MISMATCH"


def larger(manifest: dict[str, Any]) -> None:
    manifest["files"][0]["size"] += 5 * MIB


def test_a_manifest_that_promises_more_than_there_is_is_refused_at_once(
    server: Server, visit: Visits
) -> None:
    page = visit(server.share({"a": b"a"}, change=larger))
    wait_for(page, "ready")
    page.get_by_test_id("download").click()
    assert failure(page) == "BAD_MANIFEST"


def name_it(name: str) -> Callable[[dict[str, Any]], None]:
    def change(manifest: dict[str, Any]) -> None:
        manifest["files"][0]["name"] = name

    return change


@pytest.mark.parametrize("name", ["../a", "/a", "a\\b", "a\x00b", "a\u202eb", "con", "a/", ""])
def test_a_name_that_leads_elsewhere_is_refused(server: Server, visit: Visits, name: str) -> None:
    assert failure(visit(server.share({"a": b"a"}, change=name_it(name)))) == "BAD_MANIFEST"


def test_markup_in_names_is_only_text(server: Server, visit: Visits) -> None:
    page = visit(
        server.share({"&lt;img src=x onerror=alert(1)&gt;.txt": b""}, note="<b onclick=x>hi</b>")
    )
    wait_for(page, "ready")
    assert page.get_by_test_id("note").inner_text() == "<b onclick=x>hi</b>"
    assert "&lt;img src=x" in page.get_by_test_id("files").inner_text()
    assert page.locator("main img, main b").count() == 0


WATCH = """() => {
    window.seen = [];
    const text = (id) => document.getElementById(id).textContent;
    window.addEventListener("ocft:change", ({detail}) => window.seen.push(
        [text("title"), detail.bytes, detail.bytesPerSecond, text("speed")]));
}"""


@pytest.mark.parametrize("host", ["localhost", LAN])
def test_a_download_goes_on_after_a_cut_and_after_a_reload(
    browser: Any, host: str, picture: Picture
) -> None:
    data = os.urandom(30 * MIB)
    cuts: Iterator[int] = iter([])
    with (
        CuttingProxy(0, bytes_until_cut=lambda: next(cuts, None)) as proxy,
        serving(public_url=f"http://{host}:{proxy.port}") as server,
    ):
        proxy.target = server.port
        shared: Shared = server.share({"a.bin": data}, max_downloads=1)
        page = Visits(browser, server)(shared, host=host, port=proxy.port)
        wait_for(page, "ready")
        cuts = iter([20 * MIB] * 8)
        proxy.cut()
        page.get_by_test_id("download").click()
        page.wait_for_function("() => window.ocft.bytes >= 15 * 1048576")
        proxy.go_down()
        page.get_by_text("Connection lost").wait_for()
        picture(page, f"connection-lost-{host}")
        cuts = iter([])
        before = proxy.bytes_down
        proxy.come_up()
        page.reload()
        wait_for(page, "ready")
        page.evaluate(WATCH)
        download = save(page)
        wait_for(page, "done")
        checked = [one for one in page.evaluate("window.seen") if one[0] == "Checking"]
        assert max(one[1] for one in checked) >= 8 * MIB
        assert not any(speed for _, _, speed, _ in checked)  # nothing came over the network
        assert not any(text for _, _, _, text in checked)
        assert content(download) == data
        assert proxy.bytes_down - before < 24 * MIB
        page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("device", "width"), [("phone", 360), ("desktop", 1280)])
def test_what_people_see(  # noqa: PLR0917 - the pictures are all combinations
    server: Server, visit: Visits, picture: Picture, scheme: Any, device: str, width: int
) -> None:
    files = {"Holiday/beach at dusk.jpg": os.urandom(2 * MIB), "Holiday/list.txt": b"x" * 900}
    size: Any = {"width": width, "height": 740}
    page = visit(
        server.share(files, note="The pictures from last week."),
        host=LAN,
        color_scheme=scheme,
        viewport=size,
    )
    wait_for(page, "ready")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    picture(page, f"download-ready-{device}-{scheme}")
    page.get_by_test_id("download").click()
    wait_for(page, "done")
    picture(page, f"download-done-{device}-{scheme}")
