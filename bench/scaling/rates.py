"""Images for each second of one core, by kind of work, and bytes for each image: `python -m bench.scaling.rates N`.

Processor time of this process alone is counted, so that other work on the machine changes little. Prints JSON.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from bench.lite_network import CLASSES, SIZE, lite_graph
from bench.log import compact_graph, write_with_reference
from bench.photographs import write_photographs
from vidi.data.checking.measured import MEASURED_BYTES, measure_file
from vidi.distributed.predict import decode_answers, encode_answers
from vidi.images.decode import DecodeJob, decode_image, read_one
from vidi.images.framing import Framing
from vidi.images.store import GivenFilesStore
from vidi.prediction.predictor import Predictor

SMALL = (64, 64)  # (height, width) that `compact` is trained at here
BATCH_IMAGES = 32


def main() -> None:
    """Measure with as many images as the command says."""
    count = int(sys.argv[1])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = write_photographs(folder / "photographs", count)
        measured = {
            **reading_rates(paths),
            **prediction_rates(folder, paths),
            "log": log_bytes(folder, len(paths)),
            "features_per_second": feature_rate(count),
            "training_per_second": training_rate(folder, max(count, 512)),
        }
    print(json.dumps(measured))


def reading_rates(paths: Sequence[str]) -> dict[str, float]:
    """Decoding whole; as `vidi check` does, with digest and fingerprint; as a network of 224 pixels does."""
    store = GivenFilesStore()
    looked = DecodeJob(measure=measure_file)
    framed = DecodeJob(framing=Framing(size=SIZE, mode="stretch"), least_side=0)
    found = {
        "decode_per_second": rate(lambda: [decode_image(Path(path).read_bytes()) for path in paths], len(paths)),
        "check_per_second": rate(lambda: [read_one(store.read(path), looked) for path in paths], len(paths)),
        "frame_per_second": rate(lambda: [read_one(store.read(path), framed) for path in paths], len(paths)),
    }
    return {**found, "table_bytes": MEASURED_BYTES}


def prediction_rates(folder: Path, paths: Sequence[str]) -> dict[str, float]:
    """Files answered by a network of 224 pixels, and what taking the answers of others in costs the driver."""
    model = write_with_reference(folder / "lite0.onnx", lite_graph(classes=10), 10, SIZE)
    predictor = Predictor.load(model)
    answers = list(predictor.predict_files(paths, workers=1))
    lines = encode_answers(answers)
    large = Predictor.load(write_with_reference(folder / "large.onnx", lite_graph(), CLASSES, SIZE))
    return {
        "predict_per_second": rate(lambda: list(predictor.predict_files(paths, workers=1)), len(paths)),
        "taken_in_per_second": rate(lambda: decode_answers(lines, predictor.metadata), len(paths)),
        "answer_bytes": len(lines) / len(paths),
        "answer_bytes_of_1000_classes": len(encode_answers(large.predict_files(paths[:64], workers=1))) / 64,
    }


def log_bytes(folder: Path, images: int) -> float:
    """Bytes of the log for each prediction, with ten classes and 64 components of its embedding."""
    model = write_with_reference(folder / "compact.onnx", compact_graph(), 10, SMALL)
    log = folder / "log.sqlite"
    words = ["predict", str(model), str(folder / "photographs"), "--log", str(log), "--csv"]
    subprocess.run([sys.executable, "-m", "vidi", *words], check=True, capture_output=True)
    return log.stat().st_size / images


def feature_rate(count: int) -> float:
    """Features of EfficientNet-Lite0 by onnxruntime."""
    from vidi.networks.build import build_network
    from vidi.training.heads.features import embed_images
    from vidi.training.loop.objective import InputNormalisation

    network = build_network("lite0", image_size=SIZE, class_count=10).eval()
    images = np.random.default_rng(0).integers(0, 256, (BATCH_IMAGES, *SIZE, 3), dtype=np.uint8)
    rows = np.arange(count) % BATCH_IMAGES
    normalisation = InputNormalisation(mean=(127.0, 127.0, 127.0), std=(128.0, 128.0, 128.0))

    def work() -> None:
        embed_images(network, images, rows, normalisation=normalisation, engine="onnxruntime")

    return rate(work, count)


def training_rate(folder: Path, count: int) -> float:
    """Images that `compact` is trained on, steps alone."""
    from vidi.metrics.truth import OneClass
    from vidi.training.data import TrainingData
    from vidi.training.defaults import recipe_for
    from vidi.training.loop.progress import Listener, Progress
    from vidi.training.train import train_network
    from vidi.training.traits import DataTraits

    random = np.random.default_rng(0)
    images = random.integers(0, 256, (count, *SMALL, 3), dtype=np.uint8)
    data = TrainingData(
        images=images,
        truth=OneClass(labels=random.integers(0, 10, count), class_count=10),
        train_rows=np.arange(count),
        validation_rows=np.array([], np.int64),
    )
    traits = DataTraits(image_count=count, class_count=10, usual_size=SMALL, is_grey=False)
    recipe = recipe_for(traits, changes={"epochs": 2, "batch": BATCH_IMAGES})
    ends: list[float] = []

    def note(_: Progress) -> None:
        ends.append(time.process_time())

    train_network(data, recipe, folder=folder / "trained", listener=Listener(progress=note))
    steps = np.diff(ends)
    return float(BATCH_IMAGES / np.median(steps))


def rate(work: Callable[[], object], count: int) -> float:
    """Images for each second of processor time, the best of three."""
    return count / min(_seconds(work) for _ in range(3))


def _seconds(work: Callable[[], object]) -> float:
    began = time.process_time()
    done = work()
    if isinstance(done, Iterable):
        del done
    return max(time.process_time() - began, 1e-9)


if __name__ == "__main__":
    main()
