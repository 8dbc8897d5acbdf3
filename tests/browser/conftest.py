"""A browser of this system. Without one these tests say so and skip."""

import os
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import pytest

pytest.importorskip("playwright", reason="needs playwright: pip install -e '.[dev]'")
pytest.importorskip("starlette", reason="needs ocft[share]: pip install -e '.[dev]'")

from tests.browser.serving import Server, Shared, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

_NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
LAN: Final = "lan.test"
"""A name of this machine that the browser takes for another one: a page of it has no WebCrypto."""
ARGUMENTS: Final = (f"--host-resolver-rules=MAP {LAN} 127.0.0.1",)


@pytest.fixture(scope="session")
def chromium() -> str:
    found = os.environ.get("OCFT_BROWSER") or next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        pytest.skip("needs a browser: apt-get install chromium, or OCFT_BROWSER=its path")
    return found


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator["Browser"]:
    from playwright.sync_api import sync_playwright

    # For one module only: while it runs, nothing else in this thread can run a loop of its own.
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield running
        running.close()


@pytest.fixture(scope="module")
def lan_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


@pytest.fixture(scope="module")
def server(lan_port: int) -> Iterator[Server]:
    with serving(port=lan_port, public_url=f"http://{LAN}:{lan_port}") as running:
        yield running


OWN: Final = ("data:image/svg+xml,", "blob:")  # the icon; what the page itself holds
HELPERS: Final = """
    const bytes = (text) => Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
    const text = (array) => btoa(String.fromCharCode(...array));
"""

_PATIENCE = 90_000.0  # milliseconds; a cut connection may be waited for, on a busy machine


class Visits:
    """Opens pages as people do, each in a browser without a history."""

    def __init__(self, browser: "Browser", server: Server) -> None:
        self._browser = browser
        self._server = server
        self.errors: list[str] = []
        self.asked: set[str] = set()
        """What was asked for, and of whom."""

    def __call__(
        self, shared: Shared | str, *, host: str = "localhost", upload: bool = False, **context: Any
    ) -> "Page":
        """Open a session's page.

        Args:
            shared: The session, or a fragment.
            host: The name in the address.
            upload: Whether as its sender.
            context: What the browser is like, for Playwright.
        """
        port = context.pop("port", self._server.port)
        page = self._browser.new_context(accept_downloads=True, **context).new_page()
        page.set_default_timeout(_PATIENCE)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda message: self._listen(message.text))
        page.context.on("request", lambda request: self.asked.add(request.url))
        fragment = shared if isinstance(shared, str) else shared.code
        if upload and isinstance(shared, Shared):
            fragment += f".{shared.sender_key}"
        page.goto(f"http://{host}:{port}/s/#{fragment}")
        return page

    def _listen(self, text: str) -> None:
        if "Content Security Policy" in text:
            self.errors.append(text)

    def strangers(self) -> list[str]:
        """Return what was asked of anybody but the server."""
        return [
            url
            for url in self.asked
            if urlsplit(url).hostname not in {"localhost", LAN} and not url.startswith(OWN)
        ]


@pytest.fixture
def visit(browser: "Browser", server: Server) -> Iterator[Visits]:
    visits = Visits(browser, server)
    yield visits
    for context in browser.contexts:
        context.close()
    assert not visits.errors
    assert not visits.strangers()


@pytest.fixture(params=["localhost", LAN])
def page(request: pytest.FixtureRequest, visit: Visits) -> "Page":
    """A page that does nothing, with and without WebCrypto."""
    return visit("", host=request.param)


def call(page: "Page", module: str, body: str, value: Any = None) -> Any:
    """Run a function's body with a module of the page as `m`, and a value as `v`."""
    code = f"async (v) => {{ {HELPERS} const m = await import('/s/assets/{module}'); {body} }}"
    return page.evaluate(code, value)


@pytest.fixture
def picture(request: pytest.FixtureRequest) -> Callable[["Page", str], None]:
    """Keeps what a page looks like, for people to look at."""
    folder = Path(os.environ.get("OCFT_SCREENSHOTS", request.config.rootpath / "screenshots"))

    def take(page: "Page", name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        # What sticks to the edge of a window would lie in the middle of a long picture. (The page's
        # own rules forbid a style sheet for it.)
        place = "where => { document.querySelector('.actions').style.position = where; }"
        page.evaluate(place, "static")
        page.screenshot(path=folder / f"{name}.png", full_page=True)
        page.evaluate(place, "")

    return take


def wait_for(page: "Page", state: str) -> dict[str, Any]:
    """Wait until the page is in a state; return what it shows to programs."""
    page.wait_for_function(
        "want => window.ocft && [want, 'failed'].includes(window.ocft.state)", arg=state
    )
    shown: dict[str, Any] = page.evaluate("window.ocft")
    assert shown["state"] == state, shown["error"]
    return shown
