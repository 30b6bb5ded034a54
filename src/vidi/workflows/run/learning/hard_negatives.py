"""Hard negatives: false alarms on photographs without any class are added to the background class."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from vidi.detection.locate import LEAST_PROBABILITY, Located, WindowSearch, cut_out, locate
from vidi.detection.slide import open_windows
from vidi.files import write_atomic
from vidi.images.framing import Framing
from vidi.model_file.metadata import ModelMetadata
from vidi.model_file.write import write_model
from vidi.networks.layers import Classifier
from vidi.networks.pretrained.weights import set_head
from vidi.networks.to_onnx import to_onnx
from vidi.prediction.predictor import Predictor
from vidi.training.data import class_weights
from vidi.training.heads.features import embed_images
from vidi.training.heads.linear import LinearHead, fit_one_head
from vidi.training.heads.transfer import Head
from vidi.training.trained import OutOfFoldAnswers, TrainedNetwork
from vidi.workflows.interaction.events import Events
from vidi.workflows.locating import class_of_nothing

MOST_ROUNDS = 6
KEPT_ASIDE = 5  # one photograph in this many is held out, to decide when to stop …
ENOUGH_TO_KEEP_ASIDE = 20  # … where there are so many
FIRES = 0.1  # probability from which on a window is used for training
MOST_WINDOWS = 20  # of one photograph and class in one round
MOST_IN_VAIN = 2  # rounds that do not lower the false alarms
MINED = "mined.json"

Images = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class MiningRound:
    """What one round of mining found."""

    windows: int  # learned as background so far
    false_alarms: float  # boxes for each photograph that was kept aside, of at least even odds, after the round


def learn_background(
    folder: Path,
    trained: TrainedNetwork,
    head: Head,
    photographs: Sequence[Images],
    *,
    metadata: ModelMetadata,
    events: Events,
) -> TrainedNetwork:
    """Train the head again with its false alarms on empty photographs.

    Round by round, windows that fire become images of the class that means that nothing is there, until this lowers
    the false alarms on photographs kept aside no further; the best round is kept.

    Args:
        folder: of the run; its `mined.json` says what was found.
        photographs: (height, width, 3) uint8 each; they show none of the classes.
    """
    nothing = class_of_nothing(head.data.classes)
    is_aside = np.zeros(len(photographs), bool)
    if len(photographs) >= ENOUGH_TO_KEEP_ASIDE:
        is_aside[::KEPT_ASIDE] = True
    searched = [image for image, kept in zip(photographs, is_aside, strict=True) if not kept]
    aside = [image for image, kept in zip(photographs, is_aside, strict=True) if kept]
    wanted = tuple(index for index in range(head.data.class_count) if index != nothing)
    mined = np.empty((0, head.features.shape[1]), np.float32)
    predictor = _as_predictor(folder, metadata, trained)
    fired = _firing(predictor, searched, wanted)
    rounds = [MiningRound(windows=0, false_alarms=_false_alarms(predictor, aside, fired, wanted))]
    best, in_vain = trained, 0
    while len(rounds) <= MOST_ROUNDS and in_vain < MOST_IN_VAIN and any(map(len, fired)):
        windows = _cut_out(searched, fired, predictor.metadata.framing)
        features = embed_images(
            head.network,
            windows,
            np.arange(len(windows)),
            normalisation=trained.normalisation,
            engine=trained.recipe.execution.features,
        )
        mined = np.concatenate([mined, features])
        candidate = _with_background(trained, head, mined, nothing=nothing)
        predictor = _as_predictor(folder, metadata, candidate)
        fired = _firing(predictor, searched, wanted)
        rounds.append(MiningRound(windows=len(mined), false_alarms=_false_alarms(predictor, aside, fired, wanted)))
        number, found = len(rounds) - 1, rounds[-1].false_alarms
        events.say(f"backgrounds, round {number}: {found:.2f} false boxes per photograph")
        is_better = rounds[-1].false_alarms <= min(one.false_alarms for one in rounds[:-1])
        best, in_vain = (candidate, 0) if is_better else (best, in_vain + 1)
    write_atomic(folder / MINED, json.dumps({"rounds": [asdict(one) for one in rounds]}, indent=1) + "\n")
    kept = min(reversed(rounds), key=lambda one: one.false_alarms)
    before, after = rounds[0].false_alarms, kept.false_alarms
    where = f"{len(aside):,} held-out photographs" if aside else "the same photographs"
    events.say(
        f"backgrounds: {before:.2f} false boxes per photograph before, {after:.2f} after, on {where}; "
        f"trained on {kept.windows:,} windows of {len(searched):,} photographs"
    )
    return best


def _as_predictor(folder: Path, metadata: ModelMetadata, trained: TrainedNetwork) -> Predictor:
    """The network as a model file, which is gone again when it is loaded."""
    path = folder / ".mining.onnx"
    try:
        write_model(path, to_onnx(trained.network, trained.recipe.image_size), metadata)
        return Predictor.load(path)
    finally:
        path.unlink(missing_ok=True)


def _firing(predictor: Predictor, images: Sequence[NDArray[np.uint8]], wanted: tuple[int, ...]) -> list[list[Located]]:
    """For each image what is called one of the classes with some probability, the likeliest."""
    model, search = open_windows(predictor), WindowSearch(classes=wanted, least=FIRES, most=MOST_WINDOWS)
    return [locate(image, model, predictor, search) for image in images]


def _cut_out(images: Sequence[NDArray[np.uint8]], fired: Sequence[Sequence[Located]], framing: Framing) -> Images:
    """(windows, height, width, 3) framed, of all images."""
    return np.stack(
        [cut_out(image, np.array(one.box), framing) for image, some in zip(images, fired, strict=True) for one in some]
    )


def _false_alarms(
    predictor: Predictor,
    aside: Sequence[NDArray[np.uint8]],
    fired: Sequence[Sequence[Located]],
    wanted: tuple[int, ...],
) -> float:
    """Boxes of at least the usual probability for each image kept aside; where none is, for each searched."""
    judged = _firing(predictor, aside, wanted) if aside else fired
    return sum(one.score >= LEAST_PROBABILITY for some in judged for one in some) / max(1, len(judged))


def _with_background(
    trained: TrainedNetwork, head: Head, mined: NDArray[np.float32], *, nothing: int
) -> TrainedNetwork:
    """The network with a head that knows windows of backgrounds, and what such heads say of data held out."""
    fitted = _fit(head, np.ones(len(head.rows), bool), mined, nothing=nothing)
    with_head = replace_head(trained.single, fitted)
    held_out = head.fold_of >= 0
    logits = np.zeros((len(head.rows), head.data.class_count))
    for fold in np.unique(head.fold_of[held_out]):
        unseen = head.fold_of == fold
        logits[unseen] = _fit(head, ~unseen, mined, nothing=nothing).logits(head.features[unseen])
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
    return replace(
        trained,
        network=with_head,
        held_out=OutOfFoldAnswers(
            rows=head.rows[held_out], probabilities=probabilities[held_out], features=head.features[held_out]
        ),
    )


def replace_head(network: Classifier, head: LinearHead) -> Classifier:
    """The same layers with a head of their own; the given network keeps its head."""
    other = Classifier(network.layers, torch.nn.Linear(network.head.in_features, network.head.out_features))
    other.both_ways = network.both_ways
    set_head(other, torch.from_numpy(head.weight), torch.from_numpy(head.bias))
    return other.eval().requires_grad_(False)


def _fit(head: Head, known: NDArray[np.bool_], mined: NDArray[np.float32], *, nothing: int) -> LinearHead:
    """A head for some of the data and all windows of backgrounds."""
    rows = head.rows[known]
    labels = head.data.strata[rows]
    weights = class_weights(labels, head.data.class_count, kind=head.weighting)[labels] * head.data.weights_of(rows)
    return fit_one_head(
        np.concatenate([head.features[known], mined]),
        np.concatenate([labels, np.full(len(mined), nothing)]),
        head.best,
        class_count=head.data.class_count,
        weights=np.concatenate([weights, np.ones(len(mined))]),
    )
