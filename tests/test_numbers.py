"""Shares as people read them: one rule for the terminal, the report and the model card."""

import re
from pathlib import Path

import pytest

import vidi
from vidi.numbers import percent, short_percent

SOURCE = Path(vidi.__file__).parent
ROUNDED = re.compile(r":[\d ]*\.[01]f\} %|:\.\d%\}|:g\} %")  # "{100 * share:.1f} %", "{share:.1%}" and the like
TICKS = "set_major_formatter"  # an axis is marked at round shares


@pytest.mark.parametrize("digits", [0, 1, 2])
@pytest.mark.parametrize("images", [2, 200, 2_000, 20_000, 500_000])
def test_no_share_below_one_reads_100_percent_and_none_above_none_reads_0(images, digits):
    for wrong in {1, max(1, images // 1_000)}:
        assert not re.fullmatch(r"100(\.0+)? %", percent((images - wrong) / images, digits=digits))
        assert not re.fullmatch(r"0(\.0+)? %", percent(wrong / images, digits=digits))


def test_199_of_200_read_99_5_percent():
    assert percent(199 / 200) == "99.5 %"


def test_all_and_none_read_as_such():
    assert (percent(1.0), percent(0.0), percent(1.0, digits=1)) == ("100 %", "0 %", "100.0 %")


def test_a_share_that_someone_named_keeps_the_digits_that_tell_it_from_all():
    assert [short_percent(share) for share in (0.95, 0.999, 0.99999, 1.0, 0.0)] == [
        "95 %", "99.9 %", "99.999 %", "100 %", "0 %",
    ]  # fmt: skip


def test_nobody_else_rounds_shares_to_percent():
    found = [
        f"{path.relative_to(SOURCE)}: {line.strip()}"
        for path in sorted(SOURCE.rglob("*.py"))
        if path.name != "numbers.py"
        for line in path.read_text("utf-8").splitlines()
        if ROUNDED.search(line) and TICKS not in line and "points" not in line
    ]

    assert found == []
