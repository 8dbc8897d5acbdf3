"""What a test may ask about afterwards."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Counters:
    """Counts since the start of the server.

    Attributes:
        requests: Requests by method, "upload" and "download" among them, refused ones too.
        errors: `ok: false` answers by their error.
        rate_limited: 429 answers by method.
        delivered: Envelopes sent to apps, by app name, repeats included.
        redelivered: Repeats among them, by app name.
        undelivered: Events that an app never got, by reason: "not a member", "not subscribed",
            "missing scope", "no socket", "not acknowledged", "fault", "too many".
        leaked_tokens: Requests to a host outside of Slack that carried a token.
    """

    requests: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    rate_limited: Counter[str] = field(default_factory=Counter)
    delivered: Counter[str] = field(default_factory=Counter)
    redelivered: Counter[str] = field(default_factory=Counter)
    undelivered: Counter[str] = field(default_factory=Counter)
    leaked_tokens: int = 0
