"""Data on s3:// and gs://, over a store that fails where a test wants it to, and over moto's server."""

import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from urllib.request import Request, urlopen
from zipfile import ZipFile

import pytest
from tests.command import vidi
from tests.data.on_disk import put, shown
from tests.draw import class_folders

from vidi.data.inputs import find_paths
from vidi.data.read import read_dataset
from vidi.data.remote import copies
from vidi.data.remote.copies import copy_folder, local_copy, remove_copies
from vidi.errors import DataError, MissingPackageError, ResourceError, UsageError
from vidi.files import try_lock

fs = pytest.importorskip("pyarrow.fs", reason="needs:pyarrow")
FILES = ("cat/1.png", "cat/2.png", "dog/1.png", "dog/2.png")


@dataclass
class SpoiltStore:
    """A folder as a store; an object in `faults` fails that often, with that error."""

    root: Path
    faults: dict[str, tuple[int, OSError]] = field(default_factory=dict)
    reads: Counter[str] = field(default_factory=Counter)
    waits: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.inner = fs.SubTreeFileSystem(str(self.root), fs.LocalFileSystem())

    def get_file_info(self, asked: object) -> object:
        return self.inner.get_file_info(asked)

    def open_input_stream(self, path: str) -> object:
        self.reads[path] += 1
        times, error = self.faults.get(path, (0, OSError()))
        if self.reads[path] <= times:
            raise error
        return self.inner.open_input_stream(path)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SpoiltStore:
    """The bucket `b` of a store, in place of Amazon's."""
    put(tmp_path / "remote" / "b" / "photos", *FILES)
    made = SpoiltStore(tmp_path / "remote")
    monkeypatch.setattr(copies, "open_filesystem", lambda address: (made, address.partition("://")[2].rstrip("/")))
    monkeypatch.setattr(copies, "time", SimpleNamespace(sleep=made.waits.append))
    return made


def test_a_folder_is_read_as_if_it_lay_here_and_fetched_once(store: SpoiltStore):
    first = read_dataset("s3://b/photos")
    assert first.classes == ("cat", "dog")
    assert (first.name, first.source) == ("photos", "s3://b/photos")
    assert sorted(shown(first)) == sorted(FILES)
    read_dataset("s3://b/photos")
    assert set(store.reads.values()) == {1}


def test_what_has_changed_is_fetched_again_and_what_is_gone_goes(store: SpoiltStore):
    read_dataset("s3://b/photos")
    changed, gone = (store.root / "b" / "photos" / name for name in FILES[:2])
    changed.write_bytes(changed.read_bytes() + b" ")
    gone.unlink()
    again = read_dataset("s3://b/photos")
    assert sorted(shown(again)) == sorted({*FILES} - {FILES[1]})
    assert store.reads["b/photos/cat/1.png"] == 2
    assert again.store.read("cat/1.png").endswith(b" ")
    assert store.reads["b/photos/dog/1.png"] == 1


def test_a_table_brings_the_images_that_it_names_and_no_others(store: SpoiltStore):
    (store.root / "b" / "labels.csv").write_text(
        "path,label\nphotos/cat/1.png,cat\nphotos/dog/2.png,dog\n../x.png,cat\n"
    )
    dataset = read_dataset("s3://b/labels.csv")
    assert sorted(shown(dataset)) == ["photos/cat/1.png", "photos/dog/2.png"]
    assert [entry.code for entry in dataset.account.refused] == ["link-outside"]
    assert sorted(store.reads) == ["b/labels.csv", "b/photos/cat/1.png", "b/photos/dog/2.png"]


def test_an_archive_is_read_where_it_was_copied_to(store: SpoiltStore):
    with ZipFile(store.root / "b" / "photos.zip", "w") as archive:
        for name in FILES:
            archive.write(store.root / "b" / "photos" / name, name)
    dataset = read_dataset("gs://b/photos.zip")
    assert (dataset.name, sorted(shown(dataset))) == ("photos", sorted(FILES))


def test_a_fault_that_passes_is_survived_and_one_that_stays_costs_its_object_alone(store: SpoiltStore):
    store.faults = {
        "b/photos/cat/1.png": (3, OSError("AWS Error NETWORK_CONNECTION")),
        "b/photos/dog/1.png": (9, OSError("AWS Error ACCESS_DENIED during GetObject")),
    }
    copy = local_copy("s3://b/photos")
    assert store.waits == [0.5, 1.0, 2.0]
    assert [(one.path, one.code, one.sentence) for one in copy.refused] == [
        ("dog/1.png", "unreadable", "It cannot be fetched: AWS Error ACCESS_DENIED during GetObject")
    ]
    assert store.reads["b/photos/dog/1.png"] == 1  # nothing can help
    dataset = read_dataset("s3://b/photos")
    assert [entry.path for entry in dataset.account.refused] == ["dog/1.png"]
    assert dataset.account.used == 3


@pytest.mark.parametrize(
    ("address", "error", "message"),
    [
        ("s3://b/nothing", DataError, "s3://b/nothing: there is no such object or folder"),
        ("https://b/photos", UsageError, "is a URL that vidi does not read"),
        ("file://elsewhere/photos", UsageError, "names a file on another computer"),
    ],
)
def test_what_cannot_be_read_is_said(store: SpoiltStore, address: str, error: type[Exception], message: str):
    with pytest.raises(error, match=message):
        read_dataset(address)


def test_a_table_that_cannot_be_fetched_is_an_error(store: SpoiltStore):
    (store.root / "b" / "labels.csv").write_text("path,label\n")
    store.faults = {"b/labels.csv": (9, OSError("AWS Error ACCESS_DENIED"))}
    with pytest.raises(DataError, match=r"s3://b/labels.csv cannot be read: It cannot be fetched"):
        read_dataset("s3://b/labels.csv")


def test_without_pyarrow_the_extra_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(MissingPackageError) as caught:
        read_dataset("s3://b/photos")
    assert caught.value.remedy == 'Install it: pip install "vidi[tables]"'


def test_copies_stay_within_their_bound(store: SpoiltStore, monkeypatch: pytest.MonkeyPatch):
    size = sum((store.root / "b" / "photos" / name).stat().st_size for name in FILES) / 1e9
    monkeypatch.setenv("VIDI_DATA_CACHE", "much")
    with pytest.raises(UsageError, match="VIDI_DATA_CACHE is 'much'"):
        local_copy("s3://b/photos")
    monkeypatch.setenv("VIDI_DATA_CACHE", str(0.9 * size))
    with pytest.raises(ResourceError, match="and copies may take") as caught:
        local_copy("s3://b/photos")
    assert "VIDI_DATA_CACHE=" in caught.value.remedy
    monkeypatch.setenv("VIDI_DATA_CACHE", str(2.5 * size))
    for name in ("second", "third"):
        shutil.copytree(store.root / "b" / "photos", store.root / "b" / name)
    local_copy("s3://b/photos")
    local_copy("s3://b/second")
    with pytest.raises(ResourceError, match="other processes use"):  # this one's own, too: its data sets are open
        local_copy("s3://b/third")
    first = copy_folder("s3://b/photos")
    copies._HELD.pop(first).release()  # as if the process had ended that used it
    local_copy("s3://b/third")
    assert not first.exists()
    assert copy_folder("s3://b/second").exists()


def test_a_table_larger_than_the_bound_is_refused_before_an_image_is_fetched_and_a_part_of_it_is_not(
    store: SpoiltStore, monkeypatch: pytest.MonkeyPatch
):
    table, part = (store.root / "b" / name for name in ("labels.csv", "part.csv"))
    rows = [f"photos/{name},{name.partition('/')[0]}\n" for name in FILES]
    table.write_text("path,label\n" + "".join(rows))
    part.write_text("path,label\n" + rows[0] + rows[2])
    size = sum((store.root / "b" / "photos" / name).stat().st_size for name in FILES) / 1e9
    bound = 0.8 * size + table.stat().st_size / 1e9
    monkeypatch.setenv("VIDI_DATA_CACHE", str(bound))

    with pytest.raises(ResourceError, match="and copies may take"):
        read_dataset("s3://b/labels.csv")
    assert set(store.reads) == {"b/labels.csv"}

    dataset = read_dataset("s3://b/part.csv")
    assert sorted(shown(dataset)) == ["photos/cat/1.png", "photos/dog/1.png"]
    kept = sum(path.stat().st_size for path in copy_folder("s3://b").parent.rglob("*.*") if path.is_file())
    assert kept <= 1e9 * bound + 2_000  # with the indexes


def test_clearing_the_cache_removes_the_copies(store: SpoiltStore, tmp_path: Path):
    local_copy("s3://b/photos")
    assert remove_copies() > 0
    assert not copy_folder("s3://b/photos").exists()


def test_a_copy_in_use_elsewhere_is_not_removed(store: SpoiltStore):
    local_copy("s3://b/photos")
    folder = copy_folder("s3://b/photos")
    other = try_lock(folder / "used-1.lock")  # as another process holds it
    assert other is not None
    assert remove_copies() == 0
    assert (folder / "files" / FILES[0]).exists()
    other.release()
    assert remove_copies(address="s3://b/photos") > 0
    assert not folder.exists()


@pytest.mark.slow  # trains
def test_a_training_on_remote_data_keeps_no_copy_where_no_picture_may_stay(store: SpoiltStore, tmp_path: Path):
    class_folders(store.root / "b" / "drawn", each=20)
    words = ("--epochs", "2", "--set", "options.width=0.25", "--output", "runs/drawn")
    done = vidi("train", "s3://b/drawn", "--no-images", *words, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "runs" / "drawn" / "model.onnx").exists()
    assert not copy_folder("s3://b/drawn").exists()
    done = vidi("predict", "runs/drawn", "s3://b/drawn/disc", folder=tmp_path)
    assert "s3://b/drawn/disc/000.png" in done.stdout
    assert "found 20 = used 20" in done.stdout + done.stderr


def test_images_to_predict_keep_the_names_that_they_have_there(store: SpoiltStore):
    (folder,) = find_paths(["s3://b/photos"])
    assert folder.paths == [f"s3://b/photos/{name}" for name in FILES]
    (single,) = find_paths(["s3://b/photos/cat/1.png"])
    assert single.paths == ["s3://b/photos/cat/1.png"]
    assert single.store.read(single.paths[0]) == folder.store.read(folder.paths[0])


def test_file_addresses_are_paths(tmp_path: Path):
    put(tmp_path / "my photos", *FILES)
    address = (tmp_path / "my photos").as_uri()
    assert "%20" in address
    assert sorted(shown(read_dataset(address))) == sorted(FILES)
    assert len(find_paths([address])[0].paths) == len(FILES)


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    """The address of moto's server on this computer."""
    beside = Path(sys.prefix) / "moto" / "bin"  # an environment of its own, for the versions that it needs
    command = shutil.which("moto_server", path=f"{beside}{os.pathsep}{os.environ['PATH']}")
    if command is None:
        pytest.skip("needs:moto")
    with subprocess.Popen([command, "-p", "0"], stderr=subprocess.PIPE, text=True) as server:
        address = next(line.split()[-1] for line in server.stderr if "Running on" in line)
        yield address
        server.terminate()


def put_object(address: str, data: bytes = b"") -> None:
    """Make a bucket or an object."""
    signature = "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/s3/aws4_request"
    headers = {"Authorization": signature, "Content-Type": "image/png"}
    with urlopen(Request(address, data, headers, method="PUT")) as answer:  # noqa: S310
        assert answer.status == 200


@pytest.mark.slow  # starts a server
def test_s3_is_read_from_a_server_that_speaks_as_amazons(moto: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    settings = {
        "AWS_ENDPOINT_URL": moto,
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_REGION": "us-east-1",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    class_folders(tmp_path / "photos", each=2)
    put_object(f"{moto}/bucket")
    for path in sorted((tmp_path / "photos").rglob("*.png")):
        put_object(f"{moto}/bucket/{path.relative_to(tmp_path).as_posix()}", path.read_bytes())
    done = vidi("check", "s3://bucket/photos", folder=tmp_path)
    assert "found 4 = used 4" in done.stdout + done.stderr
    done = vidi("check", "s3://bucket/nothing", folder=tmp_path)
    assert (done.returncode, "there is no such object or folder" in done.stderr) == (3, True)
    done = vidi("check", "s3://other/photos", folder=tmp_path)
    assert done.returncode == 3
    put_object(f"{moto}/bucket/large/cat/1.png", bytes(1_200_000))
    monkeypatch.setenv("VIDI_DATA_CACHE", "0.001")
    done = vidi("check", "s3://bucket/large", folder=tmp_path)
    assert (done.returncode, "and copies may take 0.001 GB" in done.stderr) == (5, True)
