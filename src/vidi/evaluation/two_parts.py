"""Whether test and training images come from the same source: held-out figures beside the test's."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from vidi.evaluation.guarantees.refuted import HeldGuarantee, choose_refuted
from vidi.evaluation.sections import FeaturesApart, PartsFigures, ShareOf, SharesOfClass
from vidi.files import escape_path
from vidi.groups import number_groups
from vidi.metrics.arrays import Counts, Floats
from vidi.metrics.intervals import shown_together
from vidi.metrics.operating import Mask
from vidi.metrics.two_parts import DRAWS, Apartness, lower_by_chance, tell_apart

# Of saying anything of parts from one source: half for the parts, half for the guarantees. Where the parts are said to
# differ, that has happened already, and the guarantees get all of it.
CHANCE = 0.01
CLEARLY_APART = 0.6  # area under the ROC curve: less is not worth a word, however certain
MOST_LOUD = 12  # images named


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """Answers about one of the two parts, each by a model that was not trained on the image."""

    is_correct: Mask  # (images,)
    strata: Counts  # (images,) class index, or the rarest class shown
    groups: tuple[str, ...]  # images of one group are never in both parts


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """Features of images of both parts, none of which the features were trained on."""

    features: Floats  # (images, features)
    is_test: Mask
    strata: Counts
    groups: tuple[str, ...]
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedParts:
    """Comparison of the two parts, and of the guarantees."""

    everything: SharesOfClass  # of all images
    p_value: float  # how often chance alone leaves the test so few correct answers, class by class
    classes: tuple[SharesOfClass, ...]  # those in both parts, the greatest loss first
    apart: Apartness | None  # None: too few images, or no features that were trained on other images
    is_apart: bool  # beyond chance, and clearly
    loudest: tuple[str, ...]  # paths of the test images that look least like the training images
    refuted: tuple[HeldGuarantee, ...]

    @property
    def differs(self) -> bool:
        """Whether the test part comes from elsewhere, or is harder, beyond chance."""
        return self.everything.is_lower or self.is_apart

    def figures(self) -> PartsFigures:
        """The section `two_parts` of metrics.json."""
        apart = self.apart
        return PartsFigures(
            differs=self.differs,
            accuracy=replace(self.everything, p_value=self.p_value),
            classes=self.classes,
            features=None
            if apart is None
            else FeaturesApart(
                area=apart.area,
                by_chance=apart.by_chance,
                p_value=apart.p_value,
                held_out=apart.first_count,
                test=apart.second_count,
                is_apart=self.is_apart,
            ),
            loudest=tuple(escape_path(path) for path in self.loudest),
        )


def compare_parts(
    held_out: Side, test: Side, names: Sequence[str], *, looks: Looks | None, held: Sequence[HeldGuarantee], seed: int
) -> ComparedParts | None:
    """Compare the test part with held-out training images; None if one of them is empty.

    Where both are of one source and every guarantee is kept, `differs` or `refuted` says so in at most 1 of 100 cases.

    Args:
        held_out: answers about images that were held out from training.
        test: answers about the test images.
        names: of the strata: the classes, perhaps one more for images without any.
        looks: features of images of both; None where there are none.
        held: what the test says of each guarantee.
        seed: of what is drawn at random.
    """
    if not len(held_out.is_correct) or not len(test.is_correct):
        return None
    random = np.random.default_rng([seed, 17])
    is_correct = np.concatenate([held_out.is_correct, test.is_correct])
    is_test = np.repeat([False, True], [len(held_out.is_correct), len(test.is_correct)])
    strata = np.concatenate([held_out.strata, test.strata])
    groups = number_groups([*held_out.groups, *test.groups])
    chance = lower_by_chance(is_correct, is_test, strata=strata, groups=groups, random=random)
    apart = None if looks is None else _tell_apart(looks, random)
    tests, least = [chance, 1.0 if apart is None else apart.p_value], [0.0, 1.0 if apart is None else 1 / (DRAWS + 1)]
    is_lower, is_apart = shown_together(tests, least, chance=CHANCE / 2).tolist()
    is_apart = is_apart and apart is not None and apart.area >= CLEARLY_APART
    return ComparedParts(
        everything=_shares("", is_correct, is_test, is_lower=is_lower),
        p_value=chance,
        classes=_by_class(is_correct, is_test, strata, groups, names, wanted=is_lower, random=random),
        apart=apart,
        is_apart=is_apart,
        loudest=_loudest(looks, apart) if looks is not None and apart is not None and is_apart else (),
        refuted=choose_refuted(held, chance=CHANCE if is_lower or is_apart else CHANCE / 2),
    )


def _tell_apart(looks: Looks, random: np.random.Generator) -> Apartness | None:
    return tell_apart(
        looks.features, looks.is_test, strata=looks.strata, groups=number_groups(looks.groups), random=random
    )


def _loudest(looks: Looks, apart: Apartness) -> tuple[str, ...]:
    """The test images that look least like the training images."""
    rows = np.flatnonzero(looks.is_test)
    order = rows[np.argsort(-apart.loudness[rows], kind="stable")]
    return tuple(looks.paths[row] for row in order[:MOST_LOUD].tolist())


def _shares(name: str, is_correct: Mask, is_test: Mask, *, is_lower: bool) -> SharesOfClass:
    held_out, test = (
        ShareOf(value=float(is_correct[part].mean()), image_count=int(part.sum())) for part in (~is_test, is_test)
    )
    return SharesOfClass(name=name, held_out=held_out, test=test, is_lower=is_lower)


def _by_class(
    is_correct: Mask,
    is_test: Mask,
    strata: Counts,
    groups: Counts,
    names: Sequence[str],
    *,
    wanted: bool,
    random: np.random.Generator,
) -> tuple[SharesOfClass, ...]:
    """Each class by itself; which are lower is asked only where all together are."""
    both = [one for one in np.unique(strata).tolist() if len(np.unique(is_test[strata == one])) == 2]
    chances = [1.0] * len(both)
    if wanted:
        masks = [strata == one for one in both]
        chances = [
            lower_by_chance(is_correct[mask], is_test[mask], strata=strata[mask], groups=groups[mask], random=random)
            for mask in masks
        ]
    shown = shown_together(chances, [0.0] * len(both), chance=CHANCE).tolist() if both else []
    found = [
        _shares(names[one], is_correct[strata == one], is_test[strata == one], is_lower=is_lower)
        for one, is_lower in zip(both, shown, strict=True)
    ]
    return tuple(sorted(found, key=lambda one: one.test.value - one.held_out.value))
