"""How near the estimated accuracy of unlabelled traffic comes to the truth, beside two known methods.

    VIDI_DATA=… python -m bench estimate                    clothing and CIFAR-10
    SET=cifar10 MINUTES=3 python -m bench estimate          one, and the time for its training
    RUN=runs/clothing SET=clothing python -m bench estimate with a run that is there

Each model is trained once and asked about its test images: as they are, under the 45 corruptions of the robustness
figures, with other class shares, and with a class that it lacks (`bench/estimating/scenario.py`). The rivals are
confidence-based estimation (CBPE: the mean calibrated probability of the predicted class) and the mean confidence
before calibration. Each set leaves one JSON in bench/results/estimate/, or in the folder that RESULTS names.
"""

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vidi.machine import wait_without_spinning

wait_without_spinning()  # before torch is imported, as `vidi train` does

import numpy as np  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from PIL import Image  # noqa: E402

from bench.accuracy import CLOTHING_PARTS  # noqa: E402
from bench.estimating.answered import UNCHANGED, Answered, Answering  # noqa: E402
from bench.estimating.scenario import MOST_IMAGES, traffics, ways, with_new_class  # noqa: E402
from bench.processor import measured_here  # noqa: E402
from bench.unknown import from_archive, write_images  # noqa: E402
from vidi.data.splitting.split_plan import read_assignments  # noqa: E402
from vidi.files import write_atomic  # noqa: E402
from vidi.images.store import GivenFilesStore  # noqa: E402
from vidi.model_file.decisions import find_verdict, say  # noqa: E402
from vidi.model_file.limits import Verdict  # noqa: E402
from vidi.model_file.metadata import ModelMetadata  # noqa: E402
from vidi.monitoring.estimate import estimate_accuracy  # noqa: E402
from vidi.monitoring.traffic import ModelTraffic  # noqa: E402
from vidi.workflows.interaction.request import read_source  # noqa: E402
from vidi.workflows.requests.data import DataRequest  # noqa: E402
from vidi.workflows.requests.train import TrainRequest  # noqa: E402
from vidi.workflows.train import train  # noqa: E402


@dataclass(frozen=True, slots=True, kw_only=True)
class Set:
    """What is trained, and which images show a class that it lacks."""

    source: Callable[[Path], str]  # VIDI_DATA → what `vidi train` is given
    strange: Callable[[Path], Iterator[Image.Image]]
    pretrained: str | None = None
    parts: Mapping[str, str] | None = None


SETS: Mapping[str, Set] = {
    "clothing": Set(
        source=lambda data: str(data / "clothing.zip"),
        strange=from_archive("coco128.zip", "coco128/images/"),
        pretrained="auto",
        parts=CLOTHING_PARTS,
    ),
    "cifar10": Set(source=lambda _: "cifar10", strange=from_archive("clothing.zip", "test/")),
}


def main() -> int:
    """Measure the sets that were asked for; 1 where a rival's mean absolute error is lower."""
    data = Path(os.environ.get("VIDI_DATA", "."))
    results = Path(os.environ.get("RESULTS", Path(__file__).parent / "results" / "estimate"))
    reached = True
    for name, chosen in SETS.items():
        if os.environ.get("SET", name) != name:
            continue
        with tempfile.TemporaryDirectory() as place:
            run = Path(os.environ["RUN"]) if "RUN" in os.environ else Path(place) / "run"
            request = DataRequest(source=chosen.source(data), data_dir=str(data), parts=chosen.parts or {})
            if not run.exists():
                fit(chosen, request, run)
            found = measure(name, chosen, request, run, Path(place), data=data)
        write_atomic(results / f"{name}.json", json.dumps(found, indent=1) + "\n")
        show(name, found)
        errors = found["mean_absolute_error"]["all"]
        reached &= errors["estimate"] <= min(errors["cbpe"], errors["bare confidence"])
    return 0 if reached else 1


def fit(chosen: Set, request: DataRequest, run: Path) -> None:
    """Train as a user would."""
    minutes = float(os.environ.get("MINUTES", "3"))
    network = None if chosen.pretrained else "compact"
    train(TrainRequest(data=request, network=network, pretrained=chosen.pretrained, minutes=minutes, output=run))


def measure(name: str, chosen: Set, request: DataRequest, run: Path, place: Path, *, data: Path) -> dict[str, Any]:
    """Ask about every traffic, and estimate."""
    answering = Answering.load(run, place)
    paths, labels, store = images_of(run, request, ("test", "extra"))
    rows = np.random.default_rng([0, 0]).permutation(len(paths))[:MOST_IMAGES]
    answered = answering.ask(store, [paths[row] for row in rows], labels[rows], ways(), seed=0)
    files = [str(path) for path in write_images(chosen.strange(data), place / "strange")]
    unknown = np.full(len(files), -1, np.int64)
    strange = answering.ask(GivenFilesStore(), files, unknown, {}, seed=0)[UNCHANGED]
    return {"set": name, **judge(answered, strange, answering.predictor.metadata), **measured_here()}


def judge(answered: Mapping[str, Answered], strange: Answered, metadata: ModelMetadata) -> dict[str, Any]:
    """Every estimate beside the truth, and the errors of each method."""
    measured = [
        {"kind": kind, "name": what, **estimates(one, metadata)} for kind, what, one in traffics(answered, seed=0)
    ]
    random = np.random.default_rng([0, 2])
    return {
        "images": len(answered[UNCHANGED].labels),
        "reference_images": metadata.drift_reference.answer_count if metadata.drift_reference else 0,
        "mean_absolute_error": errors_of(measured),
        "held": float(np.mean([one["low"] <= one["accuracy"] <= one["high"] for one in measured])),
        "width": float(np.mean([one["high"] - one["low"] for one in measured])),
        "trusted": float(np.mean([one["trusted"] for one in measured])),
        "traffics": measured,
        "new_class": [
            {"share": share, **estimates(one, metadata)}
            for share, one in with_new_class(answered[UNCHANGED], strange, random)
        ],
    }


def images_of(run: Path, request: DataRequest, parts: Sequence[str]) -> tuple[list[str], NDArray[np.int64], Any]:
    """Paths and classes of the images in some parts of a run, and where their bytes come from."""
    dataset = read_source(request)
    label = {image.path: image.label for image in dataset.images}
    paths = [row.path for row in read_assignments(run / "splits.csv") if row.part in parts]
    return paths, np.array([label[path] for path in paths], np.int64), dataset.store


METHODS = ("estimate", "cbpe", "bare confidence")


def estimates(answered: Answered, metadata: ModelMetadata) -> dict[str, Any]:
    """The true accuracy on one traffic, and what each method says without the labels."""
    found = estimate_accuracy(as_traffic(answered, metadata), metadata)
    assert found is not None  # the model has a reference
    return {
        "images": len(answered.labels),
        "accuracy": float(answered.is_right.mean()),
        "estimate": found.value,
        "low": found.low,
        "high": found.high,
        "trusted": not found.distrust,
        "distrust": list(found.distrust),
        "cbpe": float(answered.probabilities.max(axis=1).mean()),
        "bare confidence": float(answered.bare.max(axis=1).mean()),
    }


def as_traffic(answered: Answered, metadata: ModelMetadata) -> ModelTraffic:
    """The answers as a log gives them."""
    limits, count = metadata.verdict, len(answered.labels)
    verdicts: list[Verdict | None] = [None] * count
    if limits is not None:
        rows = zip(answered.probabilities, answered.novelty.tolist(), strict=True)
        verdicts = [find_verdict(row, limits, novelty=strange) for row, strange in rows]
    return ModelTraffic(
        at=np.arange(count, dtype=np.float64),
        digests=[f"{number:064x}" for number in range(count)],
        probabilities=answered.probabilities,
        said=say(answered.probabilities, metadata),
        verdicts=verdicts,
        novelty=answered.novelty,
        embeddings=answered.embeddings,
        qualities={},
    )


def errors_of(measured: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """The mean absolute error of each method over all traffics, those of each kind, and those that are trusted."""
    kinds = sorted({str(one["kind"]) for one in measured})
    groups = {"all": list(measured), "trusted": [one for one in measured if one["trusted"]]}
    groups |= {kind: [one for one in measured if one["kind"] == kind] for kind in kinds}
    return {
        name: {
            "traffics": len(some),
            **{method: float(np.mean([abs(one[method] - one["accuracy"]) for one in some])) for method in METHODS},
        }
        for name, some in groups.items()
        if some
    }


def show(name: str, found: Mapping[str, Any]) -> None:
    """A table for docs/measured.md."""
    print(f"\n{name}: {found['images']:,} test images, {found['reference_images']:,} answers in the reference")
    print("| traffics | n | estimate | CBPE | confidence before calibration |\n|---|---|---|---|---|")
    for group, errors in found["mean_absolute_error"].items():
        points = " | ".join(f"{100 * errors[method]:.1f}" for method in METHODS)
        print(f"| {group} | {errors['traffics']} | {points} |")
    print(
        f"its range held the truth in {found['held']:.0%} of {len(found['traffics'])} traffics (mean width "
        f"{100 * found['width']:.0f} points); trusted: {found['trusted']:.0%}"
    )
    for one in found["new_class"]:
        print(
            f"new class {one['share']:.0%} of {one['images']:,}: accuracy {one['accuracy']:.1%}, estimate "
            f"{one['estimate']:.1%}, CBPE {one['cbpe']:.1%}, {'trusted' if one['trusted'] else 'not trusted'}",
            flush=True,
        )


if __name__ == "__main__":
    sys.exit(main())
