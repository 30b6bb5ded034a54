"""Which backbone is kept, where the images are too few to tell."""

import numpy as np

from vidi.workflows.pretrained.backbones import Candidate, last_unless_beaten

SMALL, LARGE = Candidate("lite0", (128, 128)), Candidate("lite2", (128, 128))


def test_of_few_images_the_larger_network_is_kept_although_chance_speaks_for_the_smaller():
    losses = np.random.default_rng(0).exponential(size=(2, 50))

    assert losses[0].mean() < losses[1].mean()
    assert last_unless_beaten({SMALL: losses[0], LARGE: losses[1]}) == LARGE


def test_what_is_better_for_nearly_every_image_is_kept():
    loss = np.random.default_rng(0).exponential(size=50)

    assert last_unless_beaten({SMALL: loss, LARGE: loss + 0.1}) == SMALL
