"""A small run folder as training leaves it, for tests of what is made from it."""

import functools
import json
from pathlib import Path

import numpy as np

from tests.draw import draw, encoded
from vidi.data.checking.shortcuts import WORDS
from vidi.evaluation.answers import Answers
from vidi.evaluation.document import Metrics, evaluate_parts, scored_metrics
from vidi.evaluation.robustness import Curve, Robustness
from vidi.evaluation.run_files import write_metrics, write_predictions
from vidi.evaluation.scores import Estimate
from vidi.files import digest_of, escape_path
from vidi.images.corruptions import CORRUPTIONS
from vidi.images.framing import Framing
from vidi.metrics.intervals import Interval
from vidi.model_file.limits import ClassPoint, OperatingPoints, VerdictLimits
from vidi.model_file.metadata import Calibration, ModelMetadata, Provenance
from vidi.model_file.values import by_fields
from vidi.model_file.write import model_bytes
from vidi.networks.build import build_network
from vidi.networks.to_onnx import to_onnx

KINDS = ("disc", "square", "stripes")
HISTORY = (
    "epoch,train_loss,train_accuracy,validation_loss,validation_accuracy,learning_rate,images_per_second,seconds,"
    "limited_by\n1,1.1,0.4,1.0,0.5,0.001,300,2.5,decoding\n2,0.7,0.7,0.6,0.8,0.0005,310,2.4,arithmetic\n"
)


class DrawnStore:
    """Images that are drawn when they are read; the path says which."""

    def read(self, path: str) -> bytes:
        """The bytes of a PNG file."""
        kind, _, number = path.partition("/")
        return encoded(draw(kind if kind in KINDS else "noise", size=(48, 40), seed=len(number)))


def make_run(
    folder: Path, *, classes: tuple[str, ...] = KINDS, images: int = 30, paths: tuple[str, ...] | None = None
) -> Path:
    """A run folder with answers that are right two times in three."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    labels = np.arange(images) % len(classes)
    probabilities = random.dirichlet(np.ones(len(classes)), images)
    for row, label in enumerate(labels):
        wanted = label if row % 3 else (label + 1) % len(classes)  # two of three are right
        best = probabilities[row].argmax()
        probabilities[row, [wanted, best]] = probabilities[row, [best, wanted]]
    store = DrawnStore()
    named = paths or tuple(f"{KINDS[label % len(KINDS)]}/{row:03}.png" for row, label in enumerate(labels))
    answers = Answers(
        classes=classes,
        paths=named,
        truths=tuple(classes[label] for label in labels),
        probabilities=probabilities.astype(np.float32),
        parts=("test",) * images,
        digests=tuple(digest_of(store.read(path)) for path in named),
        groups=("",) * images,
        near_duplicates=(False,) * images,
    )
    about = {
        "data": {"source": "shapes", "reader": "class-folders", "parts": {"train": 70, "test": images}},
        "account": {"found": 100, "used": 100, "set_aside": [], "refused": [], "ignored": {}},
        "test_uses": 1,
        "label_errors": {"images": 70, "listed": 2, "left_out": 1},
        "learning_curve": learning_curve(classes),
        "slices": slices(),
        "robustness": robustness(),
    }
    write_predictions(folder, answers, promising(classes))
    scored = scored_metrics(answers, evaluate_parts(answers), promising(classes))
    write_metrics(folder, Metrics.from_json({**scored.as_json(), **about}))
    (folder / "results.csv").write_text(HISTORY)
    (folder / "label_errors.csv").write_text(label_errors(named[-2:], classes), "utf-8")
    (folder / "recipe.toml").write_text('epochs = 2\nnetwork = "compact"\n[sources]\nepochs = "user"\n')
    finding = {
        "kind": "blurred",
        "severity": "warning",
        "message": "1 image is blurred",
        "paths": [[escape_path(path)] for path in named[:1]],
    }
    check = {"account": about["account"], "findings": [finding, shortcut()], "shortcuts": shortcuts(classes)}
    (folder / "check.json").write_text(json.dumps(check))
    return folder


def promising(classes: tuple[str, ...]) -> ModelMetadata:
    """What a model file states whose answers are sure from 60 % on; the first class is called from 30 %."""
    limits = VerdictLimits(
        basis="calibration",
        image_count=100,
        max_error=0.05,
        level=0.95,
        sure=0.6,
        sure_images=60,
        error_bound=0.0487,
        coverage=0.95,
        candidate=0.2,
    )
    point = ClassPoint(
        name=classes[0],
        threshold=0.3,
        is_promised=True,
        bound=0.91,
        image_count=40,
        found=39,
        other_count=60,
        alarms=4,
    )
    points = OperatingPoints(
        measure="recall", share=0.9, level=0.95, basis="calibration", image_count=100, points=(point,)
    )
    return ModelMetadata(classes=classes, framing=Framing(size=(16, 16)), verdict=limits, operating_points=points)


def label_errors(paths: tuple[str, ...], classes: tuple[str, ...]) -> str:
    """Two labels that may be wrong; the first was left out of training."""
    head = "rank,path,digest,part,label,suggested,self_confidence,suggested_confidence,left_out"
    rows = [
        f"{rank},{escape_path(path)},{digest_of(DrawnStore().read(path))},train,{escape_path(classes[0])},"
        f"{escape_path(classes[-1])},0.0{rank},0.9{rank},{'yes' if rank == 1 else ''}"
        for rank, path in enumerate(paths, start=1)
    ]
    return "\n".join([head, *rows, ""])


def learning_curve(classes: tuple[str, ...]) -> dict[str, object]:
    """What a run found out about more images."""
    gain = {"error": 0.2, "value": 0.03, "low": 0.01, "high": 0.05}
    return {
        "features_of": "lite0",
        "held_out": 70,
        "images": 70,
        "counts": [14, 28, 56],
        "errors": [0.4, 0.3, 0.25],
        "gain": gain,
        "per_class": [{"class": name, **gain} for name in classes],
        "reach": [[14, 0.4, 0.35, 0.45], [70, 0.22, 0.2, 0.25], [140, 0.19, 0.15, 0.22]],
    }


def slices() -> list[dict[str, object]]:
    """Two parts of the test images, one of them clearly worse."""
    low, high = ({"value": value, "low": value - 0.1, "high": value + 0.1, "n": 60} for value in (0.5, 0.8))
    return [
        {
            "by": "brightness, of 255",
            "name": "up to 80",
            "accuracy": low,
            "others": high,
            "chance": 0.01,
            "worse": True,
        },
        {"by": "light", "name": "<night>", "accuracy": high, "others": low, "chance": 1.0, "worse": False},
    ]


def robustness(*, lost: float = 0.3) -> dict[str, object]:
    """A model that loses under blur, and hardly under anything else."""

    found = Robustness(
        image_count=100,
        of_count=200,
        clean=Estimate(0.9, Interval(0.85, 0.95), 100),
        curves=tuple(
            Curve.of(
                name,
                [
                    Estimate(value, Interval(value - 0.05, value + 0.05), 100)
                    for value in (0.9 - (lost if name == "blur" else 0.01) * step / 3 for step in range(1, 6))
                ],
            )
            for name in CORRUPTIONS
        ),
    )
    return by_fields(found)


def shortcuts(classes: tuple[str, ...], *, accuracy: float = 0.4) -> dict[str, object]:
    """Plain numbers that tell little."""
    best = [{"class": classes[0], "found": 0.5, "taken": 0.3}]
    row = {"accuracy": accuracy, "low": accuracy - 0.05, "high": accuracy + 0.05, "best_told": best}
    families = [{"family": family, "what": what, **row} for family, what in WORDS.items()]
    return {"images": 70, "groups": 70, "classes": len(classes), "chance": 1 / len(classes), "families": families}


def shortcut() -> dict[str, object]:
    """What the check says of a shortcut."""
    return {
        "kind": "shortcut",
        "severity": "warning",
        "message": "the corners alone tell <b> from the rest",
        "paths": [],
    }


def add_model(folder: Path, *, classes: tuple[str, ...] = KINDS, unfinished: str | None = None) -> Path:
    """An untrained model file in the run folder."""
    (folder / "model.onnx").write_bytes(_model(classes, unfinished))
    return folder


@functools.cache
def _model(classes: tuple[str, ...], unfinished: str | None) -> bytes:
    """The same file for every test that asks for it."""
    network = build_network("compact", image_size=(16, 16), class_count=len(classes))
    metadata = ModelMetadata(
        classes=classes,
        framing=Framing(size=(16, 16)),
        provenance=Provenance(network="compact", run="shapes", date="2026-11-21T12:00:00+00:00", license="CC0-1.0"),
        calibration=None if unfinished else Calibration(image_count=20, figures={"sentence": "temperature 1.1"}),
        unfinished=unfinished,
    )
    return model_bytes(to_onnx(network.eval(), (16, 16)), metadata)
