"""What the page does when the server, the connection or the browser misbehave."""

from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.conftest import LAN, Visits, call

if TYPE_CHECKING:
    from playwright.sync_api import Page

ANSWERS = """
    const asked = async (method, answer, ...rest) => {
        window.fetch = answer;
        try {
            return ["fine", await new m.Service("/", "id")[method](...rest)];
        } catch (error) {
            return [error.code, error.retryable, error.retryAfter];
        }
    };
"""


def ask(page: "Page", method: str, answer: str, rest: str = "") -> list[Any]:
    """Call a method of the service when the browser's `fetch` does what is said."""
    body = f"{ANSWERS} return asked('{method}', {answer}{rest and ', ' + rest})"
    found: list[Any] = call(page, "service.js", body)
    return found


@pytest.mark.parametrize("method", ["manifest", "look"])
def test_an_answer_without_an_end_is_refused(page: "Page", method: str) -> None:
    answer = """async () => new Response(new ReadableStream({
        pull(controller) { controller.enqueue(new Uint8Array(65536)); },
    }))"""
    assert ask(page, method, answer)[0] == "BAD_ANSWER"


def test_a_server_that_never_answers_is_a_lost_connection(page: "Page") -> None:
    answer = """(_, {signal}) => new Promise((_, reject) => {
        signal.addEventListener("abort", () => reject(new DOMException("", "AbortError")));
    })"""
    found = ask(page, "content", answer, "0, 16, AbortSignal.timeout(10)")
    assert found[:2] == ["NETWORK", True]


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (409, '{"error": {"code": "SOURCE_CHANGED"}}', "SENDER_CHANGED"),
        (409, '{"error": {"code": "CONFLICT"}}', "CONFLICT"),
        (409, "<html>", "CONFLICT"),
        (421, "{}", "WRONG_HOST"),
        (404, "{}", "NO_SESSION"),
        (502, "<html>", "NETWORK"),
        (408, "{}", "NETWORK"),
        (418, "{}", "BAD_ANSWER"),
    ],
)
def test_a_refusal_is_told_by_its_reason(page: "Page", status: int, body: str, code: str) -> None:
    answer = f"async () => new Response({body!r}, {{status: {status}}})"
    assert ask(page, "look", answer)[0] == code


@pytest.mark.parametrize(
    ("begin", "status", "header", "code"),
    [
        (0, 200, "'Content-Length': '16'", "fine"),
        (0, 200, "", "fine"),  # a proxy left it out
        (0, 200, "'Content-Length': '17'", "BAD_MANIFEST"),
        (0, 206, "'Content-Range': 'bytes 0-15/16'", "BAD_ANSWER"),
        (8, 206, "'Content-Range': 'bytes 8-15/16'", "fine"),
        (8, 206, "'Content-Range': 'bytes 8-15/17'", "BAD_MANIFEST"),
        (8, 206, "'Content-Range': 'bytes 9-15/16'", "BAD_ANSWER"),
        (8, 206, "'Content-Range': 'bytes 8-15/*'", "BAD_ANSWER"),
        (8, 200, "", "BAD_ANSWER"),
    ],
)
def test_content_of_another_size_is_refused_before_it_is_read(
    page: "Page", begin: int, status: int, header: str, code: str
) -> None:
    headers = f"{{'OCFT-Salt': 'A'.repeat(22), {header}}}"
    answer = f"async () => new Response('', {{status: {status}, headers: {headers}}})"
    assert ask(page, "content", answer, f"{begin}, 16")[0] == code


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [("7", 7, 7), ("0", 0, 0), ("new Date(Date.now() + 60000).toUTCString()", 50, 60)],
)
def test_a_server_says_how_long_to_wait_in_seconds_or_as_a_date(
    page: "Page", header: str, least: int, most: int
) -> None:
    answer = f"async () => new Response('', {{status: 429, headers: {{'Retry-After': {header}}}}})"
    code, is_retryable, seconds = ask(page, "look", answer)
    assert (code, is_retryable) == ("RATE_LIMITED", True)
    assert least <= seconds <= most


@pytest.mark.parametrize("header", ["", "'Retry-After': 'soon'"])
def test_a_server_that_says_no_time_is_not_asked_again(page: "Page", header: str) -> None:
    answer = f"async () => new Response('', {{status: 429, headers: {{{header}}}}})"
    assert ask(page, "look", answer) == ["RATE_LIMITED", False, None]


def test_a_pause_of_no_seconds_is_a_pause(page: "Page") -> None:
    body = """
        const { ShareError } = await import("/s/assets/errors.js");
        const pauses = [];
        const stopper = new AbortController();
        const waiting = (seconds) => {
            if (seconds) pauses.push(seconds);
            if (pauses.length === 2) stopper.abort();
        };
        const refuse = async () => {
            throw new ShareError("RATE_LIMITED", { retryable: true, retryAfter: v });
        };
        try {
            await new m.Persistence(waiting, stopper.signal).run(refuse);
        } catch (error) {
            return [error.code, pauses];
        }
    """
    assert call(page, "pacing.js", body, 0) == ["CANCELLED", [1, 2]]
    assert call(page, "pacing.js", body, 3600) == ["RATE_LIMITED", []]


PLAN = """
    const MIB = 1048576;
    const plan = (sizes, wanted) => {
        const files = sizes.map((size, at) => ({ name: `f${at}`, size, digest: null }));
        return m.planOf({ files, size: sizes.reduce((a, b) => a + b, 0) }, wanted);
    };
"""


def test_what_nobody_wants_between_two_files_is_not_fetched(page: "Page") -> None:
    body = f"""{PLAN}
        const {{ runs, files, total }} = plan([MIB / 2, 40 * MIB, 0, 3 * MIB], [0, 2, 3]);
        const where = runs.map((run) => [run.first, run.last, run.at]);
        return [where, files.map((file) => file.at), total];
    """
    mib = 1024 * 1024
    runs, places, total = call(page, "receiving.js", body)
    assert runs == [[0, 1, 0], [40, 44, mib]]
    assert places == [0, 0, mib + mib // 2]
    assert total == mib + 3 * mib + mib // 2


def test_few_records_between_two_files_are_fetched_along(page: "Page") -> None:
    body = (
        f"{PLAN} return plan([MIB, 8 * MIB, MIB], [0, 2]).runs.map((run) => [run.first, run.last])"
    )
    assert call(page, "receiving.js", body) == [[0, 10]]


def test_of_files_without_a_byte_one_record_is_asked_for(page: "Page") -> None:
    body = f"{PLAN} return plan([0, MIB, 0], [0, 2]).runs.map((run) => [run.first, run.last])"
    assert call(page, "receiving.js", body) == [[0, 1]]


RECEIVING = (
    PLAN
    + """
    const { Records } = await import("/s/assets/keys.js");
    const key = new Uint8Array(32);
    const salt = new Uint8Array(16);
    const size = 4 * MIB + 5;
    const sealed = [];
    const records = await Records.open(key, "id", salt, 5);
    for (let at = 0; at < 5; at += 1) {
        const plaintext = new Uint8Array(Math.min(MIB, size - at * MIB)).fill(at + 1);
        sealed.push(await records.seal(at, plaintext));
    }
    const whole = new Uint8Array(await new Blob(sealed).arrayBuffer());
    const asked = [];
    const service = {
        id: "id",
        damage: null,
        async content(from) {
            asked.push(from / (MIB + 16));
            const rest = whole.slice(from);
            const wrong = this.damage?.(from);
            if (wrong >= from) rest[wrong - from] ^= 1;
            return { salt, body: new Response(rest).body };
        },
    };
    const report = { progress() {}, checking() {}, waiting() {} };
    const sink = {
        held: 0,
        parts: [],
        async write(bytes) { this.parts.push(bytes.slice()); this.held += bytes.length; },
        async *reread(from) {
            const all = new Uint8Array(await new Blob(this.parts).arrayBuffer());
            for (let at = from; at < this.held; at += MIB) yield all.slice(at, at + MIB);
        },
        async seen() {
            const all = new Uint8Array(await new Blob(this.parts).arrayBuffer());
            return [all.length, all.every((byte, at) => byte === Math.floor(at / MIB) + 1)];
        },
    };
    const receiving = new m.Receiving(service, key, plan([size], [0]), sink, report);
    const signal = new AbortController().signal;
"""
)
WHOLE = [4 * 1024 * 1024 + 5, True]


def test_a_record_that_was_damaged_on_its_way_is_fetched_once_more(page: "Page") -> None:
    body = f"""{RECEIVING}
        service.damage = (from) => (asked.length === 1 ? 2 * (MIB + 16) : -1);
        await receiving.receive(signal);
        return [asked, await sink.seen()];
    """
    assert call(page, "receiving.js", body) == [[0, 2], WHOLE]


def test_a_record_that_is_damaged_twice_ends_it(page: "Page") -> None:
    body = f"""{RECEIVING}
        service.damage = () => 2 * (MIB + 16);
        try {{ await receiving.receive(signal); }} catch (error) {{ return [asked, error.code]; }}
    """
    assert call(page, "receiving.js", body) == [[0, 2], "UNSEAL"]


def test_who_stops_while_what_came_earlier_is_checked_goes_on_there(page: "Page") -> None:
    body = f"""{RECEIVING}
        for (let at = 0; at < 3; at += 1) await sink.write(new Uint8Array(MIB).fill(at + 1));
        const stopper = new AbortController();
        report.checking = () => stopper.abort();
        let code = "not stopped";
        try {{ await receiving.receive(stopper.signal); }} catch (error) {{ code = error.code; }}
        const checked = receiving.done / MIB;
        await receiving.receive(signal);
        return [code, checked, asked, await sink.seen()];
    """
    assert call(page, "receiving.js", body) == ["CANCELLED", 1, [3], WHOLE]


def test_two_tabs_with_one_link_do_not_write_into_one_place(visit: Visits) -> None:
    begin = """
        window.place = await m.openStaging("link", 3 * 1048576);
        await window.place.write(new Uint8Array(1048576));
        return [window.place.name, window.place.held];
    """
    again = (
        "const place = await m.openStaging('link', 3 * 1048576); return [place.name, place.held]"
    )
    first = visit("", host=LAN)
    second = first.context.new_page()
    second.goto(first.url)
    name, _ = call(first, "staging.js", begin)
    other, held = call(second, "staging.js", begin)
    assert (name, held) == ("ocft-link", 1024 * 1024)
    assert other.startswith("ocft-link-")
    second.close()
    call(first, "staging.js", "return window.place.blob().then(() => null)")
    first.reload()
    assert call(first, "staging.js", again) == [name, 1024 * 1024]


def test_storage_that_was_cleared_meanwhile_is_not_taken_for_a_file(visit: Visits) -> None:
    body = """
        const place = await m.openStaging("lost", 30 * 1048576);
        for (let at = 0; at < 20; at += 1) await place.write(new Uint8Array(1048576));
        const all = place.db.transaction("parts", "readwrite");
        all.objectStore("parts").clear();
        await new Promise((resolve) => { all.oncomplete = resolve; });
        try { return (await place.blob()).size; } catch (error) { return error.code; }
    """
    assert call(visit("", host=LAN), "staging.js", body) == "STORAGE_LOST"


SINK = """
    const outcome = async (attempt) => {
        try { return await attempt(); } catch (error) { return error.code; }
    };
"""


@pytest.mark.parametrize("code", ["NO_SPACE", "CANCELLED"])
def test_a_download_that_the_browser_does_not_begin_is_given_up(page: "Page", code: str) -> None:
    body = f"""{SINK}
        const sink = new m.StreamedDownloads(() => setTimeout(() => sink.stop(v)));
        return outcome(() => sink.piece({{}}, new Uint8Array(5)));
    """
    assert call(page, "sinks.js", body, code) == code


def test_an_empty_file_that_the_browsers_dialog_made_is_taken_away(visit: Visits) -> None:
    body = """
        const root = await navigator.storage.getDirectory();
        const names = async () => {
            const found = [];
            for await (const name of root.keys()) found.push(name);
            return found.sort();
        };
        const file = await root.getFileHandle("new", { create: true });
        const old = await root.getFileHandle("old", { create: true });
        const writable = await old.createWritable();
        await writable.write("what was there");
        await writable.close();
        const sink = new m.ChosenFiles(new Map([[0, file], [1, old]]));
        await sink.piece({ index: 0 }, new Uint8Array(5));
        await sink.piece({ index: 1 }, new Uint8Array(5));
        await sink.discard();
        return names();
    """
    assert call(visit(""), "sinks.js", body) == ["old"]
