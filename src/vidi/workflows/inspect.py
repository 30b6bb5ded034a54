"""`vidi inspect`: the contents of a model file, and a test whether this computer gives its answers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vidi.errors import GateError, ModelError
from vidi.files import escape_path
from vidi.model_file.digests import member_count
from vidi.model_file.drift_reference import DriftReference
from vidi.model_file.golden import Replay, replay_golden
from vidi.model_file.learned_from import DigestFilter
from vidi.model_file.limits import describe_refuted
from vidi.model_file.read import ModelFile, read_model
from vidi.model_file.schema import metadata_to_json
from vidi.model_file.values import Json, as_plain, canonical_json
from vidi.numbers import percent
from vidi.prediction.engines import open_session
from vidi.report.words.guarantees import describe_limits, describe_points, describe_reference

COLUMN = 12  # signs before what is said
NEXT_LINE = "\n" + " " * COLUMN
SHARES = ("accuracy", "f1", "precision", "recall", "match")  # what such figures' names end with
MOST_CLASSES_SHOWN = 20


def self_test(model: ModelFile) -> Replay:
    """Replay the golden vectors of a model file.

    Raises:
        GateError: this computer answers otherwise than the file says.
        ModelError: the file holds no golden vectors, or onnxruntime does not take it.
    """
    outcome = replay_golden(open_session(model), model.metadata)
    if not outcome.passed:
        raise GateError(
            outcome.sentence(),
            "Do not use predictions from this computer. Install the onnxruntime version that vidi pins.",
        )
    return outcome


def inspect_model(path: Path) -> tuple[ModelFile, dict[str, Json]]:
    """Read a model file, and describe it in plain values.

    Raises:
        ModelError: it is not a model file, or its trained tensors are not those that its metadata names.
    """
    model = read_model(path)
    weights_digest = model.weights_digest()
    if weights_digest != model.metadata.weights_digest:
        raise ModelError(
            f"{escape_path(model.path)}: the trained tensors have the digest {weights_digest[:12]}…, "
            f"the metadata says {model.metadata.weights_digest[:12]}…",
            "The weights or the metadata were changed. Use the file that `vidi train` wrote.",
        )
    tensors = [tensor for tensor in model.contents.tensors if not tensor.name.startswith("vidi.")]
    document: dict[str, Json] = {
        "id": model.model_id,
        "digest": model.digest,
        "bytes": len(model.data),
        "opset": model.contents.opset,
        "input": _value(model.contents.inputs[0].name, model.contents.inputs[0].shape),
        "outputs": [_value(output.name, output.shape) for output in model.contents.outputs],
        "operators": dict(sorted(model.contents.operators.items())),
        "networks": member_count(tensor.name for tensor in tensors),
        "parameters": sum(len(tensor.data) // 4 for tensor in tensors if tensor.type_name == "FLOAT"),
        "metadata": metadata_to_json(model.metadata),
    }
    return model, document


def _value(name: str, shape: tuple[int | str, ...]) -> Json:
    return {"name": name, "shape": list(shape)}


def describe_model(model: ModelFile, document: Mapping[str, Json]) -> str:
    """Describe a model file in lines for a terminal."""
    metadata, origin = model.metadata, model.metadata.provenance
    height, width = metadata.framing.size
    classes = [escape_path(name) for name in metadata.classes[:MOST_CLASSES_SHOWN]]
    more = len(metadata.classes) - len(classes)
    lines = {
        "file": f"{escape_path(model.path)}, {len(model.data):,} bytes, digest checked",
        "model": f"{model.model_id}, version {escape_path(origin.run) or 'unnamed'}, written {origin.date or '?'}",
        "status": f"unfinished: {metadata.unfinished}" if metadata.unfinished else "finished",
        "classes": f"{len(metadata.classes)}: {', '.join(classes)}{f' and {more:,} more' if more else ''}"
        f"{'; an image may show several, or none' if metadata.multi_label else ''}",
        "network": f"{origin.network or 'unnamed'}{_side_by_side(document)}, {document['parameters']:,} parameters",
        "input": f"images of any size, framed to {height} x {width} (height x width) by {_framing(model)}",
        "outputs": ", ".join(f"{output.name} {_shape(output.shape)}" for output in model.contents.outputs),
        "calibration": _calibration(model),
        "answers": "" if metadata.verdict is None else NEXT_LINE.join(describe_limits(metadata.verdict)),
        "decisions": ""
        if metadata.operating_points is None
        else NEXT_LINE.join(describe_points(metadata.operating_points)),
        "refuted": "" if metadata.refuted is None else f"{describe_refuted(metadata.refuted)}, by its own test",
        "test": _test(metadata.test),
        "trained on": _learned_from(origin.learned_from),
        "drift": _drift(metadata.drift_reference),
        "weights": f"{metadata.weights_digest[:12]}, {origin.weights_license or 'trained from scratch'}"
        + ("" if origin.derived_from is None else f", made of the weights {origin.derived_from[:12]}"),
        "license": origin.license or "not stated",
        "description": escape_path(origin.description),
    }
    return "".join(f"{name:<{COLUMN}}{text}\n" for name, text in lines.items() if text)


def _side_by_side(document: Mapping[str, Json]) -> str:
    return "" if document["networks"] == 1 else f", {document['networks']} networks side by side"


def _framing(model: ModelFile) -> str:
    framing = model.metadata.framing
    names = {"stretch": "stretching", "pad": "fitting and grey borders", "crop": "covering and cutting the middle"}
    if framing.shrink_to is None:
        return names[framing.mode]
    return f"{names[framing.mode]}, after shrinking what is larger than {framing.shrink_to[0]} x {framing.shrink_to[1]}"


def _learned_from(filters: tuple[DigestFilter, ...] | None) -> str:
    if filters is None:
        return "not stated"
    count = sum(one.image_count for one in filters)
    return f"{count:,} files, known by their digests: `vidi evaluate` sets them aside"


def _drift(reference: DriftReference | None) -> str:
    size = 0 if reference is None else len(canonical_json(as_plain(reference)))
    return describe_reference(reference, byte_count=size)


def _shape(shape: tuple[int | str, ...]) -> str:
    return f"({', '.join(map(str, shape))})"


def _calibration(model: ModelFile) -> str:
    calibration = model.metadata.calibration
    if calibration is None:
        return f"none: the network's bare {model.metadata.outputs.name}"
    if calibration.method == "none":
        return f"none: the probabilities fitted {calibration.image_count:,} images best as they were"
    if len(calibration.scale) == 1 and calibration.shift == (0.0,):
        kind = f"{calibration.method} {calibration.temperature:.3g}"
    else:
        kind = f"{calibration.method} scaling"
    return f"{kind}, fitted on {calibration.image_count:,} images"


def _test(test: Mapping[str, Json] | None) -> str:
    """The test figures that are single numbers, with their intervals where they stand beside them."""
    if test is None:
        return "not tested"
    shown = []
    for name, figure in test.items():
        if isinstance(figure, int | float):
            shown.append((name, f"{figure:,}" if isinstance(figure, int) else _figure(name, figure)))
        elif isinstance(figure, Mapping) and isinstance(value := figure.get("value"), int | float):
            low, high = figure.get("low"), figure.get("high")
            known = isinstance(low, float) and isinstance(high, float)
            between = f" ({_figure(name, low)} to {_figure(name, high)})" if known else ""
            shown.append((name, f"{_figure(name, value)}{between}"))
    width = max((len(name) for name, _ in shown), default=0)
    lines = [f"{name.replace('_', ' '):{width}}  {text}" for name, text in shown]
    return NEXT_LINE.join(lines) or "in the JSON"


def _figure(name: str, value: Any) -> str:
    """A share as a percentage, anything else to three digits behind the point."""
    return percent(value, digits=1) if name.endswith(SHARES) else f"{value:.3f}"
