"""Why a transfer ended, in words: wire 2 tells only a code (R-CTL-1)."""

from typing import Final

_WORDS: Final = {
    "BUSY": "it has too much to do, try again later",
    "DAILY_LIMIT": "that would be more than it takes from this node in a day",
    "DIGEST_MISMATCH": "what arrived is not what was offered",
    "FILE_TOO_LARGE": "that is larger than it takes",
    "NOT_ALLOWED": "this node may not send there",
    "NOT_ENOUGH_SPACE": "its disk has no room",
    "NOT_TRUSTED": "its owner does not trust this node",
    "STORAGE": "it cannot save files now",
    "TRANSFER_REJECTED": "its owner does not want it",
    "TRUST_EXPIRED": "its owner does not trust this node any more",
    "UNSAFE_NAME": "it cannot save a file of this name",
}


def in_words(reason: str) -> str:
    """Return a reason with its code, if it ends with one, in words.

    Args:
        reason: As the journal has it, such as "The receiver refused: FILE_TOO_LARGE".
    """
    head, colon, code = reason.rpartition(": ")
    if not colon:
        return reason
    if not code:
        return head
    return f"{head}: {_WORDS.get(code, code)}"
