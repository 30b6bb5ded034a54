"""The trees and the paths in the documents are those of the source."""

import re
import subprocess
from pathlib import Path

import pytest
from tools.build_trees import ROOT, SOURCE, parts


def test_every_package_and_module_stands_in_the_trees():
    named = {path.stem for path in parts()}
    there = {path.stem for path in SOURCE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}

    assert there - named == {"__init__", "__main__"}


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/architecture.md"])
def test_every_path_that_is_named_is_there(page: str):
    text = (ROOT / page).read_text("utf-8")
    named = set(re.findall(r"`((?:[\w.-]+/)*[\w.-]+(?:/|\.py|\.md))", text))

    assert [path for path in sorted(named) if not is_there(path)] == []


def is_there(path: str) -> bool:
    whole = any((folder / path).exists() for folder in (ROOT, SOURCE))
    return whole or ("/" not in path and any(SOURCE.rglob(path)))


def test_no_committed_file_has_a_space_in_its_name():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("needs:the repository")

    assert [name for name in listed.stdout.splitlines() if re.search(r"\s", name)] == []


def test_a_bench_writes_names_without_spaces(tmp_path: Path):
    from bench.time_to_accuracy import kept

    assert kept(tmp_path / "from scratch-5s-0.json", lambda: {"accuracy": 1.0}) == {"accuracy": 1.0}
    assert [path.name for path in tmp_path.iterdir()] == ["from-scratch-5s-0.json"]
