"""Why a transfer ended, in words: wire 2 tells a code (R-CTL-1), and people should not see it.

Codes stay in the lines of `--json`. One that a newer peer may know, and we do not, is shown as it
is: it is all that is known of the reason.
"""

import re
from typing import Final

WORDS: Final = {
    "ADAPTER_NOT_INSTALLED": "a part of its software is missing",
    "BUSY": "it has too much to do, try again later",
    "CHANNEL_CLOSED": "it lost the channel",
    "CHANNEL_HELD": "another process uses its channel",
    "CONFIG": "its settings do not allow it",
    "DAILY_LIMIT": "that would be more than it takes from this node in a day",
    "DIGEST_MISMATCH": "what arrived is not what was offered",
    "FILE_TOO_LARGE": "that is larger than it takes",
    "FINGERPRINT_CHANGED": "it knows this node with other keys, ask its owner",
    "JOURNAL": "it cannot read its records of transfers",
    "MALFORMED_MESSAGE": "it could not read what came",
    "MESSAGE_TOO_LONG": "a text was too long for the channel",
    "NOT_ALLOWED": "this node may not send there",
    "NOT_ENOUGH_SPACE": "its disk has no room",
    "NOT_TRUSTED": "its owner does not trust this node",
    "PEER_TOO_OLD": "it may use only wire 2 with this node, and this one answered in 1.0",
    "RATE_LIMITED": "the platform asks it to wait",
    "SOURCE_CHANGED": "its file was changed while it was sent",
    "SOURCE_NOT_FOUND": "its file is gone, or cannot be read",
    "STORAGE": "it cannot read or save files now",
    "TRANSFER_CANCELLED": "it was cancelled there",
    "TRANSFER_FAILED": "something went wrong there",
    "TRANSFER_REJECTED": "its owner does not want it",
    "TRANSFER_TIMEOUT": "it heard nothing from this node for too long",
    "TRUST_EXPIRED": "its owner does not trust this node any more",
    "UNEXPECTED_MESSAGE": "it did not expect what came",
    "UNSAFE_NAME": "it cannot save a file of this name",
    "UNSEAL": "it could not open what came",
}
"""What a peer means by a code; "it" is the peer."""

_GAVE_UP: Final = re.compile(r"(?P<head>The peer gave up) \((?P<code>\w+)\)(: (?P<words>.+))?")
_HEADS: Final = ("The receiver refused: ", "Cancelled: ")


def in_words(reason: str) -> str:
    """Return a reason as a sentence without codes.

    Args:
        reason: As the journal or an event has it, such as "The receiver refused: FILE_TOO_LARGE",
            "The peer gave up (NOT_ENOUGH_SPACE)" or only a code.
    """
    if gave_up := _GAVE_UP.fullmatch(reason):
        words = gave_up["words"] or WORDS.get(gave_up["code"], gave_up["code"])
        return f"{gave_up['head']}: {words}"
    head, colon, tail = reason.rpartition(": ")
    if colon and not tail:
        return head
    return f"{head}{colon}{WORDS.get(tail, tail)}"


def why(reason: str) -> str:
    """Return only the reason of a sentence that begins with what has happened, without codes."""
    for head in _HEADS:
        reason = reason.removeprefix(head)
    return in_words(reason)
