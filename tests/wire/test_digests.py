import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocft.wire import digest_of, digest_of_all, digests_match

ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, appendix B.1


def test_a_digest_is_sha_256_in_lower_case_hex() -> None:
    assert digest_of(b"abc") == ABC
    assert digest_of(b"") == hashlib.sha256().hexdigest()


@given(st.lists(st.binary(max_size=20), max_size=8))
def test_the_digest_of_pieces_is_that_of_their_whole(pieces: list[bytes]) -> None:
    assert digest_of_all(pieces) == digest_of(b"".join(pieces))


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(ABC.upper(), id="C4-upper case"),
        pytest.param(ABC + "\n", id="C4-white space"),
        pytest.param(ABC[:-1], id="shorter"),
        pytest.param("", id="empty"),
        pytest.param("\u0431" + ABC[1:], id="not ASCII"),
        pytest.param(digest_of(b"abd"), id="another"),
    ],
)
def test_only_the_same_digest_matches(other: str) -> None:
    assert digests_match(ABC, ABC)
    assert not digests_match(ABC, other)
    assert not digests_match(other, ABC)
