"""What tests of nodes, bots and adapters need; free of pytest."""

from ocft.testing.clock import ManualClock
from ocft.testing.conformance import check_channel
from ocft.testing.faults import Faults, FaultyChannel
from ocft.testing.transfer_checks import check_transfers
from ocft.testing.virtual_time import DeadlockError, VirtualTimeLoop, run

__all__ = [
    "DeadlockError",
    "Faults",
    "FaultyChannel",
    "ManualClock",
    "VirtualTimeLoop",
    "check_channel",
    "check_transfers",
    "run",
]
