"""Writing a model file: one graph from images to answers, and what the file says about itself. Imports onnx."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from vidi.errors import ModelError
from vidi.files import write_atomic
from vidi.metrics.novelty import MOST_POWER, SMALLEST, MaxLogitScore, NoveltyScore
from vidi.metrics.outputs import Sigmoid, Softmax
from vidi.model_file.digests import DIGEST_KEY, DIGEST_LENGTH, TensorView, digest_file, digest_weights
from vidi.model_file.golden import draw_golden_image, make_golden
from vidi.model_file.metadata import Calibration, GoldenVector, ModelMetadata
from vidi.model_file.preprocessing import PREFIX, GraphParts, add_preprocessing
from vidi.model_file.read import ModelFile, read_model
from vidi.model_file.schema import metadata_to_text, viewer_keys
from vidi.model_file.walk import MOST_EVIDENCE_CLASSES


def _build_graph(
    network: onnx.GraphProto, metadata: ModelMetadata, novelty: NoveltyScore | None = None
) -> onnx.GraphProto:
    """One graph from `images` to `probabilities`, `embedding` and, where there are such, `evidence` and `novelty`."""
    _check_network(network)
    parts = GraphParts()
    add_preprocessing(parts, metadata.framing, metadata.normalisation)
    _add_network(parts, network, PREFIX + "inputs")
    if novelty is not None:
        _add_novelty(parts, novelty)
    _add_answer(parts, metadata)
    outputs = {value.name: value for value in network.output}
    class_count = len(metadata.classes)
    given = [
        helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", class_count]),
        helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", *_shape(outputs["embedding"])[1:]]),
    ]
    if "evidence" in outputs and class_count <= MOST_EVIDENCE_CLASSES:
        shape = _shape(outputs["evidence"])[2:]
        given.append(helper.make_tensor_value_info("evidence", TensorProto.FLOAT, ["batch", class_count, *shape]))
    if novelty is not None:
        given.append(helper.make_tensor_value_info("novelty", TensorProto.FLOAT, ["batch"]))
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, ["batch", "height", "width", 3])
    return helper.make_graph(_needed(parts.nodes, given), "vidi", [images], given, parts.initializers)


def _check_network(network: onnx.GraphProto) -> None:
    """Refuse a network that cannot stand between preprocessing and answer."""
    inputs, outputs = [value.name for value in network.input], [value.name for value in network.output]
    if inputs != ["inputs"]:
        raise ModelError(f"the network's inputs are {inputs}", "It must have the one input `inputs`.")
    if not {"logits", "embedding"} <= set(outputs) <= {"logits", "embedding", "evidence"}:
        raise ModelError(
            f"the network's outputs are {outputs}", "They must be `logits`, `embedding` and, at will, `evidence`."
        )
    names = [tensor.name for tensor in network.initializer]
    names += [name for node in network.node for name in node.output]
    reserved = [name for name in names if name.startswith(PREFIX) or name in ("images", "probabilities", "novelty")]
    if reserved:
        raise ModelError(f"the network uses the name {reserved[0]!r}", f"Names from `{PREFIX}` on are the file's own.")


def _add_network(parts: GraphParts, network: onnx.GraphProto, inputs: str) -> None:
    """Take over the network's nodes and tensors; its input becomes what the preprocessing gives."""
    for tensor in network.initializer:
        # Through NumPy, so that every value stands in `raw_data`, once, and nothing outside the file.
        parts.initializers.append(numpy_helper.from_array(numpy_helper.to_array(tensor), tensor.name))
    for node in network.node:
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        copy.ClearField("doc_string")
        for index, name in enumerate(copy.input):
            if name == "inputs":
                copy.input[index] = inputs
        parts.nodes.append(copy)


def _add_answer(parts: GraphParts, metadata: ModelMetadata) -> None:
    """The affine calibration of the logits, then softmax, or sigmoid where an image may show several classes."""
    calibration = metadata.calibration or Calibration()
    matrix = calibration.matrix(len(metadata.classes))
    scale = np.array(calibration.scale, np.float32) if matrix is None else matrix.T.astype(np.float32)
    operator = "Mul" if matrix is None else "MatMul"
    scaled = parts.node(operator, ["logits", parts.constant("calibration.scale", scale)], "scaled")
    shift = parts.constant("calibration.shift", np.array(calibration.shift, np.float32))
    calibrated = parts.node("Add", [scaled, shift], "calibrated")
    match metadata.outputs:
        case Sigmoid():
            node = helper.make_node("Sigmoid", [calibrated], ["probabilities"], name="probabilities")
        case Softmax():
            node = helper.make_node("Softmax", [calibrated], ["probabilities"], name="probabilities", axis=-1)
    parts.nodes.append(node)


def _add_novelty(parts: GraphParts, novelty: NoveltyScore) -> None:
    """How unlike the training images an image is: the arithmetic of `NoveltyScore.of`, step by step."""

    def constant(name: str, value: np.ndarray) -> str:
        return parts.constant(f"novelty.{name}", value.astype(np.float32))

    def squared(what: str, name: str) -> str:
        return parts.node("ReduceSumSquare", [what, parts.integers(1)], f"novelty.{name}", {"keepdims": 1})

    length = parts.node("ReduceL2", ["embedding", parts.integers(1)], "novelty.length", {"keepdims": 1})
    least = parts.node("Max", [length, constant("least", np.array(SMALLEST))], "novelty.divisor")
    direction = parts.node("Div", ["embedding", least], "novelty.direction")
    centred = parts.node("Sub", [direction, constant("mean", novelty.mean)], "novelty.centred")
    placed = parts.node("MatMul", [centred, constant("projection", novelty.projection)], "novelty.placed")

    def nearest(prototypes: np.ndarray, name: str) -> str:
        towards, norms = constant(name, -2 * prototypes.T), constant(f"{name}-norms", (prototypes**2).sum(axis=1))
        products = parts.node("MatMul", [placed, towards], f"novelty.{name}-products")
        apart = parts.node("Add", [products, norms], f"novelty.{name}-apart")
        return parts.node("ReduceMin", [apart, parts.integers(1)], f"novelty.{name}-nearest", {"keepdims": 1})

    to_classes = nearest(novelty.prototypes, "prototypes")
    distance = parts.node("Add", [to_classes, squared(placed, "squares")], "novelty.distance")
    if novelty.weight:
        inside = constant("inside", np.sqrt(novelty.variances))
        kept = squared(parts.node("Mul", [placed, inside], "novelty.kept"), "length-inside")
        outside = parts.node("Sub", [squared(centred, "length-centred"), kept], "novelty.outside")
        weighed = parts.node("Mul", [outside, constant("weight", np.array(novelty.weight))], "novelty.weighed")
        distance = parts.node("Add", [distance, weighed], "novelty.whole-distance")
    if novelty.sureness is not None:
        distance = parts.node("Mul", [distance, _surprise(parts, novelty.sureness)], "novelty.doubted")
    if novelty.counters is not None:
        nearer = parts.node("Sub", [to_classes, nearest(novelty.counters, "counters")], "novelty.nearer")
        alike = parts.node("Add", [nearer, constant("offset", np.array(novelty.offset))], "novelty.alike")
        distance = parts.node("Max", [distance, alike], "novelty.greater")
    flat = helper.make_node("Squeeze", [distance, parts.integers(1)], ["novelty"], name="novelty")
    parts.nodes.append(flat)


def _replace_answer(graph: onnx.GraphProto, metadata: ModelMetadata) -> None:
    """Put another calibration, of whatever kind, in the place of a written graph's."""
    parts = GraphParts()
    _add_answer(parts, metadata)
    ours = {node.name for node in parts.nodes}
    nodes = [node for node in graph.node if node.name not in ours] + parts.nodes
    names = {tensor.name for tensor in parts.initializers}
    tensors = [tensor for tensor in graph.initializer if tensor.name not in names] + parts.initializers
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(tensors)


def _shape(value: onnx.ValueInfoProto) -> list[int | str]:
    """The sides of an output, as numbers or names."""
    return [side.dim_value or side.dim_param for side in value.type.tensor_type.shape.dim]


def _needed(nodes: Sequence[onnx.NodeProto], outputs: Sequence[onnx.ValueInfoProto]) -> list[onnx.NodeProto]:
    """The nodes that some output needs, in order: evidence that is not given is not computed."""
    wanted = {value.name for value in outputs}
    kept: list[onnx.NodeProto] = []
    for node in reversed(nodes):
        if wanted.intersection(node.output):
            kept.append(node)
            wanted.update(node.input)
    return kept[::-1]


def _surprise(parts: GraphParts, sureness: MaxLogitScore) -> str:
    """(batch, 1): `MaxLogitScore.factor`."""

    def constant(name: str, value: np.ndarray | float) -> str:
        return parts.constant(f"novelty.{name}", np.asarray(value, np.float32))

    products = parts.node("MatMul", ["embedding", constant("head", sureness.weight.T)], "novelty.head-products")
    logits = parts.node("Add", [products, constant("head-bias", sureness.bias)], "novelty.head-logits")
    highest = parts.node("ReduceMax", [logits, parts.integers(1)], "novelty.strongest", {"keepdims": 1})
    below = parts.node("Sub", [constant("usual", sureness.usual), highest], "novelty.below")
    power = parts.node("Mul", [below, constant("power", sureness.power)], "novelty.powered")
    limits = constant("least-power", -MOST_POWER), constant("most-power", MOST_POWER)
    return parts.node("Exp", [parts.node("Clip", [power, *limits], "novelty.clipped")], "novelty.factor")


OPSET = 18  # antialiased Resize and Pad with axes begin here; every later runtime still reads it
EVIDENCE_TOLERANCE = 1e-3  # of a probability; the two are added in different orders
IR_VERSION = 8  # the oldest that carries opset 18

# ONNX's own keys for images (onnx/docs/MetadataProps.md).
_IMAGE_KEYS = {
    "Image.BitmapPixelFormat": "Rgb8",
    "Image.ColorSpaceGamma": "SRGB",
    "Image.NominalPixelRange": "NominalRange_0_255",
}


def write_model(
    path: Path, network: onnx.GraphProto, metadata: ModelMetadata, *, novelty: NoveltyScore | None = None
) -> ModelFile:
    """Make one file of a network and everything that is needed to use it, and read it back.

    Args:
        path: where the file appears, whole or not at all.
        network: input `inputs`, float32 (batch, 3, height, width), normalised; outputs `logits` (batch, classes),
            `embedding` (batch, features) and, where it pools globally, `evidence` (batch, classes, rows, columns)
            whose mean over the regions is the logit. Its tensors are the trained ones.
        metadata: what the file says about itself; `weights_digest` and `golden` are filled in here.
        novelty: how unlike the training images an image is; without it the file has no such output.

    Raises:
        ModelError: the network does not fit this description or the classes, or its answers are not finite.
        ResourceError: the file cannot be written.
    """
    write_atomic(path, model_bytes(network, metadata, novelty=novelty))
    return read_model(path)


def model_bytes(network: onnx.GraphProto, metadata: ModelMetadata, *, novelty: NoveltyScore | None = None) -> bytes:
    """The bytes that `write_model` writes."""
    graph = _build_graph(network, metadata, novelty)
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="vidi",
        producer_version=version("vidi"),
    )
    return finished_bytes(model, metadata)


def set_metadata(path: Path, metadata: ModelMetadata) -> ModelFile:
    """Give a model file other metadata and the calibration that it states; the trained tensors stay as they are.

    Raises:
        ModelError: the classes, the framing or the normalisation are not those of the file.
        ResourceError: the file cannot be written; the old one is untouched.
    """
    before = read_model(path)
    write_atomic(before.path, bytes_with(before, metadata))
    return read_model(before.path)


def bytes_with(before: ModelFile, metadata: ModelMetadata) -> bytes:
    """The bytes of a model file with other metadata and the calibration that it states.

    Raises:
        ModelError: the classes, the framing or the normalisation are not those of the file.
    """
    for name, old, new in (
        ("classes", before.metadata.classes, metadata.classes),
        ("framing", before.metadata.framing, metadata.framing),
        ("normalisation", before.metadata.normalisation, metadata.normalisation),
        ("task", before.metadata.outputs, metadata.outputs),
    ):
        if old != new:
            raise ModelError(
                f"the {name} of {before.path.name} cannot be changed afterwards", "Train or export it again."
            )
    model = onnx.load_model_from_string(before.data)
    _replace_answer(model.graph, metadata)
    return finished_bytes(model, metadata)


def finished_bytes(model: onnx.ModelProto, metadata: ModelMetadata) -> bytes:
    """The bytes of a file with this graph: golden answers asked, metadata set, digests filled in.

    Raises:
        ModelError: onnxruntime does not take the graph, or its answers are not those of such a model.
    """
    del model.metadata_props[:]
    metadata = replace(
        metadata, weights_digest=digest_weights(_views(model.graph.initializer)), golden=_golden(model, metadata)
    )
    texts = {**_IMAGE_KEYS, **viewer_keys(metadata), "vidi": metadata_to_text(metadata)}
    for key in sorted(texts):
        model.metadata_props.add(key=key, value=texts[key])
    # Last, so that its digits are the last bytes of the file, where a host without protobuf finds them.
    model.metadata_props.add(key=DIGEST_KEY, value="0" * DIGEST_LENGTH)
    data: bytes = model.SerializeToString(deterministic=True)
    return data[:-DIGEST_LENGTH] + digest_file(data).encode("ascii")


def _views(tensors: Iterable[TensorProto]) -> list[TensorView]:
    return [
        TensorView(tensor.name, TensorProto.DataType.Name(tensor.data_type), tuple(tensor.dims), tensor.raw_data)
        for tensor in tensors
    ]


def _golden(model: onnx.ModelProto, metadata: ModelMetadata) -> tuple[GoldenVector, ...]:
    """Run the model on the drawn images: the first proof that it runs and fits its classes."""
    session = _open(model)
    vectors = make_golden(session, metadata)
    _check_evidence(session, metadata)
    return vectors


def _check_evidence(session: onnxruntime.InferenceSession, metadata: ModelMetadata) -> None:
    """Evidence whose mean over the regions is not the logit would explain another answer than the one given."""
    if "evidence" not in [output.name for output in session.get_outputs()]:
        return
    images = draw_golden_image((32, 32))[None]
    evidence, probabilities = session.run(["evidence", "probabilities"], {"images": images})
    logits = (metadata.calibration or Calibration()).apply(evidence.mean(axis=(2, 3), dtype=np.float64))
    difference = float(np.abs(metadata.outputs.probabilities(logits) - probabilities).max())
    if not difference < EVIDENCE_TOLERANCE:
        raise ModelError(
            f"the mean of the evidence over its regions is not the logit: probabilities differ by {difference:.3g}",
            "Give `evidence` as the head's convolution over the map that is pooled, or leave it out.",
        )


def _open(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4  # fatal only: the error itself says what is wrong
    try:
        return onnxruntime.InferenceSession(
            model.SerializeToString(), sess_options=options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime's own errors have no common class below Exception
        raise ModelError(
            f"onnxruntime does not take the network: {str(error)[:300]}",
            "Use standard operators of opset 18, each fed with tensors of fitting shapes.",
        ) from error
