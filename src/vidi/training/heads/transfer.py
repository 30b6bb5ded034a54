"""Transfer learning's first stage: a network that was trained on other images, and a new linear head."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from vidi.groups import split_folds
from vidi.metrics.truth import SeveralClasses, Truth
from vidi.networks.layers import Classifier, average_colour_filters
from vidi.networks.options import NetworkOptions
from vidi.networks.pretrained.read import read_pretrained
from vidi.networks.pretrained.weights import PretrainedWeights, set_head, with_weights
from vidi.numbers import percent
from vidi.training.data import TrainingData, class_weights, is_grey
from vidi.training.defaults import weigh_classes
from vidi.training.heads.features import TRIAL_IMAGES, choose_feature_engine, embed_images
from vidi.training.heads.linear import QUICK, ChosenHead, HeadTrial, LinearHead, choose_head, fit_one_head
from vidi.training.heads.one_vs_rest import QUICK_STRENGTHS, choose_one_vs_rest, fit_one_vs_rest
from vidi.training.loop.objective import normalisation_for
from vidi.training.recipe import MEASURED, Recipe
from vidi.training.trained import OutOfFoldAnswers, TrainedNetwork

TRIAL_STRENGTHS = (1_000.0, 300.0, 100.0)  # of a multinomial head


def frozen_backbone(
    weights: PretrainedWeights,
    data: TrainingData,
    *,
    image_size: tuple[int, int],
    options: NetworkOptions | None = None,
) -> Classifier:
    """The network whose features are computed; it sees colour images as grey where all training images are."""
    network = with_weights(weights, image_size=image_size, class_count=data.class_count, options=options)
    network.eval().requires_grad_(False)
    # Only where its normalisation has one number for the three channels are grey's three channels equal still.
    if weights.normalisation != "imagenet" and is_grey(data.images, data.train_rows):
        average_colour_filters(network)
    return network


def learn_head(
    features: NDArray[np.float32],
    rows: NDArray[np.int64],
    data: TrainingData,
    recipe: Recipe,
    *,
    fold_of: NDArray[np.int64],
    in_haste: bool = False,
) -> tuple[ChosenHead, Recipe]:
    """The head that does best in cross-validation, and the recipe with what was chosen.

    Args:
        features: (rows, features) float32, of the images that may be used for training.
        rows: (rows,) which images they are of.
        data: the labels, the train and validation parts, and as how many images each counts: heads are fitted on
            these, and scored on all, where each counts once.
        recipe: `class_weights`, and `head` and `head_strength` where the user set them, are followed.
        fold_of: (rows,) the fold in which each image is held out; -1 = in none.
    """
    truth = data.truth.at(rows)
    weights = np.isin(rows, [*data.train_rows, *data.validation_rows]) * data.weights_of(rows)
    if isinstance(truth, SeveralClasses):
        few = (recipe.head_strength,) if recipe.head_strength else QUICK_STRENGTHS if in_haste else ()
        several = choose_one_vs_rest(features, truth.shown, fold_of=fold_of, weights=weights, strengths=few)
        return several, _with_choice(recipe, several, fold_of)
    labels = truth.labels
    learned = labels[weights > 0]
    recipe = weigh_classes(recipe, np.bincount(learned, minlength=data.class_count).tolist())
    weights *= class_weights(learned, data.class_count, kind=recipe.optimization.class_weights)[labels]
    kinds, strengths = QUICK if in_haste else ((), ())
    if recipe.head != "trained":
        kinds, strengths = (recipe.head,), (recipe.head_strength,) if recipe.head_strength else ()
    chosen = choose_head(
        features,
        labels,
        fold_of=fold_of,
        class_count=data.class_count,
        weights=weights,
        kinds=kinds,
        strengths=strengths,
    )
    return chosen, _with_choice(recipe, chosen, fold_of)


def try_heads(features: NDArray[np.float32], truth: Truth, *, fold_of: NDArray[np.int64]) -> ChosenHead:
    """The best of a few heads in cross-validation: enough to compare networks by, or to find label errors.

    Args:
        features: (images, features) float32.
        fold_of: (images,) the fold in which each image is held out; -1 = in none.
    """
    if isinstance(truth, SeveralClasses):
        return choose_one_vs_rest(features, truth.shown, fold_of=fold_of, strengths=QUICK_STRENGTHS)
    return choose_head(
        features,
        truth.labels,
        fold_of=fold_of,
        class_count=truth.class_count,
        kinds=("multinomial",),
        strengths=TRIAL_STRENGTHS,
    )


def _with_choice(recipe: Recipe, chosen: ChosenHead, fold_of: NDArray[np.int64]) -> Recipe:
    """The recipe with the head that was chosen."""
    folds = len(np.unique(fold_of[fold_of >= 0]))
    if not folds:
        source = "default: too few classes have two images to compare heads by"
        return recipe.changed({"head": chosen.best.kind, "head_strength": chosen.best.strength}, source=source)
    source = (
        f"{MEASURED} log loss {chosen.best.log_loss:.4f}, accuracy {percent(chosen.best.accuracy, digits=1)} on "
        f"{len(chosen.held_out):,} images held out in {folds} folds"
    )
    return recipe.changed({"head": chosen.best.kind, "head_strength": chosen.best.strength}, source=source)


def fit_again(
    features: NDArray[np.float32],
    rows: NDArray[np.int64],
    data: TrainingData,
    best: HeadTrial,
    *,
    weighting: str = "none",
) -> LinearHead:
    """A head of the kind and strength that were chosen, on some of the images.

    Args:
        features: (rows, features) float32.
        rows: which images they are of; all are used for training.
        weighting: as the recipe's `class_weights`; where images may show several classes, all classes count the same.
    """
    truth = data.truth.at(rows)
    if isinstance(truth, SeveralClasses):
        with threadpool_limits(1):
            return fit_one_vs_rest(features, truth.shown, data.weights_of(rows), (best.strength,))[0]
    labels = truth.labels
    weights = class_weights(labels, data.class_count, kind=weighting)[labels] * data.weights_of(rows)
    return fit_one_head(features, labels, best, class_count=data.class_count, weights=weights)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Head:
    """Everything that a head is fitted from, to fit it again on fewer or more images."""

    network: Classifier
    features: NDArray[np.float32]  # (rows, features)
    rows: NDArray[np.int64]
    data: TrainingData
    fold_of: NDArray[np.int64]
    best: HeadTrial  # kind and strength
    weighting: str  # of the classes

    def fitted_on(self, known: NDArray[np.bool_]) -> LinearHead:
        """Fit a head of the same kind on some of the images, (rows,) bool."""
        return fit_again(self.features[known], self.rows[known], self.data, self.best, weighting=self.weighting)


def with_head(
    backbone: Classifier,
    chosen: ChosenHead,
    features: NDArray[np.float32],
    rows: NDArray[np.int64],
    *,
    data: TrainingData,
    recipe: Recipe,
    license: str,
) -> TrainedNetwork:
    """The finished network of the first stage.

    Args:
        backbone: of `frozen_backbone`; it gets the head.
        features: (rows, features) float32, of the images that the head was fitted on.
    """
    set_head(backbone, torch.from_numpy(chosen.head.weight), torch.from_numpy(chosen.head.bias))
    return TrainedNetwork(
        network=backbone,
        recipe=replace(recipe, freeze=True),
        normalisation=normalisation_for(recipe, data),
        history=(),
        best_epoch=0,
        finished=True,
        stopped_by="plan",
        notes=(),
        weights_license=license,
        held_out=OutOfFoldAnswers(
            rows=rows[chosen.held_out], probabilities=chosen.probabilities, features=features[chosen.held_out]
        ),
    )


def train_on_features(
    data: TrainingData,
    recipe: Recipe,
    *,
    in_haste: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> TrainedNetwork:
    """The recipe's pretrained network with the head that does best in cross-validation on the images to learn from.

    Args:
        data: framed images, labels, groups, and the train and validation parts; both are used for training.
        on_progress: called with the images whose features are computed, and with all.

    Raises:
        UsageError: the network does not take images of that size.
    """
    weights = read_pretrained(recipe.pretrained)
    network = frozen_backbone(weights, data, image_size=recipe.image_size, options=recipe.options)
    normalisation = normalisation_for(recipe, data)
    rows = np.sort(np.concatenate([data.train_rows, data.validation_rows]))
    if not recipe.execution.features:
        some = np.ascontiguousarray(data.images[rows[:TRIAL_IMAGES]])
        engine, reason = choose_feature_engine(network, some, normalisation, image_count=len(rows))
        recipe = recipe.changed({"features": engine}, source=f"{MEASURED} {reason}")
    features = embed_images(
        network,
        data.images,
        rows,
        normalisation=normalisation,
        engine=recipe.execution.features,
        on_progress=on_progress,
    )
    fold_of = split_folds(data.groups_of(rows), labels=data.truth.strata[rows], seed=recipe.seed)
    chosen, recipe = learn_head(features, rows, data, recipe, fold_of=fold_of, in_haste=in_haste)
    return with_head(network, chosen, features, rows, data=data, recipe=recipe, license=weights.license)
