from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocft.errors import MalformedMessageError
from ocft.wire import Introduction, encode_cbor, pack_introduction, unpack_introduction
from tests.wire.frame_samples import filled

FIELDS: dict[str, Any] = {"id": filled(1248), "name": "Alice"}


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=64))
def test_an_introduction_comes_back(name: str) -> None:
    introduction = Introduction(id=filled(1248), name=name)
    assert unpack_introduction(pack_introduction(introduction)) == introduction


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param([], id="J1-list"),
        pytest.param({}, id="empty"),
        pytest.param({"id": filled(1248)}, id="no name"),
        pytest.param(FIELDS | {"id": filled(1247)}, id="a short identity"),
        pytest.param(FIELDS | {"name": "x" * 65}, id="a long name"),
        pytest.param(FIELDS | {"name": None}, id="null"),
        pytest.param(FIELDS | {"name": b"Alice"}, id="a name of bytes"),
        pytest.param(FIELDS | {"__class__": 1}, id="J9-unknown field"),
        pytest.param(FIELDS | {"name": "x" * 3000}, id="too long"),
    ],
)
def test_what_is_no_introduction_is_malformed(fields: object) -> None:
    with pytest.raises(MalformedMessageError):
        unpack_introduction(encode_cbor(fields))
