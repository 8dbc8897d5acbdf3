from pathlib import Path

import pytest

from tests.mutation.faults import FAULTS, Fault

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.name for fault in FAULTS])
def test_a_fault_can_still_be_planted(fault: Fault) -> None:
    source = (ROOT / fault.file).read_text(encoding="utf-8")
    assert source.count(fault.old) == 1
    planted = source.replace(fault.old, fault.new)
    assert planted != source
    compile(planted, fault.file, "exec")


def test_the_tests_that_must_notice_are_there() -> None:
    for fault in FAULTS:
        assert fault.tests
        for test in fault.tests:
            assert (ROOT / test.partition("::")[0]).is_file()


def test_no_fault_is_planted_twice() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
    assert len({(fault.file, fault.old, fault.new) for fault in FAULTS}) == len(FAULTS)
