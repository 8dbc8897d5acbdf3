"""Every exception of the library: what happened, what to do, and how a command ends.

    OcftError                              exit status 3 unless noted; R = trying again can help
    ├─ ProtocolError
    │  ├─ MalformedMessageError            a text with our marker that is no valid message
    │  ├─ UnexpectedMessageError           a message that the state table does not allow now
    │  └─ DigestMismatchError      (8, R)  the bytes are not the bytes that were offered
    ├─ TransferError
    │  ├─ UnknownTransferError     (1)     no transfer has this id
    │  ├─ WrongStateError          (1)     the transfer is past the point where this is possible
    │  ├─ TransferRejectedError    (7)     the receiver said no
    │  ├─ TransferCancelledError           one of the two sides stopped it
    │  ├─ TransferFailedError      (R)     the peer reported a failure
    │  ├─ TransferTimeoutError     (5, R)  the peer did not answer in time
    │  ├─ FileTooLargeError        (2)     larger than the limit of the receiving side
    │  ├─ SourceNotFoundError      (2)     the file to send is not there or cannot be read
    │  ├─ SourceChangedError       (2)     the file to send is not what was offered any more
    │  └─ PeerTooOldError          (7)     the peer speaks only wire 1.0
    ├─ ChannelError
    │  ├─ UnknownAdapterError      (1)     no adapter has this name
    │  ├─ AdapterNotInstalledError (1)     the adapter's extra is missing
    │  ├─ ChannelClosedError       (R)     used after it was closed, or the connection is gone
    │  ├─ ChannelHeldError         (R)     another process drives this channel
    │  ├─ MessageTooLongError              a text that this channel cannot carry
    │  ├─ FileRefusedError                 a native file that this channel does not take
    │  ├─ DeliveryUnknownError     (R)     nobody can tell whether the platform took it
    │  └─ RateLimitedError         (6, R)  the platform asks for a pause
    ├─ TrustError                  (4)
    │  ├─ UnknownPeerError                 no trusted peer has this name or id
    │  ├─ TrustExpiredError        (R)     the trust in a peer has ended
    │  ├─ PeerExistsError          (1)     a trusted peer with this id is already there
    │  ├─ WrongSecretError                 the secret is not ours
    │  ├─ NotTrustedError          (R)     the peer's owner does not trust this node now
    │  ├─ FingerprintChangedError          the peer shows other keys than those that we know
    │  ├─ PairingFailedError               the two nodes did not have the same code
    │  │  └─ PairingTimeoutError   (5)     nobody took part in time
    │  ├─ UnsealError                      something sealed, signed or proved is not right
    │  ├─ NotAuthorisedError               a sender key, or a token, is not the right one
    │  └─ WrongPasswordError               the password of a session is another one
    ├─ ShareError
    │  ├─ NoSessionError                   unknown, expired or used up: nobody can tell which
    │  ├─ SessionConflictError             the session is in use, or not as it should be
    │  ├─ ServerUnreachableError   (R)     the server does not answer, or no more
    │  ├─ ServerRefusedError       (7)     the server has no room, or does not take this
    │  ├─ MalformedAnswerError             what answers does not speak this protocol
    │  └─ ExtraNotInstalledError   (1)     what sharing needs is not installed
    ├─ StorageError                (2)
    │  ├─ NotEnoughSpaceError      (R)     the disk has no room for the file
    │  ├─ UnsafeNameError                  a name that was offered cannot be saved as it is
    │  └─ JournalError                     the journal cannot be opened or read
    └─ ConfigError                 (1)
       └─ NotInitializedError              no node was made here yet

`code` is the class name in upper snake case without "Error" (a test derives it); it is what
`--json`, the journal and wire 1.0's `error` message carry. Exit statuses: 0 done, 1 usage, 2 file,
3 network or peer, 4 trust, 5 time-out, 6 rate limit, 7 refused, 8 integrity.
"""

from typing import ClassVar


class OcftError(Exception):
    """Something went wrong; the message says what, and what to do about it."""

    code: ClassVar[str] = "OCFT"
    exit_status: ClassVar[int] = 3
    retryable: ClassVar[bool] = False


class ProtocolError(OcftError):
    """A peer did something that the protocol does not allow."""

    code: ClassVar[str] = "PROTOCOL"


class MalformedMessageError(ProtocolError):
    """A text carries the OCFT marker but no valid message; it was ignored."""

    code: ClassVar[str] = "MALFORMED_MESSAGE"


class UnexpectedMessageError(ProtocolError):
    """A message came that makes no sense in the transfer's state; it was ignored."""

    code: ClassVar[str] = "UNEXPECTED_MESSAGE"


class DigestMismatchError(ProtocolError):
    """The bytes that arrived are not the bytes that were offered; nothing was saved. Send again."""

    code: ClassVar[str] = "DIGEST_MISMATCH"
    exit_status: ClassVar[int] = 8
    retryable: ClassVar[bool] = True


class TransferError(OcftError):
    """A transfer ended without success, or cannot do what was asked."""

    code: ClassVar[str] = "TRANSFER"


class UnknownTransferError(TransferError):
    """No transfer has this id. `ocft transfers` lists those that exist."""

    code: ClassVar[str] = "UNKNOWN_TRANSFER"
    exit_status: ClassVar[int] = 1


class WrongStateError(TransferError):
    """The transfer is in a state in which this is not possible."""

    code: ClassVar[str] = "WRONG_STATE"
    exit_status: ClassVar[int] = 1


class TransferRejectedError(TransferError):
    """The receiver refused the file."""

    code: ClassVar[str] = "TRANSFER_REJECTED"
    exit_status: ClassVar[int] = 7


class TransferCancelledError(TransferError):
    """One of the two sides stopped the transfer."""

    code: ClassVar[str] = "TRANSFER_CANCELLED"


class TransferFailedError(TransferError):
    """The peer reported that the transfer failed. What is stored is kept: resume it."""

    code: ClassVar[str] = "TRANSFER_FAILED"
    retryable: ClassVar[bool] = True


class TransferTimeoutError(TransferError):
    """The peer did not answer in time. What is stored is kept: resume it."""

    code: ClassVar[str] = "TRANSFER_TIMEOUT"
    exit_status: ClassVar[int] = 5
    retryable: ClassVar[bool] = True


class FileTooLargeError(TransferError):
    """The file is larger than the receiving side accepts."""

    code: ClassVar[str] = "FILE_TOO_LARGE"
    exit_status: ClassVar[int] = 2


class SourceNotFoundError(TransferError):
    """The file to send does not exist, is no regular file, or cannot be read."""

    code: ClassVar[str] = "SOURCE_NOT_FOUND"
    exit_status: ClassVar[int] = 2


class SourceChangedError(TransferError):
    """The file to send was changed after it had been offered. Send it again."""

    code: ClassVar[str] = "SOURCE_CHANGED"
    exit_status: ClassVar[int] = 2


class PeerTooOldError(TransferError):
    """The peer speaks only wire 1.0, which cannot do this, or is not allowed. Update the peer."""

    code: ClassVar[str] = "PEER_TOO_OLD"
    exit_status: ClassVar[int] = 7


class ChannelError(OcftError):
    """A channel could not be opened, or could not carry a text."""

    code: ClassVar[str] = "CHANNEL"


class UnknownAdapterError(ChannelError):
    """No adapter has this name. The message lists those that are installed."""

    code: ClassVar[str] = "UNKNOWN_ADAPTER"
    exit_status: ClassVar[int] = 1


class AdapterNotInstalledError(ChannelError):
    """The adapter is known, but what it needs is not installed; the message says how to."""

    code: ClassVar[str] = "ADAPTER_NOT_INSTALLED"
    exit_status: ClassVar[int] = 1


class ChannelClosedError(ChannelError):
    """The channel was closed, or its connection is gone."""

    code: ClassVar[str] = "CHANNEL_CLOSED"
    retryable: ClassVar[bool] = True


class ChannelHeldError(ChannelError):
    """Another process drives this channel at the moment."""

    code: ClassVar[str] = "CHANNEL_HELD"
    retryable: ClassVar[bool] = True


class MessageTooLongError(ChannelError):
    """A text is longer than the channel carries. Use a smaller chunk size."""

    code: ClassVar[str] = "MESSAGE_TOO_LONG"


class FileRefusedError(ChannelError):
    """The platform does not take a file of this size, or none at all; nothing was sent."""

    code: ClassVar[str] = "FILE_REFUSED"


class DeliveryUnknownError(ChannelError):
    """The platform did not say whether it took what was sent; it may arrive, or not."""

    code: ClassVar[str] = "DELIVERY_UNKNOWN"
    retryable: ClassVar[bool] = True


class RateLimitedError(ChannelError):
    """The platform asks for a pause before the next text.

    Args:
        message: What the platform said.
        retry_after: Seconds to wait, as the platform demands.
        is_global: Whether it is meant for the whole account, and not for one conversation only.
    """

    code: ClassVar[str] = "RATE_LIMITED"
    exit_status: ClassVar[int] = 6
    retryable: ClassVar[bool] = True

    def __init__(self, message: str, *, retry_after: float, is_global: bool = False) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.is_global = is_global


class TrustError(OcftError):
    """A peer or a secret is not trusted."""

    code: ClassVar[str] = "TRUST"
    exit_status: ClassVar[int] = 4


class UnknownPeerError(TrustError):
    """No trusted peer has this name or id. `ocft peers` lists them."""

    code: ClassVar[str] = "UNKNOWN_PEER"


class TrustExpiredError(TrustError):
    """The trust in this peer has ended. `ocft peers extend` renews it; then resume."""

    code: ClassVar[str] = "TRUST_EXPIRED"
    retryable: ClassVar[bool] = True


class PeerExistsError(TrustError):
    """A trusted peer with this id is already there; remove it first to replace it."""

    code: ClassVar[str] = "PEER_EXISTS"
    exit_status: ClassVar[int] = 1


class WrongSecretError(TrustError):
    """The secret is not this node's secret."""

    code: ClassVar[str] = "WRONG_SECRET"


class NotTrustedError(TrustError):
    """The peer's owner has not approved this node, or not for longer. Ask, then send or resume."""

    code: ClassVar[str] = "NOT_TRUSTED"
    retryable: ClassVar[bool] = True


class FingerprintChangedError(TrustError):
    """The peer shows other keys than those we know; nothing was sent. Ask its owner, pair anew."""

    code: ClassVar[str] = "FINGERPRINT_CHANGED"


class PairingFailedError(TrustError):
    """The two nodes did not have the same pairing code. Make a new one and try again."""

    code: ClassVar[str] = "PAIRING_FAILED"


class PairingTimeoutError(PairingFailedError):
    """Nobody took part in the pairing in time. Make a new code and try again."""

    code: ClassVar[str] = "PAIRING_TIMEOUT"
    exit_status: ClassVar[int] = 5


class UnsealError(TrustError):
    """A sealed message could not be opened; it was ignored."""

    code: ClassVar[str] = "UNSEAL"


class NotAuthorisedError(TrustError):
    """The sender key is not the one of this session, or the permission to download has ended."""

    code: ClassVar[str] = "NOT_AUTHORISED"


class WrongPasswordError(TrustError):
    """The password is not the one of this session. Ask whoever sent you the link."""

    code: ClassVar[str] = "WRONG_PASSWORD"


class ShareError(OcftError):
    """Sharing by a link did not work."""

    code: ClassVar[str] = "SHARE"


class NoSessionError(ShareError):
    """No session has this code: it was never there, has expired, or is used up. Ask for another."""

    code: ClassVar[str] = "NO_SESSION"


class SessionConflictError(ShareError):
    """The session is in a state in which this is not possible; the message says which."""

    code: ClassVar[str] = "SESSION_CONFLICT"


class ServerUnreachableError(ShareError):
    """The server cannot be reached, or went away. What came is kept: run the command again.

    Args:
        message: What happened.
        is_refused: Whether its machine answered that nobody listens there.
    """

    code: ClassVar[str] = "SERVER_UNREACHABLE"
    retryable: ClassVar[bool] = True

    def __init__(self, message: str, *, is_refused: bool = False) -> None:
        super().__init__(message)
        self.is_refused = is_refused


class ServerRefusedError(ShareError):
    """The server does not take this: it has no room, or it is more than it allows."""

    code: ClassVar[str] = "SERVER_REFUSED"
    exit_status: ClassVar[int] = 7


class MalformedAnswerError(ShareError):
    """What answers at this address does not speak OCFT's protocol. Check the address."""

    code: ClassVar[str] = "MALFORMED_ANSWER"


class ExtraNotInstalledError(ShareError):
    """Something that is needed for this is not installed; the message says how to install it."""

    code: ClassVar[str] = "EXTRA_NOT_INSTALLED"
    exit_status: ClassVar[int] = 1


class StorageError(OcftError):
    """A file could not be read or written."""

    code: ClassVar[str] = "STORAGE"
    exit_status: ClassVar[int] = 2


class NotEnoughSpaceError(StorageError):
    """The disk has no room for the file. Free some space and resume the transfer."""

    code: ClassVar[str] = "NOT_ENOUGH_SPACE"
    retryable: ClassVar[bool] = True


class UnsafeNameError(StorageError):
    """A file was offered under a name that cannot be saved as it is; nothing was written."""

    code: ClassVar[str] = "UNSAFE_NAME"


class JournalError(StorageError):
    """The journal cannot be opened or read."""

    code: ClassVar[str] = "JOURNAL"


class ConfigError(OcftError):
    """The configuration is missing, unreadable or wrong; the message names the setting."""

    code: ClassVar[str] = "CONFIG"
    exit_status: ClassVar[int] = 1


class NotInitializedError(ConfigError):
    """No node was made here yet. Run `ocft init`."""

    code: ClassVar[str] = "NOT_INITIALIZED"


def error_for(code: str | None, message: str) -> OcftError:
    """Return the error that ended a transfer, from what the journal kept of it.

    Args:
        code: The error's code; an unknown one gives a :exc:`TransferFailedError`.
        message: Its words.
    """
    error_type = _BY_CODE.get(code or "", TransferFailedError)
    return error_type(message)


_BY_CODE: dict[str, type[OcftError]] = {
    error_type.code: error_type
    for error_type in (
        DigestMismatchError,
        FileTooLargeError,
        FingerprintChangedError,
        JournalError,
        MessageTooLongError,
        NotEnoughSpaceError,
        NotTrustedError,
        PeerTooOldError,
        SourceChangedError,
        SourceNotFoundError,
        StorageError,
        TransferCancelledError,
        TransferFailedError,
        TransferRejectedError,
        TransferTimeoutError,
        TrustExpiredError,
        UnsafeNameError,
        UnsealError,
    )
}
