"""`ocft.cli.reporter` and `ocft.cli.bars`: what people see of a transfer."""

import io
import sys
from dataclasses import replace
from typing import Any

import pytest

from ocft.cli.output import Output
from ocft.cli.reporter import Reporter
from ocft.events import (
    ApprovalAwaited,
    Event,
    OfferReceived,
    OfferRefused,
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


def test_those_that_were_taken_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    taken = replace(INFO, file_count=4, files_taken=2, bytes_taken=1024, direction=Direction.SEND)
    report(STORY[-1:], taken)
    assert "Sent report.pdf (2 of 4 files, 1.0 KB) to alice" in capsys.readouterr().err


def test_a_set_whose_names_have_not_come_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    report(STORY, replace(INFO, filename="", file_count=3))
    report(STORY, replace(INFO, filename=""))
    err = capsys.readouterr().err
    assert "alice offers 3 files, 2.0 KB. Take" in err
    assert "alice offers 1 file (2.0 KB). Take" in err
    assert " (" not in err.replace("1 file (2.0 KB)", "")
    assert "  " not in err


def test_a_reason_is_said_in_words_and_once(capsys: pytest.CaptureFixture[str]) -> None:
    report(
        [
            TransferRejected(**COMMON, reason="FILE_TOO_LARGE"),
            TransferRejected(**COMMON, reason="The receiver refused: FILE_TOO_LARGE"),
            TransferCancelled(**COMMON, reason="Cancelled: cancelled"),
            TransferCancelled(**COMMON, reason="cancelled"),
            TransferFailed(
                **COMMON,
                code="TRANSFER_FAILED",
                reason="The peer gave up (NOT_ENOUGH_SPACE)",
                is_resumable=False,
            ),
        ]
    )
    file = "report.pdf (2.0 KB)"
    assert capsys.readouterr().err.splitlines() == [
        f"{file} was refused: that is larger than it takes",
        f"{file} was refused: that is larger than it takes",
        f"{file} was cancelled.",
        f"{file} was cancelled.",
        f"{file} failed: The peer gave up: its disk has no room",
    ]


def test_that_an_owner_has_to_approve_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    report([ApprovalAwaited(**COMMON, fingerprint="aaaa-bbbb")] * 3)
    assert capsys.readouterr().err.count("aaaa-bbbb") == 1


def test_in_a_pipe_only_what_needs_an_answer_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output()
    output.keeps_stdout = True
    with Reporter(output, find=lambda _: INFO, name_of=lambda _: "alice") as reporter:
        for event in STORY:
            reporter.tell(event)
    out, err = capsys.readouterr()
    assert out == ""
    assert "Take it: ocft accept" in err
    assert "failed" in err
    for routine in ("Offered", "Receiving", "Going on", "Received"):
        assert routine not in err


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


def test_an_offer_that_was_refused_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    reason = "File too large: 5120 bytes exceeds limit"
    report([OfferRefused(**COMMON, size=5120, code="FILE_TOO_LARGE", reason=reason)])
    said = capsys.readouterr().err
    assert "Refused an offer of" in said
    assert reason in said
