"""What outlives the process: the journal, files to send and received, trusted peers, locks."""

from ocft.storage.database import Database
from ocft.storage.incoming import IncomingFile, hand_over, remove_orphans
from ocft.storage.journal import Journal, Request, RequestKind, StoredPiece
from ocft.storage.locks import ChannelLock
from ocft.storage.names import conflict_names, safe_name
from ocft.storage.partial import PartialFile, finish_publication, free_space
from ocft.storage.peers import PeerList, Peers, PeerStore, TrustedPeer
from ocft.storage.records import TransferRecord
from ocft.storage.source import Source, SourceSnapshot

__all__ = [
    "ChannelLock",
    "Database",
    "IncomingFile",
    "Journal",
    "PartialFile",
    "PeerList",
    "PeerStore",
    "Peers",
    "Request",
    "RequestKind",
    "Source",
    "SourceSnapshot",
    "StoredPiece",
    "TransferRecord",
    "TrustedPeer",
    "conflict_names",
    "finish_publication",
    "free_space",
    "hand_over",
    "remove_orphans",
    "safe_name",
]
