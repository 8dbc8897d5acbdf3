import ast
import inspect
from dataclasses import FrozenInstanceError, fields, is_dataclass
from itertools import pairwise
from typing import Any

import pytest

from ocft import events
from ocft.events import EVENTS, Event, MessageIgnored, OfferReceived, event_name
from ocft.ids import NodeId, TransferId
from tests.golden.recorded import TRANSFERS

CLASSES: dict[str, type[Event]] = {
    name: member
    for name, member in vars(events).items()
    if inspect.isclass(member) and issubclass(member, Event)
}
WIRE_1 = [
    "offer-sent",
    "offer-received",
    "transfer-accepted",
    "transfer-rejected",
    "transfer-started",
    "transfer-resumed",
    "chunk-sent",
    "chunk-received",
    "ack-received",
    "transfer-completed",
    "transfer-failed",
]


def test_every_event_is_listed_by_its_name() -> None:
    assert set(EVENTS.values()) == set(CLASSES.values()) - {Event}
    assert all(event_name(event_type) == name for name, event_type in EVENTS.items())


def test_the_first_events_are_those_of_wire_1_0() -> None:
    assert list(EVENTS)[: len(WIRE_1)] == WIRE_1


def test_a_name_is_the_class_in_kebab_case() -> None:
    assert event_name(OfferReceived) == "offer-received"
    event = MessageIgnored(transfer_id=TransferId(""), peer_id=NodeId("bob"), reason="busy")
    assert event.name == "message-ignored"


def test_the_recorded_events_have_names_of_ours() -> None:
    recorded = {event for transfer in TRANSFERS.values() for event in transfer.events}
    names = {event.partition(":")[2] for event in recorded}
    assert len(names) >= 7
    assert names <= set(WIRE_1)


@pytest.mark.parametrize("event_type", CLASSES.values(), ids=CLASSES)
def test_an_event_is_a_frozen_slotted_dataclass(event_type: type[Event]) -> None:
    assert is_dataclass(event_type)
    assert "__dict__" not in dir(event_type)
    anything: dict[str, Any] = {field.name: "" for field in fields(event_type)}
    event = event_type(**anything)
    with pytest.raises(FrozenInstanceError):
        event.at = 1.0  # type: ignore[misc]  # what is tested


@pytest.mark.parametrize("event_type", CLASSES.values(), ids=CLASSES)
def test_every_field_has_a_sentence_below_it(event_type: type[Event]) -> None:
    (definition,) = ast.parse(inspect.cleandoc("\n" + inspect.getsource(event_type))).body
    assert isinstance(definition, ast.ClassDef)
    for statement, following in pairwise([*definition.body, None]):
        if isinstance(statement, ast.AnnAssign):
            assert isinstance(following, ast.Expr)
            assert isinstance(following.value, ast.Constant)
            assert str(following.value.value).endswith((".", ").", "…"))


def test_details_for_a_log_are_not_shown_by_chance() -> None:  # case K13
    event = MessageIgnored(
        transfer_id=TransferId(""), peer_id=NodeId("bob"), reason="malformed", detail="\x1b[2J"
    )
    assert "2J" not in repr(event)
