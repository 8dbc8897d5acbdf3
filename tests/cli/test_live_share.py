"""`ocft.cli.live_share`: when sharing from this machine is over, and how it ended."""

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette", reason="sharing is not installed: pip install 'ocft[share]'")

from ocft.cli.dialect import Dialect
from ocft.cli.live_share import LiveOptions, LiveShare
from ocft.cli.output import Output
from ocft.errors import (
    DigestMismatchError,
    OcftError,
    SourceChangedError,
    TransferCancelledError,
    TransferFailedError,
    TransferTimeoutError,
    WrongPasswordError,
)
from ocft.share import (
    DownloadEnded,
    DownloadProgress,
    DownloadStarted,
    PasswordLocked,
    ReceiverConnected,
    SessionEnded,
    ShareEvent,
)
from tests.share.client.test_sending import files_of

OPTIONS: dict[str, Any] = {
    "hosts": None,
    "port": 0,
    "public_url": None,
    "qr": None,
    "expires_in": None,
    "max_downloads": None,
    "timeout": None,
}
ID, ONE, TWO = "session", "one", "two"


@pytest.fixture
def live(tmp_path: Path) -> LiveShare:
    (tmp_path / "file").write_bytes(b"0123456789")
    output = Output(is_json=True)
    options = LiveOptions(**OPTIONS)
    return LiveShare(Dialect(output), output, "CODE", files_of(tmp_path / "file"), options)


def hear(live: LiveShare, *events: ShareEvent) -> None:
    for event in events:
        live._hear(event)


def ending(live: LiveShare) -> type[OcftError] | int:
    try:
        return live._outcome()
    except OcftError as error:
        return type(error)


def test_who_has_everything_counts(live: LiveShare, capsys: pytest.CaptureFixture[str]) -> None:
    hear(
        live,
        ReceiverConnected(ID, ONE),
        DownloadStarted(ID, ONE, 0),
        DownloadProgress(ID, ONE, 26),
        DownloadStarted(ID, ONE, 0),  # goes on after a break: it is the same download
        DownloadEnded(ID, ONE, ok=True, code=None),
        SessionEnded(ID, "used-up"),
    )
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["event"] for line in lines] == [
        "receiver_connected",
        "waiting_for_acceptance",
        "transfer_accepted",
        "progress",
        "transfer_complete",
    ]
    assert lines[3]["bytes_transferred"] == lines[4]["bytes"] == 10
    assert ending(live) == 1


@pytest.mark.parametrize(
    ("ok", "code", "kind"),
    [
        (None, None, TransferFailedError),
        (False, "DIGEST_MISMATCH", DigestMismatchError),
        (False, "CANCELLED", TransferCancelledError),
        (False, "NO_SUCH_CODE\x1b", OcftError),
    ],
)
def test_who_has_not_everything_is_a_failure(
    live: LiveShare, *, ok: bool | None, code: str | None, kind: type[OcftError]
) -> None:
    hear(live, DownloadStarted(ID, ONE, 0), DownloadEnded(ID, ONE, ok, code))
    hear(live, SessionEnded(ID, "used-up"))
    ended = ending(live)
    assert isinstance(ended, type)
    assert issubclass(ended, kind)
    with pytest.raises(OcftError) as raised:
        live._outcome()
    assert str(raised.value).isprintable()


def test_one_who_has_everything_outweighs_others_who_failed(live: LiveShare) -> None:
    hear(live, DownloadStarted(ID, ONE, 0), DownloadStarted(ID, TWO, 0))
    hear(live, DownloadEnded(ID, ONE, ok=True, code=None), DownloadEnded(ID, TWO, None, None))
    hear(live, SessionEnded(ID, "expired"))
    assert ending(live) == 1


def test_nobody_who_came_is_a_time_out(live: LiveShare) -> None:
    hear(live, ReceiverConnected(ID, ONE), SessionEnded(ID, "expired"))
    assert ending(live) is TransferTimeoutError


def test_a_file_that_changed_is_why_it_ends_whatever_came_before(live: LiveShare) -> None:
    hear(live, DownloadStarted(ID, ONE, 0), DownloadEnded(ID, ONE, ok=True, code=None))
    hear(live, SessionEnded(ID, "source-changed"))
    assert ending(live) is SourceChangedError


def test_a_locked_password_ends_it_when_nobody_is_in(live: LiveShare) -> None:
    hear(live, PasswordLocked(ID))
    assert live._reason == "locked"
    assert ending(live) is WrongPasswordError


def test_a_locked_password_lets_those_who_are_in_finish_first(live: LiveShare) -> None:
    hear(live, DownloadStarted(ID, ONE, 0), PasswordLocked(ID))
    assert live._reason == ""
    hear(live, DownloadEnded(ID, ONE, None, None))
    assert live._reason == "locked"
    assert ending(live) is WrongPasswordError
