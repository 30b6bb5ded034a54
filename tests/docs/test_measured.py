"""Every table of measured figures says how it came about."""

import re

from tests.docs.pages import ROOT

PAGE = (ROOT / "docs" / "measured.md").read_text("utf-8")
CAPTION = re.compile(r"`[^`]*python -m bench (\w+)` · \d{4}-\d\d-\d\d · [^·]+ · [^·]+")


def test_every_table_stands_below_its_command_date_processor_and_n():
    missing = []
    for section in re.split(r"^#+ ", PAGE, flags=re.M):
        tables = re.split(r"(?:^\|.*\n)+", section, flags=re.M)
        missing += [table[-80:] for table in tables[:-1] if not CAPTION.search(table)]

    assert missing == []


def test_every_command_of_a_table_is_a_bench():
    assert [name for name in CAPTION.findall(PAGE) if not (ROOT / "bench" / f"{name}.py").is_file()] == []
