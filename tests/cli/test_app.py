"""`ocft.cli.app`: global options, and how a command ends."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from ocft import errors
from ocft.cli import main
from ocft.cli import node as node_module
from ocft.cli.app import app
from tests.cli.conftest import Ocft, start


def command_names() -> list[str]:
    return list(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


def all_commands() -> list[str]:
    """Return the commands, those of groups too."""
    root: Any = typer.main.get_command(app)
    return [
        " ".join([name, *below])
        for name, command in root.commands.items()
        for below in [[], *[[one] for one in getattr(command, "commands", ())]]
    ]


def test_help_lists_every_command_but_older_spellings_once(ocft: Ocft) -> None:
    shown = ocft("--help")
    assert shown.status == 0
    older = {"info", "add-peer", "list-peers", "extend-peer", "remove-peer"}
    for name in command_names():
        assert shown.out.count(f"\n  {name} ") == (name not in older)


def test_help_groups_the_commands_and_cuts_no_sentence(
    ocft: Ocft, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for arguments in ([], ["peers"]):
        shown = ocft(*arguments, "--help").out
        assert all(len(line) <= 80 for line in shown.splitlines())
        listed = shown.split("Show this message and exit.")[1]
        assert "..." not in listed
    heads = [
        line for line in ocft("--help").out.splitlines() if line[-1:] == ":" and line[0] != " "
    ]
    assert heads == ["Options:", "Transfers:", "Links:", "Trust:", "Node:"]


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("list-peers", "peers list"),
        ("add-peer ocft_y secret", "peers add ocft_y secret"),
        ("extend-peer x 2", "peers extend x 2"),
        ("remove-peer x", "peers revoke x"),
        ("info", "status"),
    ],
)
def test_an_older_spelling_does_the_same_and_names_the_newer_one(
    node: Ocft, older: str, newer: str
) -> None:
    for spelling in (older, newer):
        node("peers", "add", "ocft_x", "secret", "-n", "x", "-t", "1")
        assert node(*spelling.split()).status == 0
        for name in ("ocft_x", "ocft_y"):
            node("peers", "revoke", name)
    command = " ".join(newer.split()[: 2 if newer.startswith("peers") else 1])
    assert f"Older spelling of `ocft {command}`." in node(older.partition(" ")[0], "--help").out


@pytest.mark.parametrize("name", all_commands())
def test_help_of_each_command_has_an_example(ocft: Ocft, name: str) -> None:
    shown = ocft(*name.split(), "--help")
    assert shown.status == 0
    assert f"Example: ocft {name}" in shown.out or name == "info"


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys, ocft.cli\n"
        "try: sys.exit(ocft.cli.main(['--help']))\n"
        "finally: print('MODULES', *sorted(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=20
    )
    modules = set(done.stdout.split("MODULES")[1].split())
    heavy = {"pydantic", "sqlite3", "asyncio", "rich.progress", "watchfiles", "platformdirs"}
    heavy |= {"cryptography", "cbor2", "ocft.crypto"}
    heavy |= {"ocft.runtime", "ocft.storage", "ocft.channels", "ocft.wire", "ocft.config"}
    assert not modules & heavy


def test_version_is_the_packages(ocft: Ocft) -> None:
    from importlib.metadata import version

    assert ocft("--version").out == f"ocft {version('ocft')}\n"
    for arguments in (["--version", "--json"], ["--json", "--version"]):
        assert ocft(*arguments).lines == [{"result": "version", "version": version("ocft")}]


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["status", "--nonsense"],
        ["--nonsense"],
        ["send"],
        ["send", "x"],
        ["send", "--to"],
        ["set-ttl", "soon"],
        ["set-ttl", "-5"],
        ["init", "extra"],
        ["listen", "--timeout", "never"],
        [],
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_is_status_1(node: Ocft, arguments: list[str]) -> None:
    done = node(*arguments)
    assert done.status == 1
    assert done.out == ""
    assert done.err
    done = node("--json", *arguments)
    assert done.status == 1
    assert [line["error"]["code"] for line in done.lines] == ["USAGE"]
    assert done.err == ""


def test_an_error_is_one_line_on_stderr(ocft: Ocft) -> None:
    done = ocft("status")
    assert (done.status, done.out) == (1, "")
    assert done.err == "ocft: There is no node here yet. Run `ocft init`.\n"


def test_json_says_the_error_as_the_last_line_of_stdout(ocft: Ocft) -> None:
    done = ocft("--json", "status")
    assert done.lines == [
        {
            "error": {
                "code": "NOT_INITIALIZED",
                "message": "There is no node here yet. Run `ocft init`.",
                "exit_status": 1,
            }
        }
    ]
    assert done.err == ""


@pytest.mark.parametrize("flag", ["--json", "--quiet", "-q", "--verbose", "-v"])
def test_global_flags_may_follow_the_command(node: Ocft, flag: str) -> None:
    assert node("status", flag).status == 0
    assert node(flag, "status").status == 0


def test_the_home_may_follow_the_command(node: Ocft, tmp_path: Path) -> None:
    for option in (["--home", str(tmp_path / "other")], [f"--home={tmp_path / 'other'}"]):
        assert node("status", *option).status == 1
        assert node("peers", "list", *option).status == 1
    assert node("status", "--home", str(tmp_path / "home")).status == 0
    assert "--home" in node("status", "--home").err


def test_what_follows_the_dashes_is_no_option(node: Ocft, tmp_path: Path) -> None:
    assert node("add-peer", "ocft_x", "--", "--home").status == 0
    assert node("verify", "--", "-v").status == 4


@pytest.mark.parametrize("flags", [[], ["--json"]], ids=["G6", "G6-json"])
def test_a_full_disk_behind_stdout_is_status_2(node: Ocft, flags: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        for arguments, status in ((["status"], 2), (["peers", "show", "nobody"], 4)):
            done = start(*flags, *arguments, stdout=full)
            assert done.returncode == status
            assert "Traceback" not in done.stderr


@pytest.mark.parametrize("context", [KeyboardInterrupt(), None], ids=["old-typer", "new-typer"])
def test_ctrl_c_anywhere_is_130(
    node: Ocft, monkeypatch: pytest.MonkeyPatch, context: BaseException | None
) -> None:
    def fail(*_arguments: object) -> None:
        if context is None:
            raise KeyboardInterrupt
        try:
            raise context
        except KeyboardInterrupt:
            raise typer.Abort from None

    monkeypatch.setattr(node_module, "download_dir", fail)
    done = node("status", "--json")
    assert done.status == 130
    assert done.lines[-1]["error"]["code"] == "INTERRUPTED"


@pytest.mark.parametrize(
    "error_type",
    [
        value
        for value in vars(errors).values()
        if isinstance(value, type)
        and issubclass(value, errors.OcftError)
        and value is not errors.RateLimitedError
    ],
)
def test_every_error_ends_with_its_own_status(
    node: Ocft, monkeypatch: pytest.MonkeyPatch, error_type: type[errors.OcftError]
) -> None:
    def fail(*_arguments: object) -> None:
        raise error_type("because")

    monkeypatch.setattr(node_module, "download_dir", fail)
    done = node("status", "--json")
    assert done.status == error_type.exit_status
    assert done.lines[-1]["error"]["code"] == error_type.code


def test_an_unexpected_error_is_one_line_and_says_how_to_see_more(
    node: Ocft, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object) -> None:
        raise ZeroDivisionError("of all things")

    monkeypatch.setattr(node_module, "download_dir", fail)
    done = node("status")
    assert done.status == 3
    assert done.err.count("\n") == 1
    assert "ZeroDivisionError: of all things" in done.err
    assert "--verbose" in done.err
    done = node("status", "--verbose")
    assert done.status == 3
    assert "Traceback" in done.err


def test_quiet_keeps_the_data(ocft: Ocft) -> None:
    done = ocft("--quiet", "init")
    assert done.out.startswith("ocft_")
    assert done.err == ""


@pytest.mark.parametrize("flags", [[], ["--json"]], ids=["G6", "G6-json"])
def test_a_reader_that_goes_away_ends_the_command_quietly(node: Ocft, flags: list[str]) -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        done = start(*flags, "status", stdout=write)
        assert done.stderr == ""
        assert done.returncode == 141
    finally:
        os.close(write)


@pytest.mark.parametrize("stream", ["0", "1", "2"], ids=lambda s: f"G6-descriptor-{s}-closed")
def test_a_closed_stream_is_no_traceback(node: Ocft, stream: str) -> None:
    command = f'"$0" -m ocft status {stream}>&-'
    done = subprocess.run(
        ["sh", "-c", command, sys.executable], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "environment",
    [
        {"NO_COLOR": "1"},
        {"TERM": "dumb"},
        {"COLUMNS": "20"},
        {"COLUMNS": "1"},
        {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "ascii"},
    ],
    ids=lambda e: "G8-" + "-".join(f"{k}={v}" for k, v in e.items()),
)
def test_any_terminal_and_locale_will_do(node: Ocft, environment: dict[str, str]) -> None:
    assert node("add-peer", "ocft_x", "secret", "--name", "Žofie \N{SNOWMAN}").status == 0
    for arguments in (["list-peers"], ["nonsense"]):
        done = start(*arguments, env={**os.environ, **environment}, text=False)
        assert done.returncode in {0, 1}
        assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    "flags",
    [[], ["--json"], ["--verbose"], ["--verbose", "--json"]],
    ids=lambda flags: "K13" + "".join(flags),
)
def test_no_command_but_two_writes_a_secret(node: Ocft, tmp_path: Path, flags: list[str]) -> None:
    secret = node("show-secret").out.strip()
    uri = node("export").out.strip()
    peers_secret = "peers-secret-0123456789"
    assert node("add-peer", "ocft_x", "-", stdin=peers_secret).status == 0
    (tmp_path / "file").write_text("x")
    for arguments in (
        ["status"],
        ["list-peers"],
        ["doctor"],
        ["verify", peers_secret],
        ["verify", secret],
        ["verify", peers_secret, "extra"],
        ["verify", "--", peers_secret, "extra"],
        ["import", uri],
        ["import", uri + "x"],
        ["import", uri, "extra"],
        ["import", "--nonsense", peers_secret],
        ["add-peer", "ocft_x", peers_secret],
        ["add-peer", "ocft_y", peers_secret, "extra"],
        ["add-peer", "ocft_\x1b", peers_secret],
        ["add-peer", "ocft_z", peers_secret * 100],
        ["extend-peer", "ocft_x", "2"],
        ["send", str(tmp_path / "file"), "--to", "ocft_x", "--timeout", "0.2"],
        ["transfers"],
        ["listen", "--timeout", "0.2"],
        ["peers"],
        ["peers", "show", "ocft_x"],
        ["peers", "limit", "ocft_x", "--ask"],
        ["import", uri, "--replace"],
        ["requests"],
        ["remove-peer", "ocft_x"],
        ["rotate-secret"],
        ["verify", secret],
        ["status"],
        ["doctor"],
        ["init"],
    ):
        done = node(*flags, *arguments)
        shown = done.out + done.err
        assert secret not in shown, arguments
        assert peers_secret not in shown, arguments
        assert uri not in shown, arguments


def test_main_reads_the_processes_arguments(
    node: Ocft, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["ocft", "status", "--json"])
    assert main() == 0
    assert json.loads(capsys.readouterr().out)["result"] == "status"


def test_home_option_wins_over_the_environment(node: Ocft, tmp_path: Path) -> None:
    assert node("--home", str(tmp_path / "other"), "status").status == 1
    assert node("--home", str(tmp_path / "home"), "status").status == 0


def test_a_1_0_node_is_taken_over_once_and_said_on_stderr(
    ocft: Ocft, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OCFT_HOME")
    (tmp_path / ".ocft").mkdir()
    (tmp_path / ".ocft" / "config.json").write_text('{"nodeId": "ocft_old", "secret": "s"}')
    first, second = ocft("status"), ocft("status")
    assert first.status == second.status == 0
    assert first.out == second.out
    assert first.err.count("\n") == 1
    assert "1.0" in first.err
    assert second.err == ""
    assert ocft("init").status == 1
