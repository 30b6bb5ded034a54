"""What must hold for every data set, whatever its classes, groups and copies."""

import tempfile
from dataclasses import replace
from pathlib import Path

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from tests.counts import count
from tests.data.made import made_check, made_dataset

from vidi.data.checked import DataCheck
from vidi.data.dataset import Dataset
from vidi.data.splitting.split import Split, split_dataset
from vidi.data.splitting.split_plan import write_assignments
from vidi.errors import DataError

FEW = settings(
    max_examples=count(small=60, check=10), deadline=None, suppress_health_check=[HealthCheck.filter_too_much]
)


@st.composite
def data_sets(draw: st.DrawFn) -> tuple[Dataset, DataCheck]:
    count = draw(st.integers(8, 90))
    labels = draw(st.lists(st.integers(0, 4), min_size=count, max_size=count))
    members = draw(st.dictionaries(st.integers(0, count - 1), st.sampled_from("abcdef"), max_size=count // 2))
    pairs = st.lists(st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)), max_size=count // 4)
    near = [(min(pair), max(pair)) for pair in draw(pairs) if pair[0] != pair[1]]
    refused = draw(st.lists(st.integers(0, count - 1), max_size=4, unique=True))
    dataset = made_dataset(labels, groups=members)
    near = [pair for pair in near if not set(pair) & set(refused)]
    return dataset, made_check(dataset, near=near, refused=refused)


def first_images(dataset: Dataset, check: DataCheck, count: int) -> tuple[Dataset, DataCheck]:
    """The data set before the later images came."""
    near = tuple(pair for pair in check.near_duplicates if pair.second < count)
    return replace(dataset, images=dataset.images[:count]), replace(
        check, records=check.records[:count], near_duplicates=near
    )


def split_or_skip(dataset: Dataset, check: DataCheck, previous: Path | None = None) -> Split:
    try:
        return split_dataset(dataset, check, previous=previous)
    except DataError:
        assume(False)
        raise


def straddlers(dataset: Dataset, check: DataCheck, split: Split) -> list[tuple[int, int]]:
    by_group: dict[str, int] = {}
    pairs = [(pair.first, pair.second) for pair in check.near_duplicates]
    for index, image in enumerate(dataset.images):
        if image.group is not None and split.parts[index]:
            pairs.append((by_group.setdefault(image.group, index), index))
    return [(a, b) for a, b in pairs if "" != split.parts[a] != split.parts[b] != ""]


@FEW
@given(data_sets())
def test_no_group_and_no_copy_straddles_parts(made):
    split = split_or_skip(*made)

    assert straddlers(*made, split) == []


@FEW
@given(data_sets())
def test_every_usable_image_has_a_part_and_no_other_has(made):
    dataset, check = made

    split = split_or_skip(dataset, check)

    assert [bool(part) for part in split.parts] == check.usable.tolist()
    assert len(split.assignments) == int(check.usable.sum())


@FEW
@given(data_sets(), st.floats(0.5, 0.9))
def test_later_images_move_none_of_the_old_and_straddle_nothing(made, share):
    dataset, check = made
    count = int(share * len(dataset.images))
    old_dataset, old_check = first_images(dataset, check, count)
    old = split_or_skip(old_dataset, old_check)

    with tempfile.TemporaryDirectory() as folder:
        write_assignments(Path(folder) / "splits.csv", old.assignments)
        grown = split_or_skip(dataset, check, Path(folder) / "splits.csv")

    assert grown.parts[:count] == old.parts
    assert straddlers(dataset, check, grown) == []
    aside = {entry.path for entry in grown.set_aside}
    assert all(
        bool(part) == (usable and image.path not in aside)
        for part, usable, image in zip(grown.parts, check.usable.tolist(), dataset.images, strict=True)
    )


@FEW
@given(data_sets())
def test_a_second_growth_keeps_the_first(made):
    dataset, check = made
    half, most = len(dataset.images) // 2, 3 * len(dataset.images) // 4
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "splits.csv"
        first = split_or_skip(*first_images(dataset, check, half))
        write_assignments(path, first.assignments)
        second = split_or_skip(*first_images(dataset, check, most), path)
        write_assignments(path, second.assignments)
        third = split_or_skip(dataset, check, path)

    placed = [index for index, part in enumerate(second.parts) if part]
    assert [third.parts[index] for index in placed] == [second.parts[index] for index in placed]
