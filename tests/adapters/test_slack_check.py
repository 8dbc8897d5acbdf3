"""`ocft doctor --via slack` against the stand-in."""

from typing import Any

import pytest

from ocft.channels import Finding
from ocft.errors import ChannelError
from ocft_slack import ADAPTER, check
from tests.adapters.slack_scene import Scene, _no_proxy, in_scene
from tests.emulators.slack import Fault

__all__ = ["_no_proxy"]
pytestmark = pytest.mark.usefixtures("_no_proxy")


@pytest.fixture(autouse=True)
def _short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "_PATIENCE", 0.5)


async def look(its: Scene, monkeypatch: pytest.MonkeyPatch, **options: Any) -> list[Finding]:
    monkeypatch.setenv("OCFT_SLACK_BOT_TOKEN", its.alice.bot_token)
    monkeypatch.setenv("OCFT_SLACK_APP_TOKEN", its.alice.app_token)
    assert ADAPTER.check is not None
    return await ADAPTER.check(its.options(**options))


def bad(findings: list[Finding]) -> list[str]:
    assert all(finding.is_good or finding.remedy for finding in findings)
    return [f"{finding.words} {finding.remedy}" for finding in findings if not finding.is_good]


def test_a_right_account_is_good_and_the_room_stays_clean(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(its: Scene) -> None:
        findings = await look(its, monkeypatch)
        assert not bad(findings)
        assert len(findings) == 6
        assert its.alice.user_id in findings[0].words
        assert "hears" in findings[-1].words
        assert not its.server.history(its.room)

    in_scene(scenario)


def test_a_private_room_wants_other_scopes(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(its: Scene) -> None:
        its.room = its.server.channel("den", members=[its.alice], private=True)
        assert not bad(await look(its, monkeypatch))
        its.alice.scopes -= {"groups:history"}
        (words,) = bad(await look(its, monkeypatch))
        assert "groups:history" in words
        assert "OAuth & Permissions" in words

    in_scene(scenario)


def test_each_thing_that_is_wrong_is_named_with_its_switch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scenario(its: Scene) -> None:
        its.alice.scopes -= {"files:write", "channels:history"}
        (words,) = bad(await look(its, monkeypatch))
        assert "lacks channels:history, files:write" in words
        its.alice.scopes |= {"files:write", "channels:history"}

        its.alice.events -= {"message.channels"}
        (words,) = bad(await look(its, monkeypatch))
        assert "Event Subscriptions, add message.channels" in words
        assert not its.server.history(its.room)
        its.alice.events |= {"message.channels"}

        its.server.remove(its.room, its.alice)
        (words,) = bad(await look(its, monkeypatch))
        assert "/invite @alice" in words
        its.server.invite(its.room, its.alice)

        (words,) = bad(await look(its, monkeypatch, channel="C0NOWHERE"))
        assert "channels.slack.channel" in words

        (words,) = bad(await look(its, monkeypatch, thread="1700000000.123456"))
        assert "channels.slack.thread" in words

        place = "apps.connections.open"
        its.server.faults.next(place, Fault.SLACK_ERROR, error="missing_scope")
        (words,) = bad(await look(its, monkeypatch))
        assert "Socket Mode" in words
        assert "connections:write" in words

        its.server.faults.next(place, Fault.SLACK_ERROR, error="invalid_auth")
        assert len(bad(await look(its, monkeypatch))) == 1

    in_scene(scenario, tier1=1000)


def test_a_bad_bot_token_is_told_and_a_dead_server_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(its: Scene) -> None:
        its.server.faults.next("auth.test", Fault.SLACK_ERROR, error="token_revoked")
        (words,) = bad(await look(its, monkeypatch))
        assert "token_revoked" in words
        with pytest.raises(ChannelError):
            await look(its, monkeypatch, api_url="http://127.0.0.1:9/api/")

    in_scene(scenario)


def test_a_node_that_listens_keeps_its_events(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(its: Scene) -> None:
        alice = await its.read(its.alice)
        findings = await look(its, monkeypatch)
        assert not bad(findings)
        assert "Another process" in findings[-1].words
        await its.say(its.bob, "hello")
        await alice.until(1)
        assert not [one for one in its.server.history(its.room) if one["text"] != "hello"]

    in_scene(scenario)
