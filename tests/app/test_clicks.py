"""From a dropped folder to a model that can be tried: how many clicks a person needs."""

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from bench.app import CLEANING, MOST_CLICKS, click_to_model

from tests.app.desks import drawn_model, running_app
from tests.draw import class_folders
from tests.export.browser import bare_chromium
from tests.report.runs import make_run
from vidi.app.jobs import Jobs

pytestmark = pytest.mark.slow  # starts a browser

# In place of a training: holds the job's folder, and leaves a run that was made before.
COMMAND = """
import shutil, sys
from pathlib import Path
from vidi.cli.job import held

folder, made, *words = sys.argv[1:]
output = next(word.partition("=")[2] for word in words if word.startswith("--output="))
with held(Path(folder)):
    shutil.copytree(made, output, dirs_exist_ok=True)
"""


@pytest.mark.parametrize(("cleans", "most"), [(False, MOST_CLICKS), (True, MOST_CLICKS + CLEANING)])
def test_a_first_model_takes_four_clicks_and_with_a_finding_settled_six(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cleans: bool, most: int
):
    made = make_run(tmp_path / "made")
    drawn_model(made / "model.onnx")
    (made / "report.html").write_text("<!doctype html><html lang=en><title>Report</title><h1>Its report</h1></html>")
    images = class_folders(tmp_path / "photos", each=4)
    first = next(images.rglob("*.png"))
    shutil.copy(first, first.with_name("again.png"))

    def command(folder: Path, words: Sequence[str]) -> list[str]:
        return [sys.executable, "-c", COMMAND, str(folder), str(made), *words]

    monkeypatch.setitem(Jobs.__init__.__kwdefaults__, "command", command)
    with running_app(tmp_path / "projects") as address, bare_chromium() as page:
        took = click_to_model(page, address, images, cleans=cleans)

    assert took.clicks <= most
    assert took.headline == "Its report"
