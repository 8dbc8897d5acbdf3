from pathlib import Path

import pytest

from ocft.channels import find_credential
from ocft.errors import ConfigError


def find(reference: object) -> str:
    return find_credential({"token": reference}, "token", variable="OCFT_UNUSED")


def test_a_token_can_be_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text("  abc\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find(f"file:{tmp_path / 'token'}") == find("file:~/token") == "abc"


@pytest.mark.parametrize("content", [b"", b" \n", b"x" * 20_000, b"\xff\xfe"])
def test_a_file_without_a_token_is_an_error_that_shows_nothing(
    tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "token").write_bytes(content)
    with pytest.raises(ConfigError, match="'token'") as caught:
        find(f"file:{tmp_path / 'token'}")
    assert "xx" not in str(caught.value)


@pytest.mark.parametrize("reference", ["file:", "file:token", "file:/nowhere/at/all", "file:/"])
def test_a_file_that_is_not_there_is_an_error(reference: str) -> None:
    with pytest.raises(ConfigError):
        find(reference)
