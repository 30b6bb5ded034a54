"""What people said of images is read with the data, and moves no image from one part to another."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vidi.data.checking.check import check_dataset
from vidi.data.dataset import Dataset
from vidi.data.labels import Kind, LabelsFile, Opinion, find_labels, labels_beside
from vidi.data.read import ReadOptions, read_dataset
from vidi.data.splitting.split import Split, split_dataset
from vidi.data.splitting.split_plan import SplitPlan, write_assignments
from vidi.errors import UsageError
from vidi.files import digest_of_file


def folder_of(root: Path, *, count: int = 12, classes: tuple[str, ...] = ("cat", "dog", "hen"), seed: int = 3) -> Path:
    """Class folders of images that differ in all their pixels."""
    generator = np.random.default_rng(seed)
    for name in classes:
        (root / name).mkdir(parents=True)
        for number in range(count):
            pixels = generator.integers(0, 255, (24, 24, 3), np.uint8)
            Image.fromarray(pixels).save(root / name / f"{number:02}.png")
    return root


def say(root: Path, *said: tuple[str, str], who: str = "ana", file: Path | None = None) -> Path:
    """Label images, by (path, answer)."""
    labels = LabelsFile(file or labels_beside(root))
    for number, (path, answer) in enumerate(said):
        kind: Kind = answer if answer in ("none", "unclear", "exclude") else "label"  # type: ignore[assignment]
        names = (answer,) if kind == "label" else ()
        digest, key = digest_of_file(root / path), f"{who} {number} {path} {answer}"
        labels.add(
            [Opinion(key=key, digest=digest, path=path, at=1, source=who, via="review", kind=kind, labels=names)]
        )
    return labels.path


def shown(dataset: Dataset) -> dict[str, str]:
    return {image.path: dataset.classes[image.label] for image in dataset.images}


def split_of(dataset: Dataset, **options: object) -> Split:
    whole = dataset.with_left_out()
    return split_dataset(whole, check_dataset(whole), **options)  # type: ignore[arg-type]


def parts_of(split: Split) -> dict[str, str]:
    return {row.path: row.own_part for row in split.assignments}


def test_a_folder_is_read_with_what_people_said_and_stays_as_it_is(tmp_path):
    root = folder_of(tmp_path / "photos")
    (root / "new.png").write_bytes((root / "cat" / "00.png").read_bytes() + b"\n")
    before = sorted((path, path.stat().st_mtime_ns) for path in root.rglob("*"))
    plain = read_dataset(root)
    say(root, ("cat/01.png", "dog"), ("cat/02.png", "cat"), ("dog/03.png", "exclude"), ("dog/04.png", "unclear"))
    say(root, ("hen/05.png", "none"), ("new.png", "owl"), ("hen/06.png", "cat"))
    say(root, ("hen/06.png", "dog"), who="bo")

    dataset = read_dataset(root)

    gone = {"dog/03.png", "dog/04.png", "hen/05.png", "hen/06.png"}
    expected = {path: name for path, name in shown(plain).items() if path not in gone}
    assert shown(dataset) == {**expected, "cat/01.png": "dog", "new.png": "owl"}
    codes = {entry.path: entry.code for entry in dataset.account.set_aside}
    assert codes == dict(zip(sorted(gone), ["excluded", "unclear", "none-of-these", "people-disagree"], strict=True))
    assert dataset.account.found == plain.account.found == 37
    assert dataset.notes[0] == (
        "1 relabelled, 1 excluded, 1 unclear, 1 none of these, 1 people disagree, 1 labelled by photos.labels.jsonl"
    )
    assert shown(read_dataset(root, ReadOptions(labels="none"))) == shown(plain)
    assert sorted((path, path.stat().st_mtime_ns) for path in root.rglob("*")) == before


def test_an_image_without_a_class_that_shows_none_becomes_a_counter_example(tmp_path):
    root = folder_of(tmp_path / "photos")
    (root / "new.png").write_bytes((root / "cat" / "00.png").read_bytes() + b"\n")
    say(root, ("new.png", "none"))

    assert read_dataset(root).negatives == ["new.png"]


def test_a_pile_without_any_class_is_a_data_set_of_what_people_said(tmp_path):
    root = folder_of(tmp_path / "photos", count=4, classes=("x",))
    for number, path in enumerate(sorted((root / "x").iterdir())):
        path.rename(root / f"{number}.png")
    (root / "x").rmdir()
    say(root, ("0.png", "dog"), ("1.png", "cat"), ("2.png", "dog"))

    dataset = read_dataset(root)

    assert shown(dataset) == {"0.png": "dog", "1.png": "cat", "2.png": "dog"}
    assert dataset.classes == ("cat", "dog")


def test_options_about_classes_hold_for_what_people_said(tmp_path):
    root = folder_of(tmp_path / "photos")
    say(root, ("cat/01.png", "dog"), ("dog/02.png", "hen"), ("hen/03.png", "exclude"))

    some = read_dataset(root, ReadOptions(classes=["cat", "dog"]))
    asked = read_dataset(root, ReadOptions(positive="cat"))
    named = read_dataset(root, ReadOptions(names="dog=wolf"))

    assert (shown(some)["cat/01.png"], "dog/02.png" in shown(some)) == ("dog", False)
    assert [image.path for image in some.left_out] == ["dog/02.png"]
    assert (shown(asked)["cat/01.png"], len(asked.left_out)) == ("not cat", 1)
    assert (shown(named)["cat/01.png"], shown(named)["dog/02.png"]) == ("wolf", "hen")


def test_an_image_that_people_say_is_not_of_a_class_keeps_another_and_loses_that_one(tmp_path):
    root = folder_of(tmp_path / "photos")
    say(root, ("cat/01.png", "not cat"), ("dog/02.png", "not cat"))

    plain, asked = read_dataset(root), read_dataset(root, ReadOptions(positive="cat"))

    assert plain.classes == ("cat", "dog", "hen")
    assert ("cat/01.png" in shown(plain), shown(plain)["dog/02.png"]) == (False, "dog")
    assert [image.path for image in plain.left_out] == ["cat/01.png"]
    assert (shown(asked)["cat/01.png"], asked.classes) == ("not cat", ("cat", "not cat"))


def test_labels_are_found_again_by_digest_in_a_folder_that_was_renamed_or_moved(tmp_path):
    root = folder_of(tmp_path / "photos")
    file = say(root, ("cat/01.png", "dog"), ("dog/02.png", "exclude"))

    renamed = root.rename(tmp_path / "pictures")
    assert find_labels(renamed) == file
    assert shown(read_dataset(renamed))["cat/01.png"] == "dog"

    (renamed / "cat" / "01.png").rename(renamed / "cat" / "moved.png")
    (renamed / "dog" / "02.png").rename(renamed / "hen" / "moved.png")
    dataset = read_dataset(renamed, ReadOptions(labels=str(file)))
    assert shown(dataset)["cat/moved.png"] == "dog"
    assert [image.path for image in dataset.left_out] == ["hen/moved.png"]

    other = folder_of(tmp_path / "other", count=2, seed=4)
    assert find_labels(other) == labels_beside(other)


def test_a_file_with_other_bytes_is_not_the_image_that_was_labelled(tmp_path):
    root = folder_of(tmp_path / "photos")
    say(root, ("cat/01.png", "dog"))
    (root / "cat" / "01.png").write_bytes((root / "cat" / "02.png").read_bytes() + b"\n")

    assert shown(read_dataset(root))["cat/01.png"] == "cat"


def test_only_labelled_files_are_read_where_their_paths_are_there(tmp_path, monkeypatch):
    root = folder_of(tmp_path / "photos")
    say(root, ("cat/01.png", "dog"))
    read = list[str]()
    from vidi.images.store import FolderStore

    whole = FolderStore.read
    monkeypatch.setattr(FolderStore, "read", lambda self, path: read.append(path) or whole(self, path))
    read_dataset(root)
    assert read == ["cat/01.png"]
    read.clear()
    read_dataset(root, ReadOptions(labels="none"))
    assert read == []


def test_a_file_that_is_named_has_to_be_there(tmp_path):
    root = folder_of(tmp_path / "photos", count=2)
    with pytest.raises(UsageError, match="no such file"):
        read_dataset(root, ReadOptions(labels=str(tmp_path / "l.jsonl")))

    file = say(root, ("cat/01.png", "dog"), file=tmp_path / "l.jsonl")
    assert shown(read_dataset(root, ReadOptions(labels=str(file))))["cat/01.png"] == "dog"


def test_labels_beside_a_table_are_no_table(tmp_path):
    root = folder_of(tmp_path / "photos", count=2)
    (root / "list.csv").write_text("path,label\ncat/00.png,a\ncat/01.png,b\ndog/00.png,a\ndog/01.png,b\n")
    say(root, ("cat/00.png", "b"), file=labels_beside(root / "list.csv"))

    assert shown(read_dataset(root / "list.csv"))["cat/00.png"] == "b"
    assert shown(read_dataset(root))["cat/00.png"] == "a"


def test_what_people_say_moves_no_image_to_another_part(tmp_path):
    root = folder_of(tmp_path / "photos", count=20)
    before = split_of(read_dataset(root))
    table = tmp_path / "splits.csv"
    write_assignments(table, before.assignments)
    tested = [path for path, part in parts_of(before).items() if part == "test"]
    trained = [path for path, part in parts_of(before).items() if part == "train"]
    say(root, (tested[0], "hen"), (tested[1], "exclude"), (trained[0], "dog"), (trained[1], "none"))
    say(root, *((path, "exclude") for path in trained[2:8]))
    dataset = read_dataset(root)

    again, grown = split_of(dataset), split_of(dataset, previous=table, plan=SplitPlan(frozen_test=True))

    for split in (again, grown):
        assert parts_of(split) == parts_of(before)
        rows = {row.path: row for row in split.assignments}
        assert (rows[tested[1]].part, rows[tested[1]].rule) == ("aside", "excluded:test")
        assert rows[trained[1]].rule == "none-of-these:train"
        assert [entry.path for entry in split.set_aside] == sorted([tested[1], *trained[1:8]])
        assert sorted(split.left_out_of.values()) == ["test", *["train"] * 7]
    assert tested[0] in [
        image.path for image, part in zip(grown_images(dataset), grown.parts, strict=True) if part == "test"
    ]

    write_assignments(table, grown.assignments)
    LabelsFile(labels_beside(root)).undo(f"ana 1 {tested[1]} exclude", who="ana", at=2)
    back = split_of(read_dataset(root), previous=table, plan=SplitPlan(frozen_test=True))
    assert {row.path: row.part for row in back.assignments}[tested[1]] == "test"


def grown_images(dataset: Dataset) -> tuple[object, ...]:
    return dataset.with_left_out().images


def test_a_conflict_that_people_settle_moves_no_other_image(tmp_path):
    root = folder_of(tmp_path / "photos", count=20)
    (root / "dog" / "copy.png").write_bytes((root / "cat" / "00.png").read_bytes())
    before = split_of(read_dataset(root))
    assert {entry.code for entry in before.set_aside} == {"conflicting-labels"}
    say(root, ("cat/00.png", "cat"), ("dog/copy.png", "cat"))

    after = split_of(read_dataset(root))

    assert not after.set_aside
    settled = {"cat/00.png", "dog/copy.png"}
    assert {path: part for path, part in parts_of(after).items() if path not in settled} == {
        path: part for path, part in parts_of(before).items() if path not in settled
    }


def test_nothing_is_found_about_images_that_people_left_out(tmp_path):
    root = folder_of(tmp_path / "photos")
    Image.fromarray(np.zeros((24, 24, 3), np.uint8)).save(root / "cat" / "dark.png")
    dark = [finding for finding in check_dataset(read_dataset(root)).findings if finding.kind == "blank"]
    say(root, ("cat/dark.png", "exclude"))
    dataset = read_dataset(root)

    assert dark
    for each in (dataset, dataset.with_left_out()):
        assert [finding.kind for finding in check_dataset(each).findings if finding.kind == "blank"] == []
    assert "1 excluded by photos.labels.jsonl" in [finding.sentence for finding in check_dataset(dataset).findings]


def test_a_reading_can_be_repeated_while_the_file_grows(tmp_path):
    root = folder_of(tmp_path / "photos")
    say(root, ("cat/01.png", "dog"))
    before = read_dataset(root)
    say(root, ("cat/01.png", "hen"), ("cat/02.png", "exclude"), who="bo")
    nothing = replace(
        ReadOptions(), labels_state="0:" + "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    )

    assert read_dataset(root, ReadOptions(labels_state=before.labels_state)).images == before.images
    assert shown(read_dataset(root, nothing))["cat/01.png"] == "cat"
    assert read_dataset(root).images != before.images
