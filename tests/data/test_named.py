"""Known sets: written out of installed packages, or found in the folder of data."""

import os
from pathlib import Path

import pytest

from vidi.data.known_sets.named import NAMED_SETS
from vidi.data.read import read_dataset
from vidi.errors import DataError
from vidi.images.decode import decode_image


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache of the test's own."""
    monkeypatch.setenv("VIDI_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def require_set(name: str) -> None:
    """Skip where the folder that VIDI_DATA points to does not hold the set."""
    if not (Path(os.environ.get("VIDI_DATA", "/nonexistent")) / name).is_dir():
        pytest.skip(f"data:{name}")


@pytest.mark.slow  # imports scikit-learn
def test_digits_come_out_of_scikit_learn_as_class_folders(cache):
    dataset = read_dataset("digits")

    assert len(dataset.images) == 1797
    assert dataset.classes == tuple("0123456789")
    assert dataset.source == dataset.name == "digits"
    assert [dataset.labels().count(label) for label in range(10)] == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    image = decode_image(dataset.store.read(dataset.images[0].path)).image
    assert image.shape == (8, 8, 3)
    assert image.max() == 239  # 15 of 16, scaled


def test_lfw_faces_come_out_of_scikit_image(cache):
    dataset = read_dataset("lfw-faces")

    assert dataset.classes == ("face", "not a face")
    assert dataset.labels() == [0] * 100 + [1] * 100


def test_a_set_is_written_once_and_nothing_half_written_is_left(cache):
    read_dataset("lfw-faces")
    times = {path: path.stat().st_mtime_ns for path in cache.rglob("*.png")}

    read_dataset("lfw-faces")

    assert len(times) == 200
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*.png")} == times
    assert [path.name for path in (cache / "named").iterdir()] == ["lfw-faces-1"]


def test_a_set_that_is_not_there_names_the_ways_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("VIDI_DATA", str(tmp_path / "sets"))

    with pytest.raises(DataError, match="the known set 'mnist' is not in") as raised:
        read_dataset("mnist")

    assert "vidi fetch mnist" in raised.value.remedy


def test_cifar10_is_listed_with_its_names_and_parts():
    require_set("cifar10")
    dataset = read_dataset("cifar10")

    assert len(dataset.images) == 60_000
    assert dataset.classes == NAMED_SETS["cifar10"].classes
    assert [image.part for image in dataset.images].count("test") == 10_000


def test_fashion_mnist_gets_the_names_of_its_numbers():
    require_set("fashion-mnist")
    dataset = read_dataset("fashion-mnist")

    assert len(dataset.images) == 70_000
    assert dataset.classes[0] == "T-shirt/top"
    assert dataset.notes == ()
