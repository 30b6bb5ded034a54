"""The reference says what the code says."""

from pathlib import Path

from tools import build_trees
from tools.build_reference import FOLDER, pages


def test_the_reference_is_as_the_code_is_now():
    written = {path.name: path.read_text("utf-8") for path in Path(FOLDER).glob("*.md")}

    stale = [name for name, text in pages().items() if written.get(name) != text]

    assert (stale, sorted(written)) == ([], sorted(pages())), "run: python tools/build_reference.py"


def test_the_trees_say_what_the_packages_say():
    stale = [path.name for path, text in build_trees.pages().items() if path.read_text("utf-8") != text]

    assert stale == [], "run: python tools/build_trees.py"
