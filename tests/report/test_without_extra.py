"""What pages say in words is printed where the extra `report` is not installed."""

import subprocess
import sys

import pytest

SCRIPT = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("jinja2", "markupsafe", "matplotlib"):
            raise ModuleNotFoundError(f"{name} is not there")

sys.meta_path.insert(0, Blocked())
from vidi.report.pages.compare import points
from vidi.report.pages.gate import part_words
from vidi.report.pages.monitor import day
from vidi.report.pages.watch import position
from vidi.report.words.sentences import headline

print(part_words.__name__, points(0.5), day(0.0), position(72.46), headline(None))
"""


@pytest.mark.slow  # a process of its own imports the pages
def test_sentences_of_pages_need_nothing_that_only_pages_need():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    assert "1 January 1970 01:12.5" in done.stdout
