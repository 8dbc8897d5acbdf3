"""`ocft doctor`: checks what sending and receiving need, one line a check."""

import os
import stat
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ocft.cli.channel import download_dir, open_sharing, webrtc_options
from ocft.cli.invocation import Invocation
from ocft.cli.peer_words import (
    WIRE_1,
    called,
    fingerprint_words,
    seen_words,
    trust_of,
    wire_of,
    wire_words,
)
from ocft.cli.stopping import run
from ocft.cli.terminal import format_size, printable
from ocft.errors import ConfigError, OcftError, StorageError
from ocft.ids import NodeId

if TYPE_CHECKING:
    from pathlib import Path

    from ocft.storage import TrustedPeer

_SOON: Final = 24 * 3600.0  # seconds before an expiry that are worth a warning
_PACKAGES: Final = (
    "cbor2",
    "cryptography",
    "platformdirs",
    "pybase64",
    "pydantic",
    "rich",
    "typer",
    "watchfiles",
    "zstandard",
)
_MARKS: Final = {"ok": "ok  ", "warn": "warn", "fail": "FAIL"}


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found."""

    level: str
    """"ok", "warn" or "fail"."""
    words: str
    error: OcftError | None = None
    """What failed."""


def add_to(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("doctor", epilog="Example: ocft doctor")(doctor)


def doctor(
    context: typer.Context,
    *,
    channel: Annotated[
        str | None,
        typer.Option("--channel", "--via", metavar="NAME", help="Not the one in the settings."),
    ] = None,
) -> None:
    """Check this installation and this node.

    The exit status is that of the first failure.
    """
    invocation = Invocation.of(context)
    checks: dict[str, Callable[[], Iterator[Finding]]] = {
        "versions": _versions,
        "home": lambda: _home(invocation),
        "config": lambda: _config(invocation),
        "keys": lambda: _keys(invocation),
        "journal": lambda: _journal(invocation),
        "peers": lambda: _peers(invocation),
        "requests": lambda: _requests(invocation),
        "channel": lambda: _channel(invocation, channel),
        "direct": lambda: _direct(invocation),
        "downloads": lambda: _downloads(invocation),
    }
    first: OcftError | None = None
    told: set[str] = set()
    for name, check in checks.items():
        for finding in _findings(check):
            if finding.words in told:
                continue  # one missing thing fails many checks
            if finding.error is not None:
                told.add(finding.words)
            invocation.output.note(
                event="check", name=name, level=finding.level, detail=finding.words
            )
            mark = _MARKS[finding.level]
            invocation.output.data(f"{mark}  {name + ':':<11}{printable(finding.words)}")
            first = first or finding.error
    if first is not None:
        raise first
    invocation.output.result("doctor", is_healthy=True)


def _findings(check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from check()
    except OcftError as error:
        yield Finding("fail", str(error), error)


def _versions() -> Iterator[Finding]:
    from importlib.metadata import version

    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    python = ".".join(map(str, sys.version_info[:3]))
    yield Finding("ok", f"ocft {version('ocft')}, Python {python}, {packages}")


def _home(invocation: Invocation) -> Iterator[Finding]:
    home = invocation.home
    for folder in dict.fromkeys((home.config_file.parent, home.state_dir)):
        try:
            status = folder.stat()
        except FileNotFoundError:
            yield Finding("warn", f"{folder} is not there yet")
            continue
        except OSError as error:
            raise ConfigError(f"{folder} cannot be looked at: {error.strerror}.") from error
        if os.name == "posix" and status.st_mode & 0o077:
            mode = stat.S_IMODE(status.st_mode)
            yield Finding("warn", f"{folder} is open to others ({mode:o}): chmod 700")
        else:
            yield Finding("ok", str(folder))


def _config(invocation: Invocation) -> Iterator[Finding]:
    yield Finding("ok", f"node {invocation.config.node_id}")


def _keys(invocation: Invocation) -> Iterator[Finding]:
    place = "the keyring" if invocation.config.keyring else str(invocation.home.identity_file)
    yield Finding("ok", f"fingerprint {invocation.fingerprint}, in {place}")


def _journal(invocation: Invocation) -> Iterator[Finding]:
    records = invocation.journal.records()
    unfinished = sum(not record.info.state.is_final for record in records)
    yield Finding("ok", f"{len(records)} transfers, {unfinished} of them unfinished")


def _peers(invocation: Invocation) -> Iterator[Finding]:
    peers = invocation.peers.all()
    now = time.time()
    if not peers:
        yield Finding("warn", "none is trusted yet: ocft pair")
        return
    for peer in peers:
        yield _peer(invocation, peer, now)


def _peer(invocation: Invocation, peer: "TrustedPeer", now: float) -> Finding:
    known = invocation.nodes.find(NodeId(peer.id))
    wire = wire_of(peer, known, now)
    ends_soon = peer.expires_at is not None and peer.expires_at - now < _SOON
    words = "; ".join(
        [
            called(peer),
            f"wire {wire_words(peer, wire, invocation.config)}",
            f"fingerprint {fingerprint_words(peer, known) or 'not known yet'}",
            f"trusted {trust_of(peer)}" + (" (ocft peers extend)" if ends_soon else ""),
            f"last seen: {seen_words(known)}",
        ]
    )
    return Finding("warn" if ends_soon or wire == WIRE_1 else "ok", words)


def _requests(invocation: Invocation) -> Iterator[Finding]:
    asking = len(invocation.approvals.list(time.time()))
    if asking:
        yield Finding("warn", f"{asking} wait for you: ocft requests")
    else:
        yield Finding("ok", "nobody asks to be trusted")


def _channel(invocation: Invocation, name: str | None) -> Iterator[Finding]:
    sharing = open_sharing(invocation, name)
    if sharing.is_listened:
        yield Finding("ok", f"{sharing.channel}: a process listens")
    elif sharing.is_driven:
        yield Finding("ok", f"{sharing.channel}: a process sends")
    else:
        yield Finding("ok", f"{sharing.channel}: nobody listens at the moment")
    yield from run(_account(invocation, sharing.channel))
    # Opening it makes the node's spool, or logs in; it neither reads nor sends anything.
    limits = run(_limits(invocation, sharing.channel))
    yield Finding("ok", f"{sharing.channel} opens; {limits}")


async def _account(invocation: Invocation, name: str) -> list[Finding]:
    """Ask the adapter what the live account has, and has not."""
    from ocft.channels import find_adapter

    check = find_adapter(name).check
    if check is None:
        return []
    found = await check(invocation.config.section_of(name).options)
    return [
        Finding("ok" if one.is_good else "warn", f"{name}: {one.words} {one.remedy}".rstrip())
        for one in found
    ]


async def _limits(invocation: Invocation, name: str) -> str:
    from ocft.channels import find_adapter

    config = invocation.config
    options = config.section_of(name).options
    async with await find_adapter(name).open(config.node_id, options) as channel:
        limits = channel.limits
        pace = (
            f"{limits.texts_per_second:g} texts a second"
            if limits.texts_per_second
            else "any number of texts"
        )
        return f"{limits.max_text} {limits.unit.value} a text, {pace}"


def _direct(invocation: Invocation) -> Iterator[Finding]:
    from ocft.routes import require_webrtc

    section = invocation.config.direct
    if not section.enabled:
        yield Finding("ok", "not enabled: all bytes go through the channel")
        return
    ways = [("listens", section.listens), ("connects", section.connects)]
    words = " and ".join(name for name, is_on in ways if is_on) or "no plain connections"
    yield Finding("ok", words)
    if (options := webrtc_options(section.webrtc)) is None:
        return
    require_webrtc()
    helpers = [options.stun, options.turn.url if options.turn is not None else None]
    asked = " and ".join(one for one in helpers if one is not None) or "nobody"
    yield Finding("ok", f"WebRTC asks {asked} for help")


def _downloads(invocation: Invocation) -> Iterator[Finding]:
    from ocft.storage import free_space

    config = invocation.config
    folder = download_dir(config, invocation.home)
    free = free_space(folder)
    _require_writable(folder)
    words = f"{folder}, {format_size(free)} free"
    if free < config.max_file_size:
        largest = format_size(config.max_file_size)
        yield Finding("warn", f"{words}: less than the largest file that is taken ({largest})")
    else:
        yield Finding("ok", words)


def _require_writable(folder: "Path") -> None:
    import tempfile

    try:
        # It is made when the first file comes; until then, what it will be made in has to do.
        while not folder.exists() and folder != folder.parent:
            folder = folder.parent
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise StorageError(f"{folder} cannot be written to: {error.strerror}.") from error
