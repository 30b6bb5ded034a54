"""A model file of a foreign detector: images in, each class's best score and NanoDet's maps out. Imports onnx."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper, version_converter

from vidi.data.known_sets.fetch import DOWNLOADS, OnProgress, fetch
from vidi.detection.nanodet import FINEST, strides_of
from vidi.errors import ModelError, ShapeError, UsageError
from vidi.files import escape_path, write_atomic
from vidi.images.framing import Framing
from vidi.model_file.metadata import Calibration, ModelMetadata, Normalisation, Provenance
from vidi.model_file.preprocessing import PREFIX, GraphParts, add_preprocessing
from vidi.model_file.read import ModelFile, read_model
from vidi.model_file.write import IR_VERSION, OPSET, finished_bytes

DETECTOR = "detector"  # its name among the downloads
OWN = "nanodet."  # before each name of the foreign graph, so that none is one of the file's
# NanoDet is given blue, green and red, normalised by ImageNet's means and deviations.
NORMALISATION = Normalisation(mean=(123.675, 116.28, 103.53), standard_deviation=(58.395, 57.12, 57.375))
# From scores to how often such a box holds a person at overlap 0.5, on COCO128, which the detector has seen.
CALIBRATION = Calibration(method="logistic", scale=(3.19,), shift=(1.15,), image_count=128)
EVERYDAY = tuple(
    """
    person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire hydrant,stop sign,parking meter,
    bench,bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe,backpack,umbrella,handbag,tie,suitcase,frisbee,skis,
    snowboard,sports ball,kite,baseball bat,baseball glove,skateboard,surfboard,tennis racket,bottle,wine glass,cup,
    fork,knife,spoon,bowl,banana,apple,sandwich,orange,broccoli,carrot,hot dog,pizza,donut,cake,chair,couch,
    potted plant,bed,dining table,toilet,tv,laptop,mouse,remote,keyboard,cell phone,microwave,oven,toaster,sink,
    refrigerator,book,clock,vase,scissors,teddy bear,hair drier,toothbrush
    """.replace("\n    ", "")
    .strip()
    .split(",")
)  # the classes of COCO, in its order
REMEDY = "Use NanoDet or NanoDet-Plus for COCO's 80 classes, exported with one output of scores and one of distances."


def fetch_detector(source: Path | None, output: Path, on_progress: OnProgress) -> ModelFile:
    """Write a detector as a model file: the one that vidi knows, downloaded, or an ONNX file that the user has.

    Raises:
        UsageError: the output exists.
        ModelError: the source is no detector of NanoDet's kind, or cannot be read.
        ResourceError, DataError: as of `vidi.data.known_sets.fetch.fetch`.
    """
    if output.exists():
        raise UsageError(f"{escape_path(output)} exists", "Use it, or give it another name first.")
    path = source or fetch(DETECTOR, on_progress) / DOWNLOADS[DETECTOR][0].name
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{escape_path(path)} cannot be read: {error.strerror}", "Check the path.") from error
    license_ = "Apache-2.0" if source is None else ""
    description = f"Finds objects of {len(EVERYDAY)} everyday classes"
    about = Provenance(network="NanoDet", run=path.stem, description=description, license=license_)
    try:
        made = adopt_detector(data, about)
    except ModelError as error:
        raise ModelError(f"{escape_path(path)}: {error.cause}", error.remedy) from error
    write_atomic(output, made)
    return read_model(output)


def adopt_detector(data: bytes, provenance: Provenance) -> bytes:
    """The bytes of a model file of a detector, from those of an ONNX file of NanoDet or NanoDet-Plus.

    Args:
        data: one input (1, 3, height, width); for each map an output of scores (1, places, 80) and one of distances
            (1, places, 4 * bins).
        provenance: what the file says about where it comes from.

    Raises:
        ModelError: it is no such file.
    """
    try:
        model = version_converter.convert_version(onnx.load_model_from_string(data), OPSET)
    except Exception as error:  # protobuf's and the converter's errors have no common class below Exception
        raise ModelError(f"the detector cannot be read: {str(error)[:200]}", REMEDY) from error
    size, maps = _interface(model.graph)
    parts = GraphParts()
    framing = Framing(size=size)
    add_preprocessing(parts, framing, NORMALISATION)
    (image,) = _inputs(model.graph)
    parts.nodes.append(
        helper.make_node("Gather", [f"{PREFIX}inputs", parts.integers(2, 1, 0)], [OWN + image.name], axis=1)
    )
    _add_renamed(parts, model.graph)
    for name, outputs in maps.items():
        parts.nodes.append(helper.make_node("Concat", [OWN + output for output in outputs], [name], axis=1))
    _add_answer(parts)
    # The rest is judged whole when the file is read back.
    values = {value.name: _shape(value) for value in model.graph.output}
    shapes = {
        name: (sum(values[output][1] for output in outputs), values[outputs[0]][2]) for name, outputs in maps.items()
    }
    given = [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", len(EVERYDAY)])]
    given += [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *shape]) for name, shape in shapes.items()
    ]
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, ["batch", "height", "width", 3])
    graph = helper.make_graph(parts.nodes, "vidi", [images], given, parts.initializers)
    whole = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="vidi"
    )
    metadata = ModelMetadata(
        classes=EVERYDAY,
        framing=framing,
        multi_label=True,
        normalisation=NORMALISATION,
        provenance=provenance,
        calibration=CALIBRATION,
    )
    return finished_bytes(whole, metadata)


def _add_answer(parts: GraphParts) -> None:
    """Each class's best score, calibrated as `locate_by_detector` does it."""
    best = parts.node("ReduceMax", ["scores", parts.integers(1)], "best", {"keepdims": 0})
    limits = [
        parts.constant(name, np.array(value, np.float32)) for name, value in (("least", FINEST), ("most", 1 - FINEST))
    ]
    clipped = parts.node("Clip", [best, *limits], "clipped")
    rest = parts.node("Sub", [parts.constant("one", np.array(1, np.float32)), clipped], "rest")
    logits = parts.node("Log", [parts.node("Div", [clipped, rest], "odds")], "logits")
    scale, shift = (
        parts.constant(f"calibration.{name}", np.array(value, np.float32))
        for name, value in (("scale", CALIBRATION.scale), ("shift", CALIBRATION.shift))
    )
    shifted = parts.node("Add", [parts.node("Mul", [logits, scale], "scaled"), shift], "calibrated")
    parts.nodes.append(helper.make_node("Sigmoid", [shifted], ["probabilities"]))


def _inputs(graph: onnx.GraphProto) -> list[onnx.ValueInfoProto]:
    """What the graph is given; older files list their weights there, too."""
    weights = {tensor.name for tensor in graph.initializer}
    return [value for value in graph.input if value.name not in weights]


def _shape(value: onnx.ValueInfoProto) -> tuple[int, ...]:
    return tuple(side.dim_value for side in value.type.tensor_type.shape.dim)


def _interface(graph: onnx.GraphProto) -> tuple[tuple[int, int], dict[str, list[str]]]:
    """(height, width) of its images, and the names of its outputs by map, the finest first.

    Raises:
        ModelError: it is not NanoDet's.
    """
    inputs = [_shape(value) for value in _inputs(graph)]
    outputs = sorted(((_shape(value), value.name) for value in graph.output), key=lambda one: -one[0][1])
    scores = [(shape, name) for shape, name in outputs if shape[2] == len(EVERYDAY)]
    distances = [(shape, name) for shape, name in outputs if shape[2] != len(EVERYDAY)]
    try:
        ((_, channels, height, width),) = inputs
        strides_of(sum(shape[1] for shape, _ in scores), (height, width))
    except (ValueError, ShapeError) as error:
        raise ModelError(f"the detector's input and maps have the shapes {inputs}, {outputs}", REMEDY) from error
    if channels != 3 or [s[1] for s, _ in scores] != [s[1] for s, _ in distances] or distances[0][0][2] % 4:
        raise ModelError(f"the detector's maps have the shapes {outputs}", REMEDY)
    return (height, width), {"scores": [n for _, n in scores], "distances": [n for _, n in distances]}


def _add_renamed(parts: GraphParts, graph: onnx.GraphProto) -> None:
    """Take over the graph's nodes and tensors under names of their own; constants become tensors."""
    reshapes = {node.input[1] for node in graph.node if node.op_type == "Reshape"}
    for tensor in graph.initializer:
        _add_tensor(parts, tensor.name, numpy_helper.to_array(tensor), is_shape=tensor.name in reshapes)
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            value = numpy_helper.to_array(node.attribute[0].t)
            _add_tensor(parts, node.output[0], value, is_shape=node.output[0] in reshapes)
            continue
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        copy.ClearField("doc_string")
        copy.name = OWN + node.name if node.name else ""
        copy.input[:] = _renamed(node.input)
        copy.output[:] = _renamed(node.output)
        parts.nodes.append(copy)


def _renamed(names: Iterable[str]) -> list[str]:
    return [OWN + name if name else "" for name in names]


def _add_tensor(parts: GraphParts, name: str, value: np.ndarray, *, is_shape: bool) -> None:
    if is_shape and value.ndim == 1 and value[0] == 1:
        value = np.concatenate([np.zeros(1, np.int64), value[1:]])  # as many images as are given, not one
    parts.initializers.append(numpy_helper.from_array(np.ascontiguousarray(value), OWN + name))
