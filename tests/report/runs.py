"""A small run folder as training leaves it, for tests of what is made from it."""

import json
from pathlib import Path

import numpy as np

from tests.draw import draw, encoded
from vidi.evaluation.answers import Answers, write_predictions
from vidi.evaluation.document import evaluate_parts, metrics_document, write_metrics
from vidi.files import digest_of, escape_path
from vidi.images.framing import Framing
from vidi.model_file.metadata import Calibration, ModelMetadata
from vidi.model_file.write import write_model
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
        near_copies=(False,) * images,
    )
    about = {
        "data": {"source": "shapes", "reader": "class-folders", "parts": {"train": 70, "test": images}},
        "account": {"found": 100, "used": 100, "set_aside": [], "refused": [], "ignored": {}},
        "test_uses": 1,
    }
    write_predictions(folder / "predictions.csv", answers)
    write_metrics(folder / "metrics.json", metrics_document(answers, evaluate_parts(answers), about=about))
    (folder / "results.csv").write_text(HISTORY)
    (folder / "recipe.toml").write_text('epochs = 2\nnetwork = "compact"\n[sources]\nepochs = "user"\n')
    finding = {
        "kind": "blurred",
        "severity": "warning",
        "message": "1 image is blurred",
        "paths": [[escape_path(path)] for path in named[:1]],
    }
    (folder / "check.json").write_text(json.dumps({"account": about["account"], "findings": [finding]}))
    return folder


def add_model(folder: Path, *, classes: tuple[str, ...] = KINDS, unfinished: str | None = None) -> Path:
    """An untrained model file in the run folder."""
    network = build_network("compact", image_size=(16, 16), class_count=len(classes))
    metadata = ModelMetadata(
        classes=classes,
        framing=Framing(size=(16, 16)),
        network="compact",
        run="shapes",
        date="2026-11-21T12:00:00+00:00",
        license="CC0-1.0",
        calibration=None if unfinished else Calibration(image_count=20, figures={"sentence": "temperature 1.1"}),
        unfinished=unfinished,
    )
    write_model(folder / "model.onnx", to_onnx(network.eval(), (16, 16)), metadata)
    return folder
