"""`ocft.cli.invocation`: what a run of a command works with."""

from pathlib import Path

from ocft.cli.invocation import Invocation
from ocft.cli.output import Output
from tests.cli.conftest import Ocft


def test_secrets_are_those_of_the_config_file_at_each_moment(node: Ocft, tmp_path: Path) -> None:
    listener = Invocation(home=None, output=Output())
    first = node("show-secret").out.strip()
    assert listener.secrets_at(0.0) == (first,)
    node("rotate-secret")  # by another process, while the first one listens
    second = node("show-secret").out.strip()
    assert listener.secrets_at(0.0) == (second, first)
    node("rotate-secret", "--overlap", "0")
    third = node("show-secret").out.strip()
    assert listener.secrets_at(0.0) == (third,)
    (tmp_path / "home" / "config.json").write_text("{half")  # somebody edits it
    assert listener.secrets_at(0.0) == (third,)
    (tmp_path / "home" / "config.json").unlink()
    assert listener.secrets_at(0.0) == (third,)
