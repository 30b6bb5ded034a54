"""Test images held to images held out from training, as metrics.json says it."""

from dataclasses import dataclass, field

from vidi.evaluation.sections.plain import ROUND, key


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareOf:
    """A share of images, and their number."""

    value: float = field(metadata=ROUND)
    image_count: int = field(metadata=key("n"))


@dataclass(frozen=True, slots=True, kw_only=True)
class SharesOfClass:
    """Recall of one class, or accuracy of all images, in each part."""

    name: str = field(metadata=key("class"))  # empty: of all
    held_out: ShareOf
    test: ShareOf
    is_lower: bool = field(metadata=key("lower"))  # in the test part, beyond chance
    p_value: float | None = field(default=None, metadata=ROUND)  # of all: how often chance leaves the test so few


@dataclass(frozen=True, slots=True, kw_only=True)
class FeaturesApart:
    """How well features alone tell the two parts apart."""

    area: float = field(metadata=ROUND)  # under the ROC curve
    by_chance: float = field(metadata=ROUND)
    p_value: float = field(metadata=ROUND)
    held_out: int  # images
    test: int
    is_apart: bool = field(metadata=key("apart"))


@dataclass(frozen=True, slots=True, kw_only=True)
class PartsFigures:
    """The section `two_parts`."""

    differs: bool
    accuracy: SharesOfClass
    classes: tuple[SharesOfClass, ...]
    features: FeaturesApart | None
    loudest: tuple[str, ...]  # escaped paths of the test images that look least like what was learnt
