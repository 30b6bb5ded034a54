"""The tables of measured figures are what the result files say, and each says how it came about."""

import doctest
import json
import re
from collections.abc import Iterator
from pathlib import Path

from tools import build_measured

from tests.docs.pages import ROOT

PAGE = (ROOT / "docs" / "measured.md").read_text("utf-8")
CAPTION = re.compile(r"`[^`]*python -m bench (\w+)[^`]*` · \d{4}-\d\d-\d\d(?: to \d{4}-\d\d-\d\d)? · [^·]+ · [^·]+")


def test_the_page_is_what_the_result_files_say():
    assert build_measured.page() == PAGE, "python tools/build_measured.py writes it"


def test_every_kind_of_table_is_on_the_page():
    assert sorted(name for _, name, _ in build_measured.MARKED.findall(PAGE)) == sorted(build_measured.TABLES)


def test_the_examples_of_the_tool_run():
    assert doctest.testmod(build_measured).failed == 0


def test_every_table_stands_below_its_command_date_processor_and_n():
    missing = []
    for section in re.split(r"^#+ ", PAGE, flags=re.M):
        tables = re.split(r"(?:^\|.*\n)+", section, flags=re.M)
        missing += [table[-80:] for table in tables[:-1] if not CAPTION.search(table)]

    assert missing == []


def test_every_command_of_a_table_is_a_bench():
    assert [name for name in CAPTION.findall(PAGE) if not (ROOT / "bench" / f"{name}.py").is_file()] == []


def test_the_text_beside_the_tables_is_short():
    assert len(build_measured.MARKED.sub("", PAGE).split()) <= 3_000


def undated() -> Iterator[Path]:
    """Result files that do not say when they were measured."""
    for path in (ROOT / "bench" / "results").rglob("*.json"):
        if "local" not in path.parts and "date" not in json.loads(path.read_text("utf-8")):
            yield path


def test_every_result_has_its_date():
    assert list(undated()) == []
