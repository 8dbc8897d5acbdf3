"""`ocft.cli.dialect`: the lines of JSON of sharing."""

import json

import pytest

from ocft.cli.dialect import Dialect
from ocft.cli.output import Output
from ocft.cli.stopping import Stopped
from ocft.errors import WrongPasswordError


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def dialect(clock: Clock) -> Dialect:
    return Dialect(Output(is_json=True), clock=clock)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_progress_is_told_at_most_twice_a_second(
    dialect: Dialect, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    for step in range(101):
        dialect.progress("x", "file", step * 10, 1000)
        clock.now += 0.0625
    told = lines(capsys)
    assert len(told) == 13
    assert {line["event"] for line in told} == {"progress"}
    assert [line["bytes_transferred"] for line in told][:3] == [0, 80, 160]


def test_each_transfer_has_a_pace_of_its_own(
    dialect: Dialect, capsys: pytest.CaptureFixture[str]
) -> None:
    dialect.progress("x", "file", 0, 10, download="x")
    dialect.progress("y", "file", 0, 10, download="y")
    assert [line["download"] for line in lines(capsys)] == ["x", "y"]


def test_speed_and_time_left_are_those_of_this_run(
    dialect: Dialect, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    dialect.progress("x", "file", 500, 1000)
    clock.now += 1
    dialect.progress("x", "file", 600, 1000)
    *_, last = lines(capsys)
    assert (last["speed"], last["eta"], last["percent"]) == (100, 4, 60.0)


def test_nothing_is_all_of_nothing(dialect: Dialect, capsys: pytest.CaptureFixture[str]) -> None:
    dialect.progress("x", "file", 0, 0)
    assert lines(capsys)[0]["percent"] == 100.0


@pytest.mark.parametrize(
    ("error", "code", "status"),
    [(WrongPasswordError("no"), "WRONG_PASSWORD", 4), (Stopped(15, "stop"), "INTERRUPTED", 143)],
)
def test_what_ends_a_command_is_told_and_goes_on(
    dialect: Dialect,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    code: str,
    status: int,
) -> None:
    with pytest.raises(type(error)), dialect.telling_errors():
        raise error
    assert lines(capsys) == [
        {"event": "error", "message": str(error), "code": code, "exit_code": status}
    ]


def test_people_get_no_json(capsys: pytest.CaptureFixture[str]) -> None:
    dialect = Dialect(Output())
    dialect.event("mode", mode="direct")
    dialect.progress("x", "file", 1, 2)
    dialect.say("words \x1b")
    assert capsys.readouterr() == ("", "words \\x1b\n")


def test_that_nothing_moves_is_told_once_until_something_moves(
    dialect: Dialect, capsys: pytest.CaptureFixture[str]
) -> None:
    for seconds in (30.04, 27.0):
        dialect.waiting("x", "The connection broke.", seconds)
    dialect.progress("x", "file", 1, 10)
    dialect.waiting("x", "The connection broke.", 30.0)
    told = [line for line in lines(capsys) if line["event"] != "progress"]
    assert (
        told
        == [
            {"event": "waiting_for_connection", "message": "The connection broke.", "seconds": 30.0}
        ]
        * 2
    )


def test_people_are_told_how_long_it_is_waited(capsys: pytest.CaptureFixture[str]) -> None:
    Dialect(Output()).waiting("x", "The connection broke.", 29.7)
    assert capsys.readouterr().err == "The connection broke. Waiting for up to 30 seconds.\n"
