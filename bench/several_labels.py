"""Images that show several classes: how right a model is, and whether its promises hold.

    VIDI_DATA=… python -m bench several_labels
    MINUTES=4 IMAGES=4000 python -m bench several_labels         the time for its training, and how many images

Each image is four small photographs of CIFAR-10 in a square, none used twice; asked is which of five kinds are
among them. A model is trained once; its answers about the images of its calibration and test parts are assigned anew a
hundred times, as in `promises`. One JSON in bench/results/several_labels/, or in the folder that RESULTS names.
"""

import json
import os
import statistics
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from vidi.machine import wait_without_spinning

wait_without_spinning()  # before torch is imported, as `vidi train` does

import numpy as np  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from PIL import Image  # noqa: E402
from scipy.stats import binomtest  # noqa: E402

from bench.processor import measured_here  # noqa: E402
from vidi.data.splitting.split_plan import read_assignments  # noqa: E402
from vidi.evaluation.guarantees.calibrate import UnseenAnswers, calibrate_answers  # noqa: E402
from vidi.evaluation.guarantees.promise import GuaranteeTargets  # noqa: E402
from vidi.files import write_atomic  # noqa: E402
from vidi.metrics.conformal import coverage_band  # noqa: E402
from vidi.metrics.multi_label import probability_of_all  # noqa: E402
from vidi.metrics.truth import SeveralClasses  # noqa: E402
from vidi.model_file.decisions import call_classes, find_all_candidates  # noqa: E402
from vidi.model_file.write import set_metadata  # noqa: E402
from vidi.prediction.predictor import Predictor  # noqa: E402
from vidi.workflows.interaction.request import DataRequest, read_source  # noqa: E402
from vidi.workflows.train import TrainRequest, train  # noqa: E402

REPEATS = 100
KINDS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
ASKED = ("airplane", "cat", "horse", "ship", "truck")
SIDE = 32  # pixels of a small photograph
RECORD = 1 + 3 * SIDE * SIDE
MOST_BROKEN = 5  # of a hundred
MEANS = ("coverage", "candidates", "sure", "sure_error")


def main() -> int:
    """Train, deal, and write down; 1 where a promise is broken too often."""
    data = Path(os.environ.get("VIDI_DATA", ".")) / "cifar10"
    if not data.exists():
        print(f"cifar10 is not in VIDI_DATA ({data.parent}): left out", file=sys.stderr)
        return 0
    found = measure(data, minutes=float(os.environ.get("MINUTES", "4")), images=int(os.environ.get("IMAGES", "4000")))
    results = Path(os.environ.get("RESULTS", Path(__file__).parent / "results" / "several_labels"))
    write_atomic(results / "four-of-cifar10.json", json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))
    return int(max(found["coverage_broken"], found["sure_broken"]) > MOST_BROKEN)


def measure(data: Path, *, minutes: float, images: int) -> dict[str, Any]:
    """Train once, deal a hundred times."""
    with tempfile.TemporaryDirectory() as place:
        table = squares(data, Path(place) / "squares", count=images)
        request = DataRequest(source=str(table), multi_label=True)
        folder = Path(place) / "run"
        run = train(TrainRequest(data=request, minutes=minutes, output=folder))
        probabilities, targets, calibration_count = answer(folder, request)
        network = Predictor.load(folder).metadata.provenance.recipe or {}
    assert run.test is not None
    outcomes = [
        deal(probabilities, targets, calibration_count, np.random.default_rng([7, number])) for number in range(REPEATS)
    ]
    test = run.test
    return {
        "images": images,
        "assigned": len(targets),
        "calibration_images": calibration_count,
        "network": network.get("network"),
        "head_alone": network.get("freeze"),
        "minutes": minutes,
        "test_images": test.accuracy.image_count,
        "exact_match": test.accuracy.as_json(),
        "hamming_loss": None if test.hamming_loss is None else test.hamming_loss.as_json(),
        "mean_average_precision": test.ranking.average_precision,
        "calibration_error": test.calibration.error,
        **{key: statistics.mean(outcome[key] for outcome in outcomes) for key in MEANS},
        "coverage_broken": sum(bool(outcome["coverage_broken"]) for outcome in outcomes),
        "sure_broken": sum(bool(outcome["sure_broken"]) for outcome in outcomes),
        "without_sure": sum(outcome["sure"] == 0 for outcome in outcomes),
        **measured_here(),
    }


def squares(data: Path, place: Path, *, count: int) -> Path:
    """The images, and a table with a column for each kind that is asked for."""
    place.mkdir()
    paths = [data / f"data_batch_{number}.bin" for number in range(1, 6)]
    records = np.concatenate([np.fromfile(path, np.uint8).reshape(-1, RECORD) for path in paths])[: 4 * count]
    small = records[:, 1:].reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1)
    lines = [",".join(["path", *ASKED])]
    for number in range(count):
        four = small[4 * number : 4 * number + 4]
        whole = np.concatenate([np.concatenate([*four[:2]], axis=1), np.concatenate([*four[2:]], axis=1)])
        Image.fromarray(whole).save(place / f"{number:05}.png")
        shown = {KINDS[kind] for kind in records[4 * number : 4 * number + 4, 0]}
        lines.append(",".join([f"{number:05}.png", *(str(int(kind in shown)) for kind in ASKED)]))
    (place / "table.csv").write_text("\n".join(lines) + "\n")
    return place / "table.csv"


def answer(folder: Path, request: DataRequest) -> tuple[NDArray[np.float32], NDArray[np.bool_], int]:
    """What the model says without its calibration about its calibration and test images, what they show, and how many
    of them are the former.
    """
    path = folder / "model.onnx"
    bare = Predictor.load(set_metadata(path, replace(Predictor.load(path).metadata, calibration=None)).path)
    dataset, part = read_source(request), {row.path: row.part for row in read_assignments(folder / "splits.csv")}
    rows = [row for row, image in enumerate(dataset.images) if part.get(image.path) in ("calibration", "test")]
    answers = bare.predict_files([dataset.images[row].path for row in rows], store=dataset.store)
    said = [one.prediction.probabilities for one in answers if one.prediction is not None]
    assert len(said) == len(rows)
    calibration = sum(part[dataset.images[row].path] == "calibration" for row in rows)
    return np.array(said), dataset.targets()[rows], calibration


def deal(
    probabilities: NDArray[np.float32], targets: NDArray[np.bool_], count: int, random: np.random.Generator
) -> Mapping[str, float]:
    """Calibrate on some of the images and hold the others to the limits."""
    order = random.permutation(len(targets))
    chosen, rest = order[:count], order[count:]
    known = SeveralClasses.of(targets[chosen])
    given = UnseenAnswers(probabilities=probabilities[chosen], truth=known, groups=None, novelty=None)
    done = calibrate_answers(given, ASKED, promise=GuaranteeTargets())
    answers, truth, limits = done.fitted.step.apply(probabilities[rest]), targets[rest], done.limits
    called = call_classes(answers, done.points, ASKED)
    candidates = find_all_candidates(answers, np.inf if limits.candidate is None else limits.candidate, called)
    covered = (candidates | ~truth).all(axis=1)
    is_sure = probability_of_all(answers, called) >= (np.inf if limits.sure is None else limits.sure)
    wrong, sure = int((called != truth).any(axis=1)[is_sure].sum()), int(is_sure.sum())
    return {
        "coverage": float(covered.mean()),
        "candidates": float(candidates.sum(axis=1).mean()),
        "coverage_broken": float(covered.mean()) < coverage_band(count, len(rest)).low,
        "sure": sure / len(rest),
        "sure_error": wrong / max(sure, 1),
        "sure_broken": sure > 0 and binomtest(wrong, sure, limits.max_error, alternative="greater").pvalue < 0.05,
    }


if __name__ == "__main__":
    sys.exit(main())
