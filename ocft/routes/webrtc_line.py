"""One WebRTC connection with one data channel. It needs aiortc; only `webrtc_lines` imports it.

No SDP: aiortc's parts are put together from checked fields, so nothing that a peer wrote is parsed
as text. All methods run on the event loop of `Lines`.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any, Final

from aioice import Candidate, Connection
from aioice.candidate import candidate_priority
from aiortc import (
    InvalidStateError,
    RTCCertificate,
    RTCDataChannel,
    RTCDataChannelParameters,
    RTCDtlsFingerprint,
    RTCDtlsParameters,
    RTCDtlsTransport,
    RTCIceCandidate,
    RTCIceGatherer,
    RTCIceParameters,
    RTCIceTransport,
    RTCSctpCapabilities,
    RTCSctpTransport,
)

from ocft.errors import ChannelClosedError
from ocft.routes.webrtc_words import KINDS, HelpingServer, LineEnd, WebRtcOptions

MESSAGE: Final = 16 * 1024
"""Bytes of one message at most."""
_HIGH: Final = 1024 * 1024  # bytes that wait to leave; then it is waited until
_LOW: Final = 256 * 1024  # only these do
_CONNECT_SECONDS: Final = 20.0
_CLOSE_SECONDS: Final = 5.0
_PORT: Final = 5000  # of SCTP, inside: what browsers use
_MOST_UNASSEMBLED: Final = 16 * 1024 * 1024  # bytes of messages of which parts are missing
_MOST_STREAMS: Final = 4
_LONGEST_PACKET: Final = 2048  # bytes
_MOST_PACKETS: Final = 1024  # that wait to be read

_log = logging.getLogger(__name__)


class Line:
    """One end of a connection.

    Args:
        addresses: The addresses of this machine that may be used.
        options: Which servers are asked for help.
        calls: Whether this end began.
        heard: Called with every message: a text, or bytes.
        ended: Called once when it is over.
    """

    def __init__(
        self,
        addresses: Sequence[str],
        options: WebRtcOptions,
        *,
        calls: bool,
        heard: Callable[[str | bytes], None],
        ended: Callable[[], None],
    ) -> None:
        self._ended = ended
        self._is_over = False
        self._has_opened = asyncio.Event()
        self._has_room = asyncio.Event()
        self._certificate = RTCCertificate.generateCertificate()
        gatherer = RTCIceGatherer(iceServers=[])
        # aiortc would use all addresses of the machine.
        self._own = gatherer._connection = _Reach(addresses, options, calls=calls)  # noqa: SLF001
        self._gatherer = gatherer
        self._ice = RTCIceTransport(gatherer)
        self._dtls = RTCDtlsTransport(self._ice, [self._certificate])
        self._sctp = _Association(self._dtls, _PORT)
        # Both know its number, so that nothing is said to open it, and no other one is wanted.
        self._channel = RTCDataChannel(
            self._sctp, RTCDataChannelParameters(label="ocft", negotiated=True, id=0)
        )
        self._channel.bufferedAmountLowThreshold = _LOW
        self._channel.add_listener("open", self._has_opened.set)
        self._channel.add_listener("message", heard)
        self._channel.add_listener("bufferedamountlow", self._has_room.set)
        self._channel.add_listener("close", self._note_end)
        for part in (self._ice, self._dtls):
            part.add_listener("statechange", self._note_state)

    @property
    def unsent(self) -> int:
        """Bytes that wait to leave."""
        return int(self._channel.bufferedAmount)

    async def gather(self) -> LineEnd:
        """Find out where this end can be reached; return what the other one is told.

        Raises:
            ChannelClosedError: Nowhere.
        """
        await self._gatherer.gather()
        found = [one for one in self._gatherer.getLocalCandidates() if one.type in KINDS]
        if not found:
            raise ChannelClosedError("There is no address for a WebRTC connection.")
        own = self._gatherer.getLocalParameters()
        prints = self._certificate.getFingerprints()
        fingerprint = next(one.value for one in prints if one.algorithm == "sha-256")
        return LineEnd(
            user=own.usernameFragment or "",
            password=own.password or "",
            fingerprint=bytes.fromhex(fingerprint.replace(":", "")),
            places=tuple((one.ip, one.port, KINDS.index(one.type)) for one in found),
        )

    async def connect(self, peer: LineEnd) -> None:
        """Connect to the other end.

        Args:
            peer: What it has said; its places were looked at.

        Raises:
            ChannelClosedError: It cannot be reached, or is somebody else.
        """
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                await self._reach(peer)
                await self._has_opened.wait()
        except Exception as error:  # aiortc raises many kinds, assertions among them
            raise ChannelClosedError("The peer cannot be reached by WebRTC.") from error
        if self._is_over:
            raise ChannelClosedError("The peer cannot be reached by WebRTC.")

    async def send(self, message: str | bytes) -> None:
        """Send a text, or bytes, which are cut; returns when there is room for more.

        Raises:
            ChannelClosedError: It is over.
        """
        size = len(message) if isinstance(message, str) else MESSAGE
        for start in range(0, len(message), size):
            if self._is_over:
                raise ChannelClosedError("The WebRTC connection was cut.")
            try:
                self._channel.send(message[start : start + size])
            except InvalidStateError as error:
                raise ChannelClosedError("The WebRTC connection was cut.") from error
            if self.unsent > _HIGH:
                self._has_room.clear()
                await self._has_room.wait()

    async def close(self) -> None:
        """Close all of it; calling it twice is fine."""
        self._note_end()
        for stop in (self._sctp.stop, self._dtls.stop, self._ice.stop, self._own.close):
            # Nothing is cancelled: aioice could not be closed again then. What a server keeps
            # waiting ends by itself, or with the loop.
            stopping = asyncio.ensure_future(stop())
            await asyncio.wait((stopping,), timeout=_CLOSE_SECONDS)
            if not stopping.done() or stopping.cancelled() or stopping.exception() is not None:
                _log.debug("webrtc: a part was not closed cleanly: %r", stopping)

    async def _reach(self, peer: LineEnd) -> None:
        for number, (address, port, kind) in enumerate(peer.places):
            await self._ice.addRemoteCandidate(
                RTCIceCandidate(
                    component=1,
                    foundation=str(number),
                    ip=address,
                    port=port,
                    priority=candidate_priority(1, KINDS[kind]),
                    protocol="udp",
                    type=KINDS[kind],
                )
            )
        await self._ice.addRemoteCandidate(None)
        await self._ice.start(RTCIceParameters(peer.user, peer.password))
        _require(self._ice.state == "completed")
        fingerprint = peer.fingerprint.hex(":").upper()
        await self._dtls.start(RTCDtlsParameters([RTCDtlsFingerprint("sha-256", fingerprint)]))
        _require(self._dtls.state == "connected")
        await self._sctp.start(RTCSctpCapabilities(maxMessageSize=4 * MESSAGE), _PORT)

    def _note_state(self) -> None:
        if {self._ice.state, self._dtls.state} & {"failed", "closed"}:
            self._note_end()

    def _note_end(self) -> None:
        if not self._is_over:
            self._is_over = True
            self._has_opened.set()
            self._has_room.set()
            self._ended()


class _Reach(Connection):
    """Is there on the given addresses only, and asks no server but the given ones."""

    def __init__(self, addresses: Sequence[str], options: WebRtcOptions, *, calls: bool) -> None:
        servers: dict[str, Any] = {}
        if options.stun is not None:
            stun = HelpingServer.parse(options.stun)
            servers["stun_server"] = (stun.host, stun.port)
        if options.turn is not None:
            turn = HelpingServer.parse(options.turn.url)
            servers["turn_server"] = (turn.host, turn.port)
            servers["turn_ssl"] = turn.scheme == "turns"
            servers["turn_transport"] = turn.transport
            servers["turn_username"] = options.turn.username
            servers["turn_password"] = options.turn.password
        super().__init__(ice_controlling=calls, **servers)
        self._addresses = list(addresses)

    async def get_component_candidates(
        self,
        component: int,
        addresses: list[str],  # noqa: ARG002 - all that the machine has
        timeout: int = 5,  # noqa: ASYNC109 - as it is called
    ) -> list[Candidate]:
        return await super().get_component_candidates(component, self._addresses, timeout)

    def data_received(self, data: bytes, component: int) -> None:
        # Anybody may send packets to the port, long before somebody reads them.
        if len(data) <= _LONGEST_PACKET and self._queue.qsize() < _MOST_PACKETS:
            super().data_received(data, component)


class _Association(RTCSctpTransport):
    """Ends where the peer fills the memory with messages that it never completes."""

    async def _handle_data(self, data: bytes) -> None:
        await super()._handle_data(data)
        if (
            self._advertised_rwnd < -_MOST_UNASSEMBLED
            or len(self._inbound_streams) > _MOST_STREAMS
            or len(self._data_channels) > 1
        ):
            raise ConnectionError("more than was asked for")


def _require(is_so: bool) -> None:  # noqa: FBT001 - the only thing it is told
    if not is_so:
        raise ConnectionError
