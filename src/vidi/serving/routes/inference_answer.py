"""What the Open Inference Protocol says of a model: its outputs, its answers and its description."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vidi.model_file.metadata import ModelMetadata
from vidi.model_file.values import Json
from vidi.model_file.walk import ValueInfo
from vidi.prediction.prediction import Prediction, decide
from vidi.prediction.predictor import ANSWERS
from vidi.serving.engine.models import ServedModel
from vidi.serving.problems import Problem
from vidi.serving.routes.inference_request import (
    INPUT,
    InferRequest,
    OutputTensor,
    RequestedOutput,
    Values,
    texts,
    to_binary,
    to_json,
)

Rows = Mapping[str, NDArray[np.float32]]  # output of the network → (batch, …)

_TEXTS: Mapping[str, Callable[[Prediction], str]] = {
    "label": lambda prediction: prediction.label,
    "verdict": lambda prediction: prediction.verdict or "",
    "candidates": lambda prediction: json.dumps(list(prediction.candidates)),
    "decision": lambda prediction: json.dumps(list(prediction.decision or ())),
}
CLASSIFIED: Final = "probabilities"  # the output of which classes can be asked for by their rank


@dataclass(frozen=True, slots=True)
class OfferedOutput:
    """An output that a request may name."""

    name: str
    datatype: str  # FP32, or BYTES for texts in UTF-8
    shape: tuple[int, ...]  # the first is the batch; -1 where it is not fixed


def offered_outputs(metadata: ModelMetadata, outputs: Sequence[ValueInfo]) -> tuple[OfferedOutput, ...]:
    """What a model gives: its network's outputs, then `label` and, where the model has them, the other answers.

    `candidates` and `decision` are JSON lists of class names.
    """
    own = [OfferedOutput(one.name, "FP32", _shape(one.shape)) for one in outputs]
    has = {"label": True, "verdict": metadata.verdict is not None, "candidates": metadata.verdict is not None}
    has["decision"] = metadata.operating_points is not None
    return (*own, *(OfferedOutput(name, "BYTES", (-1,)) for name in _TEXTS if has[name]))


def _shape(sides: Sequence[int | str]) -> tuple[int, ...]:
    return (-1, *(side if isinstance(side, int) else -1 for side in sides[1:]))


def choose_outputs(request: InferRequest, offered: Sequence[OfferedOutput]) -> tuple[RequestedOutput, ...]:
    """The outputs that a request asks for, in its order; all where it names none.

    Raises:
        Problem: `bad-request`; the model has no such output, or classes are asked for of another than `probabilities`.
    """
    names = [output.name for output in offered]
    chosen = request.outputs or tuple(RequestedOutput(name=name) for name in names)
    for output in chosen:
        if output.name not in names:
            shown = output.name[:60]
            raise Problem("bad-request", f"The model has no output {shown!r}.", f"It has {', '.join(names)}.")
        if output.class_count and output.name != CLASSIFIED:
            raise Problem(
                "bad-request", f"`classification` is asked for of {output.name!r}.", f"Ask it of {CLASSIFIED!r} alone."
            )
    return chosen


def network_outputs(chosen: Sequence[RequestedOutput], offered: Sequence[OfferedOutput]) -> tuple[str, ...]:
    """The outputs of the network for those that were chosen, and always what verdicts are made of: it costs nothing."""
    own = [output.name for output in offered if output.datatype == "FP32"]
    wanted = {output.name for output in chosen} | {*ANSWERS}
    return tuple(name for name in own if name in wanted)


def make_tensors(
    request: InferRequest, chosen: Sequence[RequestedOutput], rows: Rows, metadata: ModelMetadata
) -> list[OutputTensor]:
    """The tensors of an answer, in the order of the request.

    Args:
        rows: what the network gave, for at least `network_outputs`.
    """
    predictions: list[Prediction] = []
    if any(output.name in _TEXTS for output in chosen):
        predictions = decide_each(rows, metadata)
    return [
        OutputTensor(
            output.name,
            _values(output, rows, predictions, metadata.classes),
            request.binary if output.binary is None else output.binary,
        )
        for output in chosen
    ]


def _values(output: RequestedOutput, rows: Rows, predictions: Sequence[Prediction], classes: Sequence[str]) -> Values:
    if output.name in _TEXTS:
        return texts([_TEXTS[output.name](prediction) for prediction in predictions])
    if output.class_count:
        return rank_classes(rows[output.name], output.class_count, classes)
    return rows[output.name]


def decide_each(rows: Rows, metadata: ModelMetadata) -> list[Prediction]:
    """The predictions that a model's outputs for a batch of images amount to."""
    probabilities = rows["probabilities"]
    novelty: list[float | None] = [None] * len(probabilities)
    if "novelty" in rows:
        novelty = [float(value) for value in rows["novelty"]]
    return [decide(row, metadata, novelty=strange) for row, strange in zip(probabilities, novelty, strict=True)]


def rank_classes(probabilities: NDArray[np.float32], count: int, classes: Sequence[str]) -> NDArray[np.object_]:
    """The most probable classes of each image as texts "value:index:label", highest first.

    Args:
        probabilities: (batch, classes) float32.
        count: classes for each image; all where there are fewer.
        classes: names, in the order of the columns.

    Returns:
        (batch, count) of bytes; the value is written so that it reads as the same float32.

    >>> rank_classes(np.array([[0.25, 0.75]], np.float32), 1, ["cat", "dog"]).tolist()
    [[b'0.75:1:dog']]
    """
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :count]
    words = [
        f"{np.format_float_positional(row[index], trim='0')}:{index}:{classes[index]}"
        for row, best in zip(probabilities, order, strict=True)
        for index in best.tolist()
    ]
    return texts(words).reshape(order.shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class InferResponse:
    """The bytes of an answer."""

    body: bytes
    header_length: int | None  # bytes of JSON at its beginning; None: all, and no header says so

    @property
    def media_type(self) -> str:
        """What the body is."""
        return "application/json" if self.header_length is None else "application/octet-stream"


def encode_response(
    request: InferRequest, tensors: Sequence[OutputTensor], *, model_name: str, model_version: str
) -> InferResponse:
    """Write an answer; id and parameters of the request are given back.

    Args:
        tensors: in the order in which they were asked for.

    Raises:
        Problem: `invalid-input`; a tensor cannot stand in JSON.
    """
    parts: list[bytes] = []
    outputs: list[Json] = []
    for tensor in tensors:
        head: dict[str, Json] = {
            "name": tensor.name,
            "datatype": tensor.datatype,
            "shape": list(tensor.values.shape),
        }
        if tensor.binary:
            parts.append(to_binary(tensor.values))
            outputs.append({**head, "parameters": {"binary_data_size": len(parts[-1])}})
        else:
            outputs.append({**head, "data": to_json(tensor)})
    document: dict[str, Json] = {
        "model_name": model_name,
        "model_version": model_version,
        **({} if request.id is None else {"id": request.id}),
        **({} if not request.parameters else {"parameters": dict(request.parameters)}),
        "outputs": outputs,
    }
    header = json.dumps(document, allow_nan=False).encode("ascii")
    return InferResponse(body=b"".join([header, *parts]), header_length=len(header) if parts else None)


EXTENSIONS: Final = ("classification", "binary_tensor_data", "parameters", "model_configuration")
PLATFORM, BACKEND = "onnxruntime_onnx", "onnxruntime"
_TYPES = {"FP32": "TYPE_FP32", "BYTES": "TYPE_STRING"}


def server_metadata(version: str) -> dict[str, Json]:
    """The server: name, version of vidi, extensions.

    >>> server_metadata("1.0")["name"]
    'vidi'
    """
    return {"name": "vidi", "version": version, "extensions": list(EXTENSIONS)}


def model_metadata(served: ServedModel, outputs: Sequence[OfferedOutput]) -> dict[str, Json]:
    """A model's version, input and outputs; -1 stands for any size.

    The input may also be BYTES, shape (-1,), of encoded files.
    """
    return {
        "name": served.name,
        "versions": [served.version],
        "platform": PLATFORM,
        "inputs": [{"name": INPUT, "datatype": "UINT8", "shape": [-1, -1, -1, 3]}],
        "outputs": [
            {"name": output.name, "datatype": output.datatype, "shape": list(output.shape)} for output in outputs
        ],
    }


def model_config(served: ServedModel, outputs: Sequence[OfferedOutput], *, most_images: int) -> dict[str, Json]:
    """A model's configuration in the form that Triton gives; shapes are those of one image.

    Args:
        most_images: in one request.
    """
    height, width = served.metadata.framing.size
    facts = {
        "model_id": served.model_id,
        "classes": json.dumps(list(served.metadata.classes)),
        "size": json.dumps([height, width]),
        "multi_label": json.dumps(served.metadata.multi_label),
    }
    return {
        "name": served.name,
        "platform": PLATFORM,
        "backend": BACKEND,
        "max_batch_size": most_images,
        "input": [{"name": INPUT, "data_type": "TYPE_UINT8", "format": "FORMAT_NHWC", "dims": [-1, -1, 3]}],
        "output": [
            {"name": output.name, "data_type": _TYPES[output.datatype], "dims": list(output.shape[1:])}
            for output in outputs
        ],
        "parameters": {name: {"string_value": text} for name, text in facts.items()},
    }
