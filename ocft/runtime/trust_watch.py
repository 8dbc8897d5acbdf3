"""Ends transfers whose peer is trusted no longer, also while nobody says a word (R-LIM-1).

Trust that has run out may be renewed: what it carried fails, is kept, and can be resumed. A
revocation is final.
"""

import asyncio
import logging
from collections.abc import Callable, Container
from contextlib import suppress
from dataclasses import replace
from typing import Final

from ocft.errors import StorageError, TrustExpiredError
from ocft.ids import NodeId, TransferId
from ocft.runtime.fleet import AnyPump, Fleet
from ocft.runtime.launch import Launcher
from ocft.runtime.wire2 import FramePump, Trust
from ocft.transfers import Direction, TransferInfo, TransferState

_log = logging.getLogger(__name__)
_LOOK_EVERY: Final = 10.0  # seconds


class TrustWatch:
    """Looks whether the peers of transfers are still trusted.

    Args:
        fleet: The live transfers.
        launcher: Makes the pumps that end those that only could go on.
        trust: Whom this node trusts.
        channel: The channel's name in the journal.
        unqueue: Takes what goes to a peer out of the queue, and returns what is being launched,
            which ends by itself.
    """

    def __init__(
        self,
        fleet: Fleet,
        launcher: Launcher,
        trust: Trust,
        *,
        channel: str,
        unqueue: Callable[[NodeId], Container[TransferId]],
    ) -> None:
        self._fleet = fleet
        self._launcher = launcher
        self._trust = trust
        self._channel = channel
        self._unqueue = unqueue
        self._peers: set[str] = set()  # as they were when they were looked at last

    async def run(self) -> None:
        """Look every few seconds, until cancelled."""
        with suppress(StorageError):  # who is there at the first look is there now, then
            self._peers = {peer.id for peer in self._trust.peers.all()}
        while True:
            await asyncio.sleep(_LOOK_EVERY)
            try:
                self.look()
            except StorageError as error:
                _log.warning("the trusted peers cannot be read now: %s", error)

    def look(self) -> None:
        """End the live transfers of peers whose trust has ended, or was taken back."""
        peers = {peer.id for peer in self._trust.peers.all()}
        removed, self._peers = self._peers - peers, peers
        for peer_id in removed:
            self.revoke(NodeId(peer_id))
        for pump in self._fleet:
            info = pump.record.info
            if not pump.machine.state.is_final and self.has_ended(info):
                is_resumable = self._trust.may_be_renewed(info.peer_id)
                _distrust(pump, _ended(info.peer_id), is_resumable=is_resumable)

    def revoke(self, peer_id: NodeId) -> None:
        """End a peer's transfers for good, also those that wait, or have failed and could go on."""
        self._peers.discard(peer_id)
        error = TrustExpiredError(f"The trust in {peer_id} was revoked.")
        for pump in self._fleet:
            if pump.record.info.peer_id == peer_id:
                _distrust(pump, error, is_resumable=False)
        launching = self._unqueue(peer_id)
        for record in self._launcher.around.journal.records(channel=self._channel):
            info = record.info
            is_live = self._fleet.get(info.id) is not None or info.id in launching
            may_go_on = info.is_resumable or not info.state.is_final
            if info.peer_id == peer_id and may_go_on and not is_live:
                begun = replace(record, info=replace(info, state=TransferState.TRANSFERRING))
                pump = self._launcher.stopping(begun)  # by the way that every other end goes
                pump.fail(error)
                self._fleet.launch(pump)

    def has_ended(self, info: TransferInfo) -> bool:
        """Say whether the trust that a transfer needs has ended."""
        peer = self._trust.peers.find(info.peer_id)
        if peer is not None and peer.is_expired(self._trust.wall_clock()):
            return True
        # Or the secret that it proved counts no longer. Over wire 1.0, strangers may be accepted.
        is_sealed = info.direction is Direction.RECEIVE and info.wire == "2"
        return is_sealed and not self._trust.is_trusted(info.peer_id)

    def require(self, info: TransferInfo) -> None:
        """Check that a transfer may begin or go on.

        Raises:
            TrustExpiredError: It needs a trust that has ended.
        """
        if self.has_ended(info):
            raise _ended(info.peer_id)


def _ended(peer_id: NodeId) -> TrustExpiredError:
    return TrustExpiredError(f"The trust in {peer_id} has ended; extend it to go on.")


def _distrust(pump: AnyPump, error: TrustExpiredError, *, is_resumable: bool) -> None:
    """End a transfer whose peer is trusted no longer."""
    if isinstance(pump, FramePump):
        pump.distrust(error, is_resumable=is_resumable)
    else:
        pump.fail(error, is_resumable=is_resumable)
