"""Everything that a model file holds, found and judged without loading it: a strict walk over its protobuf.

The walk knows only the fields that vidi writes. Whatever else ONNX allows (external data, functions, subgraphs,
sparse or typed tensors, training information) is refused where it stands, before any runtime sees a byte.
Field numbers: onnx/onnx.proto of ONNX 1.19. Held to the `onnx` package by tests.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from vidi.model_file.digests import TensorView

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
MAXIMUM_FIELDS = 100_000  # in one message; a file of nothing but tiny fields must not hold a core for minutes
MAXIMUM_NODES = 20_000
MAXIMUM_TENSORS = 20_000
MAXIMUM_NAME_BYTES = 1_000
MAXIMUM_RANK = 8
MAXIMUM_METADATA_BYTES = 9 << 20  # 4 MB of our own, and the class names again for viewers
MAXIMUM_NUMBER = 1 << 20  # in attributes and int64 tensors: shapes, pads, sizes; more could only eat memory
EXPONENT = 0x7F800000  # of a float32: all its bits are set in NaN and infinity alone
WHOLE_AXIS = (1 << 63) - 1  # "to the end" in Slice
Value = int | memoryview
FoundData = dict[int, list[Value]]
# Fields that vidi writes: number -> (name, wire type, may it stand there several times).
_MODEL = {
    1: ("ir_version", VARINT, False),
    2: ("producer_name", BYTES, False),
    3: ("producer_version", BYTES, False),
    7: ("graph", BYTES, False),
    8: ("opset_import", BYTES, True),
    14: ("metadata_props", BYTES, True),
}
_GRAPH = {
    1: ("node", BYTES, True),
    2: ("name", BYTES, False),
    5: ("initializer", BYTES, True),
    11: ("input", BYTES, True),
    12: ("output", BYTES, True),
}
_NODE = {
    1: ("input", BYTES, True),
    2: ("output", BYTES, True),
    3: ("name", BYTES, False),
    4: ("op_type", BYTES, False),
    5: ("attribute", BYTES, True),
}
_ATTRIBUTE = {
    1: ("name", BYTES, False),
    2: ("f", FIXED32, False),
    3: ("i", VARINT, False),
    4: ("s", BYTES, False),
    7: ("floats", FIXED32, True),
    8: ("ints", VARINT, True),
    20: ("type", VARINT, False),
}
_TENSOR = {
    1: ("dims", VARINT, True),
    2: ("data_type", VARINT, False),
    8: ("name", BYTES, False),
    9: ("raw_data", BYTES, False),
}
_OPSET = {1: ("domain", BYTES, False), 2: ("version", VARINT, False)}
_ENTRY = {1: ("key", BYTES, False), 2: ("value", BYTES, False)}
_VALUE_INFO = {1: ("name", BYTES, False), 2: ("type", BYTES, False)}
_TYPE = {1: ("tensor_type", BYTES, False)}
_TENSOR_TYPE = {1: ("elem_type", VARINT, False), 2: ("shape", BYTES, False)}
_SHAPE = {1: ("dim", BYTES, True)}
_DIMENSION = {1: ("dim_value", VARINT, False), 2: ("dim_param", BYTES, False)}
# What ONNX allows and vidi never writes, by its name, so that the refusal says what it met.
_FOREIGN = {
    ("the model", 20): "training information",
    ("the model", 25): "local functions",
    ("the graph", 13): "inner value types",
    ("the graph", 14): "quantisation notes",
    ("the graph", 15): "sparse tensors",
    ("a node", 7): "operators of a foreign domain",
    ("a node", 8): "operators of a foreign domain",
    ("an attribute", 5): "tensors inside a node",
    ("an attribute", 6): "a subgraph (If, Loop or Scan)",
    ("an attribute", 11): "subgraphs (If, Loop or Scan)",
    ("an attribute", 21): "attributes of a local function",
    ("a tensor", 13): "data outside the file",
    ("a tensor", 14): "data outside the file",
}
_FLOATS = {"FLOAT16": "<f2", "FLOAT": "<f4", "DOUBLE": "<f8"}
# Deterministic operators whose output is bounded by their inputs and constants. Not here: If, Loop, Scan,
# SequenceMap (subgraphs), ConstantOfShape, Expand, Tile, Range (memory out of nothing), Random* (no same answer twice),
# and whatever reads or writes texts, sequences or optionals.
OPERATORS = frozenset(
    """
    Abs Add ArgMax AveragePool BatchNormalization Cast Ceil Clip Concat Conv ConvInteger DepthToSpace DequantizeLinear
    Div DynamicQuantizeLinear Elu Equal Erf Exp Flatten Floor Gather Gelu Gemm GlobalAveragePool GlobalMaxPool Greater
    GreaterOrEqual GroupNormalization HardSigmoid HardSwish Identity InstanceNormalization LayerNormalization LeakyRelu
    Less LessOrEqual Log LogSoftmax LpNormalization MatMul MatMulInteger Max MaxPool Min Mish Mul Neg PRelu Pad Pow
    QLinearConv QLinearMatMul QuantizeLinear ReduceL2 ReduceMax ReduceMean ReduceMin ReduceSum ReduceSumSquare Relu
    Reshape Resize Round Selu Shape Sigmoid Slice Softmax Softplus SpaceToDepth Split Sqrt Squeeze Sub Sum Tanh
    Transpose Unsqueeze Where
    """.split()  # noqa: SIM905  # one word a line would take a hundred lines
)
# onnx.TensorProto.DataType: code -> (ONNX's word, bytes for each value).
DATA_TYPES: Mapping[int, tuple[str, int]] = {
    1: ("FLOAT", 4),
    2: ("UINT8", 1),
    3: ("INT8", 1),
    6: ("INT32", 4),
    7: ("INT64", 8),
    9: ("BOOL", 1),
    10: ("FLOAT16", 2),
    11: ("DOUBLE", 8),
}
MOST_EVIDENCE_CLASSES = 200  # above, evidence maps cost more than they tell


class WireError(ValueError):
    """Bytes that are no protobuf message."""


def read_varint(data: memoryview, position: int) -> tuple[int, int]:
    """One number and the position after it.

    >>> read_varint(memoryview(bytes([0xAC, 0x02])), 0)
    (300, 2)
    """
    value = shift = 0
    while position < len(data):
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value >> 64:
                break
            return value, position
        shift += 7
        if shift > 63:
            break
    raise WireError("a number is cut or longer than 64 bits")


def fields(message: memoryview) -> Iterator[tuple[int, int, int | memoryview]]:
    """Every field of a message: its number, its wire type, and its value.

    A number for VARINT, FIXED32 and FIXED64; a view of the bytes for BYTES. Nothing is copied.

    Raises:
        WireError: the bytes are no message.

    >>> [(number, bytes(value)) for number, _, value in fields(memoryview(b"\\x0a\\x02hi"))]
    [(1, b'hi')]
    """
    position = count = 0
    while position < len(message):
        count = _counted(count)
        key, position = read_varint(message, position)
        number, kind = key >> 3, key & 7
        if number == 0 or number >= 1 << 29:
            raise WireError(f"a field has the number {number}")
        if kind == VARINT:
            value, position = read_varint(message, position)
            yield number, kind, value
            continue
        if kind == BYTES:
            length, position = read_varint(message, position)
        elif kind in (FIXED32, FIXED64):
            length = 4 if kind == FIXED32 else 8
        else:
            raise WireError(f"field {number} has the wire type {kind}")
        if length > len(message) - position:
            raise WireError(f"field {number} claims {length:,} bytes, {len(message) - position:,} are there")
        piece = message[position : position + length]
        yield number, kind, piece if kind == BYTES else int.from_bytes(piece, "little")
        position += length


def signed(value: int) -> int:
    """A 64-bit varint as the signed number it stands for (int32 and int64 fields).

    >>> signed(2**64 - 1)
    -1
    """
    return value - (1 << 64) if value >> 63 else value


def packed_numbers(data: memoryview) -> Iterator[int]:
    """The numbers of a packed repeated field."""
    position = count = 0
    while position < len(data):
        count = _counted(count)
        value, position = read_varint(data, position)
        yield signed(value)


def _counted(count: int) -> int:
    if count >= MAXIMUM_FIELDS:
        raise WireError(f"a message has more than {MAXIMUM_FIELDS:,} fields")
    return count + 1


def outline(stream: BinaryIO, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """The number, start and end of each field between two places of a file; what is in them is not read.

    Raises:
        WireError: the bytes are no message.
    """
    position, count = start, 0
    while position < end:
        count = _counted(count)
        stream.seek(position)
        head = memoryview(stream.read(min(20, end - position)))  # a key and a length take at most ten bytes each
        key, used = read_varint(head, 0)
        kind = key & 7
        if kind == BYTES:
            length, used = read_varint(head, used)
        elif kind == VARINT:
            length, used = 0, read_varint(head, used)[1]
        elif kind in (FIXED32, FIXED64):
            length = 4 if kind == FIXED32 else 8
        else:
            raise WireError(f"field {key >> 3} has the wire type {kind}")
        if length > end - position - used:
            raise WireError(f"field {key >> 3} claims {length:,} bytes, {end - position - used:,} are there")
        yield key >> 3, position + used, position + used + length
        position += used + length


class RefusedError(ValueError):
    """A reason why a file is not one that vidi wrote."""


@dataclass(frozen=True, slots=True)
class ValueInfo:
    """An input or output of the graph."""

    name: str
    type_name: str
    shape: tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class ModelContents:
    """What the walk found."""

    metadata: Mapping[str, str]
    opset: int
    inputs: tuple[ValueInfo, ...]
    outputs: tuple[ValueInfo, ...]
    tensors: tuple[TensorView, ...]
    operators: Mapping[str, int]  # how many nodes of each


def walk_model(data: bytes) -> ModelContents:
    """Read and judge a whole file.

    Raises:
        RefusedError: it is not a model file as vidi writes it, with the reason.
        WireError: it is no protobuf at all.
    """
    model = _collect(memoryview(data), _MODEL, "the model")
    if not model[7] or not model[8]:
        raise RefusedError("it holds no ONNX graph")
    opset = _opset(model[8])
    graph = _collect(_view(model[7][0]), _GRAPH, "the graph")
    if len(graph[1]) > MAXIMUM_NODES or len(graph[5]) > MAXIMUM_TENSORS:
        raise RefusedError(f"its graph has {len(graph[1]):,} nodes and {len(graph[5]):,} tensors")
    for texts in (model[2], model[3], graph[2]):
        _text(texts)
    tensors = tuple(_tensor(_view(value)) for value in graph[5])
    inputs = tuple(_value_info(_view(value)) for value in graph[11])
    outputs = tuple(_value_info(_view(value)) for value in graph[12])
    operators = _judge_nodes(graph[1], {value.name for value in inputs}, [tensor.name for tensor in tensors], outputs)
    return ModelContents(_metadata(model[14]), opset, inputs, outputs, tensors, operators)


def _collect(message: memoryview, allowed: Mapping[int, tuple[str, int, bool]], where: str) -> FoundData:
    """The fields of one message by number; anything that vidi does not write is refused."""
    found: FoundData = {number: [] for number in allowed}
    for number, kind, value in fields(message):
        if number not in allowed:
            raise RefusedError(f"{where} holds {_FOREIGN.get((where, number), f'an unknown field {number}')}")
        name, wanted, repeated = allowed[number]
        if kind == BYTES and wanted != BYTES and repeated and isinstance(value, memoryview):
            if wanted != VARINT:
                raise RefusedError(f"{where}: the field {name} is packed")
            found[number].extend(packed_numbers(value))
            continue
        if kind != wanted:
            raise RefusedError(f"{where}: the field {name} is of the wrong kind")
        if found[number] and not repeated:
            raise RefusedError(f"{where}: the field {name} stands there twice")
        found[number].append(signed(value) if kind == VARINT and isinstance(value, int) else value)
    return found


def _view(value: Value) -> memoryview:
    """A value that `_collect` has found to be bytes."""
    if isinstance(value, int):
        raise RefusedError("a number stands where bytes belong")
    return value


def _number(values: list[Value], default: int = 0) -> int:
    value = values[0] if values else default
    if not isinstance(value, int):
        raise RefusedError("bytes stand where a number belongs")
    return value


def _numbers(values: list[Value]) -> tuple[int, ...]:
    return tuple(_number([value]) for value in values)


def _text(values: list[Value], *, limit: int = MAXIMUM_NAME_BYTES) -> str:
    if not values:
        return ""
    data = _view(values[0])
    if len(data) > limit:
        raise RefusedError(f"a text of {len(data):,} bytes stands where at most {limit:,} belong")
    try:
        return bytes(data).decode("utf-8")
    except UnicodeDecodeError as error:
        raise RefusedError("a text is not UTF-8") from error


def _opset(values: list[Value]) -> int:
    versions = []
    for value in values:
        entry = _collect(_view(value), _OPSET, "an operator set")
        domain = _text(entry[1])
        if domain:
            raise RefusedError(f"it needs operators of the foreign domain {domain[:60]!r}")
        versions.append(_number(entry[2]))
    if len(versions) != 1 or not 18 <= versions[0] <= 30:
        raise RefusedError(f"its operator sets are {versions}; one from 18 on is read")
    return versions[0]


def _metadata(values: list[Value]) -> dict[str, str]:
    texts: dict[str, str] = {}
    total = 0
    for value in values:
        entry = _collect(_view(value), _ENTRY, "the metadata")
        total += len(_view(value))
        if total > MAXIMUM_METADATA_BYTES:
            raise RefusedError(f"its metadata takes more than {MAXIMUM_METADATA_BYTES:,} bytes")
        key = _text(entry[1])
        if key in texts:
            raise RefusedError(f"its metadata names {key[:60]!r} twice")
        texts[key] = _text(entry[2], limit=MAXIMUM_METADATA_BYTES)
    return texts


def _tensor(message: memoryview) -> TensorView:
    entry = _collect(message, _TENSOR, "a tensor")
    name, shape = _text(entry[8]), _numbers(entry[1])
    code = _number(entry[2])
    if code not in DATA_TYPES:
        raise RefusedError(f"the tensor {name[:60]!r} has the data type {code}, which vidi does not write")
    type_name, item_bytes = DATA_TYPES[code]
    if len(shape) > MAXIMUM_RANK or any(side < 0 for side in shape):
        raise RefusedError(f"the tensor {name[:60]!r} has the shape {shape[:9]}")
    data = _view(entry[9][0]) if entry[9] else memoryview(b"")
    if math.prod(shape) * item_bytes != len(data):
        needed = math.prod(shape) * item_bytes
        raise RefusedError(f"the tensor {name[:60]!r} of shape {shape} needs {needed:,} bytes, has {len(data):,}")
    if type_name == "INT64" and not _are_modest(data):
        raise RefusedError(f"the tensor {name[:60]!r} holds an absurd size")
    if type_name in _FLOATS and not _are_finite(data, type_name):
        raise RefusedError(f"the tensor {name[:60]!r} holds a number that is none (NaN or infinity)")
    return TensorView(name, type_name, shape, data)


def _are_finite(data: memoryview, type_name: str) -> bool:
    """Whether all values are finite; a sum that is tells it of all of them, and takes no memory."""
    values = np.frombuffer(data, _FLOATS[type_name])
    if type_name == "FLOAT":
        with np.errstate(over="ignore", invalid="ignore"):
            if np.isfinite(values.sum()):
                return True
    return bool(np.isfinite(values).all())


def _is_modest(value: int) -> bool:
    return -MAXIMUM_NUMBER <= value <= MAXIMUM_NUMBER or value == WHOLE_AXIS


def _are_modest(data: memoryview) -> bool:
    values = np.frombuffer(data, "<i8")
    modest = (values >= -MAXIMUM_NUMBER) & (values <= MAXIMUM_NUMBER) | (values == WHOLE_AXIS)
    return bool(modest.all())


def _value_info(message: memoryview) -> ValueInfo:
    entry = _collect(message, _VALUE_INFO, "an input or output")
    if not entry[2]:
        raise RefusedError("an input or output has no type")
    kind = _collect(_view(entry[2][0]), _TYPE, "an input's or output's type")
    if not kind[1]:
        raise RefusedError("an input or output is not a tensor")
    tensor = _collect(_view(kind[1][0]), _TENSOR_TYPE, "a tensor type")
    code = _number(tensor[1])
    if code not in DATA_TYPES or not tensor[2]:
        raise RefusedError("an input or output has no known type and shape")
    dimensions = _collect(_view(tensor[2][0]), _SHAPE, "a shape")[1]
    return ValueInfo(_text(entry[1]), DATA_TYPES[code][0], tuple(_dimension(_view(value)) for value in dimensions))


def _dimension(message: memoryview) -> int | str:
    entry = _collect(message, _DIMENSION, "a dimension")
    return _text(entry[2]) if entry[2] else _number(entry[1])


def _judge_nodes(
    nodes: list[Value], inputs: set[str], tensors: list[str], outputs: tuple[ValueInfo, ...]
) -> Counter[str]:
    """Only listed operators, each fed by what came before it: no cycle, nothing made twice, nothing missing."""
    known = {"", *inputs, *tensors}
    if len(known) != 1 + len(inputs) + len(tensors):
        raise RefusedError("two tensors or inputs have the same name")
    counts: Counter[str] = Counter()
    for value in nodes:
        node = _collect(_view(value), _NODE, "a node")
        _text(node[3])
        operator = _text(node[4])
        if operator not in OPERATORS:
            raise RefusedError(f"it uses the operator {operator[:60]!r}, which vidi's files never do")
        counts[operator] += 1
        missing = [name for name in (_text([item]) for item in node[1]) if name not in known]
        made = [_text([item]) for item in node[2]]
        if missing:
            raise RefusedError(f"a {operator} takes {missing[0][:60]!r}, which nothing before it makes")
        if len(set(made)) != len(made) or any(name in known and name for name in made):
            raise RefusedError(f"a {operator} makes {made[0][:60]!r} a second time")
        if operator == "Resize" and len(node[1]) > 2 and _text([node[1][2]]):
            raise RefusedError("it resizes by a factor, whose size no one can know beforehand")
        known.update(made)
        for attribute in node[5]:
            _judge_attribute(_view(attribute), operator)
    for output in outputs:
        if output.name not in known or not output.name:
            raise RefusedError(f"nothing makes the output {output.name[:60]!r}")
    return counts


def _judge_attribute(message: memoryview, operator: str) -> None:
    entry = _collect(message, _ATTRIBUTE, "an attribute")
    _text(entry[4])
    if any(not _is_modest(number) for number in _numbers(entry[3]) + _numbers(entry[8])):
        raise RefusedError(f"the attribute {_text(entry[1])[:60]!r} of a {operator} holds an absurd size")
    if any(bits & EXPONENT == EXPONENT for bits in entry[2] + entry[7] if isinstance(bits, int)):
        raise RefusedError(f"the attribute {_text(entry[1])[:60]!r} of a {operator} is no number")


__all__ = ["ModelContents", "RefusedError", "ValueInfo", "WireError", "walk_model"]
