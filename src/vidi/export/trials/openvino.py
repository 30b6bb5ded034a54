"""OpenVINO's own files, tried as they lie in the folder."""

import platform
from importlib.metadata import version
from pathlib import Path

from vidi.export.to_openvino import GRAPH
from vidi.export.trials.answers import Answers, from_numbers
from vidi.export.trials.images import model_answers, trial_images
from vidi.export.trials.trial import ExportTrial, compare_images
from vidi.model_file.read import ModelFile
from vidi.prediction.engines.by_openvino import open_openvino_graph
from vidi.prediction.engines.registry import replay_engine


def try_openvino(folder: Path, model: ModelFile) -> ExportTrial:
    """Have the files answer the golden vectors and drawn images, which vidi frames, as it does for its engine.

    Args:
        folder: as it was written.
        model: the model file.

    Raises:
        ModelError: OpenVINO does not read them, or a golden vector is damaged.
    """
    engine = open_openvino_graph(folder / GRAPH, model.metadata.framing)
    replay = replay_engine(engine, model)
    differing = list(replay.differing)
    if replay.novelty_difference is not None and not replay.novelty_difference <= replay.tolerance.novelty:
        differing.append(f"a novelty differs by {replay.novelty_difference:.1e}")
    images, answers = trial_images(), Answers()
    outputs = [name for name in ("probabilities", "novelty") if name in model.outputs]
    for one in images:
        row, *strange = (given[0] for given in engine.run(one.pixels[None], outputs))
        answers[one.name] = from_numbers(row, float(strange[0]) if strange else None, model.metadata)
    return ExportTrial(
        host=f"Python {platform.python_version()} with OpenVINO {version('openvino')}",
        vector_count=replay.vector_count,
        probability_difference=replay.probability_difference,
        tolerance=replay.tolerance.probability,
        differing=tuple(differing),
        images=compare_images(model_answers(model, images), answers, model.metadata, given="pixels"),
    )
