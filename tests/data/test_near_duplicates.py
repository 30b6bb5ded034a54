import os

import numpy as np
import pytest
from tests.data.scenes import scene
from tests.draw import draw

from vidi.data.duplicates import candidates
from vidi.data.duplicates.candidates import find_candidates
from vidi.data.duplicates.fingerprint import SIDE, fingerprint_image, unpack_fingerprints
from vidi.data.duplicates.near_duplicates import align_pairs, find_near_duplicates
from vidi.data.read import read_dataset
from vidi.groups import join_links


def near_copies_of(images):
    prints = unpack_fingerprints(np.stack([fingerprint_image(image) for image in images]))
    return find_near_duplicates(prints, np.arange(len(images)))


def largest_share(images):
    pairs = near_copies_of(images)
    groups = join_links(len(images), [(pair.first, pair.second) for pair in pairs])
    return np.unique(groups, return_counts=True)[1].max() / len(images)


def test_a_window_is_found_where_it_is():
    image = scene(3, size=(240, 240)).mean(axis=2).astype(np.float32)
    window = image[24:216, 36:240]

    def shrink(part):
        rows, columns = (np.linspace(0, side, SIDE + 1).astype(int) for side in part.shape)
        return np.add.reduceat(np.add.reduceat(part, rows[:-1], 0), columns[:-1], 1) / np.outer(
            np.diff(rows), np.diff(columns)
        )

    found = align_pairs(
        shrink(image)[None].astype(np.float32),
        shrink(window)[None].astype(np.float32),
        np.array([[0.82, 0.0, 0.82, 0.09]], np.float32),
    )

    np.testing.assert_allclose(found.scale[0], [192 / 240, 204 / 240], atol=0.01)
    np.testing.assert_allclose(found.shift[0], [0.0, 18 / 240], atol=0.01)
    assert found.detail[0] > 0.95


def test_other_scenes_are_not_copies():
    assert near_copies_of([scene(seed) for seed in range(60)]) == []


def test_a_copy_in_another_colour_is_another_image():
    image = scene(1)
    tinted = image.copy()
    tinted[:, :, 2] = np.clip(image[:, :, 2].astype(int) + 90, 0, 255)

    assert near_copies_of([image, tinted]) == []


def test_the_same_frame_is_told_from_a_cut():
    image = scene(1)

    pairs = near_copies_of([image, image[::-1, ::-1].copy()[::-1, ::-1], image[:, :140]])

    assert [(pair.first, pair.second, pair.same_frame) for pair in pairs][:2] == [(0, 1, True), (0, 2, False)]


def test_nearly_blank_images_are_left_to_exact_comparison():
    random = np.random.default_rng(0)

    assert near_copies_of([random.integers(200, 204, (40, 40, 3), dtype=np.uint8) for _ in range(6)]) == []


def test_simple_shapes_on_a_plain_ground_do_not_collapse_into_one_group():
    images = [draw(kind, size=(28, 28), seed=seed) for kind in ("disc", "square") for seed in range(150)]

    assert largest_share(images) < 0.02


@pytest.fixture(scope="module")
def grey():
    """Thumbnails of 300 scenes, then of 30 mirrored and of 30 cut ones."""
    images = [scene(seed, size=(60, 60)) for seed in range(300)]
    images += [image[:, ::-1] for image in images[:30]] + [image[3:, 3:] for image in images[30:60]]
    return unpack_fingerprints(np.stack([fingerprint_image(image) for image in images])).grey


def pairs_of(candidates):
    ends = zip(candidates.first.tolist(), candidates.second.tolist(), strict=True)
    return {(min(pair), max(pair)) for pair in ends}


PLANTED = {(seed, 300 + seed) for seed in range(60)}


@pytest.mark.slow  # compares all pairs
def test_the_search_in_cells_finds_what_the_search_among_all_finds(grey, monkeypatch):
    rows = np.arange(len(grey))
    everywhere = find_candidates(grey, rows)
    for name, value in (("ALL_PAIRS", 10), ("CELL_IMAGES", 20), ("REGIONS", 3)):
        monkeypatch.setattr(candidates, name, value)
    in_cells = find_candidates(grey, rows)
    monkeypatch.setattr(candidates, "MOST_CELLS", 9)  # 18 cells in 4 regions
    in_regions = find_candidates(grey, rows)

    assert len(PLANTED & pairs_of(everywhere)) >= 59
    assert len(PLANTED & pairs_of(in_cells)) >= 57
    assert len(PLANTED & pairs_of(in_regions)) >= 56


def test_images_described_in_several_blocks_give_the_same_pairs(grey, monkeypatch):
    for name, value in (("ALL_PAIRS", 10), ("CELL_IMAGES", 20)):
        monkeypatch.setattr(candidates, name, value)
    at_once = find_candidates(grey, np.arange(len(grey)))
    monkeypatch.setattr(candidates, "IMAGES_TOGETHER", 77)
    in_blocks = find_candidates(grey, np.arange(len(grey)))

    assert pairs_of(in_blocks) == pairs_of(at_once)
    assert (in_blocks.crowded == at_once.crowded).all()


def test_only_the_named_rows_are_sought_among(grey):
    rows = np.r_[20:340]
    found = pairs_of(find_candidates(grey, rows))

    assert {(rows[first], rows[second]) for first, second in found} >= {(seed, 300 + seed) for seed in range(21, 39)}


@pytest.mark.fault
def test_handwritten_digits_do_not_collapse_into_one_group():
    datasets = pytest.importorskip("sklearn.datasets")
    digits = (datasets.load_digits().images * 255 / 16).round().astype(np.uint8)

    assert largest_share([np.repeat(image[:, :, None], 3, axis=2) for image in digits]) < 0.01


@pytest.mark.fault
@pytest.mark.slow  # 5,000 small images of clothes, or 400 faces
@pytest.mark.parametrize("name", ["fashion-mnist", "faces-orl.zip"])
def test_clothes_and_faces_do_not_collapse_into_one_group(name):
    folder = os.environ.get("VIDI_DATA")
    if folder is None or not os.path.exists(os.path.join(folder, name)):
        pytest.skip(f"data:{name.removesuffix('.zip')}")
    from vidi.data.checking.measured import measure_file
    from vidi.images.pool import DecodeJob, read_images

    dataset = read_dataset(os.path.join(folder, name))
    paths = [image.path for image in dataset.images][:: max(1, len(dataset.images) // 5000)]
    measured = [read.measured for read in read_images(dataset.store, paths, DecodeJob(measure=measure_file))]
    pairs = find_near_duplicates(unpack_fingerprints(np.stack(measured)), np.arange(len(measured)))
    groups = join_links(len(paths), [(pair.first, pair.second) for pair in pairs])

    assert np.unique(groups, return_counts=True)[1].max() < 0.01 * len(paths)
