"""Writing a model file: the network, what goes before and after it, and what the file says about itself."""

from collections.abc import Iterable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

from vidi.errors import ModelError
from vidi.files import write_whole
from vidi.metrics.novelty import NoveltyScore
from vidi.model_file.digests import DIGEST_KEY, DIGEST_LENGTH, TensorView, digest_file, digest_weights
from vidi.model_file.golden import draw_golden_image, make_golden
from vidi.model_file.golden_vector import GoldenVector
from vidi.model_file.graph import build_graph, replace_answer
from vidi.model_file.metadata import Calibration, ModelMetadata
from vidi.model_file.read import ModelFile, read_model
from vidi.model_file.schema import metadata_to_text, viewer_keys

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
    write_whole(path, model_bytes(network, metadata, novelty=novelty))
    return read_model(path)


def model_bytes(network: onnx.GraphProto, metadata: ModelMetadata, *, novelty: NoveltyScore | None = None) -> bytes:
    """The bytes that `write_model` writes."""
    graph = build_graph(network, metadata, novelty)
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
    write_whole(before.path, bytes_with(before, metadata))
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
    replace_answer(model.graph, metadata)
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
