import asyncio
from pathlib import Path
from typing import Any

import pytest

from ocft.errors import ConfigError
from ocft.share import DiskStore, Limits, MemoryStore, PasswordSecret, SessionEnded, Sessions
from ocft.share.server.refusals import (
    Conflict,
    NoSession,
    NoSpace,
    RateLimited,
    ShuttingDown,
    TooLarge,
)
from ocft.storage import free_space
from tests.share.served import Clock, at, keys_of, random_file, run, sealed_data, serving, share


def test_sessions_on_disk_go_on_after_a_restart(tmp_path: Path) -> None:
    keys, data = keys_of(), bytes(3_000_000)

    async def before() -> None:
        async with serving(store=DiskStore(tmp_path), keeps_sessions=True) as served:
            sender = await served.make(keys, max_downloads=3)
            sealed, salt = sealed_data(keys, data)
            length = len(sealed)
            await served.patch(keys, sender, sealed[:1_000_000], salt=salt, length=length)
            kept.update(sender=sender, sealed=sealed, salt=salt)

    async def after() -> None:
        async with serving(store=DiskStore(tmp_path), keeps_sessions=True) as served:
            sender, sealed, salt = kept["sender"], kept["sealed"], kept["salt"]
            head = await served.client.head(f"{at(keys)}/content", headers=sender)
            assert head.headers["upload-offset"] == "1000000"
            assert served.sessions.room.used == 1_000_000
            answer = await served.patch(
                keys, sender, sealed[1_000_000:], salt=salt, offset=1_000_000
            )
            assert answer.status_code == 204
            await served.client.put(f"{at(keys)}/manifest", content=bytes(50), headers=sender)
            done = await served.client.post(f"{at(keys)}/complete", headers=sender)
            assert done.status_code == 204
            granted = await served.join(keys)
            kept["receiver"] = granted["headers"]
            await served.client.get(f"{at(keys)}/content", headers=granted["headers"])

    async def at_last() -> None:
        async with serving(store=DiskStore(tmp_path), keeps_sessions=True) as served:
            seen = (await served.client.get(at(keys))).json()
            assert (seen["state"], seen["downloads_left"]) == ("ready", 2)
            again = await served.client.get(f"{at(keys)}/content", headers=kept["receiver"])
            assert again.content == kept["sealed"]
            assert (await served.client.delete(at(keys), headers=kept["sender"])).status_code == 204

    kept: dict[str, Any] = {}
    for work in (before, after, at_last):
        run(work)
    assert list(tmp_path.iterdir()) == []


def test_a_password_and_its_wrong_ones_outlive_a_restart(tmp_path: Path) -> None:
    async def work() -> None:
        keys = keys_of()
        first = Sessions(store=DiskStore(tmp_path))
        secret = PasswordSecret(bytes(32), bytes(range(32)))
        session, _ = await first.make(keys.id, expires_in=60, password=secret)
        assert session.gate is not None
        session.gate.wrong = 7
        await first.close(is_kept=True)
        second = Sessions(store=DiskStore(tmp_path))
        second.load()
        gate = second.find(keys.id).gate
        assert gate is not None
        assert (gate.wrong, gate.secret) == (7, secret)

    run(work)


def test_what_expired_meanwhile_is_removed_at_the_start(tmp_path: Path) -> None:
    async def work() -> None:
        clock = Clock()
        first = Sessions(store=DiskStore(tmp_path), wall=clock)
        await first.make(keys_of().id, expires_in=60)
        await first.close(is_kept=True)
        clock.now += 61
        second = Sessions(store=DiskStore(tmp_path), wall=clock)
        second.load()
        assert not second.count
        assert list(tmp_path.iterdir()) == []

    run(work)


def test_sessions_in_memory_end_with_the_server() -> None:
    async def work() -> None:
        events: list[object] = []
        sessions = Sessions(store=MemoryStore(), observer=events.append)
        await sessions.make(keys_of().id, expires_in=60)
        await sessions.close(is_kept=False)
        assert events == [SessionEnded(keys_of().id, "closed")]

    run(work)


def test_a_server_that_ends_makes_nothing_new(tmp_path: Path) -> None:
    random_file(tmp_path / "one", 1)

    async def work() -> None:
        sessions = Sessions()
        session = share(sessions, keys_of(), tmp_path / "one")
        sessions.is_closing = True
        with pytest.raises(ShuttingDown):
            await sessions.make(keys_of(1).id, expires_in=60)
        with pytest.raises(ShuttingDown):
            sessions.let_in(session)

    run(work)


def test_there_are_so_many_sessions() -> None:
    async def work() -> None:
        sessions = Sessions(limits=Limits(sessions=1))
        await sessions.make(keys_of(0).id, expires_in=60)
        with pytest.raises(RateLimited):
            await sessions.make(keys_of(1).id, expires_in=60)

    run(work)


def test_nobody_lives_longer_than_the_limit() -> None:
    async def work() -> None:
        sessions = Sessions(limits=Limits(expires_in=100), wall=lambda: 1000.0)
        session, _ = await sessions.make(keys_of().id, expires_in=10**9)
        assert session.expires_at == 1100

    run(work)


def test_a_code_is_in_use_once(tmp_path: Path) -> None:
    random_file(tmp_path / "one", 1)

    async def work() -> None:
        sessions = Sessions()
        share(sessions, keys_of(), tmp_path / "one")
        with pytest.raises(ConfigError):
            share(sessions, keys_of(), tmp_path / "one")

    run(work)


def test_downloads_that_never_began_make_room_and_others_do_not(tmp_path: Path) -> None:
    random_file(tmp_path / "one", 1)

    async def work() -> None:
        sessions = Sessions(limits=Limits(downloads_of_session=2))
        session = share(sessions, keys_of(), tmp_path / "one")
        first, _ = sessions.let_in(session)
        session.start(first)
        sessions.let_in(session)
        third, _ = sessions.let_in(session)
        assert [one.name for one in session] == [first.name, third.name]
        session.start(third)
        with pytest.raises(RateLimited):
            sessions.let_in(session)

    run(work)


def test_who_was_let_in_and_never_began_is_forgotten(tmp_path: Path) -> None:
    random_file(tmp_path / "one", 1)

    async def work() -> None:
        clock = Clock()
        sessions = Sessions(steady=clock)
        session = share(sessions, keys_of(), tmp_path / "one")
        sessions.let_in(session)
        clock.now += 601
        sessions.sweep()
        assert list(session) == []
        assert sessions.find(keys_of().id) is session

    run(work)


def test_room_is_what_quotas_and_disk_have(tmp_path: Path) -> None:
    async def work() -> None:
        limits = Limits(bytes_of_session=1 << 59, bytes_in_total=1 << 60)
        sessions = Sessions(store=DiskStore(tmp_path), limits=limits)
        session, _ = await sessions.make(keys_of().id, expires_in=60)
        with pytest.raises(TooLarge):
            sessions.room.promise(session, limits.bytes_of_session + 1)
        with pytest.raises(NoSpace):
            sessions.room.promise(session, free_space(tmp_path))
        sessions.room.promise(session, 1)
        await sessions.close()

    run(work)


def test_room_is_given_back_once(tmp_path: Path) -> None:
    async def work() -> None:
        sessions = Sessions()
        session, _ = await sessions.make(keys_of().id, expires_in=60)
        sessions.room.take(session, 100)
        sessions.end(session, "deleted")
        sessions.end(session, "deleted")
        sessions.room.give_back(session, 100)  # of an upload that was writing meanwhile
        assert sessions.room.used == 0
        with pytest.raises(NoSession):
            sessions.find(keys_of().id)
        await sessions.close()

    run(work)


def test_a_session_that_is_over_is_swept_by_itself(tmp_path: Path) -> None:
    random_file(tmp_path / "one", 1)

    async def work() -> None:
        async with serving() as served:
            share(served.sessions, keys_of(), tmp_path / "one", expires_in=10)
            served.clock.now += 11
            while served.sessions.count:
                await asyncio.sleep(0.02)

    run(work)


def test_a_session_made_before_the_server_is_opened_stays(tmp_path: Path) -> None:
    async def work() -> None:
        sessions = Sessions(store=DiskStore(tmp_path))
        session, _ = await sessions.make(keys_of().id, expires_in=60)
        sessions.load()
        assert sessions.find(keys_of().id) is session
        assert len(list(tmp_path.iterdir())) == 1

    run(work)


def test_a_server_without_sessions_is_one_all_the_same() -> None:
    sessions = Sessions()
    assert sessions.count == 0
    assert bool(sessions) is True


def test_of_two_that_make_the_same_session_at_once_one_has_it(tmp_path: Path) -> None:
    async def work() -> None:
        sessions = Sessions(store=DiskStore(tmp_path), limits=Limits(sessions=2))
        ids = [keys_of(0).id, keys_of(0).id, keys_of(1).id, keys_of(2).id]
        ends = await asyncio.gather(
            *(sessions.make(one, expires_in=60) for one in ids), return_exceptions=True
        )
        assert [type(one) for one in ends] == [tuple, Conflict, tuple, RateLimited]
        assert len(list(tmp_path.iterdir())) == sessions.count == 2

    run(work)


def test_what_is_made_while_the_server_ends_is_not(tmp_path: Path) -> None:
    async def work() -> None:
        sessions = Sessions(store=DiskStore(tmp_path))
        making = asyncio.ensure_future(sessions.make(keys_of().id, expires_in=60))
        await asyncio.sleep(0)
        sessions.is_closing = True
        with pytest.raises(ShuttingDown):
            await making
        assert list(tmp_path.iterdir()) == []

    run(work)
