"""The proof that copies do not straddle parts: planted on disk, found by the check, kept together by the split."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from tests.data.scenes import NEAR_COPIES, jpeg, scene, taken

from vidi.data.checking.check import check_dataset
from vidi.data.read import read_dataset
from vidi.data.splitting.split import split_dataset
from vidi.data.splitting.split_plan import write_assignments
from vidi.groups import join_links

SCENES, EXACT, EACH_KIND, BURSTS = 800, 50, 10, 20

pytestmark = pytest.mark.slow  # a thousand drawn images are written and decoded


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """1,000 files in two class folders, of which 50 are exact copies, 50 near-copies and 60 of bursts."""
    root = tmp_path_factory.mktemp("planted")
    random = np.random.default_rng(0)
    images = {f"{number:04}": scene(number) for number in range(SCENES)}
    pairs = {"exact": [], "burst": [], **{kind: [] for kind in NEAR_COPIES}}
    names = iter(images)

    def write(name: str, data: bytes) -> None:
        folder = root / ("odd" if int(name[:4]) % 2 else "even")
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.jpg").write_bytes(data)

    for name, image in images.items():
        write(name, jpeg(image))
    for _ in range(EXACT):
        name = next(names)
        write(f"{name}-exact", jpeg(images[name]))
        pairs["exact"].append((name, f"{name}-exact"))
    for kind, make in NEAR_COPIES.items():
        for _ in range(EACH_KIND):
            name = next(names)
            write(f"{name}-{kind}", make(images[name], random))
            pairs[kind].append((name, f"{name}-{kind}"))
    for number in range(BURSTS):  # other scenes, so that nothing but the EXIF holds them together
        time = f"2024:05:01 10:{number:02}"
        first, second, third = (f"{2 * (SCENES + 3 * number + step):04}" for step in range(3))
        for step, name in enumerate((first, second, third)):
            write(name, jpeg(scene(10_000 + int(name)), exif=taken(f"{time}:{2 * step:02}")))
        pairs["burst"] += [(first, second), (second, third)]
    return root, pairs


def look_alikes(check):
    """(images,) so that exact copies, near-duplicates and bursts share a number."""
    return join_links(len(check.records), [*check.exact_links, *check.capture_links, *check.near_links])


@pytest.fixture(scope="module")
def outcome(planted):
    root, pairs = planted
    dataset = read_dataset(str(root))
    check = check_dataset(dataset)
    index = {Path(image.path).stem: number for number, image in enumerate(dataset.images)}
    return dataset, check, {kind: [(index[a], index[b]) for a, b in named] for kind, named in pairs.items()}


@pytest.mark.fault
def test_exact_copies_and_bursts_are_found_all_and_near_copies_nearly_all(outcome):
    _, check, pairs = outcome
    groups = look_alikes(check)
    found = {kind: sum(groups[a] == groups[b] for a, b in planted) for kind, planted in pairs.items()}
    near = sum(found[kind] for kind in NEAR_COPIES)
    assert found["exact"] == EXACT
    assert found["burst"] == 2 * BURSTS
    assert near >= 0.9 * EACH_KIND * len(NEAR_COPIES), found


@pytest.mark.fault
def test_no_more_than_one_unrelated_image_of_a_thousand_is_drawn_in(outcome):
    dataset, check, pairs = outcome
    true = {frozenset(pair) for kind, planted in pairs.items() if kind != "burst" for pair in planted}
    drawn_in = {index for pair in check.near_links if frozenset(pair) not in true for index in pair}
    assert len(drawn_in) <= len(dataset.images) / 1000 + 1  # a false pair draws in two


@pytest.mark.fault
def test_no_found_pair_straddles_parts(outcome):
    dataset, check, _ = outcome
    split = split_dataset(dataset, check)
    parts_of = Counter()
    for group in {(group, split.parts[index]) for index, group in enumerate(look_alikes(check).tolist())}:
        parts_of[group[0]] += 1
    assert set(parts_of.values()) == {1}


@pytest.mark.integration
def test_adding_a_fifth_moves_no_old_image(outcome, tmp_path):
    dataset, check, _ = outcome
    first = split_dataset(dataset, check)
    write_assignments(tmp_path / "splits.csv", first.assignments[: len(dataset.images) * 5 // 6])
    old = {row.path: row.part for row in first.assignments[: len(dataset.images) * 5 // 6]}
    grown = split_dataset(dataset, check, previous=tmp_path / "splits.csv")
    now = {image.path: part for image, part in zip(dataset.images, grown.parts, strict=True)}
    assert {path: now[path] for path in old} == old
    assert set(now.values()) <= {"train", "validation", "calibration", "test", ""}
