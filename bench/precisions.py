"""A network of EfficientNet-Lite0's shape in 32, 16 and 8 bits: speed on one core, the files in turn.

    python -m bench precisions

The weights are random, and the head of 1,000 classes stays in 32 bits, so that nothing is said of accuracy, agreement
and size: `vidi export --to int8` measures these on a trained file and its test images. Which
bar applies follows from the processor: with VNNI 8 bits are to be twice as fast, with AVX2 alone 1.25 times. The result
is one JSON in bench/results/precisions/, or in the folder that RESULTS names.
"""

import json
import os
import sys
from pathlib import Path

import numpy as np
import onnx

from bench.lite_network import CLASSES, SIZE, lite_graph
from bench.processor import describe, kind
from vidi.export.precisions.fp16 import to_fp16
from vidi.export.precisions.int8 import to_int8
from vidi.images.framing import Framing
from vidi.machine import processor_name
from vidi.model_file.metadata import ModelMetadata
from vidi.model_file.read import read_model_bytes
from vidi.model_file.write import finished_bytes, model_bytes
from vidi.workflows.exporting.agreement import BATCHES, measure_rates

LEAST_GAIN = {"VNNI": 2.0, "AVX2": 1.25}  # images per second, in 8 bits over 32


def main() -> int:
    """Measure, print the table, and return 1 where a bar is missed."""
    metadata = ModelMetadata(
        classes=tuple(f"class {index}" for index in range(CLASSES)), framing=Framing(size=SIZE, mode="stretch")
    )
    images = np.random.default_rng(0).integers(0, 256, (64, *SIZE, 3), np.uint8)
    parent = read_model_bytes(model_bytes(lite_graph(), metadata))
    graph = onnx.load_model_from_string(parent.data)
    models = {"fp32": parent} | {
        name: read_model_bytes(finished_bytes(made, metadata))
        for name, made in (("fp16", to_fp16(graph)), ("int8", to_int8(graph, images)))
    }
    rates = measure_rates(models, images)
    instructions = "VNNI" if "vnni" in processor_name() else "AVX2"
    gains = {size: rates["int8"][size] / rates["fp32"][size] for size in BATCHES}
    print(f"{describe()}; images per second on one core")
    print("| file | " + " | ".join(f"batch {size}" for size in BATCHES) + " |\n|---|---|---|")
    for name in models:
        print(f"| {name} | " + " | ".join(f"{rates[name][size]:.0f}" for size in BATCHES) + " |")
    bars = {
        f"int8, batch {size}: {gain:.2f} times as fast (bar with {instructions} {LEAST_GAIN[instructions]})": gain
        >= LEAST_GAIN[instructions]
        for size, gain in gains.items()
    }
    print("; ".join(f"{bar}: {'met' if met else 'NOT met'}" for bar, met in bars.items()))
    document = {"processor": describe(), "images_per_second": rates}
    folder = Path(os.environ.get("RESULTS", Path(__file__).parent / "results" / "precisions"))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{kind()}.json").write_text(json.dumps(document, indent=1) + "\n")
    return 0 if all(bars.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
