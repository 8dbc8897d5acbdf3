import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocft.crypto import make_secret, secret_tag, secrets_match
from tests.golden.recorded import PEER_URI_CONTENT


def test_a_secret_has_the_form_that_1_x_nodes_make() -> None:
    form = re.compile(r"[A-Za-z0-9_-]{32}")
    assert form.fullmatch(make_secret())
    assert form.fullmatch(PEER_URI_CONTENT["secret"])


def test_a_tag_tells_a_secret_only_to_who_has_the_key() -> None:  # K13
    key, other = bytes(32), bytes([1]) * 32
    tags = {secret_tag(key, "one"), secret_tag(key, "two"), secret_tag(other, "one")}
    assert {len(tag) for tag in tags} == {16}
    assert len(tags) == 3
    assert secret_tag(key, "one") == secret_tag(key, "one")
    secret_tag(key, "\ud800")  # any text is a secret, also a damaged one


def test_secrets_do_not_come_from_seeded_randomness() -> None:  # case K15
    random.seed(1)
    first = make_secret()
    random.seed(1)
    assert make_secret() != first
    assert len({make_secret() for _ in range(100)}) == 100


@given(st.text(min_size=1), st.text())
def test_only_the_same_secret_matches(ours: str, theirs: str) -> None:
    assert secrets_match(ours, theirs) == (ours == theirs)


@pytest.mark.parametrize(
    ("ours", "theirs", "is_match"),
    [
        pytest.param("s3cret", "s3cret", True, id="O11-right"),
        pytest.param("s3cret", None, False, id="O11-absent"),
        pytest.param("s3cret", "", False, id="O11-empty"),
        pytest.param("s3cret", "S3CRET", False, id="O11-upper case"),
        pytest.param("s3cret", "s3cret ", False, id="O11-space"),
        pytest.param("s3cret", "s3cre", False, id="O11-beginning"),
        pytest.param("", "", False, id="O11-we have none"),
        pytest.param("", None, False, id="O11-both have none"),
        pytest.param("gehe\u00efm", "gehe\u00efm", True, id="not ASCII"),
        pytest.param("gehe\u00efm", "gehei\u0308m", False, id="not ASCII, decomposed"),
        pytest.param("s3cret", "\u04553cret", False, id="look-alike"),
        pytest.param("s3cret", "\ud800", False, id="lone surrogate"),
        pytest.param("\ud800", "\ud800", True, id="lone surrogates are texts too"),
        pytest.param("s", "s" * 10**6, False, id="long"),
        pytest.param("s\0", "s", False, id="NUL"),
    ],
)
def test_a_claim_to_know_a_secret(ours: str, theirs: str | None, is_match: object) -> None:
    assert secrets_match(ours, theirs) is is_match
