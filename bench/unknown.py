"""Whether a model notices what it was never shown: novelty of its own test images against images of other sets.

    VIDI_DATA=… python -m bench unknown                          all models
    SET=fashion-mnist MINUTES=5 python -m bench unknown          one, and the time for its training

Each model is trained once. The area under the ROC curve is the chance that an image of the other set is stranger than a
test image of a known class; beside it stands how many known test images are called unknown at the model's own limit.
Each model leaves one JSON in bench/results/unknown/, or in the folder that RESULTS names.
"""

import gzip
import json
import os
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vidi.machine import wait_without_spinning

wait_without_spinning()  # before torch is imported, as `vidi train` does

import numpy as np  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from PIL import Image  # noqa: E402
from scipy.stats import binomtest  # noqa: E402

from bench.accuracy import CLOTHING_PARTS  # noqa: E402
from bench.processor import measured_here  # noqa: E402
from vidi.files import write_atomic  # noqa: E402
from vidi.metrics.intervals import area_interval, wilson_interval  # noqa: E402
from vidi.metrics.ranking import area_under_roc  # noqa: E402
from vidi.prediction.predictor import Predictor  # noqa: E402
from vidi.workflows.interaction.request import DataRequest  # noqa: E402
from vidi.workflows.train import TrainRequest, train  # noqa: E402

Images = NDArray[np.uint8]
MOST = 1_000  # images of another set
MOST_UNKNOWN = 0.02  # of known test images
KNOWN_PEOPLE = 30  # of the 40 in faces-orl


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """What is trained, and on which other images it is asked."""

    source: Callable[[Path, Path], str]  # VIDI_DATA and a folder for made files → what `vidi train` is given
    strange: Mapping[str, Callable[[Path], Iterator[Image.Image]]]  # name → images of VIDI_DATA
    least: float  # area, for each
    pretrained: str | None = None
    parts: Mapping[str, str] | None = None


def main() -> int:
    """Measure the models that were asked for; 1 where a bar is not reached."""
    data = Path(os.environ.get("VIDI_DATA", "."))
    results = Path(os.environ.get("RESULTS", Path(__file__).parent / "results" / "unknown"))
    reached = True
    print("| model | right | other images | n | area | 95 % interval | bar | called unknown | known called unknown |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name, model in MODELS.items():
        if os.environ.get("SET", name) != name:
            continue
        found = measure(model, data=data, minutes=float(os.environ.get("MINUTES", "3")))
        write_atomic(results / f"{name}.json", json.dumps(found, indent=1) + "\n")
        unknown = found["known_called_unknown"]
        too_many = binomtest(unknown["count"], unknown["n"], MOST_UNKNOWN, alternative="greater").pvalue < 0.05
        for other, area in found["areas"].items():
            met = area["value"] >= model.least
            reached &= met and not too_many
            print(
                f"| {name} | {found['accuracy']:.1%} | {other} | {area['n']:,} | {area['value']:.3f} "
                f"| {area['low']:.3f} – {area['high']:.3f} | {model.least} {'met' if met else 'NOT met'} "
                f"| {area['called_unknown'] / area['n']:.1%} "
                f"| {unknown['count']} of {unknown['n']:,} ({unknown['low']:.1%} – {unknown['high']:.1%}) |",
                flush=True,
            )
    return 0 if reached else 1


def measure(model: Model, *, data: Path, minutes: float) -> dict[str, Any]:
    """Train, then ask."""
    with tempfile.TemporaryDirectory() as name:
        place, folder = Path(name), Path(name) / "run"
        request = DataRequest(source=model.source(data, place), data_dir=str(data), parts=model.parts or {})
        network = None if model.pretrained else "compact"
        train(TrainRequest(data=request, network=network, pretrained=model.pretrained, minutes=minutes, output=folder))
        predictor = Predictor.load(folder)
        metrics = json.loads((folder / "metrics.json").read_text())
        known = novelty_of(predictor, test_files(folder, request, place))
        limit = predictor.metadata.verdict.novelty if predictor.metadata.verdict else None
        called = int((known > limit).sum()) if limit is not None else 0
        areas = {}
        for other, make in model.strange.items():
            strange = novelty_of(predictor, write_images(make(data), place / "strange" / other))
            value = area_under_roc(np.concatenate([known, strange]), np.arange(len(known) + len(strange)) >= len(known))
            interval = area_interval(value or 0.0, len(strange), len(known))
            assert value is not None  # there are images of both kinds
            assert interval is not None
            areas[other] = {
                "value": value,
                "low": interval.low,
                "high": interval.high,
                "n": len(strange),
                "called_unknown": 0 if limit is None else int((strange > limit).sum()),
            }
    interval_of_called = wilson_interval(called, len(known))
    assert interval_of_called is not None  # there are test images
    return {
        "accuracy": metrics["test"]["accuracy"]["value"],
        "areas": areas,
        "known_called_unknown": {
            "count": called,
            "n": len(known),
            "low": interval_of_called.low,
            "high": interval_of_called.high,
        },
        "limit": limit,
        "minutes": minutes,
        **measured_here(),
    }


def test_files(folder: Path, request: DataRequest, place: Path) -> list[Path]:
    """The images of the run's test part, as files."""
    from vidi.data.splitting.split_plan import read_assignments
    from vidi.workflows.interaction.request import read_source

    store = read_source(request).store
    paths = [row.path for row in read_assignments(folder / "splits.csv") if row.part == "test"]
    written = []
    for number, path in enumerate(paths):
        target = place / "known" / f"{number:05}{Path(path).suffix}"
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(store.read(path))
        written.append(target)
    return written


def write_images(images: Iterator[Image.Image], folder: Path) -> list[Path]:
    """Some images as PNG files."""
    folder.mkdir(parents=True)
    paths = []
    for number, image in zip(range(MOST), images, strict=False):
        path = folder / f"{number:04}.png"
        image.convert("RGB").save(path)
        paths.append(path)
    return paths


def novelty_of(predictor: Predictor, paths: list[Path]) -> NDArray[np.float64]:
    """What the model says of each file that it can read."""
    answers = predictor.predict_files([str(path) for path in paths])
    return np.array([one.prediction.novelty for one in answers if one.prediction is not None], np.float64)


def digits(_: Path) -> Iterator[Image.Image]:
    """scikit-learn's digits, as large as Fashion-MNIST's images."""
    from sklearn.datasets import load_digits

    for image in load_digits().images:
        yield Image.fromarray((image * 255 / 16).astype(np.uint8)).resize((28, 28), Image.Resampling.BILINEAR)


def cifar(data: Path) -> Iterator[Image.Image]:
    """CIFAR-10's test images."""
    records = np.fromfile(data / "cifar10" / "test_batch.bin", np.uint8).reshape(-1, 3073)
    for record in records:
        yield Image.fromarray(np.ascontiguousarray(record[1:].reshape(3, 32, 32).transpose(1, 2, 0)))


def grey_cifar(data: Path) -> Iterator[Image.Image]:
    """The same without colours."""
    return (image.convert("L") for image in cifar(data))


def fashion(data: Path) -> Iterator[Image.Image]:
    """Fashion-MNIST's test images."""
    text = gzip.decompress((data / "fashion-mnist" / "t10k-images-idx3-ubyte.gz").read_bytes())
    return (Image.fromarray(image) for image in np.frombuffer(text, np.uint8, offset=16).reshape(-1, 28, 28))


def from_archive(name: str, *beginnings: str) -> Callable[[Path], Iterator[Image.Image]]:
    """The images of an archive in VIDI_DATA whose paths begin so."""

    def read(data: Path) -> Iterator[Image.Image]:
        with zipfile.ZipFile(data / name) as archive:
            for path in sorted(archive.namelist()):
                if path.startswith(beginnings) and path.endswith((".jpg", ".pgm", ".png")):
                    with archive.open(path) as stream:
                        yield Image.open(stream).convert("RGB")

    return read


def known_people(data: Path, place: Path) -> str:
    """A folder with the first people alone: five images of each to learn from, five for the test."""
    with zipfile.ZipFile(data / "faces-orl.zip") as archive:
        for path in archive.namelist():
            person, _, file = path.removeprefix("faces-orl/").partition("/")
            if file and int(person[1:]) <= KNOWN_PEOPLE:
                part = "train" if int(Path(file).stem) <= 5 else "test"
                target = place / "people" / part / person / file
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(archive.read(path))
    return str(place / "people")


OTHER_PEOPLE = tuple(f"faces-orl/s{number}/" for number in range(KNOWN_PEOPLE + 1, 41))
MODELS: Mapping[str, Model] = {
    "fashion-mnist": Model(
        source=lambda *_: "fashion-mnist", strange={"digits": digits, "grey CIFAR-10": grey_cifar}, least=0.95
    ),
    "cifar10": Model(
        source=lambda *_: "cifar10",
        strange={"Fashion-MNIST": fashion, "clothing": from_archive("clothing.zip", "test/")},
        least=0.9,
    ),
    "clothing": Model(
        source=lambda data, _: str(data / "clothing.zip"),
        strange={
            "COCO scenes": from_archive("coco128.zip", "coco128/images/"),
            "faces": from_archive("faces-orl.zip", "faces-orl/"),
        },
        least=0.93,
        pretrained="auto",
        parts=CLOTHING_PARTS,
    ),
    "people": Model(
        source=known_people,
        strange={"other people": from_archive("faces-orl.zip", *OTHER_PEOPLE)},
        least=0.95,
        pretrained="auto",
    ),
}


if __name__ == "__main__":
    sys.exit(main())
