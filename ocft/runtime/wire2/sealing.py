"""Puts together what wire 2 needs beside the transfers: keys, handshakes, pairings."""

from ocft.channels import ChannelLimits
from ocft.crypto import Identity
from ocft.runtime.pump import Surroundings
from ocft.runtime.wire2.direct import Direct
from ocft.runtime.wire2.handshakes import Handshakes
from ocft.runtime.wire2.native_files import NativeFiles
from ocft.runtime.wire2.pairings import Pairings
from ocft.runtime.wire2.post import Post
from ocft.runtime.wire2.pump import Wire2
from ocft.runtime.wire2.sessions import Sessions
from ocft.runtime.wire2.tags import Tags
from ocft.runtime.wire2.trust import Trust
from ocft.storage import SessionStore


class Sealing:
    """Wire 2 of one manager.

    Args:
        identity: This node's keys.
        trust: Whom it trusts.
        around: What all transfers share.
        limits: What the channel carries.
        files: How frames go in its native files; None: it carries none.
        direct: How bytes go around the channel; None: they do not.
        name: What this node calls itself when it is paired.
    """

    def __init__(
        self,
        identity: Identity,
        *,
        trust: Trust,
        around: Surroundings,
        limits: ChannelLimits,
        files: NativeFiles | None,
        direct: Direct | None,
        name: str,
    ) -> None:
        post = Post(around.outbox, limits, around.clock)
        store = SessionStore(around.journal.database, identity.storage_key())
        sessions = Sessions(store, around.wall_clock)
        handshakes = Handshakes(
            identity,
            node_id=around.node_id,
            sessions=sessions,
            trust=trust,
            post=post,
            clock=around.clock,
            tell=around.tell,
        )
        self.wire = Wire2(trust, sessions, handshakes, post, Tags(), direct=direct, files=files)
        """What the transfers share."""
        self.pairings = Pairings(
            identity,
            node_id=around.node_id,
            name=name,
            trust=trust,
            sessions=sessions,
            post=post,
            clock=around.clock,
            tell=around.tell,
        )
        """The pairings that are under way."""

    async def close(self) -> None:
        """Stop what is under way."""
        if self.wire.files is not None:
            await self.wire.files.close()
        if self.wire.direct is not None:
            await self.wire.direct.close()
        await self.wire.handshakes.close()
        await self.pairings.close()
