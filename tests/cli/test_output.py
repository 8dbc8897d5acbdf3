"""`ocft.cli.output`: stdout is data, stderr is talk."""

import json
import logging

import pytest

from ocft.cli.output import Output
from ocft.events import ChunkSent, OfferReceived
from ocft.ids import NodeId, TransferId

EVENT = OfferReceived(
    transfer_id=TransferId("x"),
    peer_id=NodeId("p"),
    at=1.5,
    filename="\x1b[1A\u202e\ud800",
    size=3,
    mime_type="text/plain",
    is_automatic=False,
)
CHUNK = ChunkSent(transfer_id=TransferId("x"), peer_id=NodeId("p"), index=0, is_repeat=False)


def test_people_get_data_on_stdout_and_talk_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output()
    output.data("data")
    output.say("talk")
    output.event(EVENT)
    output.result("command", field=1)
    assert capsys.readouterr() == ("data\n", "talk\n")


def test_quiet_is_without_talk_but_with_errors(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(is_quiet=True)
    output.data("data")
    output.say("talk")
    assert output.error("CODE", "message", 7) == 7
    assert capsys.readouterr() == ("data\n", "ocft: message\n")


def test_json_is_events_and_one_result_and_nothing_else(
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = Output(is_json=True)
    output.data("data")
    output.say("talk")
    output.event(EVENT)
    output.event(CHUNK)
    output.result("command", field=1)
    output.error("CODE", "message", 7)
    out, err = capsys.readouterr()
    assert err == ""
    assert out.isascii()
    assert out.replace("\n", "").isprintable()
    event, result, error = map(json.loads, out.splitlines())
    assert event["event"] == "offer-received"
    assert event["filename"] == EVENT.filename
    assert event["at"] == 1.5
    assert result == {"result": "command", "field": 1}
    assert error == {"error": {"code": "CODE", "message": "message", "exit_status": 7}}


def test_verbose_has_an_event_for_each_chunk(capsys: pytest.CaptureFixture[str]) -> None:
    Output(is_json=True, is_verbose=True).event(CHUNK)
    assert json.loads(capsys.readouterr().out)["event"] == "chunk-sent"


def test_a_warning_is_not_said_again_and_again(capsys: pytest.CaptureFixture[str]) -> None:
    log = logging.getLogger("ocft.test")
    output = Output()
    output.take_log()
    for _ in range(3):
        log.warning("%s shows other keys", "bob")
        log.error("the disk is full")
    for number in range(1000):  # whoever makes up new ones gets no further
        log.warning("%d is odd", number)
    lines = capsys.readouterr().err.splitlines()
    assert lines.count("warning: bob shows other keys") == 1
    assert lines.count("error: the disk is full") == 3
    assert len(lines) < 100
    Output(is_verbose=True).take_log()
    for _ in range(3):
        log.warning("bob shows other keys")
    assert capsys.readouterr().err.count("bob") == 3


@pytest.mark.parametrize("text", ["\x1b[1A\rok", "\u202e", "\x9b2J"], ids=lambda t: f"N11-{t!r}")
def test_talk_and_errors_cannot_disturb_a_terminal(
    capsys: pytest.CaptureFixture[str], text: str
) -> None:
    output = Output()
    output.say(text)
    output.error("CODE", text, 1)
    assert all(line.isprintable() for line in capsys.readouterr().err.splitlines())
