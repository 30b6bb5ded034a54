"""A request of the Open Inference Protocol: from its body, with or without binary tensors, to what is asked."""

import math
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
import numpy as np
from msgspec import UNSET, Meta, Struct, UnsetType
from numpy.typing import NDArray

from vidi.model_file.values import Json
from vidi.serving.bodies import MOST_VALUES, misfit, read_json
from vidi.serving.problems import Problem
from vidi.serving.settings import Settings

Values = NDArray[np.float32] | NDArray[np.object_]  # the latter holds bytes

LENGTH: Final = struct.Struct("<I")  # before each element of a BYTES tensor


@dataclass(frozen=True, slots=True, eq=False)
class OutputTensor:
    """A tensor of an answer."""

    name: str
    values: Values
    binary: bool = False  # behind the JSON, not within it

    @property
    def datatype(self) -> str:
        """The protocol's name of the type.

        >>> OutputTensor("label", texts(["a"])).datatype
        'BYTES'
        """
        return "BYTES" if self.values.dtype == object else "FP32"


def texts(values: Sequence[str]) -> NDArray[np.object_]:
    """Texts as a BYTES tensor (values,), in UTF-8; what UTF-8 cannot hold is escaped by a backslash."""
    array = np.empty(len(values), object)
    array[:] = [value.encode("utf-8", "backslashreplace") for value in values]
    return array


def to_binary(values: Values) -> bytes:
    r"""A tensor row by row, little-endian; BYTES with each element's length before it, in four bytes.

    >>> to_binary(texts(["ab", ""]))
    b'\x02\x00\x00\x00ab\x00\x00\x00\x00'
    """
    if values.dtype != object:
        return np.ascontiguousarray(values, "<f4").tobytes()
    return b"".join(part for value in _elements(values) for part in (LENGTH.pack(len(value)), value))


def _elements(values: Values) -> list[bytes]:
    """The elements of a BYTES tensor, row by row."""
    elements: list[Any] = values.ravel().tolist()
    return elements


def to_json(tensor: OutputTensor) -> list[Json]:
    """A tensor's values in one flat list, row by row; a float32 read as float64 and rounded is itself again.

    Raises:
        Problem: `invalid-input`; there are too many values, or one is no number.
    """
    if tensor.values.size > MOST_VALUES:
        raise Problem(
            "invalid-input",
            f"The output {tensor.name!r} has {tensor.values.size:,} values; JSON takes at most {MOST_VALUES:,}.",
            'Ask for it in binary form, or for other `outputs`: {"binary_data": true} among its parameters.',
        )
    if tensor.values.dtype == object:
        return [value.decode("utf-8") for value in _elements(tensor.values)]
    if not np.isfinite(np.asarray(tensor.values, np.float32)).all():
        raise Problem(
            "invalid-input",
            f"The output {tensor.name!r} holds a value that is no number, which JSON cannot carry.",
            'Ask for it in binary form: {"binary_data": true} among its parameters.',
        )
    return [*np.asarray(tensor.values, np.float64).ravel().tolist()]


def split_elements(data: memoryview | bytes, count: int, where: str) -> tuple[bytes, ...]:
    r"""The elements of a BYTES tensor.

    Args:
        data: each element with its length before it.
        count: how many there must be.

    Raises:
        Problem: `bad-request`; a length leads over the end, or there are more or fewer elements.

    >>> split_elements(b"\x02\x00\x00\x00ab\x00\x00\x00\x00", 2, "`images`")
    (b'ab', b'')
    """
    found: list[bytes] = []
    place = 0
    while place < len(data):
        if len(found) == count:
            raise Problem("bad-request", f"{where} holds more than the {count} elements that its shape states.")
        start = place + LENGTH.size
        end = start + LENGTH.unpack_from(data, place)[0] if start <= len(data) else start
        if end > len(data):
            raise Problem(
                "bad-request",
                f"Element {len(found)} of {where} ends {end - len(data):,} bytes behind the tensor.",
                "Put each element's length before it, as four bytes, the lowest first.",
            )
        found.append(bytes(data[start:end]))
        place = end
    if len(found) < count:
        raise Problem("bad-request", f"{where} holds {len(found)} elements; its shape states {count}.")
    return tuple(found)


def flatten(data: Sequence[Any], shape: Sequence[int], where: str) -> Sequence[Any]:
    """Lists within lists, one for each dimension, as one list; a list that is flat already stays as it is.

    Raises:
        Problem: `bad-request`; there are more or fewer values, or the lists have other lengths.

    >>> flatten([[1, 2], [3, 4]], (2, 2), "`data`")
    [1, 2, 3, 4]
    """
    level = data
    for length in shape[1:] if data and isinstance(data[0], list) else ():
        rows = [row for row in level if isinstance(row, list) and len(row) == length]
        if len(rows) < len(level):
            raise Problem("bad-request", f"{where} is nested otherwise than its shape {list(shape)}.")
        level = list(chain.from_iterable(rows))
    if any(isinstance(value, list) for value in level):
        raise Problem("bad-request", f"{where} is nested otherwise than its shape {list(shape)}.")
    if len(level) != math.prod(shape):
        raise Problem(
            "bad-request",
            f"{where} holds {len(level):,} values; its shape {list(shape)} states {math.prod(shape):,}.",
        )
    return level


HEADER_LENGTH: Final = "Inference-Header-Content-Length"  # the bytes of JSON in a body that goes on in binary form
INPUT: Final = "images"
LARGEST_SIDE: Final = (1 << 31) - 1  # of a shape; products of four stay exact, and none comes near to memory
LONGEST_TEXT: Final = 1_024  # signs of an id or a parameter, which go back in the answer
MOST_PARAMETERS: Final = 64
MOST_CLASSES: Final = 1_000_000
MOST_OUTPUTS: Final = 64

_DIGITS: Final = re.compile(r"[0-9]{1,12}")

Short = Annotated[str, Meta(max_length=LONGEST_TEXT)]
Side = Annotated[int, Meta(ge=1, le=LARGEST_SIDE)]
Byte = Annotated[int, Meta(ge=0, le=255)]
Parameter = Short | int | float | bool
Parameters = Annotated[dict[Short, Parameter], Meta(max_length=MOST_PARAMETERS)]
Known = TypeVar("Known", bound=Struct)
Pixels = NDArray[np.uint8]  # (batch, height, width, 3), RGB, upright


class EncodedImages(Struct, tag_field="datatype", tag="BYTES", kw_only=True):
    """Encoded files, such as JPEG."""

    name: Literal["images"]
    shape: Annotated[list[Side], Meta(min_length=1, max_length=2, description="(images,) or (images, 1).")]
    data: (
        Annotated[
            list[bytes | list[bytes]],
            Meta(min_length=1, description="In base64; for the shape (images, 1) each in a list of its own."),
        ]
        | UnsetType
    ) = UNSET
    parameters: Parameters | None = None


class ImagePixels(Struct, tag_field="datatype", tag="UINT8", kw_only=True):
    """Pixels of images of one size."""

    name: Literal["images"]
    shape: Annotated[tuple[Side, Side, Side, Literal[3]], Meta(description="Images, height, width, 3.")]
    data: (
        Annotated[
            list[Byte | list[Byte | list[Byte | list[Byte]]]],
            Meta(min_length=1, description="Red, green and blue, row by row; flat, or nested as the shape."),
        ]
        | UnsetType
    ) = UNSET
    parameters: Parameters | None = None


class NamedOutput(Struct, kw_only=True):
    """An output that is asked for."""

    name: Short
    parameters: Parameters | None = None


class InferenceRequest(Struct, kw_only=True):
    """The JSON of a request."""

    inputs: Annotated[list[EncodedImages | ImagePixels], Meta(min_length=1, max_length=1)]
    outputs: Annotated[list[NamedOutput], Meta(max_length=MOST_OUTPUTS)] | None = None
    id: Short | None = None
    parameters: Parameters | None = None


class OfInput(Struct):
    """Parameters of an input that are read."""

    binary_data_size: Annotated[int, Meta(ge=0, le=LARGEST_SIDE)] | None = None


class OfOutput(Struct):
    """Parameters of an output that are read."""

    binary_data: bool | None = None
    classification: Annotated[int, Meta(ge=0, le=MOST_CLASSES)] = 0


class OfRequest(Struct):
    """Parameters of a request that are read; the others go back as they are."""

    binary_data_output: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestedOutput:
    """An output that a request names."""

    name: str
    binary: bool | None = None  # behind the JSON of the answer; None: as the request says of all outputs
    class_count: int = 0  # most probable classes to give as texts instead of the numbers; 0: the numbers


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class InferRequest:
    """Images, and what is asked about them."""

    images: Pixels | tuple[bytes, ...]  # of one size, or encoded files
    outputs: tuple[RequestedOutput, ...] = ()  # none: all that the model has
    binary: bool = False  # outputs that do not say otherwise come behind the JSON
    id: str | None = None  # given back as it is
    parameters: Mapping[str, Parameter] = field(default_factory=dict)  # likewise


def decode_request(body: bytes, header_length: int | None, settings: Settings) -> InferRequest:
    """Read the body of a request.

    Args:
        body: all of it; its length is bounded by the caller.
        header_length: how much of it is JSON; None: all.

    Raises:
        Problem: `bad-request`, with what is wrong and where; `invalid-input` for too many images; `unusable-image`
            for one with too many pixels.
    """
    length = len(body) if header_length is None else header_length
    sent = read_json(body[:length], InferenceRequest)
    parameters = dict(sent.parameters or {})
    binary = _known(parameters, OfRequest).binary_data_output
    parameters.pop("binary_data_output", None)
    return InferRequest(
        images=_images(sent.inputs[0], body, None if header_length is None else length, settings),
        outputs=_outputs(sent.outputs or []),
        binary=binary,
        id=sent.id,
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
    tensor: EncodedImages | ImagePixels, body: bytes, binary_start: int | None, settings: Settings
) -> Pixels | tuple[bytes, ...]:
    shape = tuple(tensor.shape)
    _check_shape(tensor, shape, settings)
    behind = _binary_data(tensor, body, binary_start)
    where, data = f"The data of `{INPUT}`", tensor.data or []
    if behind is None and not data:
        raise Problem("bad-request", f"`{INPUT}` has no data.", "Send `data`, or a tensor in binary form.")
    if isinstance(tensor, EncodedImages):
        if behind is not None:
            return split_elements(behind, math.prod(shape), f"`{INPUT}`")
        return tuple(flatten(data, shape, where))
    if behind is None:
        behind = memoryview(bytes(flatten(data, shape, where)))
    if len(behind) != math.prod(shape):
        raise Problem(
            "bad-request",
            f"`{INPUT}` has {len(behind):,} bytes; its shape {list(shape)} states {math.prod(shape):,}.",
        )
    return np.frombuffer(behind, np.uint8).reshape(shape)


def _check_shape(tensor: EncodedImages | ImagePixels, shape: tuple[int, ...], settings: Settings) -> None:
    if isinstance(tensor, EncodedImages) and shape[1:] not in ((), (1,)):
        raise misfit(f"The shape of `{INPUT}` is {list(shape)}, not (images,) or (images, 1)")
    if shape[0] > settings.images:
        raise misfit(f"The request holds {shape[0]:,} images; at most {settings.images} are taken", "Send fewer.")
    most = settings.decode.limits.pixels
    if isinstance(tensor, ImagePixels) and shape[1] * shape[2] > most:
        raise Problem(
            "unusable-image",
            f"The images have {shape[1]:,} × {shape[2]:,} pixels; an image may have at most {most:,}.",
            "Make them smaller.",
        )


def _binary_data(tensor: EncodedImages | ImagePixels, body: bytes, start: int | None) -> memoryview | None:
    """The bytes behind the JSON, all of which belong to the one input; None where its data stand in the JSON."""
    size = _known(tensor.parameters or {}, OfInput).binary_data_size
    behind = 0 if start is None else len(body) - start
    if size is None:
        if behind:
            raise Problem("bad-request", f"{behind:,} bytes follow the JSON, and `{INPUT}` has no `binary_data_size`.")
        return None
    if start is None:
        raise Problem("bad-request", f"`{INPUT}` is sent in binary form without the header {HEADER_LENGTH}.")
    if size != behind:
        raise Problem("bad-request", f"`binary_data_size` is {size:,}; {behind:,} bytes follow the JSON.")
    if tensor.data is not UNSET:
        raise Problem("bad-request", f"`{INPUT}` has both `data` and `binary_data_size`.")
    return memoryview(body)[start:]


def _outputs(named: Sequence[NamedOutput]) -> tuple[RequestedOutput, ...]:
    if len({one.name for one in named}) < len(named):
        raise Problem("bad-request", "The request names an output twice.")
    found = [(one.name, _known(one.parameters or {}, OfOutput)) for one in named]
    return tuple(RequestedOutput(name=name, binary=of.binary_data, class_count=of.classification) for name, of in found)


def _known(parameters: Mapping[str, Parameter], kind: type[Known]) -> Known:
    """Those parameters that are read; memory shared with the client is refused."""
    if any(name.startswith("shared_memory_") for name in parameters):
        raise Problem("bad-request", "Shared memory is not offered.", "Send tensors in the body.")
    try:
        return msgspec.convert(parameters, kind)
    except msgspec.ValidationError as error:
        raise misfit(f"The parameters: {error}") from error
