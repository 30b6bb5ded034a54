"""A model as a folder: for hubs and other libraries, or in the files of OpenVINO."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Final

from vidi.export.model_document import MODEL_DOCUMENT, MODEL_FILE, version_of
from vidi.files import digest_of_file
from vidi.images.framing import frame_image
from vidi.model_file.golden import decode_golden, encode_image
from vidi.model_file.golden_vector import GoldenVector
from vidi.model_file.metadata import ModelMetadata
from vidi.model_file.read import ModelFile
from vidi.model_file.schema import metadata_to_json
from vidi.model_file.values import Json, as_plain
from vidi.prediction.by_openvino import import_openvino, take_framed

CARD_NAME: Final = "README.md"
RUNNER_NAME: Final = "run.py"
GOLDEN: Final = "golden.json"
RUNNER: Final = Path(__file__).with_name("runner.txt")  # a program of its own, not a module of vidi


def write_folder(folder: Path, model: ModelFile, *, card: str) -> None:
    """Write the folder's files.

    Args:
        folder: exists and is empty.
    """
    (folder / MODEL_FILE).write_bytes(model.data)
    (folder / CARD_NAME).write_text(card, encoding="utf-8")
    shutil.copyfile(RUNNER, folder / RUNNER_NAME)
    _write_json(folder / "config.json", configuration(model))
    _write_json(folder / "preprocessor_config.json", preprocessing(model.metadata))
    _write_json(folder / GOLDEN, golden_document(model.metadata))


def _write_json(path: Path, document: dict[str, Json]) -> None:
    path.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def configuration(model: ModelFile) -> dict[str, Json]:
    """What `config.json` says, under the names that readers of such folders look for."""
    metadata = model.metadata
    kind = "multi_label_classification" if metadata.multi_label else "single_label_classification"
    return {
        "model_type": "vidi",
        "architectures": [metadata.provenance.network or "unnamed"],
        "problem_type": kind,
        "num_labels": len(metadata.classes),
        "id2label": {str(index): name for index, name in enumerate(metadata.classes)},
        "label2id": {name: index for index, name in enumerate(metadata.classes)},
        "image_size": list(metadata.framing.size),
        "model_file": MODEL_FILE,
        "outputs": list(model.outputs),
        "verdict": metadata_to_json(metadata)["verdict"],
        "model_id": model.model_id,
        "version": version_of(model),
        "vidi_digest": model.digest,
    }


def preprocessing(metadata: ModelMetadata) -> dict[str, Json]:
    """What `preprocessor_config.json` says: nothing is left to do, and what the file does by itself."""
    document = metadata_to_json(metadata)
    return {
        "do_resize": False,
        "do_rescale": False,
        "do_normalize": False,
        "do_convert_rgb": True,
        "input": {"name": "images", "type": "uint8", "shape": ["batch", "height", "width", 3], "upright": True},
        "in_the_graph": {"framing": document["framing"], "normalisation": document["normalisation"]},
    }


def golden_document(metadata: ModelMetadata) -> dict[str, Json]:
    """What `golden.json` says: drawn images as base64 of RGB rows, and the model's answers about them."""
    return {
        "classes": list(metadata.classes),
        "tolerance": as_plain(metadata.golden_tolerance),
        "vectors": as_plain(metadata.golden),
    }


GRAPH: Final = "model.xml"
WEIGHTS: Final = "model.bin"


def write_openvino(folder: Path, model: ModelFile, name: str) -> None:
    """Write graph, weights as they are, their JSON twin, and framed golden vectors.

    Args:
        folder: exists and is empty.

    Raises:
        RuntimeError: OpenVINO does not take the graph.
    """
    openvino = import_openvino()
    graph = openvino.Core().read_model(model.data)
    take_framed(graph, model.metadata.framing)
    openvino.save_model(graph, folder / GRAPH, compress_to_fp16=False)  # 16 bits would be other answers
    framed = replace(model.metadata, golden=tuple(_framed(one, model.metadata) for one in model.metadata.golden))
    _write_json(folder / MODEL_DOCUMENT, twin(folder, model, name))
    _write_json(folder / GOLDEN, golden_document(framed))


def twin(folder: Path, model: ModelFile, name: str) -> dict[str, Json]:
    """What `model.json` says: which files stand beside it, what goes in and out, and all that the model file states."""
    height, width = model.metadata.framing.size
    return {
        "name": name,
        "id": model.model_id,
        "version": version_of(model),
        "digest": model.digest,
        "files": {file: digest_of_file(folder / file) for file in (GRAPH, WEIGHTS)},
        "input": {"name": "images", "type": "uint8", "shape": ["batch", height, width, 3], "framed": True},
        "outputs": list(model.outputs),
        "metadata": metadata_to_json(model.metadata),
    }


def _framed(vector: GoldenVector, metadata: ModelMetadata) -> GoldenVector:
    """A golden vector as the graph takes it; the answer is the same."""
    image = frame_image(decode_golden(vector), metadata.framing)
    return replace(vector, image=encode_image(image), size=metadata.framing.size)
