"""How wide a network is worth its time: a wide one learns more from each image, a narrow one sees more of them."""

from collections.abc import Callable
from dataclasses import replace

from vidi.networks.build import build_network, design_network
from vidi.networks.layers import operations_of
from vidi.training.data import TrainingData
from vidi.training.engine.engine import engine_of, precision_of
from vidi.training.engine.rates import seconds_per_image
from vidi.training.loop.state import freeze_layers
from vidi.training.recipe import MEASURED, Recipe

WIDTHS = (2.0, 1.67, 1.33, 1.0, 0.67, 0.5)  # 48 channels at the usual width become 96, 80, 64, 48, 32, 24
# An answer of the model file, in float32, costs so many training steps' images; twice that where it looks both ways.
ANSWER = {"float32": 0.25, "bfloat16": 0.5}
IMAGES_SEEN = 80_000  # copies included, that a network of the usual width should learn from, at least
MANY_IMAGES = 10_000  # of fewer, a wider network than the usual learns no more


def fit_width(recipe: Recipe, data: TrainingData, *, seconds_left: float) -> tuple[Recipe, float]:
    """The recipe at the width that suits its time, and about how long one image takes then.

    A network of twice the width costs nearly four times as much; it should see four times as many images before it is
    worth that. On CIFAR-10, with 110 seconds for the training, widths of 1 to 2 came out alike; with 250 seconds twice
    the width reached in 4 and a half epochs what 15 epochs at 1.33 did not reach in 500.

    Args:
        recipe: its device and precision are settled.
        seconds_left: for the training.

    Returns:
        (recipe, seconds for a training step by its images). Where the width is not ours to choose (another network,
        the user's word, weights to begin from), the recipe as it was.
    """
    network = build_network(
        recipe.network, image_size=recipe.image_size, class_count=data.class_count, options=recipe.options
    )
    freeze_layers(network, recipe)
    network.to(engine_of(recipe).device)
    batch, precision = recipe.optimization.batch, precision_of(recipe)
    seconds = seconds_per_image(network, recipe.image_size, batch=batch, precision=precision)
    if recipe.network != "compact" or recipe.options.width is not None or data.start or data.initial:
        return recipe, seconds
    usual = operations_of(network, recipe.image_size)

    def needed(width: float) -> float:
        shape = design_network(
            recipe.network,
            image_size=recipe.image_size,
            class_count=data.class_count,
            options=replace(recipe.options, width=width),
        )
        return seconds * operations_of(shape, recipe.image_size) / usual

    def images_seen(width: float) -> float:
        seen = seconds_left / needed(width) - answers_after(recipe, data)
        if width <= 1:
            return seen
        count = len(data.train_rows)
        return min(seen, recipe.optimization.epochs * count) if count >= MANY_IMAGES else 0

    width = widest(images_seen)
    source = f"{MEASURED} time for about {images_seen(width):,.0f} images"
    return recipe.changed({"options.width": width}, source=source), needed(width)


def widest(images_seen: Callable[[float], float]) -> float:
    """The widest network that learns from enough images to be worth it; the narrowest where none does.

    Args:
        images_seen: gives how many images a network of a width learns from, copies included.

    >>> widest(lambda width: 300_000 / width**2), widest(lambda width: 0)
    (1.33, 0.5)
    """
    return next((width for width in WIDTHS if images_seen(width) >= IMAGES_SEEN * width**2), WIDTHS[-1])


def answers_after(recipe: Recipe, data: TrainingData) -> float:
    """What calibration and test will cost, in training steps' images."""
    ways = 1 if recipe.views == "one" or recipe.augmentation.flip == "none" else 2
    return data.answered_after * ways * ANSWER[precision_of(recipe)]
