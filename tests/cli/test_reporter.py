"""`ocft.cli.reporter` and `ocft.cli.bars`: what people see of a transfer."""

import io
import sys
from dataclasses import replace
from typing import Any

import pytest

from ocft.cli.output import Output
from ocft.cli.reporter import Reporter
from ocft.events import (
    Event,
    OfferReceived,
    OfferSent,
    PeerPaired,
    TransferAccepted,
    TransferCancelled,
    TransferCompleted,
    TransferFailed,
    TransferProgress,
    TransferRejected,
    TransferResumed,
    TransferStarted,
    TrustRequested,
)
from ocft.ids import NodeId, TransferId
from ocft.transfers import Direction, TransferInfo, TransferState

INFO = TransferInfo(
    id=TransferId("xfer_1"),
    direction=Direction.RECEIVE,
    state=TransferState.TRANSFERRING,
    peer_id=NodeId("ocft_peer"),
    filename="report.pdf",
    size=2048,
    mime_type="application/pdf",
    digest="ab" * 32,
    chunk_size=1024,
    total_chunks=2,
)
COMMON: Any = {"transfer_id": INFO.id, "peer_id": INFO.peer_id}
STORY: list[Event] = [
    OfferReceived(**COMMON, filename="f", size=2048, mime_type="m", is_automatic=False),
    OfferSent(**COMMON, filename="f", size=2048),
    TransferAccepted(**COMMON),
    TransferStarted(**COMMON),
    TransferResumed(**COMMON, bytes_done=1024),
    TransferProgress(**COMMON, bytes_done=1024, size=2048),
    TransferRejected(**COMMON, reason="no"),
    TransferCancelled(**COMMON, reason="no"),
    TransferFailed(**COMMON, code="X", reason="no", is_resumable=True),
    TransferCompleted(**COMMON, path="/in/report.pdf", size=2048, digest="ab" * 32),
]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def report(events: list[Event], info: TransferInfo | None = INFO, **options: bool) -> None:
    with Reporter(Output(**options), find=lambda _: info, name_of=lambda _: "alice") as reporter:
        for event in events:
            reporter.tell(event)


def test_a_received_files_path_is_data_and_the_rest_is_talk(
    capsys: pytest.CaptureFixture[str],
) -> None:
    report(STORY)
    out, err = capsys.readouterr()
    assert out == "/in/report.pdf\n"
    assert "alice offers report.pdf (2.0 KB). Take it: ocft accept xfer_1" in err
    assert "Received report.pdf (2.0 KB) from alice" in err
    assert "ocft resume xfer_1" in err


def test_a_sent_file_writes_no_data(capsys: pytest.CaptureFixture[str]) -> None:
    report(STORY, replace(INFO, direction=Direction.SEND))
    out, err = capsys.readouterr()
    assert out == ""
    assert "Sent report.pdf (2.0 KB) to alice" in err


def test_what_is_about_trust_is_told_without_a_transfer(
    capsys: pytest.CaptureFixture[str],
) -> None:
    about: Any = {"transfer_id": TransferId(""), "peer_id": NodeId("ocft_\x1bnew")}
    asked = TrustRequested(**about, author="\x1b", fingerprint="aaaa-bbbb")
    paired = PeerPaired(**about, peer_name="\x1bcarol", fingerprint="cccc-dddd")
    report([asked, paired], None)
    out, err = capsys.readouterr()
    assert out == ""
    assert "\x1b" not in err
    assert "asks to be trusted. Fingerprint: aaaa-bbbb. See: ocft requests" in err
    assert "carol. Fingerprint: cccc-dddd" in err


def test_several_files_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    report(STORY, replace(INFO, file_count=3))
    assert "report.pdf (3 files, 2.0 KB)" in capsys.readouterr().err


def test_quiet_writes_only_the_path(capsys: pytest.CaptureFixture[str]) -> None:
    report(STORY, is_quiet=True)
    assert capsys.readouterr() == ("/in/report.pdf\n", "")


def test_what_is_no_transfers_is_not_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    report(STORY, None)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    "name",
    ["\x1b[1A\rharmless", "\x1b]0;t\x07", "\x9b2J", "a\nocft: fake", "\u202egpj.exe", "[red]x[/]"],
    ids=["N11-cursor", "N11-title", "N11-c1", "N11-line", "N11-bidi", "N11-markup"],
)
@pytest.mark.parametrize("columns", ["100", "20", "1"])
def test_a_peers_words_stay_words_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, name: str, columns: str
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("NO_COLOR", "1")
    info = replace(INFO, filename=name, id=TransferId("x" + name))
    common: Any = {"transfer_id": info.id, "peer_id": NodeId(name)}
    events: list[Any] = [replace(event, **common) for event in STORY]
    report([replace(e, reason=name) if hasattr(e, "reason") else e for e in events], info)
    shown = terminal.getvalue()
    assert name not in shown or name == "[red]x[/]"
    for forbidden in ("\x9b", "\x07", "\u202e", "\x1b]", "\x1b[1A\rharm"):
        assert forbidden not in shown
    assert "\nocft: fake" not in shown


@pytest.mark.parametrize("term", ["dumb", "unknown", ""], ids=lambda t: f"G8-{t}")
def test_a_terminal_that_cannot_move_its_cursor_gets_lines(
    monkeypatch: pytest.MonkeyPatch, term: str
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", term)
    report(STORY)
    assert "\x1b" not in terminal.getvalue()
    assert "Received" in terminal.getvalue()


def test_a_bar_shows_percentage_and_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    report(STORY[3:6])
    assert "report.pdf" in terminal.getvalue()
    assert "50%" in terminal.getvalue()
    assert terminal.getvalue().endswith("\x1b[2K") or "\x1b[?25h" in terminal.getvalue()
