"""What a search may turn: each hyperparameter with its range, around the recipe that the data gets by itself."""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from vidi.errors import UsageError
from vidi.networks.build import SMALLEST_SIDE, design_network
from vidi.training.augment import Augmentation
from vidi.training.recipe import Recipe

Value = float | int | str
BY_USER = "you"  # what the user set is not searched

AUGMENTATION = "augmentation"  # one hyperparameter for all strengths
STRENGTHS = tuple(field.name for field in fields(Augmentation) if field.name != "flip")
STRONGEST: Mapping[str, float] = {  # what twice the usual may not exceed
    "shift": 0.5,
    "crop": 0.9,
    "rotate": 180.0,
    "colour": 0.9,
    "noise": 64.0,
    "blur": 8.0,
    "erase": 0.8,
}
SCALES = (0.5, 0.75, 1.0, 1.5)  # of the usual image size; 1.5 costs 2.25 times as much
LARGEST_SIDE = 256  # pixels


@dataclass(frozen=True, slots=True, kw_only=True)
class Hyperparameter:
    """One value that a search may change: a range, or a list of choices."""

    name: str  # as `Recipe.changed` takes it; or `augmentation`, which scales every strength of the augmentation
    usual: Value  # what the recipe has by itself
    low: float = 0.0
    high: float = 0.0
    is_log: bool = False  # equal factors count as equal steps
    choices: tuple[Value, ...] = ()  # in place of a range

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        values = asdict(self)
        return {**values, "choices": list(self.choices)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The hyperparameter that `as_dict` wrote."""
        return cls(**{**values, "choices": tuple(values["choices"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What bounds the hyperparameters beside the recipe."""

    usual_size: tuple[int, int]  # (height, width) of the images as they are, pixels
    class_count: int
    image_count: int  # images to learn from


def choose_hyperparameters(recipe: Recipe, room: Room) -> tuple[Hyperparameter, ...]:
    """The hyperparameters that suit a recipe, but for those that the user set or the network does not have."""
    found = [make(recipe, room) for name, make in DIALS.items() if not _is_fixed(recipe, name)]
    return tuple(hyperparameter for hyperparameter in found if hyperparameter is not None)


def changes_of(
    recipe: Recipe, hyperparameters: tuple[Hyperparameter, ...], values: Mapping[str, Value]
) -> dict[str, object]:
    """What `Recipe.changed` takes, for the hyperparameters that do not stand where they usually do.

    >>> hyperparameter = Hyperparameter(name="learning_rate", usual=0.1, low=0.01, high=1.0, is_log=True)
    >>> changes_of(Recipe(), (hyperparameter,), {"learning_rate": 0.123456})
    {'learning_rate': 0.123}
    """
    changes: dict[str, object] = {}
    for hyperparameter in hyperparameters:
        value = values[hyperparameter.name]
        if value == hyperparameter.usual:
            continue
        if hyperparameter.name == AUGMENTATION:
            changes |= _scaled(recipe.augmentation, float(value))
        elif hyperparameter.name == "image_size":
            changes[hyperparameter.name] = read_size(str(value))
        else:
            changes[hyperparameter.name] = _rounded(value)
    return changes


def size_text(size: tuple[int, int]) -> str:
    """A size as a choice of a hyperparameter.

    >>> size_text((112, 144))
    '112x144'
    """
    return f"{size[0]}x{size[1]}"


def read_size(text: str) -> tuple[int, int]:
    """The size that `size_text` wrote."""
    height, width = text.split("x")
    return int(height), int(width)


def _is_fixed(recipe: Recipe, name: str) -> bool:
    """Whether the user decided it already; one strength of the augmentation decides for all."""
    by_user = {key for key, source in recipe.sources.items() if source == BY_USER}
    if name == AUGMENTATION:
        return any(f"{AUGMENTATION}.{strength}" in by_user for strength in STRENGTHS) or AUGMENTATION in by_user
    return name in by_user or name.partition(".")[0] in by_user


def _learning_rate(recipe: Recipe, _room: Room) -> Hyperparameter:
    usual = recipe.optimization.learning_rate
    return Hyperparameter(
        name="learning_rate", usual=usual, low=max(1e-8, usual / 10), high=min(100.0, 6 * usual), is_log=True
    )


def _image_size(recipe: Recipe, room: Room) -> Hyperparameter | None:
    """Smaller and larger than usual, never larger than the images are."""
    sizes: dict[tuple[int, int], None] = {}
    for scale in SCALES:
        size = recipe.image_size if scale == 1.0 else _size_at(scale, recipe.image_size)
        is_enlarged = scale > 1 and (size[0] > room.usual_size[0] or size[1] > room.usual_size[1])
        if not is_enlarged and max(size) <= max(LARGEST_SIDE, *recipe.image_size) and _is_possible(recipe, room, size):
            sizes[size] = None
    if len(sizes) < 2:
        return None
    return Hyperparameter(name="image_size", usual=size_text(recipe.image_size), choices=tuple(map(size_text, sizes)))


def _size_at(scale: float, size: tuple[int, int]) -> tuple[int, int]:
    height, width = (
        max(SMALLEST_SIDE, round(scale * side) if scale * side <= 32 else 8 * round(scale * side / 8)) for side in size
    )
    return height, width


def _is_possible(recipe: Recipe, room: Room, size: tuple[int, int]) -> bool:
    try:
        design_network(recipe.network, image_size=size, class_count=room.class_count, options=recipe.options)
    except UsageError:
        return False
    return True


def _augmentation(recipe: Recipe, _room: Room) -> Hyperparameter | None:
    values = recipe.as_dict()["augmentation"]
    if not any(values[strength] for strength in STRENGTHS):
        return None
    return Hyperparameter(name=AUGMENTATION, usual=1.0, low=0.0, high=2.0)


def _scaled(augmentation: Augmentation, factor: float) -> dict[str, object]:
    usual = asdict(augmentation)
    return {
        f"{AUGMENTATION}.{name}": min(_rounded_float(factor * usual[name]), max(STRONGEST[name], usual[name]))
        for name in STRENGTHS
        if usual[name]
    }


def _flip(recipe: Recipe, _room: Room) -> Hyperparameter | None:
    """Mirrored copies only where the data allow them; then also fewer."""
    allowed = {"none": (), "horizontal": ("none", "horizontal"), "both": ("none", "horizontal", "both")}
    choices = allowed[recipe.augmentation.flip]
    return (
        Hyperparameter(name="augmentation.flip", usual=recipe.augmentation.flip, choices=choices) if choices else None
    )


def _weight_decay(recipe: Recipe, _room: Room) -> Hyperparameter:
    usual = recipe.optimization.weight_decay
    if usual == 0:
        return Hyperparameter(name="weight_decay", usual=0.0, low=0.0, high=1e-3)
    return Hyperparameter(name="weight_decay", usual=usual, low=usual / 10, high=min(1.0, 10 * usual), is_log=True)


def _label_smoothing(recipe: Recipe, _room: Room) -> Hyperparameter | None:
    if recipe.optimization.loss != "cross-entropy":
        return None
    usual = recipe.optimization.label_smoothing
    return Hyperparameter(name="label_smoothing", usual=usual, low=0.0, high=max(0.2, min(0.9, 2 * usual)))


def _width(recipe: Recipe, room: Room) -> Hyperparameter | None:
    """All channel counts, where the network has such an option."""
    usual = recipe.options.width or 1.0
    low, high = max(0.1, usual / 2), min(8.0, 2 * usual)
    try:
        wider = recipe.changed({"options.width": high}, source="")
        design_network(wider.network, image_size=wider.image_size, class_count=room.class_count, options=wider.options)
    except UsageError:
        return None
    return Hyperparameter(name="options.width", usual=usual, low=low, high=high, is_log=True)


def _batch(recipe: Recipe, room: Room) -> Hyperparameter | None:
    usual = recipe.optimization.batch
    choices = sorted(size for size in {usual // 2, usual, 2 * usual} if size == usual or 8 <= size <= room.image_count)
    return Hyperparameter(name="batch", usual=usual, choices=tuple(choices)) if len(choices) > 1 else None


DIALS: Mapping[str, Callable[[Recipe, Room], Hyperparameter | None]] = {
    "learning_rate": _learning_rate,
    "image_size": _image_size,
    AUGMENTATION: _augmentation,
    "augmentation.flip": _flip,
    "weight_decay": _weight_decay,
    "label_smoothing": _label_smoothing,
    "options.width": _width,
    "batch": _batch,
}


def _rounded(value: Value) -> Value:
    return _rounded_float(value) if isinstance(value, float) else value


def _rounded_float(value: float) -> float:
    """Three digits: more make no difference, and people read them."""
    return float(f"{value:.3g}") if math.isfinite(value) else value
