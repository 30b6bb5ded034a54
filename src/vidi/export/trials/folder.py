"""An exported model folder, tried by its own runner in a process of its own."""

import json
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime

from vidi.export.to_folder import RUNNER_NAME
from vidi.export.trials.trial import ExportTrial
from vidi.images.encode import encode_png
from vidi.model_file.golden import decode_golden
from vidi.model_file.metadata import ModelMetadata

SECONDS = 300.0


def try_folder(folder: Path, metadata: ModelMetadata) -> ExportTrial:
    """Have the folder's runner answer the golden vectors, which it gets as PNG files.

    Args:
        folder: as it was written.
        metadata: of the model file.

    Raises:
        ModelError: a golden vector is damaged.
    """
    with tempfile.TemporaryDirectory() as place:
        paths = []
        for number, vector in enumerate(metadata.golden, start=1):
            paths.append(Path(place) / f"golden-{number}.png")
            paths[-1].write_bytes(encode_png(decode_golden(vector)))
        # Isolated: nothing of vidi's own surroundings helps it.
        command = [sys.executable, "-I", str(folder.resolve() / RUNNER_NAME), *map(str, paths)]
        try:
            done = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=SECONDS, check=False)
        except subprocess.TimeoutExpired:
            return compare_lines([], metadata, failure=f"no answer within {SECONDS:g} s")
    return compare_lines(done.stdout.splitlines(), metadata, failure=done.stderr if done.returncode else "")


def compare_lines(lines: Sequence[str], metadata: ModelMetadata, *, failure: str = "") -> ExportTrial:
    """What a runner printed about the golden vectors, one line of JSON each, held against the file.

    Args:
        lines: class → probability, in the order of the vectors.
        metadata: of the model file.
        failure: what the runner wrote where it ended with an error.
    """
    rows = [json.loads(line) for line in lines] if not failure else []
    differing = [failure.strip().splitlines()[-1][:200]] if failure else []
    if not failure and len(rows) != len(metadata.golden):
        differing.append(f"it answered {len(rows)} of {len(metadata.golden)} images")
    if any(tuple(row) != metadata.classes for row in rows):
        differing.append("its classes are others")
    differences = [
        float(np.abs(np.array([*row.values()]) - np.array(vector.probabilities)).max())
        for row, vector in zip(rows, metadata.golden, strict=False)
        if len(row) == len(vector.probabilities)
    ]
    return ExportTrial(
        host=f"Python {platform.python_version()} with onnxruntime {onnxruntime.__version__} alone",
        vector_count=len(metadata.golden),
        probability_difference=max(differences, default=float("inf")),
        tolerance=metadata.golden_tolerance.probability,
        differing=tuple(differing),
    )
