"""The metadata as canonical JSON, both ways, and the keys that common viewers show."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from vidi.errors import ModelError
from vidi.metrics.outputs import SIGMOID, SOFTMAX
from vidi.model_file.metadata import ModelMetadata
from vidi.model_file.values import by_fields, canonical_json, parse_json, read_part

SCHEMA_VERSION = 1
TASKS = (SOFTMAX.task, SIGMOID.task)
MAXIMUM_METADATA_BYTES = 4 << 20  # the design's limit; a file that says more about itself is refused


@dataclass(frozen=True, slots=True)
class Versioned:
    """What metadata of any schema says."""

    schema: int


def viewer_keys(metadata: ModelMetadata) -> dict[str, str]:
    """The keys that common viewers show beside the graph."""
    texts = {
        "names": str(dict(enumerate(metadata.classes))),
        "imgsz": str(list(metadata.framing.size)),
        "task": metadata.outputs.task,
        "author": metadata.provenance.author,
        "date": metadata.provenance.date,
        "version": metadata.provenance.run,
        "license": metadata.provenance.license,
        "description": metadata.provenance.description,
    }
    # A folder's name may hold bytes that are no UTF-8; protobuf texts may not.
    return {key: text.encode("utf-8", "backslashreplace").decode() for key, text in texts.items()}


def metadata_to_text(metadata: ModelMetadata) -> str:
    """The canonical JSON that stands under the key `vidi` of a model file.

    Raises:
        ModelError: it is longer than 4 MB.
    """
    text = canonical_json(metadata_to_json(metadata))
    if len(text.encode()) > MAXIMUM_METADATA_BYTES:
        raise ModelError(
            f"the metadata takes {len(text.encode()):,} bytes",
            f"At most {MAXIMUM_METADATA_BYTES:,} are allowed; shorten the recipe or the drift reference.",
        )
    return text


def metadata_from_text(text: str) -> ModelMetadata:
    """Read the metadata of a model file back.

    Raises:
        ModelError: it is not JSON, has another schema, or a value is missing or of the wrong kind.
    """
    document = parse_json(text)
    schema = read_part(Versioned, document).schema
    if schema != SCHEMA_VERSION:
        raise ModelError(
            f"the metadata has schema {schema}; this vidi reads schema {SCHEMA_VERSION}",
            "Install a newer vidi to use this file.",
        )
    return metadata_from_json(cast("Mapping[str, Any]", document))


def metadata_to_json(metadata: ModelMetadata) -> dict[str, Any]:
    """The metadata as plain values, for the file and for `vidi inspect --json`."""
    entries = by_fields(metadata)
    del entries["multi_label"]
    entries["framing"] = {"shrink_to": None, **entries["framing"]}
    return {"schema": SCHEMA_VERSION, "task": metadata.outputs.task, **entries}


def metadata_from_json(document: Mapping[str, Any]) -> ModelMetadata:
    """What `metadata_to_json` wrote, checked.

    Raises:
        ModelError: a value is missing, of the wrong kind, or at odds with the others.
    """
    task = document.get("task")
    if task not in TASKS:
        raise ModelError(
            f"the model's task is {str(task)[:60]!r}", f"This vidi knows {' and '.join(TASKS)}; install a newer one."
        )
    return read_part(ModelMetadata, {**document, "multi_label": task == SIGMOID.task})
