"""A model as a folder that hubs and other libraries take: the file, its card, its configuration and a runner."""

import json
import shutil
from pathlib import Path
from typing import Final

from vidi.export.model_document import MODEL_FILE, version_of
from vidi.model_file.golden_vector import tolerance_to_json, vector_to_json
from vidi.model_file.metadata import ModelMetadata
from vidi.model_file.read import ModelFile
from vidi.model_file.schema import metadata_to_json
from vidi.model_file.values import Json

CARD_NAME: Final = "README.md"
RUNNER_NAME: Final = "run.py"
RUNNER: Final = Path(__file__).with_name("runner.txt")  # a program of its own, not a module of vidi


def write_folder(folder: Path, model: ModelFile, *, card: str) -> None:
    """Write the folder's files.

    Args:
        folder: exists and is empty.
        model: the model file.
        card: text of `README.md`, with its front matter.
    """
    (folder / MODEL_FILE).write_bytes(model.data)
    (folder / CARD_NAME).write_text(card, encoding="utf-8")
    shutil.copyfile(RUNNER, folder / RUNNER_NAME)
    for name, document in (
        ("config.json", configuration(model)),
        ("preprocessor_config.json", preprocessing(model.metadata)),
        ("golden.json", golden_document(model.metadata)),
    ):
        text = json.dumps(document, indent=1, allow_nan=False)
        (folder / name).write_text(text + "\n", encoding="utf-8")


def configuration(model: ModelFile) -> dict[str, Json]:
    """What `config.json` says, under the names that readers of such folders look for."""
    metadata = model.metadata
    kind = "multi_label_classification" if metadata.multi_label else "single_label_classification"
    return {
        "model_type": "vidi",
        "architectures": [metadata.network or "unnamed"],
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
        "tolerance": tolerance_to_json(metadata.golden_tolerance),
        "vectors": [vector_to_json(vector) for vector in metadata.golden],
    }
