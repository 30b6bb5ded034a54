from collections import Counter
from pathlib import Path

import pytest
from tests.data.made import made_check, made_dataset

from vidi.data.splitting.split import split_dataset
from vidi.data.splitting.split_plan import SplitPlan, read_assignments, write_assignments
from vidi.errors import DataError


def test_a_thousand_images_are_split_70_10_10_10() -> None:
    dataset = made_dataset([index % 10 for index in range(1_000)])

    split = split_dataset(dataset, made_check(dataset))

    assert split.counts() == {"train": 700, "validation": 100, "calibration": 100, "test": 100}
    assert str(split.rule) == "v1:70-10-10-10:seed0"


def test_fewer_images_are_split_70_10_0_20() -> None:
    dataset = made_dataset([index % 2 for index in range(200)])

    split = split_dataset(dataset, made_check(dataset))

    assert split.counts() == {"train": 140, "validation": 20, "test": 40}
    assert str(split.rule) == "v1:70-10-0-20:seed0"


def test_every_class_has_its_share_in_every_part() -> None:
    labels = [0] * 600 + [1] * 300 + [2] * 100
    dataset = made_dataset(labels)

    split = split_dataset(dataset, made_check(dataset))

    tested = Counter(labels[index] for index in split.rows("test"))
    assert tested == {0: 60, 1: 30, 2: 10}


def test_groups_and_copies_stay_in_one_part() -> None:
    dataset = made_dataset(
        [index % 2 for index in range(400)], groups={index: f"g{index // 8}" for index in range(200)}
    )
    near = [(index, index + 1) for index in range(200, 300, 2)]
    same = [(index, index + 3) for index in range(300, 400, 6)]
    check = made_check(dataset, near=near, same=[pair for pair in same if pair[1] < 400])

    split = split_dataset(dataset, check)

    for first in range(0, 200, 8):
        assert len(set(split.parts[first : first + 8])) == 1
    assert all(split.parts[a] == split.parts[b] for a, b in [*near, *same] if b < 400)


def test_the_order_of_the_files_does_not_matter() -> None:
    labels = [index % 3 for index in range(90)]
    forward = made_dataset(labels)
    backward = forward.__class__(
        "made", "made", "class-folders", forward.classes, tuple(reversed(forward.images)), forward.store
    )

    one = split_dataset(forward, made_check(forward))
    other = split_dataset(backward, made_check(backward))

    assert one.parts == tuple(reversed(other.parts))


def test_another_seed_gives_another_split() -> None:
    dataset = made_dataset([index % 3 for index in range(90)])

    one = split_dataset(dataset, made_check(dataset), plan=SplitPlan(seed=0))
    other = split_dataset(dataset, made_check(dataset), plan=SplitPlan(seed=1))

    assert one.parts != other.parts


def test_refused_images_have_no_part() -> None:
    dataset = made_dataset([index % 2 for index in range(40)])

    split = split_dataset(dataset, made_check(dataset, refused=[3, 4]))

    assert (split.parts[3], split.parts[4]) == ("", "")
    assert sum(split.counts().values()) == 38


def test_images_under_two_labels_are_set_aside() -> None:
    dataset = made_dataset([index % 2 for index in range(40)])

    split = split_dataset(dataset, made_check(dataset, near=[(0, 1)], conflicting=[0, 1]))

    assert [(entry.path, entry.code) for entry in split.set_aside] == [
        ("0.png", "conflicting-labels"),
        ("1.png", "conflicting-labels"),
    ]
    assert split.parts[:2] == ("", "")


def test_growth_moves_no_old_image(tmp_path: Path) -> None:
    labels = [index % 4 for index in range(600)]
    old = made_dataset(labels[:500])
    first = split_dataset(old, made_check(old))
    write_assignments(tmp_path / "splits.csv", first.assignments)
    new = made_dataset(labels)

    grown = split_dataset(new, made_check(new), previous=tmp_path / "splits.csv")

    assert grown.parts[:500] == first.parts
    assert all(grown.parts[500:])
    assert grown.rule == first.rule


def test_a_later_copy_goes_where_the_first_is(tmp_path: Path) -> None:
    dataset = made_dataset([index % 2 for index in range(140)])
    old = made_dataset([index % 2 for index in range(100)])
    first = split_dataset(old, made_check(old))
    write_assignments(tmp_path / "splits.csv", first.assignments)
    near = [(index, 100 + index) for index in range(40)]

    grown = split_dataset(dataset, made_check(dataset, near=near), previous=tmp_path / "splits.csv")

    assert [grown.parts[b] for _, b in near] == [grown.parts[a] for a, _ in near]


def test_an_image_that_links_two_parts_is_kept_out_alone(tmp_path: Path) -> None:
    old = made_dataset([index % 2 for index in range(100)])
    first = split_dataset(old, made_check(old))
    write_assignments(tmp_path / "splits.csv", first.assignments)
    trained, tested = int(first.rows("train")[0]), int(first.rows("test")[0])
    dataset = made_dataset([index % 2 for index in range(102)])
    near = [(trained, 100), (tested, 100), (tested, 101)]

    grown = split_dataset(dataset, made_check(dataset, near=near), previous=tmp_path / "splits.csv")

    assert [(entry.path, entry.code) for entry in grown.set_aside] == [("100.png", "links-two-parts")]
    assert grown.parts[100:] == ("", "test")
    assert grown.parts[:100] == first.parts


def test_replan_decides_anew(tmp_path: Path) -> None:
    old = made_dataset([index % 2 for index in range(500)])
    first = split_dataset(old, made_check(old))
    write_assignments(tmp_path / "splits.csv", first.assignments)
    dataset = made_dataset([index % 2 for index in range(1_200)])

    anew = split_dataset(dataset, made_check(dataset), plan=SplitPlan(replan=True), previous=tmp_path / "splits.csv")

    assert str(anew.rule) == "v1:70-10-10-10:seed0"
    assert anew.counts() == {"train": 840, "validation": 120, "calibration": 120, "test": 120}


def test_the_file_gives_back_what_was_written(tmp_path: Path) -> None:
    dataset = made_dataset([index % 2 for index in range(40)], groups={0: "a,b\n%", 1: "ö"})
    split = split_dataset(dataset, made_check(dataset))

    write_assignments(tmp_path / "splits.csv", split.assignments)

    assert sorted(read_assignments(tmp_path / "splits.csv"), key=str) == sorted(split.assignments, key=str)


def test_a_file_that_is_no_split_is_refused_by_line(tmp_path: Path) -> None:
    path = tmp_path / "splits.csv"
    path.write_text("digest,path,group,part,rule\nab,x.png,g,train,v1:70-10-0-20:seed0\nab,x.png,g,tset,r\n")

    with pytest.raises(DataError, match=r"line 3 names the part 'tset'"):
        read_assignments(path)
