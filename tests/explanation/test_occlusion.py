"""What an answer loses when a part is covered."""

import numpy as np
import pytest

from vidi.errors import ShapeError
from vidi.explanation import choose_patch, deletion_curve, nearest, occlude, occlusion_map

BLACK = np.zeros(3, np.uint8)


def brightness_of_one_pixel(images: np.ndarray) -> np.ndarray:
    """A model that looks at the pixel in row 5, column 2, and at nothing else."""
    share = (0.1 + 0.8 * images[:, 5, 2, 0] / 255).astype(np.float32)
    return np.stack([share, 1 - share], axis=1)


def test_only_patches_over_the_pixel_that_matters_change_the_answer():
    image = np.full((8, 8, 3), 255, np.uint8)

    found = occlude(brightness_of_one_pixel, image, fill=BLACK, patch=(2, 2), stride=1)
    needed = occlusion_map(found, 0)

    assert found.whole == pytest.approx([0.9, 0.1])
    assert found.least(0) == pytest.approx(0.1)
    fall = 2 * np.log(9)  # from odds of 9 to odds of 1 / 9
    assert needed[5, 2] == pytest.approx(fall, abs=1e-4)  # whatever covers it, covers it whole
    assert needed[5, 3] == pytest.approx(fall / 2, abs=1e-4)  # half of the patches over it also cover the pixel
    assert (needed[:4] == 0).all()
    assert np.unravel_index(needed.argmax(), needed.shape) == (5, 2)
    np.testing.assert_allclose(occlusion_map(found, 1), -needed, atol=1e-4)


def test_every_pixel_is_covered_equally_often():
    image = np.full((12, 10, 3), 255, np.uint8)
    seen = np.zeros((12, 10), int)

    def count(images: np.ndarray) -> np.ndarray:
        nonlocal seen
        seen = seen + (images[:, :, :, 0] == 0).sum(axis=0)
        return np.full((len(images), 2), 0.5, np.float32)

    occlude(count, image, fill=BLACK, patch=(4, 4), stride=2)

    assert set(seen.ravel().tolist()) == {4}


def test_borders_of_the_frame_are_not_covered_and_progress_is_told():
    image = np.full((8, 8, 3), 255, np.uint8)
    told, touched = [], np.zeros((8, 8), bool)

    def watch(images: np.ndarray) -> np.ndarray:
        nonlocal touched
        touched = touched | (images[:, :, :, 0] == 0).any(axis=0)
        return np.full((len(images), 2), 0.5, np.float32)

    occlude(
        watch,
        image,
        fill=BLACK,
        place=(3, 0, 2, 8),
        patch=(3, 3),
        stride=1,
        on_progress=lambda done, total: told.append((done, total)),
    )

    assert touched[3:5].all()
    assert not touched[:3].any()
    assert not touched[5:].any()
    assert told[-1][0] == told[-1][1]


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (3, 200)])
def test_thin_images_have_patches(size: tuple[int, int]):
    (height, width), stride = choose_patch(size)
    found = occlude(
        lambda images: np.full((len(images), 2), 0.5, np.float32), np.zeros((*size, 3), np.uint8), fill=BLACK
    )

    assert 1 <= height <= size[0]
    assert 1 <= width <= size[1]
    assert stride >= 1
    assert occlusion_map(found, 0).shape == size


def test_no_image_and_no_patch_are_refused():
    with pytest.raises(ShapeError, match="an image of shape"):
        occlude(brightness_of_one_pixel, np.zeros((0, 4, 3), np.uint8), fill=BLACK)
    with pytest.raises(ShapeError, match=r"a patch of \(0, 2\) pixels"):
        occlude(brightness_of_one_pixel, np.zeros((8, 8, 3), np.uint8), fill=BLACK, patch=(0, 2), stride=1)


def test_curves_begin_and_end_with_the_whole_and_the_blank_image():
    image = np.full((8, 8, 3), 255, np.uint8)
    importance = np.zeros((8, 8), np.float32)
    importance[5, 2] = 1

    gone = deletion_curve(brightness_of_one_pixel, image, importance, class_index=0, fill=BLACK, steps=4)
    blank = np.zeros_like(image)
    come = deletion_curve(brightness_of_one_pixel, blank, importance, class_index=0, fill=image, steps=4)

    np.testing.assert_allclose(gone, [0.9, 0.1, 0.1, 0.1, 0.1], atol=1e-6)
    np.testing.assert_allclose(come, [0.1, 0.9, 0.9, 0.9, 0.9], atol=1e-6)


def test_pixels_without_importance_stay():
    image = np.full((8, 8, 3), 255, np.uint8)
    importance = np.zeros((8, 8), np.float32)
    importance[5, 2] = np.nan

    gone = deletion_curve(brightness_of_one_pixel, image, importance, class_index=0, fill=BLACK)

    np.testing.assert_allclose(gone, 0.9, atol=1e-6)


def test_a_map_of_another_size_is_refused():
    with pytest.raises(ShapeError, match="one number for each pixel"):
        deletion_curve(
            brightness_of_one_pixel,
            np.zeros((8, 8, 3), np.uint8),
            np.zeros((4, 4), np.float32),
            class_index=0,
            fill=BLACK,
        )


def test_nearest_are_those_that_a_loop_finds():
    random = np.random.default_rng(0)
    known, query = random.normal(size=(30, 5)).astype(np.float16), random.normal(size=5).astype(np.float32)

    rows, similarity = nearest(known, query, count=4)

    by_loop = [
        float(np.dot(one, query) / np.linalg.norm(one) / np.linalg.norm(query)) for one in known.astype(np.float32)
    ]
    assert rows.tolist() == sorted(range(30), key=lambda row: -by_loop[row])[:4]
    np.testing.assert_allclose(similarity, sorted(by_loop, reverse=True)[:4], rtol=1e-5)


def test_embeddings_of_another_model_are_refused():
    with pytest.raises(ShapeError, match="the same model"):
        nearest(np.zeros((3, 4)), np.zeros(5, np.float32), count=1)
