"""`ocft doctor --via telegram` on the stand-in."""

from typing import Any

import pytest

from ocft.channels import Finding
from ocft.errors import ChannelClosedError, ConfigError
from ocft_telegram import ADAPTER
from tests.adapters.telegram_world import World, in_real_time, world
from tests.emulators.telegram import Fault

pytestmark = pytest.mark.filterwarnings("ignore::telegram.warnings.PTBDeprecationWarning")


async def check(here: World, **options: Any) -> list[Finding]:
    assert ADAPTER.check
    return await ADAPTER.check(here.options(here.alice, **options))


def bad(findings: list[Finding]) -> list[Finding]:
    found = [finding for finding in findings if not finding.is_good]
    assert all(finding.remedy for finding in found)
    return found


@in_real_time
async def test_a_bot_that_can_do_everything() -> None:
    async with world() as here:
        findings = await check(here)
        assert not bad(findings)
        words = " / ".join(finding.words for finding in findings)
        assert f"@alice_bot, number {here.alice.id}" in words
        assert f"@Bob_bot can be written to; its address is {here.bob.id}" in words
        assert here.server.history(here.alice, here.bob) == []  # it leaves nothing behind


@in_real_time
async def test_bot_to_bot_mode_that_is_off_is_told() -> None:
    async with world() as here:
        here.bob.bot_to_bot = False
        (finding,) = bad(await check(here))
        assert "@Bob_bot" in finding.words
        assert "Bot-to-Bot Communication Mode" in finding.remedy
        (finding,) = bad(await check(here, meet=["@nobody_bot"]))
        assert "hat not found" in finding.words
        # Without names, it cannot be tried.
        findings = await check(here, meet=[])
        assert not bad(findings)
        assert any("BotFather" in finding.remedy for finding in findings)


@in_real_time
async def test_a_token_that_is_not_good_is_a_finding_and_a_missing_one_an_error() -> None:
    async with world() as here:
        options = here.options(here.alice)
        here.server.new_token(here.alice)
        assert ADAPTER.check
        (finding,) = bad(await ADAPTER.check(options))
        assert "/token" in finding.remedy
        with pytest.raises(ConfigError, match="NOT_SET"):
            await ADAPTER.check({"token": "env:NOT_SET"})
        await here.server.go_down()
        with pytest.raises(ChannelClosedError):
            await ADAPTER.check(options)


@in_real_time
async def test_a_webhook_is_told() -> None:
    async with world() as here:
        here.alice.updates.webhook = "https://example.org/secret"
        (finding,) = bad(await check(here))
        assert "webhook" in finding.words
        assert "secret" not in finding.words
        assert "deleteWebhook" in finding.remedy


@in_real_time
async def test_what_a_bot_can_do_in_a_group() -> None:
    async with world() as here:
        room = here.server.add_group("OCFT", here.alice, here.bob)
        findings = await check(here, chat=room.id)
        assert not bad(findings)
        assert "/setprivacy" in findings[-1].remedy
        here.server.set_status(room, here.alice, "administrator")
        findings = await check(here, chat=room.id)
        assert "hears everything" in findings[-1].words
        here.server.set_status(room, here.alice, "restricted")
        (finding,) = bad(await check(here, chat=room.id))
        assert "messages and files" in finding.words
        here.server.leave(room, here.alice)
        (finding,) = bad(await check(here, chat=room.id))
        assert "Add members" in finding.remedy
        (finding,) = bad(await check(here, chat=-5))
        assert "-5" in finding.words


@in_real_time
async def test_a_group_that_moved_is_told() -> None:
    async with world() as here:
        room = here.server.add_group("OCFT", here.alice, supergroup=False)
        new = here.server.migrate(room)
        (finding,) = bad(await check(here, chat=room.id))
        assert finding.remedy == f"Set channels.telegram.chat to {new.id}."


@in_real_time
async def test_a_topic_that_is_not_there_is_told() -> None:
    async with world() as here:
        room = here.server.add_group("OCFT", here.alice, forum=True)
        topic = here.server.add_topic(room, "files")
        assert not bad(await check(here, chat=room.id, thread=topic))
        (finding,) = bad(await check(here, chat=room.id, thread=topic + 1))
        assert "no topic" in finding.words


@in_real_time
async def test_an_answer_that_is_lost_is_no_finding_about_the_account() -> None:
    async with world() as here:
        here.server.faults.next("getWebhookInfo", Fault.ERROR_500)
        with pytest.raises(ChannelClosedError):
            await check(here)
        here.server.faults.next("sendMessage", Fault.FLOOD, seconds=30)
        (finding,) = bad(await check(here))
        assert "not tried" in finding.words
