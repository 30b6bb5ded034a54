"""Would more images help? How errors fall with the number of images, by heads on their features."""

from collections.abc import Sequence
from dataclasses import asdict

from vidi.evaluation.sections import GainOfClass, LearningFigures
from vidi.groups import number_groups
from vidi.metrics.learning_curve import LearningCurve, draw_learning_curve
from vidi.metrics.truth import OneClass
from vidi.model_file.values import as_plain, from_plain
from vidi.report.words.sentences import more_images
from vidi.training.heads.subsamples import errors_by_size, reduce_features
from vidi.workflows.run.budget import Session
from vidi.workflows.run.learning.backbones import groups_of
from vidi.workflows.run.learning.features import Features
from vidi.workflows.run.learning.label_errors import keep_study
from vidi.workflows.run.prepare import SplitImages

CURVE = "learning_curve"  # its place in study.json and metrics.json


def study_learning(
    session: Session, images: SplitImages, features: Features, truth: OneClass, *, strength: float
) -> None:
    """Measure how errors fall with the number of images, and say what twice as many would bring."""
    labels, classes = truth.labels, images.dataset.classes
    groups = number_groups(groups_of(images, features.rows))
    measured = errors_by_size(
        reduce_features(features.values),
        labels,
        groups=groups,
        fold_of=features.fold_of,
        class_count=len(classes),
        strength=strength,
        seed=0,
    )
    if measured is None:
        return
    curve = draw_learning_curve(
        measured.counts,
        measured.wrong,
        labels[measured.held_out],
        groups=groups[measured.held_out],
        class_count=len(classes),
        images=len(labels),
    )
    found = _figures(curve, classes, features_of=features.weights, held_out=len(measured.held_out))
    keep_study(session.folder, {CURVE: as_plain(found)})
    session.events.say(more_images(found))


def _figures(curve: LearningCurve, classes: Sequence[str], *, features_of: str, held_out: int) -> LearningFigures:
    gains = zip(classes, curve.per_class, strict=True)
    return LearningFigures(
        features_of=features_of,
        held_out=held_out,
        images=curve.images,
        counts=curve.counts,
        errors=curve.errors,
        law=curve.law,
        gain=curve.gain,
        per_class=tuple(from_plain(GainOfClass, {"class": name, **asdict(one)}) for name, one in gains if one),
        reach=curve.reach,
    )
