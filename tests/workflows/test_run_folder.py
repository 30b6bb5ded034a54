"""Where a run goes: never over something else, never into the data, and said before any work."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.command import vidi

from vidi.errors import ResourceError, UsageError
from vidi.files import FolderLock
from vidi.workflows.interaction.run_folder import open_run_folder, read_document, read_request
from vidi.workflows.runs import delete_run, list_runs, run_rows


def test_runs_get_folders_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)

    folders = [open_run_folder(None, name="my cats", source=None) for _ in range(2)]

    assert [folder.as_posix() for folder in folders] == ["runs/my-cats", "runs/my-cats-2"]


@pytest.mark.fault
def test_an_output_inside_the_data_is_refused_with_a_place_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    data = tmp_path / "cats"
    (data / "tom").mkdir(parents=True)
    monkeypatch.chdir(data)

    for output in (None, data / "out", data):
        with pytest.raises(UsageError, match="inside the data folder") as caught:
            open_run_folder(output, name="cats", source=data)
        assert "cats-runs" in caught.value.remedy

    assert sorted(entry.name for entry in data.iterdir()) == ["tom"]


@pytest.mark.fault
def test_a_file_a_strange_folder_and_a_path_too_long_are_refused(tmp_path: Path):
    (tmp_path / "file").write_text("keep")
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "a.txt").write_text("keep")

    with pytest.raises(UsageError, match="is a file"):
        open_run_folder(tmp_path / "file", name="x", source=None, overwrite=True)
    with pytest.raises(UsageError, match="inside a file"):
        open_run_folder(tmp_path / "file" / "run", name="x", source=None)
    with pytest.raises(UsageError, match="exists already") as caught:
        open_run_folder(tmp_path / "letters", name="x", source=None)
    assert "--resume" in caught.value.remedy
    with pytest.raises(UsageError, match="exists already") as caught:
        open_run_folder(tmp_path / "letters", name="x", source=None, kind="evaluation")
    assert "--resume" not in caught.value.remedy
    with pytest.raises(UsageError, match="files that vidi did not write"):
        open_run_folder(tmp_path / "letters", name="x", source=None, overwrite=True)
    with pytest.raises((UsageError, ResourceError), match="too long"):
        open_run_folder(tmp_path / ("x" * 300), name="x", source=None)

    assert (tmp_path / "letters" / "a.txt").read_text() == "keep"


def test_overwrite_replaces_an_earlier_run(tmp_path: Path):
    run = open_run_folder(tmp_path / "run", name="x", source=None)
    (run / "model.onnx").write_bytes(b"old")

    again = open_run_folder(tmp_path / "run", name="x", source=None, overwrite=True)

    assert set(os.listdir(again)) <= {".lock"}


@pytest.mark.fault
def test_a_folder_that_is_being_written_is_refused_even_with_overwrite(tmp_path: Path):
    run = open_run_folder(tmp_path / "run", name="x", source=None)

    with FolderLock(run), pytest.raises(UsageError, match=f"in use by process {os.getpid()}"):
        open_run_folder(tmp_path / "run", name="x", source=None, overwrite=True)

    assert open_run_folder(tmp_path / "run", name="x", source=None, overwrite=True) == run


def test_a_deleted_run_is_gone_with_its_lock_unless_it_is_being_written(tmp_path: Path):
    run = open_run_folder(tmp_path / "run", name="x", source=None)
    (run / "model.onnx").write_bytes(b"old")

    with FolderLock(run), pytest.raises(UsageError, match="in use"):
        delete_run(tmp_path, "run")
    assert (run / "model.onnx").exists()
    delete_run(tmp_path, "run")

    assert list(tmp_path.iterdir()) == []


@pytest.mark.fault
def test_of_twenty_starts_at_one_moment_one_gets_the_folder(tmp_path: Path):
    everyone_tried = threading.Barrier(20)

    def start(_number: int) -> bool:
        try:
            with FolderLock(open_run_folder(tmp_path / "run", name="x", source=None)):
                everyone_tried.wait(30)
        except UsageError:
            everyone_tried.wait(30)
            return False
        return True

    with ThreadPoolExecutor(20) as threads:
        won = list(threads.map(start, range(20)))

    assert won.count(True) == 1


def test_a_run_whose_figures_are_damaged_is_listed_all_the_same(tmp_path: Path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text("{}")
    (tmp_path / "run" / "metrics.json").write_text('{"test": {"images": "many"}}')

    assert run_rows(list_runs(tmp_path))[1][1] == "not tested"


@pytest.mark.parametrize(
    ("files", "shown"),
    [
        (["run.json"], "failed"),
        (["run.json", "checkpoint.safetensors"], "interrupted: continue with --resume"),
        (["run.json", "model.onnx"], "not tested"),
        (["run.json", "metrics.json"], "not tested"),
    ],
)
def test_a_run_without_a_test_figure_is_listed_by_how_far_it_came(tmp_path: Path, files, shown):
    (tmp_path / "run").mkdir()
    for name in files:
        (tmp_path / "run" / name).write_text("{}")

    assert run_rows(list_runs(tmp_path))[1][1] == shown


def test_a_folder_that_is_not_there_is_not_called_unreadable(tmp_path: Path):
    with pytest.raises(UsageError, match=r"none does not exist"):
        read_request(tmp_path / "none")
    with pytest.raises(UsageError, match=r"holds no tune\.json"):
        read_document(tmp_path, "tune.json", made_by="a search")


DEEP = "[" * 200_000 + "]" * 200_000  # Python's reader counts its own calls


@pytest.mark.fault
@pytest.mark.parametrize(
    "text",
    [DEEP, "[]", "7", "{", '{"schema": 2}', "\0", '{"schema": 2, "data": 5}', '{"schema": 2, "data": {"source": 5}}'],
)
def test_a_damaged_request_is_an_error_with_its_name(tmp_path: Path, text: str):
    (tmp_path / "run").mkdir()
    for name in ("run.json", "metrics.json", "predictions.csv"):
        (tmp_path / "run" / name).write_text(text if name == "run.json" else "{}")

    for words in (("report", "run"), ("train", "--resume", "run"), ("review", "run")):
        done = vidi(*words, folder=tmp_path)
        assert (done.returncode, done.stderr.count("\n")) == (3, 2), (words, done.stderr)
        assert "run.json is not as vidi writes it" in done.stderr


@pytest.mark.fault
@pytest.mark.parametrize("text", [DEEP, "[]", '{"test": 5}', '{"robustness": {"a": 1}}', '{"model": {"date": 5}}', "{"])
def test_damaged_figures_are_an_error_with_their_name_and_hide_no_run(tmp_path: Path, text: str):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "metrics.json").write_text(text)
    (tmp_path / "run" / "run.json").write_text('{"schema": 2, "data": {"source": "photos"}, "images": false}')
    (tmp_path / "run" / "predictions.csv").write_text("")

    done = vidi("report", "run", folder=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (3, 2), done.stderr
    assert "run/metrics.json cannot be read" in done.stderr
    listed = vidi("runs", ".", folder=tmp_path)
    assert (listed.returncode, listed.stdout.count("photos")) == (0, 1)
