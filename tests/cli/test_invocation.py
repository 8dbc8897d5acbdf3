"""`ocft.cli.invocation`: what a run of a command works with."""

from pathlib import Path

from ocft.cli.invocation import Invocation
from ocft.cli.output import Output
from tests.cli.conftest import Ocft


def test_secrets_and_limits_are_those_of_the_config_file_at_each_moment(
    node: Ocft, tmp_path: Path
) -> None:
    listener = Invocation(home=None, output=Output())
    first = node("show-secret").out.strip()
    assert listener.secrets_at(0.0) == (first,)
    node("rotate-secret")  # by another process, while the first one listens
    second = node("show-secret").out.strip()
    assert listener.secrets_at(0.0) == (second, first)
    node("rotate-secret", "--overlap", "0")
    third = node("show-secret").out.strip()
    assert listener.secrets_at(0.0) == (third,)
    node("set-max-size", "5MB")
    assert listener.max_file_size_now() == 5 * 1024**2
    (tmp_path / "home" / "config.json").write_text("{half")  # somebody edits it
    assert listener.secrets_at(0.0) == (third,)
    (tmp_path / "home" / "config.json").unlink()
    assert listener.secrets_at(0.0) == (third,)


def test_peers_have_names_in_what_the_library_says(node: Ocft) -> None:
    for words in (["ocft_b", "-n", "bob"], ["ocft_bc"], ["ocft_b.d", "-n", "dora"]):
        node("peers", "add", *words)
    invocation = Invocation(home=None, output=Output())
    said = "The trust in ocft_b has ended; ocft_bc, xocft_b and ocft_b.d do not answer."
    assert invocation.with_names(said) == (
        "The trust in bob has ended; ocft_bc, xocft_b and dora do not answer."
    )
    invocation.close()
