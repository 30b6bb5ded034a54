"""The version stands in pyproject.toml; everything else that names one names the same."""

import re
import tomllib
from pathlib import Path

import vidi

ROOT = Path(__file__).parents[2]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]


def test_the_installed_package_has_the_version_of_the_file():
    assert vidi.__version__ == VERSION, "install the checkout again: make test"


def test_the_changelog_has_what_is_unreleased_above_the_version_and_its_date():
    titles = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.M)

    assert titles[0] == "Unreleased"
    assert re.fullmatch(rf"{re.escape(VERSION)} \(\d{{4}}-\d\d-\d\d\)", titles[1])


def test_docs_and_manifests_name_no_other_version():
    paths = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*")]
    texts = {path: path.read_text("utf-8") for path in paths if path.is_file()}
    named = re.compile(r"\bvidi(?:[ :]|==|-)v?(\d+\.\d+\.\d+)")

    assert {(path.name, found) for path, text in texts.items() for found in named.findall(text)} == {
        ("deployment.yaml", VERSION),
        ("predict-job.yaml", VERSION),
    }
