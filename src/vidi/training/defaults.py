"""Which recipe fits which data: one rule for each value, and the reason is written down beside it."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from vidi.errors import UnknownNameError
from vidi.networks.build import SMALLEST_SIDE
from vidi.networks.catalog import NETWORKS, TIMM
from vidi.networks.lite import STRIDE
from vidi.networks.options import NetworkOptions
from vidi.numbers import percent
from vidi.training.augment import Augmentation, Flip
from vidi.training.recipe import Freezing, Optimization, Recipe
from vidi.training.traits import DataTraits

# Below that side of a square of the images' area, sides of squares at which a pretrained backbone sees them.
BACKBONE_SIDES = ((64, (128, 96)), (160, (224, 160)), (math.inf, (272, 224)))
WINDOW_SIDE = 91  # pixels, of a square of the area at which a window is seen
LARGEST_COMPACT_SIDE = 128  # pixels, of a square of the same area; each doubling costs four times as much
TEXTBOOK_SIZE = (256, 256)
MANY_IMAGES = 20_000  # each is seen so seldom that strong changes cost more than they help
RATE = 0.24  # of `compact` for a batch of 512 …
RATE_OF_MANY_SMALL = 0.08  # … and where an epoch has so many steps that a slower pace arrives sooner
SIGNS_SIDE = 32  # grey images up to this size are taken for signs (digits, letters) where their mirrors tell nothing
SIGNS_SHARE = 0.9  # below it, mirror images teach less than they cost: digits 0.3, Fashion-MNIST 0.8, photographs 1
UNEVEN = 3  # times as many images of the largest class as of the smallest: from here on heads weigh the classes
ALIKE = {"adam", "adamw"}  # a rate for one suits the other
MOMENTUM = 0.9  # of sgd; that of muon is lower
LITE_PACE = {"sgd": 0.003, "adam": 0.001, "adamw": 0.001}
TEXTBOOK_PACE = {"sgd": 0.01, "adam": 0.001, "adamw": 0.001}
COMPACT_PACE = {"sgd": 0.3, "adam": 0.003, "adamw": 0.003}  # sgd for a batch of 512
OTHER_PACE = {"sgd": 0.003, "adam": 0.0001, "adamw": 0.0001}  # pretrained, and never measured here
PACES: Mapping[str, Mapping[str, float]] = {  # peak learning rates, by family of networks
    "compact": COMPACT_PACE,
    "textbook": TEXTBOOK_PACE,
    "lite": LITE_PACE,
}


def recipe_for(traits: DataTraits, *, network: str = "compact", changes: Mapping[str, object] | None = None) -> Recipe:
    """The recipe for a data set; what the user asked for in `changes` stands above every rule.

    Args:
        network: a name in `vidi.networks.catalog.NETWORKS`, or of a network of timm.
        changes: name of a value, `options.NAME` or `augmentation.NAME` → value; their source becomes `you`.

    Raises:
        UnknownNameError: no such network.
        UsageError: no such field, or a value that it cannot have.
    """
    if network not in NETWORKS and not network.startswith(TIMM):
        raise UnknownNameError(f"no network is called {network!r}", f"Use one of: {', '.join(NETWORKS)}.")
    family = NETWORKS[network].family if network in NETWORKS else ""
    usual = RECIPES.get(network) or RECIPES.get(family, _backbone_recipe)
    recipe = usual(traits)
    return as_asked(replace(recipe, network=network), changes or {})


def weigh_classes(recipe: Recipe, counts: Sequence[int]) -> Recipe:
    """The recipe for a head on frozen features, with the class weights that the classes' sizes call for.

    A head's penalty holds back what little a small class says; weights by the root of its size undo that. Seen on
    clothing, largest class 3 to 20 times the smallest: better balanced accuracy, log loss and accuracy no worse, and
    the small classes' mean probability nearer to their share. Networks that learn whole are not weighted:
    their probabilities go wrong with it, and once these are put right nothing is gained.

    >>> [weigh_classes(Recipe(), counts).optimization.class_weights for counts in ([90, 30], [50, 30])]
    ['tempered', 'none']
    """
    least, most = min((count for count in counts if count), default=0), max(counts, default=0)
    if recipe.sources.get("class_weights") == "you" or most < UNEVEN * least:
        return recipe
    source = f"data: the largest class has {most:,} images, the smallest {least:,}"
    return recipe.changed({"class_weights": "tempered"}, source=source)


def compact_size(usual_size: tuple[int, int]) -> tuple[int, int]:
    """(height, width) for `compact`: the images' own, scaled down to the area of 128 x 128 pixels.

    Sides are rounded to multiples of 8 above 32 pixels.

    >>> compact_size((8, 8)), compact_size((28, 28)), compact_size((128, 64)), compact_size((375, 500))
    ((8, 8), (28, 28), (128, 64), (112, 144))
    """
    scale = min(1.0, LARGEST_COMPACT_SIDE / math.sqrt(usual_size[0] * usual_size[1]))
    sides = [max(SMALLEST_SIDE, round(side * scale)) for side in usual_size]
    return _pair([side if side <= 32 else 8 * round(side / 8) for side in sides])


def _pair(sides: Sequence[int]) -> tuple[int, int]:
    height, width = (min(side, 2 * LARGEST_COMPACT_SIDE) for side in sides)
    return height, width


def _textbook_recipe(traits: DataTraits) -> Recipe:
    """The recipe of the introductions, word for word; only signs are not mirrored."""
    signs = _shows_signs(traits)
    augmentation = Augmentation(rotate=15.0) if signs else Augmentation(flip="both", rotate=72.0)
    recipe = Recipe(
        network="textbook",
        image_size=TEXTBOOK_SIZE if min(traits.usual_size) > SIGNS_SIDE else compact_size(traits.usual_size),
        optimization=Optimization(
            epochs=50, batch=32, optimizer="adam", learning_rate=1e-3, schedule="constant", warm_up=0.0
        ),
        normalisation="rescale",
        augmentation=augmentation,
    )
    return _with_sources(recipe, traits, "the textbook recipe")


def _dense_recipe(traits: DataTraits) -> Recipe:
    """As the textbook network, at no more than 64 pixels a side: every pixel has its own weights here."""
    height, width = compact_size(traits.usual_size)
    recipe = replace(_textbook_recipe(traits), network="dense", image_size=(min(height, 64), min(width, 64)))
    return _with_sources(recipe, traits, "the textbook recipe")


def _compact_recipe(traits: DataTraits) -> Recipe:
    signs = _shows_signs(traits)
    small, batch = min(traits.usual_size) <= 48, _batch(traits.image_count)
    flip: Flip = "none" if signs else "horizontal"
    many_small = small and traits.image_count > MANY_IMAGES
    rate = RATE_OF_MANY_SMALL if many_small else RATE
    is_smooth = many_small and not traits.is_grey  # GELU learns colours sooner; of grey images it gained nothing
    if many_small:
        augmentation = Augmentation(
            flip=flip, shift=0.0 if signs else 0.07, erase=0.4
        )  # signs lie in the middle anyway
    elif small:
        augmentation = Augmentation(flip=flip, shift=0.125, rotate=10.0 if signs else 0.0, erase=0.0 if signs else 0.3)
    else:
        augmentation = Augmentation(flip=flip, crop=0.4, rotate=6.0, colour=0.5, noise=8.0, blur=1.0, erase=0.4)
    recipe = Recipe(
        network="compact",
        options=NetworkOptions(grey=traits.is_grey or None, activation="gelu" if is_smooth else None),
        image_size=compact_size(traits.usual_size),
        optimization=Optimization(
            epochs=_epochs(traits.image_count),
            batch=batch,
            optimizer="muon",
            learning_rate=round(rate * math.sqrt(batch / 512), 3),  # a smaller batch's gradient is noisier
            momentum=0.6,
            weight_decay=5e-4,
            schedule="linear",
            warm_up=0.0,
            label_smoothing=0.1,
            averaging=0.98,
        ),
        augmentation=augmentation,
    )
    return _with_sources(recipe, traits, "the usual for compact")


def backbone_sizes(usual_size: tuple[int, int]) -> tuple[tuple[int, int], ...]:
    """(height, width) that a pretrained backbone may see images at, the usual one first: multiples of 32 pixels.

    Small images are enlarged, for the backbone was trained on larger ones, and large ones shrunk, each to squares'
    areas; sides keep the images' shape, up to two to one.

    >>> backbone_sizes((25, 25)), backbone_sizes((256, 192))
    (((128, 128), (96, 96)), ((320, 224), (256, 192)))
    """
    side = math.sqrt(usual_size[0] * usual_size[1])
    squares = next(squares for below, squares in BACKBONE_SIDES if side < below)
    ratio = min(2.0, max(0.5, usual_size[0] / usual_size[1]))
    return tuple((_in_strides(square * math.sqrt(ratio)), _in_strides(square / math.sqrt(ratio))) for square in squares)


def window_sizes(usual_size: tuple[int, int]) -> tuple[tuple[int, int], ...]:
    """(height, width) at which a network for windows sees images: multiples of 16 pixels, about 32 places of 16 x 16.

    >>> window_sizes((128, 64)), window_sizes((25, 25)), window_sizes((300, 400))
    (((128, 64),), ((96, 96),), ((80, 112),))
    """
    ratio = min(2.0, max(0.5, usual_size[0] / usual_size[1]))
    sides = WINDOW_SIDE * math.sqrt(ratio), WINDOW_SIDE / math.sqrt(ratio)
    return (tuple(max(48, 16 * round(side / 16)) for side in sides),)  # type: ignore[return-value]  # two of them


def _in_strides(side: float) -> int:
    return max(STRIDE, STRIDE * round(side / STRIDE))


def _lite_recipe(traits: DataTraits) -> Recipe:
    """Fine-tuning of a Lite network, whose layers' gradients differ in size: each weight needs its own pace.

    With SGD, one rate for all, 0.003 was near the limit and learned less in the same time.
    """
    recipe = _backbone_recipe(traits)
    optimization = replace(recipe.optimization, optimizer="adamw", learning_rate=1e-3, warm_up=0.3)
    return replace(recipe, optimization=optimization)


def _backbone_recipe(traits: DataTraits) -> Recipe:
    """Fine-tuning of a pretrained network, from the head that its features gave."""
    recipe = Recipe(
        network="lite0",
        image_size=backbone_sizes(traits.usual_size)[0],
        optimization=Optimization(
            epochs=20,
            batch=32,
            optimizer="sgd",
            learning_rate=0.003,
            momentum=0.9,
            weight_decay=1e-4,
            schedule="cosine",
            warm_up=0.1,
            label_smoothing=0.1,
            averaging=0.98,
        ),
        # A batch's own statistics would undo in a few steps what the features know.
        freezing=Freezing(frozen_batch_norm=True),
        normalisation="symmetric",
        augmentation=replace(_compact_recipe(traits).augmentation, noise=0.0, blur=0.0),
    )
    return _with_sources(recipe, traits, "the usual for fine-tuning")


def _epochs(image_count: int) -> int:
    """About a million images seen in all, within 15 to 100 epochs."""
    return max(15, min(100, round(1_000_000 / image_count)))


def _batch(image_count: int) -> int:
    """A power of two between 32 and 512 that leaves at least 40 steps in an epoch, where there are images enough."""
    return max((batch for batch in (64, 128, 256, 512) if batch * 40 <= image_count), default=32)


def _shows_signs(traits: DataTraits) -> bool:
    """Whether a mirror image may be something else than the image."""
    if traits.mirrored_share is not None:
        return traits.mirrored_share < SIGNS_SHARE
    return traits.is_grey and max(traits.usual_size) <= SIGNS_SIDE


def _flip_source(traits: DataTraits) -> str:
    if traits.mirrored_share is not None:
        return f"data: mirrored images find their class {percent(traits.mirrored_share)} as often as the images do"
    if _shows_signs(traits):
        return "data: grey and at most 32 pixels, so probably signs, which are not mirrored"
    return "data: photographs, which may be mirrored"


def _with_sources(recipe: Recipe, traits: DataTraits, default: str) -> Recipe:
    sources = dict.fromkeys(recipe.as_dict(), f"default: {default}")
    del sources["sources"]
    sources["image_size"] = f"data: usual size {traits.usual_size[0]}x{traits.usual_size[1]}"
    if recipe.network == "compact":
        sources["epochs"] = sources["batch"] = sources["learning_rate"] = (
            f"data: about {traits.image_count:,} training images, counted before the split"
        )
    if recipe.options.grey:
        sources["options.grey"] = "data: all images of a sample are grey"
    if recipe.options.activation:
        sources["options.activation"] = "data: many small images with colours"
    sources["augmentation.flip"] = _flip_source(traits)
    return replace(recipe, sources=sources)


RECIPES: Mapping[str, Callable[[DataTraits], Recipe]] = {  # by network, or by family of networks
    "compact": _compact_recipe,
    "textbook": _textbook_recipe,
    "dense": _dense_recipe,
    "lite": _lite_recipe,
}


def as_asked(recipe: Recipe, changes: Mapping[str, object]) -> Recipe:
    """The recipe with what the user set; an optimizer that is not the usual one brings its own learning rate along.

    Raises:
        UsageError: no such field, or a value that it cannot have.

    >>> usual = Recipe(optimization=Optimization(optimizer="muon", learning_rate=0.24, momentum=0.6, batch=512))
    >>> as_asked(usual, {"optimizer": "adam"}).optimization.learning_rate
    0.003
    >>> sgd = as_asked(usual, {"optimizer": "sgd", "learning_rate": 0.1})
    >>> sgd.optimization.learning_rate, sgd.optimization.momentum, sgd.sources["momentum"]
    (0.1, 0.9, 'default: the usual of sgd')
    """
    before = recipe.optimization.optimizer
    optimizer = str(changes.get("optimizer", before))
    paces = PACES.get(NETWORKS[recipe.network].family, OTHER_PACE) if recipe.network in NETWORKS else OTHER_PACE
    if optimizer not in paces or optimizer == before or {optimizer, before} == ALIKE:
        return recipe.changed(changes, source="you")
    rate = paces[optimizer]
    if recipe.network == "compact" and optimizer == "sgd":
        rate = round(rate * math.sqrt(recipe.optimization.batch / 512), 3)  # a smaller batch's gradient is noisier
    usual = {"learning_rate": rate, "momentum": MOMENTUM}
    return recipe.changed(usual, source=f"default: the usual of {optimizer}").changed(changes, source="you")
