"""Whether `vidi watch` finds what happens: planted events in videos of images that the model has not seen.

    VIDI_DATA=… python -m bench watch              persons and faces; about ten minutes
    ONLY=persons VIDI_DATA=… python -m bench.watch

A model is trained on one part of the images (`vidi train`, cached in WORK); the videos show the other part, by the
scenario in bench/watching/scenario.py, which was fixed before. An event is found where both its ends lie within half a
second of the planted ones. Beside it runs the plain way: each frame for itself, at a probability of one half. The
settings of `vidi watch` were chosen on videos of the run's validation and calibration images.
"""

import json
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from threading import Event as Stop

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench.processor import describe
from bench.watching.film import write_film
from bench.watching.scenario import TOLERANCE, Script, matched, write_scripts
from vidi.metrics.intervals import wilson_interval
from vidi.numbers import percent
from vidi.prediction.predictor import Predictor
from vidi.video.live import Frame
from vidi.video.sources import parse_source, watch_source
from vidi.workflows.requests.in_use import WatchRequest
from vidi.workflows.watching.session import EventNotice, WatchSession

LEAST = 0.95  # of recall and of precision
SEED = 20261123
FRAMES_A_SECOND = 5.0
HALF = 0.5
RULES = WatchRequest(source="0").rules()
SIZES = {"person": (256, 128), "face": (224, 184)}  # height, width of the videos
Pixels = NDArray[np.uint8]
Spans = list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Planted:
    """A model, and the images that its videos show."""

    label: str  # the class that is watched for
    run: Path
    shown: Sequence[Pixels]  # of the class
    others: Sequence[Pixels]


def main() -> int:
    """Run the sets that were asked for; exit code 1 where one misses a bar."""
    data = Path(os.environ["VIDI_DATA"])
    work = Path(os.environ.get("WORK", "watch_work"))
    sets = {"persons": persons, "faces": faces}
    chosen = [one for one in sets if os.environ.get("ONLY", one) == one]
    print(f"{describe()}; PyAV {version('av')}, onnxruntime {version('onnxruntime')}")
    return max(judge(name, sets[name](data, work / name), work / name) for name in chosen)


def judge(name: str, made: Planted, work: Path) -> int:
    """Make the videos, watch them, and print what came out; 1 where a bar is missed."""
    predictor, label, shown, others = Predictor.load(made.run), made.label, made.shown, made.others
    scripts = write_scripts(len(shown), len(others), seed=SEED)
    films = [
        film(work / f"{number}.mp4", script, shown, others, size=SIZES[label], seed=number)
        for number, script in enumerate(scripts)
    ]
    code = 0
    for way, watch in (("vidi watch", watched), ("each frame for itself", plainly)):
        began = time.perf_counter()
        found = [watch(predictor, path, label) for path in films]
        took = time.perf_counter() - began
        planted, notice = sum(len(one.events) for one in scripts), sum(map(len, found))
        hits = sum(matched(script.events, spans) for script, spans in zip(scripts, found, strict=True))
        seconds = sum(one.seconds for one in scripts)
        print(
            f"{name}, {way}: recall {_share(hits, planted)}, precision {_share(hits, notice)}; "
            f"{len(films)} videos, {planted} events, {seconds:.0f} s watched in {took:.0f} s; "
            f"largest error of a found end {worst(scripts, found):.2f} s"
        )
        if way == "vidi watch":
            code = int(min(hits / planted, hits / max(notice, 1)) < LEAST)
    print(f"{name}: {'met' if not code else 'missed'} (at least {percent(LEAST)} each, ends within {TOLERANCE:g} s)")
    return code


def film(
    path: Path,
    script: Script,
    shown: Sequence[Pixels],
    others: Sequence[Pixels],
    *,
    size: tuple[int, int],
    seed: int,
) -> Path:
    """The video of a script, made where it is not there."""
    if not path.exists():
        partial = path.with_suffix(".part.mp4")
        write_film(partial, script, shown, others, size=size, seed=seed)
        partial.replace(path)
    return path


def plainly(predictor: Predictor, path: Path, label: str) -> Spans:
    """The plain way: a row of frames with a probability of one half or more is an event."""
    spans: Spans = []
    is_open = False
    for one in watch_source(parse_source(str(path)), Stop(), rate=FRAMES_A_SECOND):
        if isinstance(one, Frame):
            answer = predictor.predict([one.image])[0]
            shows = answer.probabilities[predictor.classes.index(label)] >= HALF
            if shows:
                spans[-1:] = [(spans[-1][0], one.seconds)] if is_open else [*spans[-1:], (one.seconds, one.seconds)]
            is_open = bool(shows)
    return spans


def watched(predictor: Predictor, path: Path, label: str) -> Spans:
    """Beginning and end of each event that is found in a video."""
    source = parse_source(str(path))
    session = WatchSession(predictor, source, classes=[predictor.classes.index(label)], rules=RULES, run="bench")
    notice = session.notices(
        one for one in watch_source(source, Stop(), rate=FRAMES_A_SECOND) if isinstance(one, Frame)
    )
    events = [one.event for one in notice if isinstance(one, EventNotice)]
    return [(one.began, one.last_seen) for one in events if one.state == "end"]


def worst(scripts: Sequence[Script], found: Sequence[Spans]) -> float:
    """The largest error of an end among the events that are found, seconds."""
    errors = [
        max(abs(began - one[0]), abs(ended - one[1]))
        for script, spans in zip(scripts, found, strict=True)
        for began, ended in spans
        for one in script.events
        if matched([one], [(began, ended)])
    ]
    return max(errors, default=0.0)


def persons(data: Path, work: Path) -> Planted:
    """Windows of 64×128 pixels: trained on `train`, shown are those of `val`."""
    unpack(data / "person.zip", work / "images")
    run = trained(work / "images" / "train", work / "run", minutes=3)
    shown, others = (read(work / "images" / "val" / name) for name in ("person", "background"))
    return Planted("person", run, shown, others)


def faces(data: Path, work: Path) -> Planted:
    """Faces of 40 people, and scenes: trained on the first 20 and every second scene, shown are the others."""
    unpack(data / "faces-orl.zip", work / "faces")
    unpack(data / "background.zip", work / "scenes")
    scenes = [path for path in sorted((work / "scenes").rglob("*")) if path.suffix == ".jpg"]
    people = sorted({path.parent for path in (work / "faces").rglob("*.pgm")}, key=lambda one: int(one.name[1:]))
    learned: Mapping[str, list[Path]] = {
        "face": [path for person in people[:20] for path in sorted(person.glob("*.pgm"))],
        "background": scenes[::2],
    }
    for name, paths in learned.items():
        (work / "images" / name).mkdir(parents=True, exist_ok=True)
        for number, path in enumerate(paths):
            Image.open(path).convert("L").save(work / "images" / name / f"{number:03}.png")
    run = trained(work / "images", work / "run", minutes=1)
    shown = [path for person in people[20:] for path in sorted(person.glob("*.pgm"))]
    return Planted("face", run, [_grey(path) for path in shown], [_grey(path) for path in scenes[1::2]])


def unpack(archive: Path, folder: Path) -> None:
    """Unpack an archive once."""
    if not folder.exists():
        with zipfile.ZipFile(archive) as opened:
            opened.extractall(folder)


def trained(images: Path, run: Path, *, minutes: int) -> Path:
    """The run of a training, which is done where it is not there."""
    if not (run / "model.onnx").exists():
        command = ["vidi", "train", str(images), "--output", str(run), "--minutes", str(minutes), "--overwrite"]
        subprocess.run(
            [sys.executable, "-m", *command], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
    metrics = json.loads((run / "metrics.json").read_text("utf-8"))
    print(f"model: {run}, test accuracy {metrics.get('accuracy', metrics.get('test', {}).get('accuracy'))}")
    return run


def read(folder: Path) -> list[Pixels]:
    """The images of a folder, in the order of their names."""
    return [np.asarray(Image.open(path).convert("RGB")) for path in sorted(folder.iterdir())]


def _grey(path: Path) -> Pixels:
    return np.asarray(Image.open(path).convert("L").convert("RGB"))


def _share(hits: int, of: int) -> str:
    interval = wilson_interval(hits, of)
    if interval is None:
        return "no data"
    return f"{percent(hits / of, digits=1)} ({percent(interval.low)} to {percent(interval.high)})"


if __name__ == "__main__":
    sys.exit(main())
