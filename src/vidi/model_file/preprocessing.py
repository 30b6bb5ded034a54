"""The graph's first part: uint8 images of any size become what the network takes. Writing only: imports onnx.

The arithmetic is that of `vidi.images.framing.frame_image`, step by step, in int64; a parity test holds the two
together. The resize runs in uint8 on (batch, height, width, 3) before any cast: that equals Pillow's BILINEAR within
one level, and costs a fifth of the time and memory of casting first.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import helper, numpy_helper

from vidi.images.framing import Framing
from vidi.model_file.metadata import Normalisation

PREFIX = "vidi."  # every tensor and node of ours; what lacks it belongs to the trained network
PAD_LEVEL = 114  # grey, of 255


@dataclass(slots=True)
class GraphParts:
    """Nodes and initializers as they are added, in order."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    initializers: list[onnx.TensorProto] = field(default_factory=list)

    def constant(self, name: str, value: np.ndarray) -> str:
        """Add a constant tensor once; the result is its name."""
        full = PREFIX + name
        if all(tensor.name != full for tensor in self.initializers):
            self.initializers.append(numpy_helper.from_array(value, full))
        return full

    def integers(self, *values: int) -> str:
        """Add a constant vector of int64; the result is its name."""
        return self.constant("integers." + "_".join(map(str, values)), np.array(values, np.int64))

    def node(self, operator: str, inputs: Sequence[str], name: str, attributes: dict[str, object] | None = None) -> str:
        """Add a node with one output; the result is the output's name."""
        full = PREFIX + name
        node = helper.make_node(operator, list(inputs), [full], name=full)
        node.attribute.extend(helper.make_attribute(key, value) for key, value in (attributes or {}).items())
        self.nodes.append(node)
        return full


def add_preprocessing(parts: GraphParts, framing: Framing, normalisation: Normalisation) -> None:
    """From `images`, uint8 (batch, height, width, 3) of any size, to `inputs`, float32 (batch, 3, height, width)."""
    framed = add_framing(parts, framing)
    # Turned before the cast: moving bytes is a fifth of the work of moving floats.
    turned = parts.node("Transpose", [framed], "turned", {"perm": [0, 3, 1, 2]})
    floats = parts.node("Cast", [turned], "floats", {"to": onnx.TensorProto.FLOAT})
    mean = parts.constant("mean", np.array(normalisation.mean, np.float32).reshape(1, 3, 1, 1))
    deviation = np.array(normalisation.standard_deviation, np.float32).reshape(1, 3, 1, 1)
    centred = parts.node("Sub", [floats, mean], "centred")
    parts.node("Div", [centred, parts.constant("standard_deviation", deviation)], "inputs")


def add_framing(parts: GraphParts, framing: Framing) -> str:
    """From `images` of any size to the framing's size; the result is the name of the framed images.

    An image that already has the framing's size goes through untouched: every size below equals its own then, and a
    resize to the same size copies.
    """
    image = "images"
    height = parts.node("Shape", [image], "height", {"start": 1, "end": 2})
    width = parts.node("Shape", [image], "width", {"start": 2, "end": 3})
    if framing.mode == "crop":
        image, height, width = _add_crop(parts, framing.size, height, width)
    if framing.shrink_to is not None:
        image, height, width = _add_shrink(parts, framing, image, height, width)
    if framing.mode != "pad":
        return _add_resize(parts, image, parts.integers(*framing.size), "framed")
    new_height, new_width = _add_fit(parts, framing.size, height, width, "fit")
    sizes = parts.node("Concat", [new_height, new_width], "fit.size", {"axis": 0})
    resized = _add_resize(parts, image, sizes, "resized")
    edges = parts.node("Sub", [parts.integers(*framing.size), sizes], "edges")
    # Begins of all four axes are 0; ends are 0 for the batch, the edges below and right, 0 for the colours.
    pads = parts.node("Concat", [parts.integers(0, 0, 0, 0, 0), edges, parts.integers(0)], "pads", {"axis": 0})
    level = parts.constant("pad_level", np.array(PAD_LEVEL, np.uint8))
    return parts.node("Pad", [resized, pads, level], "framed", {"mode": "constant"})


def _add_resize(parts: GraphParts, image: str, sizes: str, name: str) -> str:
    """Antialiased linear resize of height and width.

    `exclude_outside` gives no weight to what lies beyond the edge: without it, edges differ from Pillow's by up to 19
    levels, with it by 1.
    """
    attributes: dict[str, object] = {
        "mode": "linear",
        "antialias": 1,
        "coordinate_transformation_mode": "half_pixel",
        "exclude_outside": 1,
        "axes": [1, 2],
    }
    return parts.node("Resize", [image, "", "", sizes], name, attributes)


def _add_fit(parts: GraphParts, size: tuple[int, int], height: str, width: str, name: str) -> tuple[str, str]:
    """The largest (height, width) of the image's own shape inside `size`."""
    full_height, full_width = parts.integers(size[0]), parts.integers(size[1])
    by_height = parts.node(
        "GreaterOrEqual",
        [
            parts.node("Mul", [height, full_width], f"{name}.height_across"),
            parts.node("Mul", [width, full_height], f"{name}.width_across"),
        ],
        f"{name}.by_height",
    )
    free_height = _add_scaled(parts, height, (width, size[1]), f"{name}.free_height")
    free_width = _add_scaled(parts, width, (height, size[0]), f"{name}.free_width")
    return (
        parts.node("Where", [by_height, full_height, free_height], f"{name}.height"),
        parts.node("Where", [by_height, free_width, full_width], f"{name}.width"),
    )


def _add_scaled(parts: GraphParts, side: str, scale: tuple[str, int], name: str) -> str:
    """`side * target / other`, rounded half up, at least 1: max(1, (2 * side * target + other) // (2 * other))."""
    other, target = scale
    one = parts.integers(1)
    # An empty image must not divide by zero: that would end the process, not the call.
    other = parts.node("Max", [other, one], f"{name}.other")
    doubled = parts.node("Mul", [side, parts.integers(2 * target)], f"{name}.doubled")
    above = parts.node("Add", [doubled, other], f"{name}.above")
    below = parts.node("Mul", [other, parts.integers(2)], f"{name}.below")
    return parts.node("Max", [parts.node("Div", [above, below], f"{name}.rounded"), one], name)


def _add_shrink(parts: GraphParts, framing: Framing, image: str, height: str, width: str) -> tuple[str, str, str]:
    """What is larger than the training images were is first made as small; a framed image stays as it is."""
    assert framing.shrink_to is not None  # noqa: S101  # the caller asked
    if framing.mode == "pad":
        limits = _add_fit(parts, framing.shrink_to, height, width, "shrink")
    else:
        limits = parts.integers(framing.shrink_to[0]), parts.integers(framing.shrink_to[1])
    shape = parts.node("Shape", ["images"], "given", {"start": 1, "end": 3})
    same = parts.node("Equal", [shape, parts.integers(*framing.size)], "same")
    same_count = parts.node(
        "ReduceMin", [parts.node("Cast", [same], "same.integer", {"to": 6})], "same.both", {"keepdims": 1}
    )
    framed = parts.node("Cast", [same_count], "is_framed", {"to": onnx.TensorProto.BOOL})
    sides = []
    for side, limit, name in ((height, limits[0], "shrunk.height"), (width, limits[1], "shrunk.width")):
        smaller = parts.node("Min", [side, limit], f"{name}.smaller")
        sides.append(parts.node("Where", [framed, side, smaller], name))
    sizes = parts.node("Concat", sides, "shrunk.size", {"axis": 0})
    return _add_resize(parts, image, sizes, "shrunk"), sides[0], sides[1]


def _add_crop(parts: GraphParts, size: tuple[int, int], height: str, width: str) -> tuple[str, str, str]:
    """Cut the middle part that has the target's shape, before any resize: no side is ever enlarged to be cut off."""
    kept_height = parts.node(
        "Min", [height, _add_scaled(parts, width, (parts.integers(size[1]), size[0]), "crop.height")], "kept.height"
    )
    kept_width = parts.node(
        "Min", [width, _add_scaled(parts, height, (parts.integers(size[0]), size[1]), "crop.width")], "kept.width"
    )
    kept = parts.node("Concat", [kept_height, kept_width], "kept", {"axis": 0})
    given = parts.node("Concat", [height, width], "whole", {"axis": 0})
    spare = parts.node("Sub", [given, kept], "spare")
    starts = parts.node("Div", [spare, parts.integers(2)], "crop.starts")
    ends = parts.node("Add", [starts, kept], "crop.ends")
    cut = parts.node("Slice", ["images", starts, ends, parts.constant("axes", np.array([1, 2], np.int64))], "cut")
    return cut, kept_height, kept_width
