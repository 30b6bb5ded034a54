from dataclasses import replace

import numpy as np
import torch
from tests.training.examples import drawn_data, small_recipe

from vidi.metrics.truth import OneClass
from vidi.networks.build import build_network
from vidi.networks.options import NetworkOptions
from vidi.training.data import TrainingData
from vidi.training.loop.objective import InputNormalisation
from vidi.training.recipe import Recipe
from vidi.training.trained import choose_views

AS_IT_IS = InputNormalisation((0.0,) * 3, (255.0,) * 3)


def sided_data(*, count: int = 200) -> TrainingData:
    """Noise, brighter by chance on one side: what an image shows says nothing, its two sides together do."""
    random = np.random.default_rng(0)
    images = random.integers(0, 40, (count, 16, 16, 3), dtype=np.uint8)
    labels = np.arange(count) % 2
    for index in range(count):
        half = slice(0, 8) if random.random() < 0.5 else slice(8, 16)
        images[index, :, half] += np.uint8(120 * labels[index])
    return replace(
        drawn_data(),
        images=images,
        truth=OneClass(labels=labels, class_count=2),
        classes=("dark", "bright"),
        train_rows=np.arange(10),
        validation_rows=np.arange(10, count),
    )


def chosen(recipe: Recipe, data: TrainingData) -> tuple[Recipe, bool]:
    """By a network that looks at the left half alone."""
    network = build_network("dense", image_size=(16, 16), class_count=2, options=NetworkOptions(dense_width=1))
    with torch.no_grad():
        first = network.layers[1]
        first.weight.zero_()
        first.weight.view(1, 3, 16, 16)[..., :8] = 1 / 384
        first.bias.zero_()
        network.head.weight.copy_(torch.tensor([[-8.0], [8.0]]))
        network.head.bias.copy_(torch.tensor([1.5, -1.5]))
    recipe = choose_views(network.eval(), data, recipe=recipe, normalisation=AS_IT_IS)
    return recipe, network.both_ways


def test_both_ways_where_the_validation_images_gain_by_it():
    recipe, both_ways = chosen(small_recipe(), sided_data())

    assert both_ways
    assert recipe.views == "both"
    assert recipe.sources["views"].startswith("measured: log loss")


def test_one_way_where_mirrors_were_not_learned_from_or_nothing_can_be_measured():
    data = sided_data()
    unmirrored = small_recipe(**{"augmentation.flip": "none"})
    few = replace(data, validation_rows=data.validation_rows[:20])

    assert chosen(unmirrored, data)[1] is False
    assert chosen(small_recipe(), few)[1] is False
    assert chosen(small_recipe(pretrained="lite0"), data)[1] is False


def test_what_the_recipe_says_stands():
    assert chosen(small_recipe(views="both"), replace(sided_data(), validation_rows=np.array([], int)))[1] is True
    assert chosen(small_recipe(views="one"), sided_data())[1] is False
