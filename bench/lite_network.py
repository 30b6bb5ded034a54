"""A network of EfficientNet-Lite0's shape with random weights, as an ONNX graph and as an eager torch module.

Source: Tan, Le and others, EfficientNet-Lite (2020); the stages of EfficientNet-B0 without squeeze-and-excite, with
ReLU6, 0.39 billion multiply-adds at 224 x 224.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIZE = (224, 224)
CLASSES = 1000
STAGES = (  # kernel, expansion, channels, blocks, stride of the first
    (3, 1, 16, 1, 1),
    (3, 6, 24, 2, 2),
    (5, 6, 40, 2, 2),
    (3, 6, 80, 3, 2),
    (5, 6, 112, 3, 1),
    (5, 6, 192, 4, 2),
    (3, 6, 320, 1, 1),
)
STEM, FEATURES = 32, 1280


class Convolution(NamedTuple):
    """One convolution with batch normalisation: what both builders are told."""

    incoming: int
    outgoing: int
    kernel: int
    stride: int
    is_depthwise: bool
    has_relu: bool


def blocks() -> Iterator[tuple[list[Convolution], bool]]:
    """Every block: its convolutions, and whether its input is added to its output."""
    yield [Convolution(3, STEM, 3, 2, False, True)], False
    channels = STEM
    for kernel, expansion, outgoing, count, first_stride in STAGES:
        for index in range(count):
            stride = first_stride if index == 0 else 1
            inner = channels * expansion
            parts = [Convolution(channels, inner, 1, 1, False, True)] if expansion > 1 else []
            parts += [
                Convolution(inner, inner, kernel, stride, True, True),
                Convolution(inner, outgoing, 1, 1, False, False),
            ]
            yield parts, stride == 1 and channels == outgoing
            channels = outgoing
    yield [Convolution(channels, FEATURES, 1, 1, False, True)], False


def lite_graph(seed: int = 0, *, classes: int = CLASSES) -> onnx.GraphProto:
    """The network as `write_model` takes it, batch normalisation folded in."""
    random = np.random.default_rng(seed)
    nodes: list[onnx.NodeProto] = []
    tensors = [numpy_helper.from_array(np.array(value, np.float32), name) for name, value in (("0", 0), ("6", 6))]
    value, number = "inputs", 0
    for parts, adds in blocks():
        block_input = value
        for part in parts:
            number += 1
            fan_in = part.kernel**2 * (1 if part.is_depthwise else part.incoming)
            shape = (part.outgoing, 1 if part.is_depthwise else part.incoming, part.kernel, part.kernel)
            weight = random.normal(0, np.sqrt(2 / fan_in), shape).astype(np.float32)
            tensors.append(numpy_helper.from_array(weight, f"w{number}"))
            tensors.append(numpy_helper.from_array(np.zeros(part.outgoing, np.float32), f"b{number}"))
            edge = part.kernel // 2
            nodes.append(
                helper.make_node(
                    "Conv",
                    [value, f"w{number}", f"b{number}"],
                    [f"c{number}"],
                    kernel_shape=[part.kernel] * 2,
                    strides=[part.stride] * 2,
                    pads=[edge] * 4,
                    group=part.incoming if part.is_depthwise else 1,
                )
            )
            value = f"c{number}"
            if part.has_relu:
                nodes.append(helper.make_node("Clip", [value, "0", "6"], [f"r{number}"]))
                value = f"r{number}"
        if adds:
            nodes.append(helper.make_node("Add", [block_input, value], [f"a{number}"]))
            value = f"a{number}"
    head = random.normal(0, 0.03, (classes, FEATURES)).astype(np.float32)
    tensors += [numpy_helper.from_array(head, "head"), numpy_helper.from_array(np.zeros(classes, np.float32), "bias")]
    nodes += [
        helper.make_node("GlobalAveragePool", [value], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["embedding"]),
        helper.make_node("Gemm", ["embedding", "head", "bias"], ["logits"], transB=1),
    ]
    inputs = [helper.make_tensor_value_info("inputs", TensorProto.FLOAT, ["batch", 3, *SIZE])]
    outputs = [
        helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", classes]),
        helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", FEATURES]),
    ]
    return helper.make_graph(nodes, "lite0", inputs, outputs, tensors)


def lite_torch() -> Any:
    """The network as an eager torch module in evaluation mode, as it comes: NCHW, batch normalisation as layers."""
    from torch import nn

    class Residual(nn.Module):
        def __init__(self, body: nn.Module) -> None:
            super().__init__()
            self.body = body

        def forward(self, value: Any) -> Any:
            return value + self.body(value)

    layers: list[nn.Module] = []
    for parts, adds in blocks():
        body: list[nn.Module] = []
        for part in parts:
            groups = part.incoming if part.is_depthwise else 1
            body += [
                nn.Conv2d(
                    part.incoming,
                    part.outgoing,
                    part.kernel,
                    part.stride,
                    part.kernel // 2,
                    groups=groups,
                    bias=False,
                ),
                nn.BatchNorm2d(part.outgoing),
            ]
            if part.has_relu:
                body.append(nn.ReLU6(inplace=True))
        block = nn.Sequential(*body)
        layers.append(Residual(block) if adds else block)
    network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(FEATURES, CLASSES))
    return network.eval()
