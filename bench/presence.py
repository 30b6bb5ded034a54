"""Whether a scene shows a person at all: by a head on the whole image, and by the best window; beside known figures.

Called by bench/locate.py. By whole image, `vidi train` learns from four fifths of the scenes and answers about the
fifth, five times. By windows, the threshold for the even images is the best one of the odd ones, and the other way
round: nothing is chosen on an image that is scored.
"""

import csv
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from vidi.metrics.intervals import area_interval, wilson_interval
from vidi.metrics.ranking import area_under_roc
from vidi.prediction.predictor import Predictor

KNOWN = {"accuracy": 0.78, "area": 0.85}  # a logistic regression on Lite0's features, cross-validated on these images
FOLDS = 5
SHOWN, TABLE = "person", "person_presence.csv"
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def by_windows(top: Mapping[str, float], shows: Mapping[str, bool]) -> dict[str, Any]:
    """The figures of the best window's score.

    Args:
        top: scene → log odds of its best window.
        shows: scene → whether a person is there.
    """
    names = sorted(top)
    scores, truth = np.array([top[name] for name in names]), np.array([shows[name] for name in names])
    is_odd = np.array([int(Path(name).stem) % 2 == 1 for name in names])
    called = np.zeros(len(names), bool)
    for part in (is_odd, ~is_odd):
        called[part] = scores[part] >= best_threshold(scores[~part], truth[~part])
    return figures(called, scores, truth)


def best_threshold(scores: Floats, truth: Flags) -> float:
    """The threshold with the fewest errors, in the middle of its gap; of equal ones the highest."""
    steps = np.unique(scores)
    between = np.concatenate([[-np.inf], (steps[1:] + steps[:-1]) / 2, [np.inf]])
    errors = [int(((scores >= one) != truth).sum()) for one in between.tolist()]
    return float(between[::-1][int(np.argmin(errors[::-1]))])


def by_whole_image(archive: Path, folder: Path) -> tuple[dict[str, Any], dict[str, bool]]:
    """The figures of heads on whole images, each asked only about images that it never saw; and the truth.

    Args:
        archive: coco128.zip.
        folder: to work in.
    """
    with zipfile.ZipFile(archive) as file:
        file.extractall(folder)
    root = folder / "coco128"
    rows = list(csv.DictReader((root / TABLE).read_text().splitlines()))
    truth = np.array([row["label"] == SHOWN for row in rows])
    scores = np.empty(len(rows))
    for fold, held_out in enumerate(deal(truth)):
        table = root / f"fold-{fold}.csv"
        with table.open("w", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(("path", "label", "split"))
            writer.writerows(
                (row["path"], row["label"], "test" if place in held_out else "train") for place, row in enumerate(rows)
            )
        scores[held_out] = learn_and_answer(table, folder / f"presence-{fold}", [rows[place] for place in held_out])
    shows = {Path(row["path"]).name: bool(one) for row, one in zip(rows, truth, strict=True)}
    return figures(scores >= 0, scores, truth), shows


def deal(truth: Flags) -> Iterator[list[int]]:
    """The rows of each fold, both kinds spread evenly."""
    random = np.random.default_rng(0)
    order = np.concatenate([random.permutation(np.flatnonzero(truth == kind)) for kind in (True, False)])
    for fold in range(FOLDS):
        yield order[fold::FOLDS].tolist()


def learn_and_answer(table: Path, run: Path, rows: list[dict[str, str]]) -> Floats:
    """Log odds of a person for images that the table's `train` part does not hold."""
    command = [sys.executable, "-m", "vidi", "train", str(table), "--output", str(run)]
    environment = {**os.environ, "VIDI_CACHE": str(run.parent / "cache")}
    subprocess.run(command, check=True, capture_output=True, env=environment)
    predictor = Predictor.load(run)
    answers = predictor.predict_files([str(table.parent / row["path"]) for row in rows])
    place = predictor.classes.index(SHOWN)
    said = [answer.prediction for answer in answers if answer.prediction is not None]
    assert len(said) == len(rows)
    return np.asarray(logit(np.clip([one.probabilities[place] for one in said], 1e-15, 1 - 1e-15)), np.float64)


def figures(called: Flags, scores: Floats, truth: Flags) -> dict[str, Any]:
    """Accuracy and area under the ROC curve, each with its 95 % interval."""
    right, count = int((called == truth).sum()), len(truth)
    accuracy, area = wilson_interval(right, count), area_under_roc(scores, truth)
    assert accuracy is not None
    assert area is not None  # both kinds are there
    around = area_interval(area, int(truth.sum()), int((~truth).sum()))
    assert around is not None
    return {
        "accuracy": round(right / count, 3),
        "accuracy_interval": [round(accuracy.low, 3), round(accuracy.high, 3)],
        "area": round(area, 3),
        "area_interval": [round(around.low, 3), round(around.high, 3)],
        "n": count,
    }
