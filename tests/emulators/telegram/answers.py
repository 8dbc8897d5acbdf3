"""What the server answers when it does not do what it was asked."""

import math
from typing import Any


class ApiError(Exception):
    """A refusal in the shape of the Bot API.

    Args:
        code: The HTTP status, and `error_code` of the body.
        description: Telegram's words.
        parameters: `retry_after` or `migrate_to_chat_id` (behaviours 6 and 12).
    """

    def __init__(
        self, code: int, description: str, *, parameters: dict[str, Any] | None = None
    ) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.parameters = parameters or {}

    @property
    def body(self) -> dict[str, Any]:
        """The JSON body."""
        body = {"ok": False, "error_code": self.code, "description": self.description}
        return body | {"parameters": self.parameters} if self.parameters else body


def bad_request(reason: str) -> ApiError:
    """A 400."""
    return ApiError(400, f"Bad Request: {reason}")


def forbidden(reason: str) -> ApiError:
    """A 403."""
    return ApiError(403, f"Forbidden: {reason}")


def too_many_requests(seconds: float) -> ApiError:
    """A 429; whole seconds, never fewer than are needed."""
    seconds = max(1, math.ceil(seconds))
    return ApiError(
        429, f"Too Many Requests: retry after {seconds}", parameters={"retry_after": seconds}
    )
