"""Drives one wire 1.0 machine: JSON messages, one chunk at a time.

Pieces go to disk while a message is taken in, so an ack leaves only after its chunk is on disk and
in the journal (R-ACK-1). `SendPump` and `ReceivePump` add the source and the file being received.
"""

import asyncio
import logging
from typing import TypeVar

from ocft.errors import ChannelError, MessageTooLongError, UnexpectedMessageError
from ocft.protocol import Output, Receiver, Send, Sender
from ocft.runtime.pump import FAREWELL_PATIENCE, Pump, Surroundings
from ocft.storage import TransferRecord
from ocft.wire import Chunk, Message, Payload, encode, make_message

ChunkMachineT = TypeVar("ChunkMachineT", bound=Sender | Receiver)

_log = logging.getLogger(__name__)
_MOST_WAITING = 64  # outputs; a peer that asks for more is not heard until some are done


class ChunkPump(Pump[ChunkMachineT, Output]):
    """One live wire 1.0 transfer.

    Args:
        machine: Its protocol side.
        record: Its row in the journal, which is there already.
        address: The peer's address on the channel.
        around: What all transfers share.
    """

    def __init__(
        self, machine: ChunkMachineT, record: TransferRecord, *, address: str, around: Surroundings
    ) -> None:
        super().__init__(machine, record, around=around)
        self._address = address
        self._last_timestamp = 0

    def receive(self, message: Message) -> None:
        """Take in a message from the transfer's peer."""
        if len(self._todo) >= _MOST_WAITING:
            self._ignore("busy", "")
            return
        now = self.last_heard = self._around.clock()
        try:
            self.machine.receive(message, now)
        except UnexpectedMessageError as error:
            self._ignore("unexpected", str(error))
        self.settle()

    async def _carry_out(self, output: Output) -> None:
        if not isinstance(output, Send):
            raise TypeError(f"{output} is not this pump's to carry out")
        await self._send(output.payload)

    async def _send(self, payload: Payload) -> bool:
        """Send a message and say whether it left."""
        now_ms = int(self._around.wall_clock() * 1000)
        self._last_timestamp = max(self._last_timestamp + 1, now_ms)
        message = make_message(
            payload,
            transfer_id=self.id,
            sender=self._around.node_id,
            recipient=self.record.info.peer_id,
            timestamp=self._last_timestamp,
        )
        has_left = False
        gives_up_at = self.machine.gives_up_at
        if self.machine.state.is_final:
            gives_up_at = self._around.clock() + FAREWELL_PATIENCE
        try:
            # A channel that pauses for long, or hangs, must not outlast the transfer's patience.
            async with asyncio.timeout_at(gives_up_at) as self._sending:
                await self._around.outbox.send(
                    self._address, encode(message), is_control=not isinstance(payload, Chunk)
                )
            has_left = True
        except TimeoutError:
            _log.warning("%s: a text did not leave in time", self.id)
        except MessageTooLongError as error:
            self.fail(error)
        except ChannelError as error:
            # As good as a text that the platform lost: the machine's timers are made for that.
            _log.warning("%s: a text did not leave: %s", self.id, error)
        finally:
            self._sending = None
        self.machine.sent(self._around.clock())
        return has_left
