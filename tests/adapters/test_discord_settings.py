"""The settings, the pure parts, and `ocft doctor --via discord`."""

import asyncio

import pytest

from ocft.errors import ChannelClosedError, ChannelError, ConfigError
from ocft_discord import ADAPTER
from ocft_discord.options import channel_limits, file_limits, read_options
from ocft_discord.text import (
    MAX_PREFIX,
    is_user_id,
    looks_like_ocft,
    mention,
    without_mention,
)
from tests.adapters.discord_scene import Scene, play
from tests.emulators.discord import Fault, Permission

MIB = 1 << 20
STAND_IN = {"api_url": "http://127.0.0.1:1/api", "gateway_url": "ws://[::1]:1/"}


def test_a_section_needs_no_more_than_the_channel() -> None:
    options = read_options({"channel": "1234567890123456789"})
    assert options.room == 1234567890123456789
    assert not options.delete_files_after
    limits, files = channel_limits(options.share), file_limits(options.max_file_size)
    assert limits.max_text == 1976
    assert (files.max_size, files.ceiling, files.at_once) == (9.5 * MIB, 19.5 * MIB, 2)


def test_everything_can_be_set() -> None:
    section = {"channel": 1, "thread": "2", "share": 0.5, "max_file_size": 45 * MIB, **STAND_IN}
    options = read_options({**section, "delete_files_after": True, "token": "env:X"})
    assert options.room == 2
    assert file_limits(options.max_file_size).ceiling == 45 * MIB


@pytest.mark.parametrize(
    ("section", "named"),
    [
        ({}, "channel"),
        ({"channel": "general"}, "channel"),
        ({"channel": 0}, "channel"),
        ({"channel": 1 << 64}, "channel"),
        ({"channel": True}, "channel"),
        ({"channel": 1.0}, "channel"),
        ({"channel": 1, "thread": "x"}, "thread"),
        ({"channel": 1, "share": 0.1}, "share"),
        ({"channel": 1, "share": 1.5}, "share"),
        ({"channel": 1, "share": float("nan")}, "share"),
        ({"channel": 1, "max_file_size": 0}, "max_file_size"),
        ({"channel": 1, "delete_files_after": "yes"}, "delete_files_after"),
        ({"channel": 1, "tokn": "x"}, "tokn"),
        ({"channel": 1, "api_url": "http://127.0.0.1"}, "gateway_url"),
        ({"channel": 1, "gateway_url": "ws://127.0.0.1"}, "api_url"),
        ({"channel": 1, **STAND_IN, "api_url": "http://discord.example"}, "api_url"),
        ({"channel": 1, **STAND_IN, "gateway_url": "wss:///"}, "gateway_url"),
    ],
)
def test_what_is_wrong_is_named(section: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigError, match=rf"channels\.discord\.{named}"):
        read_options(section)


def test_a_token_in_the_wrong_place_is_not_shown() -> None:
    with pytest.raises(ConfigError) as error:
        read_options({"channel": "MTIz.secret", "token": 5})
    assert "secret" not in str(error.value)
    with pytest.raises(ConfigError) as error:
        read_options({"channel": 1, "token": "MTIz.secret"}).find_token()
    assert "secret" not in str(error.value)
    assert "secret" not in repr(read_options({"channel": 1, "token": "MTIz.secret"}))


def test_the_environment_may_name_the_stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCFT_DISCORD_API", STAND_IN["api_url"])
    monkeypatch.setenv("OCFT_DISCORD_GATEWAY", STAND_IN["gateway_url"])
    assert read_options({"channel": 1}).api_url == STAND_IN["api_url"]
    assert read_options({"channel": 1}).gateway_url == STAND_IN["gateway_url"]


@pytest.mark.parametrize("share", [0.3, 0.5, 0.8, 1.0])
def test_a_burst_and_the_pace_after_it_stay_below_the_window(share: float) -> None:
    limits = channel_limits(share)
    assert limits.texts_per_second
    assert limits.total_per_second
    assert limits.burst + limits.texts_per_second * 5 <= 5 * share + 1e-9
    assert 1 + limits.total_per_second * 1 <= 50 * share + 1e-9


@pytest.mark.parametrize("share", [0.0, 0.29, 1.01, float("nan")])
def test_no_share_and_too_much_of_it_is_refused(share: float) -> None:
    with pytest.raises(ConfigError, match="share"):
        channel_limits(share)


def test_mentions_are_put_before_a_text_and_taken_off_again() -> None:
    assert len(mention("9" * 20)) == MAX_PREFIX
    assert without_mention(mention("12") + "text", 12) == "text"
    assert without_mention("<@!12>text", 12) == "text"
    assert without_mention("<@123> text", 12) == "<@123> text"
    assert without_mention("hello <@12>", 12) == "hello <@12>"
    assert is_user_id("123")
    assert not is_user_id("0123")


@pytest.mark.parametrize(
    ("text", "is_ours"),
    [
        ("\N{LINK SYMBOL}OCFT:eyJ", True),
        ("<@1> ```\N{LINK SYMBOL}\ufe0fOCFT:eyJ```", True),
        (":link:OCFT:eyJ", True),
        ("&#x1f517;OCFT:eyJ", True),
        ("let us talk about OCFT: it moves files", False),
        ("\N{LINK SYMBOL} a link", False),
        ("", False),
    ],
)
def test_ocft_texts_are_recognised(text: str, *, is_ours: bool) -> None:
    assert looks_like_ocft(text) is is_ours


# ---- ocft doctor --via discord


async def look(scene: Scene, **more: object) -> tuple[list[str], list[str]]:
    """Return the words of what is good, and of what is bad with its remedy."""
    assert ADAPTER.check is not None
    findings = await ADAPTER.check(scene.options(scene.ada, **more))
    assert all(bool(one.remedy) is not one.is_good for one in findings)
    return (
        [one.words for one in findings if one.is_good],
        [f"{one.words} {one.remedy}" for one in findings if not one.is_good],
    )


def test_all_is_well() -> None:
    async def test(scene: Scene) -> None:
        good, bad = await look(scene)
        assert not bad
        assert str(scene.ada.id) in good[0]
        assert "#files" in good[2]
        assert not scene.said()

    play(test)


def test_a_missing_intent_says_where_to_switch_it_on() -> None:
    async def test(scene: Scene) -> None:
        scene.ada.message_content = False
        _, bad = await look(scene)
        assert len(bad) == 1
        assert "Privileged Gateway Intents, Message Content Intent" in bad[0]

    play(test)


@pytest.mark.parametrize(
    ("right", "name"),
    [
        (Permission.SEND_MESSAGES, "Send Messages"),
        (Permission.ATTACH_FILES, "Attach Files"),
        (Permission.READ_MESSAGE_HISTORY, "Read Message History"),
    ],
)
def test_a_missing_permission_is_named(right: Permission, name: str) -> None:
    async def test(scene: Scene) -> None:
        scene.server.deny(scene.ada, scene.room, right)
        _, bad = await look(scene)
        assert f"Allow {name} in" in bad[0]  # who may not send may not attach either

    play(test)


def test_a_thread_has_rights_of_its_own() -> None:
    async def test(scene: Scene) -> None:
        thread = scene.server.add_thread(scene.room, "ocft", scene.ada)
        scene.server.deny(scene.ada, scene.room, Permission.SEND_MESSAGES_IN_THREADS)
        scene.server.deny(scene.ada, scene.room, Permission.SEND_MESSAGES)
        _, bad = await look(scene, thread=thread.id)
        assert "Send Messages in Threads" in bad[0]

    play(test)


def test_a_bot_that_is_not_there_gets_an_invitation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ocft_discord.check._PATIENCE", 0.1)

    async def test(scene: Scene) -> None:
        scene.server.leave(scene.ada)
        _, bad = await look(scene)
        assert len(bad) == 1
        assert "discord.com/oauth2/authorize?client_id=" in bad[0]

    play(test)


def test_a_wrong_token_is_a_finding_and_a_dead_network_an_error() -> None:
    async def test(scene: Scene) -> None:
        scene.server.faults.next("get_current_user", Fault.ERROR_503)
        with pytest.raises(ChannelClosedError):
            await look(scene)
        token, scene.ada.token = scene.ada.token, "wrong.token"
        options = scene.options(scene.ada)
        scene.ada.token = token
        assert ADAPTER.check is not None
        (finding,) = await ADAPTER.check(options)
        assert "Reset Token" in finding.remedy
        with pytest.raises(ChannelError):
            await ADAPTER.open("node", options)

    play(test)


def test_a_look_that_is_cancelled_while_it_connects_leaves_nothing_behind() -> None:
    async def test(scene: Scene) -> None:
        connects, over = asyncio.Event(), asyncio.Event()

        async def silence(_: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
            connects.set()
            await over.wait()
            answers.close()

        async with await asyncio.start_server(silence, "127.0.0.1", 0) as gateway:
            port = gateway.sockets[0].getsockname()[1]
            looking = asyncio.create_task(look(scene, gateway_url=f"ws://127.0.0.1:{port}/"))
            await connects.wait()
            looking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await looking
            over.set()

    play(test)  # which finds tasks that are left
