"""Who may send what."""

from pathlib import Path
from unittest import mock

import pytest

from ocft.runtime.admission import MOST_LIVE, MOST_UNDECIDED, Admission, Load, Verdict
from ocft.storage import TrustedPeer
from tests.runtime.pair import EPOCH, make_offer

IDLE = Load(live=0, undecided=0, expected_bytes=0)
TRUSTED = TrustedPeer(id="alice", secret="x")


def make_admission(folder: Path, *, auto_accept: bool = False) -> Admission:
    return Admission(
        secrets=lambda _: ("secret-of-bob",),
        auto_accept=auto_accept,
        max_file_size=lambda: 1 << 20,
        download_dir=folder,
        wall_clock=lambda: EPOCH,
    )


def test_who_knows_the_secret_is_accepted_whoever_it_is(tmp_path: Path) -> None:
    assert make_admission(tmp_path).decide(make_offer(), None, IDLE).verdict is Verdict.ACCEPT


def test_trust_alone_is_asked_about_unless_auto_accept_is_on(tmp_path: Path) -> None:
    offer = make_offer(secret=None)
    assert make_admission(tmp_path).decide(offer, TRUSTED, IDLE).verdict is Verdict.ASK
    admission = make_admission(tmp_path, auto_accept=True)
    assert admission.decide(offer, TRUSTED, IDLE).verdict is Verdict.ACCEPT
    assert admission.decide(offer, None, IDLE).verdict is Verdict.ASK


def test_an_empty_secret_of_ours_matches_nothing(tmp_path: Path) -> None:
    admission = Admission(
        secrets=lambda _: (),
        auto_accept=False,
        max_file_size=lambda: 1 << 20,
        download_dir=tmp_path,
        wall_clock=lambda: EPOCH,
    )
    assert admission.decide(make_offer(secret=""), None, IDLE).verdict is Verdict.ASK


def test_no_space_is_a_refusal_and_counts_what_is_still_to_come(tmp_path: Path) -> None:
    with mock.patch("ocft.runtime.admission.free_space", return_value=100 << 20):
        admission = make_admission(tmp_path)
        assert admission.decide(make_offer(), None, IDLE).verdict is Verdict.ACCEPT
        busy = Load(live=1, undecided=0, expected_bytes=90 << 20)
        decision = admission.decide(make_offer(), None, busy)
    assert decision.verdict is Verdict.REFUSE
    assert decision.reason == "Not enough space"


@pytest.mark.parametrize(
    ("load", "secret", "peer", "verdict"),
    [
        (
            Load(live=MOST_LIVE, undecided=0, expected_bytes=0),
            "secret-of-bob",
            None,
            Verdict.REFUSE,
        ),
        (Load(live=MOST_LIVE, undecided=0, expected_bytes=0), None, None, Verdict.IGNORE),
        (Load(live=40, undecided=MOST_UNDECIDED, expected_bytes=0), None, None, Verdict.IGNORE),
        (Load(live=40, undecided=MOST_UNDECIDED, expected_bytes=0), None, TRUSTED, Verdict.ASK),
        (
            Load(live=40, undecided=MOST_UNDECIDED, expected_bytes=0),
            "secret-of-bob",
            None,
            Verdict.ACCEPT,
        ),
    ],
    ids=[
        "full, secret",
        "full, stranger",
        "crowded, stranger",
        "crowded, trusted",
        "crowded, secret",
    ],
)
def test_a_crowd_of_strangers_keeps_nobody_out_who_is_known(
    tmp_path: Path, load: Load, secret: str | None, peer: TrustedPeer | None, verdict: Verdict
) -> None:
    admission = make_admission(tmp_path)
    assert admission.decide(make_offer(secret=secret), peer, load).verdict is verdict
