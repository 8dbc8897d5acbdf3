"""The parts of the Slack channel that need no server."""

import asyncio
import random
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocft_slack.backlog import Backlog
from ocft_slack.events import Events
from ocft_slack.history import History
from ocft_slack.messages import Heard, Room, moment, read_file, stamp
from ocft_slack.text import fits_one_post, from_slack, looks_like_ocft, to_slack

ROOM = Room("C012", None, "UME", "BME")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "type",
                    "subtype",
                    "channel",
                    "user",
                    "ts",
                    "text",
                    "files",
                    "id",
                    "event",
                    "message",
                ]
            )
            | st.text(),
            children,
            max_size=6,
        )
    ),
    max_leaves=12,
)


@given(st.text(alphabet="&<>;amplgt:link:OCFT 🔗x\n"))
def test_a_text_comes_back_as_it_was_unless_it_has_colon_markers(text: str) -> None:
    if ":link:OCFT:" not in from_slack(to_slack(text)) and ":link:OCFT:" not in text:
        assert from_slack(to_slack(text)) == text


@pytest.mark.parametrize(
    ("text", "is_ours"),
    [
        ("\N{LINK SYMBOL}OCFT:abc", True),
        ("\N{LINK SYMBOL}\N{VARIATION SELECTOR-16}OCFT:abc", True),
        ("<@U1> :link:OCFT:abc", True),
        ("&gt; ```:link:OCFT:abc```", True),
        ("what is OCFT: a protocol?", False),
        ("link:OCFT:abc", False),
        ("", False),
    ],
)
def test_our_texts_are_told_from_those_of_others(
    text: str,
    is_ours: bool,  # noqa: FBT001 - of a table
) -> None:
    assert looks_like_ocft(text) == is_ours


def test_the_length_is_that_of_what_slack_stores() -> None:
    assert fits_one_post("x" * 4000)
    assert not fits_one_post("&" * 801)
    assert fits_one_post("\N{LINK SYMBOL}OCFT:" + "x" * (4000 - 11))
    assert not fits_one_post("\N{LINK SYMBOL}OCFT:" + "x" * (4000 - 10))


@given(JSON)
def test_no_event_raises_and_none_is_ours_by_chance(event: Any) -> None:
    events = Events(ROOM, Backlog(), lambda: None)
    assert ROOM.read(event)
    read_file(event)
    assert not events.take_event(event)
    assert events.take_payload({"type": "event_callback", "event": event})


@given(st.integers(0, 10**18 - 1))
def test_a_time_stamp_is_a_number_of_microseconds(at: int) -> None:
    assert moment(stamp(at)) == at


@pytest.mark.parametrize("ts", [None, 1.5, "", "1", "1.5", "-1.000000", "1.000000\n", "9" * 13])
def test_what_is_no_time_stamp_is_none(ts: object) -> None:
    assert moment(ts) is None


@pytest.mark.parametrize(
    "view",
    [
        None,
        {},
        {"id": "../x"},
        {"id": "F012", "mode": "tombstone"},
        {"id": "F012", "is_external": True, "url_private": "https://drive.example.com/x"},
    ],
)
def test_a_file_that_is_gone_or_elsewhere_is_none(view: object) -> None:
    assert read_file(view) is None


def test_a_file_without_a_name_or_a_size_is_known_by_its_id() -> None:
    file = read_file({"id": "F012", "name": None, "size": True, "url_private": 7})
    assert file is not None
    assert (file.name, file.size, file.url) == ("F012", None, None)


def test_what_is_done_is_never_more_than_what_was_handled() -> None:
    chance = random.Random(1)
    for _ in range(50):
        backlog = Backlog()
        backlog.is_behind = False
        handled: set[int] = set()
        came: set[int] = set()
        for at in chance.sample(range(1, 100), 40):
            if chance.random() < 0.6:
                came.add(at)
                backlog.add(Heard(at, "U1", ""))
            elif (heard := backlog.first()) is not None:
                assert heard is backlog.first()
                backlog.handled()
                handled.add(heard.at)
            assert not {one for one in came - handled if one <= backlog.done_to}


def test_a_message_that_came_is_not_taken_again() -> None:
    backlog = Backlog()
    for at in (2, 1, 2):
        backlog.add(Heard(at, "U1", ""))
    backlog.add_read([Heard(1, "U1", ""), Heard(3, "U1", "")], read_to=3)
    order = []
    while (heard := backlog.first()) is not None:
        order.append(heard.at)
        backlog.handled()
    assert order == [1, 2, 3]
    assert backlog.is_empty


@pytest.mark.parametrize("page", [[], [9]])
def test_an_empty_page_of_history_is_no_end_and_one_of_older_messages_is(page: list[int]) -> None:
    pages = {None: [30, 20], "1": page, "2": [15]}

    async def answer(*, cursor: str | None, **_: object) -> object:
        following = str(int(cursor or 0) + 1)
        data = {
            "messages": [{"ts": stamp(at)} for at in pages[cursor]],
            "has_more": following in pages,
            "response_metadata": {"next_cursor": following},
        }
        return SimpleNamespace(data=data)

    async def main() -> None:
        web: Any = SimpleNamespace(conversations_history=answer)
        found, has_more = await History(web, ROOM).since(10)
        assert [moment(one["ts"]) for one in found] == ([20, 30] if page else [15, 20, 30])
        assert not has_more

    asyncio.run(main())
