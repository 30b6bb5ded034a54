"""Several networks as one, in torch and as one ONNX graph; the answer is the mean of their probabilities or logits."""

import math
from collections.abc import Sequence

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from vidi.metrics.outputs import SIGMOID, SOFTMAX, Outputs
from vidi.networks.layers import Classifier

GIVEN = ("logits", "embedding", "evidence")


def side_by_side(graphs: Sequence[onnx.GraphProto], *, prefix: str, outputs: Outputs = SOFTMAX) -> onnx.GraphProto:
    """One graph of two or more that `to_onnx` wrote for networks of one kind.

    Its `logits` are the logs of the mean probabilities, so that calibration and softmax stand behind them as behind
    any network's. `embedding` holds the members' embeddings one after the other. `evidence` is there where all members
    have one: see `_add_evidence`. Where images may show several classes, logits and evidence are the members' means.

    Args:
        graphs: each with the input `inputs` and the outputs `logits`, `embedding` and, at will, `evidence`.
        prefix: with a member's number it stands before all of its names: `members` gives `members.0.head.weight`.
    """
    nodes: list[onnx.NodeProto] = []
    tensors: list[onnx.TensorProto] = []
    for number, graph in enumerate(graphs):
        _take_over(graph, f"{prefix}.{number}.", nodes, tensors)
    names = {output: [f"{prefix}.{number}.{output}" for number in range(len(graphs))] for output in GIVEN}
    tensors.append(numpy_helper.from_array(np.array(1 / len(graphs), np.float32), "mean.share"))
    shares = None if outputs == SIGMOID else _add_logits(names["logits"], nodes)
    if shares is None:
        _add_mean(names["logits"], "logits", nodes)
    nodes.append(helper.make_node("Concat", names["embedding"], ["embedding"], name="embedding", axis=1))
    sides = [_shape(graph) for graph in graphs]
    features = sum(shapes["embedding"][1] for shapes in sides)
    class_count = sides[0]["logits"][1]
    given = [_value("logits", [class_count]), _value("embedding", [features])]
    maps = {tuple(shapes.get("evidence", ())) for shapes in sides}
    if len(maps) == 1 and (shape := maps.pop()):
        if shares is None:
            _add_mean(names["evidence"], "evidence", nodes)
        else:
            _add_evidence(names["evidence"], names["logits"], shares, nodes, tensors)
        given.append(_value("evidence", [class_count, *shape[2:]]))
    return helper.make_graph(nodes, "network", graphs[0].input, given, tensors)


def _take_over(
    graph: onnx.GraphProto, prefix: str, nodes: list[onnx.NodeProto], tensors: list[onnx.TensorProto]
) -> None:
    """A member's nodes and tensors, all names but that of the input behind its prefix."""
    for tensor in graph.initializer:
        copy = onnx.TensorProto()
        copy.CopyFrom(tensor)
        copy.name = prefix + tensor.name
        tensors.append(copy)
    for node in graph.node:
        own = onnx.NodeProto()
        own.CopyFrom(node)
        own.name = prefix + node.name
        own.input[:] = [name if name in ("inputs", "") else prefix + name for name in node.input]
        own.output[:] = [prefix + name for name in node.output]
        nodes.append(own)


def _add_mean(members: Sequence[str], output: str, nodes: list[onnx.NodeProto]) -> None:
    """The mean of a value over the members."""
    _add(nodes, "Mul", [_add(nodes, "Sum", members, f"{output}.sum"), "mean.share"], output)


def _add_logits(members: Sequence[str], nodes: list[onnx.NodeProto]) -> list[str]:
    """`logits`, the logs of the mean probabilities; no probability is too small, for the largest is divided out first.

    Returns:
        Names of the shares that the members have in the mean probability of each class.
    """
    logs = [_add(nodes, "LogSoftmax", [name], f"{name}.log") for name in members]
    largest = _add(nodes, "Max", logs, "mean.largest")
    powers = [
        _add(nodes, "Exp", [_add(nodes, "Sub", [log, largest], f"{log}.relative")], f"{log}.power") for log in logs
    ]
    total = _add(nodes, "Sum", powers, "mean.sum")
    mean = _add(nodes, "Mul", [total, "mean.share"], "mean.power")
    _add(nodes, "Add", [_add(nodes, "Log", [mean], "mean.log"), largest], "logits")
    return [_add(nodes, "Div", [power, total], f"{name}.share") for power, name in zip(powers, members, strict=True)]


def _add_evidence(
    evidence: Sequence[str],
    members: Sequence[str],
    shares: Sequence[str],
    nodes: list[onnx.NodeProto],
    tensors: list[onnx.TensorProto],
) -> None:
    """`evidence`, whose mean over the regions is the logit.

    How far a region lies above or below a member's own logit counts as much as the member has a share in the class's
    mean probability; to that comes the logit itself.
    """
    tensors.append(numpy_helper.from_array(np.array([2, 3], np.int64), "evidence.sides"))
    parts = [_add(nodes, "Unsqueeze", ["logits", "evidence.sides"], "evidence.logits")]
    for own, logits, share in zip(evidence, members, shares, strict=True):
        shown = _add(nodes, "Unsqueeze", [logits, "evidence.sides"], f"evidence.{logits}")
        above = _add(nodes, "Sub", [own, shown], f"evidence.{logits}.above")
        weight = _add(nodes, "Unsqueeze", [share, "evidence.sides"], f"evidence.{logits}.weight")
        parts.append(_add(nodes, "Mul", [above, weight], f"evidence.{logits}.part"))
    _add(nodes, "Sum", parts, "evidence")


def _add(nodes: list[onnx.NodeProto], operator: str, inputs: Sequence[str], output: str) -> str:
    nodes.append(helper.make_node(operator, list(inputs), [output], name=output))
    return output


def _shape(graph: onnx.GraphProto) -> dict[str, list[int]]:
    """The sides of each output; 0 for the batch."""
    return {value.name: [side.dim_value for side in value.type.tensor_type.shape.dim] for value in graph.output}


def _value(name: str, sides: Sequence[int]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *sides])


class Ensemble(nn.Module):
    """Networks of one kind whose probabilities are averaged; the first is the best of them.

    Where images may show several classes, each told by itself, the logits are averaged in place of the probabilities.
    """

    def __init__(self, members: Sequence[Classifier], *, outputs: Outputs = SOFTMAX) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.outputs = outputs

    def forward(self, inputs: Tensor) -> Tensor:
        """Normalised inputs (batch, 3, height, width) to logits (batch, classes): logs of the mean probabilities."""
        if self.outputs == SIGMOID:
            return torch.stack([member(inputs).to(torch.float32) for member in members_of(self)]).mean(dim=0)
        logs = torch.stack([member(inputs).to(torch.float32).log_softmax(dim=1) for member in members_of(self)])
        return logs.logsumexp(dim=0) - math.log(len(self.members))

    def embed(self, inputs: Tensor) -> Tensor:
        """Normalised inputs (batch, 3, height, width) to embeddings (batch, features of all members in turn)."""
        return torch.cat([member.embed(inputs) for member in members_of(self)], dim=1)


Network = Classifier | Ensemble  # what a training may end in, and a model file hold


def members_of(network: Network) -> list[Classifier]:
    """The networks that answer: one, or those of an ensemble."""
    if isinstance(network, Classifier):
        return [network]
    return [member for member in network.members if isinstance(member, Classifier)]
