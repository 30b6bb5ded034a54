"""Models, strengths and tables for the drift bench; kept in a folder, since they take the longest."""

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench.drifting.disturb import DISTURBANCES, disturb_all, find_strength
from bench.drifting.tables import BATCH, Table, compute_table, load_table, save_table
from vidi.files import write_atomic
from vidi.images.framing import frame_image
from vidi.prediction.predictor import Predictor

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]
Labelled = tuple[Images, Labels]
NINE = "a class left out"
WEAKEST = 2  # classes whose share grows


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What streams are made of."""

    tables: Mapping[str, str]  # name to path
    strengths: Mapping[str, Mapping[str, Mapping[str, float]]]  # drift and cost to strength and measured cost
    weakest: tuple[int, ...]
    accuracies: Mapping[str, float]  # of the models, on the images of the streams

    def drifts_of(self, model: str) -> list[str]:
        """The drifts that are tried on a model."""
        return [drift for drift in self.strengths if (drift == NINE) == (model == "nine")]


def prepare(scenario: Mapping[str, Any], data: Path, work: Path) -> Prepared:
    """Train, find the strengths on validation images, and compute the tables of the streams' images."""
    work.mkdir(parents=True, exist_ok=True)
    parts = _read_parts(data / "cifar10")
    models = {name: _train(name, parts["training"], scenario, work) for name in ("all", "nine")}
    pool = parts["streams"]
    tables = {
        "all clean": _table(work, "all clean", models["all"], pool[0], pool[1]),
        "nine clean": _table(work, "nine clean", models["nine"], pool[0], _without(pool[1], scenario["left_out"])),
    }
    path = work / "strengths.json"
    if not path.exists():
        write_atomic(path, json.dumps(_find_strengths(models["all"], parts["validation"], scenario)))
    kept = json.loads(path.read_text())
    strengths: dict[str, dict[str, dict[str, float]]] = kept["strengths"]
    for drift, how in DISTURBANCES.items():
        for cost in scenario["costs"]:
            name, strength = f"{drift} {cost}", strengths[drift][str(cost)]["strength"]
            if not (work / f"{name}.npz").exists():
                images = disturb_all(pool[0], how, strength, seed=scenario["seed"])
                _table(work, name, models["all"], images, pool[1])
            tables[name] = str(work / f"{name}.npz")
    clothes = work / "all and clothes.npz"
    if not clothes.exists():
        strange = _clothes(data / "clothing.zip", models["all"])
        answered = compute_table(models["all"], strange, np.full(len(strange), -1))
        save_table(_joined(load_table(Path(tables["all clean"])), answered), clothes)
    tables["all and clothes"] = str(clothes)
    return Prepared(
        tables=tables,
        strengths=strengths,
        weakest=tuple(kept["weakest"]),
        accuracies={name: load_table(Path(tables[f"{name} clean"])).accuracy() for name in models},
    )


def _read_parts(folder: Path) -> dict[str, Labelled]:
    batches = {name: read_batch(folder / f"{name}.bin") for name in _BATCHES}
    third = batches["data_batch_3"]
    return {
        "training": _together([batches["data_batch_1"], batches["data_batch_2"], _some(third, slice(0, 5_000))]),
        "validation": _some(third, slice(5_000, 9_000)),
        "streams": _together([batches["data_batch_5"], batches["test_batch"]]),
    }


_BATCHES = ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_5", "test_batch")


def read_batch(path: Path) -> Labelled:
    records = np.fromfile(path, np.uint8).reshape(-1, 3073)
    images = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), records[:, 0].astype(np.int64)


def _together(parts: list[Labelled]) -> Labelled:
    return np.concatenate([images for images, _ in parts]), np.concatenate([labels for _, labels in parts])


def _some(part: Labelled, rows: slice) -> Labelled:
    return part[0][rows], part[1][rows]


def _without(labels: Labels, left_out: int) -> Labels:
    """Labels of a model that lacks a class: -1 for that one."""
    return np.where(labels == left_out, -1, np.where(labels > left_out, labels - 1, labels))


def _train(name: str, part: Labelled, scenario: Mapping[str, Any], work: Path) -> Predictor:
    path = work / f"{name}.onnx"
    if not path.exists():
        from vidi.estimator import ImageClassifier  # loads torch

        images, labels = part
        kept = labels != scenario["left_out"] if name == "nine" else np.ones(len(labels), np.bool_)
        options = scenario["training"]
        model = ImageClassifier("compact", minutes=options["minutes"], random_state=options["seed"])
        model.fit(images[kept], labels[kept]).save(path)
    return Predictor.load(path)


def _table(work: Path, name: str, model: Predictor, images: Images, labels: Labels) -> str:
    path = work / f"{name}.npz"
    if not path.exists():
        save_table(compute_table(model, images, labels), path)
    return str(path)


def _find_strengths(model: Predictor, validation: Labelled, scenario: Mapping[str, Any]) -> dict[str, Any]:
    """Strengths by bisection, and the classes that are recognised least."""
    images, labels = validation
    clean = _predict(model, images)
    accuracy = 100 * float((clean == labels).mean())
    recalls = np.array([float((clean[labels == one] == one).mean()) for one in range(int(labels.max()) + 1)])
    weakest = np.argsort(recalls)[:WEAKEST]
    lost = accuracy - 100 * float(recalls[weakest].mean())
    found: dict[str, dict[str, dict[str, float]]] = {}
    for drift, how in DISTURBANCES.items():
        costs: dict[float, float] = {}

        def cost_of(strength: float) -> float:
            if strength not in costs:  # noqa: B023  # asked within this very turn
                answers = _predict(model, disturb_all(images, how, strength, seed=1))  # noqa: B023
                costs[strength] = accuracy - 100 * float((answers == labels).mean())  # noqa: B023
            return costs[strength]  # noqa: B023

        found[drift] = {}
        for cost in scenario["costs"]:
            strength = find_strength(cost_of, cost, tolerance=scenario["tolerance"])
            found[drift][str(cost)] = {"strength": strength, "cost": cost_of(strength)}
    shares = {cost: min(1.0, cost / lost) for cost in scenario["costs"]}
    found["class shares"] = {str(cost): {"strength": one, "cost": one * lost} for cost, one in shares.items()}
    for drift in ("a new class", NINE):
        found[drift] = {str(cost): {"strength": cost / 100, "cost": cost} for cost in scenario["costs"]}
    return {"strengths": found, "weakest": weakest.tolist(), "accuracy": accuracy}


def _predict(model: Predictor, images: Images) -> Labels:
    parts = [model.run(images[start : start + BATCH], ("probabilities",)) for start in range(0, len(images), BATCH)]
    return np.concatenate([part["probabilities"] for part in parts]).argmax(axis=1)


def _clothes(path: Path, model: Predictor) -> Images:
    """Photographs of clothes as the network sees them."""
    framed = []
    with zipfile.ZipFile(path) as archive:
        for name in sorted(archive.namelist()):
            if name.endswith(".jpg"):
                with archive.open(name) as stream:
                    image = np.asarray(Image.open(stream).convert("RGB"))
                framed.append(frame_image(image, model.metadata.framing))
    return np.stack(framed)


def _joined(first: Table, second: Table) -> Table:
    return Table(
        labels=np.concatenate([first.labels, second.labels]),
        probabilities=np.concatenate([first.probabilities, second.probabilities]),
        verdicts=np.concatenate([first.verdicts, second.verdicts]),
        novelty=np.concatenate([first.novelty, second.novelty]),
        embeddings=np.concatenate([first.embeddings, second.embeddings]),
        qualities={name: np.concatenate([values, second.qualities[name]]) for name, values in first.qualities.items()},
    )
