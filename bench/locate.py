"""People in whole scenes, found by a model of person windows, beside OpenCV's people detector on the same images.

    VIDI_DATA=… python -m bench locate

Trained on the person windows, with hard negatives from the backgrounds' scenes and even COCO images; run on the 128
COCO scenes. Odd image numbers were for development (there `FILLS` and `SMALLEST` were chosen), even ones only for this
report. False alarms are counted on the backgrounds' odd COCO images; presence of a person is bench/presence.py. OpenCV
runs in benchmarks/.venv. The result is a JSON in bench/results/locate/ and its curves docs/images/people.svg, or both
in the folder that RESULTS names.
"""

import io
import json
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.special import logit

from bench.engine import RIVALS, RIVALS_PYTHON
from bench.presence import KNOWN, by_whole_image, by_windows
from bench.processor import describe, kind
from vidi.detection.locate import Located, WindowSearch, locate
from vidi.detection.slide import open_windows
from vidi.figures.drawing import Drawing, side_by_side
from vidi.figures.evaluation import draw_box_precision
from vidi.files import write_atomic
from vidi.metrics.detection import RECALL_POINTS, FoundBoxes, detection_curve, pointing_game
from vidi.prediction.predictor import Predictor

FILLS, SMALLEST = (0.85, 0.7), 22.0  # chosen on the odd images
OVERLAPS, RECALLS = (0.4, 0.5), (0.2, 0.3, 0.4)
CURVES = Path(__file__).parents[1] / "docs" / "images" / "people.svg"
LONG = ("scenes", "precision_at_recall", "top")  # of the document: not printed with the rest
BAR_ALL, BAR_EVEN, BAR_SECONDS = 0.20, 0.30, 1.0
Image_ = NDArray[np.uint8]
Find = Callable[[Image_], tuple[NDArray[np.float64], NDArray[np.float64]]]


def main() -> int:
    """Measure and print; 1 where a bar is not reached."""
    data = Path(os.environ.get("VIDI_DATA", "."))
    if not all((data / name).exists() for name in ("person.zip", "background.zip", "coco128.zip")):
        print(f"the sets are not in {data}: left out", file=sys.stderr)
        return 0
    results = Path(os.environ.get("RESULTS", Path(__file__).parent / "results" / "locate")) / f"{kind()}.json"
    if not results.exists():
        with tempfile.TemporaryDirectory() as name:
            write_atomic(results, json.dumps(measure(data, Path(name)), indent=1) + "\n")
    found = json.loads(results.read_text())
    draw(found).save(Path(os.environ["RESULTS"]) / "people.svg" if "RESULTS" in os.environ else CURVES)
    print(f"{found['processor']}; {found['date']}")
    for way in ("vidi", "opencv"):
        for which, row in (found.get(way) or {}).get("scenes", {}).items():
            print(f"{way:7} {which:5} {row}")
        print(f"{way:7} {json.dumps({key: value for key, value in (found.get(way) or {}).items() if key not in LONG})}")
    for way, row in found["presence"].items():
        print(f"presence {way}: {row}")
    rows = found["vidi"]["scenes"]
    met = {
        f"all {BAR_ALL}": rows["all"]["AP50"] >= BAR_ALL,
        f"even {BAR_EVEN}": rows["even"]["AP50"] >= BAR_EVEN,
        f"{BAR_SECONDS} s an image": found["vidi"]["seconds_an_image"] <= BAR_SECONDS,
        **{
            f"presence {way}, {name} {bar}": found["presence"][way][name] >= bar
            for way in ("by windows", "by whole image")
            for name, bar in KNOWN.items()
        },
    }
    print("; ".join(f"{bar}: {'met' if is_met else 'NOT met'}" for bar, is_met in met.items()))
    return 0 if all(met.values()) else 1


def measure(data: Path, folder: Path) -> dict[str, Any]:
    """Train, search every scene by both, and count."""
    model = train(data, folder)
    predictor = Predictor.load(model)
    windows, person = open_windows(predictor), predictor.classes.index("person")
    search = WindowSearch(classes=(person,), least=1e-4, share=FILLS, smallest=SMALLEST)

    def find(image: Image_) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return as_arrays(locate(image, windows, predictor, search))

    scenes, truth = dict(read_images(data / "coco128.zip")), read_truth(data / "coco128.zip")
    empty = [image for name, image in read_images(data / "background.zip") if is_aside(name)]
    document: dict[str, Any] = {
        "processor": describe(),
        "date": time.strftime("%Y-%m-%d"),
        "fills": FILLS,
        "smallest": SMALLEST,
    }
    document["mined"] = json.loads((model / "mined.json").read_text())["rounds"]
    document["vidi"] = score(find, scenes, truth, empty)
    if RIVALS_PYTHON.exists():
        rival, seconds = by_opencv(scenes, empty, folder)
        document["opencv"] = score(rival, scenes, truth, empty, seconds=seconds)
    whole, shows = by_whole_image(data / "coco128.zip", folder)
    document["presence"] = {
        "by whole image": whole,
        "by windows": by_windows(document["vidi"]["top"], shows),
        "by windows of OpenCV": by_windows(document["opencv"]["top"], shows) if "opencv" in document else None,
    }
    return document


def draw(found: Mapping[str, Any]) -> Drawing:
    """Precision and recall of both detectors, on all images, the even and the odd ones."""
    recalls = RECALL_POINTS.tolist()
    ways = {"vidi": "vidi", "OpenCV": "opencv"}
    figures = [
        draw_box_precision(
            {name: (recalls, found[way]["precision_at_recall"][part]) for name, way in ways.items() if way in found},
            title=title,
            name=f"people-{part}",
        )
        for part, title in {"all": "all images", "even": "even numbers", "odd": "odd numbers"}.items()
    ]
    return side_by_side(figures)


def train(data: Path, folder: Path) -> Path:
    """The run folder of the person model."""
    for name in ("person", "background"):
        with zipfile.ZipFile(data / f"{name}.zip") as archive:
            archive.extractall(folder / name)
    for path in (folder / "background").rglob("*.jpg"):
        if is_aside(path.name):
            path.unlink()
    command = [
        sys.executable,
        "-m",
        "vidi",
        "train",
        str(folder / "person"),
        "--parts",
        "validation=test",
        "--background",
        str(folder / "background"),
        "--output",
        str(folder / "run"),
    ]
    environment = {**os.environ, "VIDI_CACHE": str(folder / "cache")}
    subprocess.run(command, check=True, capture_output=True, env=environment)
    return folder / "run"


def is_aside(name: str) -> bool:
    """Whether a background is kept for counting false alarms: COCO images of odd numbers."""
    stem = Path(name).stem
    return stem.startswith("coco_") and int(stem.removeprefix("coco_")) % 2 == 1


def read_images(path: Path) -> Iterator[tuple[str, Image_]]:
    """The JPEGs of an archive, by file name, in order."""
    with zipfile.ZipFile(path) as archive:
        for name in sorted(archive.namelist()):
            if name.endswith(".jpg"):
                yield Path(name).name, np.asarray(Image.open(io.BytesIO(archive.read(name))).convert("RGB"))


def read_truth(path: Path, *, is_person: bool = True) -> dict[str, list[tuple[float, float, float, float]]]:
    """The boxes of people, or of all else, in shares of the image: middle, width and height; by file name."""
    truth = {}
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.endswith(".txt"):
                rows = [line.split() for line in archive.read(name).decode().splitlines()]
                rows = [row for row in rows if (row[0] == "0") == is_person]
                boxes = [(float(row[1]), float(row[2]), float(row[3]), float(row[4])) for row in rows]
                truth[f"{Path(name).stem}.jpg"] = boxes
    return truth


def as_arrays(found: Sequence[Located]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Boxes (boxes, 4), and their scores as log odds, which tell apart what rounds to 1."""
    scores = np.array([one.score for one in found], np.float64)
    return np.array([one.box for one in found], np.float64).reshape(-1, 4), logit(np.clip(scores, 1e-15, 1 - 1e-15))


def score(
    find: Find,
    scenes: Mapping[str, Image_],
    truth: Mapping[str, Any],
    empty: Sequence[Image_],
    *,
    seconds: float | None = None,
) -> dict[str, Any]:
    """Average precision, pointing game, false alarms, best scores and time of one detector, unless that is known."""
    began = time.perf_counter()
    found = {name: find(image) for name, image in scenes.items()}
    seconds = seconds if seconds is not None else (time.perf_counter() - began) / len(scenes)
    judged = {name: FoundBoxes(*found[name], in_pixels(truth.get(name, []), scenes[name])) for name in scenes}
    parts = {
        "odd": [one for name, one in judged.items() if int(Path(name).stem) % 2],
        "even": [one for name, one in judged.items() if not int(Path(name).stem) % 2],
        "all": list(judged.values()),
    }
    curve = detection_curve(parts["all"])
    places = {recall: np.flatnonzero(curve.recall >= recall) for recall in RECALLS}
    limits = {recall: float(curve.scores[found[0]]) if len(found) else None for recall, found in places.items()}
    quiet = [find(image)[1] for image in empty]
    return {
        "scenes": {name: describe_part(part) for name, part in parts.items()},
        "seconds_an_image": round(seconds, 3),
        "false_boxes_an_empty_photograph": {
            str(recall): "not reached"
            if limit is None
            else round(float(np.mean([(s >= limit).sum() for s in quiet])), 2)
            for recall, limit in limits.items()
        },
        "empty_photographs": len(empty),
        "top": {name: round(float(one.scores.max(initial=-50)), 4) for name, one in judged.items()},
        "precision_at_recall": {
            name: detection_curve(part).best_precision.round(4).tolist() for name, part in parts.items()
        },
    }


def describe_part(part: Sequence[FoundBoxes]) -> dict[str, Any]:
    """The figures of some scenes, the average precision with a 95 % interval from resampled images."""
    row: dict[str, Any] = {"images": len(part), "people": sum(len(one.truth) for one in part)}
    for overlap in OVERLAPS:
        precision = detection_curve(part, overlap=overlap).average_precision
        row[f"AP{round(100 * overlap)}"] = None if precision is None else round(precision, 3)
    draws = np.random.default_rng(0).integers(0, len(part), (200, len(part)))
    drawn = [detection_curve([part[row] for row in rows.tolist()]).average_precision or 0.0 for rows in draws]
    row["AP50_interval"] = [round(float(value), 3) for value in np.quantile(drawn, [0.025, 0.975])]
    row["recall"] = round(float(detection_curve(part).recall[-1]), 3)
    hits, shown = pointing_game(part)
    row["pointing"] = [hits, shown]
    return row


def in_pixels(boxes: Sequence[tuple[float, float, float, float]], image: Image_) -> NDArray[np.float64]:
    """(boxes, 4) x_min, y_min, x_max, y_max."""
    height, width = image.shape[:2]
    rows = [
        ((x - w / 2) * width, (y - h / 2) * height, (x + w / 2) * width, (y + h / 2) * height) for x, y, w, h in boxes
    ]
    return np.array(rows, np.float64).reshape(-1, 4)


def by_opencv(scenes: Mapping[str, Image_], empty: Sequence[Image_], folder: Path) -> tuple[Find, float]:
    """OpenCV's default people detector, run on all images in its own environment; and its seconds for a scene."""
    images = [*scenes.values(), *empty]
    np.savez(folder / "images.npz", *images)
    command = [str(RIVALS_PYTHON), str(RIVALS / "opencv_people.py"), str(folder / "images.npz")]
    answers = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    by_image = {id(image): answer for image, answer in zip(images, answers["images"], strict=True)}

    def find(image: Image_) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        answer = by_image[id(image)]
        return np.array(answer["boxes"], np.float64).reshape(-1, 4), np.array(answer["scores"], np.float64)

    return find, sum(by_image[id(image)]["seconds"] for image in scenes.values()) / len(scenes)


if __name__ == "__main__":
    sys.exit(main())
