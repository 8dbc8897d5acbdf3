"""Keeps a token out of what the SDK and its client log."""

import logging
from typing import Final

_LOGGERS: Final = ("httpx", "telegram.Bot", "telegram.request.BaseRequest")
"""Who writes addresses of the Bot API, which hold the token, or could."""
_NOISE: Final = "Can not load invalid JSON data"
"""With a traceback, at each answer of a server that is down; we say it once."""


class TokenFilter(logging.Filter):
    """Takes a token out of what the SDK and its client log.

    Args:
        token: The token.
        hides_noise: Whether to hide the SDK's tracebacks about a server that is down, too.
    """

    def __init__(self, token: str, *, hides_noise: bool = False) -> None:
        super().__init__()
        self._token = token
        self._hides_noise = hides_noise

    def filter(self, record: logging.LogRecord) -> bool:
        """Let a record pass, without the token."""
        words = record.getMessage()
        if self._hides_noise and words.startswith(_NOISE):
            return False
        if self._token in words:
            record.msg, record.args = words.replace(self._token, "<token>"), None
        return True

    def put_in(self) -> None:
        """Begin to filter."""
        for name in _LOGGERS:
            logging.getLogger(name).addFilter(self)

    def take_out(self) -> None:
        """Filter no more."""
        for name in _LOGGERS:
            logging.getLogger(name).removeFilter(self)
