"""A check whose images are decoded elsewhere finds what one computer finds."""

import hashlib
from pathlib import Path

import pytest

from tests.command import vidi
from tests.distributed.here import Here, work_here
from tests.draw import draw, encoded
from vidi.data.checking.measured import measure_file, pack_readings, unpack_readings
from vidi.data.read import read_dataset
from vidi.distributed import check
from vidi.errors import DataError
from vidi.images.decode import DEFAULT
from vidi.images.pool import DecodeJob, read_images


def two_classes(folder: Path) -> Path:
    """Ten images, one of them twice, and a file that is no image."""
    for kind in ("disc", "square"):
        (folder / kind).mkdir()
        for number in range(5):
            (folder / kind / f"{number}.png").write_bytes(encoded(draw(kind, seed=number)))
    (folder / "disc" / "again.png").write_bytes((folder / "disc" / "0.png").read_bytes())
    (folder / "disc" / "broken.png").write_bytes(b"nothing")
    return folder


@pytest.fixture
def on_workers_here(monkeypatch: pytest.MonkeyPatch) -> list[Here]:
    """The workers of `--ray`, in this process."""
    monkeypatch.setattr(check, "IMAGES_IN_SHARD", 4)
    return work_here(monkeypatch)


def test_the_report_of_workers_is_that_of_one_computer(tmp_path: Path, on_workers_here: list[Here]):
    two_classes(tmp_path)
    plain = vidi("check", ".", "--json", folder=tmp_path)
    spread = vidi("check", ".", "--json", "--ray", "local", folder=tmp_path)

    assert (plain.returncode, spread.returncode) == (6, 6)
    assert hashlib.sha256(plain.stdout.encode()).digest() == hashlib.sha256(spread.stdout.encode()).digest()
    assert [one.done for one in on_workers_here] == [3]


def test_shards_are_kept_until_all_are_read(tmp_path: Path, on_workers_here: list[Here]):
    dataset, shards = read_dataset(str(two_classes(tmp_path))), tmp_path / "page.html.shards"
    paths = [image.path for image in dataset.images]
    read = check.read_on_ray("local", shards=shards, say=print)
    stopped = read(dataset.store, paths, DEFAULT)
    first = next(stopped)
    stopped.close()  # type: ignore[attr-defined]
    assert list(shards.glob("shard-*"))

    again = list(read(dataset.store, paths, DEFAULT))

    assert (len(again), again[0].digest) == (len(paths), first.digest)
    assert on_workers_here[1].done < 3
    assert not shards.exists()


def test_what_was_measured_comes_back_as_it_was(tmp_path: Path):
    dataset = read_dataset(str(two_classes(tmp_path)))
    paths = [image.path for image in dataset.images]
    before = list(read_images(dataset.store, paths, DecodeJob(measure=measure_file), workers=1))
    after = unpack_readings(pack_readings(before))

    for one, other in zip(before, after, strict=True):
        assert [getattr(one, name) for name in ("path", "digest", "byte_count", "size", "notes", "format")] == [
            getattr(other, name) for name in ("path", "digest", "byte_count", "size", "notes", "format")
        ]
        assert (one.error and one.error.args) == (other.error and other.error.args)
        assert one.measured is None if other.measured is None else (one.measured == other.measured).all()


@pytest.mark.parametrize("cut", [slice(3), slice(-1), slice(-2000)])
def test_bytes_that_were_cut_are_refused(tmp_path: Path, cut: slice):
    dataset = read_dataset(str(two_classes(tmp_path)))
    data = pack_readings(
        read_images(dataset.store, [dataset.images[0].path], DecodeJob(measure=measure_file), workers=1)
    )

    with pytest.raises(DataError, match="cannot be read"):
        unpack_readings(data[cut])
