"""What the prediction log costs a server: `python -m bench log [--rounds 8] [--seconds 6] [--output FILE]`.

A server with a log and one without stand side by side and answer the same photographs in turns, so that whatever else
runs on the machine disturbs both alike. All that the log takes is counted: the further output of the network, the
images' statistics, placing the embeddings, rows, and the database. The gate: 5 % of the processor time of an image.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx

from bench.lite_network import CLASSES, SIZE, lite_graph
from bench.photographs import write_photographs
from bench.processor import measured_here
from bench.serve import rounded, versions
from bench.serving.contestants import free_port, stop
from vidi.images.framing import Framing
from vidi.images.statistics import QUALITIES, ImageStatistics
from vidi.model_file.metadata import ModelMetadata
from vidi.model_file.write import write_model
from vidi.monitoring.reference import UnseenImages, make_reference
from vidi.prediction.predictor import Predictor

PHOTOGRAPHS: Final = 64
MOST_SHARE: Final = 0.05  # of the processor time of an image
IMAGES: Final = 600  # of the drift reference
PACKAGES: Final = ("numpy", "onnxruntime", "sqlalchemy", "starlette", "uvicorn")


def compact_graph() -> onnx.GraphProto:
    """The network that is trained from scratch by default, with random weights."""
    from vidi.networks.build import build_network
    from vidi.networks.to_onnx import to_onnx

    return to_onnx(build_network("compact", image_size=(64, 64), class_count=10).eval(), (64, 64))


def write_models(folder: Path) -> dict[str, Path]:
    """Two models with drift references: a large network with many classes, and a small one with few."""
    graphs = {"lite0, 224 px, 1,000 classes": (lite_graph(), CLASSES, SIZE)}
    graphs["compact, 64 px, 10 classes"] = (compact_graph(), 10, (64, 64))
    return {
        name: write_with_reference(folder / f"{number}.onnx", *graph)
        for number, (name, graph) in enumerate(graphs.items())
    }


def write_with_reference(path: Path, graph: onnx.GraphProto, classes: int, size: tuple[int, int]) -> Path:
    """A model file whose reference places embeddings on 64 axes, as that of a trained one does."""
    metadata = ModelMetadata(
        classes=tuple(f"class {index}" for index in range(classes)), framing=Framing(size=size, mode="stretch")
    )
    random = np.random.default_rng(0)
    blank = np.zeros((1, *size, 3), np.uint8)
    width = Predictor.load(write_model(path, graph, metadata).path).run(blank, ["embedding"])["embedding"].shape[1]
    qualities = random.uniform(1, 200, (IMAGES, len(QUALITIES)))
    reference = make_reference(
        random.dirichlet(np.ones(classes), IMAGES).astype(np.float32),
        metadata,
        basis="calibration",
        groups=None,
        novelty=None,
        images=UnseenImages(
            part="validation",
            embeddings=random.normal(size=(IMAGES, width)).astype(np.float32),
            statistics=[ImageStatistics(**dict(zip(QUALITIES, row, strict=True))) for row in qualities.tolist()],
            groups=np.arange(IMAGES),
        ),
    )
    return write_model(path, graph, replace(metadata, drift_reference=reference)).path


@contextmanager
def serving(model: Path, *words: str) -> Iterator[tuple[int, int]]:
    """A server that is ready: its process and port."""
    port = free_port()
    command = [sys.executable, "-m", "vidi", "serve", str(model), "--port", str(port), *words]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    try:
        while b"listening on" not in (line := process.stderr.readline()):
            if not line:
                sys.exit(f"{' '.join(command)} did not become ready.")
        yield process.pid, port
    finally:
        stop(process)


def load(server: tuple[int, int], photographs: Path, seconds: float) -> dict[str, Any]:
    """What the load generator saw."""
    pid, port = server
    command = [sys.executable, "-m", "bench.serving.load", str(port), "/v1/predict?top=5", str(photographs)]
    words = ["--pid", str(pid), "--seconds", str(seconds), "--warm-up", "0.5", "--connections", "8"]
    done: dict[str, Any] = json.loads(subprocess.run([*command, *words], capture_output=True, check=True).stdout)
    return done


def compare(model: Path, photographs: Path, folder: Path, *, rounds: int, seconds: float) -> dict[str, Any]:
    """Processor milliseconds and latency of an image, with the log and without, in turns."""
    log = folder / f"{model.stem}.sqlite"
    seen: dict[str, list[dict[str, Any]]] = {"with": [], "without": []}
    with serving(model) as without, serving(model, "--log", str(log)) as logging:
        servers = {"with": logging, "without": without}
        for number in range(rounds):
            for name in sorted(servers, reverse=number % 2 == 0):
                seen[name].append(load(servers[name], photographs, seconds))
                time.sleep(0.5)  # the log's last rows
    cost = {name: [1000 / one["images_per_cpu_second"] for one in rows] for name, rows in seen.items()}
    shares = [a / b - 1 for a, b in zip(cost["with"], cost["without"], strict=True)]
    spread = statistics.stdev(shares) / rounds**0.5 if rounds > 1 else float("nan")
    return {
        "cpu_milliseconds": {name: statistics.median(values) for name, values in cost.items()},
        "p50_milliseconds": {name: statistics.median(one["p50_milliseconds"] for one in seen[name]) for name in seen},
        "p99_milliseconds": {name: statistics.median(one["p99_milliseconds"] for one in seen[name]) for name in seen},
        "images": sum(one["answered"] for one in seen["with"]),
        "rows_bytes": log.stat().st_size,
        "share": statistics.median(shares),
        "shares": shares,
        "standard_error": spread,
    }


def main() -> None:
    """Measure, print, and end with 7 where the log costs too much."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=6.0, help="each window of load")
    parser.add_argument("--only", default="", help="the model whose name begins so")
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_photographs(folder / "photographs", PHOTOGRAPHS)
        found = {
            model: compare(path, folder / "photographs", folder, rounds=given.rounds, seconds=given.seconds)
            for model, path in write_models(folder).items()
            if model.startswith(given.only)
        }
    document = {
        "rounds": given.rounds,
        "seconds": given.seconds,
        **measured_here(),
        "versions": versions(PACKAGES),
        "models": found,
        "gate": {model: one["share"] <= MOST_SHARE for model, one in found.items()},
    }
    text = json.dumps(rounded(document), indent=1)
    print(text)
    if given.output is not None:
        given.output.parent.mkdir(parents=True, exist_ok=True)
        given.output.write_text(text + "\n")
    sys.exit(0 if all(one["share"] <= MOST_SHARE for one in found.values()) else 7)


if __name__ == "__main__":
    main()
