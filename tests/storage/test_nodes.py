import pytest

from ocft.ids import NodeId
from ocft.storage import Database, KnownNode, NodeStore

BOB = NodeId("ocft_bob")
DAY = 24 * 3600.0


@pytest.fixture
def nodes(database: Database) -> NodeStore:
    return NodeStore(database)


def test_what_is_learnt_later_adds_to_what_was_learnt_before(nodes: NodeStore) -> None:
    assert nodes.find(BOB) is None
    nodes.learn(BOB, fingerprint=b"f" * 32, public_identity=b"p" * 1248)
    nodes.learn(BOB, wire="2", wire_learned_at=5.0, secret_tag=b"tag")
    nodes.saw(BOB, 7.0)
    assert nodes.find(BOB) == KnownNode(
        id=BOB,
        fingerprint=b"f" * 32,
        public_identity=b"p" * 1248,
        wire="2",
        wire_learned_at=5.0,
        last_seen=7.0,
        secret_tag=b"tag",
    )
    nodes.learn(BOB, wire=None)
    found = nodes.find(BOB)
    assert found is not None
    assert (found.wire, found.wire_learned_at) == (None, 5.0)


def test_learning_nothing_makes_the_node_known(nodes: NodeStore) -> None:
    nodes.learn(BOB)
    nodes.learn(BOB)
    assert nodes.find(BOB) == KnownNode(id=BOB)


@pytest.mark.parametrize("node_id", ["%", "OCFT_BOB", "", "\udcff"])
def test_only_the_exact_id_is_found(nodes: NodeStore, node_id: str) -> None:
    nodes.learn(BOB, wire="2")
    assert nodes.find(NodeId(node_id)) is None
    nodes.saw(NodeId(node_id), 1.0)
    assert nodes.find(NodeId(node_id)) == KnownNode(id=NodeId(node_id), last_seen=1.0)


def test_a_forgotten_node_can_still_not_replay_its_offers(  # R-CTL-4
    nodes: NodeStore, database: Database
) -> None:
    nodes.learn(BOB, wire="2", fingerprint=b"f" * 32)
    nodes.save_dense(BOB, "local", works=True, at=1.0)
    nodes.forget(BOB)
    assert nodes.find(BOB) is None
    assert nodes.dense_works(BOB, "local", 1.0) is None
    nodes.learn(BOB, wire="2")
    with database.transaction() as connection:
        connection.execute("UPDATE nodes SET forgotten_before = 9")
    nodes.forget(BOB)
    assert nodes.find(BOB) == KnownNode(id=BOB, forgotten_before=9)


def test_a_success_of_the_dense_alphabet_is_remembered(nodes: NodeStore) -> None:  # R-FRM-5
    assert nodes.dense_works(BOB, "local", 0.0) is None
    nodes.save_dense(BOB, "local", works=True, at=0.0)
    assert nodes.dense_works(BOB, "local", 100 * DAY) is True
    assert nodes.dense_works(BOB, "telegram:1", 1.0) is None
    assert nodes.dense_works(NodeId("carol"), "local", 1.0) is None


def test_a_failure_of_the_dense_alphabet_is_forgotten_after_a_day(nodes: NodeStore) -> None:
    nodes.save_dense(BOB, "local", works=True, at=0.0)
    nodes.save_dense(BOB, "local", works=False, at=10.0)
    assert nodes.dense_works(BOB, "local", 10.0) is False
    assert nodes.dense_works(BOB, "local", 9.0 + DAY) is False
    assert nodes.dense_works(BOB, "local", 10.0 + DAY) is None
    assert nodes.dense_works(BOB, "local", 5.0) is None  # the clock was set back


def test_all_nodes_are_listed_by_their_ids(nodes: NodeStore) -> None:
    assert nodes.all() == []
    for name in ("carol", "bob", "x\udcff"):
        nodes.learn(NodeId(name), secret_tag=name.encode("utf-8", "replace"))
    assert [one.id for one in nodes.all()] == ["bob", "carol", "x\udcff"]
    assert nodes.all()[0] == nodes.find(NodeId("bob"))
