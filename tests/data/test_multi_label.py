"""Images that show several classes, or none: read from tables and annotations, and split so that each part has some."""

from collections import Counter

import numpy as np
import pytest
from tests.draw import draw, encoded

from vidi.data.checking.check import check_dataset
from vidi.data.dataset import Dataset
from vidi.data.read import ReadOptions, read_dataset
from vidi.data.splitting.split import split_dataset
from vidi.errors import DataError, UsageError

WIDE = "path,cat,dog,person\na.png,1,1,0\nb.png,0,1,1\nc.png,0,0,0\n"


def folder_of(root, text: str, name: str = "labels.csv", *, files: str = "abc"):
    for letter in files:
        (root / f"{letter}.png").write_bytes(encoded(draw("disc", size=(8, 8), seed=ord(letter))))
    (root / name).write_text(text)
    return root / name


def shown(dataset: Dataset) -> dict[str, set[str]]:
    return {image.path: {dataset.classes[label] for label in image.labels} for image in dataset.images}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("labels.csv", WIDE),
        ("labels.csv", WIDE.replace("1", "TRUE").replace("0", "false")),
        (
            "labels.jsonl",
            '{"path": "a.png", "cat": 1, "dog": true, "person": 0}\n'
            '{"path": "b.png", "cat": 0, "dog": 1, "person": 1}\n'
            '{"path": "c.png", "cat": 0, "dog": 0, "person": false}\n',
        ),
    ],
)
def test_a_column_for_each_class_is_read(tmp_path, name, text):
    dataset = read_dataset(folder_of(tmp_path, text, name), ReadOptions(multi_label=True))

    assert dataset.classes == ("cat", "dog", "person")
    assert shown(dataset) == {"a.png": {"cat", "dog"}, "b.png": {"dog", "person"}, "c.png": set()}
    assert dataset.targets().tolist() == [[True, True, False], [False, True, True], [False, False, False]]


def test_classes_in_one_column_are_read(tmp_path):
    text = "path,label,split,patient_id\na.png,cat|dog,train,7\nb.png,dog,test,8\nc.png,,test,8\n"

    dataset = read_dataset(folder_of(tmp_path, text), ReadOptions(multi_label=True))

    assert shown(dataset) == {"a.png": {"cat", "dog"}, "b.png": {"dog"}}
    assert [(image.part, image.group) for image in dataset.images] == [("train", "7"), ("test", "8")]
    assert [entry.code for entry in dataset.account.set_aside] == ["no-label"]  # empty: nobody said that it is none


def test_an_empty_list_says_that_an_image_shows_none_and_no_list_that_nobody_looked(tmp_path):
    text = (
        '{"path": "a.png", "label": ["cat", "dog"]}\n{"path": "b.png", "label": []}\n{"path": "c.png", "label": null}\n'
    )

    dataset = read_dataset(folder_of(tmp_path, text, "labels.jsonl"), ReadOptions(multi_label=True))

    assert shown(dataset) == {"a.png": {"cat", "dog"}, "b.png": set()}
    assert [(entry.path, entry.code) for entry in dataset.account.set_aside] == [("c.png", "no-label")]


def test_of_one_class_each_an_empty_list_is_no_label(tmp_path):
    text = '{"path": "a.png", "label": ["cat"]}\n{"path": "b.png", "label": []}\n{"path": "c.png", "label": "dog"}\n'

    dataset = read_dataset(folder_of(tmp_path, text, "labels.jsonl"))

    assert shown(dataset) == {"a.png": {"cat"}, "c.png": {"dog"}}


def test_parts_and_groups_beside_a_column_for_each_class_stay_what_they_are(tmp_path):
    text = "path,cat,person,split,patient_id\na.png,1,0,train,7\nb.png,0,1,test,8\n"

    dataset = read_dataset(folder_of(tmp_path, text), ReadOptions(multi_label=True))

    assert dataset.classes == ("cat", "person")
    assert [(image.part, image.group) for image in dataset.images] == [("train", "7"), ("test", "8")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("path,cat,dog\na.png,1,maybe\n", "line 2: the column 'dog' holds 'maybe', neither 0 nor 1"),
        ("path,cat,dog\na.png,1,-1\n", "holds '-1'"),
        ("path,cat,cat\na.png,1,0\n", "no name or that of another"),
        ("path,cat,\na.png,1,0\n", "no name or that of another"),
    ],
)
def test_what_is_neither_yes_nor_no_is_refused(tmp_path, text, said):
    with pytest.raises(DataError, match=said):
        read_dataset(folder_of(tmp_path, text), ReadOptions(multi_label=True))


def test_a_column_for_each_class_must_be_asked_for(tmp_path):
    with pytest.raises(DataError) as raised:
        read_dataset(folder_of(tmp_path, WIDE))

    assert "--multi-label" in raised.value.remedy


def test_one_question_and_many_exclude_each_other(tmp_path):
    with pytest.raises(UsageError, match="Leave one of the two out"):
        read_dataset(folder_of(tmp_path, WIDE), ReadOptions(multi_label=True, positive="cat"))


def test_of_chosen_classes_an_image_may_show_none(tmp_path):
    dataset = read_dataset(folder_of(tmp_path, WIDE), ReadOptions(multi_label=True, classes=["cat"]))

    assert shown(dataset) == {"a.png": {"cat"}, "b.png": set(), "c.png": set()}


def test_annotated_images_without_an_object_show_none(tmp_path):
    for part, text in (("1", "0 .5 .5 .2 .2\n1 .5 .5 .2 .2\n"), ("2", "1 .5 .5 .2 .2\n"), ("3", "")):
        (tmp_path / "images").mkdir(exist_ok=True)
        (tmp_path / "labels").mkdir(exist_ok=True)
        (tmp_path / "images" / f"{part}.png").write_bytes(encoded(draw("disc", size=(8, 8), seed=int(part))))
        (tmp_path / "labels" / f"{part}.txt").write_text(text)

    dataset = read_dataset(tmp_path, ReadOptions(multi_label=True, names="cat,dog"))

    assert shown(dataset) == {"images/1.png": {"cat", "dog"}, "images/2.png": {"dog"}, "images/3.png": set()}


@pytest.mark.slow  # checks many images
def test_each_class_and_none_have_their_share_in_every_part(tmp_path):
    random = np.random.default_rng(0)
    lines = ["path,cat,dog,owl"]
    for number in range(120):
        (tmp_path / f"{number}.png").write_bytes(encoded(draw("noise", size=(16, 16), seed=number)))
        lines.append(f"{number}.png,{','.join(str(int(value)) for value in random.random(3) < (0.5, 0.3, 0.1))}")
    (tmp_path / "labels.csv").write_text("\n".join(lines) + "\n")
    dataset = read_dataset(tmp_path / "labels.csv", ReadOptions(multi_label=True))

    split = split_dataset(dataset, check_dataset(dataset))

    tested: Counter[int] = Counter()
    sizes = Counter(label for image in dataset.images for label in image.labels or {-1})
    for row in split.rows("test").tolist():
        tested.update(dataset.images[row].labels or {-1})
    assert all(0.1 <= tested[label] / size <= 0.35 for label, size in sizes.items())


def test_what_images_are_dealt_by_is_their_rarest_class(tmp_path):
    dataset = read_dataset(folder_of(tmp_path, WIDE), ReadOptions(multi_label=True))

    assert dataset.truth().strata.tolist() == [0, 2, 3]  # cat is as rare as person and comes first; c.png shows none
