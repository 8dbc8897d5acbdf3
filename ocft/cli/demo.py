"""`ocft demo`: two nodes, two processes, one file, with the same commands that a person types."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer

from ocft.cli.invocation import Invocation
from ocft.cli.output import Output
from ocft.cli.terminal import format_size, printable
from ocft.errors import (
    DigestMismatchError,
    OcftError,
    SourceNotFoundError,
    TransferFailedError,
    TransferTimeoutError,
)

_SAMPLE_BYTES: Final = 1024 * 1024
_PATIENCE: Final = 60.0  # seconds, for each command but the transfer itself


def add_to(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("demo", epilog="Example: ocft demo report.pdf")(demo)


def demo(
    context: typer.Context,
    file: Annotated[
        str | None, typer.Argument(metavar="FILE", help="What to send; left out: a sample.")
    ] = None,
) -> None:
    """Send a file between two nodes on this machine.

    Two processes do it, each with a node of its own in a temporary folder: nothing of yours is
    touched. What arrived is compared with what was sent, and stays there.
    """
    output = Invocation.of(context).output
    if file is not None and not Path(file).is_file():
        raise SourceNotFoundError(f"{file!r} is no file that can be read.")
    # It stays: what arrived is in it.
    folder = Path(tempfile.mkdtemp(prefix="ocft-demo-"))
    source = Path(file).absolute() if file is not None else _make_sample(folder)
    stage = _Stage(folder, output)
    stage.meet()
    arrived = stage.send(source)
    digest = _digest(arrived)
    if digest != _digest(source):
        raise DigestMismatchError(f"{arrived} is not the same as {source}.")
    output.result("demo", path=str(arrived), size=arrived.stat().st_size, digest=digest)
    output.say(f"The same SHA-256 on both sides: {digest}")
    output.say("It arrived here:")
    output.path(arrived)


class _Stage:
    """The two nodes, alice and bob, and the spool in which they meet.

    Args:
        folder: Where all of it is.
        output: Where to tell about it.
    """

    def __init__(self, folder: Path, output: Output) -> None:
        self._folder = folder
        self._output = output
        self._environment = {
            name: value for name, value in os.environ.items() if not name.startswith("OCFT_")
        } | {"OCFT_SPOOL": str(folder / "spool")}

    def meet(self) -> None:
        """Make both nodes and let them exchange their addresses."""
        for name in ("alice", "bob"):
            self._run(name, "init")
        for name, peer in (("alice", "bob"), ("bob", "alice")):
            self._output.say(f"$ ocft --home {peer} export | ocft --home {name} import - -n {peer}")
            address = self._run(peer, "export", is_shown=False)
            self._run(name, "import", "-", "--name", peer, stdin=address, is_shown=False)

    def send(self, source: Path) -> Path:
        """Send a file from alice to bob, each in a process of its own; return where it arrived.

        Raises:
            OcftError: It did not arrive.
        """
        name, size = printable(source.name), format_size(source.stat().st_size)
        self._output.say("$ ocft --home bob listen --once &")
        with self._listening() as bob:
            self._output.say(f"$ ocft --home alice send {name} --to bob    # {size}")
            # It inherits stderr: its progress bar is what there is to see.
            is_silent = self._output.is_json or self._output.is_quiet
            sender = subprocess.run(  # noqa: S603 - our own command
                self._command("alice", "send", "--to", "bob", "--", str(source)),
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL if is_silent else None,
                check=False,
            )
            if sender.returncode:
                raise _failure("send", sender.returncode)
            try:
                path, _ = bob.communicate(timeout=_PATIENCE)
            except subprocess.TimeoutExpired:
                raise _too_slow("listen") from None
        if bob.returncode:
            raise _failure("listen", bob.returncode)
        return Path(os.fsdecode(path.rstrip(b"\n")))

    @contextmanager
    def _listening(self) -> Iterator[subprocess.Popen[bytes]]:
        with subprocess.Popen(  # noqa: S603 - our own command
            self._command("bob", "--quiet", "listen", "--once"),
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        ) as process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.terminate()

    def _run(self, name: str, *words: str, stdin: str = "", is_shown: bool = True) -> str:
        if is_shown:
            self._output.say(f"$ ocft --home {name} {' '.join(words)}")
        try:
            done = subprocess.run(  # noqa: S603 - our own command
                self._command(name, "--quiet", *words),
                env=self._environment,
                input=stdin,
                stdout=subprocess.PIPE,
                text=True,
                check=False,
                timeout=_PATIENCE,
            )
        except subprocess.TimeoutExpired:
            raise _too_slow(words[0]) from None
        if done.returncode:
            raise _failure(words[0], done.returncode)
        return done.stdout

    def _command(self, name: str, *words: str) -> list[str]:
        return [sys.executable, "-m", "ocft", "--home", str(self._folder / name), *words]


def _failure(command: str, status: int) -> OcftError:
    return TransferFailedError(f"`ocft {command}` ended with status {status}.")


def _too_slow(command: str) -> OcftError:
    return TransferTimeoutError(f"`ocft {command}` did not end within {_PATIENCE:g} seconds.")


def _make_sample(folder: Path) -> Path:
    sample = folder / "sample.bin"
    sample.write_bytes(os.urandom(_SAMPLE_BYTES))
    return sample


def _digest(path: Path) -> str:
    import hashlib

    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
