import re

import pytest

from ocft.ids import make_node_id, make_transfer_id
from tests.golden.recorded import PEER_URI_CONTENT, TRANSFERS


def test_a_transfer_id_has_the_form_that_1_x_nodes_make() -> None:
    form = re.compile(r"xfer_[A-Za-z0-9_-]{12}")
    assert form.fullmatch(make_transfer_id())
    for transfer in TRANSFERS.values():
        assert form.fullmatch(transfer.texts[0].message["transferId"])
    assert len({make_transfer_id() for _ in range(1000)}) == 1000


def test_a_node_id_has_the_form_that_1_x_nodes_make() -> None:
    form = re.compile(r"ocft_[0-9a-z]+_[A-Za-z0-9_-]{8}")
    assert form.fullmatch(make_node_id(1_795_227_088_548))
    assert form.fullmatch(PEER_URI_CONTENT["nodeId"])
    assert len({make_node_id(1) for _ in range(1000)}) == 1000


@pytest.mark.parametrize("now_ms", [0, 35, 36, 1_795_227_088_548])
def test_a_node_id_says_when_it_was_made(now_ms: int) -> None:
    _, time, _ = make_node_id(now_ms).split("_", 2)
    assert int(time, 36) == now_ms
    assert time == "0" or not time.startswith("0")
