"""A model as a folder, for hubs and other libraries."""

import json
import shutil
from pathlib import Path
from typing import Final

from vidi.export.model_document import MODEL_FILE, version_of
from vidi.model_file.metadata import ModelMetadata
from vidi.model_file.read import ModelFile
from vidi.model_file.schema import metadata_to_json
from vidi.model_file.values import Json, as_plain

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
