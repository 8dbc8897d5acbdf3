"""`ocft serve` in a process of its own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from ocft.cli import main

PATIENCE = 30  # seconds


@contextmanager
def serving(home: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the command; its process and address."""
    command = [sys.executable, "-m", "ocft", "--home", str(home), "--json", "serve", *options]
    with subprocess.Popen(
        [*command, "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"NO_PROXY": "*"},
    ) as process:
        assert process.stdout is not None
        try:
            yield process, json.loads(process.stdout.readline())["urls"][0]
        finally:
            process.kill()


def make(url: str) -> dict[str, Any]:
    body = {"id": "a" * 26, "expires_in": 60}
    answer = httpx.post(f"{url}/api/v1/sessions", json=body)
    assert answer.status_code == 201
    made: dict[str, Any] = answer.json()
    return made


def state(url: str) -> int:
    return httpx.get(f"{url}/api/v1/sessions/{'a' * 26}").status_code


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_sessions_outlive_the_process_however_it_ends(tmp_path: Path, how: signal.Signals) -> None:
    with serving(tmp_path) as (process, url):
        make(url)
        process.send_signal(how)
        assert process.wait(PATIENCE) == (-9 if how is signal.SIGKILL else 128 + how)
    with serving(tmp_path) as (_, url):
        assert state(url) == 200


def test_in_memory_they_do_not(tmp_path: Path) -> None:
    with serving(tmp_path, "--memory") as (process, url):
        make(url)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 143
    assert list(tmp_path.iterdir()) == []
    with serving(tmp_path, "--memory") as (_, url):
        assert state(url) == 404


def test_two_servers_do_not_share_a_folder(tmp_path: Path) -> None:
    with serving(tmp_path, "--data", str(tmp_path / "d")):
        command = [sys.executable, "-m", "ocft", "serve", "--data", str(tmp_path / "d")]
        second = subprocess.run(
            [*command, "--port", "0"], capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    assert second.returncode == 3
    assert "holds" in second.stderr


def test_limits_are_what_the_options_say(tmp_path: Path) -> None:
    with serving(tmp_path, "--memory", "--looked", "1", "--max-session", "1KB") as (_, url):
        sender = {"Authorization": f"Bearer {make(url)['sender_key']}"}
        assert [state(url), state(url)] == [200, 429]
        head = {"Upload-Offset": "0", "Upload-Length": "2000", "OCFT-Salt": "A" * 22}
        answer = httpx.patch(
            f"{url}/api/v1/sessions/{'a' * 26}/content", content=b"x", headers=sender | head
        )
        assert answer.status_code == 413


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--memory", "--data", "x"], "take one"),
        (["--host", "files.example.org"], "no IP address"),
        (["--public-url", "files.example.org"], "https://host/path"),
        (["--max-age", "soon"], "duration"),
        (["--max-total", "much"], "no size"),
    ],
)
def test_options_that_make_no_sense_are_named(
    options: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--home", str(tmp_path), "serve", *options]) == 1
    assert words in capsys.readouterr().err


def test_a_token_for_metrics_cannot_be_guessed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "token").write_text("short\n")
    options = ["--memory", "--metrics-token-file", str(tmp_path / "token")]
    assert main(["serve", *options]) == 1
    assert "16" in capsys.readouterr().err
