"""How large a native file may be: tried, and remembered (R-BUN-4)."""

from ocft.channels import FileLimits
from ocft.runtime.wire2.file_sizes import SMALLEST, FileSizes

MIB = 1 << 20
LIMITS = FileLimits(max_size=8 * MIB, ceiling=20 * MIB)
DAY = 24 * 3600.0


class Marks(dict[str, str]):
    """Marks in memory."""

    def set(self, key: str, value: str) -> None:
        self[key] = value


def sizes(marks: Marks, at: float = 0.0, limits: FileLimits = LIMITS) -> FileSizes:
    return FileSizes(limits, marks, lambda: at)


def test_what_surely_passes_is_used_first_and_then_the_largest_is_tried() -> None:
    known = sizes(Marks())
    assert known.size == 8 * MIB
    known.passed(8 * MIB - 640)
    assert known.size == 20 * MIB


def test_a_short_last_file_is_no_proof() -> None:
    known = sizes(Marks())
    known.passed(MIB)
    assert known.size == 8 * MIB


def test_a_larger_size_that_passed_is_remembered() -> None:
    marks = Marks()
    known = sizes(marks)
    known.passed(8 * MIB)
    known.passed(20 * MIB)
    assert sizes(marks).size == 20 * MIB


def test_a_refused_size_is_not_tried_for_a_week() -> None:
    marks = Marks()
    known = sizes(marks)
    known.passed(8 * MIB)
    known.refused(20 * MIB)
    known.passed(8 * MIB)
    assert known.size == 8 * MIB
    for at, size in ((6.9 * DAY, 8 * MIB), (7.1 * DAY, 20 * MIB), (-DAY, 20 * MIB)):
        later = sizes(marks, at)
        later.passed(8 * MIB)
        assert later.size == size


def test_a_size_that_used_to_pass_is_halved_until_there_is_none() -> None:
    known = sizes(Marks())
    seen = []
    while known.size:
        seen.append(known.size)
        known.refused(known.size)
    assert seen == [8 * MIB, 4 * MIB, 2 * MIB, MIB, 512 * 1024, SMALLEST]


def test_the_adapter_s_new_ceiling_counts() -> None:
    marks = Marks()
    sizes(marks).passed(20 * MIB)
    lower = FileLimits(max_size=4 * MIB, ceiling=10 * MIB)
    assert sizes(marks, limits=lower).size == 10 * MIB


def test_damaged_marks_are_nothing() -> None:
    marks = Marks({"size-of-files": "many", "larger-file-refused-at": "²"})
    assert sizes(marks).size == 8 * MIB


def test_files_that_were_refused_altogether_are_tried_again_after_a_week() -> None:
    marks = Marks()
    known = sizes(marks)
    while known.size:
        known.refused(known.size)
    assert sizes(marks, 6.9 * DAY).size == 0
    later = sizes(marks, 7.1 * DAY)
    assert later.size == 8 * MIB
    later.refused(8 * MIB)
    assert later.size == 0
    again = sizes(marks, 14.5 * DAY)
    again.passed(8 * MIB)
    assert sizes(marks, 14.5 * DAY).size == 8 * MIB


def test_after_a_slow_file_smaller_ones_go_until_these_are_quick() -> None:
    known = sizes(Marks())
    known.was_slow(3 * MIB)
    assert known.size == MIB
    known.passed(MIB, 60)
    assert known.size == MIB
    known.passed(MIB, 10)
    assert known.size == 2 * MIB
    for _ in range(4):
        known.passed(known.size, 10)
    assert known.size == 20 * MIB
    known.was_slow(0)
    assert known.size == SMALLEST
