"""YOLO, COCO and VOC annotations: which classes an image shows, and where."""

import json
import zipfile
from pathlib import Path

import pytest
from tests.data.on_disk import IMAGE, put

from vidi.data.dataset import Box, Dataset
from vidi.data.read import ReadOptions, read_dataset
from vidi.data.readers.yolo import YoloSettings, read_settings
from vidi.errors import DataError


def classes_by_path(dataset: Dataset) -> dict[str, str]:
    """The class of each image."""
    return {image.path: dataset.classes[image.label] for image in dataset.images}


def yolo(root: Path, **labels: str) -> Path:
    """Images `a`, `b`, … in `images/train` with these text files."""
    for name, text in labels.items():
        put(root, f"images/train/{name}.png")
        (root / "labels/train").mkdir(parents=True, exist_ok=True)
        (root / f"labels/train/{name}.txt").write_text(text)
    return root


def test_yolo_tells_which_images_show_a_class(tmp_path):
    yolo(tmp_path, a="0 .5 .5 .2 .4\n1 .5 .5 1 1\n", b="1 0.5 0.5 1 1\n", c="")
    put(tmp_path, "images/train/d.png")  # without a text file: nothing in it

    with pytest.raises(DataError, match=r"a.png shows 0, 1"):
        read_dataset(tmp_path)
    dataset = read_dataset(tmp_path, ReadOptions(positive="person", names="0=person"))

    assert classes_by_path(dataset) == {
        "images/train/a.png": "person",
        "images/train/b.png": "not person",
        "images/train/c.png": "not person",
        "images/train/d.png": "not person",
    }
    (box,) = dataset.images[0].boxes
    assert box == Box(0, pytest.approx(0.4), pytest.approx(0.3), pytest.approx(0.6), pytest.approx(0.7), True)


@pytest.mark.parametrize(
    "names",
    [
        "names: [cat, 'big dog']",
        "names:\n  0: cat\n  1: big dog  # woof",
        "nc: 2\nnames:\n- cat\n- big dog",
        "names: {0: cat, 1: 'big dog'}",
        "names: [cat,\n  'big dog',\n]",
        "download: |\n  names: [not, these]\nnames: &all [cat, big dog]\nothers: *all",
    ],
)
def test_yolo_names_and_parts_come_from_its_settings(tmp_path, names):
    put(tmp_path, "images/one/a.png", "images/two/b.png")
    for path, number in (("labels/one/a.txt", 0), ("labels/two/b.txt", 1)):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text(f"{number} .5 .5 1 1\n")
    (tmp_path / "data.yaml").write_text(f"# a data set\npath: .\ntrain: images/one\nval: images/two\n{names}\n")

    for source in (tmp_path, tmp_path / "data.yaml"):
        dataset = read_dataset(source)
        assert dataset.reader == "yolo"
        assert dataset.classes == ("cat", "big dog")
        assert [image.part for image in dataset.images] == ["train", "validation"]


def settings(text: str | bytes) -> YoloSettings | None:
    return read_settings(text if isinstance(text, bytes) else text.encode(), "data.yaml")


def test_words_that_yaml_reads_as_values_stay_class_names():
    assert settings("names: [no, on, 1, 1.50, null, 2026-01-01]").names == (
        "no",
        "on",
        "1",
        "1.50",
        "null",
        "2026-01-01",
    )


def test_a_tag_in_a_settings_file_makes_nothing(tmp_path):
    mark = tmp_path / "made"

    with pytest.raises(DataError, match="neither a list nor numbered"):
        settings(f"names: !!python/object/apply:pathlib.Path.touch [{{'{mark}': x}}]")

    assert not mark.exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train: x\nnames: [cat, dog", r"data\.yaml, line 2, is not YAML"),
        ("names:\n\t0: cat", r"line 2, is not YAML: found character"),
        ("names: " + 1_200 * "[", "nested too deeply"),
        ("names: [" + "a" * (1 << 20) + "]", "has 1,048,585 bytes"),
        ("names: [[cat], dog]", "neither a list nor numbered"),
        ("names: {0: {a: b}}", "neither a list nor numbered"),
        ("names: {0: cat, big: dog}", "neither a list nor numbered"),
        ("names: *missing", "undefined alias"),
    ],
    ids=["cut", "tab", "deep", "large", "nested list", "nested mapping", "not a number", "alias"],
)
def test_a_settings_file_that_cannot_be_read_is_refused_by_name(text: str, message: str):
    with pytest.raises(DataError, match=message):
        settings(text)


def test_aliases_that_double_line_by_line_take_no_time_and_no_memory():
    doubling = "\n".join(f"a{n + 1}: &a{n + 1} {{!!merge <<: [*a{n}, *a{n}], x: y}}" for n in range(60))

    assert settings(f"a0: &a0 {{b: c}}\n{doubling}\nnames: [cat]").names == ("cat",)


def test_a_yaml_file_that_names_no_classes_is_not_looked_into(tmp_path):
    put(tmp_path, "cat/1.png", "dog/1.png")
    (tmp_path / "config.yaml").write_text("{% template %}: [")

    assert read_dataset(tmp_path).reader == "class-folders"


def test_yolo_names_come_from_classes_txt_and_parts_from_folders(tmp_path):
    put(tmp_path, "train/images/a.png", "test/images/b.png")
    for part, number in (("train", 1), ("test", 0)):
        (tmp_path / part / "labels").mkdir()
        (tmp_path / part / "labels" / f"{'a' if part == 'train' else 'b'}.txt").write_text(f"{number} .5 .5 1 1")
    (tmp_path / "classes.txt").write_text("cat\ndog\n")

    dataset = read_dataset(tmp_path)

    assert [(image.path, dataset.classes[image.label], image.part) for image in dataset.images] == [
        ("test/images/b.png", "cat", "test"),
        ("train/images/a.png", "dog", "train"),
    ]


def test_yolo_numbers_without_names_are_said_aloud_and_outlines_become_boxes(tmp_path):
    yolo(tmp_path, a="3 .1 .2 .5 .9 .3 .4\n", b="4 .5 .5 1 1 .99\n")

    dataset = read_dataset(tmp_path)

    assert dataset.classes == ("3", "4")
    assert any("its numbers are the names" in note for note in dataset.notes)
    assert dataset.images[0].boxes == (Box(0, 0.1, 0.2, 0.5, 0.9, True),)


def test_a_giant_yolo_class_number_costs_no_memory(tmp_path):
    yolo(tmp_path, a="999999999999 .5 .5 1 1\n", b="1 .5 .5 1 1\n")

    assert read_dataset(tmp_path).classes == ("1", "999999999999")


@pytest.mark.parametrize("source", ["yolo", "coco", "table"])
def test_annotations_inside_an_archive_are_read_in_place(tmp_path, source):
    yolo(tmp_path, a="0 .5 .5 1 1\n", b="1 .5 .5 1 1\n")
    others = {
        "yolo": {f"labels/train/{name}.txt": (tmp_path / f"labels/train/{name}.txt").read_text() for name in "ab"},
        "coco": {"coco.json": coco(names=["0", "1"], shows={"a.png": ["0"], "b.png": ["1"]})},
        "table": {"labels.csv": "path,label\nimages/train/a.png,0\nimages/train/b.png,1\n"},
    }
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for name in "ab":
            archive.writestr(f"set/images/train/{name}.png", IMAGE)
        for path, text in others[source].items():
            archive.writestr(f"set/{path}", text)

    dataset = read_dataset(tmp_path / "set.zip")

    assert dataset.reader == {"table": "tables"}.get(source, source)
    assert classes_by_path(dataset) == {"set/images/train/a.png": "0", "set/images/train/b.png": "1"}
    assert dataset.store.read("set/images/train/a.png") == IMAGE


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0 .5 .5 .1", "it has 4 numbers"),
        ("0 .5 .5 .1 nan", "is not finite"),
        ("-1 .5 .5 .1 .1", "'-1' is not a class number"),
        ("1.5 .5 .5 .1 .1", "'1.5' is not a class number"),
        ("cat .5 .5 .1 .1", "is not a row of numbers"),
    ],
)
def test_a_bad_yolo_line_is_named(tmp_path, line, message):
    yolo(tmp_path, a="0 .5 .5 1 1\n", b=f"0 .5 .5 1 1\n{line}\n")

    with pytest.raises(DataError, match=rf"labels/train/b.txt, line 2: .*{message}"):
        read_dataset(tmp_path)


def test_a_yolo_class_without_a_name_is_refused(tmp_path):
    yolo(tmp_path, a="2 .5 .5 1 1\n")
    (tmp_path / "data.yaml").write_text("names: [cat, dog]\n")

    with pytest.raises(DataError, match="class 2 has no name, there are 2"):
        read_dataset(tmp_path)


def test_captions_beside_class_folders_are_not_yolo(tmp_path):
    put(tmp_path, "cat/1.png", "dog/1.png")
    (tmp_path / "cat/1.txt").write_text("a cat on a mat\n")

    assert read_dataset(tmp_path).reader == "class-folders"


def coco(*, names: list[str], shows: dict[str, list[str]]) -> str:
    """A COCO file of these images; each object is a box at (1, 2) of 3 by 4 pixels."""
    images = [{"id": number, "file_name": name} for number, name in enumerate(shows)]
    categories = [{"id": 7 + number, "name": name} for number, name in enumerate(names)]
    annotations = [
        {"image_id": number, "category_id": 7 + names.index(name), "bbox": [1, 2, 3, 4]}
        for number, objects in enumerate(shows.values())
        for name in objects
    ]
    return json.dumps({"images": images, "categories": categories, "annotations": annotations})


def test_coco_files_give_classes_boxes_and_parts(tmp_path):
    put(tmp_path, "train2017/a.png", "train2017/b.png", "val2017/c.png")
    (tmp_path / "annotations").mkdir()
    train = coco(names=["dog", "cat", "bus"], shows={"a.png": ["cat", "dog"], "b.png": []})
    (tmp_path / "annotations/instances_train2017.json").write_text(train)
    (tmp_path / "annotations/instances_val2017.json").write_text(coco(names=["dog", "cat"], shows={"c.png": ["dog"]}))
    (tmp_path / "annotations/captions_val2017.json").write_text('{"images": []}')

    dataset = read_dataset(tmp_path, ReadOptions(positive="dog"))

    assert dataset.reader == "coco"
    assert [(image.path, dataset.classes[image.label], image.part) for image in dataset.images] == [
        ("train2017/a.png", "dog", "train"),
        ("train2017/b.png", "not dog", "train"),
        ("val2017/c.png", "dog", "validation"),
    ]
    assert dataset.images[0].boxes == (Box(0, 1.0, 2.0, 4.0, 6.0),)


def test_a_coco_file_may_be_named_itself_and_missing_images_are_in_the_account(tmp_path):
    put(tmp_path, "a.png", "b.png")
    shows = {"a.png": ["cat"], "b.png": ["dog"], "gone.png": ["cat"]}
    (tmp_path / "_annotations.coco.json").write_text(coco(names=["cat", "dog"], shows=shows))

    dataset = read_dataset(tmp_path / "_annotations.coco.json")

    assert classes_by_path(dataset) == {"a.png": "cat", "b.png": "dog"}
    assert [(entry.path, entry.code) for entry in dataset.account.refused] == [("gone.png", "unreadable")]


def test_json_that_is_not_coco_is_named_or_passed_over(tmp_path):
    put(tmp_path, "cat/1.png", "dog/1.png")
    (tmp_path / "settings.json").write_text('{"images": 3}')

    assert read_dataset(tmp_path).reader == "class-folders"
    with pytest.raises(DataError, match="is not a COCO file"):
        read_dataset(tmp_path / "settings.json")


def test_a_coco_annotation_of_an_unknown_category_is_named(tmp_path):
    put(tmp_path, "a.png")
    text = coco(names=["cat"], shows={"a.png": ["cat"]}).replace('"category_id": 7', '"category_id": 9')
    (tmp_path / "coco.json").write_text(text)

    with pytest.raises(DataError, match="annotation 0 has the category 9"):
        read_dataset(tmp_path)


def voc(root: Path, name: str, *objects: str, filename: str = "") -> None:
    """One VOC annotation; each object is a box of the pixels 1 to 4 and 1 to 6."""
    box = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>4</xmax><ymax>6</ymax></bndbox>"
    found = "".join(f"<object><name>{one}</name><part><name>head</name></part>{box}</object>" for one in objects)
    (root / "Annotations").mkdir(exist_ok=True, parents=True)
    text = f"<annotation><filename>{filename}</filename>{found}</annotation>"
    (root / "Annotations" / f"{name}.xml").write_text(text)


def test_voc_gives_classes_boxes_and_parts(tmp_path):
    root = tmp_path / "VOCdevkit" / "VOC2007"
    put(root, "JPEGImages/000001.png", "JPEGImages/000002.png", "JPEGImages/000003.png")
    voc(root, "000001", "dog", filename="000001.png")
    voc(root, "000002", "cat", "cat")
    voc(root, "000009", "cat", filename="gone.png")
    (root / "ImageSets/Main").mkdir(parents=True)
    (root / "ImageSets/Main/train.txt").write_text("000001\n")
    (root / "ImageSets/Main/test.txt").write_text("000002\n")

    dataset = read_dataset(tmp_path)

    assert dataset.reader == "voc"
    assert dataset.classes == ("cat", "dog")
    assert [(Path(image.path).name, image.label, image.part) for image in dataset.images] == [
        ("000001.png", 1, "train"),
        ("000002.png", 0, "test"),
    ]
    assert dataset.images[0].boxes == (Box(1, 0.0, 0.0, 4.0, 6.0),)
    assert [entry.code for entry in dataset.account.refused] == ["unreadable"]
    assert [entry.code for entry in dataset.account.set_aside] == ["no-label"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('<!DOCTYPE a [<!ENTITY b "c">]><annotation/>', "declares a document type or entities"),
        ("<annotation><object>", "is damaged"),
    ],
)
def test_voc_files_that_are_damaged_or_declare_entities_are_refused(tmp_path, text, message):
    put(tmp_path, "JPEGImages/1.png")
    (tmp_path / "Annotations").mkdir()
    (tmp_path / "Annotations/1.xml").write_text(text)

    with pytest.raises(DataError, match=message):
        read_dataset(tmp_path)


def test_coco128_answers_whether_a_person_is_there(real_data):
    dataset = read_dataset(real_data / "coco128.zip", ReadOptions(names="0=person", positive="person"))

    assert dataset.labels().count(0) == 61
    assert len(dataset.images) == 128
