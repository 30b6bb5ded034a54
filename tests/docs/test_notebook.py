"""docs/notebook.ipynb runs from top to bottom, without a warning, and shows what its text speaks of."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import get_args

import nbformat
import pytest

from vidi.model_file.limits import Verdict

NOTEBOOK = Path(__file__).parents[2] / "docs" / "notebook.ipynb"
# In a process of its own, since nbclient leaves sockets open behind it. The kernel is reached by sockets in a folder
# of this user's, not by ports that any user of the machine could connect to.
EXECUTE = """
import sys, nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
notebook = nbformat.read(sys.argv[1], as_version=4)
kernel = AsyncKernelManager(kernel_name="python3", transport="ipc", ip="kernel")
NotebookClient(notebook, km=kernel, timeout=240, record_timing=False).execute()
notebook.metadata.language_info = {"name": "python"}  # else the version, which differs by computer
nbformat.write(notebook, "executed.ipynb")
"""


def executed(folder: Path) -> nbformat.NotebookNode:
    """The notebook after a run in a fresh kernel, in a folder of its own."""
    # One thread: tiny networks lose by a second where other processes want the cores. A warning is an error.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "error::UserWarning"}
    done = subprocess.run(
        [sys.executable, "-c", EXECUTE, NOTEBOOK],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return nbformat.read(folder / "executed.ipynb", as_version=4)


def shown(notebook: nbformat.NotebookNode) -> list[str]:
    """What stands under each cell of code: the HTML where there is some, else the text."""
    return [
        "".join(
            output.get("data", {}).get("text/html") or output.get("data", {}).get("text/plain") or output.get("text")
            for output in cell.outputs
        )
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def labels(texts: list[str]) -> list[list[str]]:
    """The words of tables' titles and rows, without numbers: the same on every computer, also where all is right."""
    found = [re.findall(r"<caption>(.*?)</caption>|<th>(.*?)</th>", text) for text in texts]
    return [[_without_numbers(caption or row) for caption, row in some] for some in found]


def _without_numbers(words: str) -> str:
    counts = re.sub(r"[\d.,]+", "#", words)
    return re.sub(
        r"classified (all|# of) # held-out images correctly.*?<", "classified # held-out images correctly<", counts
    )


@pytest.mark.integration  # starts a kernel, trains on 1,797 digits and on some hundred
def test_the_notebook_runs_and_shows_what_its_text_speaks_of(tmp_path: Path):
    notebook = executed(tmp_path)

    check, sizes, run, curves, model, answer, score, saved = shown(notebook)
    assert "found 1,797 = used 1,797" in check
    assert "images of each class" in sizes
    assert "95 % interval" in run
    assert "loss by epoch; accuracy by epoch; Reliability" in curves
    assert "95 % interval" in model
    assert answer.partition(":")[0] in get_args(Verdict)
    assert float(score) > 0.5
    assert "calibrated" in saved
    assert (tmp_path / "runs" / "notebook" / "report.html").exists()
    stored = shown(nbformat.read(NOTEBOOK, as_version=4))
    assert labels(stored) == labels([check, sizes, run, curves, model, answer, score, saved]), (
        "the stored output is of another version; `python -m tests.docs.test_notebook` stores it again"
    )


def test_what_the_stored_notebook_shows_is_of_no_particular_computer():
    text = NOTEBOOK.read_text("utf-8")

    assert os.fspath(Path.home()) not in text
    assert "file://" not in text
    assert "Warning" not in text


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        nbformat.write(executed(Path(folder)), NOTEBOOK)
