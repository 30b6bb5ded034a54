"""What a recipe leaves open about the computer, settled for the one at hand."""

from vidi.errors import UsageError
from vidi.training.engine.engine import Engine, choose_channels_last, choose_device, choose_precision
from vidi.training.engine.rates import Precision
from vidi.training.loop.notes import Moved, Note
from vidi.training.recipe import MEASURED, Recipe


def with_engine(recipe: Recipe) -> Recipe:
    """The recipe with device and precision as this computer has them, where it leaves them open.

    Raises:
        UsageError: the recipe asks for a GPU that is not there.
    """
    device = choose_device(recipe.device)
    if recipe.device == "auto":
        why = "a GPU that torch can use" if device != "cpu" else "no GPU that torch can use"
        recipe = recipe.changed({"device": device}, source=f"{MEASURED} {why}")
    if recipe.precision == "auto":
        chosen, reason = choose_precision(device)
        recipe = recipe.changed({"precision": chosen}, source=f"{MEASURED} {reason}")
    return recipe


def engine_of(recipe: Recipe) -> Engine:
    """What carries out a recipe whose device and precision are settled."""
    precision = precision_of(recipe)
    device = choose_device(recipe.device)
    return Engine(device=device, precision=precision, channels_last=device != "cpu" or choose_channels_last(precision))


def precision_of(recipe: Recipe) -> Precision:
    """The precision of a recipe that has been measured."""
    return "bfloat16" if recipe.precision == "bfloat16" else "float32"


def moved_here(recipe: Recipe, *, precision: Precision | None = None) -> tuple[Recipe, list[Note]]:
    """The recipe of a run begun elsewhere, for what this computer has, and what a user must know about it.

    Args:
        recipe: as it was settled elsewhere.
        precision: in which this computer is fastest; measured by default.
    """
    notes: list[Note] = []
    try:
        choose_device(recipe.device)
    except UsageError:
        notes.append(Moved("device", before=recipe.device))
        recipe = recipe.changed({"device": "cpu"}, source="resumed where there is no GPU")
    if recipe.precision == "bfloat16" and (precision or choose_precision(choose_device(recipe.device))[0]) == "float32":
        notes.append(Moved("precision", before=recipe.precision))
        recipe = recipe.changed({"precision": "float32"}, source="resumed where bfloat16 is slow")
    return recipe, notes
