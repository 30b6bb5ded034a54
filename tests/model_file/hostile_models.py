"""Files that are not model files, or pretend to be: each with what its refusal must say."""

import json
import pickle
from collections.abc import Callable, Iterator

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from vidi.model_file.digests import DIGEST_KEY, digest_file

Change = Callable[[onnx.ModelProto], None]


def signed(model: onnx.ModelProto) -> bytes:
    """The bytes of a model with a digest that fits: what someone who knows the rules can make."""
    kept = [(entry.key, entry.value) for entry in model.metadata_props if entry.key != DIGEST_KEY]
    del model.metadata_props[:]
    for key, value in [*kept, (DIGEST_KEY, "0" * 64)]:
        model.metadata_props.add(key=key, value=value)
    data = model.SerializeToString(deterministic=True)
    if not data.endswith(b"0" * 64):  # something foreign stands behind the metadata
        return data
    return data[:-64] + digest_file(data).encode()


def changed(good: bytes, change: Change) -> bytes:
    """A good file with one thing changed, signed again."""
    model = onnx.load_model_from_string(good)
    change(model)
    return signed(model)


def foreign_files() -> Iterator[tuple[str, bytes, str]]:
    """Files of other kinds: name, bytes, what the refusal says."""
    yield "empty", b"", "empty"
    yield "text", b"not a model, only a text\n" * 9, "this is text"
    yield "html", b"<!DOCTYPE html><html><body>404</body></html>", "this is text"
    yield "zeros", bytes(1000), "field"
    yield "zip", b"PK\x03\x04" + bytes(100), "ZIP archive"
    yield "pickle", pickle.dumps({"weights": [1.0]}), "pickle"
    yield "numpy", b"\x93NUMPY\x01\x00" + bytes(100), "NumPy"
    yield "hdf5", b"\x89HDF\r\n\x1a\n" + bytes(100), "HDF5"
    yield "lfs", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "Git LFS"
    yield "tiny fields", b"\x42\x00" * 1_000_000, "more than 100,000 fields"
    yield "tiny fields, large file", b"\x0a\x00" * 20_000_000, "more than 100,000 fields"
    yield "tiny nodes", b"\x42\x02\x10\x12\x3a\x80\x89\x7a" + b"\x0a\x00" * 1_000_000, "more than 100,000 fields"
    yield "random", np.random.default_rng(0).bytes(5000), "."


def cut_files(good: bytes) -> Iterator[tuple[str, bytes, str]]:
    """A good file that ends too early."""
    for share in (1, 5, 10, 20, 40, 60, 80, 90, 99):
        yield f"cut at {share} %", good[: len(good) * share // 100], "."
    yield "cut by one byte", good[:-1], "."
    yield "one byte more", good + b"\0", "."
    yield "twice", good + good, "twice"


def hostile_models(good: bytes) -> Iterator[tuple[str, bytes, str]]:
    """ONNX files that are built to hurt, each with a digest that fits."""
    for name, change, says in (*_structure_changes(), *_tensor_changes(), *_interface_changes(), *_metadata_changes()):
        yield name, changed(good, change), says
    model = onnx.load_model_from_string(good)
    kept = [entry for entry in model.metadata_props if entry.key != DIGEST_KEY]
    for name, entries, says in (("no metadata", [], "without vidi's metadata"), ("no digest", kept, "without vidi's")):
        bare = onnx.load_model_from_string(good)
        del bare.metadata_props[:]
        bare.metadata_props.extend(entries)
        yield name, bare.SerializeToString(), says
    yield "wrong digest", good[:-64] + b"0" * 64, "do not match its digest"


def _structure_changes() -> Iterator[tuple[str, Change, str]]:
    body = helper.make_graph([], "body", [], [])
    for operator in ("If", "Loop", "Scan"):
        node = helper.make_node(operator, ["logits"], [f"out of {operator}"], body=body)
        yield operator, lambda model, node=node: model.graph.node.append(node), f"operator '{operator}'"
    hidden = helper.make_node("Relu", ["logits"], ["hidden"], body=body)
    yield "subgraph in a plain node", lambda model: model.graph.node.append(hidden), "subgraph"
    yield "functions 3,000 deep", _add_functions, "local functions"
    foreign = helper.make_node("Relu", ["logits"], ["foreign"], domain="com.evil")
    yield "foreign domain", lambda model: model.graph.node.append(foreign), "foreign domain"
    import_foreign = helper.make_opsetid("com.evil", 1)
    yield "foreign operator set", lambda model: model.opset_import.append(import_foreign), "foreign domain 'com.evil'"
    yield "learning operators", lambda m: m.opset_import.append(helper.make_opsetid("ai.onnx.ml", 3)), "foreign domain"
    yield "opset 17", lambda model: _set_opset(model, 17), "operator sets are"
    yield "opset 99", lambda model: _set_opset(model, 99), "operator sets are"
    for operator in ("ConstantOfShape", "Expand", "Tile", "RandomNormal", "StringConcat", "Evil"):
        node = helper.make_node(operator, ["logits"], ["more"])
        yield operator, lambda model, node=node: model.graph.node.append(node), f"operator '{operator}'"
    loop = [helper.make_node("Relu", ["b"], ["a"]), helper.make_node("Relu", ["a"], ["b"])]
    yield "cycle", lambda model: model.graph.node.extend(loop), "nothing before it makes"
    again = helper.make_node("Relu", ["logits"], ["embedding"])
    yield "name made twice", lambda model: model.graph.node.append(again), "second time"
    padded = helper.make_node("MaxPool", ["logits"], ["more"], kernel_shape=[1 << 40])
    yield "absurd attribute", lambda model: model.graph.node.append(padded), "absurd size"
    nothing = helper.make_node("LeakyRelu", ["logits"], ["more"], alpha=float("nan"))
    yield "NaN attribute", lambda model: model.graph.node.append(nothing), "is no number"
    scales = helper.make_node("Resize", ["logits", "", "layer.bias"], ["larger"])
    yield "resize by a factor", lambda model: model.graph.node.append(scales), "by a factor"
    yield "training information", lambda model: model.training_info.add(), "training information"
    yield "long text", lambda model: setattr(model, "doc_string", "x" * 20_000_000), "unknown field 6"
    yield "long name", lambda model: setattr(model.graph.node[0], "name", "x" * 2_000), "2,000 bytes"
    yield "many nodes", _add_nodes, "nodes"


def _add_functions(model: onnx.ModelProto) -> None:
    for depth in range(3_000):
        inner = helper.make_node(f"f{depth + 1}", ["x"], ["y"], domain="local")
        model.functions.append(
            helper.make_function("local", f"f{depth}", ["x"], ["y"], [inner], [helper.make_opsetid("", 18)])
        )


def _add_nodes(model: onnx.ModelProto) -> None:
    for index in range(20_001):
        model.graph.node.add(op_type="Relu", input=["logits"], output=[f"n{index}"])


def _set_opset(model: onnx.ModelProto, version: int) -> None:
    model.opset_import[0].version = version


def _tensor_changes() -> Iterator[tuple[str, Change, str]]:
    for location in ("../../../../etc/passwd", "/etc/passwd", "weights.bin", "link-to-secret"):
        yield f"external {location}", lambda model, at=location: _make_external(model, at), "outside the file"
    for name, dims in (("giant", [1 << 31, 1 << 31]), ("large", [1 << 40]), ("negative", [-1, 4]), ("deep", [1] * 99)):
        tensor = TensorProto(name=name, data_type=1, dims=dims, raw_data=b"abcd")
        yield f"{name} tensor", lambda model, t=tensor: model.graph.initializer.append(t), f"tensor '{name}'"
    typed = TensorProto(name="typed", data_type=1, dims=[2], float_data=[1, 2])
    yield "typed values", lambda model: model.graph.initializer.append(typed), "unknown field 4"
    words = TensorProto(name="words", data_type=8, dims=[1], string_data=[b"x"])
    yield "text tensor", lambda model: model.graph.initializer.append(words), "unknown field 6"
    odd = TensorProto(name="odd", data_type=15, dims=[1], raw_data=bytes(16))
    yield "complex tensor", lambda model: model.graph.initializer.append(odd), "data type 15"
    size = numpy_helper.from_array(np.array([1 << 40]), "size")
    yield "absurd size in a tensor", lambda model: model.graph.initializer.append(size), "absurd size"
    twice = numpy_helper.from_array(np.zeros(1, np.float32), "layer.bias")
    for kind in (np.float16, np.float32, np.float64):
        for number in (np.nan, np.inf, -np.inf):
            none = numpy_helper.from_array(np.array([1, number, 2], kind), "none")
            yield f"{number} {kind.__name__}", lambda m, t=none: m.graph.initializer.append(t), "a number that is none"
    yield "tensor twice", lambda model: model.graph.initializer.append(twice), "same name"
    yield "sparse tensor", lambda model: model.graph.sparse_initializer.add(), "sparse"
    constant = helper.make_node("Identity", ["logits"], ["c"], value=numpy_helper.from_array(np.zeros(3), "t"))
    yield "tensor in a node", lambda model: model.graph.node.append(constant), "tensors inside a node"


def _make_external(model: onnx.ModelProto, location: str) -> None:
    tensor = model.graph.initializer[-1]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)


def _interface_changes() -> Iterator[tuple[str, Change, str]]:
    def image_type(code: int, shape: list[int | str]) -> onnx.TypeProto:
        return helper.make_tensor_type_proto(code, shape)

    for name, kind in (
        ("float input", image_type(1, ["b", "h", "w", 3])),
        ("one-channel input", image_type(2, ["b", "h", "w", 1])),
        ("flat input", image_type(2, ["b", "h", 3])),
        ("fixed input", image_type(2, [1, 1 << 20, 1 << 20, 3])),
    ):
        yield name, lambda model, kind=kind: model.graph.input[0].type.CopyFrom(kind), "its input is not"
    second = helper.make_tensor_value_info("more", 1, ["b"])
    yield "second input", lambda model: model.graph.input.append(second), "its input is not"
    yield "no output", lambda model: model.graph.ClearField("output"), "first output"
    logits = helper.make_tensor_value_info("logits", 1, ["b", 3])
    yield "unknown output", lambda model: model.graph.output.append(logits), "output 'logits'"
    ghost = helper.make_tensor_value_info("novelty", 1, ["b"])
    yield "output of nothing", lambda model: model.graph.output.append(ghost), "nothing makes"
    fourth = helper.make_tensor_value_info("probabilities", 1, ["b", 4])
    yield "four for three", lambda model: model.graph.output[0].CopyFrom(fourth), "answers with 4 classes and names 3"
    flat = helper.make_tensor_value_info("probabilities", 1, ["b"])
    yield "flat probabilities", lambda model: model.graph.output[0].CopyFrom(flat), "output 'probabilities'"


def _metadata_changes() -> Iterator[tuple[str, Change, str]]:
    def entry(**changes: object) -> Change:
        def change(model: onnx.ModelProto) -> None:
            (found,) = [item for item in model.metadata_props if item.key == "vidi"]
            found.value = json.dumps({**json.loads(found.value), **changes})

        return change

    def text(value: str) -> Change:
        def change(model: onnx.ModelProto) -> None:
            (found,) = [item for item in model.metadata_props if item.key == "vidi"]
            found.value = value

        return change

    framing = {"size": [16, 16], "mode": "pad", "shrink_to": None}
    flat = {"mean": [1, 2, 3], "standard_deviation": [1, 0, 1]}
    yield "other classes", entry(classes=["a", "b"]), "answers with 3 classes and names 2"
    yield "one class", entry(classes=["a"]), "has 1 classes"
    yield "same class twice", entry(classes=["a", "a", "b"]), "same name twice"
    yield "classes that are numbers", entry(classes=[1, 2, 3]), "list of texts"
    yield "newer schema", entry(schema=2), "schema 2"
    yield "schema as text", entry(schema="1"), "whole number"
    yield "absurd framing", entry(framing={**framing, "size": [1 << 30, 1]}), "image size"
    yield "unknown framing", entry(framing={**framing, "mode": "magic"}), "mode should be stretch, pad or crop"
    yield "division by zero", entry(normalisation=flat), "standard deviation"
    yield "calibration of other classes", entry(calibration=_calibration([1.0, 2.0])), "2 scales"
    yield "negative temperature", entry(calibration=_calibration([-1.0])), "scales"
    yield "null where a text belongs", entry(run=None), "a text"
    yield "no JSON", text("{"), "not JSON"
    yield "NaN", text('{"schema": NaN}'), "not JSON"
    yield "deep JSON", text("[" * 100_000), "not JSON"
    yield "a list", text("[]"), "an object"
    yield "nothing in it", text("{}"), "has no schema"
    yield "ten megabytes", text("x" * 10_000_000), "metadata"
    yield "a key twice", lambda model: model.metadata_props.insert(0, model.metadata_props[0]), "twice"


def _calibration(scale: list[float]) -> dict[str, object]:
    return {"method": "temperature", "scale": scale, "shift": [0.0], "image_count": 1, "figures": {}}
