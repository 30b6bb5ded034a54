import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from tests.draw import draw as draw_image

from vidi.errors import UsageError
from vidi.training.augment import (
    DRAWS,
    Augmentation,
    add_noise,
    augment,
    blur,
    draw,
    erase,
    preview,
    shift_and_flip,
)

EVERYTHING = Augmentation(flip="both", shift=0.1, crop=0.4, rotate=20, colour=0.3, noise=8, blur=1.5, erase=0.4)


def images(count: int = 6, size: tuple[int, int] = (20, 28)) -> np.ndarray:
    return np.stack([draw_image("square", size=size, seed=seed) for seed in range(count)])


def draws(count: int = 6, value: float | None = None) -> np.ndarray:
    if value is not None:
        return np.full((count, DRAWS), value, np.float32)
    return draw(seed=0, epoch=0, image_count=count)


def test_an_image_is_changed_alike_in_any_batch_and_order():
    together = augment(images(), draws(), augmentation=EVERYTHING)
    order = np.array([3, 0, 5])

    apart = augment(images()[order], draws()[order], augmentation=EVERYTHING)

    np.testing.assert_array_equal(apart, together[order])


def test_random_numbers_depend_on_seed_epoch_and_image_alone():
    first = draw(seed=1, epoch=2, image_count=10)

    assert np.array_equal(first, draw(seed=1, epoch=2, image_count=10))
    assert not np.array_equal(first, draw(seed=1, epoch=3, image_count=10))
    assert not np.array_equal(first, draw(seed=2, epoch=2, image_count=10))


def test_shape_and_type_stay_and_the_input_is_not_touched():
    before = images()
    given = before.copy()

    changed = augment(given, draws(), augmentation=EVERYTHING)

    assert (changed.shape, changed.dtype) == (before.shape, np.uint8)
    assert not np.array_equal(changed, before)
    np.testing.assert_array_equal(given, before)


def test_nothing_asked_changes_nothing():
    np.testing.assert_array_equal(augment(images(), draws(), augmentation=Augmentation()), images())


def test_half_of_the_images_are_mirrored():
    changed = shift_and_flip(
        images(2), np.array([[0.4] * DRAWS, [0.6] * DRAWS], np.float32), augmentation=Augmentation(flip="both")
    )

    np.testing.assert_array_equal(changed[0], images(2)[0, ::-1, ::-1])
    np.testing.assert_array_equal(changed[1], images(2)[1])


def test_a_shift_moves_by_whole_pixels_within_its_reach():
    numbers = draws(1, 0.999)
    image = images(1, size=(20, 20))

    changed = shift_and_flip(image, numbers, augmentation=Augmentation(shift=0.1))

    np.testing.assert_array_equal(changed[0, :-2, :-2], image[0, 2:, 2:])


def test_the_warp_without_reach_is_the_image_itself():
    middle = draws(6, 0.5)
    middle[:, 4] = 0  # the whole area

    np.testing.assert_array_equal(augment(images(), middle, augmentation=Augmentation(crop=0.5, rotate=30)), images())


def test_a_quarter_turn_turns_by_a_quarter():
    numbers = draws(1, 0.5)
    numbers[:, 6] = 0.75  # half of 180 degrees
    image = images(1, size=(20, 20))

    changed = augment(image, numbers, augmentation=Augmentation(rotate=180))

    turned = [np.abs(changed[0].astype(int) - np.rot90(image[0], k)).max() for k in (1, 3)]
    assert min(turned) <= 1


def test_a_crop_enlarges_a_part():
    gradient = np.tile(np.linspace(0, 255, 40).astype(np.uint8)[None, None, :, None], (1, 40, 1, 3))
    numbers = draws(1, 0.5)
    numbers[:, 4] = 1.0  # as much cut away as allowed

    changed = augment(gradient, numbers, augmentation=Augmentation(crop=0.75))

    # A quarter of the area is half of each side: the middle half of the levels, 64 to 191.
    assert changed.min() == pytest.approx(64, abs=4)
    assert changed.max() == pytest.approx(191, abs=4)


def test_grey_images_stay_grey_and_middle_numbers_leave_colours_alone():
    grey = np.repeat(images()[..., :1], 3, axis=3)

    recoloured = augment(grey, draws(), augmentation=Augmentation(colour=0.5))

    np.testing.assert_allclose(recoloured[..., 0].astype(int), recoloured[..., 2].astype(int), atol=1)
    np.testing.assert_array_equal(augment(images(), draws(6, 0.5), augmentation=Augmentation(colour=0.5)), images())


def test_noise_has_the_strength_that_was_drawn():
    flat = np.full((1, 64, 64, 3), 128, np.uint8)

    noisy = add_noise(flat, draws(1, 0.5), deviation=20.0)

    assert noisy.astype(float).std() == pytest.approx(10, rel=0.05)


def test_blur_flattens_and_spares_the_others():
    noise = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    numbers = np.array([[0.24] * DRAWS, [0.26] * DRAWS], np.float32)

    blurred = blur(noise, numbers, radius=2.0)

    assert blurred[0].std() < noise[0].std() / 3
    np.testing.assert_array_equal(blurred[1], noise[1])


def test_blur_is_the_gaussian_of_scipy_and_an_image_is_blurred_alike_in_any_batch():
    noise = np.random.default_rng(0).integers(0, 256, (3, 24, 30, 3), dtype=np.uint8)
    numbers = np.array([[0.2] * DRAWS, [0.1] * DRAWS, [0.0] * DRAWS], np.float32)

    blurred = blur(noise, numbers, radius=1.5)

    for index, deviation in enumerate((1.2, 0.6)):
        expected = gaussian_filter(noise[index].astype(float), deviation, axes=(0, 1), mode="nearest")
        assert np.abs(blurred[index] - expected).max() <= 2.5
        np.testing.assert_array_equal(
            blurred[index], blur(noise[index : index + 1], numbers[index : index + 1], radius=1.5)[0]
        )
    np.testing.assert_array_equal(blurred[2], noise[2])


def test_a_blur_wider_than_the_image_is_nearly_flat():
    noise = np.random.default_rng(0).integers(0, 256, (1, 12, 8, 3), dtype=np.uint8)

    assert blur(noise, draws(1, 0.24), radius=32.0).astype(float).std(axis=(1, 2)).max() < 6


def test_erasing_paints_one_rectangle_in_the_mean_colour():
    image = images(1, size=(20, 20))

    erased = erase(image, draws(1, 0.4), share=0.5)

    changed = (erased != image).any(axis=(0, 3))
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    assert 0 < len(rows) <= 10
    assert 0 < len(columns) <= 10
    painted = erased[0, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].reshape(-1, 3)
    assert len(np.unique(painted, axis=0)) == 1


def test_the_preview_shows_the_original_first():
    sheet = preview(images(2), EVERYTHING, copies=3)

    assert sheet.shape == (2 * 20, 4 * 28, 3)
    np.testing.assert_array_equal(sheet[:20, :28], images(2)[0])


@pytest.mark.parametrize(("name", "value"), [("rotate", 200), ("crop", 1.0), ("shift", -0.1), ("flip", "vertical")])
def test_a_reach_that_makes_no_sense_is_refused(name, value):
    with pytest.raises(UsageError, match=f"{name} is {value!r}"):
        Augmentation(**{name: value})
