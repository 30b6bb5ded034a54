"""The stage plan of a run, planned: a head on pretrained features, then fine-tuning or training from scratch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from vidi.networks.catalog import PACKAGES
from vidi.networks.pretrained.packaged import is_installed
from vidi.training.traits import DataTraits

SMALL_SIDE = 40  # pixels, of a square of the images' area: up to it a network of their own learns in minutes …
MANY_SMALL = 5_000  # … and from so many images it learns more than features of enlarged images tell
FEW_IMAGES = 300  # fewer than that teach a network little that its features do not know
NEUTRAL = frozenset(  # what says nothing about how the weights are learned
    {"seed", "image_size", "class_weights", "device", "precision", "features", "head", "head_strength", "freeze"}
)

StageName = Literal["head", "fine-tune", "scratch"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StagePlan:
    """The steps that a run tries, and why."""

    stages: tuple[StageName, ...]
    minutes: float | None  # for everything; None = as long as the recipe says
    reason: str  # in words; empty where the user said it all

    @property
    def sentence(self) -> str:
        """The plan in words."""
        limit = "" if self.minutes is None else f"; at most {_in_words(self.minutes)} in all"
        return f"plan: {self.reason}{limit}"


def _in_words(minutes: float) -> str:
    return "1 minute" if minutes == 1 else f"{minutes:.2g} minutes"


def plan_stages(
    traits: DataTraits,
    *,
    pretrained: str | None,
    is_set: bool,
    changes: Mapping[str, object],
    minutes: float | None,
    trainings: int = 1,
    has_weights: bool | None = None,
) -> StagePlan:
    """Choose the stages of a run.

    Args:
        pretrained: what `--pretrained` says; None without it.
        is_set: the user named the network, or a model to begin from.
        trainings: of an ensemble; each gets the time of one, where the user does not say how long it may take.
        has_weights: whether a package with pretrained weights is installed; looked up when left out.
    """
    has_weights = any(map(is_installed, PACKAGES)) if has_weights is None else has_weights
    stages, reason = _stages(traits, pretrained, is_set=is_set, changes=changes, has_weights=has_weights)
    # Who says how many epochs, or names the network, has said how long it may take.
    is_open = not is_set and pretrained != "none" and not set(changes) - NEUTRAL
    usual = max(2.0, min(20.0, 2 + traits.image_count / 1_000))  # minutes of one training, more for more images
    time = minutes or (trainings * usual if is_open else None)
    return StagePlan(stages=stages, minutes=minutes if stages == ("head",) else time, reason=reason)


def _stages(
    traits: DataTraits, pretrained: str | None, *, is_set: bool, changes: Mapping[str, object], has_weights: bool
) -> tuple[tuple[StageName, ...], str]:
    side = (traits.usual_size[0] * traits.usual_size[1]) ** 0.5
    is_small = side <= SMALL_SIDE
    beside = sorted(set(changes) - NEUTRAL)
    scratch: str | None = None
    if changes.get("freeze") and not is_set and pretrained != "none":
        return ("head",), "train only a head on pretrained features"
    if pretrained == "none" or is_set:
        scratch = ""
    elif pretrained is None and beside:
        are = "is" if len(beside) == 1 else "are"
        otherwise = "use --pretrained auto to start from pretrained features"
        scratch = f"train from scratch because {', '.join(beside)} {are} set; {otherwise}"
    elif pretrained is None and not has_weights:
        scratch = 'train from scratch: no pretrained weights are installed (pip install "vidi[train]")'
    elif pretrained is None and is_small and traits.image_count >= MANY_SMALL:
        many = f"{traits.image_count:,} images of {side:.0f} pixels a side"
        scratch = f"train from scratch: {many} teach more than pretrained features"
    if scratch is not None:
        return ("scratch",), scratch
    if pretrained is None and traits.image_count < FEW_IMAGES:
        few = f"about {traits.image_count:,} training images are too few for more"
        return ("head",), f"train a head on pretrained features; {few}"
    first = "train a head on pretrained features"
    if not is_small or pretrained is not None:
        return ("head", "fine-tune"), f"{first}, then fine-tune; keep the better"
    return ("head", "scratch"), f"{first}, then a network from scratch; keep the better"
