"""What a server answers when it does not do what was asked: a status, a code, words."""

import math
from typing import Any, ClassVar


class Refusal(Exception):  # noqa: N818 - an answer, and no error of ours
    """An answer other than the one that was wanted.

    Args:
        message: What to tell people.
        fields: More that stands beside `error` in the body.
    """

    status: ClassVar[int] = 400
    code: ClassVar[str] = "BAD_REQUEST"

    def __init__(self, message: str, **fields: Any) -> None:
        super().__init__(message)
        self.fields = fields
        self.headers: list[tuple[str, str]] = []


class BadRequest(Refusal):
    """It is not what the protocol says."""


class NotAuthorised(Refusal):
    """A token or key is missing or wrong."""

    status = 401
    code = "NOT_AUTHORISED"


class PasswordNeeded(Refusal):
    """The session has a password; the fields say how to prove it."""

    status = 401
    code = "PASSWORD_NEEDED"


class WrongPassword(Refusal):
    """What proves the password does not."""

    status = 401
    code = "WRONG_PASSWORD"


class NoSession(Refusal):
    """Unknown, expired and used up look the same."""

    status = 404
    code = "NO_SESSION"

    def __init__(self) -> None:
        super().__init__("There is no such session: it has ended, or never was.")


class NotFound(Refusal):
    """No such address."""

    status = 404
    code = "NOT_FOUND"


class WrongMethod(Refusal):
    """There is such an address, but not for this."""

    status = 405
    code = "WRONG_METHOD"


class TooSlow(Refusal):
    """The body did not come in time; it may be sent again."""

    status = 408


class Conflict(Refusal):
    """Not in the state that the session is in."""

    status = 409
    code = "CONFLICT"


class SourceChanged(Refusal):
    """The files changed after they had been shared."""

    status = 409
    code = "SOURCE_CHANGED"


class LengthNeeded(Refusal):
    """A body has to say how long it is."""

    status = 411
    code = "LENGTH_NEEDED"


class TooLarge(Refusal):
    """More than this server takes at once."""

    status = 413
    code = "TOO_LARGE"


class WrongRange(Refusal):
    """No place where a record of the content begins."""

    status = 416
    code = "WRONG_RANGE"


class WrongHost(Refusal):
    """Asked under a name that is not this server's (R-SHR-8)."""

    status = 421
    code = "WRONG_HOST"


class RateLimited(Refusal):
    """Too much in too short a time.

    Args:
        message: What to tell people.
        wait: Seconds until it may be tried again; None: never.
    """

    status = 429
    code = "RATE_LIMITED"

    def __init__(self, message: str, *, wait: float | None) -> None:
        if wait is None:
            super().__init__(message)
        else:
            seconds = max(1, math.ceil(wait))
            super().__init__(message, retry_after=seconds)
            self.headers.append(("Retry-After", str(seconds)))


class NoSpace(Refusal):
    """The server's room is used up."""

    status = 507
    code = "NO_SPACE"


class ShuttingDown(Refusal):
    """The server ends; nothing new is begun."""

    status = 503
    code = "SHUTTING_DOWN"

    def __init__(self) -> None:
        super().__init__("The server shuts down.", retry_after=10)
        self.headers.append(("Retry-After", "10"))
