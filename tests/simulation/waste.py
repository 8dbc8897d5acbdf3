"""Watches that what is stored is not sent again, on a channel that loses nothing."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

from ocft.protocol import SayAccept, SayData
from ocft.ranges import RangeSet
from ocft.runtime.wire2 import FrameReceivePump, FrameSendPump
from tests.simulation.sealed_node import SealedNode


@dataclass
class Waste:
    """All bytes that went, by transfer and epoch."""

    nodes: Mapping[str, SealedNode]
    is_kind: bool
    is_paced: bool
    _known: dict[tuple[str, int], RangeSet] = field(default_factory=dict)
    """What the receiver had when it accepted an epoch."""
    _sent: dict[tuple[str, int], RangeSet] = field(default_factory=dict)
    _findings: list[str] = field(default_factory=list)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Watch all pumps, while this lasts."""
        if not self.is_kind:
            yield
            return
        send_accept, send_data = FrameReceivePump._send_accept, FrameSendPump._send_data

        async def watched_accept(pump: FrameReceivePump, said: SayAccept) -> None:
            stored = pump.machine.stored_ranges()
            await send_accept(pump, said)
            self._known.setdefault((pump.id, said.epoch), RangeSet(stored))

        async def watched_data(pump: FrameSendPump, said: SayData) -> None:
            if pump._epoch is not None and said.first < said.end:
                self._note(pump, said)
            await send_data(pump, said)

        with (
            mock.patch.object(FrameReceivePump, "_send_accept", watched_accept),
            mock.patch.object(FrameSendPump, "_send_data", watched_data),
        ):
            yield

    def _note(self, pump: FrameSendPump, said: SayData) -> None:
        key: Any = (pump.id, pump.machine.epoch)
        known = self._known.get(key, RangeSet())
        sent = self._sent.setdefault(key, RangeSet())
        if known.overlaps(said.first, said.end):
            self._findings.append(f"{key}: {said} was stored before the epoch")
        # At a slow pace an ack may be late, and then what was stored is not known to be.
        may_be_late = self.is_paced or any(
            node.absences or not node.is_up for node in self.nodes.values()
        )
        if sent.overlaps(said.first, said.end) and not may_be_late:
            self._findings.append(f"{key}: {said} goes twice")
        sent.add(said.first, said.end)

    def judge(self) -> None:
        """Say what was sent in vain.

        Raises:
            AssertionError: Something was.
        """
        if self._findings:
            raise AssertionError("; ".join(self._findings[:3]))
