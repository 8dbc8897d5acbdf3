"""`ocft.cli.asking`: where secrets come from."""

import getpass
import io
import sys

import pytest
import typer

from ocft.cli.asking import ask_for, given_or_none


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def ask(argument: str | None) -> str:
    return ask_for(argument, what="secret", variable="OCFT_SECRET")


def test_an_argument_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCFT_SECRET", "from-environment")
    assert ask("from-argument") == "from-argument"


def test_a_dash_is_the_first_line_of_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(" secret \nmore\n"))
    assert ask("-") == "secret"


def test_the_environment_comes_before_the_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setenv("OCFT_SECRET", "from-environment")
    assert ask(None) == "from-environment"


def test_on_a_terminal_a_hidden_prompt_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(getpass, "getpass", lambda prompt: f"typed at {prompt}")
    assert ask(None) == "typed at secret:"


def test_a_dash_on_a_terminal_is_a_hidden_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal("shown\n"))
    monkeypatch.setattr(getpass, "getpass", lambda _: "typed")
    assert ask("-") == "typed"


def test_what_may_be_left_out_is_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal())
    assert given_or_none(None, what="secret", variable="OCFT_SECRET") is None


@pytest.mark.parametrize(
    ("argument", "stdin"),
    [(None, None), (None, "yes\n"), ("-", None), ("-", ""), ("-", "\n"), ("", "x")],
    ids=["G6-closed", "G6-piped-yes", "G6-dash-closed", "G6-empty", "G6-blank", "empty-argument"],
)
def test_without_a_terminal_nobody_is_asked(
    monkeypatch: pytest.MonkeyPatch, argument: str | None, stdin: str | None
) -> None:
    monkeypatch.setattr(sys, "stdin", None if stdin is None else io.StringIO(stdin))
    with pytest.raises(typer.BadParameter):
        ask(argument)
