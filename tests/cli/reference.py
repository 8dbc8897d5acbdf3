"""Writes docs/cli.md from the commands themselves: `python -m tests.cli.reference > docs/cli.md`.

From their parameters rather than their `--help`, whose layout is typer's and changes with it.
"""

import inspect
from typing import Any

import typer

from ocft.cli.app import app
from ocft.cli.panels import PANELS

INTRODUCTION = """\
# The command line

<!-- Made by `python -m tests.cli.reference > docs/cli.md`; a test compares. Do not edit. -->

Data goes to stdout, talk to stderr. With `--json`, stdout has one JSON object a line: events as
`{"event": NAME, ...}`, at the end one `{"result": COMMAND, ...}`, or
`{"error": {"code", "message", "exit_status"}}` when the command failed. The names of the events are
those of `ocft.events`; `--verbose` adds those about single chunks.

| Exit status | Meaning |
|---|---|
| 0 | done |
| 1 | wrong command line or settings |
| 2 | a file cannot be read, written or found |
| 3 | network or peer, or something unexpected |
| 4 | the peer or the secret is not trusted |
| 5 | time-out |
| 6 | the platform asks for a pause |
| 7 | the receiver refused |
| 8 | the bytes are not those that were offered |
| 130, 143, 129 | stopped by Ctrl-C, SIGTERM or SIGHUP; what is unfinished goes on later |
| 141 | whoever read stdout went away |

A node's home is one folder with `--home DIR` or `OCFT_HOME`: `config.json`, `state/` and
`downloads/`. Otherwise the system's folders for settings and state are used, and received files go
to `~/Downloads/ocft`. A 1.0 node in `~/.ocft` is taken over once, and its file stays as it was.

Secrets and addresses can stay out of the argument list, which others on the machine can see: `-`
reads one from stdin, which a terminal does not show; left out it comes from `OCFT_SECRET`,
`OCFT_PEER_SECRET` or `OCFT_PEER_URI`, or from a hidden prompt. `ocft peers add` does not prompt: a
peer may be added without its secret.

The password of a share comes from a prompt, a file, stdin or `OCFT_PASSWORD`, a sender key from a
file or `OCFT_SENDER_KEY`, never from the argument list; a link also from stdin or `OCFT_LINK`. What
`ocft share` and `ocft receive` write with `--json`: [share.md](share.md).

How nodes come to trust each other, and what to compare: [trust.md](trust.md).

`ocft --install-completion` teaches the shell to complete commands, peers and transfers.
"""


OLDER = """\
## Older spellings

They work as before, mostly as wire 1.0's tool has them, and `ocft --help` does not list them.

| | |
|---|---|"""


def reference() -> str:
    """Return the page."""
    root: Any = typer.main.get_command(app)
    sections = [INTRODUCTION, "## Options of every command\n", _parameters(root)]
    for name in (name for names in PANELS.values() for name in names):
        sections += _sections(name, root.commands[name])
    sections += [OLDER]
    sections += [
        f"| `ocft {name}` | {command.help.removeprefix('Older spelling of ').rstrip('.')} |"
        for name, command in root.commands.items()
        if command.hidden
    ]
    return "\n".join(sections) + "\n"


def _sections(name: str, command: Any) -> list[str]:
    sections = [f"## ocft {name}\n", _usage(name, command), _text(command)]
    sections += [_parameters(command)] if _shown(command) else []
    for below, subcommand in getattr(command, "commands", {}).items():
        sections += _sections(f"{name} {below}", subcommand)
    return sections


def _usage(name: str, command: Any) -> str:
    words = [f"ocft {name}"]
    for parameter in _shown(command):
        if parameter.param_type_name == "argument":
            word = parameter.metavar or parameter.name.upper()
            word += "..." if parameter.nargs == -1 else ""
            words.append(word if parameter.required else f"[{word}]")
        elif parameter.required:
            words.append(_option(parameter))
    words += ["[OPTIONS]"] if any(not p.required for p in _options(command)) else []
    example = command.epilog.removeprefix("Example: ")
    usage = " ".join(words)
    more = f"{example}    # for example\n" if example != usage else ""
    return f"```sh\n{usage}\n{more}```\n"


def _text(command: Any) -> str:
    return inspect.cleandoc(command.help or "").split("\f")[0] + "\n"


def _parameters(command: Any) -> str:
    lines = ["| | |", "|---|---|"]
    for parameter in _shown(command):
        if parameter.param_type_name == "argument":
            names = f"`{parameter.metavar or parameter.name.upper()}`"
        else:
            names = f"`{_option(parameter)}`"
        lines.append(f"| {names} | {parameter.help or ''} |")
    return "\n".join(lines) + "\n"


def _option(parameter: Any) -> str:
    names = ", ".join(parameter.opts)
    if parameter.is_flag:
        return "/".join([names, *parameter.secondary_opts])
    return f"{names} {parameter.metavar or parameter.name.upper()}"


def _shown(command: Any) -> list[Any]:
    return [
        parameter
        for parameter in command.params
        if parameter.name not in {"help", "install_completion", "show_completion"}
    ]


def _options(command: Any) -> list[Any]:
    return [one for one in _shown(command) if one.param_type_name == "option"]


if __name__ == "__main__":
    print(reference(), end="")  # noqa: T201 - what it is for
