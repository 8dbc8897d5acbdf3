"""What outlives the process: the journal, files to send and received, trusted peers, locks."""

from ocft.storage.approvals import ApprovalStore, TrustRequest
from ocft.storage.approving import approve, is_fingerprint_of
from ocft.storage.arriving import ArrivingSet
from ocft.storage.border import storage_errors
from ocft.storage.collecting import Collected, Collection, collect
from ocft.storage.database import Database
from ocft.storage.identity_file import (
    load_or_make_identity,
    load_or_make_identity_in_keyring,
    remove_identity_from_keyring,
)
from ocft.storage.incoming import IncomingFile, hand_over, part_path, remove_orphans
from ocft.storage.journal import Journal, Request, RequestKind, StoredPiece
from ocft.storage.landing import Landing, LandingFile
from ocft.storage.locks import ChannelLock
from ocft.storage.marks import ChannelMarks
from ocft.storage.names import check_manifest_names, conflict_names, safe_name
from ocft.storage.nodes import KnownNode, NodeStore
from ocft.storage.owned import already_have, copy_owned, split_owned
from ocft.storage.pairing_requests import PairingRequest, PairingRequests, PairingState
from ocft.storage.partial import PartialFile, finish_publication, free_space
from ocft.storage.peers import PeerList, Peers, PeerStore, TrustedPeer
from ocft.storage.records import TransferRecord
from ocft.storage.sent_files import SentFiles
from ocft.storage.sessions import Session, SessionStore
from ocft.storage.source import Source, SourceSnapshot, open_regular
from ocft.storage.source_set import SourceSet
from ocft.storage.uncached import PAGE

__all__ = [
    "PAGE",
    "ApprovalStore",
    "ArrivingSet",
    "ChannelLock",
    "ChannelMarks",
    "Collected",
    "Collection",
    "Database",
    "IncomingFile",
    "Journal",
    "KnownNode",
    "Landing",
    "LandingFile",
    "NodeStore",
    "PairingRequest",
    "PairingRequests",
    "PairingState",
    "PartialFile",
    "PeerList",
    "PeerStore",
    "Peers",
    "Request",
    "RequestKind",
    "SentFiles",
    "Session",
    "SessionStore",
    "Source",
    "SourceSet",
    "SourceSnapshot",
    "StoredPiece",
    "TransferRecord",
    "TrustRequest",
    "TrustedPeer",
    "already_have",
    "approve",
    "check_manifest_names",
    "collect",
    "conflict_names",
    "copy_owned",
    "finish_publication",
    "free_space",
    "hand_over",
    "is_fingerprint_of",
    "load_or_make_identity",
    "load_or_make_identity_in_keyring",
    "open_regular",
    "part_path",
    "remove_identity_from_keyring",
    "remove_orphans",
    "safe_name",
    "split_owned",
    "storage_errors",
]
