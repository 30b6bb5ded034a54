"""What a model file knows: its calibration, what is guaranteed of answers, and its reference for later traffic."""

from collections.abc import Mapping

from vidi.evaluation.guarantees.calibrate import CalibratedAnswers
from vidi.files import escape_path
from vidi.metrics.affine import LEAST_GROUPS
from vidi.metrics.conformal import images_for_coverage
from vidi.metrics.multi_label import EVEN, LEAST_FOR_F1
from vidi.metrics.selective import images_for_error
from vidi.model_file.drift_reference import DriftReference, ReferenceEmbeddings
from vidi.model_file.limits import ALL_CLASSES, ClassPoint, OperatingPoints, VerdictLimits
from vidi.model_file.metadata import Calibration
from vidi.numbers import count_of, odds, percent, short_percent
from vidi.prediction.words import why_never_sure

MOST_DESCRIBED = 10  # classes; the rest stand in the model file
ESTIMATED = "estimated: "  # by trainings on parts of the images, not by the model itself


def describe_calibration(done: CalibratedAnswers) -> tuple[str, ...]:
    """How the logits are scaled, what is guaranteed, and from which probability a class is predicted."""
    points = () if done.points is None else describe_points(done.points)
    return describe_step(done.step), *describe_limits(done.limits), *points


def describe_step(calibration: Calibration) -> str:
    """The calibration step, and what it was chosen among.

    >>> tried = {"log_losses": {"none": 0.5, "temperature": 0.4}}
    >>> describe_step(Calibration(method="temperature", scale=(0.8,), image_count=90, figures=tried))
    'temperature 1.250 (held-out log loss: temperature 0.4000, uncalibrated 0.5000)'
    """
    losses = calibration.figures.get("log_losses")
    if not isinstance(losses, Mapping) or not losses:
        images = count_of(calibration.image_count, "calibration image")
        return f"not calibrated: {images}, fewer than {LEAST_GROUPS} independent ones"
    method = calibration.method
    chosen = "the network's own probabilities are best" if method == "none" else method
    if method == "temperature":
        chosen = f"temperature {1 / calibration.scale[0]:.3f}"
    tried = [
        f"{'uncalibrated' if name == 'none' else name} {loss:.4f}"
        for name, loss in sorted(losses.items(), key=lambda item: item[0] != method)
    ]
    return f"{chosen} (held-out log loss: {', '.join(tried)})"


def describe_limits(limits: VerdictLimits) -> tuple[str, ...]:
    """What is guaranteed of sure answers and of candidates, and what is called unknown."""
    word = "" if limits.basis == "calibration" else ESTIMATED
    guaranteed = (word + _describe_sure(limits), word + _describe_candidates(limits))
    if limits.novelty is None or limits.novelty_share is None:
        return guaranteed
    share = odds(limits.novelty_share)
    return *guaranteed, f"unknown: strange images; of images like the held-out ones, about {share} are called so"


def _describe_sure(limits: VerdictLimits) -> str:
    about = " in any class" if limits.ranking == ALL_CLASSES else ""
    most = short_percent(limits.max_error)
    if limits.sure is not None and limits.error_bound is not None:
        wrong = f"{limits.sure_errors:,} of {limits.sure_images:,} {'was' if limits.sure_errors == 1 else 'were'} wrong"
        return (
            f"sure answers ({percent(limits.sure_images / limits.image_count)} of {limits.image_count:,} images): "
            f"at most {most} wrong{about}, with {percent(limits.level)} certainty; here {wrong}"
        )
    return why_never_sure(limits)


def _describe_candidates(limits: VerdictLimits) -> str:
    coverage = short_percent(limits.coverage)
    truth = "all classes of an image are" if limits.ranking == ALL_CLASSES else "the true class is"
    if limits.candidate is None:
        return (
            f"no candidates beside the answer: {coverage} coverage needs {images_for_coverage(limits.coverage):,} "
            f"calibration images; there are {limits.image_count:,}"
        )
    return (
        f"candidates (classes with a probability of at least {percent(limits.candidate, digits=1)}): {truth} among "
        f"them in at least {coverage} of cases"
    )


def describe_points(points: OperatingPoints) -> tuple[str, ...]:
    """From which probability each class is predicted, what is guaranteed, and what a guarantee would need."""
    word = "" if points.basis == "calibration" else ESTIMATED
    if points.costs is not None:
        return (
            f"{word}answers are chosen by cost: {points.mean_cost:.4g} per image on average, on "
            f"{points.image_count:,} images",
        )
    shown = [word + _describe_point(point, points) for point in points.points[:MOST_DESCRIBED]]
    more = len(points.points) - len(shown)
    return (*shown, f"and {more:,} more classes have thresholds of their own") if more > 0 else tuple(shown)


def _describe_point(point: ClassPoint, points: OperatingPoints) -> str:
    """One class's threshold and its guarantee."""
    name = escape_path(point.name)
    if point.threshold is None:
        return f"{name} is never predicted: {_missing(point, points)}"
    seen = (
        f"here {point.found:,} of {count_of(point.image_count, 'image')} found, "
        f"{point.alarms:,} of {point.other_count:,} others false alarms"
    )
    start = f"{name} is predicted from {_probability(point.threshold)}"
    if points.measure == "f1" and point.image_count < LEAST_FOR_F1:
        if point.threshold != EVEN:
            return (
                f"{start}, one threshold for all classes with few images (best F1): its own threshold needs "
                f"{LEAST_FOR_F1} images; {seen}"
            )
        return f"{start}: a better threshold needs {LEAST_FOR_F1} images; {seen}"
    if points.measure == "f1":
        return f"{start} (best F1); {seen}"
    if point.is_promised:
        return (
            f"{start}: {describe_target(points.measure, points.share)}, with {percent(points.level)} certainty; {seen}"
        )
    return f"{start}, but {_missing(point, points)}; {seen}"


def describe_target(measure: str, share: float | None) -> str:
    """The target of an operating point, in words.

    >>> describe_target("recall", 0.99), describe_target("false-alarms", 0.001)
    ('recall of at least 99 %', 'at most 1 false alarm in 1,000 images of other classes')
    """
    if share is None:
        return "best F1" if measure == "f1" else "lowest cost"
    if measure == "false-alarms":
        return f"at most 1 false alarm in {1 / share:,.0f} images of other classes"
    return f"{measure} of at least {short_percent(share)}"


def _missing(point: ClassPoint, points: OperatingPoints) -> str:
    """Why a target cannot be guaranteed, and how many images that needs."""
    share = points.share or 0.0
    no = f"{describe_target(points.measure, points.share)} cannot be guaranteed"
    if points.measure == "false-alarms":
        needed, there, kind = images_for_error(share, level=points.level), point.other_count, "images of other classes"
    else:
        needed, there, kind = images_for_error(1 - share, level=points.level), point.image_count, "images of it"
    if there >= needed and points.measure == "precision":
        return f"{no}: on these images the model is wrong too often"
    known = "" if point.bound is None else f" (only {_bound(point.bound, points)})"
    short = f"there are {there:,}" if there < needed else "these form fewer groups"
    return f"{no}{known}: that needs {needed:,} independent {kind}; {short}"


def _bound(bound: float, points: OperatingPoints) -> str:
    if points.measure == "false-alarms":
        return f"at most 1 in {1 / bound:,.0f}" if bound > 0 else "none"
    return f"at least {short_percent(bound)}"


def _probability(value: float) -> str:
    """A threshold; very small and very large ones with the digits that tell them from 0 and 1.

    >>> _probability(0.1234), _probability(0.00004321), _probability(0.99997)
    ('12.3 %', '0.00432 %', '99.997 %')
    """
    if value > 0.995:
        return f"{100 - float(f'{100 * (1 - value):.2g}'):.10g} %"
    return f"{100 * value:.3g} %"


def lacking_reference(reference: DriftReference | None) -> tuple[str, ...]:
    """What is missing for noticing drift later, in sentences; none if nothing is.

    >>> lacking_reference(None)
    ('no drift reference: fewer than 20 held-out answers',)
    """
    if reference is None:
        return ("no drift reference: fewer than 20 held-out answers",)
    if reference.images is None:
        return ("the drift reference holds answers alone: fewer than 20 images were kept from training",)
    return ()


def describe_reference(reference: DriftReference | None, *, byte_count: int) -> str:
    """The reference in one line."""
    if reference is None:
        return "no reference"
    parts = [f"{count_of(reference.answer_count, 'held-out answer')} ({reference.basis})"]
    if reference.images is None:
        parts.append("no images")
    else:
        parts.append(count_of(reference.images.image_count, f"{reference.images.part} image"))
        parts.append(_describe_embeddings(reference.images.embeddings))
    if reference.novelty is None:
        parts.append("no novelty")
    return f"{', '.join(parts)}; {-(-byte_count // 1000):,} kB"


def _describe_embeddings(embeddings: ReferenceEmbeddings | None) -> str:
    if embeddings is None:
        return "no embeddings"
    axes = count_of(embeddings.component_count, "component")
    summed = "" if embeddings.summed is None else f", {embeddings.summed.shift.image_count:,} summed up"
    return f"{count_of(embeddings.image_count, 'embedding')} on {axes}{summed}"
