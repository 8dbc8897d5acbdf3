"""Sharing without a chat: a server of sealed files, those who send to it, and those who receive.

The specification is docs/share-protocol.md. What serves and what asks over HTTP is imported when
it is used, since it comes with the extra `ocft[share]`.
"""

from ocft.share.client.api import SessionView, ShareClient
from ocft.share.client.patience import Waiting
from ocft.share.client.receiving import (
    Received,
    ReceiveEvent,
    ReceiveProgress,
    SenderFound,
    SessionJoined,
    look,
    receive,
)
from ocft.share.client.sending import SharedFiles, Upload
from ocft.share.client.sinks import FolderSink, Sink, StreamSink
from ocft.share.client.unfinished import Unfinished, UnfinishedUpload
from ocft.share.links import ShareLink, is_near, parse_link, parse_server
from ocft.share.manifest import (
    SharedFile,
    ShareManifest,
    pack_share_manifest,
    parse_share_manifest,
)
from ocft.share.server.disk_store import DiskStore
from ocft.share.server.happenings import (
    DownloadEnded,
    DownloadProgress,
    DownloadStarted,
    Observer,
    PasswordLocked,
    ReceiverConnected,
    SessionEnded,
    SessionReady,
    ShareEvent,
)
from ocft.share.server.limits import Limits
from ocft.share.server.passwords import PasswordSecret
from ocft.share.server.service import Sessions
from ocft.share.server.serving import ShareServer, make_app, open_server
from ocft.share.server.sessions import Session
from ocft.share.server.stores import MemoryStore

__all__ = [
    "DiskStore",
    "DownloadEnded",
    "DownloadProgress",
    "DownloadStarted",
    "FolderSink",
    "Limits",
    "MemoryStore",
    "Observer",
    "PasswordLocked",
    "PasswordSecret",
    "ReceiveEvent",
    "ReceiveProgress",
    "Received",
    "ReceiverConnected",
    "SenderFound",
    "Session",
    "SessionEnded",
    "SessionJoined",
    "SessionReady",
    "SessionView",
    "Sessions",
    "ShareClient",
    "ShareEvent",
    "ShareLink",
    "ShareManifest",
    "ShareServer",
    "SharedFile",
    "SharedFiles",
    "Sink",
    "StreamSink",
    "Unfinished",
    "UnfinishedUpload",
    "Upload",
    "Waiting",
    "is_near",
    "look",
    "make_app",
    "open_server",
    "pack_share_manifest",
    "parse_link",
    "parse_server",
    "parse_share_manifest",
    "receive",
]
