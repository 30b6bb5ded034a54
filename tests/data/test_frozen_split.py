"""Growth with a frozen test part: new images fill the other parts, and feedback gives a part that is held back."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.data.made import made_check, made_dataset

from vidi.data.dataset import Dataset
from vidi.data.splitting.split import Split, split_dataset
from vidi.data.splitting.split_plan import SplitPlan, write_assignments

FROZEN = SplitPlan(frozen_test=True)
OLD = 600


@pytest.fixture
def first(tmp_path: Path) -> Split:
    """The split of the first 600 images, as `splits.csv`."""
    old = made(OLD)
    split = split_dataset(old, made_check(old))
    write_assignments(tmp_path / "splits.csv", split.assignments)
    return split


def made(count: int, *, feedback: bool = False, groups: dict[int, str] | None = None) -> Dataset:
    """Images of two classes; those beyond the first 600 are feedback, or not."""
    dataset = made_dataset([index % 2 for index in range(count)], groups=groups)
    images = (replace(image, is_feedback=feedback and row >= OLD) for row, image in enumerate(dataset.images))
    return replace(dataset, images=tuple(images))


def test_later_images_fill_every_part_but_the_test_part(first: Split, tmp_path: Path):
    new = made(1_600)

    grown = split_dataset(new, made_check(new), plan=FROZEN, previous=tmp_path / "splits.csv")

    assert grown.parts[:OLD] == first.parts
    assert grown.counts()["test"] == first.counts()["test"]
    assert set(grown.parts[OLD:]) == {"train", "validation"}  # the first split had no calibration part


def test_of_feedback_about_a_fifth_is_held_back_and_none_is_tested_with_the_rest(first: Split, tmp_path: Path):
    new = made(1_600, feedback=True)

    grown = split_dataset(new, made_check(new), plan=FROZEN, previous=tmp_path / "splits.csv")

    assert 150 < grown.counts()["extra"] < 250
    assert "test" not in grown.parts[OLD:]
    assert "extra" not in grown.parts[:OLD]


@pytest.mark.parametrize(("count", "least", "most"), [(30, 2, 11), (100, 36, 64), (400, 60, 100)])
def test_of_a_hundred_images_half_is_held_back_and_of_fewer_or_more_a_smaller_share(
    first: Split, tmp_path: Path, count: int, least: int, most: int
):
    new = made(OLD + count, feedback=True)

    grown = split_dataset(new, made_check(new), plan=FROZEN, previous=tmp_path / "splits.csv")

    assert least <= grown.counts()["extra"] <= most


def test_what_was_held_back_is_learned_from_once_it_is_for_learning(first: Split, tmp_path: Path):
    new = made(OLD + 200, feedback=True)
    grown = split_dataset(new, made_check(new), plan=FROZEN, previous=tmp_path / "splits.csv")
    write_assignments(tmp_path / "again.csv", grown.assignments)
    later = made(OLD + 300, feedback=True)
    images = tuple(replace(image, is_for_learning=OLD <= row < OLD + 200) for row, image in enumerate(later.images))
    later = replace(later, images=images)

    again = split_dataset(later, made_check(later), plan=FROZEN, previous=tmp_path / "again.csv")

    released = [row for row in range(OLD, OLD + 200) if grown.parts[row] == "extra"]
    assert len(released) > 20
    assert {again.parts[row] for row in released} == {"train", "validation"}
    assert all(again.parts[row] == grown.parts[row] for row in range(OLD + 200) if row not in released)
    assert 30 < again.counts()["extra"] < 70  # about half of the hundred new ones


def test_what_is_only_for_learning_is_never_held_back(first: Split, tmp_path: Path):
    new = made(1_600, feedback=True)
    images = tuple(replace(image, is_for_learning=row % 2 == 0) for row, image in enumerate(new.images))
    new = replace(new, images=images)

    grown = split_dataset(new, made_check(new), plan=FROZEN, previous=tmp_path / "splits.csv")

    assert 70 < grown.counts()["extra"] < 130
    assert "extra" not in grown.parts[OLD::2]


def test_what_was_held_back_stays_so_when_more_comes(first: Split, tmp_path: Path):
    new = made(900, feedback=True)
    grown = split_dataset(new, made_check(new), plan=FROZEN, previous=tmp_path / "splits.csv")
    write_assignments(tmp_path / "again.csv", grown.assignments)
    later = made(1_200, feedback=True)

    again = split_dataset(later, made_check(later), plan=FROZEN, previous=tmp_path / "again.csv")

    assert again.parts[:900] == grown.parts


def test_a_copy_of_a_test_image_is_kept_out_and_the_test_image_stays(first: Split, tmp_path: Path):
    tested = int(first.rows("test")[0])
    new = made(OLD + 2, feedback=True)
    check = made_check(new, same=[(tested, OLD)], near=[(tested, OLD + 1)])

    grown = split_dataset(new, check, plan=FROZEN, previous=tmp_path / "splits.csv")

    assert [(entry.path, entry.code) for entry in grown.set_aside] == [
        (f"{OLD}.png", "copies-test"),
        (f"{OLD + 1}.png", "copies-test"),
    ]
    assert grown.parts[:OLD] == first.parts


def test_a_new_label_for_a_test_image_does_not_push_it_out(first: Split, tmp_path: Path):
    tested = int(first.rows("test")[0])
    new = made(OLD + 1, feedback=True)
    check = made_check(new, same=[(tested, OLD)], conflicting=[tested, OLD])

    grown = split_dataset(new, check, plan=FROZEN, previous=tmp_path / "splits.csv")

    assert grown.parts[tested] == "test"
    assert [(entry.path, entry.code) for entry in grown.set_aside] == [(f"{OLD}.png", "conflicting-labels")]


def test_a_test_image_whose_file_has_changed_is_kept_out(first: Split, tmp_path: Path):
    tested, trained = int(first.rows("test")[0]), int(first.rows("train")[0])
    new = made(OLD)
    check = made_check(new)
    records = [
        replace(record, digest="f" * 62 + f"{row:02x}"[-2:]) if row in (tested, trained) else record
        for row, record in enumerate(check.records)
    ]

    grown = split_dataset(new, replace(check, records=tuple(records)), plan=FROZEN, previous=tmp_path / "splits.csv")

    assert [(entry.path, entry.code) for entry in grown.set_aside] == [(f"{tested}.png", "test-changed")]
    assert grown.parts[trained] == "train"


def test_images_of_a_group_in_the_test_part_are_kept_out(tmp_path: Path):
    groups = {index: f"person {index // 20}" for index in range(OLD)}
    old = made(OLD, groups=groups)
    split = split_dataset(old, made_check(old))
    write_assignments(tmp_path / "splits.csv", split.assignments)
    tested = int(split.rows("test")[0])
    new = made(OLD + 1, feedback=True, groups={**groups, OLD: groups[tested]})

    grown = split_dataset(new, made_check(new), plan=FROZEN, previous=tmp_path / "splits.csv")

    assert [entry.code for entry in grown.set_aside] == ["copies-test"]


def test_a_copy_of_a_test_image_of_the_users_own_split_is_kept_out_too(tmp_path: Path):
    parts = ["test" if index % 5 == 0 else "train" for index in range(200)]
    old = made_dataset([index % 2 for index in range(200)], parts=parts)
    split = split_dataset(old, made_check(old))
    write_assignments(tmp_path / "splits.csv", split.assignments)
    new = made_dataset([index % 2 for index in range(202)], parts=[*parts, "train", "train"])
    new = replace(new, images=(*new.images[:200], *(replace(one, is_feedback=True) for one in new.images[200:])))

    check = made_check(new, same=[(0, 200)], near=[(5, 201)])
    grown = split_dataset(new, check, plan=FROZEN, previous=tmp_path / "splits.csv")

    assert [(entry.path, entry.code) for entry in grown.set_aside] == [
        ("200.png", "copies-test"),
        ("201.png", "copies-test"),
    ]
    assert grown.leaks == ()
