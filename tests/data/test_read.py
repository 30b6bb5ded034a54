"""From what the user named to a data set: choices of classes, accounts, and what is refused."""

import os
import shlex
import tarfile
from pathlib import Path

import pytest
from tests.data.on_disk import put
from tests.draw import class_folders

from vidi.data.read import ReadOptions, read_dataset, require_learnable
from vidi.errors import DataError, UnknownNameError, UsageError


def test_classes_keeps_a_subset_and_accounts_for_the_rest(tmp_path):
    class_folders(tmp_path, kinds=("disc", "square", "stripes"), each=3)

    dataset = read_dataset(tmp_path, ReadOptions(classes=["stripes", "disc"]))

    assert dataset.classes == ("disc", "stripes")  # in the source's order, however they were asked for
    assert len(dataset.images) == dataset.account.used == 6
    assert {entry.code for entry in dataset.account.set_aside} == {"other-class"}
    assert dataset.account.found == 9


def test_positive_makes_two_classes_of_all(tmp_path):
    class_folders(tmp_path, kinds=("disc", "square", "stripes"), each=2)

    dataset = read_dataset(tmp_path, ReadOptions(positive="square"))

    assert dataset.classes == ("square", "not square")
    assert [dataset.classes[label] for label in dataset.labels()].count("not square") == 4


@pytest.mark.parametrize("choice", [{"classes": ["dsic"]}, {"positive": "dsic"}])
def test_an_unknown_class_is_named_with_the_nearest(tmp_path, choice):
    class_folders(tmp_path, each=1)

    with pytest.raises(UnknownNameError, match="no class 'dsic'") as raised:
        read_dataset(tmp_path, ReadOptions(**choice))

    assert "Did you mean 'disc'?" in raised.value.remedy


def test_names_rename_numbered_classes(tmp_path):
    put(tmp_path, "0/a.png", "1/a.png")

    assert read_dataset(tmp_path, ReadOptions(names="0=person,1=dog")).classes == ("person", "dog")
    assert read_dataset(tmp_path, ReadOptions(names="person")).classes == ("person", "1")
    with pytest.raises(UsageError, match="is not a class of the data"):
        read_dataset(tmp_path, ReadOptions(names="7=person"))


def test_an_existing_path_wins_over_a_known_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    class_folders(tmp_path / "digits", each=2)

    dataset = read_dataset("digits")

    assert dataset.classes == ("disc", "stripes")


def test_urls_are_refused_and_unknown_sources_get_a_proposal(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flowers").mkdir()

    with pytest.raises(UsageError, match="is a URL, which vidi does not read"):
        read_dataset("https://example.org/photos.zip")
    with pytest.raises(UsageError, match="neither an existing path nor a known set") as raised:
        read_dataset("flower")
    assert "'flowers'" in raised.value.remedy


@pytest.mark.fault
def test_an_empty_root_and_a_root_without_classes_are_refused_saying_what_is_needed(tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    flat = put(tmp_path / "flat", "1.png", "2.png")

    for root, found in [(empty, "found 0 possible images"), (flat, "found 2 possible images")]:
        before = sorted(os.listdir(tmp_path))
        with pytest.raises(DataError, match=found) as raised:
            read_dataset(root)
        assert "at least two classes with at least two images each" in raised.value.remedy
        assert raised.value.exit_code == 3
        assert sorted(os.listdir(tmp_path)) == before


@pytest.mark.fault
@pytest.mark.parametrize("paths", [("cat/1.png", "cat/2.png"), ("cat/1.png", "dog/1.png")])
def test_one_class_or_single_images_cannot_be_learned(tmp_path, paths):
    dataset = read_dataset(put(tmp_path, *paths))

    with pytest.raises(DataError, match=rf"found {len({path[:3] for path in paths})} class") as raised:
        require_learnable(dataset)

    assert "at least two classes" in raised.value.remedy


@pytest.mark.fault
@pytest.mark.parametrize("each", [1, 2, 3])
def test_small_classes_are_read_and_empty_class_folders_are_named(tmp_path, each):
    class_folders(tmp_path, kinds=("disc", "square"), each=each)
    (tmp_path / "bird").mkdir()

    dataset = read_dataset(tmp_path)

    assert dataset.classes == ("disc", "square")
    assert any("bird" in note and "empty" in note for note in dataset.notes)


@pytest.mark.fault
@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Cat", "cat"),
        ("caf\u00e9", "cafe\u0301"),
        ("cat", "cat "),
        ("cat", "cat."),
        ("Straße", "STRASSE"),
    ],
)
def test_names_that_are_one_elsewhere_are_refused_or_merged(tmp_path, first, second):
    put(tmp_path, f"{first}/1.png", f"{first}/2.png", f"{second}/3.png", "dog/1.png")

    with pytest.raises(DataError, match="are one name on other file systems") as caught:
        read_dataset(tmp_path)
    (_, names) = shlex.split(str(caught.value.remedy).partition(" or use ")[2])[:2]
    dataset = read_dataset(tmp_path, ReadOptions(names=names))

    assert set(dataset.classes) == {first, "dog"}  # that of most images
    assert [dataset.classes[label] for label in dataset.labels()].count(first) == 3


@pytest.mark.fault
@pytest.mark.parametrize(
    ("name", "other"), [("CON", "CON_"), ("nul", "nul_"), ("com1", "com1_"), ("Aux.old", "Aux_.old")]
)
def test_names_that_windows_reserves_are_refused_or_renamed(tmp_path, name, other):
    put(tmp_path, f"{name}/1.png", "dog/1.png")

    with pytest.raises(DataError, match="a name that Windows keeps for a device") as caught:
        read_dataset(tmp_path)

    assert f"--names {name}={other} " in caught.value.remedy
    assert other in read_dataset(tmp_path, ReadOptions(names=f"{name}={other}")).classes


def test_a_class_of_names_that_is_not_there_is_wrong_use(tmp_path):
    put(tmp_path, "ant/1.png", "bee/1.png")

    with pytest.raises(UsageError, match="'eel' is not a class of the data"):
        read_dataset(tmp_path, ReadOptions(names="ant=cat,eel=cat"))
    with pytest.raises(UsageError, match="'ant=cat' names no class"):
        read_dataset(tmp_path, ReadOptions(names="ant=dog,ant=cat"))


def test_data_of_a_class_and_others_answers_the_question_of_that_class_unless_it_names_the_others(tmp_path):
    put(tmp_path, "ant/1.png", "bee/1.png", "eel/1.png")

    assert read_dataset(tmp_path, ReadOptions(usually_positive="ant")).classes == ("ant", "not ant")
    assert read_dataset(tmp_path, ReadOptions(usually_positive="cat")).classes == ("ant", "bee", "eel")
    put(tmp_path, "not ant/1.png")
    assert read_dataset(tmp_path, ReadOptions(usually_positive="ant")).classes == ("ant", "bee", "eel", "not ant")


def test_every_file_stands_in_the_account_once(tmp_path):
    class_folders(tmp_path, each=2)
    put(tmp_path, "top.png", ".hidden.png")
    os.mkfifo(tmp_path / "disc" / "pipe.png")
    (tmp_path / "notes.txt").write_text("n")

    account = read_dataset(tmp_path).account

    assert (account.used, len(account.set_aside), len(account.refused), len(account.ignored)) == (4, 1, 1, 2)


def test_a_pipe_named_like_a_table_is_never_waited_on(tmp_path):
    os.mkfifo(tmp_path / "labels.csv")

    with pytest.raises(DataError, match="not a file that names images"):
        read_dataset(tmp_path / "labels.csv")


@pytest.mark.parametrize(
    ("source", "name"), [("photos", "photos"), ("photos/", "photos"), ("set.tar.gz", "set"), (".", "here")]
)
def test_a_data_set_is_called_by_the_last_part_of_its_path(tmp_path, monkeypatch, source, name):
    here = tmp_path / "here"
    put(here, "photos/cat/1.png", "photos/dog/1.png")
    monkeypatch.chdir(here)
    with tarfile.open("set.tar.gz", "w:gz") as archive:
        archive.add("photos")

    assert read_dataset(source).name == name


def test_a_single_image_is_no_data_set(tmp_path):
    put(tmp_path, "cat.png")

    with pytest.raises(DataError, match=r"cat.png is not a folder, and not a file that names"):
        read_dataset(Path(tmp_path / "cat.png"))
