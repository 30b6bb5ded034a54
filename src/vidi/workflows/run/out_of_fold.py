"""Answers about images that were learned from, by networks of the same recipe that had not seen them."""

import shutil
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vidi.evaluation.run_files import LABEL_ERRORS
from vidi.groups import deal_learnable_folds
from vidi.model_file.write import model_bytes
from vidi.networks.to_onnx import to_onnx
from vidi.prediction.predictor import Predictor, run_pixels
from vidi.training.loop.progress import Listener
from vidi.training.train import TrainedNetwork, train_network
from vidi.workflows.interaction.progress import trainings_for_calibration
from vidi.workflows.run.context import Context
from vidi.workflows.run.describe import describe_data, describe_model
from vidi.workflows.run.known import Distances, Strangers, embed_known
from vidi.workflows.run.learning.label_errors import study_labels
from vidi.workflows.run.learning.learn import as_training_data
from vidi.workflows.run.prepare import Prepared
from vidi.workflows.run.reference import not_learnt_before


def answer_out_of_fold(
    context: Context, prepared: Prepared, trained: TrainedNetwork, strangers: Strangers
) -> tuple[NDArray[np.int64], NDArray[np.float32], Distances] | None:
    """Train and validation images, with answers and distances by networks of the same recipe that had not seen them."""
    arrays, should_stop, place = as_training_data(prepared), context.should_stop, context.folder / "folds"
    # Answers are calibrated on whatever there is; only learning leaves likely label errors out.
    rows = np.sort(np.concatenate([arrays.train_rows, arrays.validation_rows, prepared.left_out]))
    if has_seen(prepared, rows):
        arrays = replace(arrays, start=None)  # those weights have seen the images that a fold holds out
    groups = [prepared.split.groups[row] for row in rows.tolist()]
    seed, taken = trained.recipe.seed, sum(row.seconds for row in trained.history)
    folds_wanted = context.budget.fold_count(seconds=taken)
    fold_of = deal_learnable_folds(groups, labels=arrays.strata[rows], folds=folds_wanted, seed=seed)
    folds = np.unique(fold_of[fold_of >= 0]).tolist()
    if folds:
        context.events.say(trainings_for_calibration(len(folds), len(rows)))
    probabilities, distances = np.zeros((len(rows), arrays.class_count), np.float32), np.zeros((2, len(rows)))
    for number, fold in enumerate(folds):
        held_out = fold_of == fold
        learnt = np.setdiff1d(rows[~held_out], prepared.left_out)
        data = replace(arrays, train_rows=learnt, validation_rows=rows[:0])
        if prepared.begin is not None:
            data = replace(data, initial=prepared.begin.tensors(learnt))
        network = train_network(
            data,
            replace(trained.recipe, epochs=max(1, len(trained.history))),  # not more, even if there is time
            folder=place,
            deadline=context.budget.fold_until(folds=len(folds) - number),
            listener=Listener(progress=context.events.training),
            should_stop=should_stop,
        )
        if should_stop():
            shutil.rmtree(place)
            return None
        metadata = describe_model(prepared, network, run=f"fold {number + 1}", unfinished="made for calibration only")
        predictor = Predictor.from_bytes(model_bytes(to_onnx(network.network, network.recipe.image_size), metadata))
        given = run_pixels(predictor, prepared.pixels, rows[held_out], ("probabilities", "embedding"))
        probabilities[held_out] = given["probabilities"]
        known = embed_known(predictor, prepared, learnt, head=network.own_head())
        score = strangers.known_to(known.score, strangers.seen_by(predictor))
        distances[:, held_out] = score.both(given["embedding"])
        shutil.rmtree(place)
    answered = fold_of >= 0
    rows, probabilities = rows[answered], probabilities[answered]
    if len(rows) and not (context.folder / LABEL_ERRORS).exists():
        study_labels(context, prepared, rows, probabilities, drop_suspects=False)
    return rows, probabilities, (distances[0, answered], distances[1, answered])


def has_seen(prepared: Prepared, rows: NDArray[np.int64]) -> bool:
    """Whether the weights that the run starts from have seen any of these images."""
    if prepared.start is None:
        return False
    is_same = prepared.start.data_digest == describe_data(prepared)["digest"]
    return is_same or not bool(not_learnt_before(prepared, rows).all())
