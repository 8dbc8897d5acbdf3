"""The application `ocft`: global options, the commands, and how errors become exit statuses."""

import sys
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Final, cast

import typer
from typer.core import TyperGroup

from ocft.cli import (
    approvals,
    demo,
    doctor,
    importing,
    listen,
    node,
    pair,
    peers,
    post,
    receive,
    secret,
    send,
    serve,
    share,
    transfers,
)
from ocft.cli.invocation import Invocation
from ocft.cli.output import Output, ReaderGoneError, prepare_streams
from ocft.cli.panels import write_panels
from ocft.errors import OcftError

_USAGE: Final = 1
_UNEXPECTED: Final = 3
_INTERRUPTED: Final = 130  # 128 + SIGINT
_READER_GONE: Final = 141  # 128 + SIGPIPE, as the shell reports other programs
# Typer has its own copy of click since 0.2x, so this class has no address of its own.
_UsageError: Final = cast("type[Exception]", typer.BadParameter.__bases__[0])


class _Group(TyperGroup):
    """The commands, in panels; the options of all of them may also stand behind one."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - as typer calls it
        """Write the list of `--help`."""
        write_panels(dict(self.commands), formatter)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Move the global options to where the parser expects them; what follows `--` stays."""
        moved: list[str] = []
        rest: list[str] = []
        end = args.index("--") if "--" in args else len(args)
        words = iter(args[:end])
        for word in words:
            if word in _FLAGS or word.startswith(f"{_HOME}="):
                moved.append(word)
            elif word == _HOME and (folder := next(words, None)) is not None:
                moved += [word, folder]
            else:
                rest.append(word)
        return super().parse_args(ctx, [*moved, *rest, *args[end:]])


_FLAGS: Final = frozenset({"--json", "--quiet", "-q", "--verbose", "-v"})
_HOME: Final = "--home"

app = typer.Typer(
    name="ocft",
    cls=_Group,
    help="Send files to other nodes through the chat channels that you share.",
    epilog="First steps: ocft init, then ocft pair here and ocft pair CODE there. Or: ocft demo.",
    # Without rich: a quick --help, and nothing to go wrong on narrow terminals.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)
_TOPICS: Final = (
    node,
    pair,
    secret,
    importing,
    peers,
    approvals,
    send,
    listen,
    transfers,
    post,
    share,
    receive,
    serve,
    doctor,
    demo,
)
for topic in _TOPICS:
    topic.add_to(app)


def _print_version(context: typer.Context, wanted: bool) -> None:  # noqa: FBT001 - as typer calls it
    if wanted:
        from importlib.metadata import version

        # The parser has not come to --json yet where that stands behind.
        output = context.obj if isinstance(context.obj, Output) else Output()
        output.result("version", version=version("ocft"))
        output.data(f"ocft {version('ocft')}")
        raise typer.Exit


@app.callback(no_args_is_help=True)
def _options(
    context: typer.Context,
    *,
    home: Annotated[
        str | None,
        typer.Option(_HOME, metavar="DIR", help="Keep everything in this folder [OCFT_HOME]."),
    ] = None,
    is_json: Annotated[
        bool, typer.Option("--json", help="Write events and results as lines of JSON.")
    ] = False,
    is_quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Write data and errors only.")
    ] = False,
    is_verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Write what happens inside, and tracebacks.")
    ] = False,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Write the version."
        ),
    ] = False,
) -> None:
    output = Output(is_json=is_json, is_quiet=is_quiet, is_verbose=is_verbose)
    output.take_log()
    invocation = Invocation(home=home, output=output)
    context.obj = invocation
    context.call_on_close(invocation.close)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit status.

    Args:
        arguments: What follows the program's name; None: the process's.
    """
    prepare_streams()
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    is_verbose = any(argument in {"--verbose", "-v"} for argument in _before_dashes(arguments))
    output = Output(is_json="--json" in _before_dashes(arguments))
    try:
        return _run(arguments, output, is_verbose=is_verbose)
    except ReaderGoneError:
        return _READER_GONE


def _run(arguments: list[str], output: Output, *, is_verbose: bool) -> int:
    try:
        command = typer.main.get_command(app)
        status = command.main(arguments, prog_name="ocft", standalone_mode=False, obj=output)
    except ReaderGoneError:
        raise
    except _UsageError as error:
        return _refuse(error, output)
    except Exception as error:  # noqa: BLE001 - the top: nothing may end as a traceback
        return _tell(error, output, is_verbose=is_verbose)
    if status == _INTERRUPTED:  # what newer versions of typer make of Ctrl-C
        return _tell(KeyboardInterrupt(), output, is_verbose=False)
    return status if isinstance(status, int) else 0


def _tell(error: BaseException, output: Output, *, is_verbose: bool) -> int:
    """Say how a command ended otherwise than it should."""
    from ocft.cli.stopping import Stopped

    if isinstance(error, typer.Abort):  # what typer makes of the end of stdin, and once of Ctrl-C
        if not isinstance(error.__context__, KeyboardInterrupt):
            return output.error("USAGE", "Nothing was typed in.", _USAGE)
        error = error.__context__
    if isinstance(error, Stopped | KeyboardInterrupt):
        status = error.exit_status if isinstance(error, Stopped) else _INTERRUPTED
        return output.error("INTERRUPTED", str(error) or "Stopped.", status)
    if is_verbose:
        _print_traceback(output)
    if isinstance(error, OcftError):
        return output.error(error.code, str(error), error.exit_status)
    words = f"Unexpected {type(error).__name__}: {error}"
    words += "" if is_verbose else " (--verbose shows where; please report it)"
    return output.error("UNEXPECTED", words, _UNEXPECTED)


def _refuse(error: Any, output: Output) -> int:
    """Say what is wrong with a command line."""
    if error.__class__.__name__ == "NoArgsIsHelpError":  # its text is the help
        if output.is_json:
            return output.error("USAGE", "No command was given; --help lists them.", _USAGE)
        output.say(error.format_message())
        return _USAGE
    context = error.ctx
    if context is not None:
        output.say(context.get_usage())
        output.say(f"Try '{context.command_path} --help'.")
    return output.error("USAGE", error.format_message(), _USAGE)


def _print_traceback(output: Output) -> None:
    import traceback

    if not output.is_json:
        output.say(traceback.format_exc().rstrip())


def _before_dashes(arguments: Sequence[str]) -> Iterator[str]:
    for argument in arguments:
        if argument == "--":
            return
        yield argument
