"""Discord's numbers. Where Discord publishes none, the field says what was chosen and why."""

from dataclasses import dataclass
from typing import Final

MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """What the platform allows. Lengths of windows are seconds, divided by the server's `speed`.

    Attributes:
        text: Unicode code points in `content`; behaviour 3.
        nonce: Characters in a `nonce`.
        files: Files in one message; behaviour 8.
        attachment_bytes: One file, in a server without boosts: documented since September 2026.
            Tiers 2 and 3 allow 50 and 100 MiB.
        request_bytes: All files of one message; documented, though larger ones are reported.
        messages: Messages that one bot may post into one channel within `messages_seconds`.
        other_requests: Any other call of one bot within `other_seconds`, per channel. Unknown; a
            small number, so that a client has to read the headers.
        channel_writes: Messages of all senders into one channel within `channel_writes_seconds`,
            above which 429 comes with code 20028. Discord tells no number: None, no limit.
        global_requests: Calls of one bot within `global_seconds`.
        invalid_requests: Answers of 401, 403 and 429 (not of scope "shared") within
            `invalid_seconds`, after which the address is banned for as long as they are too many.
        gateway_sends: Payloads that a client may send within `gateway_seconds`.
        gateway_bytes: The longest payload that a client may send.
        identifies: IDENTIFY within `identify_seconds`; one more resets the token.
        active_threads: Threads of a server that are not archived.
        nonce_seconds: How long a nonce is remembered: "the past few minutes".
        url_seconds: How long an attachment's URL is valid.
        heartbeat_seconds: What HELLO asks for. Not divided by `speed`: dpy's real clock keeps it.
        replay: Events that a session keeps for RESUME; unknown.
    """

    text: int = 2000
    nonce: int = 25
    files: int = 10
    attachment_bytes: int = 20 * MIB
    request_bytes: int = 25 * MIB
    messages: int = 5
    messages_seconds: float = 5.0
    other_requests: int = 5
    other_seconds: float = 1.0
    channel_writes: int | None = None
    channel_writes_seconds: float = 5.0
    global_requests: int = 50
    global_seconds: float = 1.0
    invalid_requests: int = 10_000
    invalid_seconds: float = 600.0
    gateway_sends: int = 120
    gateway_seconds: float = 60.0
    gateway_bytes: int = 4096
    identifies: int = 1000
    identify_seconds: float = 86_400.0
    active_threads: int = 1000
    nonce_seconds: float = 300.0
    url_seconds: float = 86_400.0
    heartbeat_seconds: float = 41.25
    replay: int = 10_000


TIER_BYTES: Final = {0: 0, 1: 0, 2: 50 * MIB, 3: 100 * MIB}
"""What a server's boost tier adds to `Limits.attachment_bytes`: the larger one counts."""
