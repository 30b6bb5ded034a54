"""Whether operating points keep their target: calibration and test images assigned anew a hundred times.

    VIDI_DATA=… python -m bench operating_points                 Fashion-MNIST, each class by itself
    SET=person MINUTES=1 python -m bench operating_points        another set, and the time for its training

A model is trained once; its answers before calibration are assigned as `bench.promises` deals them. Each time it is
calibrated, the thresholds of every class are found for four targets, and the rest of the images is held to them. Each
set leaves one JSON in bench/results/operating_points/, or in the folder that RESULTS names.
"""

import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vidi.machine import wait_without_spinning

wait_without_spinning()  # before torch is imported, as `vidi train` does

import numpy as np  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from scipy.stats import binomtest  # noqa: E402

from bench.processor import measured_here  # noqa: E402
from bench.promises import Answered, answer, persons  # noqa: E402
from vidi.evaluation.guarantees.operating import OperatingTarget, find_points  # noqa: E402
from vidi.files import write_atomic  # noqa: E402
from vidi.metrics.affine import fit_affine  # noqa: E402
from vidi.model_file.decisions import call_classes  # noqa: E402
from vidi.model_file.limits import OperatingPoints  # noqa: E402
from vidi.workflows.interaction.request import DataRequest, read_source  # noqa: E402
from vidi.workflows.train import TrainRequest, train  # noqa: E402

REPEATS = 100
TARGETS = {
    "recall 0.9": OperatingTarget(measure="recall", share=0.9),
    "recall 0.95": OperatingTarget(measure="recall", share=0.95),
    "precision 0.9": OperatingTarget(measure="precision", share=0.9),
    "1 false alarm in 100": OperatingTarget(measure="false-alarms", share=0.01),
}
MOST_BROKEN = 0.05  # of the promises


def main() -> int:
    """Measure one set; 1 where promises are broken too often."""
    name, data = os.environ.get("SET", "fashion-mnist"), Path(os.environ.get("VIDI_DATA", "."))
    results = Path(os.environ.get("RESULTS", Path(__file__).parent / "results" / "operating_points"))
    found = measure(name, data=data, minutes=float(os.environ.get("MINUTES", "1.2")))
    write_atomic(results / f"{name}.json", json.dumps(found, indent=1) + "\n")
    print("| target | promised | of these below it on the rest | clearly below | measured, mean | threshold given |")
    print("|---|---|---|---|---|---|")
    for target, row in found["targets"].items():
        print(
            f"| {target} | {row['promised']:,} of {row['tried']:,} | {row['below']:,} | {row['broken']:,} "
            f"| {row['mean']:.2%} | {row['given']:,} |"
        )
    return 0 if all(row["broken"] <= MOST_BROKEN * max(row["promised"], 1) for row in found["targets"].values()) else 1


def measure(name: str, *, data: Path, minutes: float) -> dict[str, Any]:
    """Train once, deal a hundred times."""
    with tempfile.TemporaryDirectory() as place:
        source = persons(data / "person.zip", Path(place)) if name == "person" else name
        request = DataRequest(source=str(source), data_dir=str(data))
        folder = Path(place) / "run"
        train(TrainRequest(data=request, network="compact", minutes=minutes, output=folder))
        answered, classes = answer(folder, request), read_source(request).classes
    outcomes = [deal(answered, classes, np.random.default_rng([11, number])) for number in range(REPEATS)]
    targets = {}
    for target in TARGETS:
        rows = [row for outcome in outcomes for row in outcome[target]]
        promised = [row for row in rows if row["promised"]]
        targets[target] = {
            "tried": len(rows),
            "given": sum(bool(row["given"]) for row in rows),
            "promised": len(promised),
            "below": sum(bool(row["below"]) for row in promised),
            "broken": sum(bool(row["broken"]) for row in promised),
            "mean": float(np.mean([row["rate"] for row in promised])) if promised else 0.0,
        }
    return {
        "images": len(answered.labels),
        "groups": len(np.unique(answered.groups)),
        "calibration_images": answered.calibration_count,
        "accuracy": float((answered.probabilities.argmax(axis=1) == answered.labels).mean()),
        "targets": targets,
        "minutes": minutes,
        **measured_here(),
    }


def deal(
    answered: Answered, classes: Sequence[str], random: np.random.Generator
) -> Mapping[str, list[dict[str, float]]]:
    """Calibrate on some of the groups and hold the others to the thresholds; a row for each class that was called."""
    labels, groups = answered.labels, answered.groups
    order, counts = random.permutation(groups.max() + 1), np.bincount(groups)
    chosen = np.isin(groups, order[np.cumsum(counts[order]) <= answered.calibration_count])
    fitted = fit_affine(answered.probabilities[chosen], labels[chosen], groups=groups[chosen])
    rest = fitted.step.apply(answered.probabilities[~chosen])
    return {
        name: hold(
            find_points(
                fitted.probabilities,
                np.eye(len(classes), dtype=np.bool_)[labels[chosen]],
                classes,
                target=target,
                groups=groups[chosen],
                shipped=fitted.step.apply(answered.probabilities[chosen]),
            ),
            rest,
            labels[~chosen],
            classes,
        )
        for name, target in TARGETS.items()
    }


def hold(
    points: OperatingPoints, rest: NDArray[np.float64], labels: NDArray[np.int64], classes: Sequence[str]
) -> list[dict[str, float]]:
    """What became of each class's threshold on images that it was not chosen on."""
    called, share, rows = call_classes(rest, points, classes), points.share or 0.0, []
    for index, point in enumerate(points.points):
        shown, said = labels == index, called[:, index]
        if points.measure == "false-alarms":
            hits, among, worse = int((said & ~shown).sum()), int((~shown).sum()), "greater"
        elif points.measure == "recall":
            hits, among, worse = int((said & shown).sum()), int(shown.sum()), "less"
        else:
            hits, among, worse = int((said & shown).sum()), int(said.sum()), "less"
        rate = hits / max(among, 1)
        rows.append(
            {
                "given": point.threshold is not None,
                "promised": point.is_promised and among > 0,
                "rate": rate,
                "below": rate > share if worse == "greater" else rate < share,
                "broken": among > 0 and binomtest(hits, among, share, alternative=worse).pvalue < 0.05,
            }
        )
    return rows


if __name__ == "__main__":
    sys.exit(main())
