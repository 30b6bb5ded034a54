"""A network of EfficientNet-Lite0's shape in 32, 16 and 8 bits, by onnxruntime and OpenVINO, the files in turn.

    python -m bench precisions

Rates are images per second of processor time on one core, so that other work on the machine counts little. Weights
are random. The head stays in 32 bits: of 10 classes, as users have, it costs nothing; of 1,000 it is a large matrix.
Nothing is said of accuracy, agreement and size: `vidi export --to int8` measures these on a trained file and its test
images. Which bar applies follows from the processor: with VNNI 8 bits are to be twice as fast as onnxruntime in 32
bits, and 2.5 times by OpenVINO; with AVX2 alone 1.25 times. The result is one JSON in bench/results/precisions/, or in
the folder that RESULTS names.
"""

import json
import os
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import onnx

from bench.lite_network import CLASSES, SIZE, lite_graph
from bench.processor import describe, kind, today
from vidi.export.precisions import to_fp16, to_int8
from vidi.images.framing import Framing
from vidi.machine import processor_name
from vidi.model_file.metadata import ModelMetadata
from vidi.model_file.read import ModelFile, read_model_bytes
from vidi.model_file.write import finished_bytes, model_bytes
from vidi.prediction.engines import ENGINES, USUAL, GraphEngine, is_installed
from vidi.prediction.timing import take_turns

HEADS = (10, CLASSES)
BATCHES = (1, 32)
ROUNDS, SECONDS = 9, 0.25
# Of images per second over onnxruntime in 32 bits, for the head of 10 classes.
LEAST_GAIN = {"VNNI": {f"int8 {USUAL}": 2.0, "int8 openvino": 2.5}, "AVX2": {f"int8 {USUAL}": 1.25}}

Rates = dict[str, dict[int, float]]  # by file and engine, and by batch


def main() -> int:
    """Measure, print the tables, and return 1 where a bar is missed."""
    machine, file_name = describe(), f"{kind()}.json"
    os.environ["VIDI_CORES"] = "1"  # for OpenVINO's threads
    rates = {classes: measure(classes) for classes in HEADS}
    print(f"{machine}; images per second of processor time, one core")
    for classes, found in rates.items():
        usual = found[f"fp32 {USUAL}"]
        print(f"| file and engine, {classes:,} classes | " + " | ".join(f"batch {size}" for size in BATCHES) + " |")
        print("|---" * (1 + len(BATCHES)) + "|")
        for name, by_batch in found.items():
            cells = (f"{by_batch[size]:.0f} ({by_batch[size] / usual[size]:.2f} times)" for size in BATCHES)
            print(f"| {name} | {' | '.join(cells)} |")
    instructions = "VNNI" if "vnni" in processor_name() else "AVX2"
    bars = judge(rates[HEADS[0]], instructions)
    print("; ".join(f"{bar}: {'met' if met else 'NOT met'}" for bar, met in bars.items()))
    document = {"date": today(), "processor": machine, "images_per_cpu_second": rates}
    folder = Path(os.environ.get("RESULTS", Path(__file__).parent / "results" / "precisions"))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / file_name).write_text(json.dumps(document, indent=1) + "\n")
    return 0 if all(bars.values()) else 1


def measure(classes: int) -> Rates:
    """Images per second of the network with a head of so many classes."""
    metadata = ModelMetadata(
        classes=tuple(f"class {index}" for index in range(classes)), framing=Framing(size=SIZE, mode="stretch")
    )
    images = np.random.default_rng(0).integers(0, 256, (64, *SIZE, 3), np.uint8)
    parent = read_model_bytes(model_bytes(lite_graph(classes=classes), metadata))
    graph = onnx.load_model_from_string(parent.data)
    models = {"fp32": parent} | {
        name: read_model_bytes(finished_bytes(made, metadata))
        for name, made in (("fp16", to_fp16(graph)), ("int8", to_int8(graph, images)))
    }
    engines = {f"{name} {engine}": opened for name, model in models.items() for engine, opened in open_all(model)}
    rates: Rates = {name: {} for name in engines}
    for size in BATCHES:
        runs = {name: partial(engine.run, images[:size], ["probabilities"]) for name, engine in engines.items()}
        timed = take_turns(runs, rounds=ROUNDS, seconds=SECONDS, clock=time.process_time)
        for name, one in timed.items():
            rates[name][size] = round(one.rate * size, 2)
    return rates


def open_all(model: ModelFile) -> list[tuple[str, GraphEngine]]:
    """A file by every engine that is installed; random weights have no golden answers to be held to."""
    return [(name, opens(model)) for name, opens in ENGINES.items() if is_installed(name)]


def judge(rates: Rates, instructions: str) -> dict[str, bool]:
    """Every bar that applies here, met or not."""
    usual = rates[f"fp32 {USUAL}"]
    return {
        f"{name}, batch {size}: {rates[name][size] / usual[size]:.2f} times as fast (bar {least})": rates[name][size]
        >= least * usual[size]
        for name, least in LEAST_GAIN[instructions].items()
        if name in rates
        for size in BATCHES
    }


if __name__ == "__main__":
    sys.exit(main())
