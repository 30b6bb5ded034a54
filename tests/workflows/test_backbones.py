"""Which backbone is kept, where the images are too few to tell, and which of its maps are features."""

import numpy as np
import pytest

from vidi.training.traits import DataTraits
from vidi.workflows.requests.data import DataRequest
from vidi.workflows.requests.train import TrainRequest
from vidi.workflows.run.learning.backbones import last_unless_beaten
from vidi.workflows.run.learning.candidates import MOST_FOR_PAIRS, Candidate, backbone_recipe, candidates_for
from vidi.workflows.run.plan import find_candidates

SMALL, LARGE = Candidate("lite0", (128, 128)), Candidate("lite2", (128, 128))


def test_of_few_images_the_larger_network_is_kept_although_chance_speaks_for_the_smaller():
    losses = np.random.default_rng(0).exponential(size=(2, 50))

    assert losses[0].mean() < losses[1].mean()
    assert last_unless_beaten({SMALL: losses[0], LARGE: losses[1]}) == LARGE


def test_what_is_better_for_nearly_every_image_is_kept():
    loss = np.random.default_rng(0).exponential(size=50)

    assert last_unless_beaten({SMALL: loss, LARGE: loss + 0.1}) == SMALL


@pytest.mark.parametrize(("count", "joined"), [(499, None), (500, True)])
def test_the_last_blocks_join_the_features_where_images_are_many(count, joined):
    traits = DataTraits(image_count=count, class_count=3, usual_size=(128, 128), is_grey=False)

    assert backbone_recipe(SMALL, traits, changes={}).options.block_features is joined
    assert backbone_recipe(SMALL, traits, changes={"options.block_features": False}).options.block_features is False


def test_two_networks_side_by_side_are_among_those_in_packages_where_they_are_asked_for():
    usual = {"usual_size": (128, 128), "image_size": (64, 64)}
    both = candidates_for("auto", **usual, pairs=True)

    assert [one.name for one in both] == ["lite0", "lite2", "lite0+lite2"]
    assert [one.name for one in candidates_for("auto", **usual)] == ["lite0", "lite2"]
    assert [one.name for one in candidates_for("lite0+lite2", **usual)] == ["lite0+lite2"]


@pytest.mark.parametrize(("count", "tried"), [(60, True), (MOST_FOR_PAIRS - 1, True), (MOST_FOR_PAIRS, False)])
@pytest.mark.parametrize("changes", [{}, {"freeze": True}])
def test_two_networks_side_by_side_are_tried_on_few_images_whatever_follows(count, tried, changes):
    traits = DataTraits(image_count=count, class_count=3, usual_size=(128, 128), is_grey=False)
    asked = TrainRequest(data=DataRequest(source="photos"), changes=changes)

    assert ("lite0+lite2" in {one.name for one in find_candidates(asked, traits)}) is tried
