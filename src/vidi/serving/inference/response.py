"""An answer of the protocol: JSON, and behind it the tensors that are wanted in binary form."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from vidi.model_file.values import Json
from vidi.serving.inference.request import InferRequest
from vidi.serving.inference.tensors import OutputTensor, to_binary, to_json


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
        request: that is answered.
        tensors: in the order in which they were asked for.
        model_name: by which requests name the model.
        model_version: the run's name.

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
