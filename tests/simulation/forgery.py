"""How an attacker without a key makes frames: from what he saw, or out of nothing."""

import contextlib
import random
from dataclasses import dataclass

from ocft.crypto import PairingCode, seal_message, session_keys
from ocft.errors import OcftError
from ocft.ids import NodeId, TransferId
from ocft.protocol import Guesser, Initiator, Prover, Responder
from ocft.wire import (
    Control,
    ControlFrame,
    Finish,
    FrameType,
    Hello,
    Offer,
    OfferAgain,
    Pair,
    Reply,
    SealedFrame,
    TransferOffer,
    Welcome,
    ack_header,
    control_header,
    data_header,
    digest_of,
    encode,
    make_message,
    pack_control,
    pack_handshake,
    parse_frame,
)
from tests.simulation.sealed_node import identity_of

FORGED_NAME = "forged.bin"
FORGED_ID = "xfer_forged"


def flip(chance: random.Random, frame: bytes) -> bytes:
    """Return a frame with one to three other bits."""
    changed = bytearray(frame)
    for _ in range(chance.choice([1, 1, 3])):
        # Headers are short and telling, so they are hit as often as the rest.
        end = len(frame) if chance.random() < 0.5 else min(len(frame), 30)
        changed[chance.randrange(end)] ^= 1 << chance.randrange(8)
    return bytes(changed)


def cut(chance: random.Random, frame: bytes) -> bytes:
    """Return a frame with another end."""
    if chance.random() < 0.3:
        return frame + chance.randbytes(chance.randrange(1, 20))
    return frame[: chance.randrange(1, len(frame))] if len(frame) > 1 else frame


def splice(chance: random.Random, frame: bytes, other: bytes) -> list[bytes]:
    """Return frames with the header of one and the sealed part of another, or another number."""
    try:
        a, b = parse_frame(frame), parse_frame(other)
    except OcftError:
        return []
    made = [frame[: len(frame) // 2] + other[len(other) // 2 :]]
    if isinstance(a, SealedFrame):
        header = data_header if a.type is FrameType.DATA else ack_header
        number = chance.choice([0, a.number + 1, a.number + chance.randrange(1000), 2**40])
        made.append(header(a.tag, number) + a.sealed)
        swapped = ack_header if a.type is FrameType.DATA else data_header
        if a.type is FrameType.ACK or len(a.sealed) < 1000:
            made.append(swapped(a.tag, a.number) + a.sealed)
        if isinstance(b, SealedFrame):
            made += [a.header + b.sealed, header(b.tag, a.number) + a.sealed]
    if isinstance(a, ControlFrame) and isinstance(b, ControlFrame):
        made += [a.header + b.sealed, control_header(b.tag, a.salt) + a.sealed]
        made.append(control_header(a.tag, chance.randbytes(16)) + a.sealed)
    return made


@dataclass
class _Posed:
    """A handshake that he began under somebody's name."""

    name: str
    initiator: Initiator


def _ended(initiator: Initiator) -> tuple[bytes | None, bytes | None]:
    return initiator.finish, initiator.root


class Forger:
    """Speaks the protocol with an identity of his own.

    Args:
        chance: Decides what he makes.
    """

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._identity = identity_of("mallory")
        self._answered: dict[bytes, Responder] = {}
        self._begun: list[_Posed] = []

    # Handshakes

    def hello(self, name: str, victim: str, guess: str) -> bytes:
        """Begin a handshake under a name."""
        initiator = Initiator(
            self._identity,
            node_id=NodeId(name),
            peer_id=NodeId(victim),
            nonce=self._chance.randbytes(32),
            known=None,
            peer_secret=guess,
        )
        self._begun.append(_Posed(name, initiator))
        return initiator.hello

    def cheap_hello(self, name: str, victim: str) -> bytes:
        """Return a HELLO that costs him nothing."""
        public = self._identity.public.to_bytes()
        nonce, eph = self._chance.randbytes(32), self._chance.randbytes(32)
        return pack_handshake(
            Hello(sender=NodeId(name), recipient=NodeId(victim), nonce=nonce, id=public, eph=eph)
        )

    def take_reply(self, reply: Reply, now_ms: int) -> list[tuple[str, bytes]]:
        """Finish a handshake of his, and offer files under its root key, approved or not."""
        for posed in self._begun:
            initiator = posed.initiator
            if initiator.hello_hash != reply.hello or initiator.finish is not None:
                continue
            with contextlib.suppress(OcftError):
                initiator.take_reply(reply)
            finish, root = _ended(initiator)
            if finish is None or root is None:
                return []
            words = self._sealed_words(root, now_ms, is_initiator=True)
            return [(posed.name, one) for one in (finish, *words)]
        return []

    def reply_to(self, hello: Hello) -> bytes:
        """Answer in the place of who was asked."""
        try:
            responder = Responder(
                self._identity,
                node_id=hello.recipient,
                hello=hello,
                nonce=self._chance.randbytes(32),
                known=None,
            )
        except OcftError:
            return self.random_frame()
        self._answered[responder.replied] = responder
        return responder.reply

    def take_finish(self, finish: Finish) -> list[bytes]:
        """Go on with who took him for somebody else: welcome, then offer."""
        responder = self._answered.get(finish.reply)
        if responder is None:
            return []
        try:
            finish = finish.model_copy(update={"proof": None})
            root = responder.take_finish(finish, known=None, secrets=[]).root
        except OcftError:
            return []
        return self._sealed_words(root, 1_800_000_000_000, is_initiator=False)

    def _sealed_words(self, root: bytes, now_ms: int, *, is_initiator: bool) -> list[bytes]:
        offer = TransferOffer(
            transfer_id=TransferId(FORGED_ID),
            epoch=1,
            ephemeral=self._chance.randbytes(32),
            size=100,
            file_count=1,
            manifest_size=90,
            manifest_digest=self._chance.randbytes(32),
            offered_at=now_ms,
        )
        again = OfferAgain(transfer_id=TransferId(FORGED_ID), epoch=1)
        words: list[Control] = [Welcome(status="ok"), offer, again]
        keys = session_keys(root, is_initiator=is_initiator)
        frames = []
        for word in words:
            salt = self._chance.randbytes(16)
            header = control_header(keys.seal_tag, salt)
            frames.append(header + seal_message(keys.seal_key, header, salt, pack_control(word)))
        return frames

    # Pairing

    def guess(self, number: int, name: str) -> bytes:
        """Type a code of which he knows the number only."""
        return Guesser(
            self._code(number), node_id=NodeId(name), identity=self._identity.public, name=name
        ).to_send

    def answer_guess(self, guess: Pair, name: str) -> bytes:
        """Answer in the place of who shows the code."""
        prover = Prover(
            self._code(guess.n), node_id=NodeId(name), identity=self._identity.public, name=name
        )
        try:
            return prover.take(guess) or self.random_frame()
        except OcftError:
            return self.random_frame()

    def _code(self, number: int) -> PairingCode:
        return PairingCode(number, f"{number}-zebra-zoo")

    # Out of nothing

    def random_like(self, frame: bytes) -> list[bytes]:
        """Return frames with the tag of one that he saw, and nothing right behind it."""
        if frame[0] not in (FrameType.CONTROL, FrameType.DATA, FrameType.ACK):
            return []
        tag, rest = frame[1:9], self._chance.randbytes(self._chance.choice([16, 40, 300]))
        return [
            control_header(tag, self._chance.randbytes(16)) + rest,
            data_header(tag, self._chance.randrange(50)) + rest,
            ack_header(tag, self._chance.randrange(50)) + rest,
        ]

    def random_frame(self) -> bytes:
        """Return a frame that says nothing."""
        kind = self._chance.choice(list(FrameType))
        return bytes([kind]) + self._chance.randbytes(self._chance.randrange(9, 200))

    def fragment(self) -> bytes:
        """Return a piece of nothing."""
        count = self._chance.randrange(2, 17)
        index = self._chance.randrange(count)
        piece = self._chance.randbytes(self._chance.choice([5, 300, 1000]))
        head = bytes([FrameType.FRAGMENT]) + self._chance.randbytes(8)
        return head + bytes([index, count]) + piece

    def offer_in_clear(self, name: str, victim: str, *, secret: str | None, now_ms: int) -> str:
        """Return an offer of wire 1.0."""
        data = b"forged"
        offer = Offer(
            filename=FORGED_NAME,
            size=len(data),
            mime_type="application/octet-stream",
            hash=digest_of(data),
            chunk_size=1024,
            total_chunks=1,
            secret=secret,
        )
        return encode(
            make_message(
                offer,
                transfer_id=TransferId(f"xfer_f{self._chance.randrange(10**9)}"),
                sender=NodeId(name),
                recipient=NodeId(victim),
                timestamp=now_ms,
            )
        )
