import numpy as np
import pytest

from tests.data.scenes import scene
from tests.draw import draw
from vidi.images.corruptions import CORRUPTIONS
from vidi.images.framing import Framing, frame_image, reduce_to_frame, resize


def corrupted(name, strength, image, *, seed=0):
    return CORRUPTIONS[name].corrupt(image, strength, np.random.default_rng(seed))


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("size", [(8, 8), (28, 28), (1, 40), (60, 45), (97, 64)])
def test_every_step_keeps_the_size_and_the_type_and_leaves_the_original_alone(name, size):
    image = scene(3, size=size)
    before = image.copy()

    for strength in CORRUPTIONS[name].strengths:
        worse = corrupted(name, strength, image)
        assert (worse.shape, worse.dtype) == (image.shape, np.uint8)

    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_each_step_changes_the_image_more_than_the_one_before(name):
    image = scene(5, size=(96, 128))

    changes = [
        np.abs(corrupted(name, strength, image).astype(float) - image).mean()
        for strength in CORRUPTIONS[name].strengths
    ]

    assert changes == sorted(changes)
    assert changes[0] > 0.3


def test_a_small_image_is_blurred_as_the_same_image_in_large():
    large = scene(1, size=(400, 400))
    small = resize(large, (100, 100))

    first = resize(corrupted("blur", 3.0, large), (100, 100)).astype(float)
    second = corrupted("blur", 3.0, small).astype(float)

    assert np.abs(first - second)[8:-8, 8:-8].mean() < 2.5
    assert np.abs(second - small).mean() > 5


def test_noise_has_the_stated_spread_and_is_grey_on_grey_images():
    grey, coloured = np.full((64, 64, 3), 128, np.uint8), np.full((64, 64, 3), (128, 129, 130), np.uint8)

    on_grey, on_coloured = corrupted("noise", 16.0, grey), corrupted("noise", 16.0, coloured)

    assert abs(on_grey.astype(float).std() - 16) < 1
    assert (on_grey == on_grey[:, :, :1]).all()
    assert not (on_coloured == on_coloured[:, :, :1]).all()


def test_light_and_contrast_by_hand():
    image = np.array([[[0, 100, 200], [50, 50, 50]]], np.uint8)

    assert corrupted("darker", 50.0, image).tolist() == [[[0, 50, 100], [25, 25, 25]]]
    assert corrupted("brighter", 150.0, image).tolist() == [[[0, 150, 255], [75, 75, 75]]]
    assert corrupted("contrast", 50.0, image).tolist() == [[[38, 88, 138], [62, 62, 62]]]  # the mean is 75


def test_a_turn_of_a_quarter_is_that_of_the_array():
    image = draw("disc", size=(32, 32), seed=2)

    turned = corrupted("rotation", 90.0, image)

    differences = [np.abs(turned.astype(int) - np.rot90(image, times)).max() for times in (1, 3)]
    assert min(differences) <= 1


def test_nearer_shows_the_middle_and_farther_the_whole_with_its_edge_repeated():
    image = np.zeros((8, 8, 3), np.uint8)
    image[2:6, 2:6] = 200

    assert (corrupted("nearer", 2.0, image)[1:7, 1:7] > 190).all()
    far = corrupted("farther", 0.5, image)
    assert (far[0] < 30).all()
    assert (far[3:5, 3:5] > 150).all()


def test_an_image_made_as_small_as_framing_makes_it_frames_the_same():
    framing = Framing(size=(64, 48), mode="pad")
    for size in ((300, 400), (90, 33), (20, 30)):
        image = scene(4, size=size)
        np.testing.assert_array_equal(
            frame_image(reduce_to_frame(image, framing), framing), frame_image(image, framing)
        )
    enlarging = Framing(size=(64, 64), mode="stretch", shrink_to=(28, 28))
    image = scene(4, size=(200, 200))
    assert reduce_to_frame(image, enlarging).shape == (28, 28, 3)
    np.testing.assert_array_equal(
        frame_image(reduce_to_frame(image, enlarging), enlarging), frame_image(image, enlarging)
    )
