"""Events API: which app is told what."""

import copy
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

from tests.emulators.slack.counters import Counters
from tests.emulators.slack.faults import Fault, Faults
from tests.emulators.slack.limits import Limits
from tests.emulators.slack.timers import Timers
from tests.emulators.slack.world import App, Channel, World
from tests.emulators.windows import Window

Event = dict[str, Any]


class Events:
    """Hands each event to all apps that may have it, its author's among them (behaviour 1).

    Args:
        deliver: Sends a payload to one app.
    """

    def __init__(
        self,
        *,
        world: World,
        faults: Faults,
        counters: Counters,
        limits: Limits,
        timers: Timers,
        chance: random.Random,
        deliver: Callable[[App, dict[str, Any]], None],
    ) -> None:
        self._world = world
        self._faults = faults
        self._counters = counters
        self._limits = limits
        self._timers = timers
        self._chance = chance
        self._deliver = deliver
        self._windows: dict[str, Window] = {}
        self._warnings: dict[str, Window] = {}

    def publish(self, event: Event, channel: Channel) -> None:
        """Tell the apps about a message of a channel, and about the files that came with it."""
        for app in self._world.apps:
            if app.user_id not in channel.members:
                self._counters.undelivered["not a member"] += 1
            elif f"message.{channel.scope}" not in app.events:
                self._counters.undelivered["not subscribed"] += 1
            elif f"{channel.scope}:history" not in app.scopes:
                self._counters.undelivered["missing scope"] += 1
            else:
                self._tell(app, event)
            if "file_shared" in app.events and app.user_id in channel.members:
                for shared in _file_shared(event):
                    self._send(app, shared)

    def _tell(self, app: App, event: Event) -> None:
        plan = self._faults.take("event", app)
        fault = plan.fault if plan else None
        if fault is Fault.LOST:
            self._counters.undelivered["fault"] += 1
            return
        event = copy.deepcopy(event)
        if fault is Fault.NO_SUBTYPE:
            event.pop("subtype", None)
        elif fault is Fault.FILE_STUB and "files" in event:
            stub = {"mode": "file_access", "file_access": "check_file_info"}
            event["files"] = [{"id": file["id"]} | stub for file in event["files"]]
        elif fault is Fault.MALFORMED:
            for broken in _malformed(event):
                self._deliver(app, broken)
        delay = plan.seconds if plan and fault is Fault.DELAYED else 0.0
        self._send(app, event, delay=delay, twice=fault is Fault.DUPLICATED)
        if fault is Fault.CHANGED_COPY:
            message = {"message": event, "previous_message": event}
            self._send(app, _copy(event, "message_changed", message, self._world))
        elif fault is Fault.DELETED_COPY:
            message = {"deleted_ts": event["ts"], "previous_message": event}
            self._send(app, _copy(event, "message_deleted", message, self._world))

    def _send(self, app: App, event: Event, *, delay: float = 0.0, twice: bool = False) -> None:
        if self._too_many(app):
            return
        payload = self._payload(app, event)
        for _ in range(1 + twice):
            if self._faults.scatter:
                delay += self._chance.uniform(0, self._faults.scatter)
            if delay:
                self._timers.after(delay, lambda: self._deliver(app, payload))
            else:
                self._deliver(app, payload)

    def _payload(self, app: App, event: Event) -> dict[str, Any]:
        return {
            "token": "unused",
            "team_id": self._world.team_id,
            "api_app_id": app.app_id,
            "event": event,
            "type": "event_callback",
            "event_id": self._world.new_id("Ev"),
            "event_time": int(time.time()),
            "authorizations": [
                {"team_id": self._world.team_id, "user_id": app.user_id, "is_bot": True}
            ],
            "is_ext_shared_channel": False,
        }

    def _hour(self) -> Window:
        return Window(self._limits.events_per_hour, self._limits.real(3600))

    def _too_many(self, app: App) -> bool:
        """Whether the hour is full; then the event is gone and the app is told once a minute."""
        window = self._windows.setdefault(app.app_id, self._hour())
        if not window.take():
            return False
        self._counters.undelivered["too many"] += 1
        warned = self._warnings.setdefault(app.app_id, Window(1, self._limits.real(60)))
        if not warned.take():
            limited = {"type": "app_rate_limited", "minute_rate_limited": int(time.time())}
            self._deliver(app, limited | {"api_app_id": app.app_id})
        return True


def _copy(event: Event, subtype: str, fields: Event, world: World) -> Event:
    ts = world.new_ts()
    kept = {key: event[key] for key in ("type", "channel", "channel_type")}
    return kept | {"subtype": subtype, "hidden": True, "ts": ts, "event_ts": ts} | fields


def _file_shared(event: Event) -> Iterator[Event]:
    """`file_shared` has only ids."""
    for file in event.get("files", []) if "subtype" in event else []:
        yield {
            "type": "file_shared",
            "file_id": file["id"],
            "file": {"id": file["id"]},
            "user_id": event["user"],
            "channel_id": event["channel"],
            "event_ts": event["event_ts"],
        }


def _malformed(event: Event) -> Iterator[Any]:
    """Payloads that keep the words of an event, but not its shape."""
    yield {"type": "event_callback"}
    yield {"type": "event_callback", "event": None, "event_id": "Ev0"}
    yield {"type": "event_callback", "event": {"type": "message"}, "event_id": "Ev1"}
    wrong_types: Event = {
        "text": 7,
        "ts": None,
        "user": [],
        "bot_id": {},
        "files": "x",
        "channel": 1,
    }
    yield {"type": "event_callback", "event": event | wrong_types, "event_id": "Ev2"}
    yield {"type": "event_callback", "event": event | {"files": [None, {}]}, "event_id": "Ev3"}
