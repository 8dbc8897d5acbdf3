"""Settings, limits and texts: what needs no server."""

from collections.abc import Callable

import pytest

from ocft.channels import ChannelLimits, TokenBucket
from ocft.errors import ConfigError
from ocft.wire import MARKER
from ocft_telegram.limits import file_limits, group_limits, private_limits
from ocft_telegram.options import read_options
from ocft_telegram.text import (
    LONGEST_PREFIX,
    is_username,
    looks_like_ocft,
    prefix_for,
    without_prefix,
)
from tests.adapters import telegram_world

TOKEN = "123456:ABC-DEF_ghi"


def test_the_marker_is_that_of_the_wire() -> None:
    assert telegram_world.MARKER == MARKER
    assert looks_like_ocft(f"{MARKER}abc")


@pytest.mark.parametrize(
    ("text", "sent", "is_ours"),
    [
        (f"{MARKER}abc", f"{MARKER}abc", True),
        (f"/ocft@bob_bot {MARKER}abc", f"{MARKER}abc", True),
        (f" \n/OCFT@BOB_BOT\n{MARKER}abc", f"{MARKER}abc", True),
        ("/ocft@bob_bot hello", "hello", False),
        ("/ocft@bob_bot", "", False),
        (f"/ocft {MARKER}abc", f"/ocft {MARKER}abc", False),
        (f"/ocft@bob-bot {MARKER}abc", f"/ocft@bob-bot {MARKER}abc", False),
        (f"what is {MARKER} ?", f"what is {MARKER} ?", False),
        ("", "", False),
    ],
)
def test_what_was_sent_is_found_behind_the_address(text: str, sent: str, *, is_ours: bool) -> None:
    assert without_prefix(text) == sent
    assert looks_like_ocft(text) is is_ours


def test_the_longest_name_makes_the_longest_prefix() -> None:
    assert len(prefix_for("b" * 32)) == LONGEST_PREFIX
    assert is_username("@" + "b" * 32)
    for address in ("@" + "b" * 33, "@ab", "@1bot", "bob_bot", "@bob bot", "@bob_bot\n", ""):
        assert not is_username(address)


@pytest.mark.parametrize("share", [0.25, 0.5, 0.7, 0.8, 1.0])
@pytest.mark.parametrize(
    ("limits_of", "windows"),
    [(private_limits, [(5, 5.0)]), (group_limits, [(20, 60.0), (5, 5.0)])],
    ids=["private", "group"],
)
def test_no_window_of_the_platform_is_ever_full(
    limits_of: Callable[[float], ChannelLimits], windows: list[tuple[int, float]], share: float
) -> None:
    limits = limits_of(share)
    rate = limits.texts_per_second
    assert rate
    assert limits.total_per_second
    bucket, now, sent = TokenBucket(rate, limits.burst), 0.0, []
    while now < 300:
        now += bucket.wait_before(now)
        bucket.take(now)
        sent.append(now)
    for most, seconds in windows:
        assert limits.burst + rate * seconds <= most * share + 1e-9
        fullest = max(sum(start <= at < start + seconds for at in sent) for start in sent)
        assert fullest <= most * share + 1e-9
    assert 1 + limits.total_per_second <= 30 * share


def test_files_stay_below_what_a_bot_can_download() -> None:
    assert file_limits(None).ceiling == 19 * 1024 * 1024 < 20_000_000
    assert file_limits(5).max_size == file_limits(5).ceiling == 5


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"chat": 5}, r"channels\.telegram\.chat"),
        ({"chat": "-5"}, r"channels\.telegram\.chat"),
        ({"chat": -5, "thread": 0}, r"channels\.telegram\.thread"),
        ({"thread": 7}, "set chat, too"),
        ({"chat": -5, "meet": ["@bob_bot"]}, "meet is for private chats"),
        ({"meet": ["bob"]}, "@bob_bot"),
        ({"meet": "@bob_bot"}, r"channels\.telegram\.meet"),
        ({"share": 0.1}, r"channels\.telegram\.share"),
        ({"share": float("nan")}, r"channels\.telegram\.share"),
        ({"api_url": "ftp://x"}, r"channels\.telegram\.api_url"),
        ({"api_url": "http://user@x"}, r"channels\.telegram\.api_url"),
        ({"api_url": "https://x/{token}"}, r"channels\.telegram\.api_url"),
        ({"max_file_size": 30_000_000}, "set api_url, too"),
        ({"max_file_size": 0}, r"channels\.telegram\.max_file_size"),
        ({"delete_files_after": "yes"}, r"channels\.telegram\.delete_files_after"),
        ({"chatt": -5}, r"channels\.telegram\.chatt"),
    ],
)
def test_a_wrong_setting_is_named(options: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        read_options(options)


def test_a_token_in_the_settings_is_refused_and_not_shown() -> None:
    for option in ("token", "chat", "api_url", TOKEN):
        with pytest.raises(ConfigError) as refused:
            read_options({option: TOKEN}).find_token()
        if option != TOKEN:
            assert TOKEN not in str(refused.value)


def test_the_token_is_found_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCFT_TELEGRAM_TOKEN", TOKEN)
    assert read_options({}).find_token() == TOKEN
    assert read_options({"token": None}).find_token() == TOKEN
    monkeypatch.setenv("OTHER", f" {TOKEN}\n")
    assert read_options({"token": "env:OTHER"}).find_token() == TOKEN
    for wrong in ("hello", "1:", ":a", "1:a/../b", "1:a?b", "1:a b"):
        monkeypatch.setenv("OTHER", wrong)
        with pytest.raises(ConfigError) as refused:
            read_options({"token": "env:OTHER"}).find_token()
        assert wrong not in str(refused.value)
