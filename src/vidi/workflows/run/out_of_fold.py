"""Answers about images that were learned from, by networks of the same recipe that had not seen them."""

import shutil
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vidi.evaluation.run_files import LABEL_ERRORS
from vidi.groups import split_learnable_folds
from vidi.model_file.write import model_bytes
from vidi.networks.to_onnx import to_onnx
from vidi.prediction.predictor import Predictor, run_pixels
from vidi.training.loop.progress import Listener
from vidi.training.train import train_network
from vidi.workflows.run.budget import Session
from vidi.workflows.run.describe import describe_data, describe_model
from vidi.workflows.run.known import Distances, Outliers, embed_known, not_trained_on
from vidi.workflows.run.learning.label_errors import study_labels
from vidi.workflows.run.learning.learn import LearnedModel


def answer_out_of_fold(
    session: Session, learned: LearnedModel, outliers: Outliers
) -> tuple[NDArray[np.int64], NDArray[np.float32], Distances] | None:
    """Train and validation images, with answers and distances by networks of the same recipe that had not seen them."""
    data, images, trained = learned.data, learned.images, learned.trained
    should_stop, place = session.should_stop, session.folder / "folds"
    # Answers are calibrated on whatever there is; only learning leaves likely label errors out.
    rows = np.sort(np.concatenate([data.train_rows, data.validation_rows, data.left_out]))
    if has_seen(learned, rows):
        data = replace(data, start=None)  # those weights have seen the images that a fold holds out
    seed, taken = trained.recipe.seed, sum(row.seconds for row in trained.history)
    folds_wanted = session.budget.fold_count(seconds=taken)
    fold_of = split_learnable_folds(data.groups_of(rows), labels=data.strata[rows], folds=folds_wanted, seed=seed)
    folds = np.unique(fold_of[fold_of >= 0]).tolist()
    if folds:
        session.events.say(
            f"calibration: {len(folds)} more trainings, each with a part of the {len(rows):,} images held out"
        )
    probabilities, distances = np.zeros((len(rows), data.class_count), np.float32), np.zeros((2, len(rows)))
    epochs = max(1, len(trained.history))  # not more, even if there is time
    for number, fold in enumerate(folds):
        held_out = fold_of == fold
        trained_rows = np.setdiff1d(rows[~held_out], data.left_out)
        network = train_network(
            replace(data, train_rows=trained_rows, validation_rows=rows[:0]),
            trained.recipe.changed({"epochs": epochs}, source="as many as the network was trained for"),
            folder=place,
            deadline=session.budget.fold_until(folds=len(folds) - number),
            listener=Listener(progress=session.events.training),
            should_stop=should_stop,
        )
        if should_stop():
            shutil.rmtree(place)
            return None
        metadata = describe_model(images, network, run=f"fold {number + 1}", unfinished="made for calibration only")
        predictor = Predictor.from_bytes(model_bytes(to_onnx(network.network, network.recipe.image_size), metadata))
        given = run_pixels(predictor, images.pixels, rows[held_out], ("probabilities", "embedding"))
        probabilities[held_out] = given["probabilities"]
        known = embed_known(predictor, images, trained_rows, head=network.own_head())
        score = outliers.known_to(known.score, outliers.seen_by(predictor))
        distances[:, held_out] = score.both(given["embedding"])
        shutil.rmtree(place)
    answered = fold_of >= 0
    rows, probabilities = rows[answered], probabilities[answered]
    if len(rows) and not (session.folder / LABEL_ERRORS).exists():
        study_labels(session.folder, images, rows, probabilities, drop_suspects=False, events=session.events)
    return rows, probabilities, (distances[0, answered], distances[1, answered])


def has_seen(learned: LearnedModel, rows: NDArray[np.int64]) -> bool:
    """Whether the weights that the run starts from have seen any of these images."""
    if learned.start is None:
        return False
    is_same = learned.start.data_digest == describe_data(learned.images)["digest"]
    return is_same or not bool(not_trained_on(learned, rows).all())
