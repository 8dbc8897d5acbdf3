import pytest

from ocft.crypto import format_fingerprint
from ocft.errors import UnknownPeerError
from ocft.ids import NodeId
from ocft.storage import ApprovalStore, Database, TrustRequest

DAY = 24 * 3600.0


def _request(number: int, node_id: str | None = None) -> TrustRequest:
    return TrustRequest(
        id=NodeId(node_id or f"node{number}"),
        author=f"@{number}",
        fingerprint=bytes([number]) * 32,
        at=float(number),
    )


@pytest.fixture
def approvals(database: Database) -> ApprovalStore:
    return ApprovalStore(database)


def _add(approvals: ApprovalStore, *requests: TrustRequest) -> None:
    for request in requests:
        approvals.add(request.id, request.author, request.fingerprint, request.at)


def test_requests_come_back_the_oldest_first(approvals: ApprovalStore) -> None:
    _add(approvals, _request(2), _request(1))
    assert approvals.list(3.0) == [_request(1), _request(2)]
    assert approvals.get("node2", 3.0) == _request(2)


def test_a_node_asks_once(approvals: ApprovalStore) -> None:
    _add(approvals, _request(1, "same"), _request(2, "same"))
    assert approvals.list(3.0) == [_request(2, "same")]


def test_at_most_32_are_kept_and_the_oldest_goes(  # R-HSK-3
    approvals: ApprovalStore, database: Database
) -> None:
    _add(approvals, *(_request(number) for number in range(40)))
    assert approvals.list(50.0) == [_request(number) for number in range(8, 40)]
    assert database.query("SELECT count(*) FROM requests_for_trust")[0][0] == 32


def test_a_request_is_forgotten_after_a_day(approvals: ApprovalStore, database: Database) -> None:
    _add(approvals, _request(1))
    assert approvals.list(0.9 + DAY) == [_request(1)]
    assert approvals.list(1.0 + DAY) == []
    with pytest.raises(UnknownPeerError):
        approvals.get("node1", 1.0 + DAY)
    approvals.add(NodeId("later"), "@x", bytes(32), 1.0 + DAY)
    assert database.query("SELECT count(*) FROM requests_for_trust")[0][0] == 1


def test_an_answered_request_is_gone(approvals: ApprovalStore) -> None:
    _add(approvals, _request(1), _request(2))
    approvals.remove(NodeId("node1"))
    approvals.remove(NodeId("nobody"))
    assert approvals.list(3.0) == [_request(2)]


def test_a_fingerprint_names_its_request(approvals: ApprovalStore) -> None:
    _add(approvals, _request(1), _request(2))
    shown = format_fingerprint(bytes([2]) * 32)
    for text in (shown, shown.upper(), shown[:4], shown[:7], shown.replace("-", " ")):
        assert approvals.get(text, 3.0) == _request(2)


@pytest.mark.parametrize("text", ["", "-", "a", "aqc", "nobody", "node", "zzzz-zzzz"])
def test_what_names_nobody_is_refused(approvals: ApprovalStore, text: str) -> None:
    _add(approvals, _request(1), _request(2))
    with pytest.raises(UnknownPeerError):
        approvals.get(text, 3.0)


def test_a_prefix_of_two_fingerprints_names_neither(approvals: ApprovalStore) -> None:
    for name, last in (("a", 1), ("b", 2)):
        approvals.add(NodeId(name), "@", bytes(31) + bytes([last]), 1.0)
    with pytest.raises(UnknownPeerError, match="2 requests"):
        approvals.get("aaaa", 2.0)


def test_an_id_that_looks_like_the_fingerprint_of_another_misleads_nobody(
    approvals: ApprovalStore,
) -> None:
    shown = format_fingerprint(bytes([2]) * 32)
    _add(approvals, _request(2), _request(3, shown))
    with pytest.raises(UnknownPeerError, match="2 requests"):
        approvals.get(shown, 4.0)
