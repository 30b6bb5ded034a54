"""Small training sets of drawn images, and recipes that take a second."""

import numpy as np
from tests.draw import draw

from vidi.metrics.truth import OneClass
from vidi.networks.options import NetworkOptions
from vidi.training.augment import Augmentation
from vidi.training.data import TrainingData
from vidi.training.recipe import Execution, Optimization, Recipe

KINDS = ("disc", "stripes", "square")


def drawn_data(*, each: int = 16, size: tuple[int, int] = (16, 16), kinds: tuple[str, ...] = KINDS) -> TrainingData:
    """Three kinds of drawn images; every fourth is for validation."""
    images = np.stack([draw(kind, size=size, seed=seed) for seed in range(each) for kind in kinds])
    rows = np.arange(len(images))
    is_validation = rows // len(kinds) % 4 == 3
    return TrainingData(
        images=images,
        truth=OneClass(labels=rows % len(kinds), class_count=len(kinds)),
        train_rows=rows[~is_validation],
        validation_rows=rows[is_validation],
        classes=kinds,
    )


def small_recipe(**changes: object) -> Recipe:
    """A small compact network with everything switched on that keeps a state."""
    recipe = Recipe(
        network="compact",
        options=NetworkOptions(width=0.25),
        image_size=(16, 16),
        optimization=Optimization(
            epochs=4,
            batch=8,
            optimizer="sgd",
            learning_rate=0.1,
            weight_decay=1e-3,
            label_smoothing=0.1,
            averaging=0.8,
        ),
        augmentation=Augmentation(flip="horizontal", shift=0.1, colour=0.2, erase=0.3),
        execution=Execution(precision="float32", checkpoint_seconds=0),
    )
    return recipe.changed(changes, source="test")
