"""A request of the protocol: from its body to the images and to what is asked about them."""

import base64
import binascii
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vidi.model_file.values import Json
from vidi.serving.inference.tensors import flatten, split_elements
from vidi.serving.json_body import flag_in, integer_in, list_in, object_in, parse_json_body, text_in, wrong_kind
from vidi.serving.problems import Problem

HEADER_LENGTH: Final = "Inference-Header-Content-Length"  # the bytes of JSON in a body that goes on in binary form
INPUT: Final = "images"
LARGEST_SIDE: Final = (1 << 31) - 1  # of a shape; products of four stay exact, and none comes near to memory
LONGEST_TEXT: Final = 1_024  # signs of an id or a parameter, which go back in the answer
MOST_PARAMETERS: Final = 64
MOST_CLASSES: Final = 1_000_000
MOST_OUTPUTS: Final = 64

_FORM: Final = f"Send one input `{INPUT}`: UINT8 (N, height, width, 3), or BYTES (N,) of encoded files."
_DIGITS: Final = re.compile(r"[0-9]{1,12}")

Parameter = str | int | float | bool
Pixels = NDArray[np.uint8]  # (batch, height, width, 3), RGB, upright


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedOutput:
    """An output that a request names."""

    name: str
    binary: bool | None = None  # behind the JSON of the answer; None: as the request says of all outputs
    class_count: int = 0  # most probable classes to give as texts instead of the numbers; 0: the numbers


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class InferRequest:
    """Images, and what is asked about them."""

    images: Pixels | tuple[bytes, ...]  # of one size, or encoded files
    outputs: tuple[AskedOutput, ...] = ()  # none: all that the model has
    binary: bool = False  # outputs that do not say otherwise come behind the JSON
    id: str | None = None  # given back as it is
    parameters: Mapping[str, Parameter] = field(default_factory=dict)  # likewise


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestLimits:
    """What one request may hold."""

    images: int
    pixels: int  # of one image


def decode_request(body: bytes, header_length: int | None, limits: RequestLimits) -> InferRequest:
    """Read the body of a request.

    Args:
        body: all of it; its length is bounded by the caller.
        header_length: how much of it is JSON; None: all.
        limits: for the images.

    Raises:
        Problem: `bad-request`, with what is wrong and where; `invalid-input` for too many images; `unusable-image`
            for one with too many pixels.
    """
    length = len(body) if header_length is None else header_length
    document = object_in(parse_json_body(body[:length]), "The request")
    request_id = document.get("id")
    parameters = _parameters(document, "The request")
    return InferRequest(
        images=_images(document, body, None if header_length is None else length, limits),
        outputs=_outputs(document),
        binary=flag_in(parameters.pop("binary_data_output", False), "`parameters.binary_data_output`"),
        id=None if request_id is None else _short(text_in(request_id, "`id`"), "`id`"),
        parameters=parameters,
    )


def read_header_length(values: Sequence[str], body_length: int) -> int | None:
    """How much of a body is JSON, from the header `Inference-Header-Content-Length`.

    Args:
        values: of the header, as often as it was sent.
        body_length: bytes.

    Returns:
        None where the header was not sent: then all is.

    Raises:
        Problem: `bad-request`; it was sent twice, is no number, or is larger than the body.

    >>> read_header_length(["12"], 20), read_header_length([], 20)
    (12, None)
    """
    if not values:
        return None
    if len(values) > 1 or not _DIGITS.fullmatch(values[0]):
        raise Problem("bad-request", f"The header {HEADER_LENGTH} should be one number of bytes.")
    if int(values[0]) > body_length:
        raise Problem(
            "bad-request", f"The header {HEADER_LENGTH} states {int(values[0]):,} bytes; the body has {body_length:,}."
        )
    return int(values[0])


def _images(
    document: Mapping[str, Json], body: bytes, binary_start: int | None, limits: RequestLimits
) -> Pixels | tuple[bytes, ...]:
    inputs = list_in(document.get("inputs"), "`inputs`")
    if len(inputs) != 1:
        raise Problem("bad-request", f"The request has {len(inputs)} inputs.", _FORM)
    tensor = object_in(inputs[0], "`inputs[0]`")
    name = text_in(tensor.get("name"), "`inputs[0].name`")
    if name != INPUT:
        raise wrong_kind("`inputs[0].name`", f'"{INPUT}"', name)
    datatype = text_in(tensor.get("datatype"), f"The datatype of `{INPUT}`")
    if datatype not in ("UINT8", "BYTES"):
        raise wrong_kind(f"The datatype of `{INPUT}`", '"UINT8" or "BYTES"', datatype)
    shape = _shape(tensor.get("shape"), datatype, limits)
    data = _binary_data(tensor, body, binary_start)
    if datatype == "UINT8":
        return _pixels_of_json(tensor, shape) if data is None else _pixels(data, shape)
    return _files_of_json(tensor, shape) if data is None else split_elements(data, math.prod(shape), f"`{INPUT}`")


def _shape(value: Json, datatype: str, limits: RequestLimits) -> tuple[int, ...]:
    """The shape, where it is one that images can have, within the limits."""
    where = f"The shape of `{INPUT}`"
    sides = list_in(value, where)
    shape = tuple(integer_in(side, where, least=0, most=LARGEST_SIDE) for side in sides[:5])
    if datatype == "UINT8" and not (len(shape) == 4 and shape[3] == 3 and shape[1] and shape[2]):
        raise Problem("bad-request", f"{where} is {list(shape)}, not (N, height, width, 3).", _FORM)
    if datatype == "BYTES" and not (len(shape) == 1 or (len(shape) == 2 and shape[1] == 1)):
        raise Problem("bad-request", f"{where} is {list(shape)}, not (N,) or (N, 1).", _FORM)
    if not shape[0]:
        raise Problem("bad-request", "The request holds no image.", _FORM)
    if shape[0] > limits.images:
        raise Problem("invalid-input", f"The request holds {shape[0]:,} images; at most {limits.images} are taken.")
    if datatype == "UINT8" and shape[1] * shape[2] > limits.pixels:
        raise Problem(
            "unusable-image",
            f"The images have {shape[1]:,} × {shape[2]:,} pixels; an image may have at most {limits.pixels:,}.",
            "Make them smaller.",
        )
    return shape


def _binary_data(tensor: Mapping[str, Json], body: bytes, start: int | None) -> memoryview | None:
    """The bytes behind the JSON, all of which belong to the one input; None where its data stand in the JSON."""
    parameters = _parameters(tensor, f"`{INPUT}`")
    _refuse_shared_memory(parameters)
    behind = 0 if start is None else len(body) - start
    if "binary_data_size" not in parameters:
        if behind:
            raise Problem("bad-request", f"{behind:,} bytes follow the JSON, and `{INPUT}` has no `binary_data_size`.")
        return None
    size = integer_in(parameters["binary_data_size"], "`binary_data_size`", least=0, most=LARGEST_SIDE)
    if start is None:
        raise Problem("bad-request", f"`{INPUT}` is sent in binary form without the header {HEADER_LENGTH}.")
    if size != behind:
        raise Problem("bad-request", f"`binary_data_size` is {size:,}; {behind:,} bytes follow the JSON.")
    if "data" in tensor:
        raise Problem("bad-request", f"`{INPUT}` has both `data` and `binary_data_size`.")
    return memoryview(body)[start:]


def _pixels(data: memoryview, shape: tuple[int, ...]) -> Pixels:
    if len(data) != math.prod(shape):
        raise Problem(
            "bad-request",
            f"`{INPUT}` has {len(data):,} bytes; its shape {list(shape)} states {math.prod(shape):,}.",
        )
    return np.frombuffer(data, np.uint8).reshape(shape)


def _pixels_of_json(tensor: Mapping[str, Json], shape: tuple[int, ...]) -> Pixels:
    where = f"The data of `{INPUT}`"
    values = flatten(list_in(tensor.get("data"), where), shape, where)
    numbers = [value for value in values if type(value) is int]  # true and false are of another type
    if len(numbers) < len(values):
        raise wrong_kind(where, "whole numbers", next(value for value in values if type(value) is not int))
    if not 0 <= min(numbers) <= max(numbers) <= 255:
        raise wrong_kind(where, "whole numbers from 0 to 255", next(one for one in numbers if not 0 <= one <= 255))
    return np.frombuffer(bytes(numbers), np.uint8).reshape(shape)


def _files_of_json(tensor: Mapping[str, Json], shape: tuple[int, ...]) -> tuple[bytes, ...]:
    where = f"The data of `{INPUT}`"
    values = flatten(list_in(tensor.get("data"), where), shape, where)
    return tuple(_from_base64(text_in(value, where), number) for number, value in enumerate(values))


def _from_base64(text: str, number: int) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Problem(
            "bad-request",
            f"Element {number} of `{INPUT}` is not base64: {error}.",
            "Within JSON, send each file as base64; or send the tensor in binary form.",
        ) from error


def _outputs(document: Mapping[str, Json]) -> tuple[AskedOutput, ...]:
    listed = document.get("outputs")
    if listed is None:
        return ()
    entries = list_in(listed, "`outputs`")
    if len(entries) > MOST_OUTPUTS:
        raise Problem("bad-request", f"The request names {len(entries):,} outputs.")
    outputs = tuple(_output(entry, f"`outputs[{number}]`") for number, entry in enumerate(entries))
    names = [output.name for output in outputs]
    if len(set(names)) < len(names):
        raise Problem("bad-request", "The request names an output twice.")
    return outputs


def _output(entry: Json, where: str) -> AskedOutput:
    document = object_in(entry, where)
    parameters = _parameters(document, where)
    _refuse_shared_memory(parameters)
    binary = parameters.get("binary_data")
    count = parameters.get("classification", 0)
    return AskedOutput(
        name=_short(text_in(document.get("name"), f"The name of {where}"), f"The name of {where}"),
        binary=None if binary is None else flag_in(binary, f"`binary_data` of {where}"),
        class_count=integer_in(count, f"`classification` of {where}", least=0, most=MOST_CLASSES),
    )


def _refuse_shared_memory(parameters: Mapping[str, Parameter]) -> None:
    """Refuse tensors that lie in memory shared with the client."""
    if any(name.startswith("shared_memory_") for name in parameters):
        raise Problem("bad-request", "Shared memory is not offered.", "Send tensors in the body.")


def _parameters(document: Mapping[str, Json], where: str) -> dict[str, Parameter]:
    """The parameters of a request or tensor: texts, numbers, and true or false."""
    value = document.get("parameters")
    if value is None:
        return {}
    where = f"`parameters` of {where}"
    given = object_in(value, where)
    if len(given) > MOST_PARAMETERS:
        raise Problem("bad-request", f"{where} has {len(given):,} entries; at most {MOST_PARAMETERS} are read.")
    found: dict[str, Parameter] = {}
    for name, entry in given.items():
        if not isinstance(entry, str | int | float):
            raise wrong_kind(f"An entry of {where}", "a text, a number, true or false", entry)
        found[_short(name, where)] = _short(entry, where) if isinstance(entry, str) else entry
    return found


def _short(text: str, where: str) -> str:
    if len(text) > LONGEST_TEXT:
        raise Problem("bad-request", f"{where} holds a text of {len(text):,} signs; at most {LONGEST_TEXT:,} are read.")
    return text
