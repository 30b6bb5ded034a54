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

from vidi.images.framing import PAD_GREY, Framing
from vidi.model_file.metadata import Normalisation

PREFIX = "vidi."  # every tensor and node of ours; what lacks it belongs to the trained network


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
    if framing.shrink_to is not None:
        image, height, width = _add_shrink(parts, framing, framing.shrink_to, height, width)
    if framing.mode == "stretch":
        return _add_resize(parts, image, parts.integers(*framing.size), "framed")
    decides = "LessOrEqual" if framing.mode == "pad" else "GreaterOrEqual"
    new_height, new_width = _add_scaled_size(parts, framing.size, (height, width), decides, "resized")
    sizes = parts.node("Concat", [new_height, new_width], "resized.size", {"axis": 0})
    resized = _add_resize(parts, image, sizes, "resized")
    if framing.mode == "pad":
        return _add_pad(parts, framing.size, resized, sizes)
    return _add_crop(parts, framing.size, resized, sizes)


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


def _add_scaled_size(
    parts: GraphParts, box: tuple[int, int], size: tuple[str, str], decides: str, name: str
) -> tuple[str, str]:
    """The image's own shape fitted within a box (`decides` is LessOrEqual) or covering it (GreaterOrEqual).

    The height decides where `box_height * width <= box_width * height` (`>=` to cover): see `fitted_size`.
    """
    height, width = size
    box_height, box_width = parts.integers(box[0]), parts.integers(box[1])
    height_decides = parts.node(
        decides,
        [
            parts.node("Mul", [width, box_height], f"{name}.width_across"),
            parts.node("Mul", [height, box_width], f"{name}.height_across"),
        ],
        f"{name}.height_decides",
    )
    free_height = _add_scaled(parts, height, (box[1], width), f"{name}.free_height")
    free_width = _add_scaled(parts, width, (box[0], height), f"{name}.free_width")
    return (
        parts.node("Where", [height_decides, box_height, free_height], f"{name}.height"),
        parts.node("Where", [height_decides, free_width, box_width], f"{name}.width"),
    )


def _add_scaled(parts: GraphParts, side: str, scale: tuple[int, str], name: str) -> str:
    """`side * target / of`, halves up, at least 1: max(1, (2 * side * target + of) // (2 * of))."""
    target, of = scale
    one = parts.integers(1)
    # An image without pixels must not divide by zero: that would end the process, not the call.
    of = parts.node("Max", [of, one], f"{name}.of")
    doubled = parts.node("Mul", [side, parts.integers(2 * target)], f"{name}.doubled")
    above = parts.node("Add", [doubled, of], f"{name}.above")
    below = parts.node("Mul", [of, parts.integers(2)], f"{name}.below")
    return parts.node("Max", [parts.node("Div", [above, below], f"{name}.rounded"), one], name)


def _add_shrink(
    parts: GraphParts, framing: Framing, shrink_to: tuple[int, int], height: str, width: str
) -> tuple[str, str, str]:
    """What is larger than the training images were is first made as small; a framed image stays as it is.

    The smaller of each side and its scaled self is `shrunk_size`: both are smaller, or neither is.
    """
    limits = parts.integers(shrink_to[0]), parts.integers(shrink_to[1])
    if framing.mode != "stretch":
        decides = "LessOrEqual" if framing.mode == "pad" else "GreaterOrEqual"
        limits = _add_scaled_size(parts, shrink_to, (height, width), decides, "limit")
    is_framed = _add_is_framed(parts, framing.size, height, width)
    sides = []
    for side, limit, name in ((height, limits[0], "shrunk.height"), (width, limits[1], "shrunk.width")):
        smaller = parts.node("Min", [side, limit], f"{name}.smaller")
        sides.append(parts.node("Where", [is_framed, side, smaller], name))
    sizes = parts.node("Concat", sides, "shrunk.size", {"axis": 0})
    return _add_resize(parts, "images", sizes, "shrunk"), sides[0], sides[1]


def _add_is_framed(parts: GraphParts, size: tuple[int, int], height: str, width: str) -> str:
    """Whether the images already have the framing's size: the host framed them."""
    off_by = [
        parts.node("Abs", [parts.node("Sub", [side, parts.integers(target)], f"{name}.off")], f"{name}.off_by")
        for side, target, name in ((height, size[0], "given.height"), (width, size[1], "given.width"))
    ]
    both = parts.node("Add", off_by, "given.off_by")
    return parts.node("Equal", [both, parts.integers(0)], "is_framed")


def _add_pad(parts: GraphParts, size: tuple[int, int], image: str, sizes: str) -> str:
    """Grey borders; the odd pixel goes right and below."""
    edges = parts.node("Sub", [parts.integers(*size), sizes], "edges")
    before = parts.node("Div", [edges, parts.integers(2)], "edges.before")
    after = parts.node("Sub", [edges, before], "edges.after")
    none = parts.integers(0)  # of the batch and of the colours
    pads = parts.node("Concat", [none, before, none, none, after, none], "pads", {"axis": 0})
    level = parts.constant("pad_level", np.array(PAD_GREY, np.uint8))
    return parts.node("Pad", [image, pads, level], "framed", {"mode": "constant"})


def _add_crop(parts: GraphParts, size: tuple[int, int], image: str, sizes: str) -> str:
    """The middle; it starts at half the surplus, rounded down."""
    surplus = parts.node("Sub", [sizes, parts.integers(*size)], "surplus")
    starts = parts.node("Div", [surplus, parts.integers(2)], "crop.starts")
    ends = parts.node("Add", [starts, parts.integers(*size)], "crop.ends")
    return parts.node("Slice", [image, starts, ends, parts.integers(1, 2)], "framed")
