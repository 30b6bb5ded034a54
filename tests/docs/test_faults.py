"""The table of faults and the tests name each other."""

import re
from collections.abc import Iterator

from tests.docs.pages import ROOT

TESTS = ROOT / "tests"
TABLE = ROOT / "docs" / "faults.md"
FILE_AND_TESTS = re.compile(r"`([\w/]+\.py)`: ((?:`test_\w+`(?:, )?)+)")
DEFINED = re.compile(r"^((?:@.*\n|[ )\]].*\n|\)\n)*)def (test_\w+)\(", re.M)


def in_the_table() -> set[tuple[str, str]]:
    return {
        (file, name)
        for file, names in FILE_AND_TESTS.findall(TABLE.read_text("utf-8"))
        for name in re.findall(r"`(test_\w+)`", names)
    }


def defined() -> Iterator[tuple[str, str, str]]:
    """File, decorators and name of each test."""
    for path in TESTS.rglob("test_*.py"):
        for decorators, name in DEFINED.findall(path.read_text("utf-8")):
            yield path.relative_to(TESTS).as_posix(), decorators, name


def test_every_row_has_a_test_that_exists():
    lines = [line for line in TABLE.read_text("utf-8").splitlines() if line.startswith("| ")]
    rows = [line for line in lines if not line.startswith(("| row ", "| --- "))]

    assert len(rows) > 50
    assert [row for row in rows if not re.match(r"\| B\d\d \| ", row)] == []
    assert [row for row in rows if not FILE_AND_TESTS.search(row)] == []
    assert in_the_table() - {(file, name) for file, _, name in defined()} == set()


def test_every_test_that_is_marked_as_a_fault_stands_in_the_table():
    marked = {(file, name) for file, decorators, name in defined() if "mark.fault" in decorators}

    assert marked - in_the_table() == set()


def test_a_test_is_named_by_what_it_says_and_not_by_a_row():
    assert [name for _, _, name in defined() if re.match(r"test_b\d\d_", name)] == []
