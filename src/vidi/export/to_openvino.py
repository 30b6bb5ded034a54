"""A model as OpenVINO's own files, for hosts that read nothing else: the graph for framed images, and what it means."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Final

from vidi.export.model_document import version_of
from vidi.export.to_folder import golden_document
from vidi.files import digest_of_file
from vidi.images.framing import frame_image
from vidi.model_file.golden import decode_golden, encode_image
from vidi.model_file.golden_vector import GoldenVector
from vidi.model_file.metadata import ModelMetadata
from vidi.model_file.read import ModelFile
from vidi.model_file.schema import metadata_to_json
from vidi.model_file.values import Json
from vidi.prediction.engines.by_openvino import import_openvino, take_framed

GRAPH: Final = "model.xml"
WEIGHTS: Final = "model.bin"
TWIN: Final = "model.json"
GOLDEN: Final = "golden.json"


def write_openvino(folder: Path, model: ModelFile, name: str) -> None:
    """Write graph, weights as they are, their JSON twin, and framed golden vectors.

    Args:
        folder: exists and is empty.
        model: the model file.
        name: what people call it.

    Raises:
        RuntimeError: OpenVINO does not take the graph.
    """
    openvino = import_openvino()
    graph = openvino.Core().read_model(model.data)
    take_framed(graph, model.metadata.framing)
    openvino.save_model(graph, folder / GRAPH, compress_to_fp16=False)  # 16 bits would be other answers
    framed = replace(model.metadata, golden=tuple(_framed(one, model.metadata) for one in model.metadata.golden))
    for file, document in ((TWIN, twin(folder, model, name)), (GOLDEN, golden_document(framed))):
        (folder / file).write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8")


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
