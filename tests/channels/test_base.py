import subprocess
import sys

import pytest

from ocft.channels import ChannelLimits, IncomingText, TextUnit
from ocft.errors import MessageTooLongError


@pytest.mark.parametrize(
    ("text", "code_points", "utf16_units", "utf8_bytes"),
    [
        ("", 0, 0, 0),
        ("abc", 3, 3, 3),
        ("é", 1, 1, 2),
        ("\N{LINK SYMBOL}OCFT:", 6, 7, 9),
        ("\ud800", 1, 1, 3),
    ],
)
def test_each_unit_counts_as_the_platforms_that_use_it(
    text: str, code_points: int, utf16_units: int, utf8_bytes: int
) -> None:
    assert TextUnit.CODE_POINTS.measure(text) == code_points
    assert TextUnit.UTF16_UNITS.measure(text) == utf16_units
    assert TextUnit.UTF8_BYTES.measure(text) == utf8_bytes


@pytest.mark.parametrize("unit", list(TextUnit))
def test_a_text_at_the_limit_fits_and_one_above_does_not(unit: TextUnit) -> None:
    text = "\N{LINK SYMBOL}" * 10
    length = unit.measure(text)
    assert ChannelLimits(max_text=length, unit=unit).fits(text)
    assert not ChannelLimits(max_text=length - 1, unit=unit).fits(text)


def test_a_text_that_does_not_fit_is_refused_with_its_length_and_the_limit() -> None:
    limits = ChannelLimits(max_text=3, unit=TextUnit.UTF8_BYTES)
    limits.require_fit("abc")
    with pytest.raises(MessageTooLongError, match=r"4 UTF-8 bytes.*carries 3"):
        limits.require_fit("éé")


def test_the_repr_of_a_text_does_not_show_what_was_written() -> None:
    assert "my secret" not in repr(IncomingText("alice", "my secret"))


def test_importing_the_channels_imports_nothing_heavy() -> None:
    heavy = "{'watchfiles', 'anyio', 'platformdirs', 'importlib.metadata'}"
    program = f"import sys, ocft.channels; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.strip() == b"set()"
