"""People in whole scenes by a detector, by a classifier's evidence, and by both together.

    VIDI_DATA=… python -m bench detector

Needs nanodet.onnx of tools/make_detector.py beside the sets. The 128 scenes are COCO's train2017, which the detector
has seen in training; the empty photographs are COCO's val2017, which it has not. Two classifiers, person or other,
learn from crops of the even and of the odd scenes; each answers about the other half. Their `other` crops are objects
of other classes and what the detector takes for persons. The detector's time is compared with the bare onnxruntime
session of the same file, image after image, on one thread. The result is a JSON in bench/results/detector/.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.locate import describe_part, in_pixels, read_images, read_truth
from bench.presence import by_windows
from bench.processor import kind, measured_here
from vidi.boxes import clip_boxes, overlaps
from vidi.detection.evidence import locate_by_evidence
from vidi.detection.locate import Located, WindowSearch
from vidi.detection.nanodet import MAPS, answer_proposals, locate_by_detector, with_margin
from vidi.files import write_atomic
from vidi.images.encode import encode_png
from vidi.images.framing import frame_image
from vidi.metrics.detection import FoundBoxes, detection_curve
from vidi.prediction.predictor import Predictor

SETS = ("background.zip", "coco128.zip", "nanodet.onnx")
RECALLS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
LEAST = 3e-4  # score of a detector's box that is counted
MINUTES = 2  # of training each classifier
LEAST_SIDE = 8  # pixels of a crop
FAR = 0.3  # IoU with a person below which a box holds none
MOST_MISTAKEN = 8  # of the detector's boxes in a scene, that hold no person
BAR_ALONE, BAR_PRESENCE, BAR_LOSS, BAR_SECONDS = 0.60, 0.97, 0.03, 0.060
Image_ = NDArray[np.uint8]
Find = Callable[[str, Image_], list[Located]]  # of a scene by its name
Boxes = NDArray[np.float64]


def main() -> int:
    """Measure and print; 1 where a bar is not reached."""
    data = Path(os.environ.get("VIDI_DATA", "."))
    if not all((data / name).exists() for name in SETS):
        print(f"{', '.join(SETS)} are not in {data}: left out", file=sys.stderr)
        return 0
    results = Path(os.environ.get("RESULTS", Path(__file__).parent / "results" / "detector")) / f"{kind()}.json"
    if not results.exists():
        with tempfile.TemporaryDirectory() as name:
            write_atomic(results, json.dumps(measure(data, Path(name)), indent=1) + "\n")
    found = json.loads(results.read_text())
    for name in ("detector", "evidence", "proposals"):
        print(f"{name:9} {json.dumps(found[name])}")
    print(f"time      {json.dumps(found['time'])}")
    alone, both = (found[name]["scenes"]["all"]["AP50"] for name in ("detector", "proposals"))
    met = {
        f"alone {BAR_ALONE}": alone >= BAR_ALONE,
        f"presence {BAR_PRESENCE}": found["detector"]["presence"]["area"] >= BAR_PRESENCE,
        f"both at most {BAR_LOSS} below": both >= alone - BAR_LOSS,
        f"{BAR_SECONDS} s an image": found["time"]["whole_seconds"] <= BAR_SECONDS,
    }
    print("; ".join(f"{bar}: {'met' if is_met else 'NOT met'}" for bar, is_met in met.items()))
    return 0 if all(met.values()) else 1


def measure(data: Path, folder: Path) -> dict[str, Any]:
    """Train the classifiers, search every scene in each way, and count."""
    detector = Predictor.load(data / "nanodet.onnx")
    proposed = WindowSearch(classes=(detector.classes.index("person"),), least=LEAST)
    alone = partial(locate_by_detector, predictor=detector, search=proposed)
    scenes = dict(read_images(data / "coco128.zip"))
    people, others = (read_truth(data / "coco128.zip", is_person=one) for one in (True, False))
    for name, image in scenes.items():
        mistaken = np.array([one.box for one in alone(image)[:MOST_MISTAKEN]], np.float64).reshape(-1, 4)
        persons = in_pixels(people.get(name, []), image)
        mistaken = mistaken[overlaps(mistaken, persons).max(axis=1, initial=0) < FAR]
        other = np.concatenate([in_pixels(others.get(name, []), image), mistaken])
        for label, boxes in (("person", persons), ("other", other)):
            write_crops(folder / half_of(name) / label, Path(name).stem, image, boxes)
    answering = {other: train(folder / half) for half, other in (("even", "odd"), ("odd", "even"))}
    wanted = WindowSearch(classes=(answering["odd"].classes.index("person"),), least=1e-6)
    ways: dict[str, Find] = {
        "detector": lambda _, image: alone(image),
        "evidence": lambda name, image: locate_by_evidence(image, answering[half_of(name)], wanted),
        "proposals": lambda name, image: answer_proposals(
            image, answering[half_of(name)], wanted, detector=detector, proposed=proposed
        ),
    }
    empty = {name: image for name, image in read_images(data / "background.zip") if name.startswith("coco_")}
    return {
        **measured_here(),
        **{way: score(find, scenes, people, empty) for way, find in ways.items()},
        "time": time_of(alone, detector, list(scenes.values())),
    }


def half_of(name: str) -> str:
    """Which scenes an image belongs to, by its number."""
    return "odd" if int(Path(name).stem.removeprefix("coco_")) % 2 else "even"


def write_crops(folder: Path, stem: str, image: Image_, boxes: Boxes) -> None:
    """Crops with the margin that `vidi locate --proposals` gives them."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, box in enumerate(clip_boxes(with_margin(boxes), image.shape[:2]).round().astype(int).tolist()):
        left, top, right, bottom = box
        if min(right - left, bottom - top) >= LEAST_SIDE:
            crop = np.ascontiguousarray(image[top:bottom, left:right])
            (folder / f"{stem}-{number}.png").write_bytes(encode_png(crop))


def train(crops: Path) -> Predictor:
    """A classifier of crops."""
    run = crops.parent / f"run-{crops.name}"
    command = [sys.executable, "-m", "vidi", "train", str(crops), "--pretrained", "lite0"]
    command += ["--minutes", str(MINUTES), "--output", str(run)]
    environment = {**os.environ, "VIDI_CACHE": str(crops.parent / "cache")}
    subprocess.run(command, check=True, capture_output=True, env=environment)
    return Predictor.load(run)


def score(
    find: Find, scenes: Mapping[str, Image_], truth: Mapping[str, Any], empty: Mapping[str, Image_]
) -> dict[str, Any]:
    """Average precision, false boxes and presence of one way."""
    judged = {name: judge(find(name, image), in_pixels(truth.get(name, []), image)) for name, image in scenes.items()}
    parts = {
        "odd": [one for name, one in judged.items() if int(Path(name).stem) % 2],
        "even": [one for name, one in judged.items() if not int(Path(name).stem) % 2],
        "all": list(judged.values()),
    }
    curve = detection_curve(parts["all"])
    quiet = [np.array([one.rank for one in find(name, image)]) for name, image in empty.items()]
    false = {}
    for recall in RECALLS:
        places = np.flatnonzero(curve.recall >= recall)
        limit = curve.scores[places[0]] if len(places) else None
        false[str(recall)] = None if limit is None else round(float(np.mean([(s >= limit).sum() for s in quiet])), 2)
    return {
        "scenes": {name: describe_part(part) for name, part in parts.items()},
        "false_boxes_an_empty_photograph": false,
        "empty_photographs": len(empty),
        "presence": by_windows(
            {name: float(one.scores.max(initial=0.0)) for name, one in judged.items()},
            {name: len(one.truth) > 0 for name, one in judged.items()},
        ),
    }


def judge(found: list[Located], truth: Boxes) -> FoundBoxes:
    """The boxes of an image beside the true ones."""
    boxes = np.array([one.box for one in found], np.float64).reshape(-1, 4)
    return FoundBoxes(boxes, np.array([one.rank for one in found], np.float64), truth)


def time_of(find: Callable[[Image_], object], detector: Predictor, images: list[Image_]) -> dict[str, float]:
    """Median seconds of the whole search and of the bare session alone, each image by both in turn."""
    whole, bare = [], []
    for image in images:
        framed = frame_image(image, detector.metadata.framing)[None]
        began = time.perf_counter()
        detector.engine.run(framed, MAPS)
        between = time.perf_counter()
        find(image)
        bare.append(between - began)
        whole.append(time.perf_counter() - between)
    ratio = float(np.median(np.array(whole) / np.array(bare)))
    return {
        "whole_seconds": round(float(np.median(whole)), 4),
        "bare_seconds": round(float(np.median(bare)), 4),
        "ratio": round(ratio, 3),
    }


if __name__ == "__main__":
    sys.exit(main())
