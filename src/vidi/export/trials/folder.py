"""An exported model folder, tried by its own runner in a process of its own."""

import json
import platform
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnxruntime

from vidi.export.to_folder import RUNNER_NAME
from vidi.export.trials.answers import Answers, from_numbers
from vidi.export.trials.images import TrialImage, model_answers, trial_images
from vidi.export.trials.trial import ExportTrial, ImagesTrial, compare_images
from vidi.images.encode import encode_png
from vidi.model_file.golden import decode_golden
from vidi.model_file.read import ModelFile

SECONDS = 300.0

Row = Mapping[str, float]  # class → probability


def try_folder(folder: Path, model: ModelFile) -> ExportTrial:
    """Have the folder's runner answer the golden vectors, which it gets as PNG files, and drawn image files.

    Args:
        folder: as it was written.
        model: the model file.

    Raises:
        ModelError: a golden vector is damaged.
    """
    images = trial_images()
    with tempfile.TemporaryDirectory() as place:
        files = [encode_png(decode_golden(vector)) for vector in model.metadata.golden]
        files += [one.data for one in images]
        paths = [Path(place) / f"{number:03}" for number in range(len(files))]  # the content tells the format
        for path, data in zip(paths, files, strict=True):
            path.write_bytes(data)
        # Isolated: nothing of vidi's own surroundings helps it.
        command = [sys.executable, "-I", str(folder.resolve() / RUNNER_NAME), *map(str, paths)]
        try:
            done = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=SECONDS, check=False)
        except subprocess.TimeoutExpired:
            return compare_lines([], model, images, failure=f"no answer within {SECONDS:g} s")
    return compare_lines(done.stdout.splitlines(), model, images, failure=done.stderr if done.returncode else "")


def compare_lines(
    lines: Sequence[str], model: ModelFile, images: Sequence[TrialImage], *, failure: str = ""
) -> ExportTrial:
    """What a runner printed, one line of JSON for each image, held against the model file.

    Args:
        lines: class → probability, of the golden vectors and then of the images.
        model: the model file.
        images: which the runner was asked about.
        failure: what the runner wrote where it ended with an error.
    """
    metadata, count = model.metadata, len(model.metadata.golden)
    rows: list[Row] = [json.loads(line) for line in lines] if not failure else []
    differing = [failure.strip().splitlines()[-1][:200]] if failure else []
    if not failure and len(rows) != count + len(images):
        differing.append(f"it answered {len(rows)} of {count + len(images)} images")
    if any(tuple(row) != metadata.classes for row in rows):
        differing.append("its classes are others")
    differences = [
        float(np.abs(np.array([*row.values()]) - np.array(vector.probabilities)).max())
        for row, vector in zip(rows, metadata.golden, strict=False)
        if len(row) == len(vector.probabilities)
    ]
    return ExportTrial(
        host=f"Python {platform.python_version()} with onnxruntime {onnxruntime.__version__} alone",
        vector_count=count,
        probability_difference=max(differences, default=float("inf")),
        tolerance=metadata.golden_tolerance.probability,
        differing=tuple(differing),
        images=None if differing else _compare_files(rows[count:], model, images),
    )


def _compare_files(rows: Sequence[Row], model: ModelFile, images: Sequence[TrialImage]) -> ImagesTrial:
    """The runner gives probabilities alone: labels and candidates follow from them."""
    answers: Answers = {
        one.name: from_numbers(np.array([*row.values()], np.float32), None, model.metadata)
        for one, row in zip(images, rows, strict=True)
    }
    return compare_images(model_answers(model, images, novelty=False), answers, model.metadata, given="files")
