"""What a method is, and how it reads its arguments (behaviour 12)."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from tests.emulators.slack.world import App


class SlackError(Exception):
    """An `ok: false` answer.

    Args:
        error: Slack's name for it.
        more: Further fields of the answer.
    """

    def __init__(self, error: str, **more: Any) -> None:
        super().__init__(error)
        self.error = error
        self.more = more


class Arguments:
    """Arguments of one call, from JSON, form, query string, or a mix."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def text(self, name: str) -> str:
        """A string; "" when missing."""
        value = self._values.get(name)
        return "" if value is None else str(value)

    def needed(self, name: str) -> str:
        """A string that must be there."""
        value = self.text(name)
        if not value:
            raise SlackError("missing_argument", response_metadata={"messages": [name]})
        return value

    def number(self, name: str, default: int) -> int:
        """An integer."""
        value = self.text(name) or str(default)
        if not value.isdecimal():
            raise SlackError("invalid_arguments", response_metadata={"messages": [name]})
        return int(value)

    def flag(self, name: str, *, default: bool = False) -> bool:
        """A boolean; Slack accepts true, "true" and 1."""
        value = self.text(name).lower()
        return value in ("1", "true") if value else default

    def json(self, name: str) -> Any:
        """A structure: as it is in JSON, as JSON text elsewhere; None when missing."""
        value = self._values.get(name)
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value)
        except ValueError:
            raise SlackError("invalid_arguments", response_metadata={"messages": [name]}) from None


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a method by an app."""

    app: App
    arguments: Arguments


Run = Callable[[Call], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Method:
    """A Web API method.

    Attributes:
        run: Applies the call and returns the answer without `ok`; raises `SlackError`.
        per_minute: Calls that an app may make in a minute; None when it is counted otherwise.
        scope: What the bot token needs; "" for nothing, or for what depends on the channel.
        of_app: Whether it wants the app-level token.
    """

    run: Run
    per_minute: int | None
    scope: str = ""
    of_app: bool = False


def need(app: App, scope: str) -> None:
    """Refuse an app that misses a scope."""
    if scope and scope not in app.scopes:
        provided = ",".join(sorted(app.scopes))
        raise SlackError("missing_scope", needed=scope, provided=provided)


async def read_arguments(request: web.Request) -> dict[str, Any]:
    """All arguments of a request, the query string first."""
    values: dict[str, Any] = dict(request.query)
    if request.content_type == "application/json":
        try:
            body = json.loads(await request.read() or b"{}")
        except ValueError:
            raise SlackError("invalid_json") from None
        if not isinstance(body, dict):
            raise SlackError("json_not_object")
        values |= body
    elif request.method == "POST":
        values |= await request.post()
    return values
