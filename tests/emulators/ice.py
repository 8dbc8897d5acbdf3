"""A stand-in for STUN and TURN servers (RFC 8489, RFC 8656) over UDP on 127.0.0.1."""

import asyncio
import hashlib
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aioice import stun

USER, PASSWORD, REALM = "ocft", "relay-me", "stand-in"
_KEY = hashlib.md5(f"{USER}:{REALM}:{PASSWORD}".encode(), usedforsecurity=False).digest()
Address = tuple[str, int]


class IceServer(asyncio.DatagramProtocol):
    """Tells who asks its address, and relays for who knows the password."""

    def __init__(self) -> None:
        self.asked: list[stun.Method] = []
        self.relayed = 0
        """Bytes that were passed on."""
        self.transport: Any = None
        self._relays: dict[Address, _Relay] = {}

    @property
    def port(self) -> int:
        return int(self.transport.get_extra_info("sockname")[1])

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: Address) -> None:
        if data[0] & 0xC0 == 0x40:  # on a channel
            number, size = struct.unpack_from("!HH", data)
            relay = self._relays[address]
            self.relayed += size
            relay.transport.sendto(data[4 : 4 + size], relay.peers[number])
            return
        asyncio.get_running_loop().create_task(self._answer(stun.parse_message(data), address))

    def close(self) -> None:
        for relay in self._relays.values():
            relay.transport.close()
        self.transport.close()

    async def _answer(self, asked: stun.Message, address: Address) -> None:
        self.asked.append(asked.message_method)
        told: dict[str, Any] = {"XOR-MAPPED-ADDRESS": address}
        kind = stun.Class.RESPONSE
        is_turn = asked.message_method != stun.Method.BINDING
        if is_turn and not (asked.attributes.get("USERNAME") == USER and _is_signed(asked)):
            kind = stun.Class.ERROR
            told = {"ERROR-CODE": (401, "who are you"), "NONCE": b"once", "REALM": REALM}
        elif asked.message_method == stun.Method.ALLOCATE:
            relay = await self._relay_for(address)
            told |= {
                "LIFETIME": 600,
                "XOR-RELAYED-ADDRESS": relay.transport.get_extra_info("sockname")[:2],
            }
        elif asked.message_method == stun.Method.REFRESH:
            told = {"LIFETIME": asked.attributes["LIFETIME"]}
        elif asked.message_method == stun.Method.CHANNEL_BIND:
            told = {}
            number, peer = asked.attributes["CHANNEL-NUMBER"], asked.attributes["XOR-PEER-ADDRESS"]
            self._relays[address].peers[number] = peer
        answer = stun.Message(asked.message_method, kind, asked.transaction_id, told)
        if is_turn and kind == stun.Class.RESPONSE:
            answer.add_message_integrity(_KEY)
        self.transport.sendto(bytes(answer), address)

    async def _relay_for(self, address: Address) -> "_Relay":
        if address not in self._relays:
            loop = asyncio.get_running_loop()
            _, relay = await loop.create_datagram_endpoint(
                lambda: _Relay(self, address), local_addr=("127.0.0.1", 0)
            )
            self._relays[address] = relay
        return self._relays[address]


class _Relay(asyncio.DatagramProtocol):
    def __init__(self, server: IceServer, client: Address) -> None:
        self.peers: dict[int, Address] = {}
        self.transport: Any = None
        self._server = server
        self._client = client

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: Address) -> None:
        for number, peer in self.peers.items():
            if peer == address:
                head = struct.pack("!HH", number, len(data))
                self._server.transport.sendto(head + data, self._client)


def _is_signed(asked: stun.Message) -> bool:
    return "MESSAGE-INTEGRITY" in asked.attributes and asked.check_message_integrity(_KEY)


@asynccontextmanager
async def ice_server() -> AsyncIterator[IceServer]:
    """Run one."""
    _, server = await asyncio.get_running_loop().create_datagram_endpoint(
        IceServer, local_addr=("127.0.0.1", 0)
    )
    try:
        yield server
    finally:
        server.close()
