"""What a test may ask about afterwards."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Counters:
    """Counts since the start of the server.

    Attributes:
        requests: By call ("create_message", "download", "connect", ...), refused ones too.
        errors: Refusals by Discord's code: 50013, 40005, ...; 0 for a bad token.
        rate_limited: 429 answers by reason: "bucket", "global", "channel", "banned".
        delivered: Events given to sessions, by name; also those that wait for a RESUME.
        undelivered: Events that a bot never got, or got without content, by reason: "no room",
            "no intent", "no content", "no session", "forgotten".
        deduplicated: Posts that a nonce turned into the earlier message.
        leaked_tokens: Downloads that showed an Authorization header to the CDN.
    """

    requests: Counter[str] = field(default_factory=Counter)
    errors: Counter[int] = field(default_factory=Counter)
    rate_limited: Counter[str] = field(default_factory=Counter)
    delivered: Counter[str] = field(default_factory=Counter)
    undelivered: Counter[str] = field(default_factory=Counter)
    deduplicated: int = 0
    leaked_tokens: int = 0
