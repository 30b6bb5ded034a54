"""A detector whose boxes are known by hand: a person where a cell is red, a cat where it is green."""

from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from scipy.special import expit

from vidi.detection.adopt import CALIBRATION, EVERYDAY, NORMALISATION, adopt_detector
from vidi.model_file.metadata import Provenance
from vidi.prediction.predictor import Predictor

SIDE = 64  # of its images, pixels
PERSON, CAT = EVERYDAY.index("person"), EVERYDAY.index("cat")


def made_onnx(*, strides: tuple[int, ...] = (8, 16, 32), bins: int = 11, classes: int = 80, opset: int = 13) -> bytes:
    """An ONNX file in NanoDet's form: image (1, 3, 64, 64) in blue, green, red, normalised; maps out.

    Only the finest map finds anything. Its boxes reach one stride to the left and up, two to the right and down.
    """
    nodes, tensors, outputs = [], [], []
    for stride in strides:
        cells, name = (SIDE // stride) ** 2, str(stride)
        colours = np.zeros((classes, 3, 1, 1), np.float32)
        colours[PERSON, :, 0, 0] = -2, -2, 4
        colours[CAT, :, 0, 0] = -2, 4, -2
        bias = np.full(classes, -8.0 if stride == 8 else -50.0, np.float32)
        spread = np.zeros((4, bins), np.float32)
        spread[[0, 1, 2, 3], [1, 1, 2, 2]] = 50
        for part, weights, shift in (
            ("scores", colours, bias),
            ("distances", np.zeros((4 * bins, 3, 1, 1), np.float32), spread.reshape(-1)),
        ):
            count = len(shift)
            tensors += [
                numpy_helper.from_array(weights, f"w-{part}-{name}"),
                numpy_helper.from_array(shift, part + name),
            ]
            shape = numpy_helper.from_array(np.array([1, count, cells]), "")
            nodes += [
                helper.make_node(
                    "AveragePool", ["images"], [f"a-{part}-{name}"], kernel_shape=[stride] * 2, strides=[stride] * 2
                ),
                helper.make_node("Conv", [f"a-{part}-{name}", f"w-{part}-{name}", part + name], [f"c-{part}-{name}"]),
                helper.make_node("Constant", [], [f"s-{part}-{name}"], value=shape),
                helper.make_node("Reshape", [f"c-{part}-{name}", f"s-{part}-{name}"], [f"r-{part}-{name}"]),
            ]
            last = f"r-{part}-{name}"
            if part == "scores":
                nodes.append(helper.make_node("Sigmoid", [last], [f"p-{name}"], doc_string="a foreign file says more"))
                last = f"p-{name}"
            nodes.append(helper.make_node("Transpose", [last], [f"{part}-{name}"], perm=[0, 2, 1]))
            outputs.append(helper.make_tensor_value_info(f"{part}-{name}", TensorProto.FLOAT, [1, cells, count]))
    image = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, SIDE, SIDE])
    graph = helper.make_graph(nodes, "made", [image], outputs, tensors)
    data: bytes = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)]).SerializeToString()
    return data


def made_detector(path: Path) -> Predictor:
    """The same as a model file."""
    path.write_bytes(adopt_detector(made_onnx(), Provenance(network="made")))
    return Predictor.load(path)


def grey_image(height: int = SIDE, width: int = SIDE) -> np.ndarray:
    """An image without anything."""
    return np.full((height, width, 3), 114, np.uint8)


def expected_scores(colour: tuple[int, int, int]) -> tuple[float, float]:
    """Of person and cat, for a cell of one colour, calibrated."""
    red, green, blue = (np.array(colour) - NORMALISATION.mean) / NORMALISATION.standard_deviation
    logits = np.array([4 * red - 2 * green - 2 * blue, 4 * green - 2 * red - 2 * blue]) - 8
    odds = np.clip(logits, -np.log(99), np.log(99))  # scores beyond 0.01 and 0.99 count as the same
    person, cat = expit(CALIBRATION.apply(odds[None])[0]).tolist()
    return person, cat
