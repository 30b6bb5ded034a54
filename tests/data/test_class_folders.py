"""Class folders in the layouts that people have."""

import pytest
from tests.data.on_disk import IMAGE, put, shown

from vidi.data.read import read_dataset
from vidi.errors import DataError


def test_each_folder_is_a_class(tmp_path):
    put(tmp_path, "cat/1.png", "cat/2.png", "dog/1.png")

    dataset = read_dataset(tmp_path)

    assert dataset.reader == "class-folders"
    assert dataset.classes == ("cat", "dog")
    assert shown(dataset) == {"cat/1.png": ("cat", None), "cat/2.png": ("cat", None), "dog/1.png": ("dog", None)}
    assert dataset.store.read("dog/1.png") == IMAGE


@pytest.mark.parametrize(
    ("folder", "part"),
    [
        ("val", "validation"),
        ("Valid", "validation"),
        ("validation", "validation"),
        ("testing", "test"),
        ("test_set", "test"),
        ("val2017", "validation"),
        ("calib", "calibration"),
        ("extra", "extra"),
    ],
)
def test_split_folders_are_known_in_several_spellings(tmp_path, folder, part):
    put(tmp_path, "train/cat/1.png", "train/dog/1.png", f"{folder}/cat/2.png", f"{folder}/dog/2.png")

    dataset = read_dataset(tmp_path)

    assert shown(dataset)[f"{folder}/cat/2.png"] == ("cat", part)
    assert shown(dataset)["train/dog/1.png"] == ("dog", "train")


def test_split_folders_may_lie_inside_the_class_folders(tmp_path):
    put(tmp_path, "cat/train/1.png", "cat/test/2.png", "dog/train/1.png", "dog/test/2.png")

    dataset = read_dataset(tmp_path)

    assert shown(dataset)["cat/test/2.png"] == ("cat", "test")


def test_a_lone_train_folder_is_no_split(tmp_path):
    put(tmp_path, "train/cat/1.png", "train/dog/1.png")

    dataset = read_dataset(tmp_path)

    assert shown(dataset) == {"train/cat/1.png": ("cat", None), "train/dog/1.png": ("dog", None)}


def test_deeper_folders_belong_to_the_class_and_a_folder_around_all_is_passed_through(tmp_path):
    put(tmp_path, "photos/cat/old/deep/1.png", "photos/cat/2.png", "photos/dog/x.jpg/1.png")

    dataset = read_dataset(tmp_path)

    assert {path: label for path, (label, _) in shown(dataset).items()} == {
        "photos/cat/old/deep/1.png": "cat",
        "photos/cat/2.png": "cat",
        "photos/dog/x.jpg/1.png": "dog",
    }


def test_files_in_no_class_folder_are_set_aside_and_litter_and_companions_are_ignored(tmp_path):
    put(tmp_path, "cat/1.png", "dog/1.png", "cover.png", "cat/.DS_Store", "__MACOSX/cat/1.png", "cat/Thumbs.db")
    (tmp_path / "README.md").write_text("about")

    dataset = read_dataset(tmp_path)

    assert [(entry.path, entry.code) for entry in dataset.account.set_aside] == [("cover.png", "no-class")]
    assert {entry.path for entry in dataset.account.ignored} == {
        "cat/.DS_Store",
        "__MACOSX",
        "cat/Thumbs.db",
        "README.md",
    }
    assert dataset.account.used == 2


def test_a_folder_beside_split_folders_that_is_none_is_named(tmp_path):
    put(tmp_path, "train/cat/1.png", "train/dog/1.png", "test/cat/1.png", "test/dog/1.png", "figures/plot.png")

    with pytest.raises(DataError, match=r"test, train are split folders, but beside them figures is not"):
        read_dataset(tmp_path)


def test_images_directly_in_split_folders_have_no_class(tmp_path):
    put(tmp_path, "train/1.png", "train/2.png", "test/1.png")

    with pytest.raises(DataError, match="lie directly in test, train, which are no class"):
        read_dataset(tmp_path)


def test_class_names_of_split_words_are_classes_beside_other_classes(tmp_path):
    put(tmp_path, "train/1.png", "plane/1.png", "bus/1.png")

    dataset = read_dataset(tmp_path)

    assert dataset.classes == ("bus", "plane", "train")


def test_numbered_class_folders_are_ordered_by_number(tmp_path):
    put(tmp_path, "10/1.png", "9/1.png", "1/1.png")

    assert read_dataset(tmp_path).classes == ("1", "9", "10")


@pytest.mark.parametrize(
    "paths",
    [
        ("cat/1.png", "dog/1.png", "_unknown/1.png", "_unknown/fox/2.png"),
        ("pets/cat/1.png", "pets/dog/1.png", "pets/_unknown/1.png", "pets/_unknown/fox/2.png"),
        ("train/cat/1.png", "test/dog/1.png", "_unknown/1.png", "train/_unknown/2.png"),
    ],
)
def test_the_folder_of_counter_examples_is_no_class(tmp_path, paths):
    put(tmp_path, *paths)

    dataset = read_dataset(tmp_path)

    strange = [path for path in paths if "_unknown" in path]
    assert dataset.classes == ("cat", "dog")
    assert sorted(dataset.negatives) == strange
    assert [(entry.path, entry.code) for entry in dataset.account.set_aside] == [(path, "negative") for path in strange]
    assert dataset.account.found == len(paths)


def test_a_folder_of_that_name_deep_inside_a_class_belongs_to_it(tmp_path):
    put(tmp_path, "cat/1.png", "dog/_unknown/1.png", "dog/home/1.png")

    dataset = read_dataset(tmp_path)

    assert dataset.negatives == []
    assert shown(dataset)["dog/_unknown/1.png"] == ("dog", None)
