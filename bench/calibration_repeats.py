"""What further trainings for calibration buy: one, two, three and five, on photographs of clothes.

    VIDI_DATA=… python -m bench calibration_repeats

Below 1,000 images there is no calibration part: answers come from networks that were trained without the image. Here a
network is a head on features of Lite0, so that DRAWS draws of each size take minutes. Every draw trains the head on all
its images, calibrates it by so many further heads, and scores it on all other images of clothing's `train` part. One
training holds out a half and answers that; K answer all images, each holding out a K-th part. The result is one JSON in
bench/results/calibration_repeats/, or in RESULTS.
"""

import json
import os
import sys
from importlib.metadata import version
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from bench.photo_sets import read_clothing
from bench.processor import kind, measured_here
from vidi.evaluation.guarantees.calibrate import UnseenAnswers, calibrate_answers
from vidi.evaluation.guarantees.promise import GuaranteeTargets
from vidi.groups import split_folds
from vidi.images.decode import decode_image
from vidi.images.framing import Framing, frame_image
from vidi.metrics.calibration import expected_calibration_error
from vidi.metrics.truth import OneClass
from vidi.networks.pretrained.read import read_pretrained
from vidi.networks.pretrained.weights import with_weights
from vidi.training.heads.features import embed_images
from vidi.training.loop.objective import FIXED, InputNormalisation

SIZES, TRAININGS = (300, 500, 900), (1, 2, 3, 5)
SIDE = (160, 128)  # pixels, height and width
DIRECTIONS, PENALTY = 128, 3.0
CLASSES = 10
Floats = NDArray[np.float64]


def main() -> None:
    """Measure, write and print."""
    source = Path(os.environ.get("VIDI_DATA", ".")) / "clothing.zip"
    if not source.exists():
        print(f"{source} is not there: left out", file=sys.stderr)
        return
    draws = int(os.environ.get("DRAWS", "100"))
    features, labels = features_of(source)
    rows = [
        {"images": size, "trainings": count, **summary([one[count] for one in drawn])}
        for size in SIZES
        for drawn in [[score(features, labels, size, draw) for draw in range(draws)]]
        for count in TRAININGS
    ]
    found = {"rows": rows, "draws": draws, "n": len(labels), "versions": {"vidi": version("vidi")}, **measured_here()}
    place = Path(os.environ.get("RESULTS", Path(__file__).parent / "results" / "calibration_repeats"))
    place.mkdir(parents=True, exist_ok=True)
    (place / f"{kind()}.json").write_text(json.dumps(found, indent=1) + "\n")
    for row in rows:
        print(row)


def features_of(source: Path) -> tuple[Floats, NDArray[np.int64]]:
    """Standardised features of all photographs along their principal axes, and their classes by number."""
    weights = read_pretrained("lite0")
    network = with_weights(weights, image_size=SIDE, class_count=2).eval().requires_grad_(False)
    framing, names, pixels = Framing(size=SIDE), list[str](), list[NDArray[np.uint8]]()
    for label, _, content in read_clothing(source):
        names.append(label)
        pixels.append(frame_image(decode_image(content).image, framing))
    values = embed_images(
        network,
        np.stack(pixels),
        np.arange(len(pixels)),
        normalisation=InputNormalisation(*FIXED[weights.normalisation]),
        engine="onnxruntime",
    ).astype(np.float64)
    values = (values - values.mean(axis=0)) / (values.std(axis=0) + 1e-6)
    axes = np.linalg.svd(values, full_matrices=False)[2][:DIRECTIONS]
    return values @ axes.T, np.unique(names, return_inverse=True)[1].astype(np.int64)


def score(features: Floats, labels: NDArray[np.int64], size: int, draw: int) -> dict[int, dict[str, float]]:
    """One draw: by the number of trainings, how good calibration and candidates are on all other images."""
    order = np.random.default_rng([draw, size]).permutation(len(labels))
    learned, others = np.sort(order[:size]), order[size:]
    x, y = features[learned], labels[learned]
    given = answers_of(x, y, features[others])
    found = {}
    for count in TRAININGS:
        parts = max(2, count)
        fold_of = split_folds([str(row) for row in learned], labels=y, folds=parts, seed=draw)
        rows = np.flatnonzero(fold_of < count)
        held_out = np.zeros((size, CLASSES))
        for fold in range(count):
            held_out[fold_of == fold] = answers_of(x[fold_of != fold], y[fold_of != fold], x[fold_of == fold])
        answers = UnseenAnswers(
            probabilities=held_out[rows],
            truth=OneClass(labels=y[rows], class_count=CLASSES),
            groups=None,
            novelty=None,
            basis="out-of-fold",
        )
        done = calibrate_answers(answers, [str(name) for name in range(CLASSES)], promise=GuaranteeTargets())
        found[count] = figures(done.fitted.step.apply(given), labels[others], done.limits.candidate, done.limits.sure)
    return found


def answers_of(x: Floats, y: NDArray[np.int64], asked: Floats) -> Floats:
    """Probabilities (asked, classes) by a head that was trained on x and y."""
    head = LogisticRegression(C=1 / PENALTY, max_iter=60, tol=1e-2).fit(x, y)
    given = np.full((len(asked), CLASSES), 1e-6)
    given[:, head.classes_] = head.predict_proba(asked)
    return given / given.sum(axis=1, keepdims=True)


def figures(given: Floats, truth: NDArray[np.int64], candidate: float | None, sure: float | None) -> dict[str, float]:
    """Calibration error, log loss, coverage, number of candidates, and the share and error of sure answers."""
    of_truth, top = given[np.arange(len(truth)), truth], given.max(axis=1)
    is_right = given.argmax(axis=1) == truth
    limit = 0.0 if candidate is None else candidate
    is_sure = top >= (np.inf if sure is None else sure)
    return {
        "calibration_error": float(expected_calibration_error(given, truth) or 0.0),
        "log_loss": float(-np.log(of_truth).mean()),
        "coverage": float(((of_truth >= limit) | is_right).mean()),
        "candidates": float(np.maximum((given >= limit).sum(axis=1), 1).mean()),
        "sure": float(is_sure.mean()),
        "sure_error": float((~is_right & is_sure).sum() / max(1, is_sure.sum())),
    }


def summary(drawn: list[dict[str, float]]) -> dict[str, Any]:
    """Mean and standard error of each figure; and how often coverage fell below 95 % and sure errors exceeded 5 %."""
    found: dict[str, Any] = {
        name: [round(fmean(values), 4), round(stdev(values) / len(values) ** 0.5, 4)]
        for name in drawn[0]
        for values in [[one[name] for one in drawn]]
    }
    found["below_coverage"] = round(fmean(one["coverage"] < 1 - 0.05 for one in drawn), 3)
    found["over_error"] = round(fmean(one["sure_error"] > 0.05 for one in drawn), 3)
    return found


if __name__ == "__main__":
    main()
