"""Sentences about test images that differ from the training images, or refute a guarantee."""

from collections.abc import Sequence

from vidi.evaluation.document import Metrics
from vidi.evaluation.guarantees.refuted import RefutedGuarantee
from vidi.evaluation.sections import PartsFigures, SharesOfClass
from vidi.numbers import short_percent
from vidi.report.pages.render import percent, visible

MOST_CLASSES = 4  # named in a sentence; the report has a table of all
SMALLEST_CHANCE = 0.0001  # said as "less than"
WHAT_TO_DO = (
    "What to do: give images of one source (patient, place, camera) one value in the table's column “group”, so that "
    "vidi keeps them in one part. Or take the test images from the source of the training images. Or train on images "
    "of the new source too. More images of the same kind will not close the gap."
)


def differing(metrics: Metrics) -> PartsFigures | None:
    """What is known of the two parts where they differ; else None."""
    parts = metrics.two_parts
    return parts if parts is not None and parts.differs else None


def differing_headline(parts: PartsFigures) -> str:
    """The first line where the parts differ.

    Args:
        parts: of `differing`.
    """
    held_out, test = parts.accuracy.held_out, parts.accuracy.test
    return (
        f"The test images differ from the training images: accuracy {percent(test.value, digits=1)} on "
        f"{test.image_count:,} test images, {percent(held_out.value, digits=1)} on {held_out.image_count:,} held-out "
        "training images."
    )


def differing_details(parts: PartsFigures) -> tuple[str, ...]:
    """The size of the difference, the classes, the evidence, and what to do.

    Args:
        parts: of `differing`.
    """
    accuracy, features, sentences = parts.accuracy, parts.features, []
    if accuracy.is_lower:
        p_value = accuracy.p_value or 0.0
        chance = max(p_value, SMALLEST_CHANCE)
        less = "less than " if p_value < SMALLEST_CHANCE else ""
        sentences.append(
            f"Class by class, chance alone gives so low an accuracy in {less}{1e4 * chance:.0f} of 10,000 cases."
        )
        sentences += _lowest(parts.classes)
    else:
        sentences.append("The difference in accuracy may be chance.")
    if features is not None and features.is_apart:
        sentences.append(
            f"Features alone separate test images from training images: AUC {features.area:.2f}, by chance at most "
            f"{features.by_chance:.2f}. The report shows the test images least like the training images."
        )
    elif features is not None:
        sentences.append(
            f"Features do not separate the two (AUC {features.area:.2f}; chance gives at most "
            f"{features.by_chance:.2f}), so look at the labels and at the difficulty of the images."
        )
    return (*sentences, WHAT_TO_DO)


def _lowest(classes: Sequence[SharesOfClass]) -> list[str]:
    lower = [one for one in classes if one.is_lower]
    if not lower:
        return ["No single class is lower beyond chance."]
    named = ", ".join(
        f"“{visible(one.name)}” {percent(one.test.value)} (held out {percent(one.held_out.value)})"
        for one in lower[:MOST_CLASSES]
    )
    more = f", and {len(lower) - MOST_CLASSES:,} more" if len(lower) > MOST_CLASSES else ""
    return [f"Lower beyond chance: {named}{more}."]


def refutations(metrics: Metrics) -> tuple[str, ...]:
    """A sentence for each guarantee that the test images refute."""
    return tuple(_refutation(one) for one in metrics.trust.refuted)


def _refutation(one: RefutedGuarantee) -> str:
    """One guarantee that does not hold, and what was measured instead."""
    stated, measured = short_percent(one.guaranteed), percent(one.measured, digits=1)
    name, images = f"“{visible(one.name)}”", f"test image{'' if one.image_count == 1 else 's'}"
    match one.kind:
        case "sure":
            what = f"at most {stated} of sure answers are wrong"
            images = f"sure answers to {images}"
        case "candidates":
            what = f"the true class is among the candidates in at least {stated} of cases"
        case "recall":
            what, images = f"recall of at least {stated} for {name}", f"{images} of it"
        case "precision":
            what, images = f"precision of at least {stated} for {name}", f"{images} predicted so"
        case _:
            what = f"at most 1 false alarm for {name} in {1 / one.guaranteed:,.0f} images of other classes"
            images = f"such {images}"
    return f"Refuted by the test: {what}. Measured: {measured} (of {one.image_count:,} {images})."
