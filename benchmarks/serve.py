"""What `ocft serve` does under load: 200 sessions at once, and people who open the page meanwhile.

    python benchmarks/serve.py            # the table in benchmarks/README.md
    python benchmarks/serve.py --quick    # 20 sessions

The server is the command in a process of its own. A second process has all sessions at once, each
with five files of 1 MB: it makes the session, seals and uploads them, fetches them, opens each
record, compares the digest and gives a receipt. In a third one some people open the page again
and again, on new connections each time, six at once as a browser has them, until all is fetched.
"""

import argparse
import asyncio
import base64
import hashlib
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from nodes import MB, Table, add_common, scratch

from ocft.crypto import (
    SEALED_RECORD,
    RecordOpener,
    RecordSealer,
    format_octets,
    make_salt,
    record_count,
)

FILES = 5
"""Of each session: 200 sessions have 1,000 files."""
SIZE = FILES * MB
PIECE = 4 * SEALED_RECORD
"""Bytes of one request that uploads."""
PEOPLE = 4
WAVES = (("style.css", "page.js"), ("worker.js",))
"""What the page asks for, at once; the worker is started by the script."""
GOAL_P99 = 0.2  # seconds
API = "/api/v1/sessions"
MIB = 1 << 20
LIMIT = 1 << 20  # bytes that are read ahead


class Web:
    """One connection that is kept; as little of a client as there can be, for it shares the CPU.

    Args:
        port: The server's, on this machine.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._open: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(
        self, method: str, path: str, expected: int, body: bytes = b"", **headers: str
    ) -> tuple[bytes, dict[str, str]]:
        """Ask, and return the body and the headers of the answer that was expected."""
        if self._open is None:
            self._open = await asyncio.open_connection("127.0.0.1", self._port, limit=LIMIT)
        reader, writer = self._open
        rows = {"Host": f"127.0.0.1:{self._port}"} | headers
        if method not in {"GET", "HEAD", "DELETE"}:
            rows["Content-Length"] = str(len(body))
        lines = [f"{method} {path} HTTP/1.1"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in rows.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        writer.write(body)
        await writer.drain()
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *rest = head[:-4].split("\r\n")
        answered = dict(line.lower().split(": ", 1) for line in rest)
        # What is base64url is wanted as it came.
        answered |= {
            name: line.split(": ", 1)[1]
            for line in rest
            if (name := line.split(": ", 1)[0].lower()) == "ocft-salt"
        }
        length = 0 if method == "HEAD" else int(answered.get("content-length", "0"))
        data = await reader.readexactly(length)
        if answered.get("connection") == "close":
            self.close()
        if int(first.split()[1]) != expected:
            raise RuntimeError(f"{method} {path}: {first}, {data[:200]!r}")
        return data, answered

    def close(self) -> None:
        """Close the connection."""
        if self._open is not None:
            self._open[1].close()
            self._open = None


async def use_session(port: int, plain: bytes, rounds: int) -> None:
    """Put five files into a session of its own, and fetch them."""
    web = Web(port)
    session = base64.b32encode(os.urandom(16)).decode().rstrip("=").lower()
    key, salt = os.urandom(32), make_salt()
    path = f"{API}/{session}"
    made, _ = await _post(web, API, 201, {"id": session, "expires_in": 600})
    auth = f"Bearer {json.loads(made)['sender_key']}"
    sealer = RecordSealer(key, session, salt, record_count(len(plain)))
    records = [
        sealer.seal(number, plain[start : start + MIB])
        for number, start in enumerate(range(0, len(plain), MIB))
    ]
    sealed = b"".join(records)
    for offset in range(0, len(sealed), PIECE):
        await web.ask(
            "PATCH",
            f"{path}/content",
            204,
            sealed[offset : offset + PIECE],
            Authorization=auth,
            Upload_Offset=str(offset),
            Upload_Length=str(len(sealed)),
            OCFT_Salt=format_octets(salt),
        )
    await web.ask("PUT", f"{path}/manifest", 204, os.urandom(500), Authorization=auth)
    await web.ask("POST", f"{path}/complete", 204, Authorization=auth)
    digest = hashlib.sha256(plain).digest()
    for _ in range(rounds):
        joined, _ = await _post(web, f"{path}/downloads", 201, {})
        download = json.loads(joined)
        token = f"Bearer {download['token']}"
        await web.ask("GET", f"{path}/manifest", 200, Authorization=token)
        data, answered = await web.ask("GET", f"{path}/content", 200, Authorization=token)
        if answered["ocft-salt"] != format_octets(salt):
            raise RuntimeError("another salt")
        if await asyncio.to_thread(_digest_of, data, key, session, salt) != digest:
            raise RuntimeError("another content")
        done = f"{path}/downloads/{download['download']}/done"
        await _post(web, done, 204, {"ok": True}, Authorization=token)
    await web.ask("DELETE", path, 204, Authorization=auth)
    web.close()


def _digest_of(sealed: bytes, key: bytes, session: str, salt: bytes) -> bytes:
    opener = RecordOpener(key, session, salt, -(-len(sealed) // SEALED_RECORD))
    digest = hashlib.sha256()
    view = memoryview(sealed)
    for number, start in enumerate(range(0, len(sealed), SEALED_RECORD)):
        digest.update(opener.open(number, view[start : start + SEALED_RECORD]))
    return digest.digest()


async def _post(
    web: Web, path: str, expected: int, body: object, **headers: str
) -> tuple[bytes, dict[str, str]]:
    data = json.dumps(body).encode()
    return await web.ask(
        "POST", path, expected, data, **{"Content-Type": "application/json"}, **headers
    )


async def have_sessions(port: int, number: int, rounds: int) -> None:
    """Have all sessions at once, and print how it went as JSON."""
    plain = [os.urandom(SIZE) for _ in range(8)]
    start = time.monotonic()
    ends = await asyncio.gather(
        *(use_session(port, plain[one % len(plain)], rounds) for one in range(number)),
        return_exceptions=True,
    )
    errors = [repr(one) for one in ends if one is not None]
    print(json.dumps({"seconds": time.monotonic() - start, "errors": errors}))


@dataclass
class Opened:
    """How long the page took, and what else there was to see."""

    seconds: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


async def open_page(port: int) -> None:
    """Open the page as a browser does, on new connections, without anything kept from before."""
    webs = [Web(port) for _ in WAVES[0]]
    try:
        await webs[0].ask("GET", "/s/", 200)
        for wave in WAVES:
            await asyncio.gather(
                *(
                    web.ask("GET", f"/s/assets/{name}", 200)
                    for web, name in zip(webs, wave, strict=False)
                )
            )
    finally:
        for web in webs:
            web.close()


async def be_people(ports: list[int]) -> None:
    """Open the page of each server in turn until a signal comes, and print how it went as JSON."""
    opened, is_over = [Opened() for _ in ports], asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, is_over.set)

    async def be_somebody() -> None:
        while not is_over.is_set():
            for port, seen in zip(ports, opened, strict=True):
                start = time.monotonic()
                try:
                    await open_page(port)
                except (OSError, RuntimeError, EOFError) as error:
                    seen.errors.append(repr(error))
                seen.seconds.append(time.monotonic() - start)
                with suppress(TimeoutError):
                    await asyncio.wait_for(is_over.wait(), 0.05)

    await asyncio.gather(*(be_somebody() for _ in range(PEOPLE)))
    print(json.dumps([vars(one) for one in opened]))


async def be_idle() -> None:
    """Answer each request with as many bytes as the page has, and do nothing else."""
    from ocft.share.server.page_files import page_files

    files = {f"/s/assets/{name}": file.data for name, file in page_files().items()}
    files["/s/"] = files["/s/assets/index.html"]

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(EOFError, OSError):
            while True:
                asked = await reader.readuntil(b"\r\n\r\n")
                data = files[asked.split()[1].decode()]
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(data) + data)
                await writer.drain()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(json.dumps(server.sockets[0].getsockname()[1]), flush=True)
    await asyncio.Event().wait()


def measure(folder: Path, number: int, rounds: int, *, in_memory: bool) -> dict[str, object]:
    """Start a server and both kinds of visitors; return a row of the table."""
    command = [sys.executable, "-m", "ocft", "--home", str(folder / "home"), "--json", "serve"]
    command += ["--port", "0", "--made", "0", "--joined", "0", "--looked", "0"]
    command += ["--connections-each", "2000", "--max-total", "20GB"]
    command += ["--memory"] if in_memory else ["--data", str(folder / "served")]
    with ExitStack() as stack:
        server = stack.enter_context(_running(command))
        stack.callback(server.terminate)
        assert server.stdout is not None
        said = json.loads(server.stdout.readline())
        if "urls" not in said:
            raise RuntimeError(f"the server did not start: {said}")
        port = urlsplit(said["urls"][0]).port
        me = [sys.executable, __file__, "--port", str(port)]
        idle_server = stack.enter_context(_running([*me, "--be", "idle"]))
        stack.callback(idle_server.terminate)
        assert idle_server.stdout is not None
        both = [*me, "--be", "people", "--port", idle_server.stdout.readline().decode().strip()]
        quiet, _ = _people(both, seconds=2.0)
        idle = _memory(server.pid, "VmRSS")
        people = stack.enter_context(_running(both))
        load = ["nice", *me, "--be", "load", "--sessions", str(number), "--rounds", str(rounds)]
        loaded = subprocess.run(load, stdout=subprocess.PIPE, check=True)
        people.terminate()
        opened, control = json.loads(people.communicate()[0])
        peak, busy = _memory(server.pid, "VmHWM"), _cpu(server.pid)
    done = json.loads(loaded.stdout)
    errors = [*done["errors"], *opened["errors"], *quiet["errors"]]
    for error in errors[:5]:
        print(error, file=sys.stderr)
    moved = number * SIZE * (1 + rounds)
    return {
        "kept": "in memory" if in_memory else "on disk",
        "sessions": number,
        "files": number * FILES,
        "fetched": f"{rounds} times",
        "errors": len(errors),
        "s": round(done["seconds"], 1),
        "MB/s": round(moved / MB / done["seconds"]),
        "CPU s a GB": round(busy / (moved / MB / 1000), 1),
        "page loads": len(opened["seconds"]),
        "alone, median ms": _ms(statistics.median(quiet["seconds"])),
        "median ms": _ms(statistics.median(opened["seconds"])),
        "p99 ms": _ms(_percentile(opened["seconds"], 0.99)),
        "worst ms": _ms(max(opened["seconds"])),
        "idle server, p99 ms": _ms(_percentile(control["seconds"], 0.99)),
        "worst": _ms(max(control["seconds"])),
        "goal p99": _ms(GOAL_P99),
        "server MiB idle": round(idle),
        "peak": round(peak),
    }


def _running(command: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def _people(command: list[str], *, seconds: float) -> list[dict[str, list[float]]]:
    with _running(command) as people:
        time.sleep(seconds)
        people.terminate()
        found: list[dict[str, list[float]]] = json.loads(people.communicate()[0])
    return found


def _memory(process: int, what: str) -> float:
    """Return MiB."""
    status = Path(f"/proc/{process}/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith(what))
    return int(line.split()[1]) / 1024


def _cpu(process: int) -> float:
    """Return the seconds that a process has computed."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_common(parser)
    parser.add_argument("--be", choices=["load", "people", "idle"], help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, action="append", help=argparse.SUPPRESS)
    parser.add_argument("--sessions", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.be == "load":
        asyncio.run(have_sessions(arguments.port[0], arguments.sessions, arguments.rounds))
    elif arguments.be == "people":
        asyncio.run(be_people(arguments.port))
    elif arguments.be == "idle":
        asyncio.run(be_idle())
    else:
        table = Table(as_json=arguments.json)
        for in_memory in (False, True):
            with scratch() as folder:
                number, rounds = (20, 2) if arguments.quick else (200, 3)
                table.add(measure(folder, number, rounds, in_memory=in_memory))


if __name__ == "__main__":
    main()
