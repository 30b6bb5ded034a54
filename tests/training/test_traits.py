import numpy as np
from sklearn.datasets import load_digits
from tests.draw import draw

from vidi.training.defaults import recipe_for
from vidi.training.traits import DataTraits, mirrored_share


def test_digits_are_something_else_in_a_mirror():
    digits = load_digits()
    images = np.repeat((digits.images[:500] * 15).astype(np.uint8)[..., None], 3, axis=3)

    share = mirrored_share(images, digits.target[:500])

    assert share is not None
    assert share < 0.4


def test_symmetric_shapes_stay_what_they_are():
    kinds = ("disc", "square", "stripes")
    images = np.stack([draw(kind, size=(16, 16), seed=seed) for seed in range(30) for kind in kinds])

    share = mirrored_share(images, np.arange(90) % 3)

    assert share is not None
    assert share > 0.8


def test_too_few_or_senseless_images_leave_it_open():
    noise = np.random.default_rng(0).integers(0, 256, (200, 8, 8, 3), dtype=np.uint8)

    assert mirrored_share(noise[:20], np.arange(20) % 2) is None
    assert mirrored_share(noise, np.arange(200) % 2) is None


def test_what_was_measured_decides_about_flips_and_is_written_down():
    small_grey = DataTraits(image_count=500, class_count=2, usual_size=(25, 25), is_grey=True, mirrored_share=0.95)
    letters = DataTraits(image_count=500, class_count=26, usual_size=(64, 64), is_grey=False, mirrored_share=0.3)

    faces_recipe, letters_recipe = recipe_for(small_grey), recipe_for(letters)

    assert faces_recipe.augmentation.flip == "horizontal"
    assert letters_recipe.augmentation.flip == "none"
    assert "30 % as often" in letters_recipe.sources["augmentation.flip"]
