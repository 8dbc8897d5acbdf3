"""`ocft.cli.share_options`: durations, passwords, servers."""

import io
import sys
from pathlib import Path

import pytest

from ocft.cli.share_options import chosen_server, given_password, parse_duration, read_secret_file
from ocft.errors import ConfigError


def given(**options: object) -> str | None:
    defaults = {"is_prompted": False, "file": None, "is_stdin": False, "is_new": True}
    return given_password(**(defaults | options))  # type: ignore[arg-type]  # a table of options


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("30m", 1800), ("24h", 86400), ("7D", 604800), (" 1s ", 1)]
)
def test_a_duration_has_a_number_and_a_unit(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "5", "h", "0s", "-1h", "1.5h", "366d", "٣h", "1e3s", "9" * 99 + "s"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_duration(text)


def test_a_password_is_the_first_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("from the file \r\nmore")
    assert given(file=str(tmp_path / "file")) == "from the file "
    monkeypatch.setattr(sys, "stdin", io.StringIO("from stdin\nmore"))
    assert given(is_stdin=True) == "from stdin"
    assert given() is None
    monkeypatch.setenv("OCFT_PASSWORD", "from the environment")
    assert given() == "from the environment"


def test_nobody_is_asked_where_nobody_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("x"))
    with pytest.raises(ConfigError, match="--password-file"):
        given(is_prompted=True)


def test_an_empty_password_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("\n")
    with pytest.raises(ConfigError, match="empty"):
        given(file=str(tmp_path / "file"))
    monkeypatch.setenv("OCFT_PASSWORD", "")
    with pytest.raises(ConfigError, match="OCFT_PASSWORD"):
        given()
    monkeypatch.setenv("OCFT_PASSWORD", "x" * 1025)
    with pytest.raises(ConfigError, match="1024"):
        given()


def test_two_ways_to_give_a_password_are_one_too_many(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="one of them"):
        given(is_stdin=True, file=str(tmp_path))


def test_a_secrets_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    for name in ("missing", "", "binary"):
        with pytest.raises(ConfigError):
            read_secret_file(str(tmp_path / name))


def test_the_server_comes_from_the_option_or_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert chosen_server(None) is None
    monkeypatch.setenv("OCFT_SERVER", "https://one/")
    assert chosen_server(None) == "https://one"
    assert chosen_server("https://two") == "https://two"
    assert chosen_server("") is None
