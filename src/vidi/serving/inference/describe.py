"""What the protocol says of a server and its models: metadata, configuration, index and statistics."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from vidi.model_file.metadata import ModelMetadata
from vidi.model_file.values import Json
from vidi.serving.inference.outputs import OfferedOutput
from vidi.serving.inference.request import INPUT
from vidi.serving.inference.tally import Tally

# The repository's index is answered too; loading and unloading are not, and so the extension is not named.
EXTENSIONS: Final = ("classification", "binary_tensor_data", "parameters", "model_configuration", "statistics")
PLATFORM, BACKEND = "onnxruntime_onnx", "onnxruntime"
_TYPES = {"FP32": "TYPE_FP32", "BYTES": "TYPE_STRING"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribedModel:
    """A model, as its documents show it."""

    name: str
    version: str
    model_id: str
    metadata: ModelMetadata
    outputs: tuple[OfferedOutput, ...]


def server_metadata(version: str) -> dict[str, Json]:
    """The server: name, version of vidi, extensions.

    >>> server_metadata("1.0")["name"]
    'vidi'
    """
    return {"name": "vidi", "version": version, "extensions": list(EXTENSIONS)}


def model_metadata(model: DescribedModel) -> dict[str, Json]:
    """A model's version, input and outputs; -1 stands for any size.

    The input may also be BYTES, shape (-1,), of encoded files.
    """
    return {
        "name": model.name,
        "versions": [model.version],
        "platform": PLATFORM,
        "inputs": [{"name": INPUT, "datatype": "UINT8", "shape": [-1, -1, -1, 3]}],
        "outputs": [
            {"name": output.name, "datatype": output.datatype, "shape": list(output.shape)} for output in model.outputs
        ],
    }


def model_config(model: DescribedModel, *, most_images: int) -> dict[str, Json]:
    """A model's configuration in the form that Triton gives; shapes are those of one image.

    Args:
        model: that is described.
        most_images: in one request.
    """
    height, width = model.metadata.framing.size
    facts = {
        "model_id": model.model_id,
        "classes": json.dumps(list(model.metadata.classes)),
        "size": json.dumps([height, width]),
        "multi_label": json.dumps(model.metadata.multi_label),
    }
    return {
        "name": model.name,
        "platform": PLATFORM,
        "backend": BACKEND,
        "max_batch_size": most_images,
        "input": [{"name": INPUT, "data_type": "TYPE_UINT8", "format": "FORMAT_NHWC", "dims": [-1, -1, 3]}],
        "output": [
            {"name": output.name, "data_type": _TYPES[output.datatype], "dims": list(output.shape[1:])}
            for output in model.outputs
        ],
        "parameters": {name: {"string_value": text} for name, text in facts.items()},
    }


def index_entry(name: str, version: str, *, reasons: Sequence[str] = ()) -> dict[str, Json]:
    """A model in the repository's index.

    Args:
        name: of the model.
        version: of the model.
        reasons: why it is not ready; none where it is.

    >>> index_entry("cats", "run-1")
    {'name': 'cats', 'version': 'run-1', 'state': 'READY', 'reason': ''}
    """
    state = "UNAVAILABLE" if reasons else "READY"
    return {"name": name, "version": version, "state": state, "reason": "; ".join(reasons)}


def model_statistics(name: str, version: str, tally: Tally) -> dict[str, Json]:
    """What was counted for one version of a model."""
    return {"name": name, "version": version, **tally.as_json()}
