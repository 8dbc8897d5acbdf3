"""The handshake: two identities become one root key, in three frames and a welcome (R-HSK).

Two machines without I/O: feed them what came, send what they return. Repeating and timing are
their driver's (R-HSK-5), and so is who may be trusted: these machines only prove who is there.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from ocft.crypto import (
    EphemeralKey,
    Identity,
    PublicIdentity,
    finish_mac,
    proofs_match,
    root_key,
    secret_proof,
    transcript,
)
from ocft.errors import FingerprintChangedError, UnsealError
from ocft.ids import NodeId
from ocft.wire import (
    Finish,
    Hello,
    Reply,
    Welcome,
    pack_handshake,
    unsigned_finish,
    unsigned_reply,
)

_UNSIGNED = bytes(64)
_NO_MAC = bytes(32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Established:
    """What a handshake leaves behind."""

    peer_id: NodeId
    identity: PublicIdentity
    """The peer's."""
    root: bytes = field(repr=False)
    is_initiator: bool
    """Whether we began it."""
    proved_secret: str | None = field(default=None, repr=False)
    """Whose knowledge the peer proved: ours as responder, its own as initiator."""


class Initiator:
    """The side that begins.

    Args:
        identity: Ours.
        node_id: Our id.
        peer_id: Who is to answer.
        nonce: 32 random bytes.
        known: The peer's fingerprint, where we know it.
        peer_secret: The peer's secret, where we know it; else empty.
    """

    def __init__(
        self,
        identity: Identity,
        *,
        node_id: NodeId,
        peer_id: NodeId,
        nonce: bytes,
        known: bytes | None,
        peer_secret: str,
    ) -> None:
        self._identity = identity
        self._node_id = node_id
        self._peer_id = peer_id
        self._known = known
        self._peer_secret = peer_secret
        self._ephemeral = EphemeralKey.generate()
        self.hello = pack_handshake(
            Hello(
                sender=node_id,
                recipient=peer_id,
                nonce=nonce,
                id=identity.public.to_bytes(),
                eph=self._ephemeral.public,
            )
        )
        """The frame to begin with."""
        self.hello_hash = transcript("OCFT 2 hello", self.hello)
        """What the answer names."""
        self.finish: bytes | None = None
        """The frame that answers the reply, once it came."""
        self.root: bytes | None = None
        """Opens the welcome; not to be used for anything else before `take_welcome`."""
        self._peer: PublicIdentity | None = None
        self._th3 = b""

    def take_reply(self, reply: Reply) -> None:
        """Take in the answer; then `finish` is to be sent. A repeat changes nothing.

        Raises:
            UnsealError: It is not the answer to our HELLO, or not rightly signed.
            FingerprintChangedError: The peer has another identity than the one that we know.
        """
        if self.finish is not None:
            return
        if reply.hello != self.hello_hash or reply.sender != self._peer_id:
            raise UnsealError("a reply to another HELLO")
        peer = PublicIdentity.from_bytes(reply.id)
        th2 = transcript("OCFT 2 reply", self.hello_hash, unsigned_reply(reply))
        if not peer.verifies(reply.sig, b"OCFT 2 responder" + th2):
            raise UnsealError("a reply with a wrong signature")
        _require_same(self._known, peer, self._peer_id)
        their_secret = self._identity.open_secret(reply.ct)
        our_secret, ct = peer.seal_secret()
        replied = transcript("OCFT 2 replied", th2, reply.sig)
        finish = Finish(
            sender=self._node_id,
            recipient=self._peer_id,
            reply=replied,
            ct=ct,
            sig=_UNSIGNED,
            mac=_NO_MAC,
        )
        th3 = transcript("OCFT 2 finish", replied, unsigned_finish(finish))
        exchanged = self._ephemeral.exchange(reply.eph)
        root = root_key(th3, their_secret, our_secret, exchanged)
        proof = None
        if self._peer_secret:
            proof = secret_proof(root, th3, self._peer_secret, is_initiator=True)
        finish = finish.model_copy(
            update={
                "sig": self._identity.sign(b"OCFT 2 initiator" + th3),
                "mac": finish_mac(root, th3),
                "proof": proof,
            }
        )
        self.finish = pack_handshake(finish)
        self.root, self._peer, self._th3 = root, peer, th3

    def take_welcome(
        self, welcome: Welcome, *, known: bytes | None, trusts_unknown: bool
    ) -> Established | None:
        """Take in the welcome, which was opened with `root`.

        Args:
            welcome: What it says.
            known: The peer's fingerprint, as it is known now: another handshake, a pairing or a
                revocation may have come in between (R-HSK-2).
            trusts_unknown: Whether a peer of which we know nothing is taken as it is: its files
                would travel readable otherwise (R-HSK-4).

        Returns:
            What to keep; None if the peer's owner has not approved us yet.

        Raises:
            UnsealError: The peer does not prove the secret that we know of it.
            FingerprintChangedError: The peer has another identity than the one that we know.
        """
        if self.root is None or self._peer is None:
            raise UnsealError("a welcome before the reply")
        if welcome.status != "ok":
            return None
        _require_same(known, self._peer, self._peer_id)
        proved = None
        if self._peer_secret:
            ours = secret_proof(self.root, self._th3, self._peer_secret, is_initiator=False)
            if proofs_match(ours, welcome.proof):
                proved = self._peer_secret
        if known is None and proved is None and (self._peer_secret or not trusts_unknown):
            raise UnsealError("the peer does not prove its secret")
        return Established(
            peer_id=self._peer_id,
            identity=self._peer,
            root=self.root,
            is_initiator=True,
            proved_secret=proved,
        )


class Responder:
    """The side that answers. Making it costs some milliseconds: its driver sees to the rate.

    Args:
        identity: Ours.
        node_id: Our id.
        hello: What came.
        nonce: 32 random bytes.
        known: The peer's fingerprint, where we know it.

    Raises:
        UnsealError: The HELLO holds no identity.
        FingerprintChangedError: The peer has another identity than the one that we know.
    """

    def __init__(
        self,
        identity: Identity,
        *,
        node_id: NodeId,
        hello: Hello,
        nonce: bytes,
        known: bytes | None,
    ) -> None:
        self.peer = PublicIdentity.from_bytes(hello.id)
        """The identity that the peer claims; proved by `take_finish`."""
        self.peer_id = hello.sender
        _require_same(known, self.peer, self.peer_id)
        self.hello_hash = transcript("OCFT 2 hello", pack_handshake(hello))
        """Names the HELLO that this answers."""
        self._identity = identity
        self._hello = hello
        self._ephemeral = EphemeralKey.generate()
        self._our_secret, ct = self.peer.seal_secret()
        reply = Reply(
            sender=node_id,
            recipient=hello.sender,
            hello=self.hello_hash,
            nonce=nonce,
            id=identity.public.to_bytes(),
            eph=self._ephemeral.public,
            ct=ct,
            sig=_UNSIGNED,
        )
        th2 = transcript("OCFT 2 reply", self.hello_hash, unsigned_reply(reply))
        signature = identity.sign(b"OCFT 2 responder" + th2)
        self.reply = pack_handshake(reply.model_copy(update={"sig": signature}))
        """The frame that answers, every time the same."""
        self.replied = transcript("OCFT 2 replied", th2, signature)
        """What the FINISH names."""
        self._established: Established | None = None
        self._th3 = b""

    def take_finish(
        self, finish: Finish, *, known: bytes | None, secrets: Iterable[str]
    ) -> Established:
        """Take in the end of the handshake; a repeat gives the same result.

        A wrong proof is none (R-HSK-1): the peer may have missed that our secret changed, and who
        guesses learns no more than who proves nothing.

        Args:
            finish: What came, for `replied`.
            known: The peer's fingerprint, as it is known now: it may have been learnt since the
                HELLO came (R-HSK-2).
            secrets: Our secrets that count at the moment.

        Raises:
            UnsealError: A signature, a seal or the mac is wrong.
            FingerprintChangedError: The peer has another identity than the one that we know.
        """
        _require_same(known, self.peer, self.peer_id)
        if self._established is not None:
            return self._established
        if finish.reply != self.replied or finish.sender != self.peer_id:
            raise UnsealError("a FINISH for another reply")
        th3 = transcript("OCFT 2 finish", self.replied, unsigned_finish(finish))
        if not self.peer.verifies(finish.sig, b"OCFT 2 initiator" + th3):
            raise UnsealError("a FINISH with a wrong signature")
        their_secret = self._identity.open_secret(finish.ct)
        exchanged = self._ephemeral.exchange(self._hello.eph)
        root = root_key(th3, self._our_secret, their_secret, exchanged)
        if not proofs_match(finish_mac(root, th3), finish.mac):
            raise UnsealError("a FINISH with a wrong mac")
        proved = None
        if finish.proof is not None:
            for secret in secrets:
                if proofs_match(secret_proof(root, th3, secret, is_initiator=True), finish.proof):
                    proved = secret
        self._th3 = th3
        self._established = Established(
            peer_id=self.peer_id,
            identity=self.peer,
            root=root,
            is_initiator=False,
            proved_secret=proved,
        )
        return self._established

    def welcome(self, *, is_ok: bool) -> Welcome:
        """Return the answer to a FINISH that was right; it proves our secret to who proved it."""
        if self._established is None:
            raise UnsealError("no FINISH came yet")
        proof = None
        secret = self._established.proved_secret
        if is_ok and secret is not None:
            proof = secret_proof(self._established.root, self._th3, secret, is_initiator=False)
        return Welcome(status="ok" if is_ok else "pending", proof=proof)


def _require_same(known: bytes | None, peer: PublicIdentity, peer_id: NodeId) -> None:
    """Refuse an identity that is not the one that is known, where one is (R-HSK-2)."""
    if known is not None and not proofs_match(known, peer.fingerprint):
        raise FingerprintChangedError(
            f"{peer_id} has another identity than before. If it was set up anew, "
            "remove it and pair again; if not, somebody is in between."
        )
