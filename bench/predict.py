"""How fast predicting is: against its own parts, against the usual loop, and from a cold start.

`python -m bench.predict [--images 2000] [--rounds 3] [--output FILE]` prints one JSON document. Every gate is a ratio
of two things measured alternately in one run; processes that share the machine disturb both alike.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench.cold_start import measure_parts, measure_starts, rounded
from bench.lite_network import CLASSES, SIZE, lite_graph, lite_torch
from bench.photographs import write_photographs
from vidi.images.framing import Framing
from vidi.images.pool import DecodeJob, read_images
from vidi.images.store import GivenFilesStore
from vidi.machine import core_count
from vidi.model_file.metadata import ModelMetadata
from vidi.model_file.write import write_model
from vidi.prediction.engines import batch_size
from vidi.prediction.predictor import Predictor

# What the project promises; see the issue of the main job.
LEAST_SHARE_OF_BOUND = 0.90
LEAST_OVER_USUAL_LOOP = 3.0
MOST_OVER_IMPORTS = 2.5
MOST_HELP_OVER_PASS = 20.0
MOST_MEAN_LEVELS, MOST_LEVELS = 0.3, 8

USUAL_BATCH = 32


def measure(*, image_count: int, usual_count: int, rounds: int, starts: int, folder: Path) -> dict[str, object]:
    """All figures, as one document."""
    paths = write_photographs(folder / "photographs", image_count)
    model = folder / "model.onnx"
    classes = tuple(f"class {index}" for index in range(CLASSES))
    write_model(model, lite_graph(), ModelMetadata(classes=classes, framing=Framing(size=SIZE, mode="stretch")))
    document: dict[str, object] = {
        "images": image_count,
        "mean_bytes": round(statistics.mean(os.path.getsize(path) for path in paths)),
        "cores": core_count(),
        "processor": processor_kind(),
        "versions": {name: version(name) for name in ("numpy", "pillow", "onnxruntime", "torch")},
        "python": platform.python_version(),
    }
    document |= measure_levels(paths[:50], folder)
    document |= measure_starts(model, Path(paths[0]), starts) | measure_parts(model, Path(paths[0]), starts)
    document |= measure_rates(Predictor.load(model), paths, rounds)
    document |= measure_usual_loop(Predictor.load(model), paths[:usual_count], rounds)
    document["gates"] = judge(document)
    return document


def measure_rates(predictor: Predictor, paths: Sequence[str], rounds: int) -> dict[str, object]:
    """Images a second of decoding alone, the session alone, and both as `predict` runs them, in turn."""
    framing, store = predictor.metadata.framing, GivenFilesStore()
    some = [read.image for read in read_images(store, paths[:64], DecodeJob(framing=framing), isolated=False)]
    framed = np.stack([image for image in some if image is not None])
    size = batch_size(framing)
    batches = [framed[start % 64 : start % 64 + size] for start in range(0, len(paths), size)]

    def decode() -> None:
        assert all(
            read.image is not None for read in read_images(store, paths, DecodeJob(framing=framing), isolated=False)
        )

    def classify() -> None:
        with ThreadPoolExecutor(core_count()) as threads:
            list(threads.map(predictor.predict_framed, batches))

    def predict() -> None:
        assert all(answer.prediction is not None for answer in predictor.predict_files(paths))

    figures, cpu = alternate({"decode": decode, "session": classify, "predict": predict}, len(paths), rounds)
    shares = [
        both / (1 / (1 / alone + 1 / session))
        for alone, session, both in zip(figures["decode"], figures["session"], figures["predict"], strict=True)
    ]
    used = {name: statistics.median(values) for name, values in cpu.items()}
    return {
        "images_per_second": rounded(figures),
        "share_of_bound": statistics.median(shares),
        # Beside other processes the clock says little; processor time says what the work itself costs.
        "cpu_milliseconds": rounded(cpu),
        "share_of_bound_by_cpu": (used["decode"] + used["session"]) / used["predict"],
    }


def measure_usual_loop(predictor: Predictor, paths: Sequence[str], rounds: int) -> dict[str, object]:
    """`predict` beside what most would write: one process, Pillow, eager torch as it comes, batches of 32."""
    import torch

    network = lite_torch()

    def usual() -> None:
        with torch.inference_mode():
            for start in range(0, len(paths), USUAL_BATCH):
                batch = [usual_input(path) for path in paths[start : start + USUAL_BATCH]]
                torch.softmax(network(torch.from_numpy(np.stack(batch))), dim=1).argmax(dim=1).tolist()

    def predict() -> None:
        assert all(answer.prediction is not None for answer in predictor.predict_files(paths))

    figures, _ = alternate({"usual loop": usual, "predict": predict}, len(paths), rounds)
    ratios = [ours / theirs for ours, theirs in zip(figures["predict"], figures["usual loop"], strict=True)]
    return {"beside_usual_loop_per_second": rounded(figures), "over_usual_loop": statistics.median(ratios)}


def usual_input(path: str) -> NDArray[np.float32]:
    """One image as tutorials prepare it."""
    image = Image.open(path).convert("RGB").resize(SIZE[::-1], Image.Resampling.BILINEAR)
    values = np.asarray(image, np.float32) / 255
    return ((values - 0.5) / 0.5).transpose(2, 0, 1)


def measure_levels(paths: Sequence[str], folder: Path) -> dict[str, object]:
    """How far fast decoding and framing is from Pillow's full decode and BILINEAR, small and large photographs."""
    large = write_photographs(folder / "large", 3, size=(3000, 4000), seed=9)
    means, most = [], 0
    framing = Framing(size=SIZE, mode="stretch")
    for read in read_images(GivenFilesStore(), [*paths, *large], DecodeJob(framing=framing), isolated=False):
        assert read.image is not None
        plain = Image.open(read.path).convert("RGB").resize(SIZE[::-1], Image.Resampling.BILINEAR)
        difference = np.abs(np.asarray(plain, np.int16) - read.image)
        means.append(float(difference.mean()))
        most = max(most, int(difference.max()))
    return {"levels_mean": max(means), "levels_most": most}


def alternate(
    tasks: Mapping[str, Callable[[], None]], count: int, rounds: int
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Images a second, and processor milliseconds an image, of each task in each round; the tasks in turn."""
    rates: dict[str, list[float]] = {name: [] for name in tasks}
    cpu: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(rounds):
        for name, task in tasks.items():
            begun, used = time.perf_counter(), time.process_time()
            task()
            rates[name].append(count / (time.perf_counter() - begun))
            cpu[name].append(1_000 * (time.process_time() - used) / count)
    return rates, cpu


def judge(document: Mapping[str, object]) -> dict[str, bool]:
    """Every promise, kept or not."""

    def figure(name: str) -> float:
        value = document[name]
        assert isinstance(value, int | float)
        return value

    return {
        f"at least {LEAST_SHARE_OF_BOUND:.0%} of the bound": figure("share_of_bound") >= LEAST_SHARE_OF_BOUND,
        f"at least {LEAST_OVER_USUAL_LOOP:g}x the usual loop": figure("over_usual_loop") >= LEAST_OVER_USUAL_LOOP,
        f"start at most {MOST_OVER_IMPORTS:g}x the imports": figure("start_over_imports") <= MOST_OVER_IMPORTS,
        f"help at most {MOST_HELP_OVER_PASS:g}x pass": figure("help_over_pass") <= MOST_HELP_OVER_PASS,
        f"mean within {MOST_MEAN_LEVELS} levels": figure("levels_mean") <= MOST_MEAN_LEVELS,
        f"every value within {MOST_LEVELS} levels": figure("levels_most") <= MOST_LEVELS,
    }


def processor_kind() -> str:
    """What decides how fast arithmetic is."""
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine()
    widest = next((name for name in ("avx512_bf16", "avx512f", "avx2") if name in flags), "no AVX2")
    model = next((line.split(":")[1].strip() for line in flags.splitlines() if line.startswith("model name")), "?")
    return f"{model}, {widest}"


def main() -> None:
    """Measure, print, and end with 7 where a promise is not kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=2_000, help="generated JPEGs of 500 x 375")
    parser.add_argument("--usual-images", type=int, default=512, help="of them, for the usual loop")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--starts", type=int, default=15, help="fresh processes of each kind")
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        document = measure(
            image_count=given.images,
            usual_count=given.usual_images,
            rounds=given.rounds,
            starts=given.starts,
            folder=Path(folder),
        )
    text = json.dumps(document, indent=1)
    print(text)
    if given.output is not None:
        given.output.parent.mkdir(parents=True, exist_ok=True)
        given.output.write_text(text + "\n")
    gates = document["gates"]
    assert isinstance(gates, dict)
    sys.exit(0 if all(gates.values()) else 7)


if __name__ == "__main__":
    main()
