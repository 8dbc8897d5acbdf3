"""A node that behaves as the 1.x implementation was measured to behave, faults included.

Written from docs/protocol.md section 1 and the recorded transfers: no timers, everything in memory,
an ack for anything is answered with the chunk after it, an accept always with the chunk that it
names, a repeated offer forgets what was stored, a final ack always means completed.
"""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from ocft.errors import MalformedMessageError
from ocft.ids import NodeId, TransferId, make_transfer_id
from ocft.wire import (
    FINAL_ACK,
    Accept,
    Ack,
    Chunk,
    Complete,
    Error,
    Message,
    Offer,
    Payload,
    Reject,
    decode,
    encode,
    make_message,
)


@dataclass
class _Sending:
    peer: NodeId
    data: bytes
    chunk_size: int
    state: str = "pending"

    @property
    def total(self) -> int:
        return -(-len(self.data) // self.chunk_size)


@dataclass
class _Receiving:
    offer: Offer
    state: str = "pending"
    chunks: dict[int, bytes] | None = None


@dataclass
class ReferenceNode:
    """One process of a 1.x node; a restarted one is a new object."""

    node_id: NodeId
    secret: str
    send_text: Callable[[str, str], Awaitable[None]]
    now_ms: Callable[[], int]
    known_secrets: dict[str, str] = field(default_factory=dict)
    chunk_size: int = 1024
    sending: dict[TransferId, _Sending] = field(default_factory=dict)
    receiving: dict[TransferId, _Receiving] = field(default_factory=dict)
    saved: dict[str, bytes] = field(default_factory=dict)
    events: list[str] = field(default_factory=list)
    stored: list[int] = field(default_factory=list)
    """The chunks that came, in order, those that came twice included."""

    async def send_file(self, peer: NodeId, name: str, data: bytes) -> TransferId:
        transfer_id = make_transfer_id()
        sending = _Sending(peer, data, self.chunk_size)
        self.sending[transfer_id] = sending
        await self._offer(transfer_id, name)
        return transfer_id

    async def _offer(self, transfer_id: TransferId, name: str) -> None:
        sending = self.sending[transfer_id]
        offer = Offer(
            filename=name,
            size=len(sending.data),
            mime_type="application/octet-stream",
            hash=hashlib.sha256(sending.data).hexdigest(),
            chunk_size=sending.chunk_size,
            total_chunks=sending.total,
            secret=self.known_secrets.get(sending.peer),
        )
        await self._say(transfer_id, sending.peer, offer)
        self.events.append("offer-sent")

    async def handle(self, text: str) -> None:
        try:
            messages = decode(text)
        except MalformedMessageError:
            return
        for message in messages:
            if isinstance(message, Message) and message.recipient == self.node_id:
                await self._handle_message(message)

    async def _handle_message(self, message: Message) -> None:
        transfer_id, peer = message.transfer_id, message.sender
        match message.payload:
            case Offer() as offer:
                self.receiving[transfer_id] = _Receiving(offer)
                self.events.append("offer-received")
                if offer.secret == self.secret:
                    await self.accept(transfer_id, peer, offer.resume_from)
            case Accept(resume_from=first) if transfer_id in self.sending:
                self.sending[transfer_id].state = "transferring"
                self.events.append("transfer-started")
                await self._send_chunk(transfer_id, first or 0)
            case Reject() if transfer_id in self.sending:
                self.sending[transfer_id].state = "rejected"
                self.events.append("transfer-rejected")
            case Chunk() as chunk if transfer_id in self.receiving:
                await self._take_chunk(transfer_id, peer, chunk)
            case Ack() as ack if transfer_id in self.sending:
                await self._take_ack(transfer_id, ack)
            case Complete() if transfer_id in self.receiving:
                await self._assemble(transfer_id, peer)
            case Error():
                for transfers in (self.sending, self.receiving):
                    if transfer_id in transfers:
                        transfers[transfer_id].state = "failed"
                        self.events.append("transfer-failed")
            case _:
                pass

    async def accept(self, transfer_id: TransferId, peer: NodeId, first: int | None = None) -> None:
        receiving = self.receiving[transfer_id]
        receiving.state, receiving.chunks = "accepted", {}
        await self._say(transfer_id, peer, Accept(ready=True, resume_from=first))
        self.events.append("transfer-accepted")

    async def _send_chunk(self, transfer_id: TransferId, index: int) -> None:
        sending = self.sending[transfer_id]
        data = sending.data[index * sending.chunk_size :][: sending.chunk_size]
        chunk = Chunk(index=index, data=data, hash=hashlib.sha256(data).hexdigest())
        await self._say(transfer_id, sending.peer, chunk)

    async def _take_ack(self, transfer_id: TransferId, ack: Ack) -> None:
        sending = self.sending[transfer_id]
        if sending.state in ("completing", "completed"):
            if ack.index == FINAL_ACK:
                sending.state = "completed"
                self.events.append("transfer-completed")
            return
        if not ack.received:
            await self._send_chunk(transfer_id, max(ack.index, 0))
        elif ack.index + 1 < sending.total:
            await self._send_chunk(transfer_id, ack.index + 1)
        else:
            sending.state = "completing"
            digest = hashlib.sha256(sending.data).hexdigest()
            complete = Complete(total_chunks=sending.total, hash=digest)
            await self._say(transfer_id, sending.peer, complete)

    async def _take_chunk(self, transfer_id: TransferId, peer: NodeId, chunk: Chunk) -> None:
        receiving = self.receiving[transfer_id]
        if receiving.chunks is None:
            return
        receiving.state = "transferring"
        is_right = hashlib.sha256(chunk.data).hexdigest() == chunk.hash
        if is_right:
            receiving.chunks[chunk.index] = chunk.data
            self.stored.append(chunk.index)
        error = None if is_right else "Hash mismatch"
        await self._say(transfer_id, peer, Ack(index=chunk.index, received=is_right, error=error))

    async def _assemble(self, transfer_id: TransferId, peer: NodeId) -> None:
        receiving = self.receiving[transfer_id]
        if receiving.chunks is None:
            return
        offer, chunks = receiving.offer, receiving.chunks
        missing = [index for index in range(offer.total_chunks) if index not in chunks]
        error = None
        if len(chunks) != offer.total_chunks:
            error = f"Missing chunks: {', '.join(map(str, missing))}"
        else:
            data = b"".join(chunks[index] for index in range(offer.total_chunks))
            if hashlib.sha256(data).hexdigest() == offer.hash:
                self.saved[offer.filename] = data
            else:
                error = "File hash mismatch"
        receiving.state = "failed" if error else "completed"
        self.events.append(f"transfer-{receiving.state}")
        final = Ack(index=FINAL_ACK, received=error is None, error=error)
        await self._say(transfer_id, peer, final)

    async def _say(self, transfer_id: TransferId, peer: NodeId, payload: Payload) -> None:
        message = make_message(
            payload,
            transfer_id=transfer_id,
            sender=self.node_id,
            recipient=peer,
            timestamp=self.now_ms(),
        )
        await self.send_text(peer, encode(message))
