"""How long a transfer takes where the platform counts texts, so that people know before."""

from typing import Final

from ocft.channels import ChannelLimits

WORTH_SAYING: Final = 60.0
"""Seconds. What takes less is not worth a warning."""


def seconds_by_text(texts: int, limits: ChannelLimits, *, answer: float = 0.0) -> float:
    """Return how many seconds some texts take at least.

    Args:
        texts: How many have to be sent, one after the other.
        limits: What the channel allows.
        answer: Seconds to wait for an answer to each of them.
    """
    pace = 0.0 if limits.texts_per_second is None else 1 / limits.texts_per_second
    return texts * max(pace, answer)
