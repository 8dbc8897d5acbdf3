"""The page for people with a keyboard, a screen reader, weak eyes or a small screen."""

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.browser.conftest import LAN, Visits, wait_for
from tests.browser.serving import Server

if TYPE_CHECKING:
    from playwright.sync_api import Page

Picture = Callable[["Page", str], None]
MIB: Final = 1024 * 1024
NOTE: Final = "Everything from last week, and alsosomethingwithoutanyblankinitthatisverylong" * 2
FILES: Final = {
    "Holiday/beach at dusk.jpg": bytes(2 * MIB),
    "Holiday/" + "a_very_long_name_without_any_blank_" * 4 + ".txt": b"x" * 900,
}
READY: Final = "() => ['ready', 'locked', 'failed', 'done'].includes(window.ocft?.state)"
HELD: Final = "() => window.ocft?.state === 'transferring' && window.ocft.bytes >= 1048576"


def hold(page: "Page") -> None:
    """Let a download begin, and its second half wait."""
    page.context.route("**/content", lambda route: route.abort())


def download(server: Server, visit: Visits, **context: Any) -> "Page":
    page = visit(server.share(FILES, note=NOTE), host=LAN, **context)
    page.wait_for_function(READY)
    return page


def waiting(server: Server, visit: Visits, **context: Any) -> "Page":
    page = download(server, visit, **context)
    hold(page)
    page.get_by_test_id("download").click()
    page.get_by_text("Connection lost").wait_for()
    return page


def done(server: Server, visit: Visits, **context: Any) -> "Page":
    page = download(server, visit, **context)
    page.get_by_test_id("download").click()
    wait_for(page, "done")
    return page


def many_done(server: Server, visit: Visits, **context: Any) -> "Page":
    page = visit(server.share({f"a folder/{at}": b"" for at in range(30)}), **context)
    page.wait_for_function(READY)
    page.get_by_test_id("download").click()
    wait_for(page, "done")
    return page


def wrong_password(server: Server, visit: Visits, **context: Any) -> "Page":
    page = visit(server.share({"a": b"a"}, password="right"), **context)
    page.wait_for_function(READY)
    page.get_by_test_id("password").fill("wrong")
    page.get_by_test_id("unlock").click()
    page.get_by_test_id("error").wait_for()
    return page


def no_code(server: Server, visit: Visits, **context: Any) -> "Page":
    page = visit("", **context)
    page.get_by_test_id("code").fill("what")
    page.get_by_role("button", name="Open").click()
    page.get_by_test_id("error").wait_for()
    return page


def over(server: Server, visit: Visits, **context: Any) -> "Page":
    shared = server.share({"a": b"a"})
    shared.delete()
    page = visit(shared, **context)
    page.get_by_test_id("error").wait_for()
    return page


def upload(server: Server, visit: Visits, **context: Any) -> "Page":
    page = visit(server.share(None), host=LAN, upload=True, **context)
    page.wait_for_function(READY)
    files: list[Any] = [
        {"name": name.split("/")[1], "mimeType": "a/b", "buffer": data}
        for name, data in FILES.items()
    ]
    page.get_by_test_id("file-input").set_input_files(files)
    return page


SCENES: Final[dict[str, Callable[..., "Page"]]] = {
    "download": download,
    "connection lost": waiting,
    "done": done,
    "many done": many_done,
    "wrong password": wrong_password,
    "no code": no_code,
    "link over": over,
    "upload": upload,
}
scenes = pytest.mark.parametrize("scene", SCENES)
NARROW: Final[Any] = {"width": 320, "height": 640}


@scenes
def test_a_narrow_phone_does_not_scroll_sideways(
    server: Server, visit: Visits, picture: Picture, scene: str
) -> None:
    page = SCENES[scene](server, visit, viewport=NARROW, has_touch=True, is_mobile=True)
    picture(page, f"narrow-{scene.replace(' ', '-')}")
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    beyond = """() => [...document.querySelectorAll("main *, footer *")]
        .filter((one) => one.checkVisibility() && !one.classList.contains("unseen"))
        .filter((one) => one.getBoundingClientRect().right > 320.5
            || (one.tagName !== "INPUT" && one.scrollWidth > one.clientWidth + 1
                && getComputedStyle(one).overflowX !== "visible"))
        .map((one) => one.outerHTML.slice(0, 80))"""
    assert page.evaluate(beyond) == []


# Luminance and contrast as WCAG 2.2 has them; what is half transparent is blended with what is
# behind it.
CONTRAST: Final = """() => {
    const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
    const rgba = (color) => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = color;
        canvas.fillRect(0, 0, 1, 1);
        const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
        return [r, g, b, a / 255];
    };
    const over = ([r, g, b, a], under) => [r, g, b].map((one, i) => one * a + under[i] * (1 - a));
    const behind = (element) => {
        if (!element) return [255, 255, 255];
        const own = rgba(getComputedStyle(element).backgroundColor);
        return own[3] === 1 ? own.slice(0, 3) : over(own, behind(element.parentElement));
    };
    const light = (rgb) => {
        const [r, g, b] = rgb.map((one) => one / 255)
            .map((one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const contrast = (one, other) => {
        const [dark, bright] = [light(one), light(other)].sort((a, b) => a - b);
        return (bright + 0.05) / (dark + 0.05);
    };
    const found = [];
    const check = (element, what, color, ground, least) => {
        const is = contrast(over(rgba(color), ground), ground);
        const which = element.id || element.className || element.tagName;
        found.push([is >= least, `${what} ${which}`, is]);
    };
    for (const element of document.querySelectorAll("body *")) {
        if (!element.checkVisibility({opacityProperty: true}) || element.disabled) continue;
        const style = getComputedStyle(element);
        const hasText = element.value || [...element.childNodes].some(
            (one) => one.nodeType === Node.TEXT_NODE && one.data.trim());
        if (hasText) check(element, "text of", style.color, behind(element), 4.5);
        if (element.matches("input, button, progress")) {
            const isFilled = contrast(behind(element), behind(element.parentElement)) >= 3;
            const edge = isFilled ? style.backgroundColor : style.borderTopColor;
            if (element.type !== "checkbox") {
                check(element, "edge of", edge, behind(element.parentElement), 3);
            }
        }
    }
    return found;
}"""


@scenes
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_by_weak_eyes(
    server: Server, visit: Visits, scheme: Any, scene: str, picture: Picture
) -> None:
    page = SCENES[scene](server, visit, color_scheme=scheme)
    picture(page, f"{scheme}-{scene.replace(' ', '-')}")
    found = page.evaluate(CONTRAST)
    assert len(found) >= 3
    assert [(what, ratio) for is_enough, what, ratio in found if not is_enough] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_focus_can_be_seen(server: Server, visit: Visits, scheme: Any) -> None:
    page = download(server, visit, color_scheme=scheme)
    page.keyboard.press("Tab")
    shown = page.evaluate("""() => {
        const style = getComputedStyle(document.activeElement);
        return [document.activeElement.id, style.outlineStyle, parseFloat(style.outlineWidth)];
    }""")
    assert shown == ["all", "solid", 3]


def tree(page: "Page") -> list[tuple[str, str, dict[str, Any]]]:
    """Return what Chromium tells screen readers: role, name and properties."""
    session = page.context.new_cdp_session(page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    session.detach()
    return [
        (
            node.get("role", {}).get("value", ""),
            node.get("name", {}).get("value", ""),
            {one["name"]: one["value"].get("value") for one in node.get("properties", [])}
            | {"description": node.get("description", {}).get("value", "")},
        )
        for node in nodes
        if not node.get("ignored")
    ]


NAMED: Final = {"button", "checkbox", "textbox", "progressbar", "list", "region", "link", "heading"}


@scenes
def test_a_screen_reader_finds_names_and_headings(
    server: Server, visit: Visits, scene: str
) -> None:
    nodes = tree(SCENES[scene](server, visit))
    assert [role for role, name, _ in nodes if role in NAMED and not name.strip()] == []
    focusable = {role for role, _, more in nodes if more.get("focusable")}
    assert focusable <= NAMED | {"RootWebArea"}
    levels = [int(more["level"]) for role, _, more in nodes if role == "heading"]
    assert levels.count(1) == 1
    assert levels == sorted(levels)
    roles = [role for role, _, _ in nodes]
    assert roles.count("main") == 1
    assert roles.count("status") >= 1
    title = next(name for role, name, _ in nodes if role == "RootWebArea")
    assert title.endswith("· OCFT")


def test_a_screen_reader_is_told_which_file_a_button_is_for(server: Server, visit: Visits) -> None:
    buttons = [name for role, name, _ in tree(upload(server, visit)) if role == "button"]
    assert "Remove beach at dusk.jpg" in buttons


@pytest.mark.parametrize("scene", ["wrong password", "no code"])
def test_a_field_says_what_is_wrong_with_it(server: Server, visit: Visits, scene: str) -> None:
    nodes = tree(SCENES[scene](server, visit))
    (field,) = [more for role, _, more in nodes if role == "textbox"]
    (alert,) = [more for role, _, more in nodes if role == "alert"]
    assert field["invalid"] == "true"
    assert alert["live"] == "assertive"
    assert "This is" in field["description"]
    assert field["focused"]


SPOKEN: Final = """() => {
    window.spoken = [];
    const note = (list) => {
        for (const {target} of list) {
            const element = target.nodeType === 1 ? target : target.parentElement;
            const region = element?.closest("[role=status], [role=alert], [aria-live]");
            if (region) window.spoken.push(region.textContent);
        }
    };
    const how = {subtree: true, childList: true, characterData: true};
    new MutationObserver(note).observe(document.body, how);
}"""


def test_a_screen_reader_is_not_talked_over(server: Server, visit: Visits) -> None:
    page = visit(server.share({"big.bin": bytes(60 * MIB)}), host=LAN)
    wait_for(page, "ready")
    page.evaluate(SPOKEN)
    page.get_by_test_id("download").click()
    wait_for(page, "done")
    spoken = [one for one in page.evaluate("window.spoken") if one]
    assert any(one.endswith("%") for one in spoken)
    assert len(spoken) <= 6  # three of progress, the beginning, the end


def focused(page: "Page") -> str:
    return str(
        page.evaluate("""() => {
            const one = document.activeElement;
            return one.id || one.closest("label")?.innerText.split("\\n")[0] || one.innerText;
        }""")
    )


def presses(page: "Page", key: str) -> Iterator[str]:
    while True:
        page.keyboard.press(key)
        yield focused(page)


def test_a_keyboard_is_enough_to_download(server: Server, visit: Visits) -> None:
    page = visit(server.share({"a.txt": b"a", "b.txt": b"b"}))
    wait_for(page, "ready")
    assert focused(page) == "title"
    tab = presses(page, "Tab")
    assert [next(tab) for _ in range(4)] == ["all", "a.txt", "b.txt", "download"]
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Space")
    assert "1 file" in page.get_by_test_id("download").inner_text()
    page.keyboard.press("Tab")
    with page.expect_download() as saved:
        page.keyboard.press("Enter")
    assert saved.value.suggested_filename == "a.txt"
    wait_for(page, "done")
    assert focused(page) == "title"


def test_a_keyboard_is_enough_to_stop_and_go_on(server: Server, visit: Visits) -> None:
    page = download(server, visit)
    hold(page)
    page.get_by_test_id("download").focus()
    page.keyboard.press("Enter")
    page.get_by_text("Connection lost").wait_for()
    assert focused(page) == "cancel"
    page.keyboard.press("Enter")
    page.get_by_text("Stopped.").wait_for()
    assert focused(page) == "download"
    page.context.unroute("**/content")
    page.keyboard.press("Enter")
    wait_for(page, "done")


def test_a_keyboard_is_enough_to_unlock(server: Server, visit: Visits) -> None:
    page = visit(server.share({"a": b"a"}, password="right"))
    wait_for(page, "locked")
    assert focused(page) == "password"
    page.keyboard.type("right")
    page.keyboard.press("Enter")
    wait_for(page, "ready")


def test_a_keyboard_is_enough_to_send(server: Server, visit: Visits) -> None:
    shared = server.share(None)
    page = visit(shared, upload=True)
    files: list[Any] = [
        {"name": name, "mimeType": "a/b", "buffer": name.encode()} for name in ("a", "b")
    ]
    page.on("filechooser", lambda chooser: chooser.set_files(files))
    wait_for(page, "ready")
    tab = presses(page, "Tab")
    assert next(tab) == "pick-files"
    page.keyboard.press("Enter")
    page.get_by_text("2 files added").wait_for()
    assert [next(tab) for _ in range(6)] == [
        *("pick-folder", "Remove", "Remove", "from", "message", "upload")
    ]
    page.keyboard.press("Enter")
    wait_for(page, "done")
    assert focused(page) == "title"
    assert shared.arrived()[1] == b"ab"


def test_after_a_failure_the_focus_is_where_one_can_go_on(server: Server, visit: Visits) -> None:
    page = visit(server.share({"a": bytes(MIB)}, damaged=0))
    wait_for(page, "ready")
    page.get_by_test_id("download").click()
    page.wait_for_function("() => window.ocft.state === 'failed'")
    assert focused(page) == "retry"


def test_nothing_moves_so_nobody_has_to_ask_for_that(visit: Visits) -> None:
    rules = """() => [...document.styleSheets].flatMap((sheet) => [...sheet.cssRules])
        .map((rule) => rule.cssText).join("\\n")"""
    style = visit("").evaluate(rules)
    assert "background" in style
    assert not re.search("transition|animation|scroll-behavior", style)
