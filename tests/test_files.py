"""Files appear whole or not at all; paths read back exactly; a folder has one holder."""

import errno
import multiprocessing
import os
import pickle
import signal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidi.errors import ImageError, ResourceError, UsageError
from vidi.files import (
    HOLDER,
    FolderLock,
    escape_path,
    holder_of,
    read_csv_text,
    reserve_folder,
    unescape_path,
    write_atomic,
    write_csv_atomic,
    written_atomically,
)


@given(st.binary(max_size=40))
def test_any_path_reads_back_from_its_escaped_form(name: bytes):
    path = os.fsdecode(name)
    text = escape_path(path)

    assert unescape_path(text) == path
    assert text.isprintable()
    text.encode("utf-8")  # no lone surrogate is left


def test_a_failed_writing_leaves_what_stood_there(tmp_path: Path):
    path = tmp_path / "report.html"
    write_atomic(path, "old")

    def write_half() -> None:
        with written_atomically(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_half()

    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]


def test_a_full_disk_is_named_and_the_old_file_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "model.onnx"
    write_atomic(path, "old")

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ResourceError, match=r"model\.onnx could not be written: No space left .* bytes are free"):
        write_atomic(path, "new")

    assert path.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_reserved_folders_are_numbered(tmp_path: Path):
    assert [reserve_folder(tmp_path, "cats").name for _ in range(3)] == ["cats", "cats-2", "cats-3"]


def _hold(folder: str, ready: "multiprocessing.synchronize.Event") -> None:
    with FolderLock(Path(folder)):
        ready.set()
        signal.pause()


@pytest.mark.fault
@pytest.mark.slow  # starts a process
def test_a_lock_names_its_holder_and_dies_with_it(tmp_path: Path):
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    holder = context.Process(target=_hold, args=(str(tmp_path), ready))
    holder.start()
    assert ready.wait(30)

    with pytest.raises(UsageError, match=f"in use by process {holder.pid}"), FolderLock(tmp_path):
        pass
    holder.kill()
    holder.join()
    with FolderLock(tmp_path):
        pass


def test_a_number_left_by_a_dead_process_holds_nothing(tmp_path: Path):
    with FolderLock(tmp_path):
        assert holder_of(tmp_path) == os.getpid()
    assert holder_of(tmp_path) is None
    assert not (tmp_path / HOLDER).exists()

    (tmp_path / HOLDER).write_text(str(os.getppid()))  # a living process, which has never asked for the folder

    assert holder_of(tmp_path) is None
    with FolderLock(tmp_path):
        assert holder_of(tmp_path) == os.getpid()


def test_a_folder_that_refuses_its_lock_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("")

    with pytest.raises(ResourceError, match=r"file/\.lock could not be written"), FolderLock(tmp_path / "file"):
        pass


def test_no_cell_of_a_table_begins_a_formula_and_all_are_read_back(tmp_path: Path):
    names = ["=1+1", "+x", "-2+3", "@sum", "\t=1", "\r=1", "%3D", "plain", "-1.5"]

    write_csv_atomic(tmp_path / "a.csv", [["name"], *([escape_path(name)] for name in names)])

    lines = read_csv_text(tmp_path / "a.csv").splitlines()[1:]
    assert [unescape_path(line) for line in lines] == names
    assert [line for line in lines if line[0] in "=+-@\t\r"] == ["-1.5"]  # a number


def test_a_table_says_that_it_is_utf_8_where_a_spreadsheet_would_guess_wrong(tmp_path: Path):
    for name in ("cat", "Köln"):
        write_csv_atomic(tmp_path / f"{name}.csv", [[name]])

    assert (tmp_path / "cat.csv").read_bytes() == b"cat\n"
    assert (tmp_path / "Köln.csv").read_bytes() == b"\xef\xbb\xbfK\xc3\xb6ln\n"
    assert read_csv_text(tmp_path / "Köln.csv") == "Köln\n"


def test_an_image_error_survives_pickling():
    error = pickle.loads(pickle.dumps(ImageError("empty", "The file is empty.", "Copy it again.")))

    assert (error.code, error.cause, error.remedy) == ("empty", "The file is empty.", "Copy it again.")
