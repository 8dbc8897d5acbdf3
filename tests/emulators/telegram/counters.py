"""What happened, for tests to assert on."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Counters:
    """Counts since the server started.

    Attributes:
        requests: Requests by method (`getUpdates`, `sendDocument`, `download`, ...).
        refused: Answers that were no success, by HTTP status.
        floods: 429 answers by method.
        early: Requests to a chat before its `retry_after` had passed: what gets bots banned.
        held: Messages that were held back and answered late.
        ignored: Messages that a bot was not given, by reason.
        expired: Updates that waited for too long.
        conflicts: 409 answers: long polls ended by a second poller, or refused by a webhook.
        unknown: Calls of methods that this stand-in has not.
    """

    requests: Counter[str] = field(default_factory=Counter)
    refused: Counter[int] = field(default_factory=Counter)
    floods: Counter[str] = field(default_factory=Counter)
    early: int = 0
    held: int = 0
    ignored: Counter[str] = field(default_factory=Counter)
    expired: int = 0
    conflicts: int = 0
    unknown: Counter[str] = field(default_factory=Counter)
