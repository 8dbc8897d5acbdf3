"""A person puts files in for an agent."""

import hashlib
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.conftest import LAN, Visits, wait_for
from tests.browser.serving import Server, serving
from tests.share.cutting_proxy import CuttingProxy

if TYPE_CHECKING:
    from playwright.sync_api import Page

MIB = 1024 * 1024


def file(name: str, data: bytes) -> Any:
    return {"name": name, "mimeType": "application/octet-stream", "buffer": data}


@pytest.mark.parametrize("host", ["localhost", LAN])
def test_files_put_in_arrive_sealed_under_safe_names(
    server: Server, visit: Visits, host: str, picture: Callable[["Page", str], None]
) -> None:
    shared = server.share(None)
    page = visit(shared, host=host, upload=True, viewport={"width": 360, "height": 740})
    assert wait_for(page, "ready")["page"] == "upload"
    data = os.urandom(3 * MIB)
    page.get_by_test_id("file-input").set_input_files(
        [file("a:b.txt", b"hello"), file("a_b.txt", b""), file("big.bin", data)]
    )
    page.get_by_test_id("from").fill("Bob")
    picture(page, f"upload-ready-{host}")
    page.get_by_test_id("upload").click()
    wait_for(page, "done")
    manifest, content = shared.arrived()
    assert manifest["from"] == "Bob"
    assert [one["name"] for one in manifest["files"]] == ["a_b.txt", "a_b (1).txt", "big.bin"]
    assert manifest["files"][2]["digest"] == hashlib.sha256(data).hexdigest()
    assert content == b"hello" + data


def test_a_file_can_be_taken_out_again(server: Server, visit: Visits) -> None:
    shared = server.share(None)
    page = visit(shared, upload=True)
    wait_for(page, "ready")
    page.get_by_test_id("file-input").set_input_files([file("a", b"a"), file("b", b"b")])
    page.get_by_role("button", name="Remove a").click()
    page.get_by_test_id("upload").click()
    wait_for(page, "done")
    assert shared.arrived()[1] == b"b"


def test_an_upload_goes_on_after_cuts(browser: Any) -> None:
    data = os.urandom(12 * MIB)
    with CuttingProxy(0) as proxy, serving(public_url=f"http://localhost:{proxy.port}") as server:
        proxy.target = server.port
        shared = server.share(None)
        page = Visits(browser, server)(shared, upload=True, port=proxy.port)
        wait_for(page, "ready")
        page.get_by_test_id("file-input").set_input_files([file("a", data)])
        page.get_by_test_id("upload").click()
        page.wait_for_function("() => window.ocft.bytes > 0")
        proxy.go_down()
        proxy.come_up()
        wait_for(page, "done")
        assert shared.arrived()[1] == data
        page.context.close()


def test_a_wrong_sender_key_puts_nothing_in(server: Server, visit: Visits) -> None:
    shared = server.share(None)
    page = visit(f"{shared.code}.{'A' * 43}")
    wait_for(page, "ready")
    page.get_by_test_id("file-input").set_input_files([file("a", b"a")])
    page.get_by_test_id("upload").click()
    page.wait_for_function("() => window.ocft.state === 'failed'")
    assert page.evaluate("window.ocft.error.code") == "NOT_AUTHORISED"


def test_bytes_that_are_stored_after_the_page_asked_for_its_place_are_no_conflict(
    server: Server, visit: Visits
) -> None:
    """The server still writes what came before a break; the next request is a little late."""
    shared = server.share(None)
    data = os.urandom(3 * MIB)
    page = visit(shared, upload=True)
    wait_for(page, "ready")
    sent: list[dict[str, str]] = []
    asked: list[str] = []

    def lose_the_answer(route: Any) -> None:
        if route.request.method == "PATCH" and not sent:
            sent.append(route.request.headers)
            route.fetch()
            route.abort()
        elif route.request.method == "HEAD" and not asked:
            asked.append(route.request.url)
            headers = {"Upload-Offset": "0", "OCFT-Salt": sent[0]["ocft-salt"]}
            route.fulfill(status=200, headers=headers)
        else:
            route.continue_()

    page.context.route("**/content", lose_the_answer)
    page.get_by_test_id("file-input").set_input_files([file("a", data)])
    page.get_by_test_id("upload").click()
    wait_for(page, "done")
    assert asked
    assert shared.arrived()[1] == data
