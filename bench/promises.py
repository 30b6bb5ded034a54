"""Whether promises hold: a model's calibration and test images, assigned anew a hundred times.

    VIDI_DATA=… python -m bench promises                         Fashion-MNIST, CIFAR-10, and persons with their groups
    SET=cifar10 MINUTES=5 python -m bench promises               one set, and the time for its training

A model is trained once; its answers before calibration, about the images of its calibration and test parts, are split
into two parts again and again, whole groups together, as many to calibration as it had. Each time it is calibrated, the
limits are found, and the rest of the images is held to them. Each set leaves one JSON in bench/results/promises/, or in
the folder that RESULTS names.
"""

import json
import os
import re
import statistics
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vidi.machine import wait_without_spinning

wait_without_spinning()  # before torch is imported, as `vidi train` does

import numpy as np  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from scipy.stats import binomtest  # noqa: E402

from bench.processor import measured_here  # noqa: E402
from vidi.data.splitting.split_plan import read_assignments  # noqa: E402
from vidi.evaluation.guarantees.calibrate import UnseenAnswers, find_limits  # noqa: E402
from vidi.evaluation.guarantees.promise import GuaranteeTargets  # noqa: E402
from vidi.files import write_atomic  # noqa: E402
from vidi.metrics.affine import fit_affine  # noqa: E402
from vidi.metrics.calibration import expected_calibration_error  # noqa: E402
from vidi.metrics.conformal import coverage_band  # noqa: E402
from vidi.metrics.intervals import bootstrap_intervals  # noqa: E402
from vidi.metrics.selective import RANKINGS  # noqa: E402
from vidi.metrics.truth import OneClass  # noqa: E402
from vidi.model_file.decisions import find_all_candidates  # noqa: E402
from vidi.model_file.write import set_metadata  # noqa: E402
from vidi.prediction.predictor import Predictor  # noqa: E402
from vidi.workflows.interaction.request import DataRequest, read_source  # noqa: E402
from vidi.workflows.train import TrainRequest, train  # noqa: E402

REPEATS = 100
SETS = ("fashion-mnist", "cifar10", "person")
NEARLY_ALONE = 0.95  # groups an image, from which on images count as independent
MOST_BROKEN = 5  # of a hundred
LEAST_MEAN, MOST_MEAN = 0.94, 0.96  # of the coverage; the upper end where accuracy is below it


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """Answers before calibration about images that the model has not learned from."""

    probabilities: NDArray[np.float32]
    labels: NDArray[np.int64]
    groups: NDArray[np.int64]
    calibration_count: int  # images that the run's own calibration part had


def main() -> int:
    """Measure the sets that were asked for; 1 where a promise is broken too often."""
    data = Path(os.environ.get("VIDI_DATA", "."))
    results = Path(os.environ.get("RESULTS", Path(__file__).parent / "results" / "promises"))
    kept = True
    print(
        "| images | n | right | calibration error | coverage | too low | candidates | sure | of these wrong | broken |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name in SETS:
        if os.environ.get("SET", name) != name:
            continue
        if not (data / ("person.zip" if name == "person" else name)).exists():
            print(f"{name} is not in VIDI_DATA ({data}): left out", file=sys.stderr)
            continue
        found = measure(name, data=data, minutes=float(os.environ.get("MINUTES", "3")))
        write_atomic(results / f"{name}.json", json.dumps(found, indent=1) + "\n")
        print(
            f"| {name} | {found['images']:,} | {found['accuracy']:.1%} | {found['calibration_error']:.3f} "
            f"| {found['coverage']:.2%} | {found['coverage_broken']} of {REPEATS} | {found['candidates']:.2f} "
            f"| {found['sure']:.0%} | {found['sure_error']:.1%} | {found['sure_broken']} of {REPEATS} |",
            flush=True,
        )
        in_range = found["coverage"] >= LEAST_MEAN and (found["accuracy"] >= 0.95 or found["coverage"] <= MOST_MEAN)
        kept &= in_range and max(found["coverage_broken"], found["sure_broken"]) <= MOST_BROKEN
    return 0 if kept else 1


def measure(name: str, *, data: Path, minutes: float) -> dict[str, Any]:
    """Train once, deal a hundred times."""
    with tempfile.TemporaryDirectory() as place:
        source = persons(data / "person.zip", Path(place)) if name == "person" else name
        request = DataRequest(source=str(source), data_dir=str(data))
        folder = Path(place) / "run"
        train(TrainRequest(data=request, network="compact", minutes=minutes, output=folder))
        answered = answer(folder, request)
    outcomes = [deal(answered, np.random.default_rng([7, number])) for number in range(REPEATS)]
    right = float((answered.probabilities.argmax(axis=1) == answered.labels).mean())
    figures = {key: statistics.mean(outcome[key] for outcome in outcomes) for key in MEANS}
    return {
        "images": len(answered.labels),
        "groups": len(np.unique(answered.groups)),
        "calibration_images": answered.calibration_count,
        "accuracy": right,
        **figures,
        "coverage_broken": sum(bool(outcome["coverage_broken"]) for outcome in outcomes),
        "sure_broken": sum(bool(outcome["sure_broken"]) for outcome in outcomes),
        "without_sure": sum(bool(outcome["sure"] == 0) for outcome in outcomes),
        "minutes": minutes,
        **measured_here(),
    }


MEANS = ("coverage", "candidates", "sure", "sure_error", "calibration_error")


def persons(archive: Path, place: Path) -> Path:
    """The person windows with a table that names the photograph that each was cut from."""
    with zipfile.ZipFile(archive) as file:
        file.extractall(place / "person")
    paths = sorted(path.relative_to(place / "person") for path in (place / "person").rglob("*.jpg"))
    rows = [f"{path},{path.parent.name},{re.sub(r'[a-z]?$', '', path.stem)}" for path in paths]
    table = place / "person" / "table.csv"
    table.write_text("path,label,group\n" + "\n".join(rows) + "\n")
    return table


def answer(folder: Path, request: DataRequest) -> Answered:
    """What the finished model says, without its calibration, about its calibration and test images."""
    path = folder / "model.onnx"
    metadata = Predictor.load(path).metadata
    bare = Predictor.load(set_metadata(path, replace(metadata, calibration=None)).path)
    dataset = read_source(request)
    part = {row.path: (row.part, row.group) for row in read_assignments(folder / "splits.csv")}
    chosen = [image for image in dataset.images if part.get(image.path, ("", ""))[0] in ("calibration", "test")]
    answers = bare.predict_files([image.path for image in chosen], store=dataset.store)
    seen = [(image, one.prediction) for image, one in zip(chosen, answers, strict=True) if one.prediction is not None]
    return Answered(
        probabilities=np.array([said.probabilities for _, said in seen]),
        labels=np.array([image.label for image, _ in seen]),
        groups=np.unique([part[image.path][1] for image, _ in seen], return_inverse=True)[1].astype(np.int64),
        calibration_count=sum(bool(part[image.path][0] == "calibration") for image, _ in seen),
    )


def deal(answered: Answered, random: np.random.Generator) -> Mapping[str, float]:
    """Calibrate on some of the groups and hold the others to the limits."""
    labels, groups = answered.labels, answered.groups
    order = random.permutation(groups.max() + 1)
    counts = np.bincount(groups)
    to_calibration = np.cumsum(counts[order]) <= answered.calibration_count
    chosen = np.isin(groups, order[to_calibration])
    fitted = fit_affine(answered.probabilities[chosen], labels[chosen], groups=groups[chosen])
    answers = UnseenAnswers(
        probabilities=fitted.probabilities,
        truth=OneClass(labels=labels[chosen], class_count=fitted.probabilities.shape[1]),
        groups=groups[chosen],
        novelty=None,
    )
    limits = find_limits(fitted.probabilities, answers, promise=GuaranteeTargets())
    rest, truth = fitted.step.apply(answered.probabilities[~chosen]), labels[~chosen]
    limit = 0.0 if limits.candidate is None else limits.candidate
    called = np.eye(rest.shape[1], dtype=bool)[rest.argmax(axis=1)]
    candidates = find_all_candidates(rest, limit, called)
    covered = candidates[np.arange(len(truth)), truth]
    is_sure = RANKINGS[limits.ranking](rest) >= (np.inf if limits.sure is None else limits.sure)
    wrong, sure = int((rest.argmax(axis=1) != truth)[is_sure].sum()), int(is_sure.sum())
    return {
        "coverage": float(covered.mean()),
        "candidates": float(candidates.sum(axis=1).mean()),
        "coverage_broken": is_too_low(covered, groups[~chosen], int(chosen.sum())),
        "sure": sure / len(truth),
        "sure_error": wrong / max(sure, 1),
        "sure_broken": sure > 0 and binomtest(wrong, sure, limits.max_error, alternative="greater").pvalue < 0.05,
        "calibration_error": expected_calibration_error(rest, truth) or 0.0,
    }


def is_too_low(covered: NDArray[np.bool_], groups: NDArray[np.int64], calibration_count: int) -> bool:
    """Whether coverage lies below what chance explains: the beta-binomial band, or the bootstrap's over groups."""
    if len(np.unique(groups)) >= NEARLY_ALONE * len(groups):
        return float(covered.mean()) < coverage_band(calibration_count, len(covered)).low
    drawn = bootstrap_intervals(
        lambda weights: np.array([(weights * covered).sum() / weights.sum()]),
        groups,
        random=np.random.default_rng(0),
        repeats=200,
    )
    return drawn is not None and drawn[0] is not None and drawn[0].high < GuaranteeTargets().coverage


if __name__ == "__main__":
    sys.exit(main())
