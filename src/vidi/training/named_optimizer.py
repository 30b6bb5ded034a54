"""What an optimizer brings along that the user names in place of the usual one: a step of Adam is not one of SGD."""

import math
from collections.abc import Mapping

from vidi.training.recipe import Recipe

ALIKE = {"adam", "adamw"}  # a rate for one suits the other
MOMENTUM = 0.9  # of sgd; that of muon is lower
LITE_PACE = {"sgd": 0.003, "adam": 0.001, "adamw": 0.001}
TEXTBOOK_PACE = {"sgd": 0.01, "adam": 0.001, "adamw": 0.001}
COMPACT_PACE = {"sgd": 0.3, "adam": 0.003, "adamw": 0.003}  # sgd for a batch of 512
OTHER_PACE = {"sgd": 0.003, "adam": 0.0001, "adamw": 0.0001}  # pretrained, and never measured here
PACES: Mapping[str, Mapping[str, float]] = {  # peak learning rates, by network
    "compact": COMPACT_PACE,
    "textbook": TEXTBOOK_PACE,
    "dense": TEXTBOOK_PACE,
    "lite0": LITE_PACE,
    "lite2": LITE_PACE,
    "lite0+lite2": LITE_PACE,
    "lite0-grid": LITE_PACE,
}


def as_asked(recipe: Recipe, changes: Mapping[str, object]) -> Recipe:
    """The recipe with what the user set; an optimizer that is not the usual one brings its own learning rate along.

    Args:
        recipe: the usual one, or that of a file.
        changes: as `Recipe.changed` takes them.

    Raises:
        UsageError: no such field, or a value that it cannot have.

    >>> usual = Recipe(optimizer="muon", learning_rate=0.24, momentum=0.6, batch=512)
    >>> as_asked(usual, {"optimizer": "adam"}).learning_rate
    0.003
    >>> sgd = as_asked(usual, {"optimizer": "sgd", "learning_rate": 0.1})
    >>> sgd.learning_rate, sgd.momentum, sgd.sources["momentum"]
    (0.1, 0.9, 'default: the usual of sgd')
    """
    optimizer = str(changes.get("optimizer", recipe.optimizer))
    paces = PACES.get(recipe.network, OTHER_PACE)
    if optimizer not in paces or optimizer == recipe.optimizer or {optimizer, recipe.optimizer} == ALIKE:
        return recipe.changed(changes, source="you")
    rate = paces[optimizer]
    if recipe.network == "compact" and optimizer == "sgd":
        rate = round(rate * math.sqrt(recipe.batch / 512), 3)  # a smaller batch's gradient is noisier
    usual = {"learning_rate": rate, "momentum": MOMENTUM}
    return recipe.changed(usual, source=f"default: the usual of {optimizer}").changed(changes, source="you")
